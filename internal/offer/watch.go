package offer

import (
	"context"
	"fmt"
	"strings"

	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Decider says how much of a recipient's looks may be kept; *tracking.Decider does.
type Decider interface {
	Decide(ctx context.Context, t tenant.ID, s tenant.Stream, wish tracking.Level, recipients []message.Address) (tracking.Decision, error)
}

// Recorder keeps looks and deeds as far as may be at the moment they happen;
// *tracking.Recorder does.
type Recorder interface {
	Record(ctx context.Context, s tracking.Sent, a tracking.Activity) (done tracking.Activity, kept bool, err error)
}

// Activities tells what was kept; tracking.Reader does.
type Activities interface {
	Activities(ctx context.Context, t tenant.ID, q tracking.Query) ([]tracking.Activity, bool, error)
}

// Consents hears what recipients say about being tracked; *tracking.Decider does.
type Consents interface {
	Hear(ctx context.Context, c tracking.Consent) error
}

// Watch is how looks are recorded; the zero value records nothing. All of it is needed,
// or nothing but Judge.
type Watch struct {
	Decider    Decider
	Recorder   Recorder
	Activities Activities
	Consents   Consents
	// Judge says whether a person or a machine asked, and of what class its program is; nil
	// goes by the request alone.
	Judge func(a Asked, deed bool) (m tracking.Machine, agent string)
}

// Asked is what a request told of who made it.
type Asked struct {
	Remote    string // address
	UserAgent string
	Head      bool // only asked whether the page is there: nothing is recorded
}

// hit is a look or deed on a page, before it is decided whether any of it is kept.
type hit struct {
	kind                   tracking.Kind
	target, label, version string
	// deed is set for what a form did: machines that follow links send none.
	deed bool
}

// seen records a hit. A failure is logged and hinders nobody: pages work without it.
func (s *Service) seen(ctx context.Context, v Visit, h hit, a Asked) {
	if s.c.Watch.Recorder == nil || v.Preview || a.Head {
		return
	}
	r := v.Recipient
	judge := s.c.Watch.Judge
	if judge == nil {
		judge = judgeRequest
	}
	act := tracking.Activity{
		Kind: h.kind, At: s.now(), Message: r.Message, Recipient: &r.Address, Identified: true, Offer: r.Offer.String(), OfferRecipient: r.ID.String(),
		Sender: r.Actor, Title: v.Version.Content.Title, Target: h.target, Label: h.label, Version: h.version, Network: tenant.Network(a.Remote),
	}
	if !r.Message.IsZero() {
		act.Delivery = message.Delivery(r.Message, 1)
	}
	act.Machine, act.Agent = judge(a, h.deed)
	sent := tracking.Sent{Tenant: r.Tenant, Stream: tenant.Transactional, Decision: r.Decision, Recipients: []message.Address{r.Address}}
	if _, _, err := s.c.Watch.Recorder.Record(ctx, sent, act); err != nil && ctx.Err() == nil {
		s.c.Log.ErrorContext(ctx, "activity on an offer was not kept", "offer", r.Offer.String(), "kind", string(h.kind), "err", err)
	}
}

// decide says how much may be kept of a recipient's looks from now on.
func (s *Service) decide(ctx context.Context, t tenant.ID, a message.Address) (tracking.Decision, error) {
	if s.c.Watch.Decider == nil {
		return tracking.Decision{Level: tracking.None, Rule: tracking.RuleTenant}, nil
	}
	d, err := s.c.Watch.Decider.Decide(ctx, t, tenant.Transactional, tracking.Unset, []message.Address{a})
	if err != nil {
		return d, fmt.Errorf("decide about tracking of offer: %w", err)
	}
	return d, nil
}

// Seen lists what is known of a recipient's looks, in order, the newest two hundred;
// empty where nothing is kept.
func (s *Service) Seen(ctx context.Context, r Recipient) ([]tracking.Activity, error) {
	if s.c.Watch.Activities == nil {
		return nil, nil
	}
	list, _, err := s.c.Watch.Activities.Activities(ctx, r.Tenant, tracking.Query{Offer: r.Offer.String(), Recipient: r.Address, Limit: 200})
	if err != nil {
		return nil, fmt.Errorf("read activities on offer: %w", err)
	}
	var own []tracking.Activity
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].OfferRecipient == r.ID.String() {
			own = append(own, list[i])
		}
	}
	return own, nil
}

// judgeRequest goes by the request alone: a deed is a person's, and programs that say what
// they are or say nothing are machines.
func judgeRequest(a Asked, deed bool) (tracking.Machine, string) {
	agent := agentClass(a.UserAgent)
	switch {
	case deed:
		return tracking.Machine{Class: tracking.Person, Confidence: 90, Reasons: []string{"form"}}, agent
	case agent == "":
		return tracking.Machine{Class: tracking.Scanner, Confidence: 90, Reasons: []string{"agent"}}, agent
	}
	return tracking.Machine{Class: tracking.Person, Confidence: 60}, agent
}

// agentClass names the program of a request; "" if it is no browser.
func agentClass(agent string) string {
	lower := strings.ToLower(agent)
	for _, word := range []string{"bot", "crawl", "spider", "scan", "preview", "curl", "wget", "python", "go-http", "java/", "headless", "monitor"} {
		if strings.Contains(lower, word) {
			return ""
		}
	}
	for _, one := range [][2]string{{"edg/", "Edge"}, {"firefox/", "Firefox"}, {"chrome/", "Chrome"}, {"safari/", "Safari"}, {"mozilla/", "Browser"}} {
		if strings.Contains(lower, one[0]) {
			return one[1]
		}
	}
	return ""
}
