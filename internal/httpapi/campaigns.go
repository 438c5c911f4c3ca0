package httpapi

import (
	"context"
	"net/http"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// maxCampaign bounds a request; two templates of the largest size do not fit into one.
const maxCampaign = 1<<20 - 1

func campaignRoutes() []Route {
	const all, one = "/v1/campaigns", "/v1/campaigns/{id}"
	list := []Route{
		{Method: http.MethodPost, Path: all, Scope: tenant.ScopeSend, MaxBody: maxCampaign, media: "application/json", status: 201, errors: []int{422},
			id: "create-campaign", summary: "Make a draft of a mailing", register: registerWith((*API).createCampaign)},
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200, errors: []int{422},
			id: "list-campaigns", summary: "List mailings from new to old", register: registerWith((*API).listCampaigns)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-campaign", summary: "Read a mailing and how far it is", register: registerWith((*API).getCampaign)},
		{Method: http.MethodPut, Path: one, Scope: tenant.ScopeSend, MaxBody: maxCampaign, media: "application/json", status: 200, errors: []int{404, 409, 422},
			id: "change-campaign", summary: "Replace what a draft says", register: registerWith((*API).changeCampaign)},
		{Method: http.MethodDelete, Path: one, Scope: tenant.ScopeSend, status: 204, errors: []int{404, 409},
			id: "delete-campaign", summary: "Delete a draft", register: registerWith((*API).deleteCampaign)},
		{Method: http.MethodGet, Path: one + "/preview", Scope: tenant.ScopeRead, status: 200, errors: []int{404, 422},
			id: "preview-campaign", summary: "Count who would get a mailing, and who not and why", register: registerWith((*API).previewCampaign)},
		{Method: http.MethodGet, Path: one + "/report", Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "report-campaign", summary: "What became of a mailing", register: registerWith((*API).reportCampaign)},
		{Method: http.MethodGet, Path: one + "/recipients", Scope: tenant.ScopeRead, status: 200, errors: []int{404, 422},
			id: "list-campaign-recipients", summary: "Who got a mailing, and who not and why", register: registerWith((*API).listCampaignRecipients)},
		{Method: http.MethodPost, Path: one + "/send", Scope: tenant.ScopeSend, MaxBody: 8 << 10, media: "application/json", status: 202, errors: []int{404, 409, 422},
			id: "send-campaign", summary: "Send a mailing, at once, at an instant or at a local time of each recipient", register: registerWith((*API).sendCampaign)},
	}
	for _, act := range []struct {
		name, summary string
		do            func(*API, context.Context, *CampaignPath) (*campaignOutput, error)
	}{
		{"unschedule", "Make a draft of a mailing that has not begun", campaignAct((*campaign.Service).Unschedule)},
		{"pause", "Stop a mailing; nothing more leaves", campaignAct((*campaign.Service).Pause)},
		{"resume", "Let a paused mailing go on", campaignAct((*campaign.Service).Resume)},
		{"cancel", "End a mailing; what has not left is cancelled", campaignAct((*campaign.Service).Cancel)},
	} {
		list = append(list, Route{Method: http.MethodPost, Path: one + "/" + act.name, Scope: tenant.ScopeSend, status: 200, errors: []int{404, 409},
			id: act.name + "-campaign", summary: act.summary, register: registerWith(act.do)})
	}
	return list
}

// CampaignDraft is what a mailing says. All of it may be left out of a draft but the name.
type CampaignDraft struct {
	Name     string             `json:"name" maxLength:"800" example:"Mai-Rundbrief"`
	Groups   []audience.GroupID `json:"group_ids,omitempty" maxItems:"50" doc:"Groups, static or dynamic; each must be approved before it is sent"`
	From     string             `json:"from,omitempty" maxLength:"400" example:"Muster GmbH <news@muster.example>"`
	ReplyTo  string             `json:"reply_to,omitempty" maxLength:"400"`
	Subject  string             `json:"subject,omitempty" maxLength:"2000" doc:"A template, as are html and text" example:"Neues für {{given_name}}"`
	HTML     string             `json:"html,omitempty" doc:"At most one of html, mjml, blocks and template is given. Must show {{unsubscribe_url}}, also called {{unsubscribe}}"`
	MJML     string             `json:"mjml,omitempty" doc:"Compiled when it is saved"`
	Blocks   map[string]any     `json:"blocks,omitempty" doc:"As in templates; drawn in the colours of the brand when it is saved"`
	Template string             `json:"template,omitempty" maxLength:"120" doc:"Identifier or name of a template. A draft follows its newest version; what is sent stays as it was then"`
	Language string             `json:"language,omitempty" maxLength:"8" doc:"Of template or blocks; left out: the template's first, or the account's"`
	Text     string             `json:"text,omitempty" doc:"Plain text; left out: made of the blocks, or of the HTML. Not with a template"`
	Tracking string             `json:"tracking,omitempty" enum:"none,aggregate,pseudonymous,individual" doc:"How much may be told of recipients at most; left out: as the account allows"`
	PerHour  int                `json:"per_hour,omitempty" minimum:"0" maximum:"1000000" doc:"Recipients an hour at most; 0: as fast as may be"`
	Rates    []CampaignRate     `json:"per_provider,omitempty" maxItems:"100" doc:"Mailbox providers that get less an hour, each once; mail to all others is not slowed down"`
	Trial    *CampaignTrial     `json:"trial,omitempty" doc:"A second version, tried on a share of the recipients; left out: none"`
}

func (d CampaignDraft) fill(c *campaign.Campaign) error {
	level, err := tracking.ParseLevel(d.Tracking)
	if err != nil {
		return err
	}
	c.Name, c.Groups, c.PerHour, c.PerProvider = d.Name, d.Groups, d.PerHour, ratesOf(d.Rates)
	c.Letter = campaign.Letter{From: d.From, ReplyTo: d.ReplyTo, Subject: d.Subject, HTML: d.HTML, Text: d.Text, Tracking: level}
	d.Trial.fill(c)
	return d.fillMade(&c.Letter)
}

// fillMade reads what the content is made of.
func (d CampaignDraft) fillMade(l *campaign.Letter) error {
	if d.Template != "" {
		if d.HTML != "" || d.MJML != "" || d.Blocks != nil || d.Text != "" {
			return fault.Field("template", CodeTemplateContent, "The content comes from the template.")
		}
		l.Made = &campaign.Made{Template: d.Template, Lang: d.Language}
		return nil
	}
	if d.MJML == "" && d.Blocks == nil {
		return nil
	}
	src, err := TemplateContent{HTML: d.HTML, MJML: d.MJML, Blocks: d.Blocks}.source()
	if err != nil {
		return err
	}
	l.Made = &campaign.Made{Lang: d.Language, Source: &src}
	return nil
}

// Campaign is a mailing as it is read.
type Campaign struct {
	ID         campaign.ID        `json:"id"`
	Revision   int64              `json:"revision" doc:"Grows with every change"`
	Name       string             `json:"name"`
	State      string             `json:"state" enum:"draft,scheduled,sending,paused,sent,cancelled" doc:"sent: all mail was handed over; deliveries may still be under way"`
	Reason     string             `json:"reason,omitempty" doc:"What paused it, or holds it up"`
	Groups     []audience.GroupID `json:"group_ids" nullable:"false"`
	From       string             `json:"from,omitempty"`
	ReplyTo    string             `json:"reply_to,omitempty"`
	Subject    string             `json:"subject,omitempty" doc:"Of one mailing; lists leave it and the content out"`
	HTML       string             `json:"html,omitempty" doc:"As it was given, or compiled"`
	Text       string             `json:"text,omitempty"`
	MJML       string             `json:"mjml,omitempty"`
	Blocks     map[string]any     `json:"blocks,omitempty"`
	Template   string             `json:"template,omitempty"`
	Version    int64              `json:"template_version,omitempty" doc:"Of the template; from sending on it stays"`
	Language   string             `json:"language,omitempty"`
	Tracking   string             `json:"tracking,omitempty"`
	Trial      *CampaignTrial     `json:"trial,omitempty"`
	PerHour    int                `json:"per_hour"`
	Rates      []CampaignRate     `json:"per_provider,omitempty"`
	Total      int64              `json:"total" doc:"Recipients found so far"`
	Listed     bool               `json:"listed" doc:"That is all of them"`
	Accepted   int64              `json:"accepted" doc:"Their mail is on its way, or at its end"`
	Excluded   int64              `json:"excluded" doc:"They get none; the report says why"`
	StartAt    *time.Time         `json:"start_at" doc:"When it begins or began; null of a draft"`
	LocalAt    string             `json:"local_at,omitempty" doc:"Each gets it when the clock of their own time zone shows this" example:"2026-11-24T09:00"`
	FinishedAt *time.Time         `json:"finished_at" doc:"When all of it was handed over, or it was cancelled"`
	CreatedAt  time.Time          `json:"created_at"`
	UpdatedAt  time.Time          `json:"updated_at"`
}

func campaignRecord(c campaign.Campaign) Campaign {
	v := Campaign{ID: c.ID, Revision: c.Revision, Name: c.Name, State: string(c.State), Reason: c.Reason, Groups: c.Groups, From: c.Letter.From, ReplyTo: c.Letter.ReplyTo,
		Subject: c.Letter.Subject, HTML: c.Letter.HTML, Text: c.Letter.Text, Tracking: c.Letter.Tracking.String(), PerHour: c.PerHour, Total: c.Total, Listed: c.Listed,
		Accepted: c.Accepted, Excluded: c.Excluded, StartAt: timeOrNull(c.StartAt), LocalAt: c.Local.At, FinishedAt: timeOrNull(c.FinishedAt), CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt}
	v.Trial = trialRecord(c)
	for _, r := range c.PerProvider {
		v.Rates = append(v.Rates, CampaignRate(r))
	}
	if v.Groups == nil {
		v.Groups = []audience.GroupID{}
	}
	if m := c.Letter.Made; m != nil {
		v.Template, v.Version, v.Language = m.Template, m.Version, m.Lang
		if m.Source != nil {
			v.MJML, v.Blocks = m.Source.Markup, blocksOf(m.Source.Blocks)
		}
	}
	return v
}

// CampaignPath names a mailing in a path.
type CampaignPath struct {
	ID string `path:"id" maxLength:"64"`
}

type campaignOutput struct{ Body Campaign }

// campaignID answers what is no identifier like what does not exist.
func campaignID(text string) (campaign.ID, error) {
	number, err := id.Parse[campaign.Kind](text)
	if err != nil {
		return number, fault.New(fault.NotFound, campaign.CodeNotFound, "There is no such thing here.")
	}
	return number, nil
}

// campaignAt reads the campaign of a path.
func (a *API) campaignAt(ctx context.Context, text string) (campaign.Campaign, error) {
	number, err := campaignID(text)
	if err != nil {
		return campaign.Campaign{}, err
	}
	return a.c.Campaigns.Campaign(ctx, keyOf(ctx).Tenant, number)
}

func campaignAct(do func(*campaign.Service, context.Context, ingest.Principal, campaign.ID) (campaign.Campaign, error)) func(*API, context.Context, *CampaignPath) (*campaignOutput, error) {
	return func(a *API, ctx context.Context, in *CampaignPath) (*campaignOutput, error) {
		number, err := campaignID(in.ID)
		if err != nil {
			return nil, err
		}
		c, err := do(a.c.Campaigns, ctx, principalOf(ctx), number)
		if err != nil {
			return nil, err
		}
		return &campaignOutput{campaignRecord(c)}, nil
	}
}

func (a *API) createCampaign(ctx context.Context, in *struct{ Body CampaignDraft }) (*campaignOutput, error) {
	var c campaign.Campaign
	if err := in.Body.fill(&c); err != nil {
		return nil, err
	}
	c, err := a.c.Campaigns.Create(ctx, principalOf(ctx), c)
	if err != nil {
		return nil, err
	}
	return &campaignOutput{campaignRecord(c)}, nil
}

type changeCampaignInput struct {
	CampaignPath
	Body struct {
		CampaignDraft
		Revision int64 `json:"revision" minimum:"1" doc:"The one you read"`
	}
}

func (a *API) changeCampaign(ctx context.Context, in *changeCampaignInput) (*campaignOutput, error) {
	number, err := campaignID(in.ID)
	if err != nil {
		return nil, err
	}
	c := campaign.Campaign{ID: number, Revision: in.Body.Revision}
	if err := in.Body.fill(&c); err != nil {
		return nil, err
	}
	if c, err = a.c.Campaigns.Change(ctx, principalOf(ctx), c); err != nil {
		return nil, err
	}
	return &campaignOutput{campaignRecord(c)}, nil
}

func (a *API) getCampaign(ctx context.Context, in *CampaignPath) (*campaignOutput, error) {
	c, err := a.campaignAt(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &campaignOutput{campaignRecord(c)}, nil
}

func (a *API) deleteCampaign(ctx context.Context, in *CampaignPath) (*struct{}, error) {
	number, err := campaignID(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, a.c.Campaigns.Delete(ctx, keyOf(ctx).Tenant, number)
}

type listCampaignsInput struct {
	After string `query:"after" maxLength:"64" doc:"next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type listCampaignsOutput struct {
	Body struct {
		Data    []Campaign `json:"data" nullable:"false"`
		HasMore bool       `json:"has_more"`
		Next    *string    `json:"next" doc:"Value of after for the next page; null at the end"`
	}
}

func (a *API) listCampaigns(ctx context.Context, in *listCampaignsInput) (*listCampaignsOutput, error) {
	var after campaign.ID
	if in.After != "" {
		var err error
		if after, err = id.Parse[campaign.Kind](in.After); err != nil {
			return nil, fault.Field("query/after", "id_malformed", "The value is not the identifier of a mailing.")
		}
	}
	list, more, err := a.c.Campaigns.Campaigns(ctx, keyOf(ctx).Tenant, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &listCampaignsOutput{}
	out.Body.Data = make([]Campaign, len(list))
	for i, c := range list {
		out.Body.Data[i] = campaignRecord(c)
	}
	if more {
		next := list[len(list)-1].ID.String()
		out.Body.HasMore, out.Body.Next = true, &next
	}
	return out, nil
}

// CampaignPreview is what sending a mailing now would come to.
type CampaignPreview struct {
	Total     int64                    `json:"total" doc:"Members of the groups, those in several as often"`
	Send      int64                    `json:"send" doc:"Of those looked at would get it"`
	Excluded  map[string]int64         `json:"excluded" doc:"The others by reason"`
	Looked    int64                    `json:"looked_at" doc:"Members looked at, at most 20,000"`
	Approvals []audience.ApprovalState `json:"approvals" nullable:"false" doc:"Of the groups, in their order"`
	Takes     *int64                   `json:"takes_seconds" doc:"How long handing over takes at least, by the limits of the mailing; null: there are none, or it cannot be told"`
	Zones     CampaignZones            `json:"zones"`
	Hindrance string                   `json:"hindrance,omitempty" doc:"Code of what keeps it from being sent"`
	Detail    string                   `json:"detail,omitempty"`
}

type previewCampaignInput struct {
	CampaignPath
	At   string `query:"at" maxLength:"40" doc:"Local time that zone asks for" example:"2026-11-24T09:00"`
	Zone string `query:"zone" enum:"recipient" doc:"Tell when it would begin and end if it were sent at that local time of each recipient"`
}

func (a *API) previewCampaign(ctx context.Context, in *previewCampaignInput) (*struct{ Body CampaignPreview }, error) {
	c, err := a.campaignAt(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if in.Zone != "" {
		if c, err = a.c.Campaigns.Locally(ctx, c, in.At); err != nil {
			return nil, err
		}
	}
	p, err := a.c.Campaigns.Preview(ctx, c)
	if err != nil {
		return nil, err
	}
	v := CampaignPreview{Total: p.Total, Send: p.Send, Excluded: p.Excluded, Looked: p.Looked, Approvals: p.Approvals, Zones: zonesRecord(p)}
	if v.Approvals == nil {
		v.Approvals = []audience.ApprovalState{}
	}
	if p.Takes > 0 {
		seconds := int64(p.Takes / time.Second)
		v.Takes = &seconds
	}
	if f := fault.As(p.Hindrance); f != nil {
		v.Hindrance, v.Detail = f.Code, f.Detail
	}
	return &struct{ Body CampaignPreview }{v}, nil
}

// CampaignReport is what became of a mailing.
type CampaignReport struct {
	Campaign     Campaign              `json:"campaign"`
	States       map[event.State]int64 `json:"states" doc:"Deliveries by state"`
	Excluded     map[string]int64      `json:"excluded" doc:"Recipients who get none, by reason"`
	Reasons      map[string]int64      `json:"reasons" doc:"Deliveries that failed, wait or are held, by reason"`
	Opened       int64                 `json:"opened" doc:"Mails opened by a person, as far as may be told"`
	Clicked      int64                 `json:"clicked" doc:"Mails in which a person followed a link"`
	Machines     CampaignMachines      `json:"machines" doc:"The same by scanners and other programs"`
	Unsubscribed int64                 `json:"unsubscribed"`
	Complained   int64                 `json:"complained"`
	Domains      []CampaignDomain      `json:"domains" nullable:"false" doc:"Of recipients, most first, at most 20"`
	Telling      int64                 `json:"telling" doc:"Mails that may tell of their recipients, of which opened and clicked are"`
	Links        []CampaignLink        `json:"links" nullable:"false" doc:"Where the mail leads, in its order; links to our own pages are not counted"`
	Trial        *CampaignTrialReport  `json:"trial,omitempty" doc:"Of a trial: what it was decided on, before that the counts of now"`
	Forecast     CampaignForecast      `json:"forecast"`
	Waves        []CampaignWave        `json:"waves" nullable:"false" doc:"Of a mailing at local times: which zones are done, and when the others are due"`
	At           time.Time             `json:"at" doc:"When it was counted"`
}

// CampaignLink counts the mails in which a link was followed.
type CampaignLink struct {
	Version  string `json:"version,omitempty" doc:"Of a trial: a or b"`
	Number   int    `json:"number"`
	URL      string `json:"url"`
	Label    string `json:"label"`
	Varies   bool   `json:"varies" doc:"The URL differs by recipient; this is one of them"`
	Persons  int64  `json:"persons"`
	Machines int64  `json:"machines"`
}

// CampaignMachines counts mails in which a program did something.
type CampaignMachines struct {
	Opened  int64 `json:"opened"`
	Clicked int64 `json:"clicked"`
}

// CampaignDomain is what became of mail to one recipient domain.
type CampaignDomain struct {
	Domain    string `json:"domain"`
	Total     int64  `json:"total"`
	Delivered int64  `json:"delivered"`
	Rejected  int64  `json:"rejected"`
}

func (a *API) reportCampaign(ctx context.Context, in *CampaignPath) (*struct{ Body CampaignReport }, error) {
	c, err := a.campaignAt(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	r, err := a.c.Campaigns.Report(ctx, c.Tenant, c.ID)
	if err != nil {
		return nil, err
	}
	v := CampaignReport{Campaign: campaignRecord(c), States: r.Fates, Excluded: r.Excluded, Reasons: r.Bounces, Opened: r.Persons.Opened, Clicked: r.Persons.Clicked,
		Machines: CampaignMachines{r.Machines.Opened, r.Machines.Clicked}, Unsubscribed: r.Unsubscribed, Complained: r.Complained, Domains: []CampaignDomain{}, Telling: r.Telling, Links: []CampaignLink{}, Waves: []CampaignWave{}, At: r.At}
	for _, l := range r.Links {
		v.Links = append(v.Links, CampaignLink{string(l.Version), l.Number, l.Target, l.Label, l.Varies, l.Persons, l.Machines})
	}
	for _, one := range r.Waves {
		v.Waves = append(v.Waves, waveRecord(one))
	}
	if v.Trial, err = a.trialReport(ctx, c); err != nil {
		return nil, err
	}
	if v.Forecast, err = a.forecast(ctx, c, r); err != nil {
		return nil, err
	}
	for _, d := range r.Domains {
		v.Domains = append(v.Domains, CampaignDomain{d.Name, d.Total, d.Delivered, d.Rejected})
	}
	return &struct{ Body CampaignReport }{v}, nil
}

// CampaignRecipient is one contact of a mailing.
type CampaignRecipient struct {
	Contact audience.ContactID `json:"contact"`
	Email   string             `json:"email" doc:"Empty where it was erased"`
	State   string             `json:"state" doc:"State of the delivery; waiting or excluded where there is none" example:"delivered"`
	Reason  string             `json:"reason,omitempty"`
	Message *message.ID        `json:"message_id" doc:"null: none was sent"`
	At      time.Time          `json:"at"`
}

type listCampaignRecipientsInput struct {
	CampaignPath
	State string `query:"state" maxLength:"20" doc:"waiting, excluded, or a state of deliveries"`
	After string `query:"after" maxLength:"64" doc:"next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

type listCampaignRecipientsOutput struct {
	Body struct {
		Data    []CampaignRecipient `json:"data" nullable:"false"`
		HasMore bool                `json:"has_more"`
		Next    *string             `json:"next" doc:"Value of after for the next page; null at the end"`
	}
}

func (a *API) listCampaignRecipients(ctx context.Context, in *listCampaignRecipientsInput) (*listCampaignRecipientsOutput, error) {
	c, err := a.campaignAt(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	f := campaign.LineFilter{Fate: in.State, Limit: in.Limit}
	if in.After != "" {
		if f.After, err = id.Parse[audience.ContactKind](in.After); err != nil {
			return nil, fault.Field("query/after", "id_malformed", "The value is not the identifier of a contact.")
		}
	}
	list, more, err := a.c.Campaigns.Lines(ctx, c.Tenant, c.ID, f)
	if err != nil {
		return nil, err
	}
	out := &listCampaignRecipientsOutput{}
	out.Body.Data = make([]CampaignRecipient, len(list))
	for i, l := range list {
		v := CampaignRecipient{Contact: l.Contact, State: l.Told(), Reason: l.Why(), At: l.At}
		if l.Address != (message.Address{}) {
			v.Email = l.Address.String()
		}
		if l.State == campaign.Accepted {
			m := message.Of(l.Delivery)
			v.Message = &m
		}
		out.Body.Data[i] = v
	}
	if more {
		next := list[len(list)-1].Contact.String()
		out.Body.HasMore, out.Body.Next = true, &next
	}
	return out, nil
}
