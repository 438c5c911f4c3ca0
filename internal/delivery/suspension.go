package delivery

import (
	"time"

	"stafette/internal/egress"
	"stafette/internal/tenant"
)

// category is a part of one tenant's mail: a stream, a campaign, or all of it if both
// are "".
type category struct {
	tenant   tenant.ID
	stream   tenant.Stream
	campaign string
}

// campaign is the first of the message's tags, by which its sender knows the mailing it
// is part of; "" if it has none.
func (p *parcel) campaign() string {
	if len(p.Tags) == 0 {
		return ""
	}
	return p.Tags[0]
}

// categories are those the parcel belongs to.
func (p *parcel) categories() [3]category {
	return [3]category{{tenant: p.Tenant}, {tenant: p.Tenant, stream: p.Stream}, {tenant: p.Tenant, campaign: p.campaign()}}
}

// categoryOf is what the action of a rule is about.
func categoryOf(c egress.Consequence) category {
	key := category{tenant: c.Reply.Tenant}
	switch {
	case c.Rule.Action == egress.ActSuspendCampaign && c.Reply.Campaign != "":
		key.campaign = c.Reply.Campaign
	case c.Rule.Action != egress.ActSuspendTenant:
		key.stream = c.Reply.Stream
	}
	return key
}

// suspension makes a category wait, and come back step by step.
type suspension struct {
	until   time.Time
	why     report
	because egress.Waiting
	placed  int64 // mails that had their turn after it, or were given one
}

const (
	// returnStep is how long a step lasts, and returnFirst how many mails of a category
	// go in the first one; each further step lets twice as many go. Who is refused again
	// is refused with few.
	returnStep  = time.Minute
	returnFirst = 10
	returnSteps = 12 // then it is over: 20,000 mails a minute are as good as no bound
)

// suspend makes a category wait; mu is held.
func (b *pair) suspend(key category, s *suspension) {
	if b.suspended == nil {
		b.suspended = map[category]*suspension{}
	}
	b.suspended[key] = s
}

// forgive forgets suspensions whose last step is over; mu is held.
func (b *pair) forgive(now time.Time) {
	for key, s := range b.suspended {
		if !now.Before(s.until.Add(returnSteps * returnStep)) {
			delete(b.suspended, key)
		}
	}
}

// returning returns until when a parcel is put off because its category comes back from
// a suspension step by step; the zero time if it may go. mu is held.
func (b *pair) returning(p *parcel, now time.Time) time.Time {
	if len(b.suspended) == 0 || p.urgency() == 0 {
		return time.Time{}
	}
	b.forgive(now)
	var turn time.Time
	for i, key := range p.categories() {
		s := b.suspended[key]
		if s == nil || i > 0 && key == (category{tenant: p.Tenant}) { // the latter was asked first
			continue
		}
		if p.waited() && !p.DueAt.Before(s.until.Add(returnStep)) {
			continue // this is the turn it was given
		}
		if at := s.next(); at.After(now) && at.After(turn) {
			turn = at
		}
	}
	return turn
}

// next counts one mail and returns when its step begins.
func (s *suspension) next() time.Time {
	step, room := 0, int64(returnFirst)
	for s.placed >= room && step < returnSteps {
		step++
		room += returnFirst << step
	}
	s.placed++
	return s.until.Add(time.Duration(step) * returnStep)
}
