package listcheck_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"stafette/internal/audience/listcheck"
	"stafette/internal/fault"
	"stafette/internal/message"
)

func mustParse(text string) message.Address {
	a, err := message.ParseAddress(text)
	if err != nil {
		panic(err)
	}
	return a
}

// drain reads a source to its end: "line text" for each, then the column and the error's code.
func drain(s listcheck.Source) string {
	var all []string
	for {
		line, text, err := s.Next()
		if errors.Is(err, io.EOF) {
			return strings.Join(append(all, "("+s.Column()+")"), "|")
		}
		if f := fault.As(err); f != nil {
			return strings.Join(append(all, f.Code), "|")
		}
		if err != nil {
			return err.Error()
		}
		all = append(all, fmt.Sprint(line, " ", text))
	}
}

func TestTable(t *testing.T) {
	for name, c := range map[string]struct{ text, column, want string }{
		"one a line":        {"a@b.example\n\n x@y.example \r\n", "", "1 a@b.example|3 x@y.example|()"},
		"no addresses":      {"Eva\nMax\n", "", "1 Eva|2 Max|()"},
		"heading":           {"Name,Email,Ort\nEva,a@b.example,Bonn\nMax\n", "", "2 a@b.example|3 |(Email)"},
		"by content":        {"Nr;Kontakt privat;Chef\n1;a@b.example;\n2;c@d.example;x@y.example\n", "", "2 a@b.example|3 c@d.example|(Kontakt privat)"},
		"by name":           {"Nr;Privat;Chef\n1;a@b.example;\n2;c@d.example;x@y.example\n", "chef", "2 |3 x@y.example|(Chef)"},
		"by number":         {"1;a@b.example\n2;c@d.example\n", "2", "1 a@b.example|2 c@d.example|()"},
		"no such column":    {"E-Mail\na@b.example\n", "Adresse", "column_unknown"},
		"quotes":            {"\"Müller, Eva\",\"a@b.example\"\n\"zwei\nZeilen \"\"so\"\"\",c@d.example\nx\"y,e@f.example\n", "", "1 a@b.example|2 c@d.example|4 e@f.example|()"},
		"Windows-1252":      {"Empf\xe4nger;Stra\xdfe\nm\xfcller@b.example;x\n", "", "2 müller@b.example|(Empfänger)"},
		"UTF-8 mark":        {"\xef\xbb\xbfE-Mail\na@b.example\n", "", "2 a@b.example|(E-Mail)"},
		"UTF-16":            {"\xff\xfem\x00a\x00i\x00l\x00\n\x00\xe4\x00@\x00b\x00.\x00d\x00e\x00\n\x00", "", "2 ä@b.de|(mail)"},
		"name beside":       {"Eva Test <a@b.example>\n", "", "1 a@b.example|()"},
		"our own export":    {"address\n'=cmd@b.example\n", "", "2 =cmd@b.example|(address)"},
		"heading alone":     {"E-Mail\n", "", "(E-Mail)"},
		"quote to the end":  {"mail,x\na@b.example,\"y\n", "", "csv_malformed"},
		"text after quotes": {"mail;x\n\"a\"@b.example;1\n", "", "2 a@b.example|(mail)"},
	} {
		if have := drain(listcheck.Table(strings.NewReader(c.text), c.column)); have != c.want {
			t.Errorf("%s: %s, want %s", name, have, c.want)
		}
	}
}

func TestJSON(t *testing.T) {
	for text, want := range map[string]string{
		`["a@b.example", {"address":"c@d.example","x":1}, ""]`: "1 a@b.example|2 c@d.example|3 |()",
		`[]`:                  "()",
		`{"addresses":["a"]}`: "json_malformed",
		`["a"`:                "1 a|json_malformed",
		`["a",1]`:             "1 a|json_malformed",
		``:                    "json_malformed",
	} {
		if have := drain(listcheck.Array(strings.NewReader(text))); have != want {
			t.Errorf("%s: %s, want %s", text, have, want)
		}
	}
	if have := drain(listcheck.Lines(strings.NewReader("\"a@b.example\"\n\n{\"address\":\"c@d.example\"}"))); have != "1 a@b.example|3 c@d.example|()" {
		t.Error(have)
	}
}

// FuzzTable: whatever comes, texts are bounded and valid, lines rise, and it ends.
func FuzzTable(f *testing.F) {
	for _, seed := range []string{"E-Mail;x\na@b.example;1\n", "\"a\nb\",c@d.example\n", "\xff\xfea\x00", "m\xfcller@b.example", "a,\"", strings.Repeat(",", 300)} {
		f.Add([]byte(seed), "")
		f.Add([]byte(seed), "2")
	}
	f.Fuzz(func(t *testing.T, text []byte, column string) {
		s := listcheck.Table(strings.NewReader(string(text)), column)
		last := 0
		for n := 0; ; n++ {
			line, cell, err := s.Next()
			if err != nil {
				if f := fault.As(err); f == nil && !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				return
			}
			if line <= last || utf8.RuneCountInString(cell) > 320 || !utf8.ValidString(cell) || n > len(text) {
				t.Fatalf("line %d after %d: %q", line, last, cell)
			}
			last = line
		}
	})
}
