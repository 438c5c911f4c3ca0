package insight

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"stafette/internal/i18n"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/tenant"
)

// DigestKind names a mail about an account to its people.
type DigestKind string

// The kinds.
const (
	Weekly    DigestKind = "weekly" // figures of the past week, on Mondays
	OpenTodos DigestKind = "todos"  // what waits for somebody, at most once a day
)

// DigestHour is at what hour of the reader's day they are sent.
const DigestHour = 8

// Choice is which of these mails a person wants.
type Choice struct{ Weekly, Todos bool }

// UsualChoice is what a person gets who has chosen nothing: owners are told, others are
// not.
func UsualChoice(r tenant.Role) Choice {
	return Choice{Weekly: r == tenant.Owner, Todos: r == tenant.Owner}
}

// Reader is a person with what they want.
type Reader struct {
	User   tenant.User
	Choice Choice
}

// DigestRun is the last mail of a kind to a tenant's people.
type DigestRun struct {
	Period string // of which it told: "2026-W47", "2026-11-22"
	// State is what the next one is compared with: the keys of open things to do.
	State string
}

// DigestStore keeps who wants what and what was sent.
type DigestStore interface {
	// Readers lists the people of a tenant who may sign in, with their choices.
	Readers(ctx context.Context, t tenant.ID) ([]Reader, error)
	// ChooseDigests keeps what a person wants.
	ChooseDigests(ctx context.Context, t tenant.ID, u tenant.UserID, c Choice) error
	// DigestRun returns the last run of a kind, zero if there was none.
	DigestRun(ctx context.Context, t tenant.ID, k DigestKind) (DigestRun, error)
	// SetDigestRun keeps a run in the place of the one before.
	SetDigestRun(ctx context.Context, t tenant.ID, k DigestKind, r DigestRun, now time.Time) error
	// Tenants lists tenants above after, in order.
	Tenants(ctx context.Context, after tenant.ID, limit int) ([]tenant.Tenant, error)
}

// Postman sends letters to the platform's people; *notice.Sender does.
type Postman interface {
	// On reports whether letters are sent at all.
	On() bool
	// Send sends a letter once, however often it is called with one of its key.
	Send(ctx context.Context, l notice.Letter) error
}

// Digester writes and sends the mails about accounts.
type Digester struct {
	Store      DigestStore
	Statistics Statistics
	Todos      Todos
	Postman    Postman
	Catalog    *i18n.Catalog
	Providers  *Providers
	// Zone is the time zone of a tenant's people.
	Zone func(tenant.Tenant) *time.Location
	Log  *slog.Logger
}

// digestTenants is how many tenants are read at once.
const digestTenants = 200

// Run sends what is due at now to all tenants. It may be called as often as one likes and
// on several nodes: a period is told once, and if a run breaks off, the keys keep a
// second one from telling anybody twice. What was due while nothing ran is sent late, but
// only for the period that is the last.
func (d Digester) Run(ctx context.Context, now time.Time) error {
	if !d.Postman.On() {
		return nil
	}
	var after tenant.ID
	var errs []error
	for {
		list, err := d.Store.Tenants(ctx, after, digestTenants)
		if err != nil {
			return fmt.Errorf("digests: %w", errors.Join(append(errs, err)...))
		}
		for i := range list {
			after = list[i].ID
			if list[i].State != tenant.Active {
				continue
			}
			if err := d.tell(ctx, list[i], now); err != nil {
				errs = append(errs, fmt.Errorf("digests of %s: %w", list[i].ID, err))
			}
		}
		if len(list) < digestTenants || ctx.Err() != nil {
			return errors.Join(errs...)
		}
	}
}

func (d Digester) tell(ctx context.Context, t tenant.Tenant, now time.Time) error {
	local := now.In(d.Zone(t))
	if local.Hour() < DigestHour {
		return nil
	}
	return errors.Join(d.tellWeek(ctx, t, local), d.tellTodos(ctx, t, local))
}

// tellWeek tells of the week before this one's Monday, at the first opportunity.
func (d Digester) tellWeek(ctx context.Context, t tenant.Tenant, local time.Time) error {
	monday := Monday(local)
	year, week := monday.AddDate(0, 0, -7).ISOWeek()
	period := fmt.Sprintf("%d-W%02d", year, week)
	last, err := d.Store.DigestRun(ctx, t.ID, Weekly)
	if err != nil || last.Period == period {
		return err
	}
	if t.CreatedAt.After(monday) { // there is no week to tell of
		return nil
	}
	w, err := d.week(ctx, t, monday)
	if err != nil {
		return err
	}
	readers, err := d.Store.Readers(ctx, t.ID)
	if err != nil {
		return err
	}
	for _, r := range readers {
		if r.Choice.Weekly {
			own := w
			own.todos = Allowed(w.todos, func(p tenant.Permission) bool { return tenant.Can(r.User.Role, p) })
			if err := d.send(ctx, r.User, d.weekly(t, r.User, own, period)); err != nil {
				return err
			}
		}
	}
	return d.Store.SetDigestRun(ctx, t.ID, Weekly, DigestRun{Period: period}, local)
}

// Monday is when the week of t began, in its zone.
func Monday(t time.Time) time.Time {
	back := (int(t.Weekday()) + 6) % 7
	return time.Date(t.Year(), t.Month(), t.Day()-back, 0, 0, 0, 0, t.Location())
}

// week is what a weekly report tells of.
type week struct {
	from, to    time.Time // [from, to)
	now, before Figures
	findings    []Finding
	todos       []Todo
}

func (d Digester) week(ctx context.Context, t tenant.Tenant, to time.Time) (week, error) {
	w := week{from: to.AddDate(0, 0, -7), to: to}
	now, err := d.Statistics.Groups(ctx, t.ID, ByProvider, w.from, w.to, nil)
	if err != nil {
		return w, err
	}
	before, err := d.Statistics.Groups(ctx, t.ID, ByProvider, w.from.AddDate(0, 0, -7), w.from, nil)
	if err != nil {
		return w, err
	}
	w.now, w.before = Join(now), Join(before)
	w.findings = Findings(now, before)
	w.todos, err = d.Todos.For(ctx, t.ID, tenant.UserID{}, to)
	return w, err
}

// tellTodos tells what is open if something is that was not when it was told last.
func (d Digester) tellTodos(ctx context.Context, t tenant.Tenant, local time.Time) error {
	period := local.Format(time.DateOnly)
	last, err := d.Store.DigestRun(ctx, t.ID, OpenTodos)
	if err != nil || last.Period == period {
		return err
	}
	todos, err := d.Todos.For(ctx, t.ID, tenant.UserID{}, local)
	if err != nil {
		return err
	}
	var keys, news []string
	known := strings.Fields(last.State)
	for _, one := range todos {
		if one.Optional {
			continue // it can wait for the weekly report
		}
		keys = append(keys, one.Key)
		if !slices.Contains(known, one.Key) {
			news = append(news, one.Key)
		}
	}
	if len(news) > 0 {
		readers, err := d.Store.Readers(ctx, t.ID)
		if err != nil {
			return err
		}
		for _, r := range readers {
			if r.Choice.Todos {
				own := Allowed(todos, func(p tenant.Permission) bool { return tenant.Can(r.User.Role, p) })
				if err := d.send(ctx, r.User, d.open(t, r.User, own, period)); err != nil {
					return err
				}
			}
		}
	}
	return d.Store.SetDigestRun(ctx, t.ID, OpenTodos, DigestRun{Period: period, State: strings.Join(keys, " ")}, local)
}

// send sends a letter to a person. An address that cannot be written to keeps nobody else
// from theirs.
func (d Digester) send(ctx context.Context, u tenant.User, l notice.Letter) error {
	to, err := message.ParseAddress(u.Email)
	if err != nil {
		d.Log.Warn("digest has no address", "tenant", l.Tenant.String(), "user", u.ID.String(), "err", err)
		return nil
	}
	l.To = to
	return d.Postman.Send(ctx, l)
}
