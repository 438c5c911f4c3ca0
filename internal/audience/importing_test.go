package audience_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

func told(lines []audience.Line) string {
	var b strings.Builder
	for _, l := range lines {
		if l.Err != nil {
			fmt.Fprintf(&b, "%d %s\n", l.Number, l.Err.Code)
			continue
		}
		fmt.Fprintf(&b, "%d %s %s %s %s %s\n", l.Number, l.Wish.Address, l.Wish.Stream, l.Wish.Reason, l.Wish.ExpiresAt.Format("2006"), l.Wish.Note)
	}
	return b.String()
}

func TestReadLists(t *testing.T) {
	for name, c := range map[string]struct {
		read func(text string) ([]audience.Line, error)
		text string
		want string
	}{
		"bare":      {readCSV, "eva@kunde.example\n\n  max@kunde.example  \r\nkeine\n", "1 eva@kunde.example  import 0001 \n3 max@kunde.example  import 0001 \n4 address_malformed\n"},
		"mark":      {readCSV, "\ufeffeva@kunde.example;Sommer\n", "1 eva@kunde.example  import 0001 \n"},
		"German":    {readCSV, "Name;E-Mail-Adresse;Grund;Notiz\n\"Sommer; Eva\";eva@kunde.example;complaint;\"sagt \"\"nein\"\"\"\n", "2 eva@kunde.example  complaint 0001 sagt \"nein\"\n"},
		"all":       {readCSV, "address,stream,reason,expires_at,note\na@b.example,newsletter,MANUAL,2027-01-31,x\nb@b.example,,,morgen,\n", "2 a@b.example newsletter manual 2027 x\n3 time_malformed\n"},
		"long line": {readCSV, "a@b.example," + strings.Repeat("x", 9000), "1 line_too_long\n"},
		"NDJSON": {readNDJSON, "{\"address\":\"a@b.example\",\"stream\":\"lead\",\"expires_at\":\"2027-01-31T10:00:00Z\"}\n\n{\"address\":1}\n[]\n{\"address\":\"\"}",
			"1 a@b.example lead import 2027 \n3 json_malformed\n4 json_malformed\n5 address_missing\n"},
	} {
		lines, err := c.read(c.text)
		if have := told(lines); err != nil || have != c.want {
			t.Errorf("%s: %v\n%s", name, err, have)
		}
	}
	for code, text := range map[string]string{
		"text_not_utf8":         "a@b.example\xff",
		"import_too_large":      strings.Repeat("x", audience.MaxImport+1),
		"import_too_many_lines": strings.Repeat("a\n", audience.MaxLines+1),
	} {
		if _, err := readCSV(text); fault.As(err) == nil || fault.As(err).Code != code {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func readCSV(text string) ([]audience.Line, error) { return audience.ReadCSV(strings.NewReader(text)) }

func readNDJSON(text string) ([]audience.Line, error) {
	return audience.ReadNDJSON(strings.NewReader(text))
}

// T44: a list brings back who complained or was erased; the complaint stays, and lines
// that are wrong stop nothing.
func TestImport(t *testing.T) {
	ctx, store, owner := context.Background(), &audiencetest.Store{}, newTenant()
	s := newService(t, store)
	complained, err := s.Suppress(ctx, owner, audience.Wish{Address: address("eva@kunde.example"), Reason: audience.Complaint}, "system")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.Erase(ctx, owner, address("eva@kunde.example"), "usr_1"); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	lines, err := readCSV("address,stream,reason\neva@kunde.example,,import\nneu@kunde.example,,\nneu@kunde.example,,\nx@kunde.example,nirgends,\nkaputt,,\n")
	if err != nil {
		t.Fatal(err)
	}
	dry, err := s.Import(ctx, owner, lines, "key_1", true)
	if err != nil || len(dry) != 5 {
		t.Fatal(dry, err)
	}
	if page, _ := s.Suppressions(ctx, owner, audience.Filter{}); len(page.Entries) != 1 {
		t.Errorf("a dry run stored %+v", page.Entries)
	}
	list, err := s.Import(ctx, owner, lines, "key_1", false)
	if err != nil {
		t.Fatal(err)
	}
	have := ""
	for _, o := range list {
		switch {
		case o.Err != nil:
			have += o.Err.Code + " "
		case o.Added:
			have += "added "
		default:
			have += string(o.Entry.Reason) + " "
		}
	}
	if want := "complaint added import stream_unknown address_malformed "; have != want {
		t.Errorf("outcomes %q, want %q", have, want)
	}
	if got := check(t, s, owner, tenant.Lead, "eva@kunde.example", time.Now()); got != audience.Complaint {
		t.Errorf("after re-import: %q", got)
	}
	if list[0].Entry.ID != complained.ID {
		t.Error("the complaint was replaced")
	}
}

// T28: what is exported is no formula, and comes back as it was.
func TestExportComesBack(t *testing.T) {
	ctx, store, owner := context.Background(), &audiencetest.Store{}, newTenant()
	s := newService(t, store)
	wish := audience.Wish{Address: address("=cmd@kunde.example"), Stream: tenant.Reminder, Note: "+49 40 1; \"x\""}
	for _, w := range []audience.Wish{wish, {Address: address("b@kunde.example")}} {
		if _, err := s.Suppress(ctx, owner, w, "@usr"); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := s.Export(ctx, owner, audience.Filter{ByAddress: true, Ascending: true}, &out, ';'); err != nil {
		t.Fatal(err)
	}
	for _, cell := range strings.FieldsFunc(out.String(), func(r rune) bool { return r == ';' || r == '\n' }) {
		if strings.ContainsAny(cell[:1], "=+-@") {
			t.Errorf("formula %q in\n%s", cell, out.String())
		}
	}
	lines, err := audience.ReadCSV(&out)
	if err != nil || len(lines) != 2 || lines[0].Err != nil || lines[0].Wish.Address != wish.Address || lines[0].Wish.Note != wish.Note || lines[0].Wish.Stream != wish.Stream {
		t.Errorf("came back: %+v, %v", lines, err)
	}
}

func FuzzReadLists(f *testing.F) {
	for _, s := range []string{"eva@kunde.example\n", "address;note\n\"a\"\"b@c.example;x", "{\"address\":\"a@b.example\"}", "\ufeff'=x@b.example\t\t", "\"", ",,,\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, read := range []func(string) ([]audience.Line, error){readCSV, readNDJSON} {
			lines, err := read(text)
			if err != nil {
				continue
			}
			for _, l := range lines {
				if l.Number < 1 || l.Err == nil && l.Wish.Address.IsZero() {
					t.Errorf("line %+v of %q", l, text)
				}
			}
		}
	})
}
