package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Activities lists what recipients did. tracking.Store has it.
type Activities interface {
	Activities(ctx context.Context, t tenant.ID, q tracking.Query) ([]tracking.Activity, bool, error)
}

// trackingRoutes are those of what may be told of recipients.
func trackingRoutes() []Route {
	const settings, consent, body = "/v1/settings/tracking", "/v1/contacts/{email}/tracking-consent", 64 << 10
	return []Route{
		{Method: http.MethodGet, Path: settings, Scope: tenant.ScopeRead, status: 200,
			id: "get-tracking", summary: "Read whether and how far mail is tracked", register: registerWith((*API).getTracking)},
		{Method: http.MethodPut, Path: settings, Scope: tenant.ScopeAdmin, MaxBody: body, media: "application/json", status: 200, errors: []int{409, 422},
			id: "set-tracking", summary: "Set whether and how far mail is tracked", register: registerWith((*API).setTracking)},
		{Method: http.MethodGet, Path: consent, Scope: tenant.ScopeRead, status: 200, errors: []int{422},
			id: "get-tracking-consent", summary: "Read what a person said about being tracked", register: registerWith((*API).getConsent)},
		{Method: http.MethodPut, Path: consent, Scope: tenant.ScopeSend, MaxBody: body, media: "application/json", status: 200, errors: []int{422},
			id: "set-tracking-consent", summary: "Record what a person said about being tracked", register: registerWith((*API).setConsent)},
	}
}

// TrackingDraft is what a tenant allows, as it is set.
type TrackingDraft struct {
	Level         string            `json:"level" doc:"none, aggregate, pseudonymous or individual"`
	Basis         string            `json:"basis,omitempty" doc:"Legal basis: consent, contract or legitimate_interest; needed for pseudonymous and individual"`
	Justification string            `json:"justification,omitempty" maxLength:"4000" doc:"Why the basis applies, in own words; needed with it"`
	Streams       map[string]string `json:"streams,omitempty" doc:"Limits of streams, by name; streams that are not named have none. Left out: as they are"`
}

// TrackingSetting is what a tenant allows.
type TrackingSetting struct {
	Level         string            `json:"level" enum:"none,aggregate,pseudonymous,individual"`
	Basis         string            `json:"basis" doc:"Empty: none is recorded"`
	Justification string            `json:"justification"`
	Streams       map[string]string `json:"streams" doc:"Limits of streams that have one"`
	Actor         string            `json:"actor" doc:"A key or user; empty: nobody has set it yet"`
	At            *time.Time        `json:"at" doc:"Null: nobody has set it yet"`
}

type trackingOutput struct{ Body TrackingSetting }

func settingOf(a tracking.Allowed) *trackingOutput {
	out := TrackingSetting{Level: a.Level.String(), Basis: string(a.Basis), Justification: a.Justification, Streams: map[string]string{}, Actor: a.By, At: timeOrNull(a.At)}
	for s, l := range a.Streams {
		out.Streams[string(s)] = l.String()
	}
	return &trackingOutput{out}
}

func (a *API) getTracking(ctx context.Context, _ *struct{}) (*trackingOutput, error) {
	allowed, err := a.c.TrackingSettings.Allowed(ctx, keyOf(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	return settingOf(allowed), nil
}

func (a *API) setTracking(ctx context.Context, in *struct{ Body TrackingDraft }) (*trackingOutput, error) {
	key, b := keyOf(ctx), in.Body
	to := tracking.Allowed{Setting: tracking.Setting{Tenant: key.Tenant, Basis: tracking.Basis(b.Basis), Justification: b.Justification, By: key.ID.String()}}
	d := &decoder{}
	level := func(field, text string) tracking.Level {
		l, err := tracking.ParseLevel(text)
		if err != nil || l == tracking.Unset {
			d.refuse(field, fault.New(fault.Invalid, tracking.CodeLevelUnknown, "The level is one of none, aggregate, pseudonymous, individual."))
		}
		return l
	}
	to.Level = level("level", b.Level)
	if b.Streams != nil {
		to.Streams = map[tenant.Stream]tracking.Level{}
		for s, text := range b.Streams {
			to.Streams[tenant.Stream(s)] = level("streams/"+s, text)
		}
	}
	if err := fault.Join(d.wrong); err != nil {
		return nil, err
	}
	if b.Streams == nil {
		was, err := a.c.TrackingSettings.Allowed(ctx, key.Tenant)
		if err != nil {
			return nil, err
		}
		to.Streams = was.Streams
	}
	allowed, err := a.c.TrackingSettings.Set(ctx, to)
	if err != nil {
		return nil, err
	}
	return settingOf(allowed), nil
}

// ConsentDraft is what a person said, as it is recorded.
type ConsentDraft struct {
	State   string `json:"state" doc:"granted, withdrawn or unknown"`
	Wording string `json:"wording,omitempty" maxLength:"3000" doc:"The words that the person agreed to; a consent without them is hard to prove (Art. 7(1) GDPR)"`
	Way     string `json:"way,omitempty" maxLength:"200" doc:"How it was said, one line; left out: api"`
}

// TrackingConsent is what a person said last, with all that was said before.
type TrackingConsent struct {
	Address string        `json:"address"`
	State   string        `json:"state" enum:"granted,withdrawn,unknown"`
	At      *time.Time    `json:"at" doc:"Null: the person was not asked"`
	Actor   string        `json:"actor" doc:"Who recorded it: a key, a user, or recipient for the person"`
	Way     string        `json:"way"`
	Wording string        `json:"wording"`
	URL     string        `json:"url" doc:"The person's own page, where they see what is recorded and withdraw; for that person only"`
	History []ConsentFact `json:"history" nullable:"false" doc:"From new to old"`
}

// ConsentFact is one thing that a person said.
type ConsentFact struct {
	State   string    `json:"state" enum:"granted,withdrawn,unknown"`
	At      time.Time `json:"at"`
	Actor   string    `json:"actor"`
	Way     string    `json:"way"`
	Wording string    `json:"wording"`
}

// ConsentAddress names one person.
type ConsentAddress struct {
	Email string `path:"email" maxLength:"320" example:"eva@kunde.example"`
}

// address reads it; the refusal names the path.
func (in ConsentAddress) address() (message.Address, error) {
	one, err := message.ParseAddress(in.Email)
	if err != nil {
		return one, fault.Field("path/email", "address_malformed", "The value is no address.")
	}
	return one, nil
}

type consentOutput struct{ Body TrackingConsent }

func (a *API) consent(ctx context.Context, of message.Address) (*consentOutput, error) {
	t := keyOf(ctx).Tenant
	now, err := a.c.Consents.Of(ctx, t, of)
	if err != nil {
		return nil, err
	}
	history, err := a.c.Consents.History(ctx, t, of)
	if err != nil {
		return nil, err
	}
	out := &consentOutput{TrackingConsent{
		Address: of.String(), State: string(now.State), At: timeOrNull(now.At), Actor: now.Actor, Way: now.Way, Wording: now.Wording,
		URL: a.c.Consents.URL(t, of), History: make([]ConsentFact, len(history)),
	}}
	for i, c := range history {
		out.Body.History[i] = ConsentFact{string(c.State), c.At, c.Actor, c.Way, c.Wording}
	}
	return out, nil
}

func (a *API) getConsent(ctx context.Context, in *ConsentAddress) (*consentOutput, error) {
	of, err := in.address()
	if err != nil {
		return nil, err
	}
	return a.consent(ctx, of)
}

type setConsentInput struct {
	ConsentAddress
	Body ConsentDraft
}

func (a *API) setConsent(ctx context.Context, in *setConsentInput) (*consentOutput, error) {
	of, err := in.address()
	if err != nil {
		return nil, err
	}
	key := keyOf(ctx)
	c := tracking.Consent{Tenant: key.Tenant, Address: of, State: tracking.State(in.Body.State), Actor: key.ID.String(), Way: in.Body.Way, Wording: in.Body.Wording}
	if c.Way == "" {
		c.Way = "api"
	}
	if err := a.c.Consents.Record(ctx, c); err != nil {
		return nil, err
	}
	return a.consent(ctx, of)
}

// ActivityFact is what further is known of something that a recipient did.
type ActivityFact struct {
	Target     string   `json:"target" doc:"What was opened: an address or a document; empty if nothing in particular"`
	Label      string   `json:"label" doc:"Text of the link, name of the document or unit"`
	Version    string   `json:"version" doc:"Hash of the document or text; empty where there is none"`
	Offer      string   `json:"offer" doc:"Identifier; empty for what no offer is about"`
	Level      string   `json:"level" enum:"none,aggregate,pseudonymous,individual" doc:"How much could be told at that moment"`
	Rule       string   `json:"rule" doc:"What decided the level"`
	Class      string   `json:"class" enum:"person,proxy,scanner" doc:"Who was there, by our rules"`
	Confidence int      `json:"confidence" doc:"Percent, how sure the rules are"`
	Rules      int      `json:"rules" doc:"Version of the rules"`
	Reasons    []string `json:"reasons" nullable:"false" doc:"The rules that spoke"`
	Agent      string   `json:"agent" doc:"Class of the program"`
}

// activityEvent is an activity among the facts of a message.
func activityEvent(v tracking.Activity) Event {
	machine := !v.Machine.Counted()
	e := Event{ID: v.ID.String(), Type: string(v.Kind), At: v.At, Actor: tracking.ByRecipient, Identified: &v.Identified, Machine: &machine, Activity: &ActivityFact{
		Target: v.Target, Label: v.Label, Version: v.Version, Offer: v.Offer, Level: v.Decision.Level.String(), Rule: string(v.Decision.Rule),
		Class: string(v.Machine.Class), Confidence: v.Machine.Confidence, Rules: v.Machine.Rules, Reasons: append([]string{}, v.Machine.Reasons...), Agent: v.Agent,
	}}
	if v.Identified && v.Recipient != nil {
		to := v.Recipient.String()
		e.Recipient = &to
	}
	if v.Identified && !v.Delivery.IsZero() {
		e.DeliveryID = &v.Delivery
	}
	return e
}

// activityPages bounds how many activities stand among the facts of one message: the
// first ones, tracking.MaxPage to a page.
const activityPages = 10

// withActivities adds to the facts of a message what its recipients did, in order of time.
func (a *API) withActivities(ctx context.Context, m message.ID, list []Event) ([]Event, error) {
	q := tracking.Query{Message: m, Forward: true, Limit: tracking.MaxPage}
	for range activityPages {
		did, more, err := a.c.Activities.Activities(ctx, keyOf(ctx).Tenant, q)
		if err != nil {
			return nil, err
		}
		for _, v := range did {
			list = append(list, activityEvent(v))
		}
		if !more || len(did) == 0 {
			break
		}
		q.After = did[len(did)-1].ID
	}
	slices.SortStableFunc(list, func(a, b Event) int { return a.At.Compare(b.At) })
	return list, nil
}
