package web

import (
	"strings"

	"github.com/a-h/templ"
)

func pressed(on bool) string {
	if on {
		return "true"
	}
	return "false"
}

// problemAttributes ties a control to its error for screen readers.
func problemAttributes(f letterForm, field string) templ.Attributes {
	if !f.wrong(field) {
		return nil
	}
	return templ.Attributes{"aria-invalid": "true", "aria-describedby": field + "-problem"}
}

func (f letterForm) troubleCount() int {
	n := 0
	for _, list := range f.problems {
		n += len(list)
	}
	return n
}

func joined(list []string) string { return strings.Join(list, ", ") }
