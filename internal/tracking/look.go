package tracking

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"stafette/internal/message"
	"stafette/internal/tenant"
)

// SignForm says that a form was sent, as programs that follow links do not. It weighs
// nothing: it is told with the judgement.
const SignForm = "form"

// Look is one look at a page that somebody else keeps the links of: that of an offer.
type Look struct {
	Visitor
	// Place names for whom the page is; looks of one client at one place are a burst.
	Place [16]byte
	// Deed says that a form was sent.
	Deed bool
	// Trap says that the link of the page was followed that nobody can see.
	Trap bool
	// First says that no mail before the activity's Message had the address of the page,
	// so that a look before it was delivered is nobody's.
	First bool
}

// Look judges who looks at a page and keeps it as Recorder.Record does. Activity bears
// what was looked at; At, Network, Burst, Agent and Machine are filled in.
//
// What a form declares (Kind.Declared) is taken for a person's, whatever else the client
// did: who doubts it must say so in person.
func (v *Visits) Look(ctx context.Context, s Sent, a Activity, l Look) (done Activity, kept bool, err error) {
	now := v.c.Now()
	place := message.ID(l.Place)
	a.Tenant, a.At, a.Network, a.Burst = s.Tenant, now, networkOf(l.IP), v.client(place, networkOf(l.IP), l.UserAgent)
	delivered, err := v.deliveredAt(ctx, s.Tenant, a.Message)
	if err != nil {
		return a, false, err
	}
	signs, agent := v.c.Rules.SignsOf(Seen{Kind: a.Kind, Head: l.Head, UserAgent: l.UserAgent, Language: l.Language, Prefetch: l.Prefetch, Trap: l.Trap,
		At: now, Mailed: !delivered.IsZero() || l.First && !a.Message.IsZero(), DeliveredAt: delivered})
	if l.Deed {
		signs = []string{SignForm}
	}
	timing := v.c.Rules.Timing
	sign, turned, full := v.watch.note(place, a.Burst, numberOf(a, l.Deed), l.Trap, now, seconds(timing.Page), timing.PageLinks)
	switch {
	case a.Kind.Declared():
		signs, sign, turned = []string{SignForm}, "", false
	case full:
		return a, false, nil
	case sign != "" && !l.Trap:
		signs = append(signs, sign)
	}
	a.Agent, a.Machine = agent, v.c.Rules.Judge(agent, signs)
	if done, kept, err = v.c.Recorder.Record(ctx, s, a); err != nil {
		return done, kept, err
	}
	if kept && !a.Kind.Declared() {
		v.settle(ctx, place, &done, sign, turned)
	}
	return done, kept, nil
}

// deliveredAt is when the only recipient's server took a message; zero: not yet, or no
// such message.
func (v *Visits) deliveredAt(ctx context.Context, t tenant.ID, m message.ID) (time.Time, error) {
	if m.IsZero() {
		return time.Time{}, nil
	}
	list, err := v.c.Store.Recipients(ctx, t, m)
	if err != nil {
		return time.Time{}, fmt.Errorf("judge look: %w", err)
	}
	if len(list) != 1 {
		return time.Time{}, nil
	}
	return list[0].DeliveredAt, nil
}

// numberOf tells what of a page was opened from what else of it was; 0 is the page itself,
// and what was sent to it.
func numberOf(a Activity, deed bool) int {
	if deed || a.Kind == PageVisited {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(string(a.Kind) + "\x00" + a.Target))
	return int(h.Sum32()>>1) + 1
}
