// Package changeovers is where staff of the platform plan moves to new sources, see
// where they stand, and pause or roll them back; and where a tenant's people read which
// of them concern their mail.
//
// It is a subject of the door web (floor 4). What may be done when is decided by
// changeover.Service.
package changeovers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/changeover/affected"
	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Service carries changeovers out; *changeover.Service is one.
type Service interface {
	Changeovers(ctx context.Context, t tenant.ID) ([]changeover.Changeover, error)
	Changeover(ctx context.Context, c changeover.ID) (changeover.Changeover, error)
	Deeds(ctx context.Context, c changeover.ID) ([]changeover.Deed, error)
	Marks(ctx context.Context, t tenant.ID, c changeover.ID) ([]changeover.Mark, error)
	Create(ctx context.Context, c changeover.Changeover, by string) (changeover.Changeover, error)
	Change(ctx context.Context, c changeover.Changeover, by string) (changeover.Changeover, error)
	Shares(ctx context.Context, which changeover.ID, version, share int, list []egress.Share, by string) (changeover.Changeover, error)
	Extend(ctx context.Context, which changeover.ID, until time.Time, by string) (changeover.Changeover, error)
	Preflight(ctx context.Context, which changeover.ID, by string) (changeover.Changeover, error)
	Start(ctx context.Context, which changeover.ID, by string) (changeover.Changeover, error)
	Advance(ctx context.Context, which changeover.ID, by string) (changeover.Changeover, error)
	Pause(ctx context.Context, which changeover.ID, by string) (changeover.Changeover, error)
	Resume(ctx context.Context, which changeover.ID, by string) (changeover.Changeover, error)
	RollBack(ctx context.Context, which changeover.ID, by string) (changeover.Changeover, error)
	UndoShares(ctx context.Context, which changeover.ID, by string) (changeover.Changeover, error)
	Finish(ctx context.Context, which changeover.ID, by string) (changeover.Changeover, error)
	Withdraw(ctx context.Context, which changeover.ID, by string) (changeover.Changeover, error)
}

// People tells the names of staff and accounts; store.Store does.
type People interface {
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Service Service
	People  People
	// Plan returns the plan of egress, for its sources.
	Plan func(ctx context.Context) (egress.Plan, error)
	// Left lists who still needs the old sources, of all tenants for the zero one;
	// (*affected.Surveyor).Left does.
	Left func(ctx context.Context, t tenant.ID, c changeover.Changeover) ([]affected.Leftover, error)
}

const (
	home   = "/platform/changeovers"
	at     = home + "/{id}"
	room   = "changeovers"
	theirs = "/changeovers"
)

// Routes are the pages and their forms. Whoever commands the queue may look; deeds are
// the operator's. A tenant's people read what concerns them.
func Routes(c Config) []frame.Route {
	look := func(pattern string, do func(http.ResponseWriter, *http.Request, frame.Page) error) frame.Route {
		return frame.Route{Pattern: "GET " + pattern, Access: frame.Staff, Permission: tenant.PlatformQueue, Do: do}
	}
	change := func(pattern string, do func(http.ResponseWriter, *http.Request, frame.Page) error) frame.Route {
		return frame.Route{Pattern: pattern, Access: frame.Staff, Permission: tenant.PlatformSystem, Do: do}
	}
	read := func(pattern string, do func(http.ResponseWriter, *http.Request, frame.Page) error) frame.Route {
		return frame.Route{Pattern: "GET " + pattern, Permission: tenant.SettingsRead, Do: do}
	}
	all, own := look(home, c.all), read(theirs, c.own)
	all.Entry = frame.Entry{Room: room, Icon: "route", Group: frame.GroupEgress}
	own.Entry = frame.Entry{Room: room, Icon: "route", Group: frame.GroupDeliverability}
	list := []frame.Route{
		all, own,
		look(at, c.plan), look(at+"/customers", c.customers), look(at+"/customers.csv", c.export), look(at+"/report.pdf", c.report),
		change("GET "+home+"/new", c.blank), change("POST "+home+"/new", c.create),
		change("GET "+at+"/edit", c.edit), change("POST "+at+"/edit", c.save),
		change("POST "+at+"/shares", c.shares), change("POST "+at+"/extend", c.extend),
		read(theirs+"/{id}", c.one), read(theirs+"/{id}/customers.csv", c.exportOwn),
	}
	for path, do := range map[string]func(context.Context, changeover.ID, string) (changeover.Changeover, error){
		"check": c.Service.Preflight, "start": c.Service.Start, "advance": c.Service.Advance, "pause": c.Service.Pause, "resume": c.Service.Resume,
		"roll-back": c.Service.RollBack, "undo": c.Service.UndoShares, "finish": c.Service.Finish, "withdraw": c.Service.Withdraw,
	} {
		list = append(list, change("POST "+at+"/"+path, deed(path, do)))
	}
	return list
}

// deedTime bounds how long a deed may take while somebody waits for the page: checks ask
// name servers.
const deedTime = 45 * time.Second

// deed answers a button.
func deed(name string, do func(context.Context, changeover.ID, string) (changeover.Changeover, error)) func(http.ResponseWriter, *http.Request, frame.Page) error {
	return func(w http.ResponseWriter, r *http.Request, p frame.Page) error {
		which, err := number(r)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(r.Context(), deedTime)
		defer cancel()
		done := name
		switch _, err := do(ctx, which, p.Who.User.ID.String()); {
		case err == nil:
		case refusal(err) == "changeover_blocked":
			done = "blocked" // the page shows the checks
		default:
			return fmt.Errorf("%s changeover: %w", name, err)
		}
		frame.Redirect(w, r, home+"/"+which.String(), done)
		return nil
	}
}

func refusal(err error) string {
	if f := fault.As(err); f != nil {
		return f.Code
	}
	return ""
}

// number is the changeover that the address names.
func number(r *http.Request) (changeover.ID, error) {
	which, err := id.Parse[changeover.Kind](r.PathValue("id"))
	if err != nil {
		return which, fault.New(fault.NotFound, "changeover_unknown", "There is no such changeover.")
	}
	return which, nil
}

func (c Config) all(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	list, err := c.Service.Changeovers(r.Context(), tenant.ID{})
	if err != nil {
		return fmt.Errorf("changeovers: %w", err)
	}
	p.Room, p.Title = room, p.T("nav.changeovers")
	return p.Render(w, r, http.StatusOK, listPage(p, c, list))
}

// sheet is the page of one changeover.
type sheet struct {
	changeover.Changeover
	plan    egress.Plan
	marks   []changeover.Mark
	left    []affected.Leftover // in the overlap
	deeds   []changeover.Deed
	shares  frame.Form
	extends frame.Form
}

func (c Config) plan(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	s, err := c.sheet(r)
	if err != nil {
		return err
	}
	return c.show(w, r, p, http.StatusOK, s)
}

// sheet reads what the page of a changeover shows.
func (c Config) sheet(r *http.Request) (s sheet, err error) {
	which, err := number(r)
	if err != nil {
		return s, err
	}
	if s.Changeover, err = c.Service.Changeover(r.Context(), which); err != nil {
		return s, err
	}
	var errs [3]error
	s.plan, errs[0] = c.Plan(r.Context())
	s.marks, errs[1] = c.Service.Marks(r.Context(), tenant.ID{}, which)
	s.deeds, errs[2] = c.Service.Deeds(r.Context(), which)
	if err = errors.Join(errs[:]...); err != nil {
		return s, fmt.Errorf("changeover: %w", err)
	}
	if s.Stage == changeover.Overlap {
		if s.left, err = c.Left(r.Context(), tenant.ID{}, s.Changeover); err != nil {
			return s, fmt.Errorf("changeover: %w", err)
		}
	}
	s.shares, s.extends = sharesForm(s.Changeover), frame.Form{Values: map[string]string{}}
	return s, nil
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page, status int, s sheet) error {
	p.Room, p.Title = room, s.Name
	if s.extends.Value("overlap_until") == "" && s.extends.Values != nil {
		s.extends.Values["overlap_until"] = s.OverlapUntil.In(p.Zone).Format(clockForm)
	}
	return p.Render(w, r, status, planPage(p, c, s))
}

// fallen counts the deliveries that fell back.
func fallen(list []changeover.Mark) (n int64) {
	for _, m := range list {
		n += int64(m.Count)
	}
	return n
}

// stageMark is the mark of a stage, among those of deliveries.
func stageMark(s changeover.Stage) string {
	switch s {
	case changeover.Announced:
		return "queued"
	case changeover.Testing, changeover.Shifting:
		return "sending"
	case changeover.Overlap, changeover.Done:
		return "delivered"
	case changeover.Paused:
		return "held"
	case changeover.RolledBack:
		return "bounced"
	}
	return "cancelled"
}

func verdictMark(v changeover.Verdict) string {
	switch v {
	case changeover.Passed:
		return "delivered"
	case changeover.Blocked:
		return "bounced"
	case changeover.Unknown:
		return "deferred"
	}
	return "cancelled"
}

// scope names whose mail a changeover is about.
func (c Config) scope(ctx context.Context, p frame.Page, t tenant.ID) string {
	if t.IsZero() {
		return p.T("changeovers.everybody")
	}
	if v, err := c.People.Tenant(ctx, t); err == nil { // without its name the page still tells
		return v.Name
	}
	return t.String()
}

// who names whoever did something.
func (c Config) who(ctx context.Context, p frame.Page, by string) string {
	if u, err := id.Parse[tenant.UserKind](by); err == nil {
		if person, err := c.People.User(ctx, tenant.ID{}, u); err == nil {
			return person.Name
		}
	}
	return p.Either("changeovers.by."+by, "changeovers.by.other", "by", by)
}

// addresses are the addresses of sources, for readers.
func addresses(plan egress.Plan, names []string) string {
	var list []string
	for _, name := range names {
		if s, there := plan.Source(name); there && s.Fixed() {
			list = append(list, s.IP.String()+" ("+s.EHLO+")")
		} else {
			list = append(list, name)
		}
	}
	return strings.Join(list, ", ")
}

// deedText words an entry of the history.
func deedText(p frame.Page, d changeover.Deed) string {
	return p.Either("changeovers.deed."+d.What, "changeovers.deed.other", "what", d.What, "detail", d.Detail)
}

// stations are the time line: what was, where it stands, what is next.
func stations(p frame.Page, c changeover.Changeover) []frame.Station {
	type moment struct {
		at   time.Time
		text string
		been bool
	}
	past := func(at time.Time) bool { return p.Now.After(at) && c.Stage != changeover.Draft }
	list := []moment{
		{c.AnnounceAt, p.T("changeovers.line.announce"), past(c.AnnounceAt)},
		{c.TestFrom, p.T("changeovers.line.test", "share", c.TestShare), past(c.TestFrom)},
		{c.CutoverAt, p.T("changeovers.line.cutover"), past(c.CutoverAt)},
	}
	for i, s := range c.Steps { // those that a pause kept from being taken were not
		list = append(list, moment{s.At, p.T("changeovers.line.step", "share", s.Share), i < c.Taken})
	}
	list = append(list, moment{c.OverlapUntil, p.T("changeovers.line.end"), past(c.OverlapUntil)})
	slices.SortStableFunc(list, func(a, b moment) int { return a.at.Compare(b.at) })
	var out []frame.Station
	for _, m := range list {
		s := frame.Station{Clock: m.at.In(p.Zone).Format("15:04"), Small: m.at.In(p.Zone).Format("02.01.2006"), Mark: "delivered", Title: m.text}
		if !m.been {
			s.Mark, s.Next = "queued", true
		}
		out = append(out, s)
	}
	return out
}

// nextText says what comes next and when.
func nextText(p frame.Page, c changeover.Changeover) string {
	when := func(key string, at time.Time, more ...any) string {
		return p.T("changeovers.next."+key, append([]any{"time", p.Full(at)}, more...)...)
	}
	switch c.Stage {
	case changeover.Announced:
		return when("test", c.TestFrom, "share", c.TestShare)
	case changeover.Testing:
		return when("cutover", c.CutoverAt)
	case changeover.Shifting:
		if c.Taken < len(c.Steps) {
			return when("step", c.Steps[c.Taken].At, "share", c.Steps[c.Taken].Share)
		}
	case changeover.Overlap:
		return when("end", c.OverlapUntil)
	}
	return p.T("changeovers.next." + string(c.Stage))
}
