package tracking_test

import (
	"fmt"
	"testing"

	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// matrixCase is one way in which tenant, stream, message and recipients may stand, when a
// mail is sent and when it is opened.
type matrixCase struct {
	level        tracking.Level
	basis        tracking.Basis
	stream, wish tracking.Level
	to           int
	said         tracking.State // by the first recipient; the others granted
	later        string
}

// allowed is the same told in the words of docs/tracking.md: the least holds, nobody can
// say who of several it was, who withdrew is silent for all, and counts of few are none.
func (c matrixCase) allowed() tracking.Level {
	level := min(c.level, orAll(c.stream), orAll(c.wish))
	if c.to > 1 {
		level = min(level, tracking.Pseudonymous)
	}
	if c.basis == tracking.BasisConsent && c.said != tracking.StateGranted {
		level = min(level, tracking.Aggregate)
	}
	if c.said == tracking.StateWithdrawn || level == tracking.Aggregate && c.to < tracking.MinForCounts {
		level = tracking.None
	}
	return level
}

func orAll(l tracking.Level) tracking.Level {
	if l == tracking.Unset {
		return tracking.Individual
	}
	return l
}

// changed is the case when the mail is opened.
func (c matrixCase) changed() matrixCase {
	switch c.later {
	case "withdrawn":
		c.said = tracking.StateWithdrawn
	case "granted":
		c.said = tracking.StateGranted
	case "off":
		c.level = tracking.None
	case "more":
		c.level, c.stream = tracking.Individual, tracking.Unset
	}
	return c
}

func matrix(do func(matrixCase)) {
	for _, level := range tracking.Levels() {
		for _, basis := range []tracking.Basis{tracking.BasisConsent, tracking.BasisContract} {
			for _, stream := range []tracking.Level{tracking.Unset, tracking.None, tracking.Aggregate} {
				for _, wish := range []tracking.Level{tracking.Unset, tracking.None, tracking.Pseudonymous} {
					for _, to := range []int{1, 2, 10} {
						for _, said := range []tracking.State{tracking.StateUnknown, tracking.StateGranted, tracking.StateWithdrawn} {
							for _, later := range []string{"", "withdrawn", "granted", "off", "more"} {
								do(matrixCase{level, basis, stream, wish, to, said, later})
							}
						}
					}
				}
			}
		}
	}
}

// TestConsentMatrix crosses tenant, basis, stream, message, number of recipients, consent
// and what changed after the mail was sent: what is kept of an open is never more than was
// allowed when it was sent, nor than is allowed now.
func TestConsentMatrix(t *testing.T) {
	w := newWorld(t)
	set := func(c matrixCase, to []message.Address) {
		w.allow(c.level, c.basis)
		w.must(w.decider.SetStream(t.Context(), w.tenant, tracking.StreamLevel{Stream: tenant.Transactional, Level: c.stream}))
		for i, a := range to {
			state := tracking.StateGranted
			if i == 0 {
				state = c.said
			}
			w.say(a.String(), state)
		}
	}
	n := 0
	matrix(func(c matrixCase) {
		n++
		to := many(c.to)
		set(c, to)
		sent, err := w.decider.Decide(t.Context(), w.tenant, tenant.Transactional, c.wish, to)
		w.must(err)
		now := c.changed()
		if sent.Level != c.allowed() {
			t.Errorf("%+v: sent at %s, want %s", c, sent.Level, c.allowed())
		}
		set(now, to)
		want := min(sent.Level, now.allowed())
		// What was woven for single activities may be counted later on, never the reverse.
		if want == tracking.Aggregate && c.to < tracking.MinForCounts {
			want = tracking.None
		}
		s := tracking.Sent{Tenant: w.tenant, Stream: tenant.Transactional, Decision: sent, Recipients: to}
		if hit, err := w.decider.AtHit(t.Context(), s); err != nil || hit.Level != want {
			t.Errorf("%+v: at the hit %s, want %s, %v", c, hit.Level, want, err)
		}
		w.store.hits = nil
		a := tracking.Activity{Kind: tracking.PageVisited, Offer: fmt.Sprintf("off_%d", n), Identified: true, Recipient: &to[0], OfferRecipient: "offr_1"}
		done, kept, err := w.visits.Look(t.Context(), s, a, tracking.Look{Visitor: person(), Place: [16]byte{byte(n), byte(n >> 8)}})
		w.must(err)
		switch {
		case want == tracking.None && kept, want > tracking.Aggregate && !kept:
			t.Errorf("%+v: kept %t at %s", c, kept, want)
		case kept && done.Identified != (want == tracking.Individual), kept && done.Recipient != nil != (want == tracking.Individual):
			t.Errorf("%+v: at %s it names %v", c, want, done.Recipient)
		}
	})
	t.Logf("%d cases", n)
}
