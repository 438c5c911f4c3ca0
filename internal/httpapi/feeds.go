package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/feed"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// maxFeed bounds a request, HTML included.
const maxFeed = 1<<20 - 1

func feedRoutes() []Route {
	const all, one = "/v1/feeds", "/v1/feeds/{id}"
	return []Route{
		{Method: http.MethodPost, Path: all, Scope: tenant.ScopeSend, MaxBody: maxFeed, media: "application/json", status: 201, errors: []int{409, 422},
			id: "create-feed", summary: "Have mailings made of what is new in a feed", register: registerWith((*API).createFeed)},
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200,
			id: "list-feeds", summary: "List feeds from new to old", register: registerWith((*API).listFeeds)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-feed", summary: "Read a feed", register: registerWith((*API).getFeed)},
		{Method: http.MethodPatch, Path: one, Scope: tenant.ScopeSend, MaxBody: maxFeed, media: "application/json", status: 200, errors: []int{404, 409, 422},
			id: "change-feed", summary: "Change a feed, pause it or let it go on", register: registerWith((*API).changeFeed)},
		{Method: http.MethodDelete, Path: one, Scope: tenant.ScopeSend, status: 204, errors: []int{404},
			id: "delete-feed", summary: "Delete a feed; mailings it made stay", register: registerWith((*API).deleteFeed)},
		{Method: http.MethodPost, Path: one + "/preview", Scope: tenant.ScopeSend, status: 200, errors: []int{404, 422},
			id: "preview-feed", summary: "Read the feed now and show what a mailing of it would be; nothing is kept", register: registerWith((*API).previewFeed)},
		{Method: http.MethodGet, Path: one + "/looks", Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "list-feed-looks", summary: "When the feed was read last, and what came of it", register: registerWith((*API).listFeedLooks)},
	}
}

// FeedDraft is what a feed says; what a change leaves out stays.
type FeedDraft struct {
	Name     *string   `json:"name,omitempty" maxLength:"720"`
	URL      *string   `json:"url,omitempty" maxLength:"2000" doc:"RSS 2.0, RSS 1.0 or Atom 1.0; with another address the feed begins anew"`
	Groups   *[]string `json:"group_ids,omitempty" maxItems:"50"`
	From     *string   `json:"from,omitempty" maxLength:"400"`
	ReplyTo  *string   `json:"reply_to,omitempty" maxLength:"400"`
	Subject  *string   `json:"subject,omitempty" maxLength:"2000" doc:"A template; {{feed_title}} is the title of the newest entry"`
	Template *string   `json:"template,omitempty" maxLength:"120" doc:"Identifier or name of a template that shows {{feed_entries}}"`
	HTML     *string   `json:"html,omitempty" doc:"In place of template; neither: a plain letter in the account's brand"`
	Most     *int      `json:"most_entries,omitempty" minimum:"1" maximum:"30" doc:"In one mail; of more the newest are taken (if left out: 10)"`
	Every    *string   `json:"every,omitempty" enum:"daily,weekly,monthly" doc:"If left out: weekly"`
	Hour     *int      `json:"hour,omitempty" minimum:"0" maximum:"23" doc:"In the account's time zone (if left out: 9)"`
	Weekday  *string   `json:"weekday,omitempty" enum:"monday,tuesday,wednesday,thursday,friday,saturday,sunday" doc:"Of weekly (if left out: monday)"`
	Day      *int      `json:"day,omitempty" minimum:"1" maximum:"28" doc:"Of monthly (if left out: 1)"`
	Send     *bool     `json:"send,omitempty" doc:"true: mailings are sent by themselves, if nothing speaks against it; else they are drafts"`
	Paused   *bool     `json:"paused,omitempty"`
	Tracking *string   `json:"tracking,omitempty" enum:",none,aggregate,pseudonymous,individual" doc:"How much may be told of recipients at most; empty: as the account allows"`
}

func take[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func (d FeedDraft) fill(f *feed.Feed) error {
	take(&f.Name, d.Name)
	take(&f.URL, d.URL)
	take(&f.From, d.From)
	take(&f.ReplyTo, d.ReplyTo)
	take(&f.Subject, d.Subject)
	take(&f.Template, d.Template)
	take(&f.HTML, d.HTML)
	take(&f.Most, d.Most)
	take(&f.Schedule.Hour, d.Hour)
	take(&f.Schedule.Day, d.Day)
	take(&f.Send, d.Send)
	take(&f.Paused, d.Paused)
	if d.Every != nil {
		f.Schedule.Every = feed.Every(*d.Every)
	}
	if d.Tracking != nil {
		level, err := tracking.ParseLevel(*d.Tracking)
		if err != nil {
			return err
		}
		f.Tracking = level
	}
	for day := time.Sunday; d.Weekday != nil && day <= time.Saturday; day++ {
		if strings.EqualFold(day.String(), *d.Weekday) {
			f.Schedule.Weekday = day
		}
	}
	if d.Groups == nil {
		return nil
	}
	f.Groups = make([]audience.GroupID, len(*d.Groups))
	for i, text := range *d.Groups {
		g, err := id.Parse[audience.GroupKind](text)
		if err != nil {
			return fault.Field("group_ids/"+strconv.Itoa(i), feed.CodeValue, "There is no such group.")
		}
		f.Groups[i] = g
	}
	return nil
}

// Feed is a feed as it is read.
type Feed struct {
	ID        feed.ID            `json:"id"`
	Revision  int64              `json:"revision"`
	Name      string             `json:"name"`
	URL       string             `json:"url"`
	Groups    []audience.GroupID `json:"group_ids" nullable:"false"`
	From      string             `json:"from"`
	ReplyTo   string             `json:"reply_to,omitempty"`
	Subject   string             `json:"subject"`
	Template  string             `json:"template,omitempty"`
	HTML      string             `json:"html,omitempty"`
	Most      int                `json:"most_entries"`
	Every     string             `json:"every" enum:"daily,weekly,monthly"`
	Hour      int                `json:"hour"`
	Weekday   string             `json:"weekday"`
	Day       int                `json:"day"`
	Send      bool               `json:"send"`
	Paused    bool               `json:"paused"`
	Tracking  string             `json:"tracking,omitempty"`
	Failures  int                `json:"failures" doc:"How many looks in a row could not read it; after the first two it is read sooner than at its hour"`
	NextAt    *time.Time         `json:"next_at" doc:"When it is read next; null while it is paused"`
	CreatedAt time.Time          `json:"created_at"`
	UpdatedAt time.Time          `json:"updated_at"`
}

func feedRecord(f feed.Feed) Feed {
	v := Feed{ID: f.ID, Revision: f.Revision, Name: f.Name, URL: f.URL, Groups: f.Groups, From: f.From, ReplyTo: f.ReplyTo, Subject: f.Subject, Template: f.Template, HTML: f.HTML,
		Most: f.Most, Every: string(f.Schedule.Every), Hour: f.Schedule.Hour, Weekday: strings.ToLower(f.Schedule.Weekday.String()), Day: f.Schedule.Day, Send: f.Send, Paused: f.Paused, Tracking: f.Tracking.String(), Failures: f.Failures,
		NextAt: timeOrNull(f.NextAt), CreatedAt: f.CreatedAt, UpdatedAt: f.UpdatedAt}
	if f.Paused {
		v.NextAt = nil
	}
	return v
}

type feedOutput struct{ Body Feed }

func feedAnswer(f feed.Feed, err error) (*feedOutput, error) {
	if err != nil {
		return nil, err
	}
	return &feedOutput{feedRecord(f)}, nil
}

// FeedPath names a feed in a path.
type FeedPath struct {
	ID string `path:"id" maxLength:"64"`
}

// number answers what is no identifier like what does not exist.
func (p FeedPath) number() (feed.ID, error) {
	number, err := id.Parse[feed.Kind](p.ID)
	if err != nil {
		return number, fault.New(fault.NotFound, feed.CodeNotFound, "There is no such thing here.")
	}
	return number, nil
}

func (a *API) createFeed(ctx context.Context, in *struct{ Body FeedDraft }) (*feedOutput, error) {
	f := feed.Feed{Most: 10, Schedule: feed.Schedule{Every: feed.Weekly, Hour: 9, Weekday: time.Monday, Day: 1}}
	if err := in.Body.fill(&f); err != nil {
		return nil, err
	}
	return feedAnswer(a.c.Feeds.Create(ctx, principalOf(ctx), f))
}

type changeFeedInput struct {
	FeedPath
	Body struct {
		FeedDraft
		Revision int64 `json:"revision" minimum:"1" doc:"The one you read"`
	}
}

func (a *API) changeFeed(ctx context.Context, in *changeFeedInput) (*feedOutput, error) {
	number, err := in.number()
	if err != nil {
		return nil, err
	}
	return feedAnswer(a.c.Feeds.Change(ctx, principalOf(ctx), number, in.Body.Revision, in.Body.fill))
}

func (a *API) getFeed(ctx context.Context, in *FeedPath) (*feedOutput, error) {
	number, err := in.number()
	if err != nil {
		return nil, err
	}
	return feedAnswer(a.c.Feeds.Feed(ctx, keyOf(ctx).Tenant, number))
}

func (a *API) deleteFeed(ctx context.Context, in *FeedPath) (*struct{}, error) {
	number, err := in.number()
	if err != nil {
		return nil, err
	}
	return nil, a.c.Feeds.Delete(ctx, keyOf(ctx).Tenant, number)
}

type listFeedsOutput struct {
	Body struct {
		Data []Feed `json:"data" nullable:"false"`
	}
}

func (a *API) listFeeds(ctx context.Context, _ *struct{}) (*listFeedsOutput, error) {
	list, err := a.c.Feeds.List(ctx, keyOf(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	out := &listFeedsOutput{}
	out.Body.Data = make([]Feed, len(list))
	for i, f := range list {
		out.Body.Data[i] = feedRecord(f)
	}
	return out, nil
}

// FeedEntry is an entry as a mail shows it.
type FeedEntry struct {
	Title   string     `json:"title"`
	Link    string     `json:"link,omitempty"`
	Excerpt string     `json:"excerpt,omitempty"`
	At      *time.Time `json:"at"`
}

// FeedPreview is what a mailing of a feed would be.
type FeedPreview struct {
	Subject string      `json:"subject"`
	HTML    string      `json:"html"`
	Text    string      `json:"text"`
	New     int         `json:"new" doc:"How many entries are new; those shown are the newest, new or not"`
	Entries []FeedEntry `json:"entries" nullable:"false"`
}

func (a *API) previewFeed(ctx context.Context, in *FeedPath) (*struct{ Body FeedPreview }, error) {
	number, err := in.number()
	if err != nil {
		return nil, err
	}
	shown, err := a.c.Feeds.Preview(ctx, keyOf(ctx).Tenant, number)
	if err != nil {
		return nil, err
	}
	v := FeedPreview{Subject: shown.Subject, HTML: shown.HTML, Text: shown.Text, New: shown.New, Entries: make([]FeedEntry, len(shown.Entries))}
	for i, e := range shown.Entries {
		v.Entries[i] = FeedEntry{e.Title, e.Link, e.Excerpt, timeOrNull(e.At)}
	}
	return &struct{ Body FeedPreview }{v}, nil
}

// FeedLook is one time a feed was read.
type FeedLook struct {
	At       time.Time    `json:"at"`
	Outcome  string       `json:"outcome" doc:"begun, nothing, drafted, sent, held (see why), or feed_unreachable, feed_elsewhere, feed_too_large, feed_malformed"`
	Why      string       `json:"why,omitempty" doc:"What kept a mailing from being sent; it is a draft"`
	New      int          `json:"new"`
	Campaign *campaign.ID `json:"campaign_id"`
}

type listFeedLooksOutput struct {
	Body struct {
		Data []FeedLook `json:"data" nullable:"false"`
	}
}

func (a *API) listFeedLooks(ctx context.Context, in *FeedPath) (*listFeedLooksOutput, error) {
	number, err := in.number()
	if err != nil {
		return nil, err
	}
	list, err := a.c.Feeds.Looks(ctx, keyOf(ctx).Tenant, number)
	if err != nil {
		return nil, err
	}
	out := &listFeedLooksOutput{}
	out.Body.Data = make([]FeedLook, len(list))
	for i, l := range list {
		out.Body.Data[i] = FeedLook{At: l.At, Outcome: l.Outcome, Why: l.Why, New: l.New}
		if !l.Campaign.IsZero() {
			out.Body.Data[i].Campaign = &l.Campaign
		}
	}
	return out, nil
}
