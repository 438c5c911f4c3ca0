// Package leads shows a tenant's leads (Kontaktanfragen): who asked whom about what, how
// far each has come, the XML that went with it, what was stopped and why, and the way to
// send a test.
//
// It is a subject of the door web (floor 4). Leads are taken and sent by package lead;
// what became of their mail is told by the message's own page.
package leads

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
	"stafette/internal/lead/openimmo"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Leads takes and tells of leads; *lead.Service does.
type Leads interface {
	Submit(ctx context.Context, p ingest.Principal, e lead.Enquiry) (lead.Receipt, error)
	Again(ctx context.Context, t tenant.ID, l lead.ID) (lead.Lead, error)
	Lead(ctx context.Context, t tenant.ID, l lead.ID) (lead.Lead, error)
	Leads(ctx context.Context, t tenant.ID, f lead.Filter) (lead.Page, error)
	Open(ctx context.Context, l lead.Lead) (lead.Enquiry, []byte, error)
	Advertiser(ctx context.Context, t tenant.ID, number string) (lead.Advertiser, error)
	Advertisers(ctx context.Context, t tenant.ID, after string, limit int) ([]lead.Advertiser, error)
	SaveAdvertiser(ctx context.Context, t tenant.ID, a lead.Advertiser) error
	Settings(ctx context.Context, t tenant.ID) (lead.Settings, error)
	SaveSettings(ctx context.Context, t tenant.ID, s lead.Settings) error
	Release(ctx context.Context, t tenant.ID, l lead.ID) (lead.Lead, error)
	Discard(ctx context.Context, t tenant.ID, l lead.ID) (lead.Lead, error)
	Proven(ctx context.Context, t tenant.ID, l lead.ID) (lead.Proven, error)
	KeptFor(ctx context.Context, t tenant.ID) (time.Duration, error)
	LinkOf(l lead.Lead) string
	LinkOfAdvertiser(t tenant.ID, number string) string
}

// Messages tells what became of the mail of a lead; insight.Store does.
type Messages interface {
	Message(ctx context.Context, t tenant.ID, m message.ID) (insight.Message, error)
}

// People tells names; tenant.Store does.
type People interface {
	Users(ctx context.Context, t tenant.ID) ([]tenant.User, error)
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Leads    Leads
	Messages Messages
	Forms    Forms
	Cases    Cases
	// PublicURL is the address of the pages for prospects, without a path.
	PublicURL string
	People    People
}

// Routes are the pages of leads.
func Routes(c Config) []frame.Route {
	read, send := tenant.MessagesRead, tenant.MessagesSend
	return slices.Concat(formRoutes(c), caseRoutes(c), []frame.Route{
		{Pattern: "GET " + home, Permission: read, Do: c.show, Entry: frame.Entry{Room: room, Icon: "inbox", Group: frame.GroupMail}},
		{Pattern: "GET /leads.csv", Permission: read, Do: c.export},
		{Pattern: "GET /leads/test", Permission: send, Do: c.showTest},
		{Pattern: "POST /leads/test", Permission: send, Do: c.test},
		{Pattern: "GET " + people, Permission: read, Do: c.showAdvertisers},
		{Pattern: "GET " + people + "/edit", Permission: tenant.SettingsRead, Do: c.showAdvertiser},
		{Pattern: "POST " + people, Permission: tenant.SettingsWrite, Do: c.saveAdvertiser},
		{Pattern: "GET " + settings, Permission: tenant.SettingsWrite, Do: c.showSettings},
		{Pattern: "POST " + settings, Permission: tenant.SettingsWrite, Do: c.saveSettings},
		{Pattern: "GET /leads/{id}", Permission: read, Do: c.showOne},
		{Pattern: "GET /leads/{id}/xml", Permission: read, Do: c.xml},
		{Pattern: "POST /leads/{id}/retry", Permission: send, Do: c.retry},
		{Pattern: "GET " + suspects, Permission: read, Do: c.showSuspects},
		{Pattern: "POST /leads/{id}/release", Permission: send, Do: c.decide},
		{Pattern: "POST /leads/{id}/discard", Permission: send, Do: c.decide},
	})
}

const (
	home     = "/leads"
	room     = "leads"
	pageSize = 50
)

func listing(p frame.Page) frame.Listing {
	column := func(key string) frame.Column { return frame.Column{Key: key, Title: p.T("leads.col." + key)} }
	return frame.Listing{Path: home, Filters: []string{"advertiser", "state", "tests"},
		Columns: []frame.Column{column("object"), column("advertiser"), column("state"), column("taken")}}
}

// question is the view as the list is asked for it. A state there is not is dropped, so
// that an old bookmark still opens a list.
func question(v frame.View) lead.Filter {
	f := lead.Filter{Advertiser: v.Filter("advertiser"), Tests: v.Filter("tests") != "", Limit: pageSize}
	if s := lead.State(v.Filter("state")); s == lead.Taken || s == lead.Sent || s == lead.Stopped {
		f.State = s
	}
	if after, err := id.Parse[lead.Kind](v.After); err == nil {
		f.After = after
	}
	return f
}

// list is what the page of all leads shows.
type list struct {
	frame.View
	leads   []lead.Lead
	older   string
	stopped bool // there are some that wait for a person
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	l := list{View: frame.ReadView(r, listing(p))}
	page, err := c.Leads.Leads(r.Context(), p.Tenant(), question(l.View))
	if err != nil {
		return fmt.Errorf("list leads: %w", err)
	}
	if l.leads = page.Leads; page.More {
		l.older = l.With("after", page.Leads[len(page.Leads)-1].ID.String())
	}
	waiting, err := c.Leads.Leads(r.Context(), p.Tenant(), lead.Filter{State: lead.Stopped, Tests: true, Limit: 1})
	if err != nil {
		return fmt.Errorf("find stopped leads: %w", err)
	}
	l.stopped = len(waiting.Leads) > 0
	p.Room, p.Title = room, p.T("nav.leads")
	return p.Render(w, r, http.StatusOK, listPage(p, l))
}

// maxExport bounds a file: what is older can be had by its time through the API.
const maxExport = 100_000

func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f := question(frame.ReadView(r, listing(p)))
	f.Limit, f.After = 500, lead.ID{}
	out := p.File(w, p.T("leads.filename"))
	head := []string{p.T("leads.col.taken"), p.T("leads.number"), p.T("leads.col.advertiser"), p.T("leads.col.object"), p.T("leads.col.state"), p.T("leads.test.word"), "SHA-256"}
	if err := out.Write(head...); err != nil {
		return nil //nolint:nilerr // the reader has gone
	}
	for n := 0; n < maxExport; {
		page, err := c.Leads.Leads(r.Context(), p.Tenant(), f)
		if err != nil {
			p.Broken(out)
			return nil //nolint:nilerr // the frame has logged the request
		}
		for _, l := range page.Leads {
			line := []string{l.TakenAt.UTC().Format(time.RFC3339), l.ID.String(), l.Advertiser, l.Object, stateText(p, l), testText(p, l), sum(l)}
			if err := out.Write(line...); err != nil {
				return nil //nolint:nilerr // the reader has gone
			}
			n++
			f.After = l.ID
		}
		if !page.More {
			break
		}
	}
	_ = out.Flush()
	return nil
}

func stateText(p frame.Page, l lead.Lead) string { return p.T("leads.state." + string(l.State)) }

func testText(p frame.Page, l lead.Lead) string {
	if l.Test {
		return p.T("leads.test.word")
	}
	return ""
}

func sum(l lead.Lead) string {
	if l.XML == ([32]byte{}) {
		return ""
	}
	return hex.EncodeToString(l.XML[:])
}

// markOf is the mark of the state, in the colours of deliveries.
func markOf(s lead.State) string {
	switch s {
	case lead.Sent:
		return "sending"
	case lead.Stopped, lead.Suspect:
		return "held"
	case lead.Discarded:
		return "cancelled"
	}
	return "queued"
}

// sheet is the page of one lead.
type sheet struct {
	lead.Lead
	enquiry lead.Enquiry
	gone    bool // its content is no longer kept
	mail    *insight.Message
	until   time.Time // when the content is erased
	// link is where the receiver says what arrived, proven what he said of a test lead.
	link   string
	proven lead.Proven
	cases  []leadcase.Case
}

// find reads the lead that the path names. What is no identifier is answered like what
// does not exist.
func (c Config) find(r *http.Request, p frame.Page) (lead.Lead, error) {
	number, err := id.Parse[lead.Kind](r.PathValue("id"))
	if err != nil {
		return lead.Lead{}, fault.New(fault.NotFound, "lead_not_found", "There is no such lead.")
	}
	return c.Leads.Lead(r.Context(), p.Tenant(), number)
}

func (c Config) showOne(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	l, err := c.find(r, p)
	if err != nil {
		return err
	}
	kept, err := c.Leads.KeptFor(r.Context(), p.Tenant())
	if err != nil {
		return err
	}
	s := sheet{Lead: l, until: l.TakenAt.Add(kept)}
	if s.enquiry, _, err = c.Leads.Open(r.Context(), l); err != nil {
		f := fault.As(err)
		if f == nil || f.Code != lead.CodeGone && f.Kind != fault.Invalid {
			return fmt.Errorf("open lead: %w", err)
		}
		s.gone = f.Code == lead.CodeGone
	}
	if !l.Message.IsZero() {
		if m, err := c.Messages.Message(r.Context(), p.Tenant(), l.Message); err == nil { // without it the page still tells
			s.mail = &m
		}
	}
	if err := c.bearings(r, p, &s); err != nil {
		return err
	}
	p.Room, p.Title = room, p.T("leads.one", "object", l.Object)
	return p.Render(w, r, http.StatusOK, onePage(p, s))
}

// bearings adds what its receiver said of a lead, or can say.
func (c Config) bearings(r *http.Request, p frame.Page, s *sheet) (err error) {
	if !s.gone {
		s.link = c.Leads.LinkOf(s.Lead)
	}
	if s.Test {
		if s.proven, err = c.Leads.Proven(r.Context(), p.Tenant(), s.ID); err != nil {
			return fmt.Errorf("read proof of test lead: %w", err)
		}
	}
	all, err := c.Cases.CasesOf(r.Context(), p.Tenant(), s.Advertiser)
	if err != nil {
		return fmt.Errorf("list cases of lead: %w", err)
	}
	s.cases = slices.DeleteFunc(all, func(one leadcase.Case) bool { return one.Lead != s.ID })
	return nil
}

func (c Config) xml(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	l, err := c.find(r, p)
	if err != nil {
		return err
	}
	_, raw, err := c.Leads.Open(r.Context(), l)
	if err != nil {
		return fmt.Errorf("open lead: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/xml")
	h.Set("Content-Disposition", `attachment; filename="`+lead.DefaultFileName+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(raw) //nolint:gosec // G705: XML as an attachment, with nosniff
	return nil
}

func (c Config) retry(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	l, err := c.find(r, p)
	if err != nil {
		return err
	}
	again, err := c.Leads.Again(r.Context(), p.Tenant(), l.ID)
	if f := fault.As(err); err != nil && (f == nil || f.Kind != fault.Conflict) {
		return fmt.Errorf("send lead again: %w", err)
	}
	done := "retried"
	if again.State == lead.Stopped {
		done = "stopped"
	}
	frame.Redirect(w, r, home+"/"+l.ID.String(), done)
	return nil
}

func (c Config) showTest(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title = room, p.T("leads.test.title")
	return p.Render(w, r, http.StatusOK, testPage(p, frame.Form{}))
}

func testEnquiry(advertiser, object string) lead.Enquiry {
	return lead.Enquiry{
		Test: true, Advertiser: lead.AdvertiserRef{ID: advertiser},
		Object:   openimmo.Object{AdvertiserRef: object, Title: "Test"},
		Prospect: openimmo.Prospect{Salutation: "Frau", FirstName: "Test", LastName: "Kontaktanfrage", Phone: "+49 30 23125000", Preferred: []openimmo.Channel{openimmo.ByEmail}},
		Message:  "Dies ist eine Test-Kontaktanfrage.",
	}
}

// test takes a made-up enquiry on the way of all others.
func (c Config) test(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{}}
	for _, name := range []string{"advertiser", "email", "object"} {
		form.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	e := testEnquiry(form.Values["advertiser"], form.Values["object"])
	if text := form.Values["email"]; text != "" {
		a, err := message.ParseAddress(text)
		if err != nil {
			form.Add("email", p.FaultText(fault.As(err), text))
		}
		e.Advertiser.Emails = []message.Address{a}
	}
	if form.Count() == 0 {
		got, err := c.Leads.Submit(r.Context(), ingest.Principal{Tenant: p.Tenant(), Actor: p.Who.User.ID.String(), Door: "office"}, e)
		f := fault.As(err)
		switch {
		case err == nil:
			frame.Redirect(w, r, home+"/"+got.ID.String(), "test")
			return nil
		case f == nil || f.Kind != fault.Invalid:
			return fmt.Errorf("send test lead: %w", err)
		}
		for _, one := range append([]*fault.Error{f}, f.Also...) {
			form.Add(fieldOf(one.Field), p.FaultText(one, form.Values[fieldOf(one.Field)]))
		}
	}
	p.Room, p.Title = room, p.T("leads.test.title")
	return p.Render(w, r, http.StatusUnprocessableEntity, testPage(p, form))
}

// fieldOf is the input of the form that a part of the enquiry comes from.
func fieldOf(part string) string {
	switch {
	case strings.HasPrefix(part, "advertiser/emails"):
		return "email"
	case strings.HasPrefix(part, "object"):
		return "object"
	}
	return "advertiser"
}
