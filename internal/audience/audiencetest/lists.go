package audiencetest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"stafette/internal/audience/listcheck"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Lists is a listcheck.Store in memory, without limits. The zero Lists is empty. It is
// safe for concurrent use.
type Lists struct {
	mu     sync.Mutex
	checks []listcheck.Check // old ones first
	rows   map[listcheck.ID][]listcheck.Row
}

var _ listcheck.Store = (*Lists)(nil)

// find returns a check; mu is held.
func (l *Lists) find(t tenant.ID, c listcheck.ID) (*listcheck.Check, error) {
	for i := range l.checks {
		if l.checks[i].Tenant == t && l.checks[i].ID == c {
			return &l.checks[i], nil
		}
	}
	return nil, fault.New(fault.NotFound, "check_not_found", "There is no such thing here.")
}

// BeginCheck implements listcheck.Store.
func (l *Lists) BeginCheck(_ context.Context, c listcheck.Check) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checks = append(l.checks, c)
	return nil
}

// AddCheckRows implements listcheck.Store.
func (l *Lists) AddCheckRows(_ context.Context, t tenant.ID, c listcheck.ID, rows []listcheck.Row) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.find(t, c); err != nil {
		return err
	}
	if l.rows == nil {
		l.rows = map[listcheck.ID][]listcheck.Row{}
	}
	l.rows[c] = append(l.rows[c], rows...)
	return nil
}

// ReadyCheck implements listcheck.Store.
func (l *Lists) ReadyCheck(_ context.Context, t tenant.ID, c listcheck.ID, rows int, column string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, err := l.find(t, c)
	if err == nil {
		v.State, v.Rows, v.Column = listcheck.Running, rows, column
	}
	return err
}

// OpenChecks implements listcheck.Store.
func (l *Lists) OpenChecks(context.Context) ([]listcheck.Check, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []listcheck.Check
	for _, c := range l.checks {
		if c.State == listcheck.Running && !slices.ContainsFunc(list, func(o listcheck.Check) bool { return o.Tenant == c.Tenant }) {
			c.Counts = maps.Clone(c.Counts)
			list = append(list, c)
		}
	}
	return list, nil
}

// NextRows implements listcheck.Store.
func (l *Lists) NextRows(_ context.Context, t tenant.ID, c listcheck.ID, after, limit int) ([]listcheck.Row, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.find(t, c); err != nil {
		return nil, nil
	}
	var list []listcheck.Row
	for _, r := range l.rows[c] {
		if r.Number > after && len(list) < limit {
			r.First = 1 + slices.IndexFunc(l.rows[c], func(o listcheck.Row) bool { return o.Print == r.Print })
			list = append(list, r)
		}
	}
	return list, nil
}

// SettleRows implements listcheck.Store.
func (l *Lists) SettleRows(_ context.Context, c listcheck.Check, before int, rows []listcheck.Row) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, err := l.find(c.Tenant, c.ID)
	if err != nil || v.State != listcheck.Running || v.Done != before {
		return false, nil
	}
	*v = c
	for _, r := range rows {
		l.rows[c.ID][r.Number-1] = r
	}
	return true, nil
}

// CancelCheck implements listcheck.Store.
func (l *Lists) CancelCheck(_ context.Context, t tenant.ID, c listcheck.ID, now time.Time) (listcheck.Check, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, err := l.find(t, c)
	if err != nil {
		return listcheck.Check{}, err
	}
	if v.Open() {
		v.State, v.EndedAt = listcheck.Cancelled, now
	}
	return *v, nil
}

// ForgetCheck implements listcheck.Store.
func (l *Lists) ForgetCheck(_ context.Context, t tenant.ID, c listcheck.ID, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, err := l.find(t, c)
	if err != nil {
		return err
	}
	if v.ExpiresAt = now; v.Open() {
		v.State = listcheck.Cancelled
	}
	return nil
}

// Check implements listcheck.Store.
func (l *Lists) Check(_ context.Context, t tenant.ID, c listcheck.ID, now time.Time) (listcheck.Check, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, err := l.find(t, c)
	if err != nil {
		return listcheck.Check{}, err
	}
	if !v.ExpiresAt.After(now) {
		return listcheck.Check{}, fault.New(fault.NotFound, "check_not_found", "There is no such thing here.")
	}
	return *v, nil
}

// Checks implements listcheck.Store.
func (l *Lists) Checks(_ context.Context, t tenant.ID, now time.Time) (list []listcheck.Check, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range slices.Backward(l.checks) {
		if c.Tenant == t && c.ExpiresAt.After(now) {
			list = append(list, c)
		}
	}
	return list, nil
}

// CheckRows implements listcheck.Store.
func (l *Lists) CheckRows(_ context.Context, t tenant.ID, c listcheck.ID, f listcheck.Filter) (list []listcheck.Row, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.find(t, c); err != nil {
		return nil, nil
	}
	for _, r := range l.rows[c] {
		if r.Result != "" && r.Number > f.After && (f.Limit == 0 || len(list) < f.Limit) && (len(f.Results) == 0 || slices.Contains(f.Results, r.Result)) {
			list = append(list, r)
		}
	}
	return list, nil
}

// DropChecks implements listcheck.Store.
func (l *Lists) DropChecks(_ context.Context, now, stale time.Time) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checks = slices.DeleteFunc(l.checks, func(c listcheck.Check) bool {
		gone := !c.ExpiresAt.After(now) || c.State == listcheck.Receiving && c.CreatedAt.Before(stale)
		if gone {
			n++
		}
		return gone
	})
	return n, nil
}
