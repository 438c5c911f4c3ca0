package message_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"mime"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/jhillyerd/enmime/v2"

	"stafette/internal/fault"
	"stafette/internal/message"
)

var update = flag.Bool("update", false, "write the golden files")

func readDraft(t testing.TB, path string) message.Draft {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var d message.Draft
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return d
}

// TestComposeGolden compares bytes with testdata/compose/*.eml and asks two foreign
// readers, enmime and our own Inspect, what they see.
func TestComposeGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/compose/*.json")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			d := readDraft(t, path)
			c, err := message.Compose(d)
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(path, ".json") + ".eml"
			if *update {
				if err := os.WriteFile(golden, c.Bytes, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(c.Bytes)); diff != "" {
				t.Errorf("bytes (-want +got):\n%s", diff)
			}
			checkLines(t, c.Bytes)
			checkRoundTrip(t, d, c)
			checkForeign(t, d, c.Bytes)
		})
	}
}

func checkLines(t *testing.T, raw []byte) {
	t.Helper()
	header, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	for line := range bytes.SplitSeq(header, []byte("\r\n")) {
		unbreakable := bytes.Contains(line, []byte("aaaaaaaa"))
		if len(line) > 78 && !unbreakable {
			t.Errorf("header line of %d columns: %s", len(line), line)
		}
	}
	for i, c := range raw {
		if c == '\n' && (i == 0 || raw[i-1] != '\r') || c == '\r' && (i+1 == len(raw) || raw[i+1] != '\n') {
			t.Fatalf("bare line end at byte %d", i)
		}
	}
}

func checkRoundTrip(t *testing.T, d message.Draft, c message.Composed) {
	t.Helper()
	in, err := message.Inspect(c.Bytes, message.Limits{})
	if err != nil {
		t.Fatalf("Inspect of what Compose made: %v", err)
	}
	if in.Subject != d.Subject {
		t.Errorf("subject %q, want %q", in.Subject, d.Subject)
	}
	if in.From != d.From {
		t.Errorf("from %v, want %v", in.From, d.From)
	}
	if !slices.Equal(in.To, d.To) || !slices.Equal(in.Cc, d.Cc) {
		t.Errorf("to %v cc %v, want %v %v", in.To, in.Cc, d.To, d.Cc)
	}
	if in.MessageID != d.MessageID || !in.HasDate {
		t.Errorf("Message-ID %q, date %v", in.MessageID, in.HasDate)
	}
	if in.UTF8 != c.UTF8 || in.EightBit != c.EightBit {
		t.Errorf("UTF8 %v EightBit %v, composed %v %v", in.UTF8, in.EightBit, c.UTF8, c.EightBit)
	}
	// Inline parts come before attached ones in the tree.
	if diff := cmp.Diff(byName(c.Digests), byName(in.Digests)); diff != "" {
		t.Errorf("digests (-composed +inspected):\n%s", diff)
	}
	if err := message.Verify(c.Bytes, c.Digests); err != nil {
		t.Errorf("Verify: %v", err)
	}
}

func byName(list []message.Digest) []message.Digest {
	list = append([]message.Digest{}, list...)
	slices.SortFunc(list, func(a, b message.Digest) int {
		return strings.Compare(a.Filename+string(a.SHA256[:]), b.Filename+string(b.SHA256[:]))
	})
	return list
}

func checkForeign(t *testing.T, d message.Draft, raw []byte) {
	t.Helper()
	env, err := enmime.ReadEnvelope(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if d.Text != "" && strings.TrimSpace(strings.ReplaceAll(env.Text, "\r\n", "\n")) != strings.TrimSpace(d.Text) {
		t.Errorf("enmime reads text %q, want %q", env.Text, d.Text)
	}
	if strings.TrimSpace(env.HTML) != d.HTML {
		t.Errorf("enmime reads HTML %q, want %q", env.HTML, d.HTML)
	}
	read := append(append(append([]*enmime.Part{}, env.Attachments...), env.Inlines...), env.OtherParts...)
	for _, a := range d.Attachments {
		i := slices.IndexFunc(read, func(p *enmime.Part) bool { return p.FileName == a.Filename })
		if i < 0 {
			t.Errorf("enmime finds no %q", a.Filename)
			continue
		}
		if a.ContentType != "message/rfc822" && !bytes.Equal(read[i].Content, a.Content) {
			t.Errorf("enmime reads other bytes of %q", a.Filename)
		}
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != strings.TrimSpace(d.Subject) && subject != d.Subject {
		t.Errorf("net/mail reads subject %q (%v)", subject, err)
	}
}

func plainDraft() message.Draft {
	return message.Draft{
		From:      message.Mailbox{Address: message.Address{Local: "info", Domain: "muster.example"}},
		To:        []message.Mailbox{{Address: message.Address{Local: "eva", Domain: "kunde.example"}}},
		Subject:   "Hallo",
		Text:      "Guten Tag",
		Date:      time.Date(2026, 11, 21, 14, 5, 0, 0, time.UTC),
		MessageID: "1@muster.example",
	}
}

func TestComposeMakesTextOfHTML(t *testing.T) {
	d := plainDraft()
	d.Text, d.HTML = "", "<p>Schöne Grüße</p><ul><li>eins</li></ul>"
	c, err := message.Compose(d)
	if err != nil {
		t.Fatal(err)
	}
	env, err := enmime.ReadEnvelope(bytes.NewReader(c.Bytes))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(env.Text, "Schöne Grüße") || strings.Contains(env.Text, "<") {
		t.Errorf("text made of HTML: %q", env.Text)
	}
}

// TestComposeRefusesInjection puts line breaks, in every disguise, into every text
// that ends up in a header (T3 of the threat list).
func TestComposeRefusesInjection(t *testing.T) {
	places := map[string]func(*message.Draft, string){
		"from": func(d *message.Draft, s string) { d.From.Name += s },
		"to/0": func(d *message.Draft, s string) { d.To[0].Local += s },
		"cc/0": func(d *message.Draft, s string) { d.Cc = []message.Mailbox{{Name: "x" + s, Address: d.From.Address}} },
		"reply_to/0": func(d *message.Draft, s string) {
			d.ReplyTo = []message.Mailbox{{Address: message.Address{Local: "a", Domain: "b.example" + s}}}
		},
		"subject":       func(d *message.Draft, s string) { d.Subject += s + "Bcc: x@evil.example" },
		"headers/X-Foo": func(d *message.Draft, s string) { d.Headers = []message.Header{{Name: "X-Foo", Value: "a" + s + "b"}} },
		"attachments/0/filename": func(d *message.Draft, s string) {
			d.Attachments = []message.Attachment{{Filename: "a" + s + "b"}}
		},
		"attachments/0/content_type": func(d *message.Draft, s string) {
			d.Attachments = []message.Attachment{{Filename: "a", ContentType: "text/plain; x=\"" + s + "\""}}
		},
		"attachments/0/content_id": func(d *message.Draft, s string) {
			d.Attachments = []message.Attachment{{Filename: "a", ContentID: "a" + s + "b"}}
		},
	}
	for field, put := range places {
		for _, s := range []string{"\r\n", "\n", "\r", "\u2028", "\u2029", "\u0085"} {
			d := plainDraft()
			put(&d, s)
			checkRefusal(t, d, field, "header_has_line_break")
		}
		for s, code := range map[string]string{"\x00": "text_has_control", "\x1b": "text_has_control", "\xff": "text_not_utf8"} {
			d := plainDraft()
			put(&d, s)
			checkRefusal(t, d, field, code)
		}
	}
}

func checkRefusal(t *testing.T, d message.Draft, field, code string) {
	t.Helper()
	_, err := message.Compose(d)
	f := fault.As(err)
	if f == nil || f.Field != field || f.Code != code || f.Kind != fault.Invalid {
		t.Errorf("%s: error %+v, want %s", field, err, code)
	}
}

func TestComposeRefuses(t *testing.T) {
	attach := func(a message.Attachment) func(*message.Draft) {
		return func(d *message.Draft) { d.Attachments = []message.Attachment{a} }
	}
	header := func(name, value string) func(*message.Draft) {
		return func(d *message.Draft) { d.Headers = []message.Header{{Name: name, Value: value}} }
	}
	cases := []struct {
		name, field, code string
		change            func(*message.Draft)
	}{
		{"no sender", "from", "address_missing", func(d *message.Draft) { d.From = message.Mailbox{} }},
		{"no content", "text", "content_missing", func(d *message.Draft) { d.Text = "" }},
		{"no date", "date", "date_missing", func(d *message.Draft) { d.Date = time.Time{} }},
		{"message id", "message_id", "message_id_malformed", func(d *message.Draft) { d.MessageID = "a>@b" }},
		{"upper case domain", "to/0", "address_malformed", func(d *message.Draft) { d.To[0].Domain = "Kunde.example" }},
		{"domain with list", "to/0", "domain_malformed", func(d *message.Draft) { d.To[0].Domain = "a.example>,<b@c.example" }},
		{"long subject", "subject", "text_too_long", func(d *message.Draft) { d.Subject = strings.Repeat("a", 2001) }},
		{"NUL in text", "text", "text_has_control", func(d *message.Draft) { d.Text = "a\x00" }},
		{"latin1 in html", "html", "text_not_utf8", func(d *message.Draft) { d.HTML = "\xe4" }},
		{"reserved", "headers/bcc", "header_not_allowed", header("bcc", "x@y.example")},
		{"reserved prefix", "headers/Content-Foo", "header_not_allowed", header("Content-Foo", "x")},
		{"signature", "headers/DKIM-SIGNATURE", "header_not_allowed", header("DKIM-SIGNATURE", "x")},
		{"options", "headers/X-Stafette-Stream", "header_not_allowed", header("X-Stafette-Stream", "x")},
		{"name with colon", "headers/X:Y", "header_name_malformed", header("X:Y", "x")},
		{"name with break", `headers/X\r\nY`, "header_has_line_break", header("X\r\nY", "x")},
		{"name with slash", "headers/X~1Y", "header_name_malformed", header("X/Y", "x")},
		{"empty name", "headers/", "header_name_malformed", header("", "x")},
		{"endless word", "headers/X-A", "header_too_long", header("X-A", strings.Repeat("a", 997))},
		{"twice", "headers/x-a", "header_duplicate", func(d *message.Draft) {
			d.Headers = []message.Header{{Name: "X-A", Value: "1"}, {Name: "x-a", Value: "2"}}
		}},
		{"no filename", "attachments/0/filename", "filename_missing", attach(message.Attachment{})},
		{"path", "attachments/0/filename", "filename_malformed", attach(message.Attachment{Filename: "../x"})},
		{"multipart", "attachments/0/content_type", "content_type_not_allowed", attach(message.Attachment{Filename: "x", ContentType: "multipart/mixed; boundary=x"})},
		{"no type", "attachments/0/content_type", "content_type_malformed", attach(message.Attachment{Filename: "x", ContentType: "pdf"})},
		{"hidden break", "attachments/0/content_type", "header_has_line_break", attach(message.Attachment{Filename: "x", ContentType: "text/plain; a*=utf-8''%0d%0ab"})},
		{"eight-bit message", "attachments/0/content", "content_not_seven_bit", attach(message.Attachment{Filename: "x", ContentType: "message/rfc822", Content: []byte("Subject: ä\r\n")})},
		{"content id twice", "attachments/1/content_id", "content_id_duplicate", func(d *message.Draft) {
			d.Attachments = []message.Attachment{{ContentID: "a"}, {ContentID: "a"}}
		}},
		{"content id", "attachments/0/content_id", "content_id_malformed", attach(message.Attachment{ContentID: "a>b"})},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := plainDraft()
			c.change(&d)
			checkRefusal(t, d, c.field, c.code)
		})
	}
}

// TestCheckHeader holds that a draft's header is judged alike with its content and without.
func TestCheckHeader(t *testing.T) {
	change := map[string]func(d *message.Draft){
		"plain":   func(*message.Draft) {},
		"name":    func(d *message.Draft) { d.To[0].Name = "Käthe" },
		"address": func(d *message.Draft) { d.To[0].Local = "käthe" },
		"answers": func(d *message.Draft) {
			d.ReplyTo = []message.Mailbox{{Address: message.Address{Local: "büro", Domain: "muster.example"}}}
		},
		"copy": func(d *message.Draft) {
			d.Cc = []message.Mailbox{{Address: message.Address{Local: "büro", Domain: "muster.example"}}}
		},
		"sender":     func(d *message.Draft) { d.From.Local = "büro" },
		"subject":    func(d *message.Draft) { d.Subject = "Grüße" },
		"break":      func(d *message.Draft) { d.Subject = "a\nb" },
		"nobody":     func(d *message.Draft) { d.To = nil },
		"no sender":  func(d *message.Draft) { d.From = message.Mailbox{} },
		"no date":    func(d *message.Draft) { d.Date = time.Time{} },
		"identifier": func(d *message.Draft) { d.MessageID = "x" },
		"field":      func(d *message.Draft) { d.Headers = []message.Header{{Name: "To", Value: "x"}} },
		"no content": func(d *message.Draft) { d.Text = "" },
	}
	both := map[bool]int{}
	for name, to := range change {
		d := plainDraft()
		to(&d)
		c, want := message.Compose(d)
		utf8Header, err := message.CheckHeader(d)
		if utf8Header != c.UTF8 || !cmp.Equal(fault.As(err), fault.As(want)) {
			t.Errorf("%s: %t, %v; composed: %t, %v", name, utf8Header, err, c.UTF8, want)
		}
		both[utf8Header]++
	}
	if both[true] != 4 {
		t.Errorf("%d headers need SMTPUTF8, want 4", both[true])
	}
}

func TestComposeCollectsAllRefusals(t *testing.T) {
	d := plainDraft()
	d.Subject = "a\nb"
	d.Headers = []message.Header{{Name: "To", Value: "x"}}
	d.Attachments = []message.Attachment{{Filename: "a\rb"}}
	_, err := message.Compose(d)
	f := fault.As(err)
	if f == nil || len(f.Also) != 2 {
		t.Fatalf("got %+v, want three refusals", f)
	}
}

// FuzzCompose holds that whatever is accepted comes out as it went in, and that no
// line break gets into a header.
func FuzzCompose(f *testing.F) {
	f.Add("Müller", "Betreff", "Text\n.", "<p>x</p>", "Exposé.pdf", "application/pdf", "a: b", []byte("x"))
	f.Add("=?utf-8?q?=0D=0A?=", "=?utf-8?b?DQo=?=", "\r", "", "a\"b\\", "text/plain; charset=x", "  a  ", []byte{})
	f.Add(strings.Repeat("ü ", 99), strings.Repeat("x", 300), "\ufeffa", "<", strings.Repeat("ä", 100), "", strings.Repeat("ab ", 90), []byte("--"))
	f.Fuzz(func(t *testing.T, name, subject, text, html, filename, contentType, header string, content []byte) {
		d := plainDraft()
		d.From.Name, d.Subject, d.Text, d.HTML = name, subject, text, html
		d.Headers = []message.Header{{Name: "X-Fuzz", Value: header}}
		d.Attachments = []message.Attachment{{Filename: filename, ContentType: contentType, Content: content}}
		c, err := message.Compose(d)
		if err != nil {
			if fault.As(err) == nil {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		in, err := message.Inspect(c.Bytes, message.Limits{})
		if err != nil {
			t.Fatalf("%v in\n%s", err, c.Bytes)
		}
		if in.Subject != d.Subject || in.From != d.From {
			t.Errorf("subject %q from %q, want %q %q", in.Subject, in.From.Name, d.Subject, d.From.Name)
		}
		if len(in.Fields) != 8 && len(in.Fields) != 9 && len(in.Fields) != 10 {
			t.Errorf("%d header fields", len(in.Fields))
		}
		if !slices.Equal(in.Digests, c.Digests) {
			t.Errorf("digests %+v, want %+v", in.Digests, c.Digests)
		}
		for _, f := range in.Fields {
			if !utf8.ValidString(f.Value) || strings.ContainsAny(f.Value, "\r\n") {
				t.Errorf("field %q", f.Value)
			}
		}
	})
}

func BenchmarkCompose(b *testing.B) {
	d := plainDraft()
	d.Text = strings.Repeat("Guten Tag, schöne Grüße.\n", 100)
	d.HTML = "<p>" + strings.Repeat("Guten Tag, schöne Grüße.\n", 100) + "</p>"
	for b.Loop() {
		c, err := message.Compose(d)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Discard.Write(c.Bytes)
	}
}

func BenchmarkCheckHeader(b *testing.B) {
	d := plainDraft()
	d.From.Name, d.To[0].Name = "Muster Immobilien GmbH", "Eva Beispiel"
	for b.Loop() {
		if _, err := message.CheckHeader(d); err != nil {
			b.Fatal(err)
		}
	}
}
