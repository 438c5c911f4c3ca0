package tracking

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Visitor is who comes with a token, as the door sees it.
type Visitor struct {
	IP        netip.Addr // the zero Addr: not known
	UserAgent string
	Language  bool // Accept-Language was sent
	Prefetch  bool // Sec-Purpose, Purpose or X-Moz say prefetch
	Head      bool // the method is HEAD
	// Only, unless zero, says whose tokens alone are good where the visitor came.
	Only tenant.ID
}

// VisitsConfig is what Visits need.
type VisitsConfig struct {
	Store    ActivityStore
	Recorder *Recorder
	Rules    *Rules
	Tokens   *Tokens
	Now      func() time.Time
	Log      *slog.Logger // nil: discard
}

// Visits reads the tokens of pixels and links and records who brings them. It is safe for
// concurrent use.
type Visits struct {
	c     VisitsConfig
	watch *watch

	mu     sync.Mutex
	trails map[trailKey]trail
	weight int
}

type trailKey struct {
	tenant  tenant.ID
	message message.ID
}

// trail is what a message's tokens lead to. None of it changes, so that it may be
// remembered: what may change is asked for at the commit.
type trail struct {
	tracked     Tracked
	recipients  []message.Address
	deliveredAt time.Time // of the only recipient
}

// maxTrailWeight bounds the recipients remembered, over all messages.
const maxTrailWeight = 200_000

// NewVisits makes Visits.
func NewVisits(c VisitsConfig) *Visits {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Visits{c: c, watch: newWatch(), trails: map[trailKey]trail{}}
}

// Open records that the picture of a mail was fetched, and returns when that is on stable
// storage. ErrForeign tells of a token that was made up, taken back, or is of a mail that
// is gone; other errors of the storage.
func (v *Visits) Open(ctx context.Context, token string, who Visitor) error {
	_, found, err := v.read(ctx, ForPixel, token, who)
	if err != nil {
		return err
	}
	return v.record(ctx, found, Activity{Kind: Opened}, who, false)
}

// Follow records that a link was followed and returns where it leads. The target is good
// where err is about the storage only: the recipient comes first. ErrForeign is as for
// Open, and for the link that nobody can see.
func (v *Visits) Follow(ctx context.Context, token string, who Visitor) (target string, err error) {
	t, found, err := v.read(ctx, ForLink, token, who)
	if err != nil {
		return "", err
	}
	if t.Number == 0 || int(t.Number) > len(found.tracked.Links) {
		return "", ErrForeign
	}
	l := found.tracked.Links[t.Number-1]
	err = v.record(ctx, found, Activity{Kind: Clicked, Link: int(t.Number), Target: l.Target, Label: l.Label}, who, l.Trap)
	if l.Trap && err == nil {
		err = ErrForeign
	}
	return l.Target, err
}

// read returns a token and what it leads to.
func (v *Visits) read(ctx context.Context, p Purpose, token string, who Visitor) (Token, trail, error) {
	t, err := v.c.Tokens.Parse(p, token)
	if err != nil {
		return t, trail{}, err
	}
	if !who.Only.IsZero() && who.Only != t.Tenant {
		return t, trail{}, ErrForeign
	}
	found, err := v.trail(ctx, t)
	return t, found, err
}

func (v *Visits) trail(ctx context.Context, t Token) (trail, error) {
	k := trailKey{t.Tenant, t.Message}
	v.mu.Lock()
	found, ok := v.trails[k]
	v.mu.Unlock()
	if ok {
		return found, nil
	}
	tracked, list, err := v.c.Store.Trail(ctx, t.Tenant, t.Message)
	switch {
	case fault.IsKind(err, fault.NotFound):
		return trail{}, ErrForeign
	case err != nil:
		return trail{}, fmt.Errorf("read token: %w", err)
	}
	found.tracked = tracked
	for _, r := range list {
		found.recipients = append(found.recipients, r.Address)
	}
	if len(list) != 1 {
		v.remember(k, found)
		return found, nil
	}
	if found.deliveredAt = list[0].DeliveredAt; !found.deliveredAt.IsZero() {
		v.remember(k, found)
	}
	return found, nil
}

func (v *Visits) remember(k trailKey, t trail) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.weight += len(t.recipients) + 1; v.weight > maxTrailWeight {
		clear(v.trails)
		v.weight = len(t.recipients) + 1
	}
	v.trails[k] = t
}

// record judges and keeps a hit.
func (v *Visits) record(ctx context.Context, found trail, a Activity, who Visitor, trap bool) error {
	now := v.c.Now()
	a.At, a.Message, a.Sender = now, found.tracked.Message, found.tracked.Sender
	if len(found.recipients) == 1 {
		a.Identified, a.Recipient, a.Delivery = true, &found.recipients[0], message.Delivery(a.Message, 1)
	}
	a.Network = networkOf(who.IP)
	a.Burst = v.client(a.Message, a.Network, who.UserAgent)
	signs, agent := v.c.Rules.SignsOf(Seen{Kind: a.Kind, Head: who.Head, UserAgent: who.UserAgent, Language: who.Language, Prefetch: who.Prefetch,
		Trap: trap, At: now, Mailed: len(found.recipients) == 1, DeliveredAt: found.deliveredAt})
	timing := v.c.Rules.Timing
	sign, turned, full := v.watch.note(a.Message, a.Burst, a.Link, trap, now, seconds(timing.Burst), timing.BurstLinks)
	if full {
		return nil
	}
	if sign != "" && !trap {
		signs = append(signs, sign)
	}
	a.Agent, a.Machine = agent, v.c.Rules.Judge(agent, signs)
	s := Sent{Tenant: found.tracked.Tenant, Stream: found.tracked.Stream, Decision: found.tracked.Decision, Recipients: found.recipients}
	later := context.WithoutCancel(ctx) // the visitor has gone when it is known what was kept
	return v.c.Recorder.Note(ctx, s, a, func(done *Activity) { v.settle(later, done.Message, done, sign, turned) })
}

// settle judges the earlier hits of a client anew where done was the one that brought its
// burst a sign. A hit that was judged before the burst bore its sign does so, too: the one
// that brought it may have looked for earlier ones before this one was there.
func (v *Visits) settle(ctx context.Context, place message.ID, done *Activity, sign string, turned bool) {
	if now := v.watch.sign(place, done.Burst); now != "" && (turned || now != sign) {
		v.again(ctx, *done, now)
	}
}

// again judges the hits of a client anew that lack a sign which its burst has now. That it
// fails changes nothing for who waits.
func (v *Visits) again(ctx context.Context, a Activity, sign string) {
	earlier, err := v.c.Store.ActivityBurst(ctx, a.Tenant, a.Message, a.Offer, a.Burst, a.At.Add(-trapLasts))
	verdicts := map[ActivityID]Machine{}
	for _, e := range earlier {
		if !e.Kind.Declared() && !slices.Contains(e.Machine.Reasons, sign) && !slices.Contains(e.Machine.Reasons, SignTrap) {
			verdicts[e.ID] = v.c.Rules.With(e, sign)
		}
	}
	if err == nil && len(verdicts) > 0 {
		err = v.c.Store.Rerate(ctx, a.Tenant, verdicts)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		v.c.Log.WarnContext(ctx, "earlier activities not judged again", "err", err)
	}
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// networkOf is what is kept of an address: 24 bits of IPv4, 48 of IPv6.
func networkOf(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	a = a.Unmap().WithZone("")
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}

// client names a client towards one message: nobody can tell from it who it was, nor that
// two messages met the same one.
func (v *Visits) client(m message.ID, network, userAgent string) int64 {
	sum := v.c.Tokens.codes.Of([]byte(tokenPurpose+"client\x00"), m[:], []byte(network+"\x00"), []byte(userAgent))
	return int64(binary.BigEndian.Uint64(sum[:]) >> 1)
}

// Rerate judges again what older rules have judged, for one tenant, and returns how many
// there were. It is a chore of one node.
func (v *Visits) Rerate(ctx context.Context, t tenant.ID) (int, error) {
	const step = 500
	n := 0
	var after ActivityID
	for {
		list, err := v.c.Store.Outdated(ctx, t, v.c.Rules.Version, after, step)
		if err != nil || len(list) == 0 {
			return n, err
		}
		verdicts := make(map[ActivityID]Machine, len(list))
		for _, a := range list {
			verdicts[a.ID] = v.c.Rules.Judge(a.Agent, a.Machine.Reasons)
			after = a.ID
		}
		if err := v.c.Store.Rerate(ctx, t, verdicts); err != nil {
			return n, err
		}
		n += len(list)
	}
}
