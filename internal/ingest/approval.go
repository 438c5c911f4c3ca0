package ingest

import (
	"context"
	"errors"
	"fmt"

	"stafette/internal/approval"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Approvals says whether groups and their members may be written to; *approval.Gate does.
type Approvals interface {
	// Judge answers each mail. An error means that nothing could be found out.
	Judge(ctx context.Context, t tenant.ID, list []approval.Mail) ([]approval.Ruling, error)
}

// freeActor is under what name newsletters to people in no group are counted, beside the
// keys with a cap of their own.
const freeActor = "newsletters to nobody's group"

// checkApprovals refuses what goes to groups that are not approved, or their members. The
// parcels are all of one tenant, and asked about in as few questions as may be.
func (s *Service) checkApprovals(ctx context.Context, list []*parcel) {
	for _, w := range list {
		s.checkPattern(w)
	}
	if s.c.Approvals == nil || len(list) == 0 {
		return
	}
	asked, any := make([]approval.Mail, len(list)), false
	for i, w := range list {
		asked[i] = approval.Mail{Stream: w.m.Stream, Group: w.Group}
		if w.m.Stream == tenant.Newsletter || !w.Group.IsZero() {
			asked[i].Recipients, any = w.addresses(), true
		}
	}
	if !any {
		return
	}
	rulings, err := s.c.Approvals.Judge(ctx, list[0].tenant.ID, asked)
	for i, w := range list {
		switch {
		case err != nil:
			s.refuseIf(ctx, w, fmt.Errorf("check approvals: %w", err))
		case rulings[i].Err != nil:
			s.refuseIf(ctx, w, rulings[i].Err)
		default:
			s.refuseIf(ctx, w, s.drawFree(ctx, w, int64(rulings[i].Free)))
		}
	}
}

// addresses are the recipients who are to get the message.
func (w *parcel) addresses() []message.Address {
	list := make([]message.Address, 0, len(w.lines))
	for _, d := range w.lines {
		if d.State != event.Suppressed {
			list = append(list, d.Recipient)
		}
	}
	return list
}

// drawFree counts a newsletter to people in no group, all of them or none.
func (s *Service) drawFree(ctx context.Context, w *parcel, n int64) error {
	if n == 0 || s.c.FreeRecipients == 0 {
		return nil
	}
	wait, err := s.caps.draw(ctx, s.c.Store, capped{w.tenant.ID, freeActor}, s.c.FreeRecipients, n, w.now)
	if err != nil {
		return err
	}
	if wait > 0 {
		return approval.NotFree(s.c.FreeRecipients)
	}
	w.free = n
	return nil
}

// putBackFree counts a newsletter no more that was refused for another reason.
func (c *caps) putBackFree(w *parcel, err error) {
	var replay *Replay
	if w.free == 0 || fault.As(err) == nil && !errors.As(err, &replay) {
		return
	}
	c.giveBack(capped{w.tenant.ID, freeActor}, w.free, w.now)
	w.free = 0
}

// checkPattern makes mail wait that looks like a newsletter sent as something else.
func (s *Service) checkPattern(w *parcel) {
	if s.c.Pattern == nil || !w.Group.IsZero() {
		return
	}
	body := approval.Body{Raw: w.Raw}
	if w.Draft != nil {
		body = approval.Body{Text: w.Draft.Text, HTML: w.Draft.HTML}
	}
	if !s.c.Pattern(w.tenant.ID, w.m.Stream, w.m.Subject, body, w.addresses()) {
		return
	}
	for i := range w.lines {
		if w.lines[i].State == event.Queued {
			w.lines[i].State, w.lines[i].Reason = event.Held, approval.ReasonShape
		}
	}
}
