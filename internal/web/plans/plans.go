// Package plans is „Tarif und Guthaben“: what an account has used of its plan, what is left
// and how long it will last, with every booking; and for staff the plans there are, which
// account has which, and what is bought, given and given back.
//
// It is a subject of the door web (floor 4). Package ledger keeps it all.
package plans

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ledger"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Ledger keeps plans and accounts; *ledger.Service does.
type Ledger interface {
	Plans(ctx context.Context) ([]ledger.Plan, error)
	CreatePlan(ctx context.Context, p ledger.Plan) (ledger.Plan, error)
	RetirePlan(ctx context.Context, p ledger.PlanID) error
	SetPlan(ctx context.Context, t tenant.ID, p ledger.PlanID, actor string) error
	Give(ctx context.Context, t tenant.ID, kind ledger.EntryType, amount int64, actor, note string) error
	Refund(ctx context.Context, t tenant.ID, of ledger.EntryID, actor, note string) error
	Statement(ctx context.Context, t tenant.ID) (ledger.Statement, error)
	Accounts(ctx context.Context) ([]ledger.Account, error)
}

// Tenants tells the names of accounts; tenant.Store does.
type Tenants interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Ledger  Ledger
	Tenants Tenants
	// Held counts an account's deliveries that wait for its plan, up to limit.
	Held func(ctx context.Context, t tenant.ID, limit int) (int, error)
}

const (
	path   = "/plan"
	staff  = "/platform/plans"
	office = "/platform/tenants/{tenant}/plan"
	// heldShown is up to how many waiting deliveries are counted.
	heldShown = 10_000
)

// Routes are the pages of plans.
func Routes(c Config) []frame.Route {
	see, book := tenant.PlatformVisit, tenant.PlatformTenants
	of := func(pattern string, need tenant.Permission, act string, do func(http.ResponseWriter, *http.Request, frame.Page) error) frame.Route {
		return frame.Route{Pattern: pattern, Access: frame.Staff, Permission: need, Act: act, Do: do}
	}
	all := of("GET "+staff, see, "", c.showPlans)
	all.Entry = frame.Entry{Room: "plans", Icon: "chart", Group: frame.GroupStaff}
	return []frame.Route{
		{Pattern: "GET " + path, Permission: tenant.SettingsRead, Do: c.show, Entry: frame.Entry{Room: "plan", Icon: "chart", Group: frame.GroupAdministration}},
		{Pattern: "GET " + path + ".csv", Permission: tenant.SettingsRead, Do: c.export},
		all,
		of("GET "+staff+".csv", see, "", c.exportPlans),
		of("POST "+staff, book, "plans.create", c.create),
		of("POST "+staff+"/{plan}/retire", book, "plans.retire", c.retire),
		of("GET "+office, see, "", c.showOffice),
		of("POST "+office, book, "plans.book", c.book),
		of("POST "+office+"/grant", book, "plans.grant", c.give(ledger.Grant)),
		of("POST "+office+"/goodwill", see, "plans.goodwill", c.give(ledger.Goodwill)),
		of("POST "+office+"/refund", book, "plans.refund", c.refund),
	}
}

// line is a booking, or what a day took.
type line struct {
	at     time.Time
	kind   ledger.EntryType
	amount int64
	note   string
}

// lines are a statement's bookings from new to old.
func lines(v ledger.Statement) []line {
	var list []line
	for _, e := range v.Entries {
		list = append(list, line{e.At(), e.Type, e.Amount, e.Note})
	}
	for _, c := range v.Charges {
		list = append(list, line{c.Day, ledger.Charge, -c.Included - c.Credit, ""})
	}
	slices.SortStableFunc(list, func(a, b line) int { return b.at.Compare(a.at) })
	return list
}

func roll(p frame.Page, at string) frame.Roll[line] {
	column := func(key string, number bool) frame.Column {
		return frame.Column{Key: key, Title: p.T("plan.col." + key), Number: number}
	}
	return frame.Roll[line]{Listing: frame.Listing{Path: at, Sort: "at", Descending: true}, Cells: []frame.Cell[line]{
		{Column: column("at", false), Text: func(l line) string { return frame.Stamp(l.at) }},
		{Column: column("kind", false), Text: func(l line) string { return p.T("plan.kind." + string(l.kind)) }},
		{Column: column("amount", true), Text: func(l line) string { return strconv.FormatInt(l.amount, 10) }, Order: func(a, b line) int { return cmp.Compare(a.amount, b.amount) }},
		{Column: column("note", false), Text: func(l line) string { return l.note }},
	}}
}

// sheet is what is shown of an account.
type sheet struct {
	ledger.Statement
	frame.View
	lines []line
	held  int
}

func (c Config) sheet(r *http.Request, p frame.Page, t tenant.ID, at string) (s sheet, err error) {
	if s.Statement, err = c.Ledger.Statement(r.Context(), t); err != nil {
		return s, fmt.Errorf("read plan: %w", err)
	}
	if s.Waiting {
		if s.held, err = c.Held(r.Context(), t, heldShown); err != nil {
			return s, err
		}
	}
	s.View, s.lines = roll(p, at).Read(r, lines(s.Statement))
	return s, nil
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	s, err := c.sheet(r, p, p.Tenant(), path)
	if err != nil {
		return err
	}
	p.Room, p.Title = "plan", p.T("nav.plan")
	return p.Render(w, r, http.StatusOK, planPage(p, s))
}

func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	s, err := c.sheet(r, p, p.Tenant(), path)
	if err != nil {
		return err
	}
	return roll(p, path).CSV(w, p, p.T("plan.file"), s.lines)
}

// forecast says in a sentence how long it will last, "" where nothing can be said.
func forecast(p frame.Page, a *ledger.Account) string {
	n, out := a.Forecast(p.Now)
	switch {
	case n == 0:
		return ""
	case !out.IsZero():
		return p.T("plan.forecast.out", "n", p.Number(n), "date", p.Date(out))
	}
	return p.T("plan.forecast", "n", p.Number(n))
}

// holding is an account with its plan.
type holding struct {
	ledger.Account
	name, plan string
}

func accounts(p frame.Page) frame.Roll[holding] {
	column := func(key string, number bool) frame.Column {
		return frame.Column{Key: key, Title: p.T("plans.col." + key), Number: number}
	}
	number := func(key string, of func(holding) int64) frame.Cell[holding] {
		return frame.Cell[holding]{Column: column(key, true), Text: func(h holding) string { return strconv.FormatInt(of(h), 10) },
			Order: func(a, b holding) int { return cmp.Compare(of(a), of(b)) }}
	}
	return frame.Roll[holding]{Listing: frame.Listing{Path: staff, Sort: "percent", Descending: true}, Cells: []frame.Cell[holding]{
		{Column: column("name", false), Text: func(h holding) string { return h.name }},
		{Column: column("plan", false), Text: func(h holding) string { return h.plan }},
		number("percent", func(h holding) int64 { return int64(h.Percent()) }),
		number("spent", func(h holding) int64 { return h.Spent }),
		number("left", func(h holding) int64 { return h.Left() }),
	}}
}

func (c Config) holdings(r *http.Request, p frame.Page) (frame.View, []holding, []ledger.Plan, error) {
	plans, err := c.Ledger.Plans(r.Context())
	if err != nil {
		return frame.View{}, nil, nil, err
	}
	found, err := c.Ledger.Accounts(r.Context())
	if err != nil {
		return frame.View{}, nil, nil, err
	}
	list := make([]holding, len(found))
	for i, a := range found {
		list[i] = holding{a, a.Tenant.String(), ""}
		if t, err := c.Tenants.Tenant(r.Context(), a.Tenant); err == nil { // without its name the line still leads there
			list[i].name = t.Name
		}
		for _, one := range plans {
			if one.ID == a.Plan {
				list[i].plan = one.Name
			}
		}
	}
	v, list := accounts(p).Read(r, list)
	return v, list, plans, nil
}

func (c Config) showPlans(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.plansPage(w, r, p, http.StatusOK, frame.Form{Values: map[string]string{"overage": string(ledger.Hold)}})
}

func (c Config) plansPage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f frame.Form) error {
	v, list, plans, err := c.holdings(r, p)
	if err != nil {
		return err
	}
	p.Room, p.Title = "plans", p.T("nav.plans")
	return p.Render(w, r, status, staffPage(p, v, list, plans, f))
}

func (c Config) exportPlans(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	_, list, _, err := c.holdings(r, p)
	if err != nil {
		return err
	}
	return accounts(p).CSV(w, p, p.T("plans.file"), list)
}

// amount reads a number as people write it; what is none is -1, which no check lets pass.
func amount(text string) int64 {
	text = strings.NewReplacer(".", "", " ", "", "\u00a0", "", ",", "").Replace(strings.TrimSpace(text))
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func (c Config) create(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f := typed(r, "name", "included", "overage")
	_, err := c.Ledger.CreatePlan(r.Context(), ledger.Plan{Name: f.Value("name"), Included: amount(f.Value("included")), Overage: ledger.Overage(f.Value("overage"))})
	if frame.Refused(p, &f, err, "name") {
		return c.plansPage(w, r, p, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, staff, "created")
	return nil
}

func typed(r *http.Request, names ...string) frame.Form {
	f := frame.Form{Values: map[string]string{}}
	for _, n := range names {
		f.Values[n] = strings.TrimSpace(r.PostForm.Get(n))
	}
	return f
}

func (c Config) retire(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	one, err := id.Parse[ledger.PlanKind](r.PathValue("plan"))
	if err != nil {
		return fault.New(fault.NotFound, ledger.CodePlanUnknown, "There is no such plan.")
	}
	if err := c.Ledger.RetirePlan(r.Context(), one); err != nil {
		return err
	}
	frame.Redirect(w, r, staff, "retired")
	return nil
}

// forms are those of an account's page; one was sent and refused.
type forms struct{ plan, grant, goodwill, refund frame.Form }

func tenantOf(r *http.Request) (tenant.ID, error) {
	t, err := id.Parse[tenant.Kind](r.PathValue("tenant"))
	if err != nil {
		return t, fault.New(fault.NotFound, "tenant_not_found", "There is no such account.")
	}
	return t, nil
}

func officePath(t tenant.ID) string { return strings.Replace(office, "{tenant}", t.String(), 1) }

func (c Config) showOffice(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.officePage(w, r, p, http.StatusOK, forms{})
}

func (c Config) officePage(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f forms) error {
	t, err := tenantOf(r)
	if err != nil {
		return err
	}
	one, err := c.Tenants.Tenant(r.Context(), t)
	if err != nil {
		return err
	}
	plans, err := c.Ledger.Plans(r.Context())
	if err != nil {
		return err
	}
	s, err := c.sheet(r, p, t, officePath(t))
	if err != nil {
		return err
	}
	if f.plan.Values == nil {
		f.plan.Values = map[string]string{"plan": s.Plan.String()}
	}
	p.Room, p.Title = "plans", one.Name
	return p.Render(w, r, status, accountPage(p, one, s, plans, f))
}

// refundable are the bookings of which nothing was used.
func refundable(s ledger.Statement) (list []ledger.Entry) {
	old := slices.Clone(s.Entries)
	slices.Reverse(old)
	for _, e := range s.Entries {
		if _, ok := s.Unused(old, e.ID); ok {
			list = append(list, e)
		}
	}
	return list
}

// act does something to the account of the path; refused puts what was sent into its form.
func (c Config) act(w http.ResponseWriter, r *http.Request, p frame.Page, done, otherwise string, names []string, do func(t tenant.ID, f frame.Form) error, refused func(*forms, frame.Form)) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	t, err := tenantOf(r)
	if err != nil {
		return err
	}
	f := typed(r, names...)
	err = do(t, f)
	var all forms
	if e := fault.As(err); e != nil && e.Kind == fault.Conflict {
		f.Add(otherwise, p.FaultText(e, ""))
		refused(&all, f)
		return c.officePage(w, r, p, http.StatusConflict, all)
	}
	if frame.Refused(p, &f, err, otherwise) {
		refused(&all, f)
		return c.officePage(w, r, p, http.StatusUnprocessableEntity, all)
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, officePath(t), done)
	return nil
}

func (c Config) book(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.act(w, r, p, "booked", "plan", []string{"plan"}, func(t tenant.ID, f frame.Form) error {
		var one ledger.PlanID
		if f.Value("plan") != "" {
			var err error
			if one, err = id.Parse[ledger.PlanKind](f.Value("plan")); err != nil {
				return fault.Field("plan", ledger.CodePlanUnknown, "There is no such plan.")
			}
		}
		return c.Ledger.SetPlan(r.Context(), t, one, p.Who.User.ID.String())
	}, func(all *forms, f frame.Form) { all.plan = f })
}

func (c Config) give(kind ledger.EntryType) func(http.ResponseWriter, *http.Request, frame.Page) error {
	return func(w http.ResponseWriter, r *http.Request, p frame.Page) error {
		n, note := string(kind)+"-amount", string(kind)+"-note"
		return c.act(w, r, p, string(kind), n, []string{n, note}, func(t tenant.ID, f frame.Form) error {
			return within(string(kind), c.Ledger.Give(r.Context(), t, kind, amount(f.Value(n)), p.Who.User.ID.String(), f.Value(note)))
		}, func(all *forms, f frame.Form) {
			if all.goodwill = f; kind == ledger.Grant {
				all.grant, all.goodwill = f, frame.Form{}
			}
		})
	}
}

// within names the fields of a refusal as the form does, of which a page has several.
func within(form string, err error) error {
	e := fault.As(err)
	if e == nil || e.Kind != fault.Invalid {
		return err
	}
	var list []*fault.Error
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		list = append(list, fault.Field(form+"-"+one.Field, one.Code, one.Detail))
	}
	return fault.Join(list)
}

func (c Config) refund(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.act(w, r, p, "refunded", "refund-entry", []string{"refund-entry", "refund-note"}, func(t tenant.ID, f frame.Form) error {
		e, err := id.Parse[ledger.EntryKind](f.Value("refund-entry"))
		if err != nil {
			return fault.Field("refund-entry", ledger.CodeNoEntry, "There is no such booking.")
		}
		return within("refund", c.Ledger.Refund(r.Context(), t, e, p.Who.User.ID.String(), f.Value("refund-note")))
	}, func(all *forms, f frame.Form) { all.refund = f })
}
