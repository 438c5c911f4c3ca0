package tracking_test

import (
	"testing"
	"time"

	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// look is one look at the page of an offer whose mail was taken a minute ago.
type look struct {
	kind   tracking.Kind
	target string
	after  time.Duration // since the look before
	deed   bool
	trap   bool
}

// seen does the looks as one client and returns what was kept, judged as it is at the end.
func (w *world) seen(m message.ID, place byte, who tracking.Visitor, looks ...look) (kept []tracking.Activity) {
	w.Helper()
	eva := mail("eva@x.example")
	s := tracking.Sent{Tenant: w.tenant, Stream: tenant.Transactional, Recipients: mails("eva@x.example"),
		Decision: tracking.Decision{Level: tracking.Individual, Rule: tracking.RuleTenant}}
	before := len(w.store.hits)
	for _, l := range looks {
		w.now = w.now.Add(l.after)
		a := tracking.Activity{Kind: l.kind, Target: l.target, Message: m, Offer: "off_1", OfferRecipient: "ofr_1", Recipient: &eva, Identified: true}
		_, _, err := w.visits.Look(w.Context(), s, a, tracking.Look{Visitor: who, Place: [16]byte{place}, Deed: l.deed, Trap: l.trap, First: true})
		w.must(err)
	}
	return w.store.hits[before:]
}

// Machines that behave like browsers show themselves by when they come and by what they
// follow; forms are people's.
func TestLooks(t *testing.T) {
	const page, paper, like = tracking.PageVisited, tracking.DocumentDownloaded, tracking.UnitLiked
	all := []look{{kind: page}, {kind: tracking.WithdrawalNoticeOpened}, {kind: paper, target: "a"}, {kind: tracking.LinkOpened, target: "b"}, {kind: tracking.FloorplanDownloaded, target: "c"}}
	for name, c := range map[string]struct {
		delivered time.Duration // ago; negative: not yet
		looks     []look
		want      string // p for each look by a person, m by a machine
	}{
		"reads":                      {time.Hour, []look{{kind: page}, {kind: paper, target: "a", after: time.Minute}, {kind: like, target: "u", deed: true}}, "ppp"},
		"takes three papers at once": {time.Hour, []look{{kind: page}, {kind: paper, target: "a"}, {kind: paper, target: "b"}, {kind: paper, target: "c"}, {kind: page}}, "ppppp"},
		"takes four, one by one":     {time.Hour, []look{{kind: paper, target: "a"}, {kind: paper, target: "b", after: 2 * time.Second}, {kind: paper, target: "c", after: 2 * time.Second}, {kind: paper, target: "d", after: 2 * time.Second}}, "pppp"},
		"follows everything":         {time.Hour, all, "mmmmm"},
		"one paper again and again":  {time.Hour, []look{{kind: paper, target: "a"}, {kind: paper, target: "a"}, {kind: paper, target: "a"}, {kind: paper, target: "a"}}, "pppp"},
		"seconds after delivery":     {2 * time.Second, []look{{kind: page}, {kind: page, after: time.Minute}}, "mp"},
		"before delivery":            {-1, []look{{kind: page}}, "m"},
		"sees the unseen":            {time.Hour, []look{{kind: page}, {kind: page, trap: true}, {kind: paper, target: "a"}, {kind: page, after: 2 * time.Minute}}, "mmmp"},
		"likes as a machine":         {time.Hour, []look{{kind: page, trap: true}, {kind: like, target: "u", deed: true}}, "mm"},
		"declares as a machine":      {time.Hour, []look{{kind: page, trap: true}, {kind: tracking.TermsConfirmed, deed: true}, {kind: page, trap: true}}, "mpm"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.allow(tracking.Individual, tracking.BasisContract)
			m := message.NewID(w.now)
			at := w.now.Add(-c.delivered)
			if c.delivered < 0 {
				at = time.Time{}
			}
			w.store.recipients[m] = []tracking.Recipient{{Delivery: message.Delivery(m, 1), Address: mail("eva@x.example"), DeliveredAt: at}}
			have := ""
			for _, a := range w.seen(m, 1, person(), c.looks...) {
				have += map[bool]string{true: "p", false: "m"}[a.Machine.Counted()]
			}
			if have != c.want {
				t.Errorf("judged %s, want %s", have, c.want)
			}
		})
	}
}

// What a scanner does at one recipient's page says nothing of another's, nor of another
// client; and a link that was handed over by other ways than mail has no delivery.
func TestLooksOfOthers(t *testing.T) {
	w := newWorld(t)
	w.allow(tracking.Individual, tracking.BasisContract)
	scanner := person()
	scanner.UserAgent += " (other)"
	trap := look{kind: tracking.PageVisited, trap: true}
	visit := look{kind: tracking.PageVisited}
	w.seen(message.ID{}, 1, scanner, visit, trap)
	w.seen(message.ID{}, 1, person(), visit)
	w.seen(message.ID{}, 2, scanner, visit)
	have := ""
	for _, a := range w.store.hits {
		have += map[bool]string{true: "p", false: "m"}[a.Machine.Counted()]
	}
	if have != "mmpp" {
		t.Errorf("judged %s", have)
	}
	if n := len(w.seen(message.ID{}, 3, person(), make([]look, 300)...)); n != 100 {
		t.Errorf("%d of a flood kept", n)
	}
}
