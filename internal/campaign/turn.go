package campaign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

const (
	// pageSize is how many members one step looks at, and the most that the stores take.
	pageSize = 500
	// turnLasts bounds one Turn, so that the lease of whoever does it does not run out.
	turnLasts = 4 * time.Second
	// retryAfter is how long a campaign rests after an error that may pass.
	retryAfter = 30 * time.Second
	// door is how mail of campaigns comes in.
	door = "campaign"
	// span is what time a paced campaign hands over at once.
	span = 5 * time.Second
	// sameTime is how much later than it was written down a recipient's mail is handed over
	// at the same time.
	sameTime = time.Second
	// roomFor is how long a step waits for room in the queue's memory.
	roomFor = time.Second
)

// Turn does the steps that are due of all campaigns, one after the other in turn, for some
// seconds. It is to be called every few seconds. Two nodes at it at once do no harm: a step
// is taken by one of them, and a mail has its identifier before it is handed over.
func (s *Service) Turn(ctx context.Context, now time.Time) error {
	open, err := s.c.Store.OpenCampaigns(ctx, now)
	if err != nil {
		return fmt.Errorf("find campaigns: %w", err)
	}
	var errs []error
	// Mail that is sent as fast as it is handed over need not be claimed. Where sending is not
	// as fast, or others wait for their step, nobody waits for that.
	keepUp := s.c.Room != nil
	for len(open) > 0 && ctx.Err() == nil && s.c.Now().Sub(now) < turnLasts {
		next := open[:0]
		for _, c := range open {
			c, more, err := s.step(ctx, c)
			if err != nil {
				errs = append(errs, fmt.Errorf("campaign %s: %w", c.ID, err))
			} else if more {
				next = append(next, c)
			}
		}
		if open = next; keepUp && len(open) == 1 {
			keepUp = s.c.Room(ctx, open[0].Tenant, pageSize, roomFor)
		}
	}
	return errors.Join(errs...)
}

// step does one step; more says that the next one is due at once.
func (s *Service) step(ctx context.Context, c Campaign) (after Campaign, more bool, err error) {
	settled := c.settled
	if c, err = s.c.Store.Campaign(ctx, c.Tenant, c.ID); err != nil {
		return c, false, err
	}
	// At the end it is asked whatever this process knows: another may have left some.
	c.settled = settled && !c.Listed
	now := s.stamp()
	switch {
	case c.DueAt.After(now):
		return c, false, nil
	case c.Task != TaskNone:
		return s.task(ctx, c)
	case c.State == Scheduled:
		was := c.State
		c.State, c.DueAt = Sending, now
		ok, err := s.c.Store.MoveCampaign(ctx, c, was)
		return c, ok, err
	case c.State != Sending:
		return c, false, nil
	}
	t, err := s.c.Store.Tenant(ctx, c.Tenant)
	if err != nil {
		return c, false, err
	}
	if t.State != tenant.Active {
		return c, false, s.rest(ctx, c, ingest.CodeTenantLocked, retryAfter)
	}
	if !c.Listed && c.listsFirst() {
		return s.expand(ctx, c)
	}
	if c.Listed && !c.WaveAt.IsZero() && !c.WaveAt.After(now) {
		return s.nextWave(ctx, c)
	}
	left, next, err := s.waiting(ctx, c)
	switch {
	case err != nil:
		return c, false, err
	case len(left) > 0:
		return s.goOn(ctx, c, left)
	case !c.Listed:
		return s.expand(ctx, c)
	case !next.IsZero():
		return c, false, s.rest(ctx, c, "", earlier(next, c.WaveAt).Sub(now))
	case !c.WaveAt.IsZero():
		return c, false, s.rest(ctx, c, ReasonZone, c.WaveAt.Sub(now))
	case c.Trial.runs():
		return s.try(ctx, c)
	}
	was := c.State
	c.State, c.Reason, c.FinishedAt = Sent, "", now
	_, err = s.c.Store.MoveCampaign(ctx, c, was)
	s.c.Log.InfoContext(ctx, "campaign handed over", "campaign", c.ID.String(), "recipients", c.Total, "accepted", c.Accepted, "excluded", c.Excluded)
	return c, false, err
}

// share is how many recipients a step takes.
func (s *Service) share(c Campaign) int { return within(c.PerHour) }

// pause is how long a campaign rests after handing n over.
func (c Campaign) pause(n int) time.Duration { return lasting(int64(n), c.PerHour) }

// rest puts the next step off, and says why.
func (s *Service) rest(ctx context.Context, c Campaign, reason string, d time.Duration) error {
	c.Reason, c.DueAt = reason, s.stamp().Add(d)
	_, err := s.c.Store.MoveCampaign(ctx, c, c.State)
	return err
}

// expand writes the next members down and hands their mail over.
func (s *Service) expand(ctx context.Context, c Campaign) (Campaign, bool, error) {
	if c.At >= len(c.Groups) {
		c.Listed = true
		_, ok, err := s.c.Store.TakeRecipients(ctx, c, nil)
		return c, ok, err
	}
	g := c.Groups[c.At]
	list, err := s.members(ctx, &c)
	if err != nil {
		return c, false, err
	}
	why, err := s.reasons(ctx, c.Tenant, list)
	if err != nil {
		return c, false, err
	}
	rows, err := s.rows(ctx, c, g, list, why)
	if err != nil {
		return c, false, err
	}
	fresh, ok, err := s.c.Store.TakeRecipients(ctx, c, rows)
	if err != nil || !ok {
		return c, false, err
	}
	mine := make(map[audience.ContactID]bool, len(fresh))
	for _, p := range fresh {
		mine[p] = true
	}
	var send []Recipient
	people := map[audience.ContactID]audience.Contact{}
	for i, p := range list {
		if mine[p.ID] && rows[i].Provider == "" && !c.listsFirst() {
			send = append(send, rows[i])
			people[p.ID] = p
		}
	}
	c, more, err := s.hand(ctx, c, send, people)
	c.settled = more && err == nil && !c.listsFirst()
	return c, more, err
}

// members are the next members of the groups whose turn it is, and moves the place of the
// expansion behind them.
func (s *Service) members(ctx context.Context, c *Campaign) ([]audience.Contact, error) {
	limit := s.share(*c)
	if c.listsFirst() {
		limit = pageSize
	}
	local, look := c.Local.At != "", limit
	if local {
		look = pageSize // most of them may have another time
	}
	page, err := s.c.Store.Members(ctx, c.Tenant, c.Groups[c.At], audience.MemberFilter{Ascending: true, After: c.After, Limit: look})
	if err != nil && !fault.IsKind(err, fault.NotFound) {
		return nil, err
	}
	list, last := contactsOf(page), audience.ContactID{}
	if page.More {
		last = list[len(list)-1].ID
	}
	if local {
		v, err := s.clocks(ctx, *c)
		if err != nil {
			return nil, err
		}
		due, rest, next := v.due(list, s.stamp(), limit)
		if len(rest) > 0 {
			last = due[len(due)-1].ID
		}
		list, c.WaveAt = due, earlier(c.WaveAt, next)
	}
	if c.After = last; last.IsZero() {
		c.At++
	}
	return slices.DeleteFunc(list, func(p audience.Contact) bool {
		_, now := c.version(p.ID)
		return !now
	}), nil
}

// rows are contacts as they are written down; those in why are excluded.
func (s *Service) rows(ctx context.Context, c Campaign, g audience.GroupID, list []audience.Contact, why map[audience.ContactID]string) ([]Recipient, error) {
	now := s.stamp()
	providers, all := s.providersOf(ctx, c, list)
	if !all {
		s.c.Log.WarnContext(ctx, "providers of recipients not found out; their mail is not bounded by provider", "campaign", c.ID.String())
	}
	mails := identifiers(now, len(list))
	var zones *clocks
	if c.Local.At != "" {
		var err error
		if zones, err = s.clocks(ctx, c); err != nil {
			return nil, err
		}
	}
	rows := make([]Recipient, len(list))
	for i, p := range list {
		rows[i] = Recipient{Contact: p.ID, Group: g, State: Waiting, Delivery: message.Delivery(mails[i], 1), At: now, Provider: providers[p.ID]}
		rows[i].Version, _ = c.version(p.ID)
		if reason := why[p.ID]; reason != "" {
			rows[i].State, rows[i].Reason, rows[i].Delivery = Excluded, reason, message.DeliveryID{}
		}
		if zones != nil {
			rows[i].Zone, _ = zones.of(p)
		}
	}
	return rows, nil
}

// identifiers makes those of n mails, in ascending order: they are written in this order, and
// each row then goes behind the one before it, in every table.
func identifiers(now time.Time, n int) []message.ID {
	list := make([]message.ID, n)
	for i := range list {
		list[i] = message.NewID(now)
	}
	slices.SortFunc(list, func(a, b message.ID) int { return bytes.Compare(a[:], b[:]) })
	return list
}

// goOn hands over what was written down before, by a process that died or when there was no
// room, unless its mail is there.
func (s *Service) goOn(ctx context.Context, c Campaign, list []Recipient) (Campaign, bool, error) {
	if ok, err := s.claim(ctx, &c, list); err != nil || !ok {
		return c, false, err
	}
	people := map[audience.ContactID]audience.Contact{}
	for _, r := range list {
		if r.Known {
			continue
		}
		p, err := s.c.Store.Contact(ctx, c.Tenant, r.Contact)
		if err != nil && !fault.IsKind(err, fault.NotFound) {
			return c, false, err
		}
		people[r.Contact] = p // zero: gone
	}
	return s.hand(ctx, c, list, people)
}

// hand gives the mail of recipients to ingest and writes down what it said.
func (s *Service) hand(ctx context.Context, c Campaign, list []Recipient, people map[audience.ContactID]audience.Contact) (Campaign, bool, error) {
	if len(list) == 0 {
		return c, true, nil
	}
	f, err := forms(c, list)
	if err != nil {
		return c, false, s.halt(ctx, c, CodeContent)
	}
	now := s.stamp()
	var settled, asked []Recipient
	var subs []ingest.Submission
	for _, r := range list {
		p := people[r.Contact]
		r.At = answeredAt(r.At, now)
		switch {
		case r.Known:
			r.State = Accepted
			settled = append(settled, r)
		case p.ID.IsZero():
			r.State, r.Reason = Excluded, ExcludedGone
			settled = append(settled, r)
		default:
			sub, err := submission(c, f[r.Version], r, p)
			if err != nil {
				return c, false, err
			}
			asked, subs = append(asked, r), append(subs, sub)
		}
	}
	var stop error
	for i, res := range s.c.Acceptor.AcceptAll(ctx, ingest.Principal{Tenant: c.Tenant, Actor: c.Actor, Door: door}, subs) {
		r, err := answer(asked[i], res)
		if err != nil {
			stop = err
			continue
		}
		settled = append(settled, r)
	}
	// What was accepted is written down even if we are to stop.
	if err := s.c.Store.SettleRecipients(context.WithoutCancel(ctx), c.Tenant, c.ID, settled); err != nil {
		return c, false, err
	}
	if stop != nil {
		return c, false, s.stopped(ctx, c, stop)
	}
	if d := c.pause(len(asked)); d > 0 || c.Reason != "" {
		c.Reason, c.DueAt = "", now.Add(d)
		_, err := s.c.Store.MoveCampaign(ctx, c, Sending)
		return c, d == 0, err
	}
	return c, true, nil
}

// answeredAt is when what became of a recipient is written down who was at an instant; zero: at
// the same time, which spares the store an index.
func answeredAt(written, now time.Time) time.Time {
	if since := now.Sub(written); since >= 0 && since < sameTime {
		return time.Time{}
	}
	return now
}

// forms are the letters of recipients, each parsed once.
func forms(c Campaign, list []Recipient) (map[Version]*form, error) {
	all := map[Version]*form{}
	for _, r := range list {
		if all[r.Version] != nil {
			continue
		}
		f, err := newForm(c.as(r.Version))
		if err != nil {
			return nil, err
		}
		all[r.Version] = f
	}
	return all, nil
}

// submission is the mail of one recipient as ingest takes it.
func submission(c Campaign, f *form, r Recipient, p audience.Contact) (ingest.Submission, error) {
	data := dataOf(p)
	text, err := spool.WriteData(data)
	if err != nil {
		return ingest.Submission{}, err
	}
	to := boxOf(p)
	subject, err := f.subject.RenderLine(data)
	if err != nil || len(subject) > maxSubjectBytes {
		subject = c.Name // Merge meets the same error, and the mail is held
	}
	return ingest.Submission{
		ID:     message.Of(r.Delivery),
		Draft:  &message.Draft{From: f.from, To: []message.Mailbox{to}, Subject: subject},
		Letter: &spool.Record{Form: c.formName(r.Version), To: to.String(), Data: text},
		Size:   int64(len(f.HTML)+len(f.Letter.Text))*5/4 + 4096,
		Stream: tenant.Newsletter, Tracking: c.Letter.Tracking, Group: r.Group,
	}, nil
}

// maxSubjectBytes is what message.Compose takes.
const maxSubjectBytes = 2000

// codeExists is the store's refusal of a message that was accepted before.
const codeExists = "message_exists"

// answer turns what ingest said into a recipient's answer. What may pass, and what holds for
// all recipients, stays an error.
func answer(r Recipient, res ingest.Result) (Recipient, error) {
	f := fault.As(res.Err)
	switch {
	case res.Err == nil, f != nil && f.Code == codeExists:
		r.State, r.Reason = Accepted, ""
	case f == nil, f.Kind == fault.Unavailable, f.Kind == fault.Limited:
		return r, res.Err
	case f.Code == ingest.CodeAllSuppressed:
		r.State, r.Reason = Excluded, f.Code
	case f.Code == "recipient_not_in_group":
		r.State, r.Reason = Excluded, ExcludedLeft
	case f.Kind == fault.Forbidden:
		return r, res.Err
	default:
		r.State, r.Reason = Excluded, f.Code
	}
	return r, nil
}

// stopped puts a campaign off after an error that may pass, and pauses it where only a
// person can help.
func (s *Service) stopped(ctx context.Context, c Campaign, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // we are to stop; the next process goes on
	}
	f := fault.As(err)
	switch {
	case f == nil:
		return errors.Join(err, s.rest(ctx, c, "internal", retryAfter))
	case f.Kind == fault.Forbidden && f.Code != ingest.CodeTenantLocked:
		s.c.Log.WarnContext(ctx, "campaign paused", "campaign", c.ID.String(), "reason", f.Code)
		return s.halt(ctx, c, f.Code)
	case f.Kind == fault.Limited:
		return s.rest(ctx, c, f.Code, 10*time.Minute)
	}
	return s.rest(ctx, c, f.Code, retryAfter)
}

// halt pauses a campaign that only a person can help. What was handed over goes on: the gate
// asks again for each mail.
func (s *Service) halt(ctx context.Context, c Campaign, reason string) error {
	was := c.State
	c.State, c.Reason = Paused, reason
	_, err := s.c.Store.MoveCampaign(ctx, c, was)
	return err
}

// task does a part of what remains to be done to deliveries that were handed over.
func (s *Service) task(ctx context.Context, c Campaign) (Campaign, bool, error) {
	command := queue.Due
	if c.Task == TaskCancel {
		command = queue.Cancel
	}
	sel := queue.Selection{Tenant: c.Tenant, Tag: Tag(c.ID), Limit: pageSize}
	changed, err := s.c.Store.ApplyNoted(ctx, command, sel, c.Actor, "", s.c.Now())
	if err != nil {
		return c, false, err
	}
	if len(changed) == pageSize {
		return c, true, nil
	}
	if c.Task == TaskCancel {
		if err := s.release(ctx, &c, c.Actor); err != nil {
			return c, false, err
		}
	}
	c.Task = TaskNone
	s.c.Changed(ctx)
	ok, err := s.c.Store.MoveCampaign(ctx, c, c.State)
	return c, ok && c.State == Sending, err
}
