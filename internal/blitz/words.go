package blitz

import (
	"stafette/internal/i18n"
	"stafette/internal/tracking"
)

// Teller words activities.
type Teller struct{ Catalog *i18n.Catalog }

// Sentence tells an activity: by name where the person is known, as somebody's where not,
// and as a machine's that is not counted. It is one line of plain text; parts of it are
// foreign words.
func (t Teller) Sentence(lang i18n.Lang, tone i18n.Tone, a tracking.Activity) string {
	return t.SentenceOf(lang, tone, a, "")
}

// SentenceOf is Sentence with the name under which a known person is kept; "": none.
func (t Teller) SentenceOf(lang i18n.Lang, tone i18n.Tone, a tracking.Activity, called string) string {
	who, name := "someone", ""
	switch {
	case !a.Machine.Counted():
		who = "machine"
	case a.Identified && a.Recipient != nil:
		who, name = "known", a.Recipient.String()
		if called != "" {
			name = called + " (" + name + ")"
		}
	}
	label := a.Label
	if label == "" {
		label = a.Target
	}
	agent := a.Agent
	if agent == "" {
		agent = t.Catalog.Text(lang, tone, "blitz.agent.unknown", nil)
	}
	return t.Catalog.Text(lang, tone, "blitz.ev."+string(a.Kind)+"."+who, i18n.Args{
		"name": name, "title": a.Title, "label": label, "version": short(a.Version), "agent": agent,
	})
}

// short is as much of a hash as people compare.
func short(hash string) string { return hash[:min(len(hash), 8)] }
