package queue

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Caller is who commands: a person or key of a tenant, or staff of the platform.
type Caller struct {
	Tenant   tenant.ID // whose mail; zero with Platform: everybody's
	Platform bool
	Actor    string // as in events
}

// Act is what is to be done with which deliveries.
type Act struct {
	Command Command
	// Which deliveries. Limit and After are not used; Before is set by Preview.
	Selection Selection
	// Site is where the mail goes, as lanes name it. Suspend and Reroute keep it; for the
	// others Preview finds the domains whose mail goes there now.
	Site    string
	Order   OrderID   `json:",omitzero"` // Resume: the order to end instead of a Selection
	Pool    string    // Reroute
	NextHop string    // Reroute
	Expires time.Time // Suspend and Reroute: zero: until ended
	Reason  string
}

// Survey counts what a Selection matches now.
type Survey struct {
	Total   int64
	States  map[event.State]int64
	Tenants []Tally // by count, most first
	Domains []Tally // by count, most first, at most 20
	// Oldest is when the oldest was accepted; zero if there is none.
	Oldest time.Time
	Sample []Listed // at most 20
	// Sampled: Domains and Oldest are taken from a sample: there is too much to look at
	// all of it.
	Sampled bool
	// Estimated: so are Total, States and Tenants.
	Estimated bool
}

// Tally is a name with how many deliveries bear it.
type Tally struct {
	Name   string
	Tenant tenant.ID // in a list of tenants
	Count  int64
}

// Preview is what an act would touch, and the token that lets exactly that happen.
type Preview struct {
	Act   Act
	Order *Order // that Resume would end
	Survey
	Token   string
	Expires time.Time // of the token
}

// LogKind is the kind of identifiers in the log of commands.
type LogKind struct{}

// Prefix implements id.Kind.
func (LogKind) Prefix() string { return "cmd" }

// LogID names an entry of the log of commands.
type LogID = id.Of[LogKind]

// LogEntry is one command as the log of commands keeps it.
type LogEntry struct {
	ID       LogID
	Tenant   tenant.ID // the caller's; zero for staff
	At       time.Time
	Actor    string
	Act      Act
	Reason   string
	Planned  int64     // deliveries of the preview
	Changed  int64     // so far
	Finished time.Time // zero: under way, or cut short
	Order    OrderID   // begun or ended
}

// Undo names the command that takes the entry's back, "" if none does.
func (l *LogEntry) Undo() Command {
	switch l.Act.Command {
	case Hold, Suspend, Reroute:
		return Resume
	case Resume:
		return Hold
	}
	return ""
}

// OperatorStore is what an Operator needs of the database.
type OperatorStore interface {
	OrderReader
	// ApplyNoted is Apply of Store with the reason that was given, which the events keep;
	// one call changes at most Selection.Limit. What was changed is told as it was found.
	ApplyNoted(ctx context.Context, c Command, sel Selection, actor, note string, now time.Time) ([]Listed, error)
	// Survey counts the deliveries of the selection that are in one of the states.
	Survey(ctx context.Context, sel Selection, states []event.State) (Survey, error)
	// WaitingDomains counts the same deliveries by the recipient's domain, most first. It
	// reads all of them.
	WaitingDomains(ctx context.Context, sel Selection, states []event.State) ([]Tally, error)
	// PutOrder begins an order. One that there is already, even if it has ended, stays as
	// it is.
	PutOrder(ctx context.Context, o Order) error
	// EndOrder ends an order that holds, given by the tenant or, with the zero tenant,
	// by anybody, and returns it; NotFound "order_not_found".
	EndOrder(ctx context.Context, giver tenant.ID, o OrderID, by string, now time.Time) (Order, error)
	// PutLog writes an entry or brings it up to date.
	PutLog(ctx context.Context, l LogEntry) error
	// Log returns a tenant's entries, or with the zero tenant everybody's, from new to
	// old, at most limit.
	Log(ctx context.Context, t tenant.ID, limit int) ([]LogEntry, error)
}

// Sealer makes tokens that nobody can forge; *seal.Keeper is one.
type Sealer interface {
	Seal(plain []byte, context string) []byte
	Open(sealed []byte, context string) ([]byte, error)
}

// OperatorConfig of an Operator. Store, Sealer and Now are demanded.
type OperatorConfig struct {
	Store  OperatorStore
	Sealer Sealer
	Now    func() time.Time
	// CheckDetour refuses a pool or next hop that does not exist; nil takes any.
	CheckDetour func(pool, nextHop string) error
	// SiteOf names the site that mail for a domain goes to now, "" if there is none; nil
	// where only Suspend and Reroute are to know sites.
	SiteOf func(ctx context.Context, domain string) string
	// Spread is how long an order's end takes to be known on every node; what it held up
	// falls due only then. 0: 2 s.
	Spread time.Duration
	// Changed is called when deliveries may have fallen due or orders changed; may be nil.
	Changed func(ctx context.Context)
}

// Operator does what people command, always in two steps: Preview shows what would be
// touched, Perform does that and nothing more. It is safe for concurrent use.
type Operator struct{ c OperatorConfig }

// NewOperator makes an Operator.
func NewOperator(c OperatorConfig) *Operator {
	if c.Spread <= 0 {
		c.Spread = 2 * orderPoll
	}
	return &Operator{c}
}

const (
	// previewLife is how long what was shown may be done.
	previewLife = 15 * time.Minute
	// commandBatch is how many deliveries one transaction changes.
	commandBatch = 500
	sealContext  = "queue/preview"
	maxReason    = 500
)

// plan is what a token says.
type plan struct {
	Act      Act
	Tenant   tenant.ID `json:",omitzero"`
	Platform bool
	Actor    string
	At       time.Time
	Total    int64
	Open     bool // Total is an estimate and bounds nothing
	Tenants  []tenant.ID
	// Order and Log name what performing begins, so that the same token does not begin
	// a second one.
	Order OrderID `json:",omitzero"`
	Log   LogID   `json:",omitzero"`
}

// From lists the states that a command applies to.
func (c Command) From() []event.State {
	switch c {
	case Hold, Suspend, Reroute, Due:
		return []event.State{event.Queued, event.Deferred}
	case Resume:
		return []event.State{event.Held}
	case Cancel:
		return []event.State{event.Queued, event.Deferred, event.Held}
	case Retry:
		return []event.State{event.Deferred}
	}
	return nil
}

// Preview shows what an act would touch. Refusals are *fault.Error.
func (o *Operator) Preview(ctx context.Context, by Caller, a Act) (Preview, error) {
	now := o.c.Now()
	if err := o.check(by, &a, now); err != nil {
		return Preview{}, err
	}
	v := Preview{Act: a, Expires: now.Add(previewLife)}
	sel, states := a.Selection, a.Command.From()
	if !a.Order.IsZero() {
		order, err := o.orderOf(ctx, by, a.Order, now)
		if err != nil {
			return v, err
		}
		v.Order, sel, states = &order, order.Scope.selection(), Due.From()
	}
	if a.Site != "" && !a.standing() {
		if err := o.bindSite(ctx, &a); err != nil {
			return v, err
		}
		v.Act, sel = a, a.Selection
	}
	var err error
	if v.Survey, err = o.c.Store.Survey(ctx, sel, states); err != nil {
		return v, fmt.Errorf("preview %s: %w", a.Command, err)
	}
	p := plan{Act: a, Tenant: by.Tenant, Platform: by.Platform, Actor: by.Actor, At: now, Total: v.Total, Open: v.Estimated}
	if a.standing() {
		p.Order, p.Log = id.New[OrderKind](now), id.New[LogKind](now)
	}
	for _, t := range v.Tenants {
		p.Tenants = append(p.Tenants, t.Tenant)
	}
	text, err := json.Marshal(p)
	if err != nil {
		return v, fmt.Errorf("preview %s: %w", a.Command, err)
	}
	v.Token = base64.RawURLEncoding.EncodeToString(o.c.Sealer.Seal(text, sealContext))
	return v, nil
}

func (o *Operator) orderOf(ctx context.Context, by Caller, want OrderID, now time.Time) (Order, error) {
	list, err := o.c.Store.Orders(ctx, by.Tenant, now, false)
	if err != nil {
		return Order{}, fmt.Errorf("find order: %w", err)
	}
	if i := slices.IndexFunc(list, func(v Order) bool { return v.ID == want }); i >= 0 {
		return list[i], nil
	}
	return Order{}, fault.New(fault.NotFound, "order_not_found", "There is no such order in force.")
}

// selection is the scope as far as the database can tell: without the site.
func (c Scope) selection() Selection {
	return Selection{Tenant: c.Tenant, Platform: c.Tenant.IsZero(), Stream: c.Stream, Tag: c.Tag, Domain: c.Domain}
}

// check refuses what makes no sense and binds the act to the caller's mail.
func (o *Operator) check(by Caller, a *Act, now time.Time) error {
	sel := &a.Selection
	if by.Platform == !by.Tenant.IsZero() {
		return fmt.Errorf("caller %q is neither a tenant nor the platform", by.Actor)
	}
	if !by.Platform {
		sel.Tenant = by.Tenant
	}
	sel.Platform = sel.Tenant.IsZero()
	sel.Before, sel.Limit, sel.After, sel.AfterDue = now.Add(time.Millisecond), 0, message.DeliveryID{}, time.Time{}
	sel.Domain, sel.Domains = strings.ToLower(sel.Domain), nil
	standing := a.standing()
	refuse := func(field, code, detail string) error { return fault.Field(field, code, detail) }
	switch {
	case a.Command.From() == nil || a.Command == Due:
		return refuse("command", "command_unknown", "There is no such command.")
	case a.Command == Reroute && !by.Platform:
		return fault.New(fault.Forbidden, "permission_missing", "Only staff of the platform change the way mail takes.")
	case len(a.Reason) > maxReason || strings.ContainsFunc(a.Reason, func(r rune) bool { return r < ' ' }):
		return refuse("reason", "text_too_long", "The reason is a line of at most 500 bytes.")
	case !a.Order.IsZero() && a.Command != Resume:
		return refuse("order", "order_not_resumed", "An order can only be ended, by resume.")
	case a.Site != "" && !a.Order.IsZero():
		return refuse("site", "site_not_asked", "An order is ended whole, whatever its sites.")
	case standing && (!sel.Message.IsZero() || !sel.Delivery.IsZero() || len(sel.States) > 0):
		return refuse("selection", "order_too_narrow", "An order is about tenants, streams, tags, domains or sites; hold single deliveries instead.")
	case !a.Expires.IsZero() && !a.Expires.After(now):
		return refuse("expires_at", "time_past", "The order would be over already.")
	case a.Command == Reroute && (a.Pool == "") == (a.NextHop == ""):
		return refuse("next_hop", "detour_missing", "Name either a pool or a next hop.")
	case a.Command == Reroute && a.Expires.IsZero():
		return refuse("expires_at", "expiry_missing", "Say until when mail takes the other way.")
	case a.Command == Reroute && o.c.CheckDetour != nil:
		return o.c.CheckDetour(a.Pool, a.NextHop)
	}
	return nil
}

// standing reports whether the act begins an order.
func (a *Act) standing() bool { return a.Command == Suspend || a.Command == Reroute }

// Perform does what a preview showed, no more than it showed, and returns its entry in
// the log. An order begins once: the same token again changes nothing and returns the
// same entry. Where the preview could only estimate, there is no bound but that nothing
// accepted after it is touched. Progress, if not nil, is told how many deliveries were changed so far.
// Deliveries that came to their end meanwhile are left out. If it is cut short, what
// was changed stays so; the same token may be used again.
func (o *Operator) Perform(ctx context.Context, by Caller, token string, progress func(changed, planned int64)) (LogEntry, error) {
	p, err := o.read(by, token)
	if err != nil {
		return LogEntry{}, err
	}
	now := o.c.Now()
	l := LogEntry{ID: id.New[LogKind](now), Tenant: by.Tenant, At: now, Actor: by.Actor, Act: p.Act, Reason: p.Act.Reason, Planned: p.Total}
	if !p.Log.IsZero() {
		l.ID = p.Log
	}
	if progress == nil {
		progress = func(int64, int64) {}
	}
	command, sel := p.Act.Command, p.Act.Selection
	switch {
	case p.Act.standing():
		l.Order = p.Order
		if err := o.begin(ctx, by, p, now); err != nil {
			return l, err
		}
	case !p.Act.Order.IsZero():
		order, err := o.c.Store.EndOrder(ctx, by.Tenant, p.Act.Order, by.Actor, now)
		if err != nil {
			return l, fmt.Errorf("end order: %w", err)
		}
		o.changed(ctx) // before what it held up falls due
		l.Order, command, sel = order.ID, Due, order.Scope.selection()
		sel.Before, p.Open = time.Time{}, true
	}
	if err := o.c.Store.PutLog(ctx, l); err != nil {
		return l, fmt.Errorf("log command: %w", err)
	}
	if command == Due {
		err = o.spread(ctx) // a node that does not know yet would put it off again
	}
	if err == nil && !p.Act.standing() {
		err = o.run(ctx, command, sel, p, &l, progress)
	}
	if err == nil {
		l.Finished = o.c.Now()
	}
	o.changed(ctx)
	// What was done is told even if the caller has gone.
	if e := o.c.Store.PutLog(context.WithoutCancel(ctx), l); err == nil && e != nil {
		err = fmt.Errorf("log command: %w", e)
	}
	return l, err
}

func (o *Operator) spread(ctx context.Context) error {
	t := time.NewTimer(o.c.Spread)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (o *Operator) changed(ctx context.Context) {
	if o.c.Changed != nil {
		o.c.Changed(ctx)
	}
}

func (o *Operator) read(by Caller, token string) (plan, error) {
	var p plan
	stale := fault.New(fault.Conflict, "preview_stale", "What was shown is too old or is not yours; look again first.")
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return p, stale
	}
	text, err := o.c.Sealer.Open(sealed, sealContext)
	if err != nil || json.Unmarshal(text, &p) != nil {
		return p, stale
	}
	age := o.c.Now().Sub(p.At)
	if p.Tenant != by.Tenant || p.Platform != by.Platform || p.Actor != by.Actor || age < 0 || age > previewLife {
		return p, stale
	}
	return p, nil
}

// begin makes an order of a plan.
func (o *Operator) begin(ctx context.Context, by Caller, p plan, now time.Time) error {
	a, sel := p.Act, p.Act.Selection
	order := Order{
		ID: p.Order, Giver: by.Tenant, Command: a.Command, Pool: a.Pool, NextHop: a.NextHop,
		Scope: Scope{Tenant: sel.Tenant, Stream: sel.Stream, Tag: sel.Tag, Domain: sel.Domain, Site: a.Site},
		Actor: by.Actor, Reason: a.Reason, Created: now, Expires: a.Expires,
	}
	if err := o.c.Store.PutOrder(ctx, order); err != nil {
		return fmt.Errorf("begin order: %w", err)
	}
	return nil
}

// run applies a command in transactions of bounded size, tenant by tenant.
func (o *Operator) run(ctx context.Context, c Command, sel Selection, p plan, l *LogEntry, progress func(changed, planned int64)) error {
	tenants := p.Tenants
	if !sel.Tenant.IsZero() {
		tenants = []tenant.ID{sel.Tenant}
	}
	for _, t := range tenants {
		part := sel
		part.Tenant, part.Platform = t, false
		for _, state := range c.From() {
			if len(sel.States) > 0 && !slices.Contains(sel.States, state) {
				continue
			}
			part.States = []event.State{state}
			if err := o.runState(ctx, c, part, p, l, progress); err != nil {
				return err
			}
		}
	}
	return nil
}

// runState applies a command to one state of one tenant. Each part goes on where the one
// before ended, so that nothing is looked at once for every part; then the front is looked
// at again for what came back into it.
func (o *Operator) runState(ctx context.Context, c Command, part Selection, p plan, l *LogEntry, progress func(changed, planned int64)) error {
	for {
		part.Limit = commandBatch
		if !p.Open {
			part.Limit = int(min(p.Total-l.Changed, commandBatch))
		}
		if part.Limit <= 0 {
			return nil
		}
		changed, err := o.c.Store.ApplyNoted(ctx, c, part, l.Actor, l.Reason, o.c.Now())
		if err != nil {
			return err
		}
		l.Changed += int64(len(changed))
		progress(l.Changed, l.Planned)
		switch {
		case len(changed) == part.Limit:
			last := changed[len(changed)-1]
			part.After, part.AfterDue = last.Delivery, last.DueAt
		case part.After.IsZero() || c == Retry: // what was made due is still deferred
			return nil
		default:
			part.After, part.AfterDue = message.DeliveryID{}, time.Time{}
		}
		if err := o.c.Store.PutLog(ctx, *l); err != nil {
			return fmt.Errorf("log command: %w", err)
		}
	}
}

// SortTallies puts the greatest first, equal ones by name.
func SortTallies(list []Tally) {
	slices.SortFunc(list, func(a, b Tally) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name)) })
}

// Orders returns the orders the caller may see, from new to old.
func (o *Operator) Orders(ctx context.Context, by Caller, ended bool) ([]Order, error) {
	return o.c.Store.Orders(ctx, by.Tenant, o.c.Now(), ended)
}

// Log returns the caller's last commands, staff those of everybody.
func (o *Operator) Log(ctx context.Context, by Caller, limit int) ([]LogEntry, error) {
	return o.c.Store.Log(ctx, by.Tenant, limit)
}
