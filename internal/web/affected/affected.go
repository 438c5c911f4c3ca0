// Package affected shows a tenant which of its customers a changeover touches, on what
// evidence, how far each is and what to do next; and lets it announce the changeover to
// them.
//
// It is a subject of the door web (floor 4). Who is affected is found by package
// changeover/affected; letters, pages behind links and test leads are package
// changeover/announce's. The plan itself has pages of its own.
package affected

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/changeover/affected"
	"stafette/internal/changeover/announce"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Announcer tells customers; *announce.Service does.
type Announcer interface {
	Of(ctx context.Context, t tenant.ID, c changeover.ID) (changeover.Changeover, error)
	Announcement(ctx context.Context, t tenant.ID, c changeover.ID) (announce.Announcement, error)
	Save(ctx context.Context, a announce.Announcement) error
	Send(ctx context.Context, t tenant.ID, c changeover.ID, to announce.Scope, actor string) error
	Stop(ctx context.Context, t tenant.ID, c changeover.ID) error
	Preview(ctx context.Context, a announce.Announcement, c affected.Customer) (message.Draft, error)
	Test(ctx context.Context, t tenant.ID, n affected.ID, p ingest.Principal) error
	Remind(ctx context.Context, t tenant.ID, n affected.ID) error
	PageURL(t tenant.ID, n affected.ID) string
	QuestionsURL(t tenant.ID, c changeover.ID) string
}

// Surveyor finds who is affected; *affected.Surveyor does.
type Surveyor interface {
	Survey(ctx context.Context, t tenant.ID, c changeover.Changeover) error
	Import(ctx context.Context, t tenant.ID, c changeover.ID, list []affected.Listed) (marked int, unknown []string, err error)
}

// Customers keeps what is known of them; affected.Store does.
type Customers interface {
	Customers(ctx context.Context, t tenant.ID, c changeover.ID) ([]affected.Customer, error)
	Customer(ctx context.Context, t tenant.ID, n affected.ID) (affected.Customer, error)
	PutCustomer(ctx context.Context, c affected.Customer) error
}

// Plans lists changeovers; changeover.Store does.
type Plans interface {
	Changeovers(ctx context.Context, t tenant.ID) ([]changeover.Changeover, error)
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Announcer Announcer
	Surveyor  Surveyor
	Customers Customers
	Plans     Plans
}

const (
	home     = "/affected"
	one      = "/affected-customer"
	room     = "affected"
	pageSize = 50
)

// Routes are the pages.
func Routes(c Config) []frame.Route {
	read, write, send := tenant.MessagesRead, tenant.SettingsWrite, tenant.MessagesSend
	return []frame.Route{
		{Pattern: "GET " + home, Permission: read, Do: c.plans, Entry: frame.Entry{Room: room, Icon: "route", Group: frame.GroupDeliverability}},
		{Pattern: "GET " + home + "/{id}", Permission: read, Do: c.show},
		{Pattern: "GET " + home + "/{id}/customers.csv", Permission: read, Do: c.export},
		{Pattern: "POST " + home + "/{id}/survey", Permission: write, Do: c.survey},
		{Pattern: "GET " + home + "/{id}/import", Permission: write, Do: c.showImport},
		{Pattern: "POST " + home + "/{id}/import", Permission: write, Do: c.imported},
		{Pattern: "GET " + home + "/{id}/announcement", Permission: read, Do: c.showAnnouncement},
		{Pattern: "POST " + home + "/{id}/announcement", Permission: write, Do: c.saveAnnouncement},
		{Pattern: "POST " + home + "/{id}/send", Permission: write, Do: c.send},
		{Pattern: "POST " + home + "/{id}/stop", Permission: write, Do: c.stop},
		{Pattern: "GET " + one + "/{customer}", Permission: read, Do: c.showCustomer},
		{Pattern: "POST " + one + "/{customer}", Permission: write, Do: c.saveCustomer},
		{Pattern: "POST " + one + "/{customer}/test", Permission: send, Do: c.test},
		{Pattern: "POST " + one + "/{customer}/remind", Permission: send, Do: c.remind},
	}
}

func planPath(c changeover.ID) string { return home + "/" + c.String() }

func customerPath(c affected.Customer) string { return one + "/" + c.ID.String() }

// plan finds the changeover that the path names. What is no identifier is answered like
// what does not exist.
func (c Config) plan(r *http.Request, p frame.Page) (changeover.Changeover, error) {
	number, err := id.Parse[changeover.Kind](r.PathValue("id"))
	if err != nil {
		return changeover.Changeover{}, fault.New(fault.NotFound, "changeover_unknown", "There is no such changeover.")
	}
	return c.Announcer.Of(r.Context(), p.Tenant(), number)
}

// planned is a changeover on the first page with what is known of its customers.
type planned struct {
	changeover.Changeover
	affected, open int
}

func (c Config) plans(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	list, err := c.Plans.Changeovers(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("list changeovers: %w", err)
	}
	var plans []planned
	for _, v := range list {
		if !v.Concerns(p.Tenant()) || v.Stage == changeover.Draft {
			continue
		}
		customers, err := c.Customers.Customers(r.Context(), p.Tenant(), v.ID)
		if err != nil {
			return fmt.Errorf("list customers: %w", err)
		}
		one := planned{Changeover: v}
		for _, customer := range customers {
			if customer.Affected(p.Now) && customer.State(v.New) != affected.Finished {
				one.affected++
			}
			if customer.Open() {
				one.open++
			}
		}
		plans = append(plans, one)
	}
	p.Room, p.Title = room, p.T("nav.affected")
	return p.Render(w, r, http.StatusOK, plansPage(p, plans))
}

// sheet is the page of the customers of a changeover.
type sheet struct {
	frame.View
	plan         changeover.Changeover
	announcement announce.Announcement
	rows         []affected.Customer // on this page
	counts       map[affected.State]int
	all, found   int
	surveyed     time.Time
	next         string
}

func listing(p frame.Page, c changeover.ID) frame.Listing {
	column := func(key string, sortable bool) frame.Column {
		return frame.Column{Key: key, Title: p.T("affected.col." + key), Sortable: sortable}
	}
	return frame.Listing{Path: planPath(c), Filters: []string{"q", "problem", "state"}, Sort: "problem",
		Columns: []frame.Column{column("customer", true), column("software", true), column("problem", true), column("evidence", false), column("state", true), column("next", false)}}
}

// rows reads the customers that the view asks for, in its order.
func (c Config) rows(ctx context.Context, p frame.Page, plan changeover.Changeover, v frame.View) (all, chosen []affected.Customer, err error) {
	all, err = c.Customers.Customers(ctx, p.Tenant(), plan.ID)
	if err != nil {
		return nil, nil, fmt.Errorf("list customers: %w", err)
	}
	q := strings.ToLower(v.Filter("q"))
	for _, one := range all {
		problem := one.Problem(p.Now)
		switch {
		case q != "" && !strings.Contains(strings.ToLower(one.Name+" "+one.Key), q):
		case v.Filter("state") != "" && string(one.State(plan.New)) != v.Filter("state"):
		case v.Filter("problem") == "any" && !one.Affected(p.Now):
		case v.Filter("problem") != "" && v.Filter("problem") != "any" && string(problem) != v.Filter("problem"):
		default:
			chosen = append(chosen, one)
		}
	}
	slices.SortStableFunc(chosen, func(a, b affected.Customer) int {
		var n int
		switch v.Sort {
		case "customer":
			n = strings.Compare(strings.ToLower(a.Title()), strings.ToLower(b.Title()))
		case "software":
			n = strings.Compare(a.Software, b.Software)
		case "state":
			n = slices.Index(affected.States(), a.State(plan.New)) - slices.Index(affected.States(), b.State(plan.New))
		default:
			n = weight(a.Problem(p.Now)) - weight(b.Problem(p.Now))
		}
		if v.Descending {
			n = -n
		}
		return cmp.Or(n, strings.Compare(a.Title(), b.Title()))
	})
	return all, chosen, nil
}

// weight orders problems, the most serious first and none last.
func weight(p affected.Problem) int {
	if i := slices.Index(affected.Problems(), p); i >= 0 {
		return i
	}
	return len(affected.Problems())
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	plan, err := c.plan(r, p)
	if err != nil {
		return err
	}
	s := sheet{View: frame.ReadView(r, listing(p, plan.ID)), plan: plan, counts: map[affected.State]int{}}
	all, chosen, err := c.rows(r.Context(), p, plan, s.View)
	if err != nil {
		return err
	}
	if s.announcement, err = c.Announcer.Announcement(r.Context(), p.Tenant(), plan.ID); err != nil {
		return fmt.Errorf("read announcement: %w", err)
	}
	for _, one := range all {
		s.counts[one.State(plan.New)]++
		if one.Finding.At.After(s.surveyed) {
			s.surveyed = one.Finding.At
		}
	}
	s.all, s.found = len(all), len(chosen)
	from, err := strconv.Atoi(s.After)
	if err != nil || from < 0 || from > len(chosen) {
		from = 0
	}
	s.rows = chosen[from:min(from+pageSize, len(chosen))]
	if from+pageSize < len(chosen) {
		s.next = s.With("after", strconv.Itoa(from+pageSize))
	}
	p.Room, p.Title = room, p.T("affected.title", "name", plan.Name)
	return p.Render(w, r, http.StatusOK, sheetPage(p, s))
}

func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	plan, err := c.plan(r, p)
	if err != nil {
		return err
	}
	_, chosen, err := c.rows(r.Context(), p, plan, frame.ReadView(r, listing(p, plan.ID)))
	if err != nil {
		return err
	}
	var head []string
	for _, key := range []string{"number", "customer", "software", "problem", "evidence", "state", "next", "informed", "answered", "proven"} {
		head = append(head, p.T("affected.col."+key))
	}
	rows := [][]string{head}
	for _, one := range chosen {
		rows = append(rows, []string{one.Key, one.Name, softwareText(p, one), problemText(p, one), evidenceText(p, one), stateText(p, plan, one),
			p.T("affected.next." + string(one.Next(plan.New, p.Now))), stamp(one.InformedAt), stamp(one.AnsweredAt),
			fmt.Sprintf("%d/%d", one.Proven(plan.New), len(plan.New))})
	}
	return p.CSV(w, p.T("affected.filename"), rows)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return frame.Stamp(t)
}

func (c Config) survey(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	plan, err := c.plan(r, p)
	if err != nil {
		return err
	}
	if err := c.Surveyor.Survey(r.Context(), p.Tenant(), plan); err != nil {
		return fmt.Errorf("survey customers: %w", err)
	}
	frame.Redirect(w, r, planPath(plan.ID), "surveyed")
	return nil
}

func (c Config) showImport(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	plan, err := c.plan(r, p)
	if err != nil {
		return err
	}
	p.Room, p.Title = room, p.T("affected.import.title")
	return p.Render(w, r, http.StatusOK, importPage(p, plan, frame.Form{}, nil, 0))
}

// imported reads a file of customers who are known to admit senders by address.
func (c Config) imported(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	plan, err := c.plan(r, p)
	if err != nil {
		return err
	}
	raw, err := upload(w, r)
	if err != nil {
		return err
	}
	p.Room, p.Title = room, p.T("affected.import.title")
	list, err := affected.ParseList(raw)
	if f := fault.As(err); f != nil {
		var form frame.Form
		form.Add("list", p.FaultText(f, ""))
		return p.Render(w, r, http.StatusUnprocessableEntity, importPage(p, plan, form, nil, 0))
	}
	marked, unknown, err := c.Surveyor.Import(r.Context(), p.Tenant(), plan.ID, list)
	if err != nil {
		return fmt.Errorf("import customers: %w", err)
	}
	if len(unknown) == 0 {
		frame.Redirect(w, r, planPath(plan.ID), "imported")
		return nil
	}
	return p.Render(w, r, http.StatusOK, importPage(p, plan, frame.Form{}, unknown, marked))
}

// upload returns the file "list" of a form, at most a byte more than is allowed.
func upload(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	malformed := func(err error) error { return &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err} }
	r.Body = http.MaxBytesReader(w, r.Body, affected.MaxList+64<<10)
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, malformed(err)
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, malformed(err)
		}
		if part.FormName() != "list" {
			continue
		}
		raw, err := io.ReadAll(io.LimitReader(part, affected.MaxList+1))
		if err != nil {
			return nil, malformed(err)
		}
		return raw, nil
	}
}
