package httpapi

import (
	"context"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

type listInput struct {
	Recipient      string `query:"recipient" maxLength:"320" doc:"Whole address, or @domain"`
	State          string `query:"state" enum:"queued,sending,deferred,held,delivered,bounced,expired,suppressed,cancelled"`
	Mark           string `query:"mark" enum:"late_bounce,complained" doc:"Deliveries that bear the mark"`
	Stream         string `query:"stream" enum:"transactional,lead,reminder,newsletter,system"`
	Tag            string `query:"tag" maxLength:"100"`
	From           string `query:"from" maxLength:"40" doc:"Accepted at or after (RFC 3339, or a date in UTC)"`
	To             string `query:"to" maxLength:"40" doc:"Accepted before (RFC 3339, or a date in UTC)"`
	Query          string `query:"q" maxLength:"200" doc:"Address, name, part of a subject, Message-ID or identifier"`
	After          string `query:"after" maxLength:"64" doc:"next of the page before"`
	Limit          int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	AcceptLanguage string `header:"Accept-Language" doc:"de (default) or en"`
}

type listOutput struct {
	Body struct {
		Data    []Message `json:"data" nullable:"false"`
		HasMore bool      `json:"has_more"`
		Next    *string   `json:"next" doc:"Value of after for the next page; null at the end"`
	}
}

func (a *API) list(ctx context.Context, in *listInput) (*listOutput, error) {
	f, err := in.filter()
	if err != nil {
		return nil, err
	}
	page, err := a.c.Messages.Messages(ctx, keyOf(ctx).Tenant, f)
	if err != nil {
		return nil, err
	}
	lang := preferred(in.AcceptLanguage)
	out := &listOutput{}
	out.Body.Data = make([]Message, len(page.Messages))
	for i, m := range page.Messages {
		out.Body.Data[i] = a.message(m, lang)
	}
	if page.More && len(page.Messages) > 0 {
		next := page.Messages[len(page.Messages)-1].ID.String()
		out.Body.HasMore, out.Body.Next = true, &next
	}
	return out, nil
}

func (in *listInput) filter() (insight.Filter, error) {
	d := &decoder{place: "query/"}
	f := insight.Filter{
		Recipient: in.Recipient, State: event.State(in.State), Mark: event.Mark(in.Mark), Stream: tenant.Stream(in.Stream),
		Tag: in.Tag, Text: in.Query, Limit: in.Limit, From: d.instant("from", in.From), To: d.instant("to", in.To),
	}
	if in.After != "" {
		var err error
		if f.After, err = id.Parse[message.Kind](in.After); err != nil {
			d.refuse("after", fault.Field("", "id_malformed", "The value is not a message identifier."))
		}
	}
	return f, fault.Join(d.wrong)
}

func (d *decoder) instant(field, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	d.refuse(field, fault.Field("", "time_malformed", "The time is not of the form 2026-11-22T08:00:00Z or 2026-11-22."))
	return time.Time{}
}
