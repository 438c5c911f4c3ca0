package webtest

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/insight"
	"stafette/internal/ledger"
	"stafette/internal/pause"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/ticket"
	"stafette/internal/web"
	"stafette/internal/web/pauses"
	"stafette/internal/web/plans"
	"stafette/internal/web/tickets"
)

// limits are plans, pauses and tickets of both tenants: a plan nearly used, a group that is
// paused and one that was, and a ticket in each state.
type limits struct {
	w *World

	mu       sync.Mutex
	plan     ledger.Plan
	accounts map[tenant.ID]*ledger.Account
	entries  map[tenant.ID][]ledger.Entry
	rows     []ticket.Row
	lines    map[ticket.ID][]ticket.Line
	files    map[ticket.ID][]ticket.Exhibit
	pauses   []pause.Pause
	limits   map[tenant.ID]pause.Limits
	bounds   []pause.Bound

	ledger  *ledger.Service
	tickets *ticket.Service
	judge   *pause.Service
	own     ticket.ID
	foreign ticket.ID
	file    ticket.FileID
}

func limitsSubject() Subject {
	return Subject{
		Wire: func(w *World, c *web.Config) {
			l := w.limits()
			c.Plans = plans.Config{Ledger: l.ledger, Tenants: accountNames{w}, Held: func(context.Context, tenant.ID, int) (int, error) { return 3, nil }}
			c.Pauses = pauses.Config{Pauses: l.judge, Groups: l, Tenants: accountNames{w}}
			c.Tickets = tickets.Config{Tickets: l.tickets, People: accountNames{w}}
			c.Todos.Sources = append(c.Todos.Sources, insight.PlanUse{Ledger: l.ledger}, insight.PausedGroups{Pauses: l.judge, Groups: l}, insight.Tickets{Tickets: l.tickets})
			c.StaffTodos.Sources = append(c.StaffTodos.Sources, insight.Tickets{Tickets: l.tickets})
			c.Reviews.Locks = noLocks{}
		},
		Own: func(w *World) map[string]string {
			l := w.limits()
			return map[string]string{
				"/requests/{id}": "/requests/" + l.own.String(), "/requests/{id}/files/{file}": "/requests/" + l.own.String() + "/files/" + l.file.String(),
				"/platform/requests/{id}": "/platform/requests/" + l.own.String(), "/platform/requests/{id}/files/{file}": "/platform/requests/" + l.own.String() + "/files/" + l.file.String(),
				"/platform/plans/{plan}": "/platform/plans/" + l.plan.ID.String(),
			}
		},
		Foreign: func(w *World) map[string]string {
			l := w.limits()
			return map[string]string{"/requests/{id}": "/requests/" + l.foreign.String(), "/requests/{id}/files/{file}": "/requests/" + l.foreign.String() + "/files/" + l.file.String()}
		},
		Pages: func(*World) []string {
			return []string{"/plan?q=nichts", "/plan?sort=-amount", "/requests?state=closed", "/requests?q=%22%3E%3Cscript%3E", "/requests/new?category=approval&ref=/groups/x/approval",
				"/requests/new?category=%3Cb%3E&ref=//evil.example", "/requests/tkt_unknown"}
		},
	}
}

// noLocks locks nobody.
type noLocks struct{}

// Lock implements reviews.Locks.
func (noLocks) Lock(_ context.Context, _ tenant.ID, reason string) error {
	if len(reason) < 3 {
		return fault.Field("reason", "reason_malformed", "")
	}
	return nil
}

// LockedBy implements ticket.Locks.
func (noLocks) LockedBy(context.Context, tenant.ID) (string, error) { return "", nil }

// Unlock implements ticket.Locks.
func (noLocks) Unlock(context.Context, tenant.ID, string) error { return nil }

func (w *World) limits() *limits {
	w.limitsOnce.Do(func() { w.limitDesk = newLimits(w) })
	return w.limitDesk
}

func newLimits(w *World) *limits {
	ctx := context.Background()
	keeper, err := seal.New(bytes.Repeat([]byte{9}, seal.KeySize))
	must(err)
	l := &limits{w: w, accounts: map[tenant.ID]*ledger.Account{}, entries: map[tenant.ID][]ledger.Entry{}, lines: map[ticket.ID][]ticket.Line{},
		files: map[ticket.ID][]ticket.Exhibit{}, limits: map[tenant.ID]pause.Limits{}}
	l.ledger = ledger.New(ledger.Config{Store: l, Now: w.Now})
	l.tickets = ticket.New(ticket.Config{Store: l, Keeper: keeper, Locks: noLocks{}, Related: w.related, Now: w.Now})
	l.judge = pause.New(pause.Config{Store: l, Now: w.Now})
	l.plan, err = l.ledger.CreatePlan(ctx, ledger.Plan{Name: "Basis <script>", Included: 1000, Overage: ledger.Hold})
	must(err)
	for _, t := range []tenant.ID{w.Tenant.ID, w.Other.ID} {
		must(l.ledger.SetPlan(ctx, t, l.plan.ID, "usr_1"))
		must(l.ledger.Give(ctx, t, ledger.Goodwill, 50, "usr_1", "Störung <b>"))
		l.accounts[t].Take(900)
		l.accounts[t].Waiting = true
	}
	file := ticket.File{ID: ticket.FileID{1, 2, 3}, Name: "beleg <i>.txt", Type: "text/plain", Body: []byte("Zeile")}
	l.file = file.ID
	open := func(t tenant.Tenant, subject string) ticket.Ticket {
		k, err := l.tickets.Open(ctx, t, ticket.Wish{Category: ticket.Approval, Subject: subject, Ref: "/groups", Text: "Wie geht es <b>weiter</b>?", Files: []ticket.File{file}}, "usr_1")
		must(err)
		return k
	}
	l.foreign = open(w.Other, "Fremde Frage").ID
	answered := open(w.Tenant, "Beantwortet <script>")
	_, err = l.tickets.Reply(ctx, answered, "So geht es.", nil, "usr_2", true)
	must(err)
	_, err = l.tickets.Close(ctx, open(w.Tenant, "Geschlossen"), "", "usr_1", false)
	must(err)
	l.own = open(w.Tenant, "Was nun?").ID
	groups, err := w.Groups().List(ctx, w.Tenant.ID)
	must(err)
	for i, g := range groups {
		p := pause.Pause{Tenant: w.Tenant.ID, Group: g.ID, At: w.Now().Add(-time.Hour), Cause: pause.Causes()[i%3], Figures: pause.Figures{Sent: 1000, Hard: 20, Complaints: 5, Unsubscribes: 60, Hours: 168}}
		if i%2 == 1 {
			p.ReleasedAt, p.Self, p.Note = w.Now(), true, "Liste <b>bereinigt"
		}
		l.pauses = append(l.pauses, p)
	}
	return l
}

// Group implements pauses.Groups.
func (l *limits) Group(ctx context.Context, t tenant.ID, g audience.GroupID) (audience.Group, error) {
	list, err := l.w.Groups().List(ctx, t)
	for _, one := range list {
		if one.ID == g {
			return one, nil
		}
	}
	if err == nil {
		err = fault.New(fault.NotFound, "group_not_found", "")
	}
	return audience.Group{}, err
}

// Plans implements ledger.Store.
func (l *limits) Plans(context.Context) ([]ledger.Plan, error) { return []ledger.Plan{l.plan}, nil }

// PutPlan implements ledger.Store.
func (l *limits) PutPlan(context.Context, ledger.Plan) error { return nil }

// RetirePlan implements ledger.Store.
func (l *limits) RetirePlan(context.Context, ledger.PlanID, time.Time) error { return nil }

// Account implements ledger.Store.
func (l *limits) Account(_ context.Context, t tenant.ID) (ledger.Account, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.accounts[t]; a != nil {
		return *a, nil
	}
	return ledger.Account{Tenant: t}, nil
}

// Accounts implements ledger.Store.
func (l *limits) Accounts(context.Context, int) (list []ledger.Account, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.accounts {
		list = append(list, *a)
	}
	return list, nil
}

// Book implements ledger.Store.
func (l *limits) Book(_ context.Context, t tenant.ID, change func(*ledger.Account, []ledger.Entry) ([]ledger.Entry, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.accounts[t] == nil {
		l.accounts[t] = &ledger.Account{Tenant: t}
	}
	list, err := change(l.accounts[t], slices.Clone(l.entries[t]))
	if err == nil {
		l.entries[t] = append(l.entries[t], list...)
	}
	return err
}

// Entries implements ledger.Store.
func (l *limits) Entries(_ context.Context, t tenant.ID, _ int) ([]ledger.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := slices.Clone(l.entries[t])
	slices.Reverse(list)
	return list, nil
}

// Charges implements ledger.Store.
func (l *limits) Charges(_ context.Context, t tenant.ID, _ time.Time) ([]ledger.Charged, error) {
	if t != l.w.Tenant.ID {
		return nil, nil
	}
	return []ledger.Charged{{Day: l.w.Now().UTC().Truncate(24 * time.Hour), Included: 900}}, nil
}

// Warned implements ledger.Store.
func (l *limits) Warned(context.Context, tenant.ID, int) error { return nil }

// WaitingAccounts implements ledger.Store.
func (l *limits) WaitingAccounts(context.Context, int) ([]tenant.ID, error) { return nil, nil }

// ReleaseCharged implements ledger.Store.
func (l *limits) ReleaseCharged(context.Context, tenant.ID, int, time.Time) (int, error) {
	return 0, nil
}

func noTicket() error { return fault.New(fault.NotFound, ticket.CodeUnknown, "") }

func (l *limits) find(ok func(ticket.Row) bool) (list []ticket.Row) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.rows {
		if ok(r) {
			list = append(list, r)
		}
	}
	return list
}

// Ticket implements ticket.Store.
func (l *limits) Ticket(_ context.Context, t tenant.ID, k ticket.ID) (ticket.Row, error) {
	if list := l.find(func(r ticket.Row) bool { return r.ID == k && r.Tenant == t }); len(list) > 0 {
		return list[0], nil
	}
	return ticket.Row{}, noTicket()
}

// TicketOf implements ticket.Store.
func (l *limits) TicketOf(_ context.Context, k ticket.ID) (ticket.Row, error) {
	if list := l.find(func(r ticket.Row) bool { return r.ID == k }); len(list) > 0 {
		return list[0], nil
	}
	return ticket.Row{}, noTicket()
}

// Tickets implements ticket.Store.
func (l *limits) Tickets(_ context.Context, t tenant.ID, _ int) ([]ticket.Row, error) {
	return l.find(func(r ticket.Row) bool { return r.Tenant == t }), nil
}

// TicketsIn implements ticket.Store.
func (l *limits) TicketsIn(_ context.Context, states []ticket.State, _ int) ([]ticket.Row, error) {
	return l.find(func(r ticket.Row) bool { return slices.Contains(states, r.State) }), nil
}

// SaveTicket implements ticket.Store.
func (l *limits) SaveTicket(_ context.Context, r ticket.Row, line ticket.Line, files []ticket.Exhibit) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rows = append(slices.DeleteFunc(l.rows, func(old ticket.Row) bool { return old.ID == r.ID }), r)
	l.lines[r.ID] = append(l.lines[r.ID], line)
	l.files[r.ID] = append(l.files[r.ID], files...)
	return nil
}

// RewriteTicket implements ticket.Store.
func (l *limits) RewriteTicket(_ context.Context, r ticket.Row, lines []ticket.Line) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rows = append(slices.DeleteFunc(l.rows, func(old ticket.Row) bool { return old.ID == r.ID }), r)
	l.lines[r.ID] = lines
	return nil
}

// TicketEntries implements ticket.Store.
func (l *limits) TicketEntries(_ context.Context, _ tenant.ID, k ticket.ID) ([]ticket.Line, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines[k]), nil
}

// TicketFiles implements ticket.Store.
func (l *limits) TicketFiles(_ context.Context, _ tenant.ID, k ticket.ID) (list []ticket.Exhibit, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.files[k] {
		x.Body = nil
		list = append(list, x)
	}
	return list, nil
}

// TicketFile implements ticket.Store.
func (l *limits) TicketFile(_ context.Context, _ tenant.ID, k ticket.ID, f ticket.FileID) (ticket.Exhibit, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.files[k] {
		if x.ID == f {
			return x, nil
		}
	}
	return ticket.Exhibit{}, noTicket()
}

// DropTickets implements ticket.Store.
func (l *limits) DropTickets(context.Context, time.Time, int) (int, error) { return 0, nil }

// GroupFigures implements pause.Store.
func (l *limits) GroupFigures(context.Context, tenant.ID, audience.GroupID, time.Time) (pause.Figures, error) {
	return pause.Figures{Sent: 1000, Hard: 4, Complaints: 2, Unsubscribes: 7}, nil
}

// StirredGroups implements pause.Store.
func (l *limits) StirredGroups(context.Context, time.Time) ([]pause.GroupOf, error) { return nil, nil }

// PutPause implements pause.Store.
func (l *limits) PutPause(context.Context, pause.Pause) (bool, error) { return false, nil }

// PausesOf implements pause.Store.
func (l *limits) PausesOf(_ context.Context, t tenant.ID) (list []pause.Pause, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.pauses {
		if p.Tenant == t {
			list = append(list, p)
		}
	}
	return list, nil
}

// Pauses implements pause.Store.
func (l *limits) Pauses(context.Context) ([]pause.Pause, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.pauses), nil
}

// EndPause implements pause.Store.
func (l *limits) EndPause(_ context.Context, p pause.Pause) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, old := range l.pauses {
		if old.Group == p.Group && old.InForce() {
			l.pauses[i] = p
		}
	}
	return nil
}

// UnfreedPauses implements pause.Store.
func (l *limits) UnfreedPauses(context.Context) ([]pause.Pause, error) { return nil, nil }

// FreePaused implements pause.Store.
func (l *limits) FreePaused(context.Context, tenant.ID, audience.GroupID, int, time.Time) (int, error) {
	return 0, nil
}

// PauseFreed implements pause.Store.
func (l *limits) PauseFreed(context.Context, pause.Pause) error { return nil }

// GroupLimits implements pause.Store.
func (l *limits) GroupLimits(_ context.Context, t tenant.ID) (pause.Limits, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, ok := l.limits[t]
	return v, ok, nil
}

// PutGroupLimits implements pause.Store.
func (l *limits) PutGroupLimits(_ context.Context, t tenant.ID, v *pause.Limits) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if delete(l.limits, t); v != nil {
		l.limits[t] = *v
	}
	return nil
}

// GroupBounds implements pause.Store.
func (l *limits) GroupBounds(_ context.Context, t tenant.ID) (list []pause.Bound, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.bounds {
		if b.Tenant == t {
			list = append(list, b)
		}
	}
	return list, nil
}

// PutGroupBound implements pause.Store.
func (l *limits) PutGroupBound(_ context.Context, b pause.Bound) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bounds = slices.DeleteFunc(l.bounds, func(o pause.Bound) bool { return o.Tenant == b.Tenant && o.Group == b.Group && o.Staff == b.Staff })
	if b.Shares != (pause.Shares{}) {
		l.bounds = append(l.bounds, b)
	}
	return nil
}

// DropGroupTallies implements pause.Store.
func (l *limits) DropGroupTallies(context.Context, time.Time) error { return nil }
