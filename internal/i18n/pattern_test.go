package i18n

import (
	"strings"
	"testing"
)

func TestCompile(t *testing.T) {
	cases := []struct {
		text string
		args Args
		want string
	}{
		{"", nil, ""},
		{"ohne", nil, "ohne"},
		{"{a}{b}", Args{"a": 1, "b": "x"}, "1x"},
		{"{n, plural, one {# Brief} other {# Briefe}} da", Args{"n": 1}, "1 Brief da"},
		{"{n, plural, =0 {keine} one {eine} other {#}}", Args{"n": 0}, "keine"},
		{"{n, plural, =0 {keine} one {eine} other {#}}", Args{"n": 1000}, "1.000"},
		{"{s, select, yes {ja, {who}} other {nein}}", Args{"s": "yes", "who": "Eva"}, "ja, Eva"},
		{"{s, select, none {} other {: {s}}}", Args{"s": "none"}, ""},
		{"{n, plural, one {a {s, select, x {#} other {-}}} other {b}}", Args{"n": 1, "s": "x"}, "a 1"},
		{"Auftrag #7", nil, "Auftrag #7"},
	}
	for _, c := range cases {
		p, err := compile(c.text)
		if err != nil {
			t.Errorf("compile(%q): %v", c.text, err)
			continue
		}
		var b strings.Builder
		p.write(&b, German, c.args, "")
		if b.String() != c.want {
			t.Errorf("%q gives %q, want %q", c.text, b.String(), c.want)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, text := range []string{
		"{", "}", "{a", "{}", "{A}", "a } b", "{n, plural}", "{n, plural, one {x}}", "{n, choice, other {x}}",
		"{n, plural, other {x}", "{n, plural, other x}", "{a b}",
	} {
		if _, err := compile(text); err == nil {
			t.Errorf("compile(%q) finds nothing wrong", text)
		}
	}
}

func FuzzCompile(f *testing.F) {
	f.Add("{n, plural, =0 {keine} one {eine} other {# von {m}}}")
	f.Add("{s, select, none {} other {{s}}}")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := compile(text)
		if err != nil {
			return
		}
		var b strings.Builder
		p.write(&b, German, Args{"n": 1, "s": "x"}, "")
		if !strings.ContainsAny(text, "{}") && b.String() != text {
			t.Errorf("%q without placeholders became %q", text, b.String())
		}
	})
}
