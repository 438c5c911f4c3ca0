package main

import (
	"cmp"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/i18n"
)

// texts says states and reasons to programs, from the same catalogue the pages use.
type texts struct {
	catalog *i18n.Catalog
	reasons *bounce.Table
}

// State implements httpapi.Texts.
func (t texts) State(lang string, s event.State) string {
	return t.text(lang, "state."+string(s)+".label")
}

// Reason implements httpapi.Texts. A code with a dot is a key of the catalogue.
func (t texts) Reason(lang, code string) string {
	if s := t.reasons.Sentence(bounce.Class(code), lang); s != "" {
		return s
	}
	return cmp.Or(t.text(lang, "reason."+code), t.text(lang, code), t.text(lang, "fault."+code))
}

func (t texts) text(lang, key string) string {
	if !t.catalog.Has(key) {
		return ""
	}
	return t.catalog.Text(i18n.Lang(lang), i18n.Sie, key, nil)
}
