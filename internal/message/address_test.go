package message_test

import (
	"net/mail"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"stafette/internal/fault"
	"stafette/internal/message"
)

func TestParseAddress(t *testing.T) {
	long := strings.Repeat("a", 61) + "."
	cases := []struct{ in, local, domain string }{
		{"eva@kunde.example", "eva", "kunde.example"},
		{"Eva.Meier+x@KUNDE.Example", "Eva.Meier+x", "kunde.example"},
		{"müller@müller.example", "müller", "xn--mller-kva.example"},
		{"a@MÜLLER.example", "a", "xn--mller-kva.example"},
		{"a@xn--mller-kva.example", "a", "xn--mller-kva.example"},
		{"a@XN--Mller-KVA.example", "a", "xn--mller-kva.example"},
		{"a@straße.example", "a", "xn--strae-oqa.example"},
		{"a@ab--cd.example", "a", "ab--cd.example"},
		{`"a b"@kunde.example`, "a b", "kunde.example"},
		{`"a\"b\\c"@kunde.example`, `a"b\c`, "kunde.example"},
		{`"eva"@kunde.example`, "eva", "kunde.example"},
		// The trap of nodemailer before 7.0.7: the mail is for internal.example.
		{`"a@evil.example x"@internal.example`, "a@evil.example x", "internal.example"},
		{"!#$%&'*+-/=?^_`{|}~@kunde.example", "!#$%&'*+-/=?^_`{|}~", "kunde.example"},
		{strings.Repeat("l", 64) + "@kunde.example", strings.Repeat("l", 64), "kunde.example"},
		{"a@" + long + long + long + strings.Repeat("b", 58) + ".ex", "a", long + long + long + strings.Repeat("b", 58) + ".ex"},
	}
	for _, c := range cases {
		a, err := message.ParseAddress(c.in)
		if err != nil || a.Local != c.local || a.Domain != c.domain {
			t.Errorf("%q: %q %q (%v), want %q %q", c.in, a.Local, a.Domain, err, c.local, c.domain)
			continue
		}
		if again, err := message.ParseAddress(a.String()); err != nil || again != a {
			t.Errorf("%q: its text %q reads as %+v (%v)", c.in, a.String(), again, err)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	cases := []struct{ in, code string }{
		{"", "address_missing"},
		{"eva", "address_malformed"},
		{"@kunde.example", "address_malformed"},
		{"eva@", "domain_malformed"},
		{"eva@localhost", "domain_malformed"},
		{"eva@kunde.example.", "domain_malformed"},
		{"eva@kunde..example", "domain_malformed"},
		{"eva@-kunde.example", "domain_malformed"},
		{"eva@kunde-.example", "domain_malformed"},
		{"eva@kun_de.example", "domain_malformed"},
		{"eva@192.0.2.1", "domain_malformed"},
		{"eva@[192.0.2.1]", "domain_malformed"},
		{"eva@[IPv6:2001:db8::1]", "domain_malformed"},
		{"eva@kunde.example@evil.example", "domain_malformed"},
		{"eva@" + strings.Repeat("a", 64) + ".example", "domain_malformed"},
		{"eva@xn--ascii-.example", "domain_malformed"},
		{"eva@xn--a.example", "domain_malformed"},
		{"eva@kunde.example ", "domain_malformed"},
		{"eva@kunde.example(c)", "domain_malformed"},
		{"eva@a\u200bb.example", ""},
		{"eva@kun\u2024de.example", ""},
		{"e va@kunde.example", "address_malformed"},
		{".eva@kunde.example", "address_malformed"},
		{"eva.@kunde.example", "address_malformed"},
		{"e..va@kunde.example", "address_malformed"},
		{"<eva@kunde.example>", "address_malformed"},
		{"@a.example:eva@kunde.example", "address_malformed"},
		{`"eva@kunde.example`, "address_malformed"},
		{`""@kunde.example`, "address_malformed"},
		{`"eva"x@kunde.example`, "address_malformed"},
		{"e\u202eva@kunde.example", "address_malformed"},
		{"e\u00a0va@kunde.example", "address_malformed"},
		{strings.Repeat("l", 65) + "@kunde.example", "address_too_long"},
		{"a@" + strings.Repeat("a.", 126) + "example", "domain_malformed"},
		{strings.Repeat("l", 60) + "@" + strings.Repeat("abcdefghi.", 20) + "example", "address_too_long"},
		{strings.Repeat("x", 5000), "address_too_long"},
		{"eva@kunde.example\r\nRCPT TO:<x@evil.example>", "header_has_line_break"},
		{"eva@kunde.example\n", "header_has_line_break"},
		{"e\x00va@kunde.example", "text_has_control"},
		{"e\x7fva@kunde.example", "text_has_control"},
		{"e\xffva@kunde.example", "text_not_utf8"},
	}
	for _, c := range cases {
		a, err := message.ParseAddress(c.in)
		f := fault.As(err)
		if c.code == "" {
			// UTS 46 may map these or refuse them, but never keep them.
			if err == nil && !utf8Clean(a.Domain) {
				t.Errorf("%q: domain %q", c.in, a.Domain)
			}
			continue
		}
		if f == nil || f.Code != c.code || f.Kind != fault.Invalid || f.Field != "" {
			t.Errorf("%q: %+v (%v), want %s", c.in, a, err, c.code)
		}
	}
}

func utf8Clean(domain string) bool {
	return strings.Trim(domain, "abcdefghijklmnopqrstuvwxyz0123456789-.") == ""
}

func TestParseMailboxes(t *testing.T) {
	box := func(name, local, domain string) message.Mailbox {
		return message.Mailbox{Name: name, Address: message.Address{Local: local, Domain: domain}}
	}
	cases := []struct {
		in   string
		want []message.Mailbox
	}{
		{"", nil},
		{"eva@kunde.example", []message.Mailbox{box("", "eva", "kunde.example")}},
		{"<eva@kunde.example>", []message.Mailbox{box("", "eva", "kunde.example")}},
		{"Eva Meier <eva@kunde.example>,Max<max@kunde.example>", []message.Mailbox{
			box("Eva Meier", "eva", "kunde.example"), box("Max", "max", "kunde.example")}},
		{`"Meier, Eva" <eva@kunde.example>`, []message.Mailbox{box("Meier, Eva", "eva", "kunde.example")}},
		{`"a \"b\" \\" <eva@kunde.example>`, []message.Mailbox{box(`a "b" \`, "eva", "kunde.example")}},
		{"Müller GmbH <a@müller.example>", []message.Mailbox{box("Müller GmbH", "a", "xn--mller-kva.example")}},
		{"=?utf-8?q?M=C3=BCller?= =?iso-8859-1?q?_=26_S=F6hne?= <a@b.example>", []message.Mailbox{box("Müller & Söhne", "a", "b.example")}},
		{"=?x-unknown?q?a?= <a@b.example>", []message.Mailbox{box("=?x-unknown?q?a?=", "a", "b.example")}},
		{"undisclosed-recipients:;", nil},
		{"Team: a@b.example, X <c@d.example>;, e@f.example", []message.Mailbox{
			box("", "a", "b.example"), box("X", "c", "d.example"), box("", "e", "f.example")}},
		{"eva@kunde.example (Eva (privat)), (c) Max (\\)) <max@kunde.example>", []message.Mailbox{
			box("", "eva", "kunde.example"), box("Max", "max", "kunde.example")}},
		{`"eva @ home"@kunde.example`, []message.Mailbox{box("", "eva @ home", "kunde.example")}},
		{`X <"a>b"@kunde.example>`, []message.Mailbox{box("X", "a>b", "kunde.example")}},
		{"info@firma.example <info@firma.example>", []message.Mailbox{box("info@firma.example", "info", "firma.example")}},
		{" , a@b.example , ", []message.Mailbox{box("", "a", "b.example")}},
	}
	for _, c := range cases {
		got, err := message.ParseMailboxes(c.in)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %+v (%v), want %+v", c.in, got, err, c.want)
		}
	}
}

func TestParseMailboxesRefuses(t *testing.T) {
	for _, in := range []string{
		"Eva", "<>", "<eva@kunde.example", "eva@kunde.example>", "Eva <eva@kunde.example> x",
		"Meier, Eva <eva@kunde.example>", "a@b.example c@d.example", `"Eva <eva@kunde.example>`,
		"<@a.example,@b.example:eva@kunde.example>", "@a.example:eva@kunde.example", "A: B: a@b.example;;",
		"A: a@b.example", ": a@b.example;", "(Eva", "a@b.example;", "Eva <a@b.example>\r\nBcc: x@y.example",
		"=?utf-8?q?=0D=0ABcc=3A?= <a@b.example>", "=?utf-8?q?=00?= <a@b.example>",
		strings.Repeat("(", 100000), strings.Repeat("(a", 100000) + " a@b.example",
	} {
		if got, err := message.ParseMailboxes(in); fault.As(err) == nil {
			t.Errorf("%.60q: %+v (%v), want a refusal", in, got, err)
		}
	}
}

func TestParseMailboxWantsOne(t *testing.T) {
	for _, in := range []string{"", "a@b.example, c@d.example", "A: a@b.example;", "A:;"} {
		if m, err := message.ParseMailbox(in); fault.As(err) == nil {
			t.Errorf("%q: %+v, want a refusal", in, m)
		}
	}
}

func TestMailboxString(t *testing.T) {
	for _, in := range []string{
		"eva@kunde.example", "Müller GmbH <a@b.example>", `"Meier, Eva" <"a b"@b.example>`,
		`"a  b" <a@b.example>`, `"\"" <a@b.example>`,
	} {
		m, err := message.ParseMailbox(in)
		if err != nil || m.String() != in {
			t.Errorf("%q is written %q (%v)", in, m.String(), err)
		}
	}
	if got := (message.Address{}).String(); got != "" || !(message.Address{}).IsZero() {
		t.Errorf("the null reverse path is written %q", got)
	}
}

// FuzzParseAddress compares with net/mail (T5): where both read an address, they
// must send the mail to the same domain.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{
		"eva@kunde.example", `"a@evil x"@internal.example`, `"a\"@b.example"@c.example`, "a@ü.example",
		"<a@b.example>", "a@b.example (c)", "a@[192.0.2.1]", "a@b.example.", "a@。example", `"\\"@a.example`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := message.ParseAddress(s)
		if err != nil {
			if fault.As(err) == nil {
				t.Fatalf("%q: not a refusal: %v", s, err)
			}
			return
		}
		if len(a.String()) > 254 || len(a.Local) > 64 || !utf8.ValidString(a.Local) || !utf8Clean(a.Domain) ||
			strings.ContainsAny(a.Local, "\r\n\x00") {
			t.Fatalf("%q: accepted as %+v", s, a)
		}
		if again, err := message.ParseAddress(a.String()); err != nil || again != a {
			t.Fatalf("%q: %q reads as %+v (%v)", s, a.String(), again, err)
		}
		if m, err := message.ParseMailbox(a.String()); err != nil || m.Address != a {
			t.Fatalf("%q: as a mailbox %+v (%v)", s, m, err)
		}
		theirs, err := mail.ParseAddress(s)
		if err != nil {
			return
		}
		domain := theirs.Address[strings.LastIndexByte(theirs.Address, '@')+1:]
		if mapped, err := idna.Lookup.ToASCII(domain); err == nil {
			domain = mapped
		}
		if !strings.EqualFold(domain, a.Domain) {
			t.Errorf("%q: we read domain %q, net/mail %q", s, a.Domain, domain)
		}
	})
}

// FuzzParseMailboxes holds that no list makes the parser panic or accept what an
// address may not be.
func FuzzParseMailboxes(f *testing.F) {
	f.Add(`"Meier, Eva" <eva@kunde.example>, A: a@b.example, <c@d.example>;, (x) =?utf-8?q?a?= <e@f.example>`)
	f.Fuzz(func(t *testing.T, s string) {
		list, err := message.ParseMailboxes(s)
		if err != nil && fault.As(err) == nil {
			t.Fatalf("not a refusal: %v", err)
		}
		for _, m := range list {
			if a, err := message.ParseAddress(m.Address.String()); err != nil || a != m.Address {
				t.Errorf("%q: accepted %+v", s, m)
			}
			if strings.ContainsAny(m.Name, "\r\n\x00") {
				t.Errorf("%q: name %q", s, m.Name)
			}
		}
	})
}
