package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/series"
	"stafette/internal/tenant"
)

// maxSeries bounds a request: the letters of a series together; large ones are templates.
const maxSeries = 1<<20 - 1

func seriesRoutes() []Route {
	const all, one = "/v1/series", "/v1/series/{id}"
	list := []Route{
		{Method: http.MethodPost, Path: all, Scope: tenant.ScopeSend, MaxBody: maxSeries, media: "application/json", status: 201, errors: []int{409, 422},
			id: "create-series", summary: "Make a draft of a series", register: registerWith((*API).createSeries)},
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200,
			id: "list-series", summary: "List series from new to old", register: registerWith((*API).listSeries)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-series", summary: "Read a series", register: registerWith((*API).getSeries)},
		{Method: http.MethodPut, Path: one, Scope: tenant.ScopeSend, MaxBody: maxSeries, media: "application/json", status: 200, errors: []int{404, 409, 422},
			id: "change-series", summary: "Replace what a series says; what is not a draft gets a new version", register: registerWith((*API).changeSeries)},
		{Method: http.MethodDelete, Path: one, Scope: tenant.ScopeSend, status: 204, errors: []int{404, 409},
			id: "delete-series", summary: "Delete a draft or an ended series", register: registerWith((*API).deleteSeries)},
		{Method: http.MethodGet, Path: one + "/report", Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "report-series", summary: "Count who is at which step and what became of the others", register: registerWith((*API).reportSeries)},
		{Method: http.MethodGet, Path: one + "/runs", Scope: tenant.ScopeRead, status: 200, errors: []int{404, 422},
			id: "list-series-runs", summary: "Who is at which step, or was", register: registerWith((*API).listSeriesRuns)},
		{Method: http.MethodPost, Path: "/v1/events", Scope: tenant.ScopeSend, MaxBody: 32 << 10, media: "application/json", status: 202, errors: []int{422},
			id: "tell-event", summary: "Tell that something happened to a contact; series may begin with it", register: registerWith((*API).tellEvent)},
	}
	for _, act := range []struct {
		name, summary string
		errors        []int
		do            func(*series.Service, context.Context, ingest.Principal, series.ID) (series.Series, error)
	}{
		{"activate", "Let contacts begin a series", []int{404, 409, 422}, (*series.Service).Activate},
		{"pause", "Stop everybody where they are", []int{404, 409}, (*series.Service).Pause},
		{"resume", "Let a paused series go on", []int{404, 409, 422}, (*series.Service).Resume},
		{"end", "End a series for good; who is under way gets nothing more", []int{404, 409}, (*series.Service).End},
	} {
		list = append(list, Route{Method: http.MethodPost, Path: one + "/" + act.name, Scope: tenant.ScopeSend, status: 200, errors: act.errors,
			id: act.name + "-series", summary: act.summary, register: registerWith(seriesAct(act.do))})
	}
	return append(list, seriesReadyRoutes()...)
}

// SeriesTrigger is what begins a series.
type SeriesTrigger struct {
	On    string `json:"on" enum:"confirmed,tag,date,event" doc:"confirmed: a person confirmed a subscription to the group; tag: a contact got the tag; date: day and month of a date field; event: POST /v1/events"`
	Tag   string `json:"tag,omitempty" maxLength:"400"`
	Event string `json:"event,omitempty" maxLength:"64" example:"order.paid"`
	Field string `json:"field,omitempty" maxLength:"40" doc:"Key of a date field" example:"birthday"`
	Hour  int    `json:"hour,omitempty" minimum:"0" maximum:"23" doc:"At which dates are looked at"`
}

// SeriesStep is one step.
type SeriesStep struct {
	Key     string         `json:"key" maxLength:"40" doc:"Names the step in all versions of the series: a to z, digits and -" example:"welcome"`
	Do      string         `json:"do" enum:"send,wait,check,tag,untag,end"`
	Minutes int64          `json:"minutes,omitempty" minimum:"0" doc:"Of wait"`
	Weekday string         `json:"weekday,omitempty" enum:"day,monday,tuesday,wednesday,thursday,friday,saturday,sunday" doc:"Of wait, in place of minutes: until the next one at the hour; day: any"`
	Hour    int            `json:"hour,omitempty" minimum:"0" maximum:"23"`
	Local   bool           `json:"local,omitempty" doc:"Of wait with a weekday: the hour is that of each contact's own clock; who has no time zone goes by the series'"`
	Filter  map[string]any `json:"filter,omitempty" doc:"Of check: as of dynamic groups"`
	Did     string         `json:"did,omitempty" enum:"opened,clicked" doc:"Of check, in place of filter: by a person, in the mail of the step of"`
	Of      string         `json:"of,omitempty" maxLength:"40"`
	Else    string         `json:"else,omitempty" maxLength:"40" doc:"Of check: key of a later step to go on at where the condition does not hold; left out: the series is over for the contact"`
	Tag     string         `json:"tag,omitempty" maxLength:"400" doc:"Of tag and untag"`
	Letter  *SeriesLetter  `json:"letter,omitempty" doc:"Of send"`
}

// SeriesLetter is the mail of a step, as that of a mailing.
type SeriesLetter struct {
	From     string         `json:"from,omitempty" maxLength:"400"`
	ReplyTo  string         `json:"reply_to,omitempty" maxLength:"400"`
	Subject  string         `json:"subject,omitempty" maxLength:"2000" doc:"A template, as are html and text; series that begin with an event have {{event.…}} too"`
	HTML     string         `json:"html,omitempty" doc:"At most one of html, mjml, blocks and template is given"`
	MJML     string         `json:"mjml,omitempty"`
	Blocks   map[string]any `json:"blocks,omitempty"`
	Template string         `json:"template,omitempty" maxLength:"120" doc:"Identifier or name; the letter has the version of when it was saved"`
	Language string         `json:"language,omitempty" maxLength:"8"`
	Text     string         `json:"text,omitempty"`
	Tracking string         `json:"tracking,omitempty" enum:"none,aggregate,pseudonymous,individual"`
}

// SeriesDraft is what a series says.
type SeriesDraft struct {
	Name    string        `json:"name" maxLength:"800" example:"Willkommen"`
	Group   string        `json:"group_id" maxLength:"64" doc:"Everybody in a series is a member of it, and it must be approved"`
	Again   int           `json:"again_after_days,omitempty" minimum:"0" maximum:"3650" doc:"After how many days a contact may begin anew; 0: never (dates: once a year)"`
	Zone    string        `json:"time_zone,omitempty" maxLength:"64" doc:"Of hours; left out: the account's" example:"Europe/Berlin"`
	Trigger SeriesTrigger `json:"trigger"`
	Steps   []SeriesStep  `json:"steps,omitempty" maxItems:"50"`
}

func (d SeriesDraft) fill(v *series.Series) error {
	group, err := id.Parse[audience.GroupKind](d.Group)
	if err != nil {
		return fault.Field("group_id", series.CodeValue, "There is no such group.")
	}
	t := d.Trigger
	v.Name, v.Group, v.Again = d.Name, group, d.Again
	v.Definition = series.Definition{Zone: d.Zone, Trigger: series.Trigger{On: series.On(t.On), Tag: t.Tag, Event: t.Event, Field: t.Field, Hour: t.Hour}}
	for i, s := range d.Steps {
		step, err := s.step()
		if f := fault.As(err); f != nil {
			at := *f
			at.Field = "steps/" + strconv.Itoa(i) + "/" + f.Field
			return &at
		} else if err != nil {
			return err
		}
		v.Definition.Steps = append(v.Definition.Steps, step)
	}
	return nil
}

func (s SeriesStep) step() (series.Step, error) {
	step := series.Step{Key: s.Key, Do: series.Do(s.Do), Minutes: s.Minutes, Weekday: s.Weekday, Hour: s.Hour, Local: s.Local, Did: s.Did, Of: s.Of, Else: s.Else, Tag: s.Tag}
	if s.Filter != nil {
		text, err := json.Marshal(s.Filter)
		if err != nil {
			return step, fault.Field("filter", "segment_malformed", "This is not a filter.")
		}
		f, err := audience.ParseSegment(text)
		if err != nil {
			at := *fault.As(err)
			at.Field = "filter"
			return step, &at
		}
		step.Filter = &f
	}
	if s.Letter == nil {
		return step, nil
	}
	var c campaign.Campaign
	l := s.Letter
	err := CampaignDraft{From: l.From, ReplyTo: l.ReplyTo, Subject: l.Subject, HTML: l.HTML, MJML: l.MJML, Blocks: l.Blocks, Template: l.Template, Language: l.Language,
		Text: l.Text, Tracking: l.Tracking}.fill(&c)
	if f := fault.As(err); f != nil {
		at := *f
		at.Field = "letter/" + f.Field
		return step, &at
	}
	step.Letter = &c.Letter
	return step, err
}

// Series is a series as it is read.
type Series struct {
	ID        series.ID        `json:"id"`
	Revision  int64            `json:"revision" doc:"Grows with every change"`
	Version   int64            `json:"version" doc:"Grows with every change of what is not a draft"`
	State     string           `json:"state" enum:"draft,active,paused,ended"`
	Reason    string           `json:"reason,omitempty" doc:"What paused it, or holds it up"`
	Name      string           `json:"name"`
	Group     audience.GroupID `json:"group_id"`
	Again     int              `json:"again_after_days"`
	Zone      string           `json:"time_zone,omitempty"`
	Trigger   SeriesTrigger    `json:"trigger"`
	Steps     []SeriesStep     `json:"steps,omitempty" doc:"Of one series; lists leave them out"`
	Entered   int64            `json:"entered" doc:"How often contacts have begun it"`
	CreatedAt time.Time        `json:"created_at"`
	UpdatedAt time.Time        `json:"updated_at"`
}

func seriesRecord(v series.Series) (Series, error) {
	d := v.Definition
	r := Series{ID: v.ID, Revision: v.Revision, Version: v.Version, State: string(v.State), Reason: v.Reason, Name: v.Name, Group: v.Group, Again: v.Again, Zone: d.Zone,
		Trigger: SeriesTrigger{string(d.Trigger.On), d.Trigger.Tag, d.Trigger.Event, d.Trigger.Field, d.Trigger.Hour}, Entered: v.Entered, CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt}
	for _, s := range d.Steps {
		step := SeriesStep{Key: s.Key, Do: string(s.Do), Minutes: s.Minutes, Weekday: s.Weekday, Hour: s.Hour, Local: s.Local, Did: s.Did, Of: s.Of, Else: s.Else, Tag: s.Tag}
		if s.Filter != nil {
			text, err := json.Marshal(s.Filter)
			if err == nil {
				err = json.Unmarshal(text, &step.Filter)
			}
			if err != nil {
				return r, err
			}
		}
		if s.Letter != nil {
			c := campaignRecord(campaign.Campaign{Letter: *s.Letter})
			step.Letter = &SeriesLetter{c.From, c.ReplyTo, c.Subject, c.HTML, c.MJML, c.Blocks, c.Template, c.Language, s.Letter.Written(), c.Tracking}
			if c.Template != "" || c.MJML != "" || c.Blocks != nil {
				step.Letter.HTML = "" // it follows from them, and could not be given beside them
			}
		}
		r.Steps = append(r.Steps, step)
	}
	return r, nil
}

// SeriesPath names a series in a path.
type SeriesPath struct {
	ID string `path:"id" maxLength:"64"`
}

// number answers what is no identifier like what does not exist.
func (p SeriesPath) number() (series.ID, error) {
	number, err := id.Parse[series.Kind](p.ID)
	if err != nil {
		return number, fault.New(fault.NotFound, series.CodeNotFound, "There is no such thing here.")
	}
	return number, nil
}

type seriesOutput struct{ Body Series }

func seriesAnswer(v series.Series, err error) (*seriesOutput, error) {
	if err != nil {
		return nil, err
	}
	r, err := seriesRecord(v)
	return &seriesOutput{r}, err
}

func seriesAct(do func(*series.Service, context.Context, ingest.Principal, series.ID) (series.Series, error)) func(*API, context.Context, *SeriesPath) (*seriesOutput, error) {
	return func(a *API, ctx context.Context, in *SeriesPath) (*seriesOutput, error) {
		number, err := in.number()
		if err != nil {
			return nil, err
		}
		return seriesAnswer(do(a.c.Series, ctx, principalOf(ctx), number))
	}
}

func (a *API) createSeries(ctx context.Context, in *struct{ Body SeriesDraft }) (*seriesOutput, error) {
	var v series.Series
	if err := in.Body.fill(&v); err != nil {
		return nil, err
	}
	return seriesAnswer(a.c.Series.Create(ctx, principalOf(ctx), v))
}

type changeSeriesInput struct {
	SeriesPath
	Body struct {
		SeriesDraft
		Revision int64  `json:"revision" minimum:"1" doc:"The one you read"`
		UnderWay string `json:"under_way,omitempty" enum:"stay,switch" doc:"What those under way do: stay in their version (if left out), or go on in the new one"`
	}
}

func (a *API) changeSeries(ctx context.Context, in *changeSeriesInput) (*seriesOutput, error) {
	number, err := in.number()
	if err != nil {
		return nil, err
	}
	was, err := a.c.Series.Series(ctx, keyOf(ctx).Tenant, number)
	if err != nil {
		return nil, err
	}
	v := series.Series{ID: number, Revision: in.Body.Revision}
	if err := in.Body.fill(&v); err != nil {
		return nil, err
	}
	known, err := a.c.Checks.Known(ctx, was.Letters())
	if err != nil {
		return nil, err
	}
	if v, err = a.c.Series.Change(ctx, principalOf(ctx), v, in.Body.UnderWay == "switch"); err == nil {
		a.c.Checks.Follow(ctx, known, v.Letters(), true)
	}
	return seriesAnswer(v, err)
}

func (a *API) getSeries(ctx context.Context, in *SeriesPath) (*seriesOutput, error) {
	number, err := in.number()
	if err != nil {
		return nil, err
	}
	return seriesAnswer(a.c.Series.Series(ctx, keyOf(ctx).Tenant, number))
}

func (a *API) deleteSeries(ctx context.Context, in *SeriesPath) (*struct{}, error) {
	number, err := in.number()
	if err != nil {
		return nil, err
	}
	return nil, a.c.Series.Delete(ctx, keyOf(ctx).Tenant, number)
}

type listSeriesOutput struct {
	Body struct {
		Data []Series `json:"data" nullable:"false"`
	}
}

func (a *API) listSeries(ctx context.Context, _ *struct{}) (*listSeriesOutput, error) {
	list, err := a.c.Series.List(ctx, keyOf(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	out := &listSeriesOutput{}
	out.Body.Data = make([]Series, len(list))
	for i, v := range list {
		v.Definition.Steps = nil
		if out.Body.Data[i], err = seriesRecord(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// SeriesCount counts what a step came to.
type SeriesCount struct {
	Step    string `json:"step"`
	Outcome string `json:"outcome" enum:"waiting,sent,excluded,passed,yes,no" doc:"waiting: a mail is being handed over"`
	Reason  string `json:"reason,omitempty"`
	Count   int64  `json:"count"`
}

// SeriesReport is how a series stands.
type SeriesReport struct {
	At      time.Time        `json:"at" doc:"When it was counted"`
	Waiting map[string]int64 `json:"waiting" doc:"Who stands at a step, by its key"`
	Steps   []SeriesCount    `json:"steps" nullable:"false" doc:"What was done, of all versions"`
	Over    map[string]int64 `json:"over" doc:"For whom it is over, by reason; end: they went through"`
}

func (a *API) reportSeries(ctx context.Context, in *SeriesPath) (*struct{ Body SeriesReport }, error) {
	number, err := in.number()
	if err != nil {
		return nil, err
	}
	r, err := a.c.Series.Report(ctx, keyOf(ctx).Tenant, number)
	if err != nil {
		return nil, err
	}
	v := SeriesReport{At: r.At, Waiting: map[string]int64{}, Steps: []SeriesCount{}, Over: r.Over}
	if v.Over == nil {
		v.Over = map[string]int64{}
	}
	for _, p := range r.Places {
		v.Waiting[p.Step] = p.Waiting
	}
	for _, c := range r.Counts {
		v.Steps = append(v.Steps, SeriesCount{c.Step, string(c.Outcome), c.Reason, c.N})
	}
	return &struct{ Body SeriesReport }{v}, nil
}

// SeriesRun is one way of a contact through a series.
type SeriesRun struct {
	Contact   audience.ContactID `json:"contact"`
	Email     string             `json:"email" doc:"Empty where the contact is gone"`
	Entry     int64              `json:"entry" doc:"How often the contact has begun it"`
	Version   int64              `json:"version"`
	Step      string             `json:"step" doc:"The step at which it stands; of what is over the last one"`
	Reason    string             `json:"reason,omitempty" doc:"Why it is over; end: went through"`
	DueAt     *time.Time         `json:"due_at" doc:"When it goes on; null when it is over"`
	EnteredAt time.Time          `json:"entered_at"`
	EndedAt   *time.Time         `json:"ended_at"`
}

type listSeriesRunsInput struct {
	SeriesPath
	Step  string `query:"step" maxLength:"40" doc:"Those at this step"`
	State string `query:"state" enum:"on,over" doc:"Those under way, or those for whom it is over"`
	After string `query:"after" maxLength:"64" doc:"next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

type listSeriesRunsOutput struct {
	Body struct {
		Data    []SeriesRun `json:"data" nullable:"false"`
		HasMore bool        `json:"has_more"`
		Next    *string     `json:"next" doc:"Value of after for the next page; null at the end"`
	}
}

func (a *API) listSeriesRuns(ctx context.Context, in *listSeriesRunsInput) (*listSeriesRunsOutput, error) {
	number, err := in.number()
	if err != nil {
		return nil, err
	}
	f := series.RunFilter{Step: in.Step, State: in.State, Limit: in.Limit}
	if in.After != "" {
		if f.After, err = id.Parse[audience.ContactKind](in.After); err != nil {
			return nil, fault.Field("query/after", "id_malformed", "The value is not the identifier of a contact.")
		}
	}
	list, more, err := a.c.Series.Runs(ctx, keyOf(ctx).Tenant, number, f)
	if err != nil {
		return nil, err
	}
	out := &listSeriesRunsOutput{}
	out.Body.Data = make([]SeriesRun, len(list))
	for i, l := range list {
		v := SeriesRun{Contact: l.Contact, Entry: l.Entry, Version: l.Version, Step: l.Step, Reason: l.Reason, DueAt: timeOrNull(l.DueAt), EnteredAt: l.EnteredAt, EndedAt: timeOrNull(l.EndedAt)}
		if l.Address.Domain != "" {
			v.Email = l.Address.String()
		}
		out.Body.Data[i] = v
	}
	if more {
		next := list[len(list)-1].Contact.String()
		out.Body.HasMore, out.Body.Next = true, &next
	}
	return out, nil
}

// SeriesEvent is something that happened to a contact.
type SeriesEvent struct {
	Email string         `json:"email" maxLength:"400" doc:"One of the contact's addresses"`
	Name  string         `json:"name" maxLength:"64" example:"order.paid"`
	Data  map[string]any `json:"data,omitempty" doc:"For {{event.…}} in the letters; forgotten when the contact is through"`
}

type tellEventOutput struct {
	Body struct {
		Series int `json:"series" doc:"How many active series wait for it"`
	}
}

func (a *API) tellEvent(ctx context.Context, in *struct{ Body SeriesEvent }) (*tellEventOutput, error) {
	var data json.RawMessage
	if in.Body.Data != nil {
		text, err := json.Marshal(in.Body.Data)
		if err != nil {
			return nil, fault.Field("data", series.CodeEvent, "An object of at most 16 KiB.")
		}
		data = text
	}
	n, err := a.c.Series.Tell(ctx, keyOf(ctx).Tenant, in.Body.Email, in.Body.Name, data)
	if err != nil {
		return nil, err
	}
	out := &tellEventOutput{}
	out.Body.Series = n
	return out, nil
}
