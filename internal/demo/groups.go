package demo

import (
	"fmt"
	"strings"

	"stafette/internal/audience"
)

// List is a group of the estate agency with the file that fills it. Nobody on it exists.
type List struct {
	Group  audience.Group
	File   string // its name
	Rows   string // CSV with a heading
	Source string
}

// Lists are the groups of the estate agency: a large one, an old one of doubtful origin
// with rows that cannot be taken, and one by rules, which has no file.
func Lists() []List {
	return []List{
		{Group: audience.Group{Name: "Newsletter Neubau", Description: "Wer über Neubauprojekte lesen möchte", Kind: audience.Static},
			File: "newsletter-neubau.csv", Rows: crowd(400, "neubau", ""), Source: "Anmeldung im Formular www.hafenkontor.example/neubau, mit Double-Opt-in"},
		{Group: audience.Group{Name: "Messekontakte 2019", Kind: audience.Static},
			File: "messe 2019 (alt).csv", Rows: crowd(140, "messe", "m.mustermann;Max;Mustermann\ninfo@;;\nanna.0@gmx.example;Anna;Doppelt\n"), Source: "Visitenkarten von der Messe, genaue Herkunft unbekannt"},
		{Group: audience.Group{Name: "Kaufinteresse Neubau", Description: "Von selbst aktuell", Kind: audience.Dynamic,
			Segment: &audience.Segment{All: []audience.Segment{{Of: "tag", Is: audience.Has, Value: "neubau"}, {Of: "domain", Is: audience.Equals, Value: "gmx.example"}}}}},
	}
}

// crowd is a list of so many people, all with one tag, and further lines.
func crowd(n int, tag, more string) string {
	given := strings.Fields("Anna Ben Clara David Emma Felix Greta Hans Ida Jonas Karla Jürgen Ayşe Björn Käthe")
	family := strings.Fields("Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Koch Schröder Krüger Yılmaz")
	domains := strings.Fields("gmx.example web.example t-online.example gmail.example")
	var s strings.Builder
	s.WriteString("\ufeffE-Mail;Vorname;Nachname;Schlagwörter\r\n")
	for i := range n {
		fmt.Fprintf(&s, "%s.%d@%s;%s;%s;%s\r\n", strings.ToLower(given[i%5]), i, domains[i%len(domains)], given[i%len(given)], family[i*5%len(family)], tag)
	}
	s.WriteString(more)
	return s.String()
}
