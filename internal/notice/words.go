package notice

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"unicode"

	"stafette/internal/i18n"
	"stafette/internal/message"
)

const (
	textPrefix = "notice."
	maxArg     = 200 // characters of a foreign value
	maxMore    = 500 // characters of a further paragraph
	mostMore   = 60  // further paragraphs
)

//go:embed letter.html
var letterHTML string

// sheet is what the HTML form shows.
type sheet struct {
	Lang                           i18n.Lang
	Title, Button, Link            string
	Paragraphs                     []string
	LinkHint, Reason, Host, Office string
}

// word makes the draft of a letter. Subject, text and HTML say the same.
func (s *Sender) word(l Letter) (message.Draft, error) {
	tone := i18n.Du
	if l.Formal {
		tone = i18n.Sie
	}
	lang := l.Lang
	if !lang.Valid() {
		lang = i18n.German
	}
	args := i18n.Args{"host": s.host}
	for name, value := range l.Args {
		args[name] = tame(value, maxArg)
	}
	say := func(key string) string { return s.c.Catalog.Text(lang, tone, textPrefix+key, args) }
	page := sheet{
		Lang: lang, Title: say(l.Kind + ".subject"), Host: s.host, Office: s.c.PublicURL,
		Reason: say("frame.reason"), LinkHint: say("frame.link"),
	}
	if s.c.Catalog.Has(textPrefix + l.Kind + ".reason") {
		page.Reason = say(l.Kind + ".reason")
	}
	for p := range strings.SplitSeq(say(l.Kind+".body"), "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			page.Paragraphs = append(page.Paragraphs, p)
		}
	}
	for _, p := range l.More[:min(len(l.More), mostMore)] {
		page.Paragraphs = append(page.Paragraphs, tame(p, maxMore))
	}
	if l.Link != "" {
		page.Button, page.Link = say(l.Kind+".button"), l.Link
		if strings.HasPrefix(l.Link, "/") {
			page.Link = s.c.PublicURL + l.Link
		}
	}
	var html bytes.Buffer
	if err := s.sheet.Execute(&html, page); err != nil {
		return message.Draft{}, fmt.Errorf("write letter: %w", err)
	}
	// RFC 3834, 5: vacation programs must not answer.
	headers := []message.Header{{Name: "Auto-Submitted", Value: "auto-generated"}}
	if l.Leave != "" {
		headers = append(headers, message.Header{Name: "List-Unsubscribe", Value: "<" + l.Leave + ">"},
			message.Header{Name: "List-Unsubscribe-Post", Value: "List-Unsubscribe=One-Click"})
	}
	return message.Draft{
		From: s.c.From, To: []message.Mailbox{{Address: l.To}}, Subject: page.Title, Text: page.text(), HTML: html.String(),
		Headers: headers,
	}, nil
}

// text is the form for programs that show no HTML.
func (p sheet) text() string {
	var b strings.Builder
	for _, paragraph := range p.Paragraphs {
		b.WriteString(paragraph + "\n\n")
	}
	if p.Link != "" {
		b.WriteString(p.Button + ":\n" + p.Link + "\n\n")
	}
	b.WriteString("-- \n" + p.Reason + "\n" + p.Office + "\n")
	return b.String()
}

// tame makes a foreign value fit to stand in a sentence: one line, of bounded length,
// and nothing that mail programs make a link of, since who gives a name to an account
// must not have us send an address of his.
func tame(value string, most int) string {
	value = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(value, "\uFFFD"))
	value = strings.Join(strings.Fields(value), " ")
	if r := []rune(value); len(r) > most {
		value = string(r[:most-1]) + "…"
	}
	// A word joiner is not seen, and ends what would be found as an address.
	value = strings.ReplaceAll(value, "://", ":\u2060/\u2060/")
	return strings.ReplaceAll(value, "www.", "www\u2060.")
}

func parseSheet() (*template.Template, error) {
	return template.New("letter").Parse(letterHTML)
}
