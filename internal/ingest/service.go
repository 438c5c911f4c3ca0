package ingest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"stafette/internal/approval"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Limits of what is accepted. Zero fields take the defaults.
type Limits struct {
	MaxSize       int64 // bytes of a message in clear; 0: 30 MB
	MaxRecipients int   // of one message; 0, and at most: message.MaxRecipients
	MaxBatch      int   // submissions of one AcceptAll; 0: 1,000
}

// Config is what a Service needs.
type Config struct {
	Store   Store
	Tenants tenant.Store
	Keeper  *seal.Keeper
	Feed    Feed // nil: every delivery is claimed from the store
	Now     func() time.Time
	Limits  Limits
	// Expiry is how long deliveries of a stream are tried; streams that are not in
	// it are tried for DefaultExpiry (RFC 5321, 4.5.4.1 asks for 4 to 5 days).
	Expiry map[tenant.Stream]time.Duration
	// CacheFor is how long a tenant's state and domains are believed without asking
	// the store, and so the longest time a lock takes to stop acceptance. 0: 5 s.
	CacheFor time.Duration
	// Code returns the code by which people ask whether a mail is genuine; it stands in the
	// field X-Stafette-Code. nil: no mail bears one.
	Code func(t tenant.ID, m message.ID) string
	// Approvals says whether groups and their members may be written to; nil: nobody asks.
	Approvals Approvals
	// FreeRecipients is how many newsletters a tenant may send in a UTC day to people who are
	// in no group at all, over all nodes; 0: as many as it likes.
	FreeRecipients int64
	// Pattern counts what is accepted on other streams, and reports whether a message must
	// wait because too many like it went to members of groups that are not approved; nil:
	// nobody counts.
	Pattern func(t tenant.ID, s tenant.Stream, subject string, body approval.Body, to []message.Address) (hold bool)
	// Weaver makes mail tell whether it is read, as far as that is allowed; nil: none does.
	Weaver Weaver
	// Merger makes the HTML of form letters; nil: there are none.
	Merger Merger
	Log    *slog.Logger // nil: discard
}

// Weaver is what acceptance needs of package tracking. *tracking.Weaver is one.
type Weaver interface {
	// Weave returns the body to send, and what is to be kept beside the message; nil: nothing.
	Weave(ctx context.Context, m tracking.Mail) ([]byte, *tracking.Tracked, error)
	// Said is what recipients said of tracking, by their canonical form.
	Said(ctx context.Context, t tenant.ID, of []message.Address) (map[string]tracking.Consent, error)
}

// DefaultExpiry is how long a delivery is tried when its stream says nothing else.
const DefaultExpiry = 5 * 24 * time.Hour

// MaxAhead is how far ahead a message can be planned.
const MaxAhead = 30 * 24 * time.Hour

const (
	idempotencyLasts = 24 * time.Hour
	// batchPart is how many submissions of a batch are stored at once: enough to fill a
	// group commit, few enough to leave room for other tenants.
	batchPart = 128
)

// Service is the entrance. It is safe for concurrent use.
type Service struct {
	c         Config
	directory *directory
	spent     *spent
	caps      *caps
}

var _ Acceptor = (*Service)(nil)

// New makes a Service.
func New(c Config) *Service {
	if c.Limits.MaxSize == 0 {
		c.Limits.MaxSize = 30_000_000
	}
	if c.Limits.MaxRecipients == 0 || c.Limits.MaxRecipients > message.MaxRecipients {
		c.Limits.MaxRecipients = message.MaxRecipients
	}
	if c.Limits.MaxBatch == 0 {
		c.Limits.MaxBatch = 1000
	}
	if c.CacheFor == 0 {
		c.CacheFor = 5 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c: c, directory: newDirectory(c.Tenants, c.CacheFor), spent: newSpent(c.CacheFor), caps: newCaps()}
}

// parcel is one submission on its way through the steps. Each step reads what the
// steps before it have filled in.
type parcel struct {
	Principal
	Submission
	now    time.Time // one instant for everything written about this message
	tenant tenant.Tenant

	inspected *message.Inspection // of Raw
	from      message.Mailbox
	envelope  message.Address // sender of the envelope
	m         Message
	body      []byte
	lines     []Delivery
	tracked   *tracking.Tracked
	said      map[string]tracking.Consent // of tracking; nil: not asked yet
	acc       Acceptance
	counted   int64 // deliveries counted against the cap of its actor
	free      int64 // of these counted against what is free of approvals

	over    bool // nothing more is to be done
	receipt Receipt
	err     error
}

// conclude ends the way of a parcel.
func (w *parcel) conclude(r Receipt, err error) { w.over, w.receipt, w.err = true, r, err }

// Accept implements Acceptor.
func (s *Service) Accept(ctx context.Context, p Principal, sub Submission) (Receipt, error) {
	w := &parcel{Principal: p, Submission: sub}
	s.prepare(ctx, w)
	if !w.over {
		s.refuseIf(ctx, w, s.checkSuppression(ctx, w))
	}
	if !w.over {
		s.checkApprovals(ctx, []*parcel{w})
	}
	if !w.over {
		s.refuseIf(ctx, w, s.finish(ctx, w))
	}
	if !w.over {
		ready := s.reserve(w)
		s.stored(ctx, w, ready, s.c.Store.Accept(ctx, &w.acc))
	}
	return w.receipt, w.err
}

// prepare takes a parcel to where suppressions are asked for.
func (s *Service) prepare(ctx context.Context, w *parcel) {
	w.now = s.c.Now().UTC().Truncate(time.Millisecond)
	for _, step := range []func(context.Context, *parcel) error{
		s.checkTenant, s.readContent, s.checkOptions, s.checkSender, s.makeBody, s.collectRecipients, s.noteReports,
	} {
		if err := step(ctx, w); err != nil {
			w.conclude(Receipt{}, err)
			return
		}
	}
	if replay, err := s.replay(ctx, w); replay != nil || err != nil {
		w.conclude(s.answerAgain(ctx, w, replay, err))
		return
	}
	if err := s.spent.check(w.Principal.Tenant, len(w.lines), w.now); err != nil {
		w.conclude(Receipt{}, err)
		return
	}
	if w.Cap > 0 {
		s.refuseIf(ctx, w, s.caps.take(ctx, s.c.Store, w))
	}
}

// refuseIf ends the way of a parcel that met an error behind prepare.
func (s *Service) refuseIf(ctx context.Context, w *parcel, err error) {
	if err == nil {
		return
	}
	s.caps.putBack(w, err)
	s.caps.putBackFree(w, err)
	s.spent.note(w.Principal.Tenant, len(w.lines), w.now, err)
	var replay *Replay
	if errors.As(err, &replay) {
		w.conclude(s.answerAgain(ctx, w, replay, nil))
		return
	}
	w.conclude(Receipt{}, err)
}

func (s *Service) checkTenant(ctx context.Context, w *parcel) error {
	if w.Principal.Tenant.IsZero() {
		return fault.New(fault.Forbidden, CodeTenantMissing, "Mail is sent for a tenant; this account belongs to none.")
	}
	e, err := s.directory.entry(ctx, w.Principal.Tenant, w.now)
	if err != nil {
		return fmt.Errorf("load tenant: %w", err)
	}
	if e.tenant.State != tenant.Active {
		return fault.New(fault.Forbidden, CodeTenantLocked, "The account is locked.")
	}
	w.tenant = e.tenant
	w.m = Message{
		ID: w.Submission.ID, Tenant: e.tenant.ID, Actor: w.Actor, Door: w.Door,
		AcceptedAt: w.now,
	}
	if w.m.ID.IsZero() {
		w.m.ID = message.NewID(w.now)
	}
	return nil
}

func (s *Service) replay(ctx context.Context, w *parcel) (*Replay, error) {
	if w.Idempotency == "" {
		return nil, nil
	}
	if w.RequestHash == ([32]byte{}) {
		w.RequestHash = hashOf(w)
	}
	replay, err := s.c.Store.Replay(ctx, w.tenant.ID, w.Idempotency, w.now)
	if err != nil {
		return nil, fmt.Errorf("look up idempotency key: %w", err)
	}
	return replay, nil
}

// hashOf stands in for a door that gives no RequestHash (SMTP). Trace fields tell
// the way a message came, which differs when it is submitted again.
func hashOf(w *parcel) [32]byte {
	h := sha256.New()
	for _, r := range w.lines {
		fmt.Fprintf(h, "%s\n", r.Recipient)
	}
	fmt.Fprintf(h, "%s\n\n", w.envelope)
	if w.Raw != nil {
		h.Write(message.RemoveFields(w.Raw, isTrace))
	}
	return [32]byte(h.Sum(nil))
}

// answerAgain gives the first answer to a request that was made before. Since the
// request is the same, so are its recipients and their numbers.
func (s *Service) answerAgain(ctx context.Context, w *parcel, replay *Replay, err error) (Receipt, error) {
	if err != nil {
		return Receipt{}, err
	}
	if replay.Hash != w.RequestHash {
		return Receipt{}, fault.New(fault.Conflict, CodeIdempotencyConflict,
			"The idempotency key was used for another request in the last 24 hours.")
	}
	first := replay.Message
	if w.m.MessageID == ownMessageID(w.m.ID, w.m.SignDomain) {
		w.m.MessageID = ownMessageID(first, w.m.SignDomain)
	}
	w.m.ID, w.m.AcceptedAt = first, first.Time()
	// Suppressions as they were then.
	if err := s.markSuppressed(ctx, w, first.Time()); err != nil {
		return Receipt{}, err
	}
	r := receipt(w)
	r.Replayed = true
	return r, nil
}

// finish makes the body what it will be for good.
func (s *Service) finish(ctx context.Context, w *parcel) error {
	if w.Letter != nil {
		if err := s.letter(ctx, w); err != nil {
			return err
		}
		return s.sealBody(w)
	}
	if err := s.weave(ctx, w, s.mail(w)); err != nil {
		return err
	}
	return s.sealBody(w)
}

// mail is a parcel as tracking sees it.
func (s *Service) mail(w *parcel) tracking.Mail {
	return tracking.Mail{
		Tenant: w.m.Tenant, Message: w.m.ID, Stream: w.m.Stream, Sender: w.m.Actor, SignDomain: w.m.SignDomain,
		Wish: w.Tracking, Recipients: w.recipients(), Body: w.body, Foreign: w.PassedOn, Said: w.said,
	}
}

// recipients are all the mail goes to.
func (w *parcel) recipients() []message.Address {
	to := make([]message.Address, len(w.lines))
	for i, d := range w.lines {
		to[i] = d.Recipient
	}
	return to
}

// weave lets the mail tell of its recipients, as far as that is allowed.
func (s *Service) weave(ctx context.Context, w *parcel, m tracking.Mail) error {
	if s.c.Weaver == nil {
		return nil
	}
	var err error
	if w.body, w.tracked, err = s.c.Weaver.Weave(ctx, m); err != nil {
		return fmt.Errorf("weave tracking: %w", err)
	}
	return nil
}

func (s *Service) sealBody(w *parcel) error {
	w.oweReports()
	w.m.Salt = seal.NewSalt()
	sealed, err := s.c.Keeper.SealBody(make([]byte, 0, len(w.body)+seal.Overhead), w.body, w.m.Salt)
	if err != nil {
		return fmt.Errorf("seal body: %w", err)
	}
	if w.m.Size == 0 {
		w.m.Size = int64(len(w.body))
	}
	w.acc = Acceptance{Message: w.m, Sealed: sealed, Deliveries: w.lines, Events: s.facts(w), Quota: w.tenant.DailyQuota, Metered: w.tenant.Metered, Tracked: w.tracked}
	if w.Idempotency != "" {
		w.acc.Idempotency = &Idempotency{Key: w.Idempotency, Hash: w.RequestHash, ExpiresAt: w.now.Add(idempotencyLasts)}
	}
	return nil
}

// facts are the events that acceptance itself causes.
func (s *Service) facts(w *parcel) []event.Event {
	list := []event.Event{{
		ID: id.New[event.Kind](w.now), Message: w.m.ID, Type: event.Accepted, At: w.now, Actor: w.Actor,
	}}
	for _, d := range w.lines {
		if d.State == event.Suppressed || d.State == event.Held {
			what := event.Withheld
			if d.State == event.Held {
				what = event.Paused
			}
			list = append(list, event.Event{
				ID: id.New[event.Kind](w.now), Message: w.m.ID, Delivery: d.ID,
				Type: what, At: w.now, Actor: "system", Reason: d.Reason,
			})
		}
	}
	return list
}

// reserve takes room in memory for the deliveries that are due at once, and returns
// them.
func (s *Service) reserve(w *parcel) []Delivery {
	var ready []Delivery
	for _, d := range w.lines {
		if d.State == event.Queued && !d.DueAt.After(w.now) {
			ready = append(ready, d)
		}
	}
	if s.c.Feed != nil && len(ready) > 0 {
		w.acc.Epoch = s.c.Feed.Reserve(w.m.Tenant, w.m.Stream.Urgency(), len(ready))
	}
	return ready
}

// stored lets the first attempts begin, now that the commit is made, or gives back what
// was reserved.
func (s *Service) stored(ctx context.Context, w *parcel, ready []Delivery, err error) {
	if w.acc.Epoch != 0 && err == nil {
		s.c.Feed.Offer(entries(w, ready))
	} else if w.acc.Epoch != 0 {
		s.c.Feed.Cancel(w.m.Tenant, w.m.Stream.Urgency(), len(ready))
	}
	if errors.Is(err, ErrPlanHolds) {
		err = s.holdForPlan(ctx, w)
	}
	if err != nil {
		s.refuseIf(ctx, w, wrapStore(err))
		return
	}
	w.conclude(receipt(w), nil)
}

func wrapStore(err error) error {
	return fmt.Errorf("store message: %w", err)
}

func entries(w *parcel, ready []Delivery) []queue.Entry {
	body := spool.Handle{Tenant: w.m.Tenant, Message: w.m.ID, Ref: w.acc.Ref, Salt: w.m.Salt}
	list := make([]queue.Entry, len(ready))
	for i, d := range ready {
		list[i] = queue.Entry{
			Tenant: w.m.Tenant, Delivery: d.ID, Stream: w.m.Stream, Sender: w.m.Sender, Recipient: d.Recipient,
			SignDomain: w.m.SignDomain, Body: body, Size: w.m.Size, EightBit: w.m.EightBit, UTF8: w.m.UTF8, TLS: w.m.TLS,
			Digests: w.m.Digests, Tags: w.m.Tags, AcceptedAt: w.m.AcceptedAt, SendAt: w.m.SendAt, DueAt: d.DueAt, ExpiresAt: w.m.ExpiresAt,
			Notify: d.Notify, OriginalRecipient: d.Original, Return: w.m.Return, EnvelopeID: w.m.EnvelopeID,
		}
	}
	return list
}

func receipt(w *parcel) Receipt {
	r := Receipt{ID: w.m.ID, MessageID: w.m.MessageID, AcceptedAt: w.m.AcceptedAt}
	r.Deliveries = make([]ReceiptLine, len(w.lines))
	for i, d := range w.lines {
		r.Deliveries[i] = ReceiptLine{ID: message.Delivery(w.m.ID, i+1), Recipient: d.Recipient, State: d.State, Reason: d.Reason}
	}
	return r
}
