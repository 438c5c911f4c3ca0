package tracking

import (
	"context"
	"fmt"
	"time"

	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Reader reads activities. The Store is one.
type Reader interface {
	Activities(ctx context.Context, t tenant.ID, q Query) ([]Activity, bool, error)
	Activity(ctx context.Context, t tenant.ID, a ActivityID) (Activity, error)
	ActivityCounts(ctx context.Context, t tenant.ID, m message.ID) (Counts, error)
	Tracked(ctx context.Context, t tenant.ID, m message.ID) (Tracked, error)
	// Openings tells of those messages that were tracked whether they were opened.
	Openings(ctx context.Context, t tenant.ID, of []message.ID) (map[message.ID]Opening, error)
}

// RecorderConfig is what a Recorder needs.
type RecorderConfig struct {
	Store   ActivityStore
	Decider *Decider
	Hub     *Hub // nil: nobody looks on
	Now     func() time.Time
}

// Recorder keeps what was done. It is safe for concurrent use.
type Recorder struct{ c RecorderConfig }

// NewRecorder makes a Recorder.
func NewRecorder(c RecorderConfig) *Recorder { return &Recorder{c} }

// Record keeps an activity, as far as may be told now of what was sent, and returns when
// it is on stable storage. It fills in ID, Decision and, where zero, At, and takes out
// what the level does not allow. kept is false where nothing was kept; that is no error:
// the recipient gets picture, link or page all the same.
//
// Declarations (Kind.Declared) are kept whole, whatever is decided.
func (r *Recorder) Record(ctx context.Context, s Sent, a Activity) (done Activity, kept bool, err error) {
	h, tells, err := r.hit(ctx, s, a)
	if err != nil || !tells {
		return h.Activity, false, err
	}
	answer, err := r.c.Store.AddActivities(ctx, []Hit{*h})
	if err != nil {
		return h.Activity, false, fmt.Errorf("record %s: %w", a.Kind, err)
	}
	r.publish(&h.Activity, answer[0])
	return h.Activity, answer[0], nil
}

// Note is Record for what comes in bursts: it returns when the activity is on stable
// storage, and kept is called later with what was kept, if it was (see
// ActivityStore.NoteActivity). It must not be used for declarations.
func (r *Recorder) Note(ctx context.Context, s Sent, a Activity, kept func(done *Activity)) error {
	h, tells, err := r.hit(ctx, s, a)
	if err != nil || !tells {
		return err
	}
	err = r.c.Store.NoteActivity(ctx, h, func(answer bool) {
		if r.publish(&h.Activity, answer); answer {
			kept(&h.Activity)
		}
	})
	if err != nil {
		return fmt.Errorf("record %s: %w", a.Kind, err)
	}
	return nil
}

// publish tells who looks on of an activity that was kept.
func (r *Recorder) publish(a *Activity, kept bool) {
	if kept && r.c.Hub != nil && (a.Decision.Level > Aggregate || a.Kind.Declared()) {
		r.c.Hub.Publish(*a)
	}
}

// hit is what is to be stored of an activity; false says that nothing is.
func (r *Recorder) hit(ctx context.Context, s Sent, done Activity) (h *Hit, tells bool, err error) {
	h = &Hit{Activity: done, Recipients: s.Recipients, Tracked: !done.Message.IsZero() && done.Offer == ""}
	a := &h.Activity
	a.Tenant = s.Tenant
	if a.At.IsZero() {
		a.At = r.c.Now()
	}
	a.At = a.At.UTC().Truncate(time.Millisecond)
	if a.Decision, h.Granted, err = r.c.Decider.atCommit(ctx, s); err != nil {
		return h, false, err
	}
	if a.Decision.Level <= None && !a.Kind.Declared() {
		return h, false, nil
	}
	a.ID = id.New[ActivityKind](a.At)
	a.strip(len(s.Recipients))
	return h, true, nil
}

// strip takes out what the activity's level does not allow.
func (a *Activity) strip(recipients int) {
	if recipients != 1 {
		a.Identified = false
	}
	if a.Kind.Declared() {
		return
	}
	if a.Decision.Level < Individual || !a.Identified {
		a.Identified, a.Recipient, a.Delivery, a.OfferRecipient, a.Network = false, nil, message.DeliveryID{}, "", ""
	}
}
