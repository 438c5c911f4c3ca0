package trackings

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tracking"
	"stafette/internal/web/frame"
)

// consentSheet is the page of one recipient's consent.
type consentSheet struct {
	frame.Form
	now              tracking.Consent
	address, dossier string
	link             string // the recipient's own
	stations         []frame.Station
	done             string
}

// ConsentAddress leads to the page of a recipient's consent.
func ConsentAddress(a message.Address) string {
	return ConsentPath + "?" + url.Values{"address": {a.String()}}.Encode()
}

func (c Config) showConsent(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	a, err := message.ParseAddress(r.URL.Query().Get("address"))
	if err != nil {
		return fault.New(fault.NotFound, "contact_not_found", "There is no such thing here.")
	}
	return c.consentPage(w, r, p, http.StatusOK, a, consentSheet{done: p.Done("saved")})
}

func (c Config) consentPage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, a message.Address, s consentSheet) error {
	ctx, t := r.Context(), p.Tenant()
	var err error
	if s.now, err = c.Consents.Of(ctx, t, a); err != nil {
		return err
	}
	if s.Values == nil {
		s.Values = map[string]string{"state": string(s.now.State)}
	}
	s.address, s.dossier = a.String(), "/contacts/address?"+url.Values{"address": {a.String()}}.Encode()
	s.link = c.Consents.URL(t, a)
	list, err := c.Consents.History(ctx, t, a)
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, one := range list {
		s.stations = append(s.stations, frame.Station{
			Clock: p.Time(one.At), Small: p.Date(one.At), Mark: Mark(one.State), Title: p.T("trk.consent.state." + string(one.State)),
			Text: oneLine(one.Wording), Route: source(c.name(ctx, p, names, one.Actor), one.Way),
		})
	}
	p.Room, p.Title = "contacts", p.T("trk.consent")
	return p.Render(w, r, status, consentPage(p, s))
}

// source is who recorded a consent and by which way it was said.
func source(who, way string) string {
	if way == "" {
		return who
	}
	return who + " · " + way
}

func (c Config) recordConsent(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	a, err := message.ParseAddress(r.PostForm.Get("address"))
	if err != nil {
		return fault.New(fault.NotFound, "contact_not_found", "There is no such thing here.")
	}
	s := consentSheet{Form: frame.Form{Values: map[string]string{}}}
	for _, name := range []string{"state", "way", "wording"} {
		s.Values[name] = r.PostForm.Get(name)
	}
	if s.Value("state") == string(tracking.StateGranted) && strings.TrimSpace(s.Value("wording")) == "" {
		s.Add("wording", p.T("trk.consent.wording.missing"))
		return c.consentPage(w, r, p, http.StatusUnprocessableEntity, a, s)
	}
	err = c.Consents.Record(r.Context(), tracking.Consent{
		Tenant: p.Tenant(), Address: a, State: tracking.State(s.Value("state")), Actor: p.Who.User.ID.String(), Way: s.Value("way"), Wording: s.Value("wording"),
	})
	if frame.Refused(p, &s.Form, err, "state") {
		return c.consentPage(w, r, p, http.StatusUnprocessableEntity, a, s)
	}
	if err != nil {
		return fmt.Errorf("record consent: %w", err)
	}
	http.Redirect(w, r, ConsentAddress(a)+"&done=saved", http.StatusSeeOther)
	return nil
}
