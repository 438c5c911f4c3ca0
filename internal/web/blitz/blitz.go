// Package blitz shows people of a tenant what recipients do with their mail and offers:
// a feed that is new for each reader until read, live, by time, offer or recipient, and
// the choice of what one wants to be told of.
//
// It is a subject of the door web (floor 4); tracking keeps the activities, package blitz
// (floor 3) who has read them. What happens stands here and under the message or offer
// that caused it, never among the activities of a contact.
package blitz

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/blitz"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/web/frame"
)

// Feed knows who has read what and wants what; blitz.Feed does.
type Feed interface {
	Unread(ctx context.Context, t tenant.ID, u tenant.UserID) (int, error)
	Place(ctx context.Context, t tenant.ID, u tenant.UserID) (blitz.Place, error)
	ReadAll(ctx context.Context, t tenant.ID, u tenant.UserID, until tracking.ActivityID) error
	ReadOne(ctx context.Context, t tenant.ID, u tenant.UserID, a tracking.ActivityID) error
	Choice(ctx context.Context, t tenant.ID, u tenant.UserID) (blitz.Choice, error)
	Choose(ctx context.Context, t tenant.ID, u tenant.UserID, c blitz.Choice) error
}

// Config is what the pages stand on; all of it is needed but Contacts, and Hub, without
// which nothing is told live.
type Config struct {
	Feed       Feed
	Activities blitz.Activities
	Hub        *tracking.Hub
	Teller     blitz.Teller
	// Certificates states what is known of one recipient, for keeping and printing.
	Certificates Certificates
	// Contacts knows people by their addresses; nil: nobody is called by name.
	Contacts blitz.Contacts
	// Mails reports whether the platform sends mail of its own.
	Mails func() bool
}

const (
	room     = "blitz"
	path     = "/blitz"
	settings = path + "/notifications"

	ofMessage = path + "/messages/{message}"
	ofOffer   = path + "/offers/{offer}/{recipient}"

	perPage = 50
	maxPart = 254 // of a piece of an address
	// most is how many activities a file has.
	most = 10_000
	// liveFor ends a stream, so that a session that was closed loses it soon.
	liveFor = 5 * time.Minute
	// recount is how often a stream looks for what other nodes recorded.
	recount = 15 * time.Second
)

// Routes are the feed and the choices.
func Routes(c Config) []frame.Route {
	may := tenant.MessagesRead
	return []frame.Route{
		{Pattern: "GET " + path, Permission: may, Do: c.show, Entry: frame.Entry{Room: room, Icon: "blitz", Key: "b"}},
		{Pattern: "GET " + path + ".csv", Permission: may, Do: c.export},
		{Pattern: "GET " + path + "/live", Permission: may, Do: c.live},
		{Pattern: "POST " + path + "/read", Permission: tenant.ProfileManage, Act: frame.Unrecorded, Do: c.readAll},
		{Pattern: "POST " + path + "/open", Permission: tenant.ProfileManage, Act: frame.Unrecorded, Do: c.open},
		{Pattern: "GET " + ofMessage + "/certificate.pdf", Permission: may, Do: c.certify(c.ofMessage, c.paper)},
		{Pattern: "GET " + ofMessage + "/certificate.json", Permission: may, Do: c.certify(c.ofMessage, c.file)},
		{Pattern: "GET " + ofOffer + "/certificate.pdf", Permission: may, Do: c.certify(c.ofOffer, c.paper)},
		{Pattern: "GET " + ofOffer + "/certificate.json", Permission: may, Do: c.certify(c.ofOffer, c.file)},
		{Pattern: "GET " + settings, Permission: tenant.ProfileManage, Do: c.choices},
		{Pattern: "POST " + settings, Permission: tenant.ProfileManage, Act: frame.Unrecorded, Do: c.choose},
	}
}

// What the feed can be narrowed to and ordered by.
const (
	byTime      = "time"
	byOffer     = "offer"
	byRecipient = "recipient"
	mail        = "mail" // the kind of opened mail, beside the topics
)

func kinds() []string {
	list := []string{mail}
	for _, t := range blitz.Topics() {
		list = append(list, string(t))
	}
	return list
}

func listing() frame.Listing {
	return frame.Listing{
		Path: path, Filters: []string{"kind", "offer", "message", "q", "mine", "machines", "from", "to", "group"},
		Choices: map[string][]string{"kind": kinds(), "mine": {"1"}, "machines": {"1"}, "group": {byOffer, byRecipient}},
	}
}

// query is what the address asks for. What cannot be is nothing.
func query(p frame.Page, v frame.View) tracking.Query {
	q := tracking.Query{Offer: v.Filter("offer"), Limit: perPage}
	if v.Filter("machines") == "" {
		q.Classes = blitz.Counted()
	}
	switch kind := v.Filter("kind"); kind {
	case "":
	case mail:
		q.Kinds = []tracking.Kind{tracking.Opened}
	default:
		q.Kinds = blitz.Topic(kind).Kinds()
	}
	if v.Filter("mine") != "" {
		q.Sender = p.Who.User.ID.String()
	}
	if m, err := id.Parse[message.Kind](v.Filter("message")); err == nil {
		q.Message = m
	}
	if text := strings.TrimSpace(v.Filter("q")); text != "" {
		if a, err := message.ParseAddress(text); err == nil {
			q.Recipient = a
		} else {
			q.Part = frame.Shorten(text, maxPart)
		}
	}
	if day, err := time.ParseInLocation(time.DateOnly, v.Filter("from"), p.Zone); err == nil {
		q.Since = day
	}
	if day, err := time.ParseInLocation(time.DateOnly, v.Filter("to"), p.Zone); err == nil {
		q.Until = day.AddDate(0, 0, 1)
	}
	if a, err := id.Parse[tracking.ActivityKind](v.After); err == nil {
		q.After = a
	}
	return q
}

// line is one activity as it is shown.
type line struct {
	tracking.Activity
	text string
	name string // of a known person who is a contact
	unread,
	machine bool
	href string // of the message or offer that caused it
}

// group is lines under one heading.
type group struct {
	title, href string
	lines       []line
}

type page struct {
	frame.View
	groups []group
	unread int
	newest tracking.ActivityID // that is shown
	older  string
	done   string
}

// newer leads back to the first page, "" where that is shown.
func (v page) newer() string {
	if v.After == "" {
		return ""
	}
	return v.First()
}

// segment is a way to group as addresses have it: by time needs no word.
func segment(by string) string {
	if by == byTime {
		return ""
	}
	return by
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title, p.Live, p.LiveAt = room, p.T("nav.blitz"), true, path+"/live"
	ctx, t, u := r.Context(), p.Tenant(), p.Who.User.ID
	v := page{View: frame.ReadView(r, listing()), done: p.Done("read", "saved")}
	list, more, err := c.Activities.Activities(ctx, t, query(p, v.View))
	if err != nil {
		return err
	}
	place, err := c.Feed.Place(ctx, t, u)
	if err != nil {
		return err
	}
	if v.unread, err = c.Feed.Unread(ctx, t, u); err != nil {
		return err
	}
	if more {
		v.older = v.With("after", list[len(list)-1].ID.String())
	}
	if len(list) > 0 {
		v.newest = list[0].ID
	}
	names, err := c.names(ctx, t, list...)
	if err != nil {
		return err
	}
	lines := make([]line, 0, len(list))
	for _, a := range list {
		lines = append(lines, c.line(p, a, place, names[recipientOf(a)]))
	}
	v.groups = grouped(p, v.Filter("group"), lines)
	return p.Render(w, r, http.StatusOK, feedPage(p, v))
}

func (c Config) line(p frame.Page, a tracking.Activity, place blitz.Place, name string) line {
	_, tone := p.Words()
	return line{Activity: a, name: name, text: c.Teller.SentenceOf(p.Lang, tone, a, name), machine: !a.Machine.Counted(),
		unread: a.Machine.Counted() && !place.Read(a.ID), href: causeOf(a)}
}

// causeOf is the page of what an activity stands under.
func causeOf(a tracking.Activity) string {
	switch {
	case a.Offer != "" && a.OfferRecipient != "":
		return "/offers/" + a.Offer + "/recipients/" + a.OfferRecipient
	case a.Offer != "":
		return "/offers/" + a.Offer
	case !a.Message.IsZero():
		return "/messages/" + a.Message.String()
	}
	return ""
}

// grouped puts lines, which run from new to old, under headings: days, or what they are
// about, that with the newest first.
func grouped(p frame.Page, by string, lines []line) (groups []group) {
	at := map[string]int{}
	for _, l := range lines {
		key, title, href := p.Day(l.At).Format(time.DateOnly), p.Date(l.At), ""
		switch by {
		case byOffer:
			key, title, href = l.Offer+l.Message.String(), l.Title, causeOf(tracking.Activity{Offer: l.Offer, Message: l.Message})
		case byRecipient:
			key, title = "", p.T("blitz.somebody")
			if l.Identified && l.Recipient != nil {
				key = l.Recipient.String()
				title = strings.TrimSpace(l.name + " " + key)
				href = path + "?q=" + urlQuery(key)
			}
		}
		if title == "" {
			title = p.T("blitz.untitled")
		}
		i, known := at[key]
		if !known {
			i = len(groups)
			at[key] = i
			groups = append(groups, group{title: title, href: href})
		}
		groups[i].lines = append(groups[i].lines, l)
	}
	return groups
}

func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	q := query(p, frame.ReadView(r, listing()))
	q.Limit = tracking.MaxPage
	head := []string{}
	for _, key := range []string{"at", "what", "kind", "recipient", "name", "title", "label", "version", "class", "level", "proof", "message", "offer"} {
		head = append(head, p.T("blitz.col."+key))
	}
	rows := [][]string{head}
	_, tone := p.Words()
	names := blitz.Names{Contacts: c.Contacts, Tenant: p.Tenant()}
	for more := true; more && len(rows) <= most; {
		var list []tracking.Activity
		var err error
		if list, more, err = c.Activities.Activities(r.Context(), p.Tenant(), q); err != nil {
			return err
		}
		for _, a := range list {
			name, err := names.Of(r.Context(), a)
			if err != nil {
				return err
			}
			rows = append(rows, []string{frame.Stamp(a.At), c.Teller.SentenceOf(p.Lang, tone, a, name), string(a.Kind), recipientOf(a), name, a.Title, a.Label, a.Version,
				string(a.Machine.Class), a.Decision.Level.String(), strconv.FormatBool(a.Kind.Declared()), a.Message.String(), a.Offer})
			q.After = a.ID
		}
	}
	return p.CSV(w, p.T("blitz.filename"), rows)
}

// readAll marks what the reader has seen: up to the newest on the page, so that what came
// meanwhile stays new.
func (c Config) readAll(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	until, err := id.Parse[tracking.ActivityKind](r.PostForm.Get("until"))
	if err != nil {
		return fault.New(fault.NotFound, "activity_unknown", "There is no such activity.")
	}
	if until.Time().After(p.Now.Add(time.Minute)) {
		return fault.New(fault.NotFound, "activity_unknown", "There is no such activity.")
	}
	if err := c.Feed.ReadAll(r.Context(), p.Tenant(), p.Who.User.ID, until); err != nil {
		return err
	}
	frame.Redirect(w, r, path, "read")
	return nil
}

// open marks one activity as read and leads to what it stands under.
func (c Config) open(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	which, err := id.Parse[tracking.ActivityKind](r.PostForm.Get("activity"))
	if err != nil {
		return fault.New(fault.NotFound, "activity_unknown", "There is no such activity.")
	}
	a, err := c.Activities.Activity(r.Context(), p.Tenant(), which)
	if err != nil {
		return err
	}
	if err := c.Feed.ReadOne(r.Context(), p.Tenant(), p.Who.User.ID, a.ID); err != nil {
		return err
	}
	to := causeOf(a)
	if to == "" {
		to = path
	}
	frame.Redirect(w, r, to, "")
	return nil
}

// told is what the stream says: the number on the mark, its label, and a sentence if the
// reader wants to be told at once.
type told struct {
	Unread string `json:"unread"`
	Label  string `json:"label"`
	Text   string `json:"text,omitempty"`
}

// live tells of each activity as it happens, and now and then of those that other nodes
// recorded. The feed itself asks for its page again ("fact"), all pages for the mark
// ("feed").
func (c Config) live(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	choice, err := c.Feed.Choice(r.Context(), p.Tenant(), p.Who.User.ID)
	if err != nil {
		return err
	}
	var events <-chan tracking.Activity
	if c.Hub != nil {
		var cancel func()
		events, cancel = c.Hub.Subscribe(p.Tenant(), 64)
		defer cancel()
	}
	tick := time.NewTicker(recount)
	defer tick.Stop()
	var queue []frame.Message
	last := -1
	return p.Stream(w, r, liveFor, func(ctx context.Context) (frame.Message, error) {
		for len(queue) == 0 {
			var a *tracking.Activity
			select {
			case one, open := <-events:
				if !open {
					return frame.Message{}, context.Canceled
				}
				a = &one
			case <-tick.C:
			case <-ctx.Done():
				return frame.Message{}, ctx.Err()
			}
			n, err := c.Feed.Unread(ctx, p.Tenant(), p.Who.User.ID)
			if err != nil {
				return frame.Message{}, err
			}
			if a == nil && n == last {
				continue
			}
			first := last < 0 && a == nil
			last = n
			queue = append(queue, frame.Message{Event: "feed", Data: c.tell(ctx, p, choice, n, a)})
			if !first {
				queue = append(queue, frame.Message{Event: "fact", Data: "feed"})
			}
		}
		m := queue[0]
		queue = queue[1:]
		return m, nil
	})
}

func (c Config) tell(ctx context.Context, p frame.Page, choice blitz.Choice, n int, a *tracking.Activity) string {
	v := told{Unread: frame.Unread(n), Label: p.T("blitz.tool", "n", n)}
	if a != nil && a.Machine.Counted() && a.Sender == p.Who.User.ID.String() && slices.Contains(choice.Office, blitz.TopicOf(a.Kind)) {
		_, tone := p.Words()
		names, err := c.names(ctx, p.Tenant(), *a)
		if err != nil {
			names = nil // the address tells enough
		}
		v.Text = c.Teller.SentenceOf(p.Lang, tone, *a, names[recipientOf(*a)])
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "{}" // three texts always marshal
	}
	return string(text)
}

func (c Config) choices(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	choice, err := c.Feed.Choice(r.Context(), p.Tenant(), p.Who.User.ID)
	if err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{"daily": "", "quiet_from": strconv.Itoa(choice.QuietFrom), "quiet_to": strconv.Itoa(choice.QuietTo), "zone": choice.Zone}}
	if choice.Daily {
		form.Values["daily"] = "1"
	}
	for _, t := range choice.Office {
		form.Values["office."+string(t)] = "on"
	}
	for _, t := range choice.Mail {
		form.Values["mail."+string(t)] = "on"
	}
	return c.form(w, r, p, http.StatusOK, form)
}

func (c Config) form(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f frame.Form) error {
	p.Room, p.Title = room, p.T("blitz.choices")
	return p.Render(w, r, status, choicesPage(p, f, c.Mails()))
}

func (c Config) choose(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{}}
	for name := range r.PostForm {
		form.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	choice := blitz.Choice{Office: []blitz.Topic{}, Mail: []blitz.Topic{}, Daily: form.Value("daily") == "1", QuietFrom: hour(form.Value("quiet_from")), QuietTo: hour(form.Value("quiet_to")), Zone: form.Value("zone")}
	for _, t := range blitz.Topics() {
		if form.Value("office."+string(t)) == "on" {
			choice.Office = append(choice.Office, t)
		}
		if form.Value("mail."+string(t)) == "on" {
			choice.Mail = append(choice.Mail, t)
		}
	}
	err := c.Feed.Choose(r.Context(), p.Tenant(), p.Who.User.ID, choice)
	if frame.Refused(p, &form, err, "quiet_from") {
		return c.form(w, r, p, frame.StatusOf(fault.As(err).Kind), form)
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, path, "saved")
	return nil
}

// hour reads a full hour; what is none is refused as -1.
func hour(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}
