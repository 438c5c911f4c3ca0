package message_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"stafette/internal/fault"
	"stafette/internal/message"
)

// crlf lets messages be written in Go's raw strings.
func crlf(s string) []byte {
	return []byte(strings.ReplaceAll(strings.TrimPrefix(s, "\n"), "\n", "\r\n"))
}

func TestInspectHeader(t *testing.T) {
	raw := crlf(`
Received: from a by b; x
From: =?iso-8859-1?q?M=FCller?=
 <info@muster.example>
Sender: <buero@muster.example>
TO: "Meier, Eva" <eva@kunde.example>, undisclosed:;
Cc:
	max@kunde.example
Bcc: hidden@kunde.example
bcc: second@kunde.example
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= aus
	=?utf-8?b?S8O2bG4=?=
Message-Id: <1@muster.example>
Date: irgendwann

Größe
`)
	in, err := message.Inspect(raw, message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := in.From.String(); got != "Müller <info@muster.example>" {
		t.Errorf("from %s", got)
	}
	if in.Sender == nil || in.Sender.String() != "buero@muster.example" {
		t.Errorf("sender %v", in.Sender)
	}
	if got := fmt.Sprint(in.To, in.Cc, in.Bcc); got != `["Meier, Eva" <eva@kunde.example>] [max@kunde.example] [hidden@kunde.example second@kunde.example]` {
		t.Errorf("recipients %s", got)
	}
	if in.Subject != "Grüße aus Köln" || in.MessageID != "1@muster.example" || !in.HasDate {
		t.Errorf("subject %q, Message-ID %q, date %v", in.Subject, in.MessageID, in.HasDate)
	}
	if !in.EightBit || in.UTF8 {
		t.Errorf("EightBit %v, UTF8 %v", in.EightBit, in.UTF8)
	}
	if string(raw[in.Body:]) != "Größe\r\n" || len(in.Fields) != 10 {
		t.Errorf("body %q, %d fields", raw[in.Body:], len(in.Fields))
	}
	if f := in.Fields[1]; string(raw[f.Start:f.End]) != "From: =?iso-8859-1?q?M=FCller?=\r\n <info@muster.example>\r\n" {
		t.Errorf("range of From: %q", raw[f.Start:f.End])
	}
	if len(in.Digests) != 0 {
		t.Errorf("digests of prose: %+v", in.Digests)
	}
}

func TestInspectRefuses(t *testing.T) {
	const from = "From: a@b.example\r\n"
	nested := from
	for i := range 60 {
		nested += fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	cases := []struct{ name, raw, field, code string }{
		{"bare LF in body", from + "\r\na\nb\r\n", "", "line_end_bare"},
		{"bare CR in body", from + "\r\na\rb\r\n", "", "line_end_bare"},
		{"CR CR LF", from + "\r\na\r\r\n", "", "line_end_bare"},
		{"smuggled end LF.LF", from + "\r\na\n.\nMAIL FROM:<x@y.example>\r\n", "", "line_end_bare"},
		{"smuggled end CR.CR", from + "\r\na\r.\rMAIL FROM:<x@y.example>\r\n", "", "line_end_bare"},
		{"smuggled end CRLF.CR", from + "\r\na\r\n.\r", "", "line_end_bare"},
		{"LF at start", "\n" + from, "", "line_end_bare"},
		{"all LF", "From: a@b.example\n\nx\n", "", "line_end_bare"},
		{"NUL", from + "\r\na\x00b\r\n", "", "message_has_nul"},
		{"long line", from + "\r\n" + strings.Repeat("a", 999) + "\r\n", "", "line_too_long"},
		{"latin1 header", from + "Subject: \xe4\r\n\r\n", "", "text_not_utf8"},
		{"no header", "Hallo\r\n", "", "header_malformed"},
		{"header without end", from, "", "header_malformed"},
		{"mbox line", "From a@b.example Mon\r\n" + from + "\r\n", "", "header_malformed"},
		{"space before colon", "From : a@b.example\r\n\r\n", "", "header_malformed"},
		{"continuation first", " x: y\r\n" + from + "\r\n", "", "header_malformed"},
		{"empty name", ": y\r\n" + from + "\r\n", "", "header_malformed"},
		{"many fields", from + strings.Repeat("A: b\r\n", 1000) + "\r\n", "", "header_too_large"},
		{"huge field", from + "A:" + strings.Repeat(" "+strings.Repeat("a", 900)+"\r\n", 300) + "\r\n", "", "header_too_large"},
		{"no From", "To: a@b.example\r\n\r\n", "headers/From", "from_missing"},
		{"empty From", "From:\r\n\r\n", "headers/From", "address_malformed"},
		{"two mailboxes", "From: a@b.example, c@d.example\r\n\r\n", "headers/From", "from_many"},
		{"group", "From: A: a@b.example;\r\n\r\n", "headers/From", "address_malformed"},
		{"two From", from + "FROM: c@d.example\r\n\r\n", "headers/FROM", "header_duplicate"},
		{"two Subject", from + "Subject: a\r\nSubject: b\r\n\r\n", "headers/Subject", "header_duplicate"},
		{"two Content-Type", from + "Content-Type: text/html\r\nContent-type: text/plain\r\n\r\n", "headers/Content-type", "header_duplicate"},
		{"name with break", "From: =?utf-8?q?a=0D=0ABcc=3A?= <a@b.example>\r\n\r\n", "headers/From", "header_has_line_break"},
		{"subject with break", from + "Subject: =?utf-8?q?a=0Ab?=\r\n\r\n", "headers/Subject", "header_has_line_break"},
		{"bad To", from + "To: eva\r\n\r\n", "headers/To", "address_malformed"},
		{"bad Sender", from + "Sender: a@b.example, c@d.example\r\n\r\n", "headers/Sender", "address_malformed"},
		{"bad Message-ID", from + "Message-ID: <a b@c>\r\n\r\n", "headers/Message-ID", "message_id_malformed"},
		{"deep", nested, "", "mime_too_deep"},
		{"many parts", from + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 1001), "", "mime_too_many_parts"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := message.Inspect([]byte(c.raw), message.Limits{})
			f := fault.As(err)
			if f == nil || f.Code != c.code || f.Field != c.field {
				t.Errorf("error %+v, want %s at %q", err, c.code, c.field)
			}
		})
	}
}

func TestInspectLineLimit(t *testing.T) {
	raw := []byte("From: a@b.example\r\n\r\n" + strings.Repeat("a", 5000) + "\r\n")
	for limit, ok := range map[int]bool{-1: true, 5000: true, 4999: false, 0: false} {
		if _, err := message.Inspect(raw, message.Limits{LineBytes: limit}); (err == nil) != ok {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}

// TestInspectDigests reads parts as foreign programs write them.
func TestInspectDigests(t *testing.T) {
	raw := crlf(`
From: a@b.example
Content-Type: multipart/mixed;
 boundary="a b"

preamble
--a b
Content-Type: multipart/alternative; boundary=in

--in

prose without header
--in
Content-Type: text/html

<b>--a b inside a line</b>
--in--
epilogue
--a b  
Content-Type: application/pdf; name="=?utf-8?q?Expos=C3=A9=2Epdf?="
Content-Transfer-Encoding: BASE64

SGFs
bG8=
--a b
content-disposition: ATTACHMENT; filename*=utf-8''M%C3%BCller.txt
Content-Type: text/plain
Content-Transfer-Encoding: quoted-printable

a=3Db=
c
--a b
Content-Type: image/png

raw
--abc is no boundary
--a b
Content-Type: text/plain
Content-ID: <x@y>
Content-Transfer-Encoding: base64

!!!
--a b--
--a b
Content-Type: image/gif

after the end
`)
	in, err := message.Inspect(raw, message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := []message.Digest{
		{Filename: "Exposé.pdf", ContentType: "application/pdf", Size: 5, SHA256: sha256.Sum256([]byte("Hallo"))},
		{Filename: "Müller.txt", ContentType: "text/plain", Size: 4, SHA256: sha256.Sum256([]byte("a=bc"))},
		{ContentType: "image/png", Size: 25, SHA256: sha256.Sum256([]byte("raw\r\n--abc is no boundary"))},
		{ContentType: "text/plain", Size: 3, SHA256: sha256.Sum256([]byte("!!!"))},
	}
	if !slices.Equal(in.Digests, want) {
		t.Errorf("digests\n%+v, want\n%+v", in.Digests, want)
	}
}

// TestInspectDeepIsOnePass has a message be as costly as limits allow: boundaries that
// nearly match at every level. It would take minutes if each level searched by itself.
func TestInspectDeepIsOnePass(t *testing.T) {
	var b strings.Builder
	b.WriteString("From: a@b.example\r\n")
	for i := range 50 {
		boundary := strings.Repeat("-", i+1) + "x"
		b.WriteString("Content-Type: multipart/mixed; boundary=\"" + boundary + "\"\r\n\r\n--" + boundary + "\r\n")
	}
	b.WriteString("Content-Type: image/png\r\n\r\n")
	line := strings.Repeat("-", 990) + "\r\n"
	b.WriteString(strings.Repeat(line, 10_000))
	b.WriteString("---x--\r\nepilogue\r\n")
	in, err := message.Inspect([]byte(b.String()), message.Limits{})
	if err != nil || len(in.Digests) != 1 || in.Digests[0].Size != int64(10_000*len(line)-2) {
		t.Errorf("%+v (%v)", in.Digests, err)
	}
}

func TestInspectUnclosedMultipart(t *testing.T) {
	raw := crlf(`
From: a@b.example
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: image/png

x`)
	in, err := message.Inspect(raw, message.Limits{})
	if err != nil || len(in.Digests) != 1 || in.Digests[0].SHA256 != sha256.Sum256([]byte("x")) {
		t.Errorf("%+v (%v)", in.Digests, err)
	}
}

func TestRemoveFields(t *testing.T) {
	raw := crlf(`
Bcc: a@b.example,
 c@d.example
From: a@b.example
X-Stafette-Stream: lead
Subject: Bcc: stays
BCC:
	e@f.example

Bcc: stays in the body
`)
	got := message.RemoveFields(raw, func(name string) bool {
		return strings.EqualFold(name, "bcc") || strings.HasPrefix(name, "X-Stafette-")
	})
	if want := "From: a@b.example\r\nSubject: Bcc: stays\r\n\r\nBcc: stays in the body\r\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	same := message.RemoveFields(raw, func(string) bool { return false })
	if !bytes.Equal(same, raw) {
		t.Errorf("nothing to remove, got %q", same)
	}
}

func TestPrependFields(t *testing.T) {
	raw := []byte("From: a@b.example\r\n\r\nx\r\n")
	got, err := message.PrependFields(raw,
		message.Header{Name: "Message-ID", Value: "<1@b.example>"},
		message.Header{Name: "Received", Value: "from " + strings.Repeat("abcdefgh ", 12) + "by x"})
	want := "Message-ID: <1@b.example>\r\nReceived: from abcdefgh abcdefgh abcdefgh abcdefgh abcdefgh abcdefgh abcdefgh\r\n" +
		" abcdefgh abcdefgh abcdefgh abcdefgh abcdefgh by x\r\n" + string(raw)
	if err != nil || string(got) != want {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
	for _, h := range []message.Header{{Name: "A\r\nB", Value: "x"}, {Name: "A", Value: "x\r\nBcc: y"}, {Name: "", Value: "x"}} {
		if _, err := message.PrependFields(raw, h); fault.As(err) == nil {
			t.Errorf("%q is accepted", h)
		}
	}
}

func TestVerify(t *testing.T) {
	d := plainDraft()
	d.Attachments = []message.Attachment{
		{Filename: "a.txt", Content: []byte("eins")},
		{Filename: "b.txt", Content: []byte("zwei")},
		{Filename: "b.txt", Content: []byte("zwei")},
	}
	c, err := message.Compose(d)
	if err != nil {
		t.Fatal(err)
	}
	backwards := slices.Clone(c.Digests)
	slices.Reverse(backwards)
	if err := message.Verify(c.Bytes, backwards); err != nil {
		t.Errorf("untouched: %v", err)
	}
	changed := bytes.Replace(c.Bytes, []byte("ZWlucw=="), []byte("ZWluWw=="), 1)
	renamed := bytes.ReplaceAll(c.Bytes, []byte("a.txt"), []byte("c.txt"))
	cut := bytes.LastIndex(c.Bytes, []byte("Content-Type"))
	for code, raw := range map[string][]byte{
		"attachment_changed": changed, "attachment_missing": renamed,
	} {
		f := fault.As(message.Verify(raw, c.Digests))
		if f == nil || f.Code != code || f.Field != "attachments/0" {
			t.Errorf("%s: %+v", code, f)
		}
	}
	f := fault.As(message.Verify(c.Bytes[:cut], c.Digests))
	if f == nil || f.Field != "attachments/2" {
		t.Errorf("one of two equal attachments is gone: %+v", f)
	}
}

// FuzzInspect holds that no message makes the reader panic, and that what it has
// passed is clean and can lose and gain fields without other changes.
func FuzzInspect(f *testing.F) {
	f.Add(crlf("From: a@b.example\nTo: x:;\nSubject: =?utf-8?q?a?=\n b\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png\n\nx\n--b--\n"))
	f.Add(crlf("From: \"a\" (b) <\"c\"@d.example>\nBcc: a@b.example\nMessage-ID: <a@b>\n\n\n.\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		in, err := message.Inspect(raw, message.Limits{LineBytes: 200, Depth: 5, Parts: 20})
		if err != nil {
			if fault.As(err) == nil {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		if strings.ContainsAny(in.Subject+in.From.Name, "\r\n\x00") {
			t.Errorf("subject %q, from %q", in.Subject, in.From.Name)
		}
		if err := message.Verify(raw, in.Digests); err != nil && len(in.Digests) > 0 {
			t.Errorf("its own digests: %v", err)
		}
		more, err := message.PrependFields(raw, message.Header{Name: "X-Fuzz", Value: "a"})
		if err != nil {
			t.Fatal(err)
		}
		less := message.RemoveFields(more, func(name string) bool { return name == "X-Fuzz" })
		again := message.RemoveFields(raw, func(name string) bool { return name == "X-Fuzz" })
		if !bytes.Equal(less, again) {
			t.Errorf("a field put before and taken away leaves %q of %q", less, raw)
		}
	})
}

func BenchmarkInspect(b *testing.B) {
	raw := []byte("From: a@b.example\r\nTo: c@d.example\r\nSubject: x\r\n\r\n" + strings.Repeat(strings.Repeat("a", 76)+"\r\n", 130))
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := message.Inspect(raw, message.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
