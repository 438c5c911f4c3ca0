package sink

import (
	"bufio"
	"context"
	"net"
	"strings"
	"testing"

	"stafette/test/load/letter"
)

// dialogue sends the lines that begin with "C: " and compares the answers with those
// that begin with "S: ".
func dialogue(t *testing.T, addr, script string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		if text, ok := strings.CutPrefix(line, "C: "); ok {
			if _, err := conn.Write([]byte(strings.ReplaceAll(text, `\r\n`, "\r\n") + "\r\n")); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := in.ReadString('\n')
		if want, ok := strings.CutPrefix(line, "S: "); ok && (err != nil || !strings.HasPrefix(got, want)) {
			t.Fatalf("answer %q (%v), want %q", got, err, want)
		}
	}
}

func TestDialogues(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		script string
		total  int
	}{
		"everything in one write": {Config{}, `S: 220
C: EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<r.1@d>\r\nDATA
S: 250-
S: 250-PIPELINING
S: 250-8BITMIME
S: 250-SMTPUTF8
S: 250-AUTH
S: 250-SIZE
S: 250 ENHANCEDSTATUSCODES
S: 250 2.1.0
S: 250 2.1.5
S: 354
C: Subject: x\r\n\r\n..dot\r\n.\r\nMAIL FROM:<a@b>
S: 250 2.0.0 taken
S: 250 2.1.0
C: QUIT
S: 221`, 1},
		"two recipients": {Config{}, `S: 220
C: MAIL FROM:<>\r\nRCPT TO:<r.1@d>\r\nRCPT TO:<r.2@d>\r\nDATA
S: 250
S: 250
S: 250
S: 354
C: .
S: 250`, 2},
		"chunks": {Config{Chunking: true}, `S: 220
C: MAIL FROM:<a@b>\r\nRCPT TO:<r.1@d>\r\nBDAT 4\r\nab
S: 250
S: 250
S: 250 2.0.0 chunk
C: BDAT 2 LAST\r\n
S: 250 2.0.0 taken`, 1},
		"greylisting ends": {Config{Temporary: 100}, `S: 220
C: MAIL FROM:<a@b>\r\nRCPT TO:<r.1@d>\r\nDATA
S: 250
S: 451
S: 554
C: RSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<r.1@d>
S: 250
S: 250
S: 250`, 0},
		"refusal does not end": {Config{Permanent: 100}, `S: 220
C: MAIL FROM:<a@b>\r\nRCPT TO:<r.1@d>\r\nRCPT TO:<r.1@d>
S: 250
S: 550
S: 550`, 0},
		"out of order": {Config{}, `S: 220
C: RCPT TO:<r.1@d>\r\nDATA\r\nWHAT
S: 503
S: 554
S: 502`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Start(c.config)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			dialogue(t, s.Addr(), c.script)
			if n, _ := s.Total(); n != c.total {
				t.Errorf("%d deliveries, want %d", n, c.total)
			}
		})
	}
}

func TestDamagedLettersAreSeen(t *testing.T) {
	l := letter.NewSource(letter.Config{Run: "r", From: "a@b.example", Size: 2000}).At(1)
	whole := string(l.Append(nil))
	other := letter.NewSource(letter.Config{Run: "r", From: "a@b.example", Size: 2000}).At(2)
	for name, c := range map[string]struct {
		body   string
		intact bool
	}{
		"whole":          {whole, true},
		"torn":           {whole[:len(whole)-100], false},
		"of another":     {string(other.Append(nil)), false},
		"header missing": {whole[strings.Index(whole, "\r\n\r\n"):], false},
		"empty":          {"", false},
	} {
		if got := intact([]byte(c.body), l.Token); got != c.intact {
			t.Errorf("%s: intact is %t", name, got)
		}
	}
}

// A report to the letters' sender is neither a letter nor a damaged one.
func TestReportsAreNotLetters(t *testing.T) {
	s, err := Start(Config{Verify: true, Permanent: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dialogue(t, s.Addr(), `S: 220
C: MAIL FROM:<>\r\nRCPT TO:<info@muster.example>\r\nDATA\r\nSubject: failed\r\n\r\nSorry.\r\n.
S: 250
S: 250
S: 354
S: 250`)
	if n, _ := s.Total(); n != 0 || s.Others() != 1 || len(s.Receipts()) != 0 || len(s.Damaged()) != 0 {
		t.Errorf("%d letters, %d others, receipts %v, damaged %q", n, s.Others(), s.Receipts(), s.Damaged())
	}
}

func TestFatesHaveTheirShares(t *testing.T) {
	c := Config{Temporary: 10, Permanent: 3}
	letters := letter.NewSource(letter.Config{Run: "r", From: "a@b.example"})
	var n [3]int
	for i := range 10_000 {
		n[c.FateOf(letters.At(i).Token)]++
	}
	if n[DeferredOnce] < 800 || n[DeferredOnce] > 1200 || n[Refused] < 200 || n[Refused] > 400 {
		t.Errorf("fates %v", n)
	}
}

func TestAwaitGivesUp(t *testing.T) {
	s, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Await(ctx, 1); err == nil {
		t.Error("waited for nothing")
	}
}
