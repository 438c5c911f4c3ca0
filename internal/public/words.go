package public

import (
	"time"

	"github.com/a-h/templ"

	"stafette/internal/genuine"
	"stafette/internal/i18n"
	"stafette/internal/published"
)

// path is that of a list in the language of the page.
func (s sheet) path(l published.List) string { return s.Published.Path(string(s.lang), l.For) }

// until is when the signed form of the list runs out.
func (s sheet) until() time.Time { return s.Published.HoldsUntil() }

// bound is the first or last moment of an address.
func (s sheet) bound(t time.Time, open string) string {
	if t.IsZero() {
		return s.t(open, nil)
	}
	return s.moment(t)
}

// commands verify the text form with openssl 3.
func (s sheet) commands(l published.List) string {
	origin, text := s.Diagnosis.PublicURL, s.Diagnosis.PublicURL+s.path(l)+textEnd
	return "curl -fsSo list.txt " + text + "\n" +
		"curl -fsSo list.sig " + text + ".sig\n" +
		"curl -fsSo key.pem " + origin + published.KeyPath + "\n" +
		"openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in list.txt -sigfile list.sig"
}

// note is the second sentence of an answer.
func (s sheet) note(a genuine.Answer) string {
	return s.t("genuine."+string(a.Reason)+".note", i18n.Args{"at": s.moment(a.At), "domain": a.Domain})
}

func verdictMark(v genuine.Verdict) string {
	switch v {
	case genuine.Yes:
		return "delivered"
	case genuine.No:
		return "bounced"
	}
	return "deferred"
}

// invalid ties a control to what is wrong with it.
func invalid(text, id string) templ.Attributes {
	if text == "" {
		return nil
	}
	return templ.Attributes{"aria-invalid": "true", "aria-errormessage": id}
}
