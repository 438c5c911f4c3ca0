package signups

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/consent"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/signup"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// consentList is the page of consents.
type consentList struct {
	frame.View
	list  []consent.Consent
	older string
	wrong string // what is wrong with the address that was looked for
	done  string
}

func listing(p frame.Page) frame.Listing {
	var columns []frame.Column
	for _, key := range []string{"address", "purpose", "basis", "state", "at"} {
		columns = append(columns, frame.Column{Key: key, Title: p.T("signups.col." + key)})
	}
	return frame.Listing{Path: consents, Filters: []string{"address", "state", "form"}, Columns: columns}
}

// question is the view as the store is asked for it; ok is false for an address that is
// none.
func (c Config) question(p frame.Page, v frame.View) (f consent.Filter, ok bool) {
	f = consent.Filter{Limit: pageSize}
	if s := consent.State(v.Filter("state")); slices.Contains(consent.States(), s) {
		f.State = s
	}
	if form, err := id.Parse[signup.Kind](v.Filter("form")); err == nil {
		f.Form = form.String()
	}
	if after, err := id.Parse[consent.Kind](v.After); err == nil {
		f.After = after
	}
	if text := strings.TrimSpace(v.Filter("address")); text != "" {
		a, err := message.ParseAddress(text)
		if err != nil {
			return f, false
		}
		f.Hash = c.List.Hash(p.Tenant(), a)
	}
	return f, true
}

func (c Config) showConsents(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v := consentList{View: frame.ReadView(r, listing(p)), done: p.Done("released", "recorded")}
	f, ok := c.question(p, v.View)
	if !ok {
		v.wrong = p.T("signups.address.wrong")
	} else {
		list, more, err := c.Consents.Consents(r.Context(), p.Tenant(), f)
		if err != nil {
			return fmt.Errorf("list consents: %w", err)
		}
		if v.list = list; more {
			v.older = v.With("after", list[len(list)-1].ID.String())
		}
	}
	p.Room, p.Title = "consents", p.T("nav.consents")
	return p.Render(w, r, http.StatusOK, consentsPage(p, v))
}

// exportConsents writes what the filter shows, page by page.
func (c Config) exportConsents(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f, ok := c.question(p, frame.ReadView(r, listing(p)))
	if !ok {
		return fault.Field("address", "signup_email", "no e-mail address")
	}
	f.Limit, f.After = 500, consent.ID{}
	list, more, err := c.Consents.Consents(r.Context(), p.Tenant(), f)
	if err != nil {
		return fmt.Errorf("export consents: %w", err)
	}
	out := p.File(w, p.T("signups.consents.filename"))
	head := []string{p.T("signups.col.address")}
	for _, key := range []string{"purpose", "basis", "state", "at", "confirmed", "withdrawn", "wording", "version"} {
		head = append(head, p.T("signups.col."+key))
	}
	_ = out.Write(head...)
	for {
		for _, one := range list {
			_ = out.Write(shown(p, one), p.T("stream."+string(one.Purpose)), p.T("signups.basis."+string(one.Basis)), p.T("signups.state."+string(one.State)),
				when(p, one.AskedAt), when(p, one.ConfirmedAt), when(p, one.WithdrawnAt), one.Wording, one.Version())
		}
		if !more {
			_ = out.Flush() // the reader left: nothing to be done
			return nil
		}
		f.After = list[len(list)-1].ID
		if list, more, err = c.Consents.Consents(r.Context(), p.Tenant(), f); err != nil {
			p.Broken(out)
			return nil //nolint:nilerr // the file says that it is not whole
		}
	}
}

func shown(p frame.Page, c consent.Consent) string {
	if c.Address.IsZero() {
		return p.T("signups.erased")
	}
	return c.Address.String()
}

// one reads the consent that the path names.
func (c Config) one(r *http.Request, p frame.Page) (consent.Consent, error) {
	number, err := id.Parse[consent.Kind](r.PathValue("id"))
	if err != nil {
		return consent.Consent{}, fault.New(fault.NotFound, "consent_not_found", "There is no such consent.")
	}
	return c.Consents.Consent(r.Context(), p.Tenant(), number)
}

func (c Config) showConsent(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	found, err := c.one(r, p)
	if err != nil {
		return err
	}
	p.Room, p.Title = "consents", shown(p, found)
	return p.Render(w, r, http.StatusOK, consentPage(p, found, p.Done("recorded", "withdrawn")))
}

func (c Config) newConsent(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	form := frame.Form{Values: map[string]string{"address": r.URL.Query().Get("address"), "basis": string(consent.Written), "purpose": string(tenant.Newsletter)}}
	p.Room, p.Title = "consents", p.T("signups.record.title")
	return p.Render(w, r, http.StatusOK, recordPage(p, form))
}

func recordFields() []string {
	return []string{"address", "basis", "purpose", "wording", "evidence", "sale", "goods", "notice_on_collection", "no_objection"}
}

func (c Config) record(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{}}
	for _, name := range recordFields() {
		form.Values[name] = strings.ReplaceAll(r.PostForm.Get(name), "\r\n", "\n")
	}
	v := form.Values
	a, err := message.ParseAddress(strings.TrimSpace(v["address"]))
	var made consent.Consent
	if err != nil {
		err = fault.Field("address", "signup_email", "no e-mail address")
	} else {
		made, err = c.Book.Record(r.Context(), consent.Consent{
			Tenant: p.Tenant(), Address: a, Basis: consent.Basis(v["basis"]), Purpose: tenant.Stream(v["purpose"]), Wording: v["wording"], Evidence: v["evidence"],
			Sale: v["sale"], Goods: v["goods"], NoticeOnCollect: v["notice_on_collection"], ObjectionChecked: v["no_objection"] != "",
		}, p.Who.User.ID.String())
	}
	if err == nil {
		frame.Redirect(w, r, consents+"/"+made.ID.String(), "recorded")
		return nil
	}
	if !frame.Refused(p, &form, err, "") {
		return fmt.Errorf("record consent: %w", err)
	}
	p.Room, p.Title = "consents", p.T("signups.record.title")
	return p.Render(w, r, http.StatusUnprocessableEntity, recordPage(p, form))
}

// withdraw ends a consent because the person said so elsewhere, by telephone or letter.
// The address is suppressed first: no withdrawal without its consequence.
func (c Config) withdraw(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	found, err := c.one(r, p)
	if err != nil {
		return err
	}
	if found.State == consent.Given && !found.Address.IsZero() {
		wish := audience.Wish{Address: found.Address, Stream: found.Purpose, Reason: audience.Unsubscribed}
		if _, err := c.List.Suppress(r.Context(), p.Tenant(), wish, p.Who.User.ID.String()); err != nil {
			return fmt.Errorf("withdraw consent: %w", err)
		}
	}
	if _, err := c.Book.Withdraw(r.Context(), p.Tenant(), found.ID, "office", p.Who.User.ID.String()); err != nil {
		return fmt.Errorf("withdraw consent: %w", err)
	}
	frame.Redirect(w, r, consents+"/"+found.ID.String(), "withdrawn")
	return nil
}

func (c Config) release(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	found, err := c.one(r, p)
	if err != nil {
		return err
	}
	if err := c.Forms.Release(r.Context(), p.Tenant(), found.ID); err != nil {
		return fmt.Errorf("release entry: %w", err)
	}
	frame.Redirect(w, r, consents, "released")
	return nil
}

func (c Config) evidence(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	found, err := c.one(r, p)
	if err != nil {
		return err
	}
	file, err := c.Evidence.Pack(r.Context(), p.Tenant(), found.ID, p.Lang)
	if err != nil {
		return fmt.Errorf("evidence of consent: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="`+p.T("signups.evidence.filename")+"-"+found.AskedAt.UTC().Format(time.DateOnly)+`.zip"`)
	h.Set("Content-Length", strconv.Itoa(len(file)))
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(file) // the reader left: nothing to be done
	return nil
}
