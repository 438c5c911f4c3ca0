package httpapi

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

func activityRoutes() []Route {
	return []Route{
		{Method: http.MethodGet, Path: "/v1/activities", Scope: tenant.ScopeRead, status: 200, errors: []int{422},
			id: "list-activities", summary: "List what recipients did with mail and offers, from new to old", register: registerWith((*API).activities)},
	}
}

// Activity is one thing that was done with a mail or an offer.
type Activity struct {
	ID         tracking.ActivityID `json:"id"`
	Type       string              `json:"type" enum:"opened,clicked,page_visited,link_opened,document_downloaded,floorplan_downloaded,unit_liked,unit_unliked,expose_downloaded,withdrawal_notice_opened,withdrawal_notice_confirmed,terms_confirmed,contract_withdrawn"`
	At         time.Time           `json:"at"`
	MessageID  *string             `json:"message_id" doc:"Null for pages that no mail led to"`
	OfferID    *string             `json:"offer_id"`
	Recipient  *string             `json:"recipient" doc:"Null where the person is not identified"`
	Identified bool                `json:"identified"`
	Proof      bool                `json:"proof" doc:"A declaration made by a form; all others are indications"`
	Sender     string              `json:"sender" doc:"User or key that sent it"`
	Title      string              `json:"title"`
	Target     string              `json:"target" doc:"URL or document"`
	Label      string              `json:"label"`
	Version    string              `json:"version" doc:"Hash of the document or text"`
	Level      string              `json:"level" doc:"How much could be told when it happened"`
	Rule       string              `json:"rule" doc:"What decided the level"`
	Machine    ActivityMachine     `json:"machine"`
}

// ActivityMachine is the judgement whether a machine was there.
type ActivityMachine struct {
	Class      string   `json:"class" enum:"person,proxy,scanner"`
	Counted    bool     `json:"counted" doc:"Whether it counts as a person's"`
	Confidence int      `json:"confidence" doc:"Percent"`
	Rules      int      `json:"rules" doc:"Version of the rules that judged"`
	Reasons    []string `json:"reasons" nullable:"false"`
}

func activityOf(v tracking.Activity) Activity {
	a := Activity{ID: v.ID, Type: string(v.Kind), At: v.At, Identified: v.Identified, Proof: v.Kind.Declared(), Sender: v.Sender, Title: v.Title,
		Target: v.Target, Label: v.Label, Version: v.Version, Level: v.Decision.Level.String(), Rule: string(v.Decision.Rule),
		Machine: ActivityMachine{Class: string(v.Machine.Class), Counted: v.Machine.Counted(), Confidence: v.Machine.Confidence, Rules: v.Machine.Rules,
			Reasons: append([]string{}, v.Machine.Reasons...)}}
	set := func(to **string, text string) {
		if text != "" {
			*to = &text
		}
	}
	set(&a.MessageID, v.Message.String())
	set(&a.OfferID, v.Offer)
	if v.Identified && v.Recipient != nil {
		set(&a.Recipient, v.Recipient.String())
	}
	return a
}

type activitiesInput struct {
	Type      string `query:"type" maxLength:"400" example:"opened,clicked" doc:"Types with commas between; left out: all"`
	Message   string `query:"message" maxLength:"64" doc:"Of one message"`
	Offer     string `query:"offer" maxLength:"64" doc:"Of one offer"`
	Recipient string `query:"recipient" maxLength:"320" doc:"Of one address"`
	Sender    string `query:"sender" maxLength:"64" doc:"Of what a user or key sent"`
	Machines  bool   `query:"machines" doc:"With those of machines, which are not counted"`
	From      string `query:"from" maxLength:"40" doc:"At or after (RFC 3339, or a date in UTC)"`
	To        string `query:"to" maxLength:"40" doc:"Before (RFC 3339, or a date in UTC)"`
	After     string `query:"after" maxLength:"64" doc:"next of the page before"`
	Limit     int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

func (in *activitiesInput) query() (tracking.Query, error) {
	d := &decoder{place: "query/"}
	q := tracking.Query{Offer: in.Offer, Sender: in.Sender, Limit: in.Limit, Since: d.instant("from", in.From), Until: d.instant("to", in.To)}
	if !in.Machines {
		q.Classes = []tracking.Class{tracking.Person, tracking.Proxy}
	}
	for part := range strings.SplitSeq(in.Type, ",") {
		kind := tracking.Kind(strings.TrimSpace(part))
		switch {
		case slices.Contains(tracking.Kinds(), kind):
			q.Kinds = append(q.Kinds, kind)
		case kind != "":
			d.refuse("type", fault.Field("", "activity_type_unknown", "There is no such type of activity."))
		}
	}
	var err error
	if in.Message != "" {
		if q.Message, err = id.Parse[message.Kind](in.Message); err != nil {
			d.refuse("message", fault.Field("", "id_malformed", "The value is not a message identifier."))
		}
	}
	if in.After != "" {
		if q.After, err = id.Parse[tracking.ActivityKind](in.After); err != nil {
			d.refuse("after", fault.Field("", "id_malformed", "The value is not the identifier of an activity."))
		}
	}
	if in.Recipient != "" {
		if q.Recipient, err = message.ParseAddress(in.Recipient); err != nil {
			d.refuse("recipient", fault.Field("", "address_malformed", "The value is not an address."))
		}
	}
	return q, fault.Join(d.wrong)
}

type activitiesOutput struct {
	Body struct {
		Data    []Activity `json:"data" nullable:"false"`
		HasMore bool       `json:"has_more"`
		Next    *string    `json:"next" doc:"Value of after for the next page; null at the end"`
	}
}

func (a *API) activities(ctx context.Context, in *activitiesInput) (*activitiesOutput, error) {
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	list, more, err := a.c.Activities.Activities(ctx, keyOf(ctx).Tenant, q)
	if err != nil {
		return nil, err
	}
	out := &activitiesOutput{}
	out.Body.Data = []Activity{}
	for _, v := range list {
		out.Body.Data = append(out.Body.Data, activityOf(v))
	}
	if more && len(list) > 0 {
		next := list[len(list)-1].ID.String()
		out.Body.HasMore, out.Body.Next = true, &next
	}
	return out, nil
}
