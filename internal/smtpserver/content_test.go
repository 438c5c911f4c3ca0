package smtpserver_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestSmuggling sends what other servers take for the end of a message (T1). It must
// neither end the message nor be accepted in one.
func TestSmuggling(t *testing.T) {
	for _, end := range []string{
		"\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r.\r\n", "\n\r.\r\n", "\r\n.\x00\r\n", "\r\n\x00.\r\n",
		"\r\r\n.\r\r\n", "\n.\r", "\r\n.\r",
	} {
		w := start(t, clear)
		d := w.login(t)
		if got := d.smuggle(end); !strings.HasPrefix(got, "550 5.6.0 ") {
			t.Errorf("end %q: reply %q", end, got)
		}
		if n := len(w.acceptor.submissions()); n != 0 {
			t.Errorf("end %q: %d messages accepted", end, n)
		}
		d.say("NOOP", "250 ")
	}
}

// smuggle sends a message with a false end and a second message behind it, and returns
// the reply to the real end.
func (d *dialog) smuggle(end string) string {
	d.t.Helper()
	d.say("MAIL FROM:<a@muster.example>", "250 ")
	d.say("RCPT TO:<eva@kunde.example>", "250 ")
	d.say("DATA", "354 ")
	d.write(mail + "x" + end + "MAIL FROM:<evil@muster.example>\r\nRCPT TO:<x@kunde.example>\r\nDATA\r\n" +
		"From: evil@muster.example\r\n\r\nevil\r\n.\r\n")
	return d.read()
}

func TestSizeLimit(t *testing.T) {
	w := start(t, clear)
	d := w.login(t)
	big := mail + strings.Repeat(strings.Repeat("a", 98)+"\r\n", 1001)
	for range 2 {
		d.say("MAIL FROM:<a@muster.example>", "250 ")
		d.say("RCPT TO:<eva@kunde.example>", "250 ")
		d.say("DATA", "354 ")
		d.say(big+".", "552 5.3.4")
	}
	d.say("MAIL FROM:<a@muster.example>", "250 ")
	d.say("RCPT TO:<eva@kunde.example>", "250 ")
	d.write(fmt.Sprintf("BDAT %d LAST\r\n%s", len(big), big))
	d.want("552 5.3.4")
	d.say("MAIL FROM:<a@muster.example>", "250 ")
	d.say("RCPT TO:<eva@kunde.example>", "250 ")
	d.say("DATA", "354 ")
	d.say(mail+strings.Repeat("a", 999)+"\r\n.", "550 5.6.0 line_too_long")
	if n := len(w.acceptor.submissions()); n != 0 {
		t.Errorf("%d messages were accepted", n)
	}
}

func TestChunking(t *testing.T) {
	w := start(t, clear)
	d := w.login(t)
	d.say("MAIL FROM:<a@muster.example> BODY=8BITMIME", "250 ")
	d.say("RCPT TO:<eva@kunde.example>", "250 ")
	d.write(fmt.Sprintf("BDAT %d\r\n%s", 10, mail[:10]))
	d.want("250 ")
	d.write(fmt.Sprintf("BDAT %d\r\n%s", len(mail)-10, mail[10:]))
	d.want("250 ")
	if got := d.say("BDAT 0 LAST", "250 2.0.0"); !strings.Contains(got, "msg_") {
		t.Errorf("the reply %q names no message", got)
	}
	if s := w.acceptor.only(t); !strings.HasSuffix(string(s.Raw), mail) {
		t.Errorf("bytes %q", s.Raw)
	}
	// A bare line feed comes through BDAT as it is, and is refused (T2).
	d.say("MAIL FROM:<a@muster.example>", "250 ")
	d.say("RCPT TO:<eva@kunde.example>", "250 ")
	bare := mail + "a\nb\r\n"
	d.write(fmt.Sprintf("BDAT %d LAST\r\n%s", len(bare), bare))
	d.want("550 5.6.0 line_end_bare")
	// A client that gives up in the middle leaves nothing behind.
	d.say("MAIL FROM:<a@muster.example>", "250 ")
	d.say("RCPT TO:<eva@kunde.example>", "250 ")
	d.write("BDAT 5\r\nFrom:")
	d.want("250 ")
	d.say("RSET", "250 ")
	d.say("QUIT", "221 ")
	if n := len(w.acceptor.submissions()); n != 1 {
		t.Errorf("%d messages were accepted, want 1", n)
	}
}

func TestLoopGuard(t *testing.T) {
	w := start(t, clear)
	d := w.login(t)
	for n, want := range map[int]string{50: "250 ", 51: "554 5.4.6"} {
		d.say("MAIL FROM:<a@muster.example>", "250 ")
		d.say("RCPT TO:<eva@kunde.example>", "250 ")
		d.say("DATA", "354 ")
		d.say(strings.Repeat("Received: by x; y\r\n", n)+mail+".", want)
	}
}
