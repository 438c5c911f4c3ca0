package series

import (
	"context"
	"fmt"
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// door is how mail of series comes in.
const door = "series"

// lot is runs that stand at one step of one version.
type lot struct {
	v    Series // its Version and Definition are those of the lot
	step Step
	i    int // of the step
	zone *time.Location
	key  string // of the field with the zone of contacts, where the step goes by it
	now  time.Time
	runs []Run
	// people are their contacts, all of whom are there.
	people map[audience.ContactID]audience.Contact
}

// advance moves runs that are due by one step each. stop is what holds for all of them.
func (s *Service) advance(ctx context.Context, v Series, runs []Run, zone *time.Location) (stop, err error) {
	if len(runs) == 0 {
		return nil, nil
	}
	runs, people, err := s.stops(ctx, v, runs)
	if err != nil {
		return nil, err
	}
	lots, err := s.lots(ctx, v, runs)
	if err != nil {
		return nil, err
	}
	for _, l := range lots {
		l.zone, l.now, l.people = zone, s.stamp(), people
		if l.step.Local {
			if l.key, err = s.zoneKey(ctx, v.Tenant); err != nil {
				return nil, err
			}
		}
		if stop, err = s.do(ctx, l); stop != nil || err != nil {
			return stop, err
		}
	}
	return nil, nil
}

// stops ends the runs of those who get nothing more, and returns the others.
func (s *Service) stops(ctx context.Context, v Series, runs []Run) (left []Run, people map[audience.ContactID]audience.Contact, err error) {
	list := make([]audience.ContactID, len(runs))
	for i, r := range runs {
		list[i] = r.Contact
	}
	if people, err = s.c.Store.SeriesContacts(ctx, v.Tenant, list); err != nil {
		return nil, nil, err
	}
	members, err := s.c.Store.InGroup(ctx, v.Tenant, v.Group, list)
	if err != nil {
		return nil, nil, err
	}
	replied, err := s.c.Store.Replied(ctx, v.Tenant, v.ID, runs)
	if err != nil {
		return nil, nil, err
	}
	now := s.stamp()
	var addresses []message.Address
	for _, p := range people {
		addresses = append(addresses, p.Main())
	}
	suppressed, err := s.c.Store.Suppressed(ctx, v.Tenant, tenant.Newsletter, addresses, now)
	if err != nil {
		return nil, nil, err
	}
	var ended []Move
	for _, r := range runs {
		p, there := people[r.Contact]
		var reason string
		switch {
		case !there:
			reason = ReasonGone
		case suppressed[p.Main()] != "":
			reason = suppressed[p.Main()]
		case !members[r.Contact]:
			reason = ReasonLeft
		case replied[r.Contact]:
			reason = ReasonReplied
		default:
			left = append(left, r)
			continue
		}
		ended = append(ended, Move{Run: over(r, reason, now)})
	}
	if len(ended) > 0 {
		err = s.c.Store.MoveRuns(ctx, v.Tenant, v.ID, ended)
	}
	return left, people, err
}

// lots sorts runs by version and step. Those that are to switch do so here.
func (s *Service) lots(ctx context.Context, v Series, runs []Run) ([]*lot, error) {
	type place struct {
		version int64
		step    string
	}
	at := map[place]*lot{}
	var list []*lot
	var lost []Move
	for _, r := range runs {
		d, err := s.version(ctx, v, r.Version)
		if err != nil {
			return nil, err
		}
		if r.Version < v.Since {
			r.Step, r.Version = succeeds(d, v.Definition, r.Step), v.Version
			d = v.Definition
		}
		step, i := d.Step(r.Step)
		if i < 0 {
			lost = append(lost, Move{Run: over(r, ReasonEnd, s.stamp())})
			continue
		}
		key := place{r.Version, r.Step}
		if at[key] == nil {
			of := v
			of.Version, of.Definition = r.Version, d
			at[key] = &lot{v: of, step: step, i: i}
			list = append(list, at[key])
		}
		at[key].runs = append(at[key].runs, r)
	}
	if len(lost) > 0 {
		if err := s.c.Store.MoveRuns(ctx, v.Tenant, v.ID, lost); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// succeeds is the step of a new version at which a run goes on that stands at a step of an old
// one: the same, else the next after it that is left; "" for none.
func succeeds(old, d Definition, key string) string {
	_, i := old.Step(key)
	for ; i >= 0 && i < len(old.Steps); i++ {
		if _, j := d.Step(old.Steps[i].Key); j >= 0 {
			return old.Steps[i].Key
		}
	}
	return ""
}

// do does the step of a lot. stop is what holds for all of the series.
func (s *Service) do(ctx context.Context, l *lot) (stop, err error) {
	var moves []Move
	switch l.step.Do {
	case Wait:
		moves = l.wait()
	case Check:
		moves, err = s.check(ctx, l)
	case Tag, Untag:
		moves, err = s.tag(ctx, l)
	case Send:
		return s.send(ctx, l)
	case End:
		for _, r := range l.runs {
			moves = append(moves, Move{over(r, ReasonEnd, l.now), l.deed(r, Passed, "")})
		}
	}
	if err != nil {
		return nil, err
	}
	return nil, s.c.Store.MoveRuns(ctx, l.v.Tenant, l.v.ID, moves)
}

func (l *lot) deed(r Run, o Outcome, reason string) Deed {
	return Deed{Contact: r.Contact, Entry: r.Entry, Step: l.step.Key, Outcome: o, Reason: reason, Form: l.step.Form, At: l.now}
}

// next is a run behind the step.
func (l *lot) next(r Run) Run { return l.v.Definition.arrive(r, l.i+1, l.now) }

// zoneKey is the key of the field in which contacts have their zone, "" if there is none.
func (s *Service) zoneKey(ctx context.Context, t tenant.ID) (string, error) {
	declared, err := s.c.Store.Fields(ctx, t)
	if err != nil {
		return "", fmt.Errorf("read fields: %w", err)
	}
	return audience.ZoneKey(declared), nil
}

func (l *lot) wait() (moves []Move) {
	for _, r := range l.runs {
		if until := l.step.until(r.At, l.step.clock(l.people[r.Contact], l.key, l.zone)); until.After(l.now) {
			r.DueAt = until
			moves = append(moves, Move{Run: r})
			continue
		}
		moves = append(moves, Move{l.next(r), l.deed(r, Passed, "")})
	}
	return moves
}

func (s *Service) check(ctx context.Context, l *lot) (moves []Move, err error) {
	var holds map[audience.ContactID]bool
	if l.step.Filter != nil {
		list := make([]audience.ContactID, len(l.runs))
		for i, r := range l.runs {
			list[i] = r.Contact
		}
		holds, err = s.c.Store.Picked(ctx, l.v.Tenant, *l.step.Filter, list)
	} else {
		holds, err = s.c.Store.Acted(ctx, l.v.Tenant, l.v.ID, l.step.Of, l.step.Did, l.runs)
	}
	if err != nil {
		return nil, err
	}
	_, other := l.v.Definition.Step(l.step.Else)
	for _, r := range l.runs {
		if holds[r.Contact] {
			moves = append(moves, Move{l.next(r), l.deed(r, Yes, "")})
			continue
		}
		moves = append(moves, Move{l.v.Definition.arrive(r, other, l.now), l.deed(r, No, "")})
	}
	return moves, nil
}

// tag changes contacts one by one. Who is changed by somebody else at the same moment has
// their turn again; who cannot have the tag goes on without it.
func (s *Service) tag(ctx context.Context, l *lot) (moves []Move, err error) {
	for _, r := range l.runs {
		p := l.people[r.Contact]
		has := slices.Contains(p.Tags, l.step.Tag)
		reason := ""
		if has != (l.step.Do == Tag) {
			p.Tags = slices.Clone(p.Tags)
			if has {
				p.Tags = slices.DeleteFunc(p.Tags, func(t string) bool { return t == l.step.Tag })
			} else {
				p.Tags = append(p.Tags, l.step.Tag)
			}
			_, err := s.c.Contacts.Change(ctx, l.v.Tenant, p, l.v.ID.String())
			f := fault.As(err)
			switch {
			case err == nil:
			case f != nil && f.Kind == fault.Invalid:
				reason = f.Code
			case f != nil && (f.Kind == fault.Conflict || f.Kind == fault.NotFound):
				r.DueAt = l.now.Add(time.Minute)
				moves = append(moves, Move{Run: r})
				continue
			default:
				return moves, err
			}
		}
		moves = append(moves, Move{l.next(r), l.deed(r, Passed, reason)})
	}
	return moves, nil
}

// send hands the mail of a lot over: it is written down with its identifier first, so that
// whoever does this again, after whatever, hands over the same mail and no other.
func (s *Service) send(ctx context.Context, l *lot) (stop, err error) {
	mailing := l.v.mailing(l.step)
	people := make([]audience.Contact, len(l.runs))
	for i, r := range l.runs {
		people[i] = l.people[r.Contact]
	}
	why, err := s.c.Letters.Reasons(ctx, mailing, people)
	if err != nil {
		return nil, err
	}
	names := make([]Move, len(l.runs))
	for i, r := range l.runs {
		names[i] = Move{r, l.deed(r, Naming, "")}
		if reason := why[r.Contact]; reason != "" {
			names[i].Deed.Outcome, names[i].Deed.Reason = Excluded, reason
		} else {
			names[i].Deed.Delivery = message.Delivery(message.NewID(l.now), 1)
		}
	}
	stand, err := s.c.Store.NameMails(ctx, l.v.Tenant, l.v.ID, names)
	if err != nil {
		return nil, err
	}
	var moves, asked []Move
	var to []campaign.Addressee
	for i, d := range stand {
		r := l.runs[i]
		switch {
		case d.Step == "": // somebody else has moved it
		case d.Outcome != Naming:
			moves = append(moves, Move{l.next(r), d})
		case d.Known:
			d.Outcome = Sent
			moves = append(moves, Move{l.next(r), d})
		default:
			asked = append(asked, Move{r, d})
			to = append(to, campaign.Addressee{Contact: people[i], Delivery: d.Delivery, Event: r.Data})
		}
	}
	subs, err := campaign.Submissions(mailing, to)
	if err != nil {
		return err, s.settle(ctx, l, moves)
	}
	for i, res := range s.c.Acceptor.AcceptAll(ctx, ingest.Principal{Tenant: l.v.Tenant, Actor: l.v.Actor, Door: door}, subs) {
		m := asked[i]
		state, reason, err := campaign.Answered(res)
		if err != nil {
			stop = err
			continue
		}
		m.Run, m.Deed.At, m.Deed.Form = l.next(m.Run), l.now, l.step.Form
		if m.Deed.Outcome, m.Deed.Reason = Sent, ""; state == campaign.Excluded {
			m.Deed.Outcome, m.Deed.Reason = Excluded, reason
		}
		moves = append(moves, m)
	}
	return stop, s.settle(ctx, l, moves)
}

// settle writes answers down, even if we are to stop.
func (s *Service) settle(ctx context.Context, l *lot, moves []Move) error {
	if len(moves) == 0 {
		return nil
	}
	return s.c.Store.MoveRuns(context.WithoutCancel(ctx), l.v.Tenant, l.v.ID, moves)
}
