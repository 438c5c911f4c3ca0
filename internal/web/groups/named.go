package groups

import (
	"fmt"
	"net/http"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/web/frame"
)

// choice is a value of a test that has a name people know it by.
type choice struct{ subject, value, name string }

// choices are the values of tests that are chosen, not typed: static groups, and what is
// one of a few things. Their names are offered while somebody types, and understood.
func (c Config) choices(r *http.Request, p frame.Page) ([]choice, error) {
	groups, err := c.Groups.List(r.Context(), p.Tenant())
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	var list []choice
	for _, g := range groups {
		if g.Kind == audience.Static {
			list = append(list, choice{"group", g.ID.String(), g.Name})
		}
	}
	for _, subject := range audience.SegmentSubjects() {
		for _, value := range audience.SegmentValues(subject) {
			if key := valueText(subject, value); p.Has(key) {
				list = append(list, choice{subject, value, p.T(key)})
			}
		}
	}
	return list, nil
}

// valueText is the key of the text of a subject's value.
func valueText(subject, value string) string {
	prefix := map[string]string{"origin": "contacts.origin.", "consent": "stream.", "consent_basis": "signups.basis.", "consent_state": "signups.state."}[subject]
	if prefix == "" {
		return ""
	}
	return prefix + value
}

// valued is the value that a name stands for; what is no name stays as it is, so that
// whoever knows the value itself may write it.
func valued(list []choice, subject, text string) string {
	for _, c := range list {
		if c.subject == subject && audience.Fold(c.name) == audience.Fold(text) {
			return c.value
		}
	}
	return text
}

// called is the name of a value, or the value.
func called(list []choice, subject, value string) string {
	for _, c := range list {
		if c.subject == subject && c.value == value {
			return c.name
		}
	}
	return value
}

// names are those of all choices, each once.
func names(list []choice) []string {
	seen := map[string]bool{}
	var all []string
	for _, c := range list {
		if key := strings.ToLower(c.name); !seen[key] {
			seen[key] = true
			all = append(all, c.name)
		}
	}
	return all
}
