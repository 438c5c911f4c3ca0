package leads

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
	"stafette/internal/lead/openimmo"
	"stafette/internal/message"
	"stafette/internal/web/frame"
)

const (
	people   = home + "/advertisers"
	settings = home + "/settings"
)

// register is what the page of advertisers shows.
type register struct {
	frame.View
	list []lead.Advertiser
	next string
}

func (c Config) showAdvertisers(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	column := func(key string) frame.Column { return frame.Column{Key: key, Title: p.T("leads.adv.col." + key)} }
	v := register{View: frame.ReadView(r, frame.Listing{Path: people,
		Columns: []frame.Column{column("number"), column("emails"), column("software"), column("verified"), column("seen")}})}
	list, err := c.Leads.Advertisers(r.Context(), p.Tenant(), v.After, pageSize+1)
	if err != nil {
		return fmt.Errorf("list advertisers: %w", err)
	}
	if len(list) > pageSize {
		list = list[:pageSize]
		v.next = v.With("after", list[pageSize-1].ID)
	}
	v.list = list
	p.Room, p.Title = room, p.T("leads.adv.title")
	return p.Render(w, r, http.StatusOK, advertisersPage(p, v))
}

// advertiserPath is the address of an advertiser's page; numbers are the tenant's own and
// may hold anything.
func advertiserPath(number string) string { return people + "/edit?number=" + url.QueryEscape(number) }

func (c Config) showAdvertiser(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	a, err := c.Leads.Advertiser(r.Context(), p.Tenant(), r.URL.Query().Get("number"))
	if err != nil {
		return err
	}
	f := a.Profile
	form := frame.Form{Values: map[string]string{
		"name": a.Name, "emails": emailsText(a.Emails), "software": f.Software, "format": string(f.Format), "encoding": string(f.Encoding),
		"filename": f.FileName, "body": string(f.Body), "verified": dayText(f.VerifiedOn),
	}}
	return c.advertiserPage(w, r, p, http.StatusOK, a, form)
}

func (c Config) advertiserPage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, a lead.Advertiser, form frame.Form) error {
	mine, err := c.Cases.CasesOf(r.Context(), p.Tenant(), a.ID)
	if err != nil {
		return fmt.Errorf("list cases of advertiser: %w", err)
	}
	p.Room, p.Title = room, p.T("leads.adv.one", "number", a.ID)
	return p.Render(w, r, status, advertiserPage(p, a, form, bearing{c.Leads.LinkOfAdvertiser(p.Tenant(), a.ID), mine}))
}

// bearing is what an advertiser said of his leads, and where he can say it.
type bearing struct {
	link  string
	cases []leadcase.Case
}

func emailsText(list []message.Address) string {
	var b strings.Builder
	for _, a := range list {
		b.WriteString(a.String() + "\n")
	}
	return b.String()
}

func dayText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

func (c Config) saveAdvertiser(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	a, err := c.Leads.Advertiser(r.Context(), p.Tenant(), r.PostForm.Get("number"))
	if err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{}}
	for _, name := range []string{"name", "emails", "software", "format", "encoding", "filename", "body", "verified"} {
		form.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	fill(&a, &form, p)
	if form.Count() == 0 {
		err = c.Leads.SaveAdvertiser(r.Context(), p.Tenant(), a)
		f := fault.As(err)
		switch {
		case err == nil:
			frame.Redirect(w, r, people, "saved")
			return nil
		case f == nil || f.Kind != fault.Invalid:
			return fmt.Errorf("save advertiser: %w", err)
		}
		for _, one := range append([]*fault.Error{f}, f.Also...) {
			form.Add(one.Field, p.FaultText(one, form.Values[one.Field]))
		}
	}
	return c.advertiserPage(w, r, p, http.StatusUnprocessableEntity, a, form)
}

// fill takes what was written into the form over into the advertiser.
func fill(a *lead.Advertiser, form *frame.Form, p frame.Page) {
	a.Name, a.Emails = form.Values["name"], nil
	for line := range strings.FieldsFuncSeq(form.Values["emails"], func(r rune) bool { return r == '\n' || r == '\r' || r == ',' || r == ';' }) {
		one, err := message.ParseAddress(strings.TrimSpace(line))
		if err != nil {
			form.Add("emails", p.FaultText(fault.As(err), line))
			continue
		}
		a.Emails = append(a.Emails, one)
	}
	f := &a.Profile
	f.Software, f.FileName = form.Values["software"], form.Values["filename"]
	f.Format, f.Encoding, f.Body = openimmo.Format(form.Values["format"]), openimmo.Encoding(form.Values["encoding"]), lead.Body(form.Values["body"])
	f.VerifiedOn = time.Time{}
	if text := form.Values["verified"]; text != "" {
		at, err := time.Parse(time.DateOnly, text)
		if err != nil || at.After(p.Now) {
			form.Add("verified", p.T("leads.adv.verified.bad"))
			return
		}
		f.VerifiedOn = at
	}
}

func (c Config) showSettings(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	set, err := c.Leads.Settings(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("read settings of leads: %w", err)
	}
	p.Room, p.Title = room, p.T("leads.set.title")
	return p.Render(w, r, http.StatusOK, settingsPage(p, frame.Form{Values: map[string]string{"portal": set.Portal, "from": set.From}}))
}

func (c Config) saveSettings(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{"portal": strings.TrimSpace(r.PostForm.Get("portal")), "from": strings.TrimSpace(r.PostForm.Get("from"))}}
	err := c.Leads.SaveSettings(r.Context(), p.Tenant(), lead.Settings{Portal: form.Values["portal"], From: form.Values["from"]})
	f := fault.As(err)
	switch {
	case err == nil:
		frame.Redirect(w, r, home, "settings")
		return nil
	case f == nil || f.Kind != fault.Invalid:
		return fmt.Errorf("save settings of leads: %w", err)
	}
	for _, one := range append([]*fault.Error{f}, f.Also...) {
		form.Add(one.Field, p.FaultText(one, form.Values[one.Field]))
	}
	p.Room, p.Title = room, p.T("leads.set.title")
	return p.Render(w, r, http.StatusUnprocessableEntity, settingsPage(p, form))
}
