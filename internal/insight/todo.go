package insight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/net/idna"

	"stafette/internal/audience"
	"stafette/internal/i18n"
	"stafette/internal/tenant"
)

// Todo is something that waits for a person. Its words are the texts "todo.<Kind>.title",
// ".text" and ".button" with Args.
type Todo struct {
	// Key names it for as long as it is the same thing; a new occurrence has another.
	Key  string
	Kind string
	Args i18n.Args
	// Mark is the delivery state or other mark it bears.
	Mark string
	// Link is the page where it can be done, a path of the office.
	Link string
	// Since is when it began; zero where that is not known.
	Since time.Time
	// Optional: nothing goes wrong if a person puts it aside for a while.
	Optional bool
	// Needs is the permission without which nobody can do it; "": everybody who sees the
	// first page. See Allowed.
	Needs tenant.Permission
}

// TodoSource is a room that may have something to do for a tenant. It answers out of
// indexes: it is asked with every look at the first page.
type TodoSource interface {
	Todos(ctx context.Context, t tenant.ID, now time.Time) ([]Todo, error)
}

// TodoStore remembers what people have put aside.
type TodoStore interface {
	// Dismiss puts a thing to do aside for one person until then.
	Dismiss(ctx context.Context, t tenant.ID, u tenant.UserID, key string, until time.Time) error
	// Dismissed returns what the person has put aside and until after now.
	Dismissed(ctx context.Context, t tenant.ID, u tenant.UserID, now time.Time) ([]string, error)
}

// DismissedFor is how long something that was put aside stays away.
const DismissedFor = 7 * 24 * time.Hour

// Todos asks all rooms.
type Todos struct {
	Sources []TodoSource
	Store   TodoStore
}

// maxTodos bounds the list of one tenant.
const maxTodos = 50

// For lists what waits for the tenant, what must be done before what may be, without what
// the person has put aside; the zero person has put nothing aside. A source that fails
// does not hide the others: its error comes with what they said.
func (s Todos) For(ctx context.Context, t tenant.ID, u tenant.UserID, now time.Time) ([]Todo, error) {
	var list []Todo
	var errs []error
	for _, source := range s.Sources {
		part, err := source.Todos(ctx, t, now)
		errs = append(errs, err)
		list = append(list, part...)
	}
	if !u.IsZero() {
		away, err := s.Store.Dismissed(ctx, t, u, now)
		errs = append(errs, err)
		list = slices.DeleteFunc(list, func(d Todo) bool { return d.Optional && slices.Contains(away, d.Key) })
	}
	slices.SortStableFunc(list, func(a, b Todo) int {
		switch {
		case a.Optional == b.Optional:
			return 0
		case a.Optional:
			return 1
		}
		return -1
	})
	return list[:min(len(list), maxTodos)], errors.Join(errs...)
}

// Dismiss puts something aside that may be, and that waits now.
func (s Todos) Dismiss(ctx context.Context, t tenant.ID, u tenant.UserID, key string, now time.Time) error {
	list, err := s.For(ctx, t, tenant.UserID{}, now)
	if err != nil {
		return fmt.Errorf("dismiss: %w", err)
	}
	if !slices.ContainsFunc(list, func(d Todo) bool { return d.Key == key && d.Optional }) {
		return nil // it is done already, or must be
	}
	return s.Store.Dismiss(ctx, t, u, key, now.Add(DismissedFor))
}

// HeldMail has to do where mail is held.
type HeldMail struct {
	// Store counts the held deliveries of a tenant, without those of the reason except,
	// and tells since when the first of them waits.
	Store interface {
		Held(ctx context.Context, t tenant.ID, except string) (n int64, since time.Time, err error)
	}
}

// Todos implements TodoSource. What a halt of bulk mail holds is the halt's.
func (h HeldMail) Todos(ctx context.Context, t tenant.ID, _ time.Time) ([]Todo, error) {
	n, since, err := h.Store.Held(ctx, t, audience.ReasonHalted)
	if err != nil || n == 0 {
		return nil, err
	}
	return []Todo{{Key: "held", Kind: "held", Args: i18n.Args{"n": n}, Mark: "held", Link: "/messages?state=held", Since: since}}, nil
}

// HaltedMail has to do where bulk mail is halted.
type HaltedMail struct {
	Breaker interface {
		HaltOf(ctx context.Context, t tenant.ID) (audience.Halt, bool, error)
	}
}

// Todos implements TodoSource.
func (h HaltedMail) Todos(ctx context.Context, t tenant.ID, _ time.Time) ([]Todo, error) {
	halt, ok, err := h.Breaker.HaltOf(ctx, t)
	if err != nil || !ok {
		return nil, err
	}
	n := halt.Of(halt.Cause)
	return []Todo{{Key: "halt", Kind: "halt_" + string(halt.Cause), Mark: "held", Link: "/halt", Since: halt.At,
		Args: i18n.Args{"n": n, "sent": halt.Sent, "hours": int(halt.Window.Hours()), "share": 100 * part(int64(n), int64(halt.Sent))}}}, nil
}

// DomainSetup has to do where a sending domain's records are missing.
type DomainSetup struct {
	Domains interface {
		List(ctx context.Context, t tenant.ID) ([]tenant.Domain, error)
	}
}

// Todos implements TodoSource. A domain that was never set up may be put aside: nothing
// of it has ever worked.
func (d DomainSetup) Todos(ctx context.Context, t tenant.ID, _ time.Time) ([]Todo, error) {
	domains, err := d.Domains.List(ctx, t)
	if err != nil {
		return nil, err
	}
	var list []Todo
	for _, one := range domains {
		todo := Todo{Key: "domain/" + one.ID.String() + "/" + string(one.State), Kind: "domain_" + string(one.State),
			Args: i18n.Args{"domain": written(one.Name), "until": one.GraceUntil}, Link: "/domains/" + one.ID.String()}
		switch one.State {
		case tenant.Lapsed:
			todo.Mark = "bounced"
		case tenant.Grace:
			todo.Mark = "deferred"
		case tenant.Pending:
			todo.Mark, todo.Optional = "queued", true
		default:
			continue
		}
		list = append(list, todo)
	}
	slices.SortStableFunc(list, func(a, b Todo) int { return cmp.Compare(a.Kind, b.Kind) })
	return list, nil
}

// written is a domain in A-labels as people write it.
func written(name string) string {
	if unicode, err := idna.Display.ToUnicode(name); err == nil {
		return unicode
	}
	return name
}

// quotaWarning is the share of the day's quota from which it is worth a word.
const quotaWarning = 0.8

// SpentQuota has to do where little is left of the day's quota.
type SpentQuota struct {
	Store interface {
		Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
		Usage(ctx context.Context, t tenant.ID, now time.Time) (int64, error)
	}
}

// Todos implements TodoSource.
func (q SpentQuota) Todos(ctx context.Context, t tenant.ID, now time.Time) ([]Todo, error) {
	of, err := q.Store.Tenant(ctx, t)
	if err != nil || of.DailyQuota == 0 {
		return nil, err
	}
	used, err := q.Store.Usage(ctx, t, now)
	if err != nil || float64(used) < quotaWarning*float64(of.DailyQuota) {
		return nil, err
	}
	kind := "quota_low"
	if used >= of.DailyQuota {
		kind = "quota_spent"
	}
	return []Todo{{Key: kind + "/" + now.UTC().Format(time.DateOnly), Kind: kind, Mark: "deferred", Link: "/statistics/providers", Optional: true,
		Args: i18n.Args{"used": used, "quota": of.DailyQuota}}}, nil
}

// RefusedAddresses has to do where addresses turned out not to work in the last days.
type RefusedAddresses struct{ Statistics Statistics }

// refusedSince is how far back refusals are worth a look.
const refusedSince = 7 * 24 * time.Hour

// Todos implements TodoSource. The list is put aside until it grows: its key names the
// power of two that the number has passed.
func (r RefusedAddresses) Todos(ctx context.Context, t tenant.ID, now time.Time) ([]Todo, error) {
	from := now.Add(-refusedSince)
	cells, err := r.Statistics.Store.Sums(ctx, t, TallyQuery{From: from, To: now, Counts: []Count{CountBounced, CountExpired, CountLateBounced}})
	if err != nil {
		return nil, err
	}
	f := Sum(cells)
	n := f.Failed() + f.LateBounced
	if n == 0 {
		return nil, nil
	}
	size := 0
	for v := n; v > 0; v /= 2 {
		size++
	}
	return []Todo{{Key: "refused/" + strconv.Itoa(size), Kind: "refused", Args: i18n.Args{"n": n}, Mark: "bounced",
		Link: "/messages?state=bounced&from=" + from.Format(time.DateOnly), Since: from, Optional: true}}, nil
}
