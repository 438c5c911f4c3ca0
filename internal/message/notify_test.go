package message_test

import (
	"strings"
	"testing"

	"stafette/internal/message"
)

func TestParseNotify(t *testing.T) {
	for _, c := range []struct {
		in, out                  string
		ok                       bool
		failure, success, delays bool
	}{
		{"NEVER", "NEVER", true, false, false, false},
		{"success", "SUCCESS", true, false, true, false},
		{"DELAY,Failure", "FAILURE,DELAY", true, true, false, true},
		{"SUCCESS,FAILURE,DELAY", "SUCCESS,FAILURE,DELAY", true, true, true, true},
		{in: "NEVER,FAILURE"}, {in: "SUCCESS,SUCCESS"}, {in: ""}, {in: "FAILURE,"}, {in: "ALWAYS"}, {in: "FAILURE SUCCESS"},
	} {
		n, err := message.ParseNotify(c.in)
		if (err == nil) != c.ok || n.String() != c.out || n.OfFailure() != c.failure || n.OfSuccess() != c.success || n.OfDelay() != c.delays {
			t.Errorf("%q: %q, %v", c.in, n, err)
		}
	}
	if n := message.NotifyUnsaid; n.String() != "" || n.Asked() || !n.OfFailure() || !n.Valid() {
		t.Error("who said nothing is told of failures, and nothing goes on")
	}
	if n := message.Notify(0); n.OfFailure() || n.Asked() || !n.Valid() {
		t.Error("mail of the API has no reports")
	}
	for _, n := range []message.Notify{message.NotifyUnsaid | message.NotifyDelay, message.NotifyNever | message.NotifyFailure, 1 << 6} {
		if n.Valid() {
			t.Errorf("%b is valid", n)
		}
	}
}

func TestCheckEnvelopeID(t *testing.T) {
	for id, ok := range map[string]bool{
		"": true, "QQ314159": true, "a b+c=d": true, strings.Repeat("x", 100): true,
		strings.Repeat("x", 101): false, strings.Repeat("+", 34): false, "ü": false, "a\r\nRCPT TO:<b>": false, "a\x7f": false,
	} {
		if err := message.CheckEnvelopeID(id); (err == nil) != ok {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestOriginalRecipient(t *testing.T) {
	for _, c := range []struct{ kind, address, parameter string }{
		{"rfc822", "eva@kunde.example", "rfc822;eva@kunde.example"},
		{"RFC822", "a+b=c@kunde.example", "rfc822;a+2Bb+3Dc@kunde.example"},
		{"rfc822", `"e v"@kunde.example`, `rfc822;"e+20v"@kunde.example`},
		{"utf-8", "jörg@kunde.example", `utf-8;j\x{F6}rg@kunde.example`},
		{"UTF-8", "a\\+ 用@b.example", `utf-8;a\x{5C}\x{2B}\x{20}\x{7528}@b.example`},
		{"rfc822", "not an address", "rfc822;not+20an+20address"},
		{"rfc822", "jörg@kunde.example", ""}, {"x400", "a", ""}, {"rfc822", "", ""},
		{"rfc822", "a\r\nb", ""}, {"utf-8", "a\u0085b", ""}, {"utf-8", "a\xff", ""}, {"rfc822", strings.Repeat("x", 500), ""},
	} {
		o, err := message.NewOriginalRecipient(c.kind, c.address)
		if (err == nil) != (c.parameter != "") || err == nil && o.Parameter() != c.parameter {
			t.Errorf("%s;%s: %q, %v", c.kind, c.address, o.Parameter(), err)
		}
		if back, err := message.ParseOriginalRecipient(o.String()); err != nil || back != o {
			t.Errorf("%s: read again as %+v, %v", o, back, err)
		}
	}
}

// FuzzOriginalRecipient: whatever is taken makes one word of a command and survives
// the way through the database.
func FuzzOriginalRecipient(f *testing.F) {
	f.Add("rfc822", "a+b@c.example")
	f.Add("utf-8", "jörg\\ @c.example")
	f.Add("rfc822", "a> NOTIFY=NEVER\r\nQUIT")
	f.Fuzz(func(t *testing.T, kind, address string) {
		o, err := message.NewOriginalRecipient(kind, address)
		if err != nil {
			return
		}
		p := o.Parameter()
		if len(p) > 500 || strings.IndexFunc(p, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 {
			t.Errorf("%q makes the parameter %q", o, p)
		}
		if back, err := message.ParseOriginalRecipient(o.String()); err != nil || back != o {
			t.Errorf("%+v became %+v, %v", o, back, err)
		}
	})
}
