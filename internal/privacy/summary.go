package privacy

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"stafette/internal/event"
	"stafette/internal/i18n"
)

//go:embed summary.html
var summaryText string

type summaryPage struct {
	name string
	lang i18n.Lang
}

// summaryPages are the readable pages of a file.
func summaryPages() []summaryPage {
	return []summaryPage{{"uebersicht.html", i18n.German}, {"overview.html", i18n.English}}
}

// summarise writes a page that people can read without a program. It is one file that
// asks for nothing else.
func (s *Service) summarise(w io.Writer, lang i18n.Lang, p personFile, rows []messageFile) error {
	text := func(key string, pairs ...any) string {
		args := i18n.Args{}
		for i := 0; i+1 < len(pairs); i += 2 {
			args[fmt.Sprint(pairs[i])] = pairs[i+1]
		}
		return s.c.Catalog.Text(lang, i18n.Sie, key, args)
	}
	page, err := template.New("summary").Funcs(template.FuncMap{
		"T":     text,
		"time":  func(t time.Time) string { return i18n.Clock{Lang: lang, Zone: s.c.Zone, Now: p.MadeAt}.Full(t) },
		"state": func(v event.State) string { return text("state." + string(v) + ".label") },
		"stream": func(v string) string {
			if v == "" {
				return text("sup.stream.any")
			}
			return text("stream." + v)
		},
		"reason": func(v string) string { return text("sup.reason." + v) },
	}).Parse(summaryText)
	if err != nil {
		return fmt.Errorf("summary: %w", err)
	}
	return page.Execute(w, struct {
		Lang     i18n.Lang
		Person   personFile
		Messages []messageFile
	}{lang, p, rows})
}
