package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// smuggled are the ways some server or other reads the end of a mail, with what
// would then be the next one.
func smuggled() map[string]string {
	const next = "MAIL FROM:<boss@bank.example>\r\nRCPT TO:<eva@kunde.example>\r\nDATA\r\nSubject: erfunden\r\n\r\nGeld her\r\n"
	ends := map[string]string{"LF.LF": "\n.\n", "LF.CRLF": "\n.\r\n", "CRLF.LF": "\r\n.\n", "CR.CR": "\r.\r", "CRLF.CR": "\r\n.\r", "CR.CRLF": "\r.\r\n",
		"LF.CR": "\n.\r", "NUL before": "\x00\r\n.\r\n", "NUL after": "\r\n.\x00\r\n", "CRLF.CRLF": "\r\n.\r\n", "doubled": "\r\n..\r\n"}
	for name, end := range ends {
		ends[name] = "Guten Tag" + end + next
	}
	return ends
}

// TestSmuggling (T2): whatever stands in a mail at either door, one mail leaves as one
// mail, in lines that no server can read in two ways, by DATA and by BDAT.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	plain, chunks := ownAddress(t), ownAddress(t)
	taps := map[string]*tap{"data.example": openTap(t, plain, false), "bdat.example": openTap(t, chunks, true)}
	s := install(t, fmt.Sprintf("[[route]]\ndomain = \"data.example\"\nnext_hop = %q\n[[route]]\ndomain = \"bdat.example\"\nnext_hop = %q\n", plain, chunks))
	both := []string{"eva@data.example", "eva@bdat.example"}
	accepted := 0
	for name, text := range smuggled() {
		for _, fields := range []map[string]any{
			{"text": text}, {"html": "<pre>" + text + "</pre>"},
			{"text": "x", "attachments": []map[string]any{{"filename": "a.txt", "content_type": "text/plain", "content": base64.StdEncoding.EncodeToString([]byte(text))}}},
		} {
			fields["from"], fields["to"], fields["subject"] = "info@"+senderDomain, both, "API "+name
			body, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			a := s.request(t, http.MethodPost, "/v1/messages", body)
			switch {
			case a.status == http.StatusAccepted:
				accepted++
			case a.status != http.StatusUnprocessableEntity || name == "CRLF.CRLF" || name == "LF.LF":
				t.Errorf("%s: %s", name, a)
			}
		}
		for _, chunked := range []bool{false, true} {
			if s.smuggle(t, text, chunked, both) {
				accepted++
				if name != "CRLF.CRLF" && name != "doubled" {
					t.Errorf("%q was accepted over SMTP, BDAT %v", name, chunked)
				}
			}
		}
	}
	list := s.list(t, "")
	if len(list) != accepted {
		t.Errorf("%d messages, %d were accepted", len(list), accepted)
	}
	for _, m := range list {
		for _, d := range s.settled(t, m.ID).Deliveries {
			if d.State != "delivered" {
				t.Errorf("%+v", d)
			}
		}
	}
	for domain, tp := range taps {
		tp.clean(t, domain, len(list))
	}
}

// clean looks at everything that was said to a tap.
func (t *tap) clean(tt *testing.T, domain string, count int) {
	tt.Helper()
	taken := t.taken()
	if len(taken) != count {
		tt.Errorf("%s took %d mails, want %d", domain, len(taken), count)
	}
	bare := regexp.MustCompile(`(?s)[^\r]\n|\r[^\n]|\x00`)
	for _, said := range t.said() {
		if at := bare.FindStringIndex(said); at != nil {
			tt.Errorf("%s heard %q", domain, said[max(0, at[0]-40):min(len(said), at[1]+40)])
		}
		if strings.Contains(said, "\r\nBDAT ") != t.chunking {
			tt.Errorf("%s: BDAT %v", domain, !t.chunking)
		}
	}
	for _, m := range taken {
		if m.from == "boss@bank.example" || bytes.HasPrefix(m.body, []byte("Subject: erfunden")) || m.to != "eva@"+domain {
			tt.Errorf("%s took from %s to %s\n%s", domain, m.from, m.to, m.body)
		}
	}
}

// smuggle submits a text byte by byte as it is and reports whether it was accepted;
// more than one mail never is.
func (s *stafette) smuggle(t *testing.T, text string, chunked bool, to []string) bool {
	t.Helper()
	c, err := tls.Dial("tcp", s.tls, insecure())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	mail := "From: info@" + senderDomain + "\r\nTo: eva@data.example\r\nSubject: SMTP\r\n\r\n" + text
	in := bufio.NewReader(c)
	greeted(t, in)
	ask(t, c, in, "EHLO client.example", "250")
	ask(t, c, in, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+s.setup.SMTP.Username+"\x00"+s.setup.SMTP.Password)), "235")
	ask(t, c, in, "MAIL FROM:<info@"+senderDomain+">", "250")
	for _, r := range to {
		ask(t, c, in, "RCPT TO:<"+r+">", "250")
	}
	if chunked {
		_, _ = fmt.Fprintf(c, "BDAT %d LAST\r\n%sQUIT\r\n", len(mail), mail)
	} else {
		ask(t, c, in, "DATA", "354")
		_, _ = io.WriteString(c, mail+"\r\n.\r\nQUIT\r\n")
	}
	answers, _ := io.ReadAll(in) // a reset after the last answer is an end, too
	n := strings.Count(string(answers), "Accepted as")
	if n > 1 {
		t.Errorf("accepted %d times: %s", n, answers)
	}
	return n > 0
}

func greeted(t *testing.T, in *bufio.Reader) {
	t.Helper()
	if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, "220") {
		t.Fatalf("greeted with %q, %v", line, err)
	}
}

// ask says a command and demands an answer of that code.
func ask(t *testing.T, c net.Conn, in *bufio.Reader, command, code string) {
	t.Helper()
	if _, err := io.WriteString(c, command+"\r\n"); err != nil {
		t.Fatal(err)
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, code) {
			t.Fatalf("%s is answered with %q, %v", command, line, err)
		}
		if line[3] == ' ' {
			return
		}
	}
}

// TestDots: lines of dots arrive as they were written, by DATA and by BDAT.
func TestDots(t *testing.T) {
	t.Parallel()
	for name, chunking := range map[string]bool{"DATA": false, "BDAT": true} {
		t.Run(name, func(t *testing.T) {
			peer := ownAddress(t)
			tp := openTap(t, peer, chunking)
			s := install(t, towards(peer))
			s.settled(t, s.send(t, map[string]any{"from": "info@" + senderDomain, "to": []string{"eva@" + recipientDomain}, "subject": "Punkte", "text": ".\n..\n.Ende\nx\n."}).ID)
			taken := tp.taken()
			if len(taken) != 1 {
				t.Fatalf("%d mails", len(taken))
			}
			if _, body, _ := bytes.Cut(taken[0].body, []byte("\r\n\r\n")); string(body) != ".\r\n..\r\n.Ende\r\nx\r\n.\r\n" {
				t.Errorf("body %q", body)
			}
		})
	}
}
