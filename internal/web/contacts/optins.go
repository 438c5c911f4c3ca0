package contacts

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"stafette/internal/audience/consent"
	"stafette/internal/i18n"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Optins tells why somebody may be written to; *consent.Book does.
type Optins interface {
	Of(ctx context.Context, t tenant.ID, a message.Address) ([]consent.Consent, error)
}

// Evidence proves all consents of a person; signup.Evidence does.
type Evidence interface {
	PersonPack(ctx context.Context, t tenant.ID, addresses []message.Address, lang i18n.Lang) ([]byte, error)
}

// evidenceAt is where the evidence of a person is, whom the query names.
const evidenceAt = "/contacts/consents.zip"

// optinsShown bounds the consents beside a Kundenakte; the list of consents has the rest.
const optinsShown = 5

// optins reads the consents of a person's addresses, each address's new ones first.
func (c Config) optins(r *http.Request, p frame.Page, d *dossier) error {
	if c.Optins == nil {
		return nil
	}
	for _, a := range d.Addresses {
		list, err := c.Optins.Of(r.Context(), p.Tenant(), a)
		if err != nil {
			return err
		}
		d.optins = append(d.optins, list...)
	}
	return nil
}

// evidence hands out what proves all consents of a person.
func (c Config) evidence(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	person, err := c.personOf(r, p, r.URL.Query().Get("person"))
	if err != nil {
		return err
	}
	if c.Evidence == nil {
		return errNoContact()
	}
	file, err := c.Evidence.PersonPack(r.Context(), p.Tenant(), person.Addresses, p.Lang)
	if err != nil {
		return fmt.Errorf("prove consents: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="`+p.T("evidence.person.filename")+`.zip"`)
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(file) // the reader left: nothing to be done
	return nil
}

func evidencePath(d dossier) string {
	return evidenceAt + "?" + url.Values{"person": {d.key()}}.Encode()
}

// optinMark is the mark of a consent's state, in the colours of deliveries.
func optinMark(s consent.State) string {
	switch s {
	case consent.Given:
		return "delivered"
	case consent.Withdrawn:
		return "suppressed"
	case consent.Suspect:
		return "held"
	case consent.Asked:
	}
	return "queued"
}
