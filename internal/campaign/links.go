package campaign

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"stafette/internal/spool"
	"stafette/internal/tracking"
)

// Which links a mail has must be known when it is accepted, since a click may come before
// anybody makes the mail again. Where variables stand in links or conditions around them, the
// HTML of each mail is made for that; else the links are read from the form once, with a
// word in the place of each variable.

// mark is part of the words that stand for variables; no letter has it.
const mark = "zqvariablexq"

// readForm reads off a form what is the same in everybody's mail: its links by level, without
// those levels at which they must be read from each mail, and the patterns of its HTML.
func (f *form) readForm(w Weaver) {
	if !plainTags(f.HTML) || strings.Contains(f.HTML, mark) {
		return
	}
	data := words(f.html.Variables())
	page, err := f.html.Render(data)
	if err != nil {
		return
	}
	f.links = map[tracking.Level][]tracking.Link{}
	for _, level := range []tracking.Level{tracking.Aggregate, tracking.Pseudonymous, tracking.Individual} {
		if links, known := w.Common(level, markup(page, data), mark); known {
			f.links[level] = links
		}
	}
	f.pattern = commonPatterns(f, w, page, data)
}

// words are data in which a word stands for each variable, those of our own pages included.
// None begins with another.
func words(names []string) map[string]any {
	data := map[string]any{varLeave: "https://" + mark + ".invalid/leave", varWeb: "https://" + mark + ".invalid/web",
		varPublic: "https://" + mark + ".invalid/public", varImprint: mark + "x"}
	for i, name := range names {
		word := fmt.Sprintf("%s%dx", mark, i)
		of, key, nested := strings.Cut(name, ".")
		switch {
		case nested: // of a contact's own fields, or of what began a series
			group, _ := data[of].(map[string]any)
			if group == nil {
				group = map[string]any{}
				data[of] = group
			}
			group[key] = word
		case data[name] == nil:
			data[name] = word
		}
	}
	data[varLeaveShort], data[varWebShort] = data[varLeave], data[varWeb]
	return data
}

// markup is the HTML of a mail, with the links of ours that are never followed by tracking:
// nobody is told that somebody unsubscribes or looks at the mail as a page.
func markup(html string, data map[string]any) tracking.Markup {
	m := tracking.Markup{HTML: html}
	for _, name := range []string{varLeave, varWeb, varPublic} {
		if address, _ := data[name].(string); address != "" {
			m.Keep = append(m.Keep, address)
		}
	}
	return m
}

// Links implements ingest.Merger.
func (m *Merger) Links(ctx context.Context, h spool.Handle, r spool.Record, level tracking.Level) (links []tracking.Link, known bool, err error) {
	f, err := m.form(ctx, h.Tenant, r.Form)
	if err != nil {
		return nil, false, err
	}
	// Odd data go the long way, so that what cannot be made is held at once: control
	// characters (escaped in JSON), and what may be too long for a subject. Nor is a mail
	// woven, whatever its form says, if somebody's key or signature stands in it.
	longest := len(f.Letter.Subject) + strings.Count(f.Letter.Subject, "{{")*len(r.Data)
	if longest > maxSubjectBytes || bytes.Contains(r.Data, []byte(`\u`)) || bytes.Contains(r.Data, []byte("-----BEGIN")) {
		return nil, false, nil
	}
	links, known = f.links[level]
	return links, known, nil
}
