// Package sources is where staff of the platform set up the ways out of it: sources
// with their states and dates, pools, whose mail leaves from which, how far sources are
// warmed up, what is to be done at providers and hosters, and who changed what.
//
// It is a subject of the door web (floor 4). What may be changed is decided by
// egress.Planner; lanes and what mail waits for are shown by package sending.
package sources

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"stafette/internal/egress"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Planner changes the plan; *egress.Planner is one.
type Planner interface {
	Ways(ctx context.Context) (egress.Ways, error)
	Revisions(ctx context.Context, t egress.Thing, name string) ([]egress.Revision, error)
	SaveSource(ctx context.Context, s egress.Source, pools []string, by string, version int) error
	SavePool(ctx context.Context, p egress.Pool, by string, version int) error
	RemovePool(ctx context.Context, name, by string, version int) error
	Assign(ctx context.Context, a egress.Assignment, by string, version int) error
	Pace(ctx context.Context, pair egress.Pair, step egress.PaceStep, by string) error
	FollowConfiguration(ctx context.Context, source, by string, version int) error
	Restore(ctx context.Context, t egress.Thing, name string, revision int, by string, version int) error
	Undo(ctx context.Context, t egress.Thing, name, by string, version int) error
}

// Store tells what became known of sources; store.Store does.
type Store interface {
	Alarms(ctx context.Context, all bool) ([]egress.Alarm, error)
	ClearAlarm(ctx context.Context, p egress.Pair, by string, now time.Time) error
	Findings(ctx context.Context) ([]egress.Finding, error)
	Tasks(ctx context.Context) ([]egress.TaskDone, error)
	PutTask(ctx context.Context, t egress.TaskDone) error
	SentFrom(ctx context.Context, source string, from egress.Day) ([]egress.Tally, error)
}

// People tells the names of staff and accounts; store.Store does.
type People interface {
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Planner Planner
	Store   Store
	People  People
	// Shaping returns the limits in force, with the schedules of warm-up.
	Shaping func() *egress.Shaping
	// Check asks the name servers about all sources now and keeps what it finds.
	Check func(ctx context.Context) error
	// Cleared is told when somebody ended an alarm, so that this node knows at once.
	Cleared func(ctx context.Context)
}

const (
	home     = "/platform/sources"
	atSource = home + "/source/"
	atPool   = home + "/pool/"
	atWarmUp = "/platform/warm-up"
	room     = "sources"
)

// Routes are the pages and their forms. Whoever commands the queue may look; changes
// are the operator's.
func Routes(c Config) []frame.Route {
	look := func(pattern string, do func(http.ResponseWriter, *http.Request, frame.Page) error) frame.Route {
		return frame.Route{Pattern: "GET " + pattern, Access: frame.Staff, Permission: tenant.PlatformQueue, Do: do}
	}
	change := func(pattern string, do func(http.ResponseWriter, *http.Request, frame.Page) error) frame.Route {
		return frame.Route{Pattern: pattern, Access: frame.Staff, Permission: tenant.PlatformSystem, Do: do}
	}
	all, warm := look(home, c.all), look(atWarmUp, c.warmUps)
	all.Entry = frame.Entry{Room: room, Icon: "server", Group: frame.GroupEgress}
	warm.Entry = frame.Entry{Room: "warm-up", Icon: "signal", Group: frame.GroupEgress}
	return []frame.Route{
		all, warm,
		look(sourcesFile, c.export(sourcesFile)), look(poolsFile, c.export(poolsFile)),
		look(assignmentsFile, c.export(assignmentsFile)), look(todosFile, c.export(todosFile)),
		look(home+"/history", c.history),
		look(atSource+"{name}", c.source), look(atPool+"{name}", c.pool),
		change("GET "+home+"/new-source", c.newSource), change("POST "+home+"/new-source", c.createSource),
		change("POST "+atSource+"{name}", c.saveSource), change("POST "+atSource+"{name}/follow", c.follow),
		change("GET "+home+"/new-pool", c.newPool), change("POST "+home+"/new-pool", c.createPool),
		change("POST "+atPool+"{name}", c.savePool), change("POST "+atPool+"{name}/remove", c.removePool),
		change("POST "+home+"/assign", c.assign), change("POST "+home+"/restore", c.restore),
		change("POST "+home+"/check", c.check), change("POST "+home+"/alarm", c.clearAlarm),
		change("POST "+home+"/task", c.task), change("POST "+atWarmUp, c.pace),
	}
}

// board is the page of all sources.
type board struct {
	ways    egress.Ways
	todos   []Todo
	done    []egress.TaskDone
	checked time.Time // when the name servers were asked last; zero: never
	form    frame.Form
	tables
}

func (c Config) all(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.board(w, r, p, http.StatusOK, frame.Form{})
}

// board shows everything; form is the assignment that was refused.
func (c Config) board(w http.ResponseWriter, r *http.Request, p frame.Page, status int, form frame.Form) error {
	p.Room, p.Title = room, p.T("nav.sources")
	b := board{form: form}
	var err error
	if b.ways, err = c.Planner.Ways(r.Context()); err != nil {
		return fmt.Errorf("sources: %w", err)
	}
	if b.todos, b.checked, err = c.todos(r.Context(), b.ways); err != nil {
		return err
	}
	if b.done, err = c.Store.Tasks(r.Context()); err != nil {
		return fmt.Errorf("sources: %w", err)
	}
	b.tables = c.lists(r, p, b)
	return p.Render(w, r, status, boardPage(p, c, b))
}

// Todo is a thing to do with the alarm it is about, if it is about one.
type Todo struct {
	egress.Todo
	Alarm *egress.Alarm
}

// Todos lists what operators should do about the sources, the oldest first, tasks last.
func (c Config) Todos(ctx context.Context) ([]Todo, error) {
	ways, err := c.Planner.Ways(ctx)
	if err != nil {
		return nil, fmt.Errorf("to-dos of sources: %w", err)
	}
	list, _, err := c.todos(ctx, ways)
	return list, err
}

func (c Config) todos(ctx context.Context, ways egress.Ways) (list []Todo, checked time.Time, err error) {
	findings, err := c.Store.Findings(ctx)
	alarms, alarmErr := c.Store.Alarms(ctx, false)
	tasks, taskErr := c.Store.Tasks(ctx)
	if err = errors.Join(err, alarmErr, taskErr); err != nil {
		return nil, checked, fmt.Errorf("to-dos of sources: %w", err)
	}
	for _, f := range findings {
		if f.CheckedAt.After(checked) {
			checked = f.CheckedAt
		}
	}
	for _, t := range slices.Concat(egress.Todos(ways.Sources, findings, alarms), egress.OpenTasks(ways.Sources, tasks)) {
		one := Todo{Todo: t}
		if i := slices.IndexFunc(alarms, func(a egress.Alarm) bool {
			return strings.HasPrefix(t.Key, "egress.alarm.") && a.Source == t.Source && a.Provider == t.Provider
		}); i >= 0 {
			one.Alarm = &alarms[i]
		}
		list = append(list, one)
	}
	return list, checked, nil
}

// Text words a part of a to-do: "title", "way" or "link".
func (t Todo) Text(p frame.Page, part string) string {
	ip := t.IP
	if ip == "" {
		ip = t.Source
	}
	return p.Either(t.Key+"."+part, "egress.alarm.other."+part, "ip", ip, "ehlo", t.EHLO, "provider", t.Provider, "have", t.Have)
}

// stateMark is the mark of a source's state, among those of deliveries.
func stateMark(s egress.SourceState) string {
	switch s {
	case egress.StateNew:
		return "sending"
	case egress.StateRetiring:
		return "expired"
	case egress.StateRetired:
		return "cancelled"
	}
	return "delivered"
}

// stateWord names a state; one left out is active.
func stateWord(p frame.Page, s egress.SourceState) string {
	if s == "" {
		s = egress.StateActive
	}
	return p.T("sources.state." + string(s))
}

// poolsOf names the pools a source is in.
func poolsOf(w egress.Ways, source string) string {
	var list []string
	for _, pool := range w.Pools {
		if slices.ContainsFunc(pool.Members, func(m egress.Member) bool { return m.Source == source }) {
			list = append(list, pool.Name)
		}
	}
	return strings.Join(list, ", ")
}

// origin says whether a thing follows a configuration or was changed by hand.
func origin(p frame.Page, s egress.Standing) string {
	if s.Seeder != "" {
		return p.T("sources.origin.file", "node", s.Seeder)
	}
	return p.T("sources.origin.office")
}

// members names a pool's sources with their weights.
func members(p frame.Page, pool egress.Pool) string {
	var list []string
	for _, m := range pool.Members {
		if m.Weight >= 0 {
			list = append(list, p.T("sources.member", "source", m.Source, "weight", m.Weight))
		} else {
			list = append(list, m.Source)
		}
	}
	return strings.Join(list, ", ")
}

// account names the tenant of an assignment.
func (c Config) account(ctx context.Context, p frame.Page, t tenant.ID) string {
	if t.IsZero() {
		return p.T("sources.assign.everybody")
	}
	if v, err := c.People.Tenant(ctx, t); err == nil { // without its name the page still tells
		return v.Name
	}
	return t.String()
}

// who names whoever changed something.
func (c Config) who(ctx context.Context, p frame.Page, by string) string {
	if node, ok := strings.CutPrefix(by, egress.ByConfiguration("")); ok {
		return p.T("sources.by.file", "node", node)
	}
	if u, err := id.Parse[tenant.UserKind](by); err == nil {
		if person, err := c.People.User(ctx, tenant.ID{}, u); err == nil {
			return person.Name
		}
	}
	if by == "cli" {
		return p.T("sources.by.cli")
	}
	return by
}

func (c Config) check(w http.ResponseWriter, r *http.Request, _ frame.Page) error {
	ctx, cancel := context.WithTimeout(r.Context(), checkTime)
	defer cancel()
	if err := c.Check(ctx); err != nil {
		return fmt.Errorf("check sources: %w", err)
	}
	frame.Redirect(w, r, home, "checked")
	return nil
}

// checkTime bounds how long a check may take while somebody waits for the page.
const checkTime = 45 * time.Second

func (c Config) clearAlarm(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	pair := egress.Pair{Source: r.PostForm.Get("source"), Provider: r.PostForm.Get("provider")}
	if err := c.Store.ClearAlarm(r.Context(), pair, p.Who.User.ID.String(), p.Now); err != nil {
		return fmt.Errorf("end alarm: %w", err)
	}
	c.Cleared(r.Context())
	frame.Redirect(w, r, home, "cleared")
	return nil
}

// task notes that a task is done, or open again.
func (c Config) task(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	done := egress.TaskDone{Source: r.PostForm.Get("source"), Task: egress.Task(r.PostForm.Get("task")), By: p.Who.User.ID.String(), At: p.Now}
	if !done.Task.Fits(done.Source) {
		return notFound("task_unknown")
	}
	if r.PostForm.Get("open") != "" {
		done.At = time.Time{}
	}
	if err := c.Store.PutTask(r.Context(), done); err != nil {
		return fmt.Errorf("note task: %w", err)
	}
	frame.Redirect(w, r, home, "noted")
	return nil
}
