package approval

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Gate says whether mail may go to groups and their members. It believes what it was told
// of a group for a few seconds, so that a decision holds on every node within that time.
// It is safe for concurrent use.
type Gate struct {
	service *Service
	lasts   time.Duration

	mu     sync.Mutex
	groups map[standingOf]standing
	many   map[tenant.ID]tally
}

type standingOf struct {
	tenant tenant.ID
	group  audience.GroupID
}

// standing is whether a group may be written to.
type standing struct {
	state State
	until time.Time
}

// tally is what is known of a tenant: whether it has groups at all, and when an approval
// was last taken back.
type tally struct {
	groups bool
	voided time.Time
	until  time.Time
}

// remembered bounds what a Gate keeps in memory; more only costs look-ups.
const remembered = 20_000

// inquiry is how many addresses are looked up at once; audience.GroupStore takes no more.
const inquiry = 1000

// NewGate makes the Gate of a Service; lasts is how long it believes what it was told, 0:
// 5 s. Service.Config.Decided may call Forget.
func NewGate(s *Service, lasts time.Duration) *Gate {
	if lasts <= 0 {
		lasts = 5 * time.Second
	}
	return &Gate{service: s, lasts: lasts, groups: map[standingOf]standing{}, many: map[tenant.ID]tally{}}
}

// Forget drops what is remembered of a tenant, here and now.
func (g *Gate) Forget(t tenant.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.many, t)
	for k := range g.groups {
		if k.tenant == t {
			delete(g.groups, k)
		}
	}
}

// Mail is one message that wants to go.
type Mail struct {
	Stream     tenant.Stream
	Group      audience.GroupID // whom the door named; zero: no group
	Recipients []message.Address
}

// asks reports whether there is anything to ask about the message.
func (a Mail) asks() bool { return !a.Group.IsZero() || a.Stream == tenant.Newsletter }

// Ruling is the answer to one Mail.
type Ruling struct {
	// Err is why the message may not go, a *fault.Error Forbidden; nil: it may.
	Err error
	// Free are recipients of a newsletter who are in no group at all: nobody has asked where
	// their addresses come from, so a tenant writes to few of them in a day.
	Free int
}

// Judge answers each Mail. Mail that names no group and is no newsletter costs nothing. An
// error means that nothing could be found out.
func (g *Gate) Judge(ctx context.Context, t tenant.ID, list []Mail) ([]Ruling, error) {
	rulings := make([]Ruling, len(list))
	if !slices.ContainsFunc(list, Mail.asks) {
		return rulings, nil
	}
	know, err := g.tallyOf(ctx, t)
	if err != nil {
		return nil, err
	}
	var in map[message.Address][]audience.GroupID
	if know.groups {
		if in, err = g.groupsOf(ctx, t, list); err != nil {
			return nil, err
		}
	}
	for i, a := range list {
		if !a.asks() {
			continue
		}
		if rulings[i], err = g.judge(ctx, t, a, in); err != nil {
			return nil, err
		}
	}
	return rulings, nil
}

// groupsOf looks up who is in which groups.
func (g *Gate) groupsOf(ctx context.Context, t tenant.ID, list []Mail) (map[message.Address][]audience.GroupID, error) {
	var addrs []message.Address
	for _, a := range list {
		if a.asks() {
			addrs = append(addrs, a.Recipients...)
		}
	}
	in := make(map[message.Address][]audience.GroupID, len(addrs))
	for part := range slices.Chunk(addrs, inquiry) {
		found, err := g.service.c.Groups.MemberOf(ctx, t, part)
		if err != nil {
			return nil, fmt.Errorf("find groups of recipients: %w", err)
		}
		for a, groups := range found {
			in[a] = groups
		}
	}
	return in, nil
}

func (g *Gate) judge(ctx context.Context, t tenant.ID, a Mail, in map[message.Address][]audience.GroupID) (Ruling, error) {
	if !a.Group.IsZero() {
		return g.judgeGroup(ctx, t, a, in)
	}
	var r Ruling
	for i, addr := range a.Recipients {
		groups := in[addr]
		if len(groups) == 0 {
			r.Free++
			continue
		}
		ok, worst, err := g.any(ctx, t, groups)
		if err != nil {
			return r, err
		}
		if !ok {
			r.Err = notApproved(worst, fmt.Sprintf("to/%d", i))
			return r, nil
		}
	}
	return r, nil
}

func (g *Gate) judgeGroup(ctx context.Context, t tenant.ID, a Mail, in map[message.Address][]audience.GroupID) (Ruling, error) {
	state, err := g.state(ctx, t, a.Group)
	if err != nil {
		return Ruling{}, err
	}
	if !state.MayBeWritten() {
		return Ruling{Err: notApproved(stated{a.Group, state}, "group_id")}, nil
	}
	for i, addr := range a.Recipients {
		if !slices.Contains(in[addr], a.Group) {
			return Ruling{Err: &fault.Error{Kind: fault.Forbidden, Code: CodeNotMember, Field: fmt.Sprintf("to/%d", i),
				Detail: "The recipient is not in the group " + a.Group.String() + "."}}, nil
		}
	}
	return Ruling{}, nil
}

// stated is a group in a state.
type stated struct {
	group audience.GroupID
	state State
}

// any reports whether one of the groups may be written to, and else which is to be named.
func (g *Gate) any(ctx context.Context, t tenant.ID, groups []audience.GroupID) (bool, stated, error) {
	var worst stated
	for _, one := range groups {
		state, err := g.state(ctx, t, one)
		if err != nil {
			return false, worst, err
		}
		if state.MayBeWritten() {
			return true, stated{}, nil
		}
		if worst.state == "" || state == Rejected {
			worst = stated{one, state}
		}
	}
	return false, worst, nil
}

// Path is where the account finds what to do about a group's approval.
func Path(g audience.GroupID) string { return "/groups/" + g.String() + "/approval" }

func notApproved(s stated, field string) *fault.Error {
	detail := "The group " + s.group.String() + " is not approved yet. Start or follow its approval in the office at " + Path(s.group) + "."
	if s.state == Rejected {
		detail = "The group " + s.group.String() + " cannot be written to; the reason stands in the office at " + Path(s.group) + "."
	}
	return &fault.Error{Kind: fault.Forbidden, Code: CodeNotApproved, Field: field, Detail: detail}
}

// NotFree refuses a newsletter to people in no group, beyond what a day allows.
func NotFree(allowed int64) *fault.Error {
	return fault.New(fault.Forbidden, CodeNotApproved, fmt.Sprintf(
		"Newsletters go to at most %d people a day who are in no approved group. Put the recipients into a group and start its approval in the office at /groups.", allowed))
}

// Held asks at the moment of sending whether a delivery must wait: its group is not
// approved, or its recipient's approval was taken back after acceptance. group is the text
// of a group's identifier as the door named it, "" for none. The reason is ReasonHeld or
// "". Mail that names no group and is no newsletter costs nothing, and of newsletters only
// those accepted before an approval was taken back.
func (g *Gate) Held(ctx context.Context, t tenant.ID, s tenant.Stream, group audience.GroupID, to message.Address, accepted time.Time) (string, error) {
	a := Mail{Stream: s, Group: group, Recipients: []message.Address{to}}
	if !a.asks() {
		return "", nil
	}
	if !group.IsZero() {
		state, err := g.state(ctx, t, group)
		if err != nil || state.MayBeWritten() {
			return "", err
		}
		return ReasonHeld, nil
	}
	know, err := g.tallyOf(ctx, t)
	if err != nil || !know.groups || know.voided.Before(accepted) {
		return "", err
	}
	rulings, err := g.Judge(ctx, t, []Mail{a})
	if err != nil || rulings[0].Err == nil {
		return "", err
	}
	return ReasonHeld, nil
}

// fresh reports whether what was remembered until an instant counts now. More than lasts:
// the clock has been set back since.
func (g *Gate) fresh(until, now time.Time) bool {
	left := until.Sub(now)
	return left > 0 && left <= g.lasts
}

func (g *Gate) tallyOf(ctx context.Context, t tenant.ID) (tally, error) {
	now := g.service.c.Now()
	g.mu.Lock()
	known, ok := g.many[t]
	g.mu.Unlock()
	if ok && g.fresh(known.until, now) {
		return known, nil
	}
	groups, err := g.service.c.Groups.Groups(ctx, t)
	if err != nil {
		return tally{}, fmt.Errorf("list groups: %w", err)
	}
	known = tally{groups: len(groups) > 0, until: now.Add(g.lasts)}
	if known.groups {
		if known.voided, err = g.service.c.Store.Voided(ctx, t); err != nil {
			return tally{}, fmt.Errorf("read when approvals were taken back: %w", err)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	makeRoom(g.many)
	g.many[t] = known
	return known, nil
}

// makeRoom keeps a map of what is remembered small.
func makeRoom[K comparable, V any](m map[K]V) {
	for k := range m {
		if len(m) < remembered {
			return
		}
		delete(m, k)
	}
}

// state is that of a group, Required for one that is not the tenant's.
func (g *Gate) state(ctx context.Context, t tenant.ID, group audience.GroupID) (State, error) {
	now := g.service.c.Now()
	of := standingOf{t, group}
	g.mu.Lock()
	known, ok := g.groups[of]
	g.mu.Unlock()
	if ok && g.fresh(known.until, now) {
		return known.state, nil
	}
	c, _, err := g.service.Case(ctx, t, group)
	switch {
	case fault.IsKind(err, fault.NotFound):
		c.State = Required
	case err != nil:
		return "", err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	makeRoom(g.groups)
	g.groups[of] = standing{c.State, now.Add(g.lasts)}
	return c.State, nil
}
