package campaign

import (
	"strings"
	"testing"
	"time"

	"stafette/internal/message"
	"stafette/internal/template"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// pressed is a form as Merger.form makes it of HTML.
func pressed(t testing.TB, source string, w Weaver) *form {
	t.Helper()
	parsed, err := template.Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	f := &form{Letter: Letter{HTML: source, Imprint: "Muster GmbH, Hafen 1"}, html: parsed, plain: plainForm(source)}
	f.readForm(w)
	return f
}

func newWeaver(t testing.TB, withdrawal bool) Weaver {
	t.Helper()
	tokens, err := tracking.NewTokens([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	return tracking.NewWeaver(tracking.WeaverConfig{Tokens: tokens, PublicURL: "https://post.example", Withdrawal: withdrawal})
}

// pressings are forms of letters, and whether their mails are made of patterns.
func pressings() map[string]bool {
	return map[string]bool{
		`<html><body><h1>Guten Tag {{name}}</h1><a href="https://muster.example/eins">Grundrisse</a> {{ fields.city }}2<a href='https://muster.example/zwei?a=1&amp;b=2'>Lage</a><a href="{{unsubscribe_url}}">Abmelden</a></body></html>`: true,
		`<p title="{{name}}">x{{name}}</p><a href=https://muster.example/ class=x>A</a><a href="https://muster.example/rechte" data-stafette-track="consent">Auswertung</a>`:                                                               true,
		"<title>Für {{name}}</title><style>p{color:{{fields.city}}}</style>\r\n<p>{{name}}\n<a href=\"https://muster.example/\">A</a>{{web_version}} {{web_url}}{{unsubscribe}} {{imprint}}":                                               true,
		`Mit &am{{name}} und -----{{name}} und \{{name}} <a href="https://muster.example/" data-stafette-track="off">A</a>`:                                                                                                                true,
		`{{name}}{{fields.city}}`: false, // nothing else
		`<p>{{name}}</p><a href="https://muster.example/{{fields.city}}">A</a>`:              false,
		`<p>{{name}}</p><a href="https://muster.example/">{{fields.city}}</a>`:               false,
		`<p class={{name}}>a</p><a href="https://muster.example/">A</a>`:                     false,
		`<!-- {{name}}><a href="https://muster.example/">A</a> -->{{name}}`:                  false,
		`<!-{{name}}><a href="https://muster.example/">A</a>`:                                false,
		`<script><{{name}}><a href="https://muster.example/">A</a></script>x`:                false,
		`<p>1 < 2 {{name}}<a href="https://muster.example/">A</a></p>`:                       false,
		`<p>{{name}}</p {{name}}><a href="https://muster.example/">A</a>`:                    false,
		`<p>a</p><img alt="{{name}}" src="https://muster.example/x.png" {{name}}`:            false,
		`<p>{{#if name}}{{name}}{{/if}}</p><a href="https://muster.example/">A</a>`:          false,
		`<p>{{{name}}}</p><a href="https://muster.example/">A</a>`:                           false,
		"<p>{{name}}\x00</p><a href=\"https://muster.example/\">A</a>":                       false,
		`<p>` + mark + `{{name}}</p><a href="https://muster.example/">A</a>`:                 false,
		`<p>{{fields.a.b}} {{name}}</p><a href="https://muster.example/">A</a>`:              false,
		`<p>{{name}}</p><pre>{{fields.city}}</pre><a href="https://muster.example/">A</a>`:   false,
		`<p>Guten Tag!</p><a href="https://muster.example/">A</a><a href="/impressum">I</a>`: true,
	}
}

// checkWoven holds a mail of the pattern of its form to the same made the long way, byte for
// byte; it returns whether there was one.
func checkWoven(t testing.TB, f *form, w Weaver, data map[string]any) bool {
	t.Helper()
	m := tracking.Mail{Tenant: tenant.ID{1}, Message: message.NewID(time.UnixMilli(1764000000000)), Stream: tenant.Newsletter, SignDomain: "muster.example",
		Recipients: []message.Address{{Local: "eva", Domain: "kunde.example"}}}
	f.complete(data)
	any := false
	for _, level := range []tracking.Level{tracking.Aggregate, tracking.Pseudonymous, tracking.Individual} {
		html, text, ok := f.woven(t.Context(), w, m, level, data)
		if !ok {
			continue
		}
		any = true
		var d message.Draft
		if err := f.content(&d, data); err != nil {
			t.Fatalf("%s: made of the pattern, but cannot be rendered: %v", f.HTML, err)
		}
		if want := f.plainOf(data, d.HTML); text != want {
			t.Errorf("%s: text %q, want %q", f.HTML, text, want)
		}
		if want := w.Again(t.Context(), m, level, markup(d.HTML, data)); html != want {
			t.Errorf("%s, level %s:\n%q, want\n%q", f.HTML, level, html, want)
		}
	}
	return any
}

func recipientData(name, city string) map[string]any {
	return map[string]any{"name": name, "fields": map[string]any{"city": city},
		varLeave: "https://post.example/abmelden/0123456789", varWeb: "https://post.example/mail/0123456789"}
}

func TestMailsOfPatternsAreThoseOfTheLongWay(t *testing.T) {
	values := []string{"Eva", "Eva & Söhne <x>", `"><a href="https://evil.example/">x</a>`, "--><a href=https://evil.example>", "</style>", "-", "/script", "'", "a=b",
		"BEGIN PGP", "-----BEGIN PGP MESSAGE-----", mark + "0x", "https://" + mark + ".invalid/leave", "https://muster.example/l/" + strings.Repeat("a", tracking.TokenLength)}
	for source, want := range pressings() {
		for _, withdrawal := range []bool{true, false} {
			w := newWeaver(t, withdrawal)
			f := pressed(t, source, w)
			if got := checkWoven(t, f, w, recipientData("Eva", "Köln")); got != want {
				t.Errorf("%s: made of the pattern: %t", source, got)
			}
			for _, a := range values {
				checkWoven(t, f, w, recipientData(a, "Köln"))
				checkWoven(t, f, w, recipientData("Eva", a))
			}
		}
	}
}

// What a pattern cannot put in, or nobody can read before it, goes the long way.
func TestOddDataGoTheLongWay(t *testing.T) {
	w := newWeaver(t, true)
	f := pressed(t, `<p>{{name}} {{fields.city}} -----{{fields.city}}</p><a href="https://muster.example/">A</a>`, w)
	if !checkWoven(t, f, w, recipientData("Eva", "Köln")) {
		t.Fatal("no pattern")
	}
	for name, change := range map[string]func(map[string]any){
		"number":  func(d map[string]any) { d["name"] = 7.0 },
		"nothing": func(d map[string]any) { d["name"] = "" },
		"missing": func(d map[string]any) { delete(d, "name") },
		"list":    func(d map[string]any) { d["fields"] = []any{"x"} },
		"armour":  func(d map[string]any) { d["fields"] = map[string]any{"city": "BEGIN PGP MESSAGE"} },
		"large": func(d map[string]any) {
			d["fields"] = map[string]any{"city": strings.Repeat("x", template.MaxOutput/2)}
		},
	} {
		data := recipientData("Eva", "Köln")
		change(data)
		if checkWoven(t, f, w, data) {
			t.Errorf("%s: made of the pattern", name)
		}
	}
}

// FuzzWoven looks for a form and data of which a pattern makes another mail than the long way.
func FuzzWoven(f *testing.F) {
	for source := range pressings() {
		f.Add(source, "Eva", "Köln")
		f.Add(source, `--><a href="x">`, "'/ <")
	}
	f.Fuzz(func(t *testing.T, source, name, city string) {
		if _, err := template.Parse(source); err != nil {
			return
		}
		w := newWeaver(t, true)
		checkWoven(t, pressed(t, source, w), w, recipientData(name, city))
	})
}

// BenchmarkWoven makes the HTML and the text of one mail, of the pattern and the long way.
func BenchmarkWoven(b *testing.B) {
	const link = `<p><a href="https://muster.example/eins">Grundrisse</a></p>`
	text := "<p>" + strings.Repeat("Am Hafen wird gebaut, und die Wohnungen sind vergeben. ", 16) + "</p>"
	w := newWeaver(b, true)
	f := pressed(b, `<html><body><h1>Guten Tag {{name}}</h1>`+strings.Repeat(text+link, 3)+`<a href="{{unsubscribe_url}}">Abmelden</a></body></html>`, w)
	m := tracking.Mail{Tenant: tenant.ID{1}, Message: message.ID{1}, Stream: tenant.Newsletter, Recipients: make([]message.Address, 1)}
	data := recipientData("Eva", "Köln")
	f.complete(data)
	b.Run("pattern", func(b *testing.B) {
		for b.Loop() {
			if _, _, ok := f.woven(b.Context(), w, m, tracking.Individual, data); !ok {
				b.Fatal("no pattern")
			}
		}
	})
	b.Run("long", func(b *testing.B) {
		for b.Loop() {
			var d message.Draft
			if err := f.content(&d, data); err != nil {
				b.Fatal(err)
			}
			_ = f.plainOf(data, d.HTML)
			_ = w.Again(b.Context(), m, tracking.Individual, markup(d.HTML, data))
		}
	})
}
