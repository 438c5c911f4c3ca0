package message_test

import (
	"bytes"
	"testing"
	"testing/quick"

	"stafette/internal/fault"
	"stafette/internal/message"
)

const firstLetter = "Received: from a by b\r\nDate: Thu, 19 Nov 2026 09:00:00 +0000\r\nFrom: Büro <post@muster.example>\r\n" +
	"To: Eva <eva@kunde.example>,\r\n Karl <karl@kunde.example>\r\nCc: chef@muster.example\r\nMessage-ID: <1@muster.example>\r\n" +
	"Subject: Angebot\r\nX-Auftrag: HK-2214\r\n\r\nTo: steht auch im Text\r\n"

func TestAgainNamesOnlyTheNewRecipients(t *testing.T) {
	to := []message.Mailbox{{Name: "Jörg Groß", Address: message.Address{Local: "joerg", Domain: "anderswo.example"}}}
	got, err := message.Again([]byte(firstLetter), to)
	if err != nil {
		t.Fatal(err)
	}
	want := "To: =?utf-8?b?SsO2cmcgR3Jvw58=?= <joerg@anderswo.example>\r\nFrom: Büro <post@muster.example>\r\n" +
		"Subject: Angebot\r\nX-Auftrag: HK-2214\r\n\r\nTo: steht auch im Text\r\n"
	if string(got) != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	to[0].Name = "Eva\r\nBcc: x@y.example"
	if _, err := message.Again([]byte(firstLetter), to); fault.As(err) == nil || fault.As(err).Field != "to/0" {
		t.Errorf("a line break in a name: %v", err)
	}
}

// Whatever the content, its body keeps every byte.
func TestAgainKeepsTheBody(t *testing.T) {
	to := []message.Mailbox{{Address: message.Address{Local: "eva", Domain: "kunde.example"}}}
	keeps := func(body []byte) bool {
		got, err := message.Again(append([]byte("To: x@y.example\r\nSubject: S\r\n\r\n"), body...), to)
		return err == nil && bytes.HasSuffix(got, append([]byte("\r\n\r\n"), body...)) && bytes.Count(got, []byte("Subject: S")) >= 1
	}
	if err := quick.Check(keeps, nil); err != nil {
		t.Error(err)
	}
}
