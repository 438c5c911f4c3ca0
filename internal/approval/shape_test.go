package approval_test

import (
	"slices"
	"strings"
	"testing"

	"stafette/internal/approval"
)

const offer = `unser neues Bauvorhaben am Alten Hafen ist im Verkauf. Sie finden dort 24 Wohnungen mit zwei bis vier Zimmern, jede mit Balkon
oder Terrasse, und eine Tiefgarage. Bis Ende des Monats reservieren wir ohne Gebühr. Lesen Sie alles unter https://hafen.example/x und rufen Sie uns an,
wir zeigen Ihnen die Musterwohnung gern an einem Abend oder am Wochenende. Mit freundlichen Grüßen, Ihr Team aus der Speicherstadt`

const invoice = `anbei erhalten Sie die Rechnung zu Ihrer Bestellung. Der Betrag wird in den nächsten Tagen von Ihrem Konto eingezogen, Sie brauchen
nichts weiter zu tun. Wenn etwas nicht stimmt, antworten Sie bitte auf diese E-Mail, damit wir es vor dem Einzug klären können. Die Lieferung verlässt
unser Lager voraussichtlich morgen; die Nummer der Sendung bekommen Sie gesondert.`

// Mail is similar if it shares a shape: personalised letters do, two letters of one sender
// about different things do not.
func TestSimilar(t *testing.T) {
	letter := func(hello, text string) approval.Body { return approval.Body{Text: hello + "\n\n" + text} }
	html := func(hello, text string) approval.Body {
		return approval.Body{HTML: `<html><head><title>x</title><style>p { color: red }</style></head><body><p style="margin:0">` + hello + "</p><p>" + text + "</p></body></html>"}
	}
	raw := approval.Body{Raw: []byte("From: a@hafen.example\r\nSubject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHallo Ida,\r\n\r\n" + strings.ReplaceAll(offer, "\n", "\r\n"))}
	eva := letter("Sehr geehrte Frau Dr. Eva Sommer,", offer)
	for name, c := range map[string]struct {
		a, b approval.Body
		want bool
	}{
		"the same":             {eva, eva, true},
		"another name":         {eva, letter("Sehr geehrter Herr Müller-Lüdenscheidt,", offer), true},
		"another salutation":   {eva, letter("Hallo Jürgen!", offer), true},
		"another number":       {eva, letter("Hallo Jo,", strings.ReplaceAll(offer, "24", "1.024")), true},
		"another link":         {eva, letter("Hallo Jo,", strings.ReplaceAll(offer, "/x", "/y?token=AbCdEf")), true},
		"a few words of own":   {eva, letter("Hallo Jo,", strings.Replace(offer, "rufen Sie uns an", "rufen Sie uns doch einfach einmal an", 1)), true},
		"a city in the middle": {eva, letter("Hallo Jo,", strings.Replace(offer, "am Alten Hafen", "in Ihrer Nähe in Bremen", 1)), true},
		"as HTML":              {eva, html("Guten Tag Frau Sommer,", offer), true},
		"as it came by SMTP":   {eva, raw, true},
		"something else":       {eva, letter("Sehr geehrte Frau Dr. Eva Sommer,", invoice), false},
		"the same signature": {letter("Hallo Jo,", invoice+" Mit freundlichen Grüßen, Ihr Team aus der Speicherstadt"),
			eva, false},
		"too short to say anything": {approval.Body{Text: "Ihr Termin steht fest."}, approval.Body{Text: "Ihr Termin steht fest."}, false},
		"nothing":                   {approval.Body{}, approval.Body{}, false},
	} {
		// Different subjects: only the bodies can agree.
		a, b := approval.Shapes("eins", c.a), approval.Shapes("zwei", c.b)
		if have := slices.ContainsFunc(a, func(s approval.Shape) bool { return slices.Contains(b, s) }); have != c.want {
			t.Errorf("%s: similar %v, want %v", name, have, c.want)
		}
	}
	if approval.SubjectShape("Angebot 12 für Sie") != approval.SubjectShape("angebot 7 FÜR Sie") || approval.SubjectShape("Angebot") == approval.SubjectShape("Rechnung") {
		t.Error("shapes of subjects")
	}
}

// FuzzShapes: whatever a body holds, it has a bounded number of shapes, the same each time.
func FuzzShapes(f *testing.F) {
	f.Add("Angebot", offer, "<p>"+offer, []byte("Subject: x\r\n\r\n"+offer))
	f.Add("", "", "<style", []byte("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n"))
	f.Add("\xff", "Herr Frau \xff www. :// @", "<script><!-- </script &amp;&#0;", []byte("\r\n\r\n"))
	f.Fuzz(func(t *testing.T, subject, text, html string, raw []byte) {
		for _, b := range []approval.Body{{Text: text}, {HTML: html}, {Raw: raw}} {
			have := approval.Shapes(subject, b)
			if len(have) == 0 || len(have) > 7 || !slices.Equal(have, approval.Shapes(subject, b)) {
				t.Errorf("%d shapes", len(have))
			}
		}
	})
}

// BenchmarkShapes is what a mail costs the goroutine that looks at it.
func BenchmarkShapes(b *testing.B) {
	body := approval.Body{Text: strings.Repeat(offer, 5)}
	for b.Loop() {
		approval.Shapes("Angebot", body)
	}
}
