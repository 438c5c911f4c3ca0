package leads

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Cases keeps reports of leads that did not arrive; *leadcase.Service does.
type Cases interface {
	Report(ctx context.Context, t tenant.ID, r leadcase.Report) (leadcase.Case, error)
	Case(ctx context.Context, t tenant.ID, c leadcase.ID) (leadcase.Case, []leadcase.Note, error)
	Cases(ctx context.Context, t tenant.ID, f leadcase.Filter) (leadcase.Page, error)
	CasesOf(ctx context.Context, t tenant.ID, advertiser string) ([]leadcase.Case, error)
	Say(ctx context.Context, t tenant.ID, c leadcase.ID, actor, text string) error
	Look(ctx context.Context, t tenant.ID, c leadcase.ID) error
	Tested(ctx context.Context, t tenant.ID, c leadcase.ID, test lead.ID) error
	Close(ctx context.Context, t tenant.ID, c leadcase.ID, actor string, how leadcase.Outcome, text string) error
}

const cases = "/lead-cases"

func caseRoutes(c Config) []frame.Route {
	read, send := tenant.MessagesRead, tenant.MessagesSend
	return []frame.Route{
		{Pattern: "GET " + cases, Permission: read, Do: c.showCases},
		{Pattern: "GET /lead-cases.csv", Permission: read, Do: c.exportCases},
		{Pattern: "GET " + cases + "/new", Permission: send, Do: c.newCase},
		{Pattern: "POST " + cases, Permission: send, Do: c.openCase},
		{Pattern: "GET " + cases + "/{id}", Permission: read, Do: c.showCase},
		{Pattern: "POST " + cases + "/{id}/note", Permission: send, Do: c.noteCase},
		{Pattern: "POST " + cases + "/{id}/look", Permission: send, Do: c.lookCase},
		{Pattern: "POST " + cases + "/{id}/test", Permission: send, Do: c.testCase},
		{Pattern: "POST " + cases + "/{id}/close", Permission: send, Do: c.closeCase},
	}
}

func caseListing(p frame.Page) frame.Listing {
	column := func(key string, sortable bool) frame.Column {
		return frame.Column{Key: key, Title: p.T("leadcase.col." + key), Sortable: sortable}
	}
	var kinds []string
	for _, k := range leadcase.Kinds() {
		kinds = append(kinds, string(k))
	}
	return frame.Listing{Path: cases, Filters: []string{"advertiser", "state", "kind"}, Sort: "opened", Descending: true,
		Choices: map[string][]string{"state": {string(leadcase.Open), string(leadcase.Closed)}, "kind": kinds},
		Columns: []frame.Column{column("number", false), column("kind", false), column("about", false), column("state", false), column("opened", true)}}
}

func caseQuestion(v frame.View) leadcase.Filter {
	f := leadcase.Filter{State: leadcase.State(v.Filter("state")), Kind: leadcase.Kind(v.Filter("kind")), Advertiser: v.Filter("advertiser"),
		Oldest: !v.Descending, Limit: pageSize}
	if after, err := id.Parse[leadcase.IDKind](v.After); err == nil {
		f.After = after
	}
	return f
}

// caseList is the page of all cases.
type caseList struct {
	frame.View
	list  []leadcase.Case
	older string
}

func (c Config) showCases(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v := caseList{View: frame.ReadView(r, caseListing(p))}
	page, err := c.Cases.Cases(r.Context(), p.Tenant(), caseQuestion(v.View))
	if err != nil {
		return fmt.Errorf("list cases of leads: %w", err)
	}
	if v.list = page.Cases; page.More {
		v.older = v.With("after", page.Cases[len(page.Cases)-1].ID.String())
	}
	p.Room, p.Title = room, p.T("leadcase.title")
	return p.Render(w, r, http.StatusOK, casesPage(p, v))
}

// maxCases bounds a file.
const maxCases = 10_000

func (c Config) exportCases(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f := caseQuestion(frame.ReadView(r, caseListing(p)))
	f.Limit, f.After = 500, leadcase.ID{}
	rows := [][]string{{p.T("leadcase.col.number"), p.T("leadcase.col.kind"), p.T("leads.col.advertiser"), p.T("leads.col.object"), p.T("leads.number"),
		p.T("leadcase.col.state"), p.T("leadcase.outcome"), p.T("leadcase.col.opened"), p.T("leadcase.closed.at")}}
	for len(rows) < maxCases {
		page, err := c.Cases.Cases(r.Context(), p.Tenant(), f)
		if err != nil {
			return fmt.Errorf("export cases of leads: %w", err)
		}
		for _, one := range page.Cases {
			closed := ""
			if !one.ClosedAt.IsZero() {
				closed = one.ClosedAt.UTC().Format(time.RFC3339)
			}
			rows = append(rows, []string{strconv.FormatInt(one.Number, 10), p.T("leadcase.kind." + string(one.Kind)), one.Advertiser, one.Object, one.Lead.String(),
				p.T("leadcase.state." + string(one.State)), outcomeText(p, one), one.OpenedAt.UTC().Format(time.RFC3339), closed})
			f.After = one.ID
		}
		if !page.More {
			break
		}
	}
	return p.CSV(w, p.T("leadcase.filename"), rows)
}

func outcomeText(p frame.Page, c leadcase.Case) string {
	if c.Outcome == "" {
		return ""
	}
	return p.T("leadcase.outcome." + string(c.Outcome))
}

func caseTrail(p frame.Page) []frame.Link {
	return append(trail(p), frame.Link{Text: p.T("leadcase.title"), Href: cases})
}

func (c Config) newCase(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	q := r.URL.Query()
	form := frame.Form{Values: map[string]string{"lead": frame.Shorten(q.Get("lead"), 64), "advertiser": frame.Shorten(q.Get("advertiser"), 200)}}
	return c.newCasePage(w, r, p, http.StatusOK, form)
}

func (c Config) newCasePage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, form frame.Form) error {
	p.Room, p.Title = room, p.T("leadcase.new")
	return p.Render(w, r, status, newCasePage(p, form))
}

func (c Config) openCase(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{}}
	for _, name := range []string{"lead", "advertiser", "kind", "object", "text"} {
		form.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	report := leadcase.Report{Kind: leadcase.Kind(form.Values["kind"]), Advertiser: form.Values["advertiser"], Object: form.Values["object"], Text: form.Values["text"],
		Actor: p.Who.User.ID.String()}
	if text := form.Values["lead"]; text != "" {
		number, err := id.Parse[lead.Kind](text)
		if err != nil {
			return fault.New(fault.NotFound, "lead_not_found", "There is no such lead.")
		}
		l, err := c.Leads.Lead(r.Context(), p.Tenant(), number)
		if err != nil {
			return err
		}
		report.Lead, report.Advertiser = &l, l.Advertiser
	} else if _, err := c.Leads.Advertiser(r.Context(), p.Tenant(), report.Advertiser); fault.IsKind(err, fault.NotFound) {
		form.Add("advertiser", p.FaultText(fault.As(err), report.Advertiser))
	} else if err != nil {
		return fmt.Errorf("find advertiser of case: %w", err)
	}
	if form.Valid() {
		opened, err := c.Cases.Report(r.Context(), p.Tenant(), report)
		if err == nil {
			frame.Redirect(w, r, cases+"/"+opened.ID.String(), "opened")
			return nil
		}
		if !frame.Refused(p, &form, err, "") {
			return fmt.Errorf("open case of leads: %w", err)
		}
	}
	return c.newCasePage(w, r, p, http.StatusUnprocessableEntity, form)
}

// dossier is the page of one case.
type dossier struct {
	leadcase.Case
	notes []leadcase.Note
	names map[string]string // of the people who wrote them
	lead  *lead.Lead
}

func (c Config) ofCase(r *http.Request) (leadcase.ID, error) {
	number, err := id.Parse[leadcase.IDKind](r.PathValue("id"))
	if err != nil {
		return number, fault.New(fault.NotFound, leadcase.CodeUnknown, "There is no such case.")
	}
	return number, nil
}

func (c Config) showCase(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.casePage(w, r, p, http.StatusOK, frame.Form{})
}

func (c Config) casePage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, form frame.Form) error {
	number, err := c.ofCase(r)
	if err != nil {
		return err
	}
	d := dossier{names: map[string]string{}}
	if d.Case, d.notes, err = c.Cases.Case(r.Context(), p.Tenant(), number); err != nil {
		return err
	}
	users, err := c.People.Users(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("read names of people: %w", err)
	}
	for _, u := range users {
		d.names[u.ID.String()] = u.Name
	}
	if !d.Lead.IsZero() {
		if l, err := c.Leads.Lead(r.Context(), p.Tenant(), d.Lead); err == nil { // without it the case still tells
			d.lead = &l
		}
	}
	p.Room, p.Title = room, p.T("leadcase.one", "number", d.Number)
	return p.Render(w, r, status, casePage(p, d, form))
}

// change does something to the case that the path names and shows it again; a refusal of
// what was typed stands at its field.
func (c Config) change(w http.ResponseWriter, r *http.Request, p frame.Page, done string, do func(leadcase.ID) error) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	number, err := c.ofCase(r)
	if err != nil {
		return err
	}
	err = do(number)
	if err == nil {
		frame.Redirect(w, r, cases+"/"+number.String(), done)
		return nil
	}
	form := frame.Form{Values: map[string]string{"text": r.PostForm.Get("text"), "outcome": r.PostForm.Get("outcome"), "last": r.PostForm.Get("last")}}
	if !frame.Refused(p, &form, err, "") {
		return err
	}
	return c.casePage(w, r, p, http.StatusUnprocessableEntity, form)
}

func (c Config) noteCase(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.change(w, r, p, "noted", func(number leadcase.ID) error {
		return c.Cases.Say(r.Context(), p.Tenant(), number, p.Who.User.ID.String(), r.PostForm.Get("text"))
	})
}

func (c Config) lookCase(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.change(w, r, p, "looked", func(number leadcase.ID) error { return c.Cases.Look(r.Context(), p.Tenant(), number) })
}

func (c Config) closeCase(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.change(w, r, p, "closed", func(number leadcase.ID) error {
		return c.Cases.Close(r.Context(), p.Tenant(), number, p.Who.User.ID.String(), leadcase.Outcome(r.PostForm.Get("outcome")), r.PostForm.Get("last"))
	})
}

// testCase sends the advertiser of a case a test lead, on the way of all leads.
func (c Config) testCase(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.change(w, r, p, "tested", func(number leadcase.ID) error {
		one, _, err := c.Cases.Case(r.Context(), p.Tenant(), number)
		if err != nil {
			return err
		}
		object := one.Object
		if object == "" {
			object = "Test"
		}
		got, err := c.Leads.Submit(r.Context(), ingest.Principal{Tenant: p.Tenant(), Actor: p.Who.User.ID.String(), Door: "office"}, testEnquiry(one.Advertiser, object))
		if err != nil {
			return fmt.Errorf("send test lead of case: %w", err)
		}
		return c.Cases.Tested(r.Context(), p.Tenant(), number, got.ID)
	})
}
