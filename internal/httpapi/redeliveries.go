package httpapi

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/redelivery"
	"stafette/internal/tenant"
)

// maxRedelivery is generous: a filter is some lines.
const maxRedelivery = 64 << 10

func redeliveryRoutes() []Route {
	const all, one = "/v1/redeliveries", "/v1/redeliveries/{id}"
	list := []Route{
		{Method: http.MethodPost, Path: all, Scope: tenant.ScopeSend, MaxBody: maxRedelivery, media: "application/json", status: 202, errors: []int{400, 409, 413, 422, 503},
			id: "start-redelivery", summary: "Send kept mail once more, or tell in a dry run what that would do", register: registerJSON((*API).startRedelivery)},
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200, errors: []int{422},
			id: "list-redeliveries", summary: "List redeliveries from new to old", register: registerWith((*API).listRedeliveries)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-redelivery", summary: "Read how far a redelivery is", register: registerWith((*API).getRedelivery)},
		{Method: http.MethodGet, Path: one + "/items", Scope: tenant.ScopeRead, status: 200, errors: []int{404, 422},
			id: "list-redelivery-items", summary: "List what became of each delivery of a redelivery", register: registerWith((*API).listRedeliveryItems)},
	}
	for _, act := range []struct {
		name, summary string
		do            func(*API, context.Context, *redeliveryInput) (*redeliveryOutput, error)
	}{
		{"pause", "Let a redelivery rest", (*API).pauseRedelivery},
		{"resume", "Let a paused redelivery go on", (*API).resumeRedelivery},
		{"cancel", "End a redelivery; what was sent stays sent", (*API).cancelRedelivery},
		{"confirm", "Confirm a redelivery as the second person", (*API).confirmRedelivery},
	} {
		list = append(list, Route{Method: http.MethodPost, Path: one + "/" + act.name, Scope: tenant.ScopeSend, status: 200, errors: []int{404, 409},
			id: act.name + "-redelivery", summary: act.summary, register: registerWith(act.do)})
	}
	return list
}

// RedeliveryFilter picks deliveries. What is left out matches everything.
type RedeliveryFilter struct {
	Stream    string    `json:"stream,omitempty" doc:"One stream" example:"lead"`
	Recipient string    `json:"recipient,omitempty" doc:"A whole address, or @ and a domain" example:"anfragen@makler.example"`
	Customer  string    `json:"customer,omitempty" doc:"Your number of the advertiser" example:"4711"`
	Object    string    `json:"object,omitempty" doc:"The object's number, as the metadata object has it" example:"MA-1024"`
	From      time.Time `json:"from,omitzero" doc:"Accepted at or after; left out: as long ago as content is kept"`
	To        time.Time `json:"to,omitzero" doc:"Accepted before; left out: until now"`
	States    []string  `json:"states,omitempty" doc:"delivered, bounced, expired, suppressed, cancelled; left out: all of them" example:"[\"bounced\"]"`
	Reply     string    `json:"reply,omitempty" doc:"Part of the receiving server's last reply; case does not matter" example:"blocked"`
	Class     string    `json:"class,omitempty" doc:"Kind of failure, as reason of a delivery has it" example:"ip_blocked"`
	Source    string    `json:"source,omitempty" doc:"Address of ours that the last attempt left from" example:"192.0.2.1"`
	Message   string    `json:"message,omitempty" doc:"The deliveries of one message" example:"msg_01KAN0YQ3V0000000000000000"`
	Delivery  string    `json:"delivery,omitempty" doc:"One delivery"`
}

// RedeliveryRequest is a job, or the question what it would do.
type RedeliveryRequest struct {
	Filter    RedeliveryFilter `json:"filter"`
	DryRun    bool             `json:"dry_run,omitempty" doc:"Count, give a reason for each skip and show some mails; send nothing"`
	To        string           `json:"to,omitempty" doc:"Another address for all of it; left out: to whom it went"`
	Delivered bool             `json:"include_delivered,omitempty" doc:"Send what has arrived, too"`
	Mark      bool             `json:"mark_subject,omitempty" doc:"Put „Nachlieferung“ into the subject of mail that is no lead; leads always have it"`
	Old       bool             `json:"old_sources,omitempty" doc:"Send it over an old address of the changeover under way, for receivers who do not know the new ones yet"`
	PerMinute int              `json:"per_minute,omitempty" doc:"Rate of the first minute, doubled every minute; left out: 20"`
	Ceiling   int              `json:"ceiling,omitempty" doc:"Highest rate a minute; left out: 600"`
	Reason    string           `json:"reason,omitempty" doc:"Why; it is kept with the job"`
}

// complete implements complete. Values are asked about by redelivery.
func (RedeliveryRequest) complete() bool { return true }

func (in RedeliveryRequest) wish() (redelivery.Filter, redelivery.Options, error) {
	f := redelivery.Filter{Stream: tenant.Stream(in.Filter.Stream), Recipient: in.Filter.Recipient, Advertiser: in.Filter.Customer, Object: in.Filter.Object,
		From: in.Filter.From, To: in.Filter.To, Reply: in.Filter.Reply, Class: in.Filter.Class, Source: in.Filter.Source}
	for _, s := range in.Filter.States {
		f.States = append(f.States, event.State(s))
	}
	var wrong []*fault.Error
	var err error
	if in.Filter.Message != "" {
		if f.Message, err = id.Parse[message.Kind](in.Filter.Message); err != nil {
			wrong = append(wrong, fault.Field("filter/message", "id_malformed", "The value is not the identifier of a message."))
		}
	}
	if in.Filter.Delivery != "" {
		if f.Delivery, err = id.Parse[message.DeliveryKind](in.Filter.Delivery); err != nil {
			wrong = append(wrong, fault.Field("filter/delivery", "id_malformed", "The value is not the identifier of a delivery."))
		}
	}
	return f, redelivery.Options{To: in.To, Delivered: in.Delivered, Mark: in.Mark, Old: in.Old, PerMinute: in.PerMinute, Ceiling: in.Ceiling, Reason: in.Reason}, fault.Join(wrong)
}

// pointed names the inputs of a refusal as the request calls them.
func pointed(err error) error {
	f := fault.As(err)
	if f == nil || f.Field == "" {
		return err
	}
	rename := func(f fault.Error) *fault.Error {
		switch f.Field {
		case "to_address":
			f.Field = "to"
		case "advertiser":
			f.Field = "filter/customer"
		case "stream", "states", "recipient", "object", "reply", "class", "source", "to":
			f.Field = "filter/" + f.Field
		}
		return &f
	}
	first := rename(*f)
	first.Also = nil
	for _, one := range f.Also {
		first.Also = append(first.Also, rename(*one))
	}
	return first
}

// RedeliveryCounts is what a job would do.
type RedeliveryCounts struct {
	Matched int            `json:"matched" doc:"Deliveries that match"`
	Send    int            `json:"send" doc:"Of them would be sent"`
	Skipped map[string]int `json:"skipped" doc:"The others by reason: delivered, on_its_way, erased, content_ended, suppressed, redelivered, same_address"`
}

// RedeliverySample is a mail as it would be sent.
type RedeliverySample struct {
	Delivery message.DeliveryID `json:"delivery"`
	From     string             `json:"from"`
	To       string             `json:"to"`
	Subject  string             `json:"subject"`
	Text     string             `json:"text"`
	Problem  string             `json:"problem,omitempty" doc:"Why it cannot be made"`
}

// RedeliveryAnswer is a started job, or what a dry run found.
type RedeliveryAnswer struct {
	DryRun       bool               `json:"dry_run"`
	Counts       *RedeliveryCounts  `json:"counts,omitempty" doc:"Of a dry run"`
	Samples      []RedeliverySample `json:"samples,omitempty" doc:"Of a dry run: at most five"`
	Confirm      bool               `json:"confirm,omitempty" doc:"Of a dry run: a second person must confirm"`
	TakesSeconds int                `json:"takes_seconds,omitempty" doc:"Of a dry run: about so long"`
	Redelivery   *Redelivery        `json:"redelivery,omitempty" doc:"Of a job"`
}

// Redelivery is a job.
type Redelivery struct {
	ID          redelivery.ID `json:"id"`
	State       string        `json:"state" enum:"planning,awaiting,running,paused,done,cancelled" doc:"awaiting: a second person must confirm"`
	Reason      string        `json:"reason,omitempty" doc:"Why it rests, or why it waits before it goes on"`
	StartedBy   string        `json:"started_by"`
	ConfirmedBy string        `json:"confirmed_by,omitempty"`
	Total       int           `json:"total" doc:"Deliveries that matched"`
	Sent        int           `json:"sent"`
	Skipped     int           `json:"skipped"`
	Failed      int           `json:"failed"`
	Left        int           `json:"left"`
	Why         string        `json:"why,omitempty" doc:"In the words of who started it"`
	CreatedAt   time.Time     `json:"created_at"`
	FinishedAt  *time.Time    `json:"finished_at" doc:"null: not yet"`
}

func redeliveryOf(j redelivery.Job) *Redelivery {
	v := &Redelivery{ID: j.ID, State: string(j.State), Reason: j.Reason, StartedBy: j.Actor, ConfirmedBy: j.ConfirmedBy, Total: j.Total, Sent: j.Sent, Skipped: j.Skipped,
		Failed: j.Failed, Left: j.Left(), Why: j.Options.Reason, CreatedAt: j.CreatedAt}
	if !j.FinishedAt.IsZero() {
		v.FinishedAt = &j.FinishedAt
	}
	return v
}

type startRedeliveryOutput struct {
	Status   int
	Replayed string `header:"Idempotency-Replayed" doc:"true: this is the job of the first request"`
	Body     RedeliveryAnswer
}

func (a *API) startRedelivery(ctx context.Context, body RedeliveryRequest, in *jsonInput) (*startRedeliveryOutput, error) {
	f, o, err := body.wish()
	if err != nil {
		return nil, err
	}
	if body.DryRun {
		p, err := a.c.Redelivery.Preview(ctx, keyOf(ctx).Tenant, f, o)
		if err != nil {
			return nil, pointed(err)
		}
		return &startRedeliveryOutput{Status: http.StatusOK, Body: dryRun(p)}, nil
	}
	j, replayed, err := a.c.Redelivery.Start(ctx, principalOf(ctx), f, o, in.Key)
	if err != nil {
		return nil, pointed(err)
	}
	out := &startRedeliveryOutput{Status: http.StatusAccepted, Body: RedeliveryAnswer{Redelivery: redeliveryOf(j)}}
	if replayed {
		out.Replayed = "true"
	}
	return out, nil
}

func dryRun(p redelivery.Plan) RedeliveryAnswer {
	v := RedeliveryAnswer{DryRun: true, Confirm: p.Confirm, TakesSeconds: int(p.Takes / time.Second),
		Counts: &RedeliveryCounts{Matched: p.Matched, Send: p.Send, Skipped: p.Skips}}
	for _, s := range p.Samples {
		v.Samples = append(v.Samples, RedeliverySample{Delivery: s.Delivery, From: s.From.String(), To: s.To.String(), Subject: s.Subject, Text: s.Text, Problem: s.Problem})
	}
	return v
}

type listRedeliveriesInput struct {
	After string `query:"after" maxLength:"64" doc:"next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type listRedeliveriesOutput struct {
	Body struct {
		Data    []Redelivery `json:"data" nullable:"false"`
		HasMore bool         `json:"has_more"`
		Next    *string      `json:"next" doc:"Value of after for the next page; null at the end"`
	}
}

func (a *API) listRedeliveries(ctx context.Context, in *listRedeliveriesInput) (*listRedeliveriesOutput, error) {
	var after redelivery.ID
	if in.After != "" {
		var err error
		if after, err = id.Parse[redelivery.Kind](in.After); err != nil {
			return nil, fault.Field("query/after", "id_malformed", "The value is not the identifier of a redelivery.")
		}
	}
	list, more, err := a.c.Redelivery.Jobs(ctx, keyOf(ctx).Tenant, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &listRedeliveriesOutput{}
	out.Body.Data = make([]Redelivery, len(list))
	for i, j := range list {
		out.Body.Data[i] = *redeliveryOf(j)
	}
	if more {
		next := list[len(list)-1].ID.String()
		out.Body.HasMore, out.Body.Next = true, &next
	}
	return out, nil
}

type redeliveryInput struct {
	ID string `path:"id" maxLength:"64"`
}

type redeliveryOutput struct{ Body Redelivery }

// redeliveryID answers what is no identifier like what does not exist.
func redeliveryID(text string) (redelivery.ID, error) {
	number, err := id.Parse[redelivery.Kind](text)
	if err != nil {
		return number, fault.New(fault.NotFound, redelivery.CodeNotFound, "There is no such thing here.")
	}
	return number, nil
}

// withRedelivery does something with the job of a path.
func withRedelivery(text string, do func(redelivery.ID) (redelivery.Job, error)) (*redeliveryOutput, error) {
	number, err := redeliveryID(text)
	if err != nil {
		return nil, err
	}
	j, err := do(number)
	if err != nil {
		return nil, err
	}
	return &redeliveryOutput{*redeliveryOf(j)}, nil
}

func (a *API) getRedelivery(ctx context.Context, in *redeliveryInput) (*redeliveryOutput, error) {
	return withRedelivery(in.ID, func(j redelivery.ID) (redelivery.Job, error) { return a.c.Redelivery.Job(ctx, keyOf(ctx).Tenant, j) })
}

func (a *API) pauseRedelivery(ctx context.Context, in *redeliveryInput) (*redeliveryOutput, error) {
	return withRedelivery(in.ID, func(j redelivery.ID) (redelivery.Job, error) {
		return a.c.Redelivery.Pause(ctx, keyOf(ctx).Tenant, j)
	})
}

func (a *API) resumeRedelivery(ctx context.Context, in *redeliveryInput) (*redeliveryOutput, error) {
	return withRedelivery(in.ID, func(j redelivery.ID) (redelivery.Job, error) {
		return a.c.Redelivery.Resume(ctx, keyOf(ctx).Tenant, j)
	})
}

func (a *API) cancelRedelivery(ctx context.Context, in *redeliveryInput) (*redeliveryOutput, error) {
	return withRedelivery(in.ID, func(j redelivery.ID) (redelivery.Job, error) {
		return a.c.Redelivery.Cancel(ctx, keyOf(ctx).Tenant, j)
	})
}

func (a *API) confirmRedelivery(ctx context.Context, in *redeliveryInput) (*redeliveryOutput, error) {
	return withRedelivery(in.ID, func(j redelivery.ID) (redelivery.Job, error) { return a.c.Redelivery.Confirm(ctx, principalOf(ctx), j) })
}

type listRedeliveryItemsInput struct {
	ID    string `path:"id" maxLength:"64"`
	State string `query:"state" enum:"waiting,sending,sent,skipped,failed"`
	After int    `query:"after" minimum:"0" doc:"next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

// RedeliveryItem is one delivery of a job.
type RedeliveryItem struct {
	Number   int                `json:"number"`
	Delivery message.DeliveryID `json:"delivery" doc:"The one that is repeated"`
	State    string             `json:"state" enum:"waiting,sending,sent,skipped,failed"`
	Reason   string             `json:"reason,omitempty" doc:"Of skipped and failed"`
	Message  *message.ID        `json:"message_id" doc:"The new mail; null while there is none"`
	At       time.Time          `json:"at" doc:"When it got its state"`
}

type listRedeliveryItemsOutput struct {
	Body struct {
		Data    []RedeliveryItem `json:"data" nullable:"false"`
		HasMore bool             `json:"has_more"`
		Next    *int             `json:"next" doc:"Value of after for the next page; null at the end"`
	}
}

func (a *API) listRedeliveryItems(ctx context.Context, in *listRedeliveryItemsInput) (*listRedeliveryItemsOutput, error) {
	number, err := redeliveryID(in.ID)
	if err != nil {
		return nil, err
	}
	list, more, err := a.c.Redelivery.Items(ctx, keyOf(ctx).Tenant, number, redelivery.ItemFilter{State: redelivery.ItemState(in.State), After: in.After, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	out := &listRedeliveryItemsOutput{}
	out.Body.Data = make([]RedeliveryItem, len(list))
	for i, it := range list {
		v := RedeliveryItem{Number: it.Number, Delivery: it.Delivery, State: string(it.State), Reason: it.Reason, At: it.At}
		if !it.Message.IsZero() {
			v.Message = &it.Message
		}
		out.Body.Data[i] = v
	}
	if more {
		next := list[len(list)-1].Number
		out.Body.HasMore, out.Body.Next = true, &next
	}
	return out, nil
}
