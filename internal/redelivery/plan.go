package redelivery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Bounds of a job.
const (
	// MaxItems is how many deliveries one job looks at.
	MaxItems = 20_000
	// Samples is how many mails a dry run shows.
	Samples = 5
	// planStep is how many candidates are examined at once.
	planStep = 500
)

// Plan is what a job would do now.
type Plan struct {
	Filter  Filter
	Options Options
	Matched int            // deliveries that match
	Send    int            // of them would be sent
	Skips   map[string]int // the others by reason
	Samples []Sample
	// Confirm: so many that a second person must agree.
	Confirm bool
	// Takes is how long it would take.
	Takes time.Duration
	// CanOld: a changeover is under way, and Options.Old could be chosen.
	CanOld bool
}

// Sample is a mail as it would be sent.
type Sample struct {
	Delivery message.DeliveryID
	From, To message.Mailbox
	Subject  string
	Text     string // "" of mail without plain text
	Problem  string // code of why it cannot be made, "" for none
}

// matches asks what the store did not.
func (f Filter) matches(c Candidate) bool {
	m := c.Message
	return (f.Stream == "" || m.Stream == f.Stream) &&
		(!strings.HasPrefix(f.Recipient, "@") || strings.EqualFold("@"+c.Delivery.Recipient.Domain, f.Recipient)) &&
		(f.Advertiser == "" || m.Metadata["advertiser"] == f.Advertiser) &&
		(f.Object == "" || strings.EqualFold(m.Metadata["object"], f.Object)) &&
		(f.Class == "" || c.Delivery.Reason == f.Class || c.Last.Class == f.Class) &&
		(f.Source == "" || c.Last.Source == f.Source) &&
		(f.Reply == "" || strings.Contains(strings.ToLower(c.Last.Reply), strings.ToLower(f.Reply)))
}

// skip says why a delivery is not sent, "" if it is. Suppressions and the content itself
// are asked for elsewhere.
func (s *Service) skip(c Candidate, f Filter, o Options, kept terms) string {
	arrived := c.Delivery.State == event.Delivered && !c.Delivery.Marked(event.MarkLateBounce)
	switch {
	case c.Message.Erased() && c.Message.AcceptedAt.Before(s.c.Now().Add(-kept.of(c.Message.Stream))):
		return SkipExpired
	case c.Message.Erased() || c.Delivery.Recipient.Local == "":
		return SkipErased
	case c.Redelivered && !f.one():
		return SkipRedelivered
	case arrived && !o.Delivered:
		return SkipDelivered
	case !c.Delivery.State.Final():
		return SkipOnItsWay
	}
	return ""
}

// target is whom the mail of a candidate goes to.
func target(c Candidate, to message.Address) message.Mailbox {
	if !to.IsZero() {
		return message.Mailbox{Address: to}
	}
	for _, box := range c.Message.To {
		if box.Address == c.Delivery.Recipient {
			return box
		}
	}
	return message.Mailbox{Address: c.Delivery.Recipient}
}

// planner goes through all candidates of a filter.
type planner struct {
	*Service
	tenant tenant.ID
	filter Filter
	option Options
	to     message.Address
	kept   terms
	seen   map[message.ID]bool // mails that go to the one address already
	number int
}

// walk calls each for every page of candidates that match, with their items.
func (p *planner) walk(ctx context.Context, each func(list []Candidate, items []Item) error) error {
	var after message.DeliveryID
	for {
		page, more, err := p.c.Store.Candidates(ctx, p.tenant, p.filter, after, planStep)
		if err != nil {
			return fmt.Errorf("find deliveries to redeliver: %w", err)
		}
		if len(page) > 0 {
			after = page[len(page)-1].Delivery.ID
		}
		page = slices.DeleteFunc(page, func(c Candidate) bool { return !p.filter.matches(c) })
		items, err := p.items(ctx, page)
		if err != nil {
			return err
		}
		if p.number > MaxItems {
			return fault.New(fault.TooLarge, CodeTooMany, fmt.Sprintf("A redelivery takes at most %d deliveries; narrow the filter.", MaxItems))
		}
		if err := each(page, items); err != nil {
			return err
		}
		if !more {
			return nil
		}
	}
}

func (p *planner) items(ctx context.Context, list []Candidate) ([]Item, error) {
	suppressed, err := p.suppressed(ctx, list)
	if err != nil {
		return nil, err
	}
	now := p.c.Now().UTC().Truncate(time.Millisecond)
	items := make([]Item, len(list))
	for i, c := range list {
		p.number++
		it := Item{Number: p.number, Delivery: c.Delivery.ID, State: Waiting, At: now}
		to := target(c, p.to).Address
		it.Reason = p.skip(c, p.filter, p.option, p.kept)
		switch {
		case it.Reason != "":
		case suppressed[c.Message.Stream][to]:
			it.Reason = SkipSuppressed
		case !p.to.IsZero() && p.seen[c.Message.ID]:
			it.Reason = SkipSameAddress
		}
		if it.Reason != "" {
			it.State = Skipped
		} else {
			p.seen[c.Message.ID] = true
		}
		items[i] = it
	}
	return items, nil
}

func (p *planner) suppressed(ctx context.Context, list []Candidate) (map[tenant.Stream]map[message.Address]bool, error) {
	asked := map[tenant.Stream][]message.Address{}
	for _, c := range list {
		asked[c.Message.Stream] = append(asked[c.Message.Stream], target(c, p.to).Address)
	}
	found := map[tenant.Stream]map[message.Address]bool{}
	for stream, addrs := range asked {
		reasons, err := p.c.Store.Suppressed(ctx, p.tenant, stream, addrs, p.c.Now())
		if err != nil {
			return nil, fmt.Errorf("check suppressions: %w", err)
		}
		found[stream] = map[message.Address]bool{}
		for a := range reasons {
			found[stream][a] = true
		}
	}
	return found, nil
}

// Preview is the dry run: it counts, gives a reason for each skip and makes some of the
// mails, and changes nothing. Errors of the input are Invalid with the names of the
// filter's and options' fields; too many deliveries are TooLarge "redelivery_too_many".
func (s *Service) Preview(ctx context.Context, t tenant.ID, f Filter, o Options) (Plan, error) {
	p, err := s.planner(ctx, t, f, o)
	if err != nil {
		return Plan{}, err
	}
	plan := Plan{Filter: p.filter, Options: p.option, Skips: map[string]int{}}
	var picked []Candidate
	err = p.walk(ctx, func(list []Candidate, items []Item) error {
		for i, it := range items {
			plan.Matched++
			if it.State == Skipped {
				plan.Skips[it.Reason]++
				continue
			}
			plan.Send++
			if len(picked) < Samples {
				picked = append(picked, list[i])
			}
		}
		return nil
	})
	if err != nil {
		return Plan{}, err
	}
	for _, c := range picked {
		plan.Samples = append(plan.Samples, s.sample(ctx, c, p.option, p.to))
	}
	plan.Confirm = plan.Send > s.c.ConfirmAbove
	plan.Takes = p.option.takes(plan.Send)
	old, err := s.oldSources(ctx, t)
	plan.CanOld = len(old) > 0
	return plan, err
}

// planner checks filter and options and fills in what they leave out.
func (s *Service) planner(ctx context.Context, t tenant.ID, f Filter, o Options) (*planner, error) {
	to, err := s.check(&f, &o)
	if err != nil {
		return nil, err
	}
	if o.Old {
		list, err := s.oldSources(ctx, t)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return nil, fault.Field("old_sources", CodeNoOld, "No changeover is under way.")
		}
	}
	p := &planner{Service: s, tenant: t, filter: f, option: o, to: to, seen: map[message.ID]bool{}}
	p.kept, err = termsOf(ctx, s.c.Store, t, s.c.Kept)
	return p, err
}

// sample is a mail as it would be sent; what cannot be made says why.
func (s *Service) sample(ctx context.Context, c Candidate, o Options, to message.Address) Sample {
	v := Sample{Delivery: c.Delivery.ID, From: c.Message.From, To: target(c, to), Subject: c.Message.Subject}
	l, err := s.letter(ctx, c, o, v.To)
	if err != nil {
		if v.Problem = "internal"; fault.As(err) != nil {
			v.Problem = fault.As(err).Code
		}
		return v
	}
	v.Subject = l.subject
	v.Text = l.text
	return v
}

// originOf names the mail that a candidate repeats, for its references.
func originOf(m insight.Message) string { return "<" + m.MessageID + ">" }
