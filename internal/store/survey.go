package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// What waits is counted off an index alone, a million in well under a second. What
// stands in the rows themselves is read of so many of one tenant's deliveries in one
// state; where there are more, of a sample. A random byte of the message's identifier,
// added to the recipient's number, chooses it: without an order by time, and some of each
// message that goes to many.

const (
	surveySample  = 20
	surveyNames   = 20     // of domains told
	surveyWhole   = 30_000 // deliveries read one by one; of more, a sample is
	surveyPart    = 10_000 // deliveries of a sample
	surveyTagged  = 30_000 // messages with a tag that are looked at one by one
	surveyDomains = 20_000 // told apart while counting
)

// share is the part of deliveries that are read, of 256; 0: all.
type share int64

// shareOf is that by which about want of n are read; 0: all, as they are no more than
// whole.
func shareOf(n, whole, want int64) share {
	if n <= whole {
		return 0
	}
	return share((want<<8 + n - 1) / n)
}

// scale is how many deliveries one that is read stands for.
func (p share) scale(n int64) int64 {
	if p == 0 {
		return n
	}
	return (n<<8 + int64(p)/2) / int64(p)
}

// sampled narrows a condition to the share.
func (s *Store) sampled(c *condition, p share) {
	if p > 0 {
		c.and("(("+s.dialect.byteAt("d.id", 14)+" + "+s.dialect.byteAt("d.id", 16)+") % 256 < ?) IS TRUE", int64(p))
	}
}

// candidates counts what a selection can match in one state. It looks at an index only:
// of the selection it heeds the time and, as the urgency, the stream.
func (s *Store) candidates(ctx context.Context, t tenant.ID, sel queue.Selection, state event.State) (n int64, err error) {
	c := narrowed(t, queue.Selection{Before: sel.Before}, state, 0)
	if sel.Stream != "" && state == event.Queued {
		c.and("d.urgency = ?", sel.Stream.Urgency())
	}
	err = s.read.QueryRowContext(ctx, "SELECT count(*) FROM deliveries d WHERE d.tenant = $1 AND $2 = 0 AND "+c.where, c.args...).Scan(&n)
	return n, err
}

// Survey implements queue.OperatorStore. It is no transaction: the counts are those of
// the moments in which they were taken.
func (s *Store) Survey(ctx context.Context, sel queue.Selection, states []event.State) (queue.Survey, error) {
	v, err := s.survey(ctx, sel, states, false)
	v.Domains = v.Domains[:min(len(v.Domains), surveyNames)]
	return v, err
}

func (s *Store) survey(ctx context.Context, sel queue.Selection, states []event.State, whole bool) (queue.Survey, error) {
	v := surveyor{s: s, sel: sel, whole: whole, domains: map[string]int64{}, Survey: queue.Survey{States: map[event.State]int64{}}}
	tenants := []tenant.ID{sel.Tenant}
	if sel.Tenant.IsZero() {
		if !sel.Platform {
			return v.Survey, errors.New("survey: selection names no tenant")
		}
		var err error
		if tenants, err = tenantsOf(ctx, s.read, waitingText); err != nil {
			return v.Survey, fmt.Errorf("survey queue: %w", s.refusal(err))
		}
	}
	for _, t := range tenants {
		if err := v.visit(ctx, t, states); err != nil {
			return v.Survey, fmt.Errorf("survey queue: %w", s.refusal(err))
		}
	}
	for name, n := range v.domains {
		v.Domains = append(v.Domains, queue.Tally{Name: name, Count: n})
	}
	queue.SortTallies(v.Tenants)
	queue.SortTallies(v.Domains)
	return v.Survey, nil
}

// WaitingDomains implements queue.OperatorStore.
func (s *Store) WaitingDomains(ctx context.Context, sel queue.Selection, states []event.State) ([]queue.Tally, error) {
	v, err := s.survey(ctx, sel, states, true)
	return v.Domains, err
}

// surveyor gathers a survey.
type surveyor struct {
	queue.Survey
	whole   bool // reads all there is, however much
	s       *Store
	sel     queue.Selection
	domains map[string]int64
}

// visit counts one tenant's deliveries.
func (v *surveyor) visit(ctx context.Context, t tenant.ID, states []event.State) error {
	sum := int64(0)
	for _, state := range states {
		if len(v.sel.States) > 0 && !slices.Contains(v.sel.States, state) {
			continue
		}
		n, err := v.count(ctx, t, state)
		if err != nil {
			return err
		}
		v.States[state] += n
		sum += n
	}
	if sum == 0 {
		return nil
	}
	v.Total += sum
	of := queue.Tally{Tenant: t, Count: sum}
	var err error
	if of.Name, err = v.s.nameOf(ctx, t); err != nil {
		return err
	}
	v.Tenants = append(v.Tenants, of)
	return nil
}

// nameOf is a tenant's name, or its identifier if it has none any more.
func (s *Store) nameOf(ctx context.Context, t tenant.ID) (string, error) {
	name := t.String()
	err := s.read.QueryRowContext(ctx, "SELECT name FROM tenants WHERE id = $1", t[:]).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return name, err
}

// count counts one tenant's deliveries in one state.
func (v *surveyor) count(ctx context.Context, t tenant.ID, state event.State) (int64, error) {
	n, err := v.s.candidates(ctx, t, v.sel, state)
	if err != nil || n == 0 {
		return 0, err
	}
	part := shareOf(n, surveyWhole, surveyPart)
	if v.whole || !v.sel.Message.IsZero() || !v.sel.Delivery.IsZero() {
		part = 0
	}
	few := false
	if part > 0 && v.sel.Tag != "" {
		if few, err = v.fewTagged(ctx, t); err != nil {
			return 0, err
		}
	}
	if few {
		part = 0
	}
	read, err := v.read(ctx, t, state, part, few)
	if err != nil || part == 0 {
		return read, err
	}
	v.Sampled = true
	if v.sel.Stream == "" && v.sel.Tag == "" && v.sel.Domain == "" && len(v.sel.Domains) == 0 {
		return n, nil
	}
	v.Estimated = true
	return part.scale(read), nil
}

// fewTagged reports whether so few messages bear the tag that they can be looked at one
// by one.
func (v *surveyor) fewTagged(ctx context.Context, t tenant.ID) (bool, error) {
	var n int64
	err := v.s.read.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM message_tags WHERE tenant = $1 AND tag = $2 LIMIT $3) few",
		t[:], plain(v.sel.Tag), surveyTagged+1).Scan(&n)
	return n <= surveyTagged, err
}

func (v *surveyor) older(d message.DeliveryID) {
	if at := d.Time(); v.Oldest.IsZero() || at.Before(v.Oldest) {
		v.Oldest = at
	}
}

// read reads the deliveries of the share and returns how many match. If few messages
// bear the tag, it begins at them.
func (v *surveyor) read(ctx context.Context, t tenant.ID, state event.State, part share, few bool) (int64, error) {
	sel := v.sel
	if few {
		sel.Tag = ""
	}
	c := narrowed(t, sel, state, 0)
	v.s.sampled(&c, part)
	from := "deliveries d"
	if strings.Contains(c.where, "m.") {
		from += " JOIN messages m ON m.tenant = d.tenant AND m.id = " + v.s.dialect.messageOf("d.id")
	}
	if few {
		from = "message_tags g CROSS JOIN " + from
		c.and("g.tenant = $1 AND g.tag = ? AND d.id > g.message AND d.id <= "+v.s.dialect.deliveryAt("g.message", message.MaxRecipients), plain(v.sel.Tag))
	}
	n := int64(0)
	var shown []message.DeliveryID
	//nolint:gosec // G202: constants of the dialect and placeholders only
	rows, err := v.s.read.QueryContext(ctx, "SELECT d.id, d.recipient FROM "+from+" WHERE d.tenant = $1 AND $2 = 0 AND "+c.where, c.args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		var d message.DeliveryID
		var recipient string
		if err := row.Scan(&d, &recipient); err != nil {
			return err
		}
		if n++; len(shown) < surveySample-len(v.Sample) {
			shown = append(shown, d)
		}
		v.older(d)
		v.domain(recipient[strings.LastIndexByte(recipient, '@')+1:], part.scale(1))
		return nil
	})
	if err != nil {
		return n, err
	}
	return n, v.show(ctx, t, state, shown)
}

func (v *surveyor) domain(name string, n int64) {
	if _, known := v.domains[name]; known || len(v.domains) < surveyDomains {
		v.domains[name] += n
	}
}

// show adds to the examples. What has come to its end since is left out.
func (v *surveyor) show(ctx context.Context, t tenant.ID, state event.State, list []message.DeliveryID) error {
	for _, d := range list {
		found, err := v.s.selectedOf(ctx, v.s.read, t, queue.Selection{Delivery: d}, state, time.Time{}, 1, "")
		if err != nil {
			return err
		}
		v.Sample = append(v.Sample, found...)
	}
	return nil
}
