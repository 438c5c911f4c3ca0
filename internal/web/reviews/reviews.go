// Package reviews is the desk of those who approve groups: the queue with the clock of a
// working day, a case with what the account says beside what was found out about the
// group, and the decision with its reason.
//
// It is a subject of the door web (floor 4). Package approval keeps the cases and the
// rules of who may decide; whoever has tenant.PlatformReviews sees, only those with
// tenant.PlatformReview decide.
package reviews

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web/approvals"
	"stafette/internal/web/frame"
)

// Reviews keeps the cases; *approval.Service does.
type Reviews interface {
	Queue(ctx context.Context) ([]approval.Case, error)
	Review(ctx context.Context, c approval.ID) (approval.Case, audience.Group, error)
	Claim(ctx context.Context, c approval.ID, who approval.Reviewer) (approval.Case, error)
	Release(ctx context.Context, c approval.ID, who approval.Reviewer) (approval.Case, error)
	Decide(ctx context.Context, v approval.Verdict, who approval.Reviewer) (approval.Case, error)
	Impartial(ctx context.Context, t tenant.ID, who approval.Reviewer) error
	Log(ctx context.Context, c approval.Case) ([]approval.Entry, error)
	Files(ctx context.Context, c approval.Case) ([]approval.File, error)
	File(ctx context.Context, c approval.Case, f approval.FileID) (approval.File, error)
	Sample(ctx context.Context, c approval.Case) ([]audience.Contact, error)
	ContentNow(ctx context.Context, g audience.Group) (approval.Content, error)
	Calendar() approval.Calendar
	Rules() approval.Rules
}

// Accounts names accounts and people; tenant.Store does.
type Accounts interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
}

// Alarms keeps alarms about mail that goes round approvals; approval.Store does.
type Alarms interface {
	PatternAlarms(ctx context.Context) ([]approval.Alarm, error)
	EndPatternAlarm(ctx context.Context, t tenant.ID, shape [16]byte, now time.Time) error
}

// Examiner gathers findings; *approval.Examiner does.
type Examiner interface {
	Examine(ctx context.Context, c approval.Case) error
}

// Locks locks accounts that made false statements; *account.Service does.
type Locks interface {
	Lock(ctx context.Context, t tenant.ID, reason string) error
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Reviews  Reviews
	Accounts Accounts
	Alarms   Alarms
	Examiner Examiner
	Locks    Locks
}

const (
	home = "/platform/reviews"
	room = "reviews"
)

// Routes are the pages of the desk.
func Routes(c Config) []frame.Route {
	see, decide := tenant.PlatformReviews, tenant.PlatformReview
	const one = home + "/{id}"
	staff := func(pattern string, need tenant.Permission, act string, do func(http.ResponseWriter, *http.Request, frame.Page) error) frame.Route {
		return frame.Route{Pattern: pattern, Access: frame.Staff, Permission: need, Act: act, Do: do}
	}
	list := staff("GET "+home, see, "", c.queue)
	list.Entry = frame.Entry{Room: room, Icon: "queued", Group: frame.GroupStaff}
	return []frame.Route{
		list,
		staff("GET "+home+".csv", see, "", c.export),
		staff("POST "+home+"/alarms", decide, "reviews.alarm", c.endAlarm),
		staff("GET "+one, see, "", c.show),
		staff("POST "+one+"/claim", decide, "reviews.claim", c.claim),
		staff("POST "+one+"/release", decide, "reviews.release", c.release),
		staff("POST "+one+"/examine", decide, frame.Unrecorded, c.examine),
		staff("POST "+one+"/decide", decide, "reviews.decide", c.decide),
		staff("POST "+one+"/lock", decide, "reviews.lock", c.lock),
		staff("GET "+one+"/files/{file}", see, "", c.file),
	}
}

// reviewer is who reads the page.
func reviewer(p frame.Page) approval.Reviewer {
	return approval.Reviewer{Actor: p.Who.User.ID.String(), Email: p.Who.User.Email}
}

// waiting is a line of the queue.
type waiting struct {
	approval.Case
	account string
	group   string
	clock   approval.Clock
	by      string
}

func (c Config) lines(r *http.Request, p frame.Page) (frame.View, []waiting, error) {
	found, err := c.Reviews.Queue(r.Context())
	if err != nil {
		return frame.View{}, nil, fmt.Errorf("reviews: %w", err)
	}
	names := namer{c, r.Context(), map[string]string{}}
	list := make([]waiting, len(found))
	for i, one := range found {
		list[i] = waiting{Case: one, account: names.account(one.Tenant), clock: c.Reviews.Calendar().Clock(one, p.Now), by: names.person(one.ClaimedBy), group: one.Group.String()}
		if _, g, err := c.Reviews.Review(r.Context(), one.ID); err == nil && g.Name != "" { // without its name the line still leads there
			list[i].group = g.Name
		}
	}
	v, list := roll(p).Read(r, list)
	return v, list, nil
}

// namer asks for each name once.
type namer struct {
	c     Config
	ctx   context.Context //nolint:containedctx // lives within one request
	known map[string]string
}

func (n namer) account(t tenant.ID) string {
	if name, ok := n.known[t.String()]; ok {
		return name
	}
	name := t.String()
	if one, err := n.c.Accounts.Tenant(n.ctx, t); err == nil { // without its name the page still tells
		name = one.Name
	}
	n.known[t.String()] = name
	return name
}

// person is a member of staff, a key's identifier or "".
func (n namer) person(actor string) string {
	if name, ok := n.known[actor]; ok {
		return name
	}
	name := actor
	if u, err := id.Parse[tenant.UserKind](actor); err == nil {
		if who, err := n.c.Accounts.User(n.ctx, tenant.ID{}, u); err == nil {
			name = who.Name
		}
	}
	n.known[actor] = name
	return name
}

func roll(p frame.Page) frame.Roll[waiting] {
	cell := func(key string, text func(waiting) string) frame.Cell[waiting] {
		return frame.Cell[waiting]{Column: frame.Column{Key: key, Title: p.T("platform.reviews.col." + key)}, Text: text}
	}
	return frame.Roll[waiting]{Listing: frame.Listing{Path: home, Sort: "due"}, Cells: []frame.Cell[waiting]{
		cell("group", func(w waiting) string { return w.group }),
		cell("account", func(w waiting) string { return w.account }),
		cell("state", func(w waiting) string { return approvals.Word(p, w.State) }),
		cell("due", func(w waiting) string {
			if w.clock.Rest {
				return "~" // behind all that run
			}
			return frame.Stamp(w.Due)
		}),
		cell("members", func(w waiting) string { return p.Number(w.Content.Members) }),
		cell("claimed", func(w waiting) string { return w.by }),
	}}
}

func (c Config) queue(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, list, err := c.lines(r, p)
	if err != nil {
		return err
	}
	found, err := c.Alarms.PatternAlarms(r.Context())
	if err != nil {
		return fmt.Errorf("reviews: %w", err)
	}
	names := namer{c, r.Context(), map[string]string{}}
	alarms := make([]alarm, len(found))
	for i, a := range found {
		alarms[i] = alarm{a, names.account(a.Tenant)}
	}
	p.Room, p.Title = room, p.T("nav.reviews")
	return p.Render(w, r, http.StatusOK, queuePage(p, v, list, alarms, c.Reviews.Calendar()))
}

func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	_, list, err := c.lines(r, p)
	if err != nil {
		return err
	}
	return roll(p).CSV(w, p, p.T("platform.reviews.file"), list)
}

// alarm is one with the name of its account.
type alarm struct {
	approval.Alarm
	account string
}

func (c Config) endAlarm(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	unknown := fault.New(fault.NotFound, approval.CodeUnknown, "There is no such alarm.")
	t, err := id.Parse[tenant.Kind](r.PostForm.Get("tenant"))
	if err != nil {
		return unknown
	}
	raw, err := hex.DecodeString(r.PostForm.Get("shape"))
	if err != nil || len(raw) != 16 {
		return unknown
	}
	if err := c.Alarms.EndPatternAlarm(r.Context(), t, [16]byte(raw), p.Now); err != nil {
		return err
	}
	frame.Redirect(w, r, home, "ended")
	return nil
}

func caseOf(r *http.Request) (approval.ID, error) {
	one, err := id.Parse[approval.Kind](r.PathValue("id"))
	if err != nil {
		return one, fault.New(fault.NotFound, approval.CodeUnknown, "There is no such case.")
	}
	return one, nil
}

// dossier is everything a case page shows.
type dossier struct {
	approval.Case
	group   audience.Group
	account tenant.Tenant
	clock   approval.Clock
	log     []approval.Entry
	files   map[approval.FileID]approval.File
	sample  []audience.Contact
	now     approval.Content
	risks   []string
	names   namer
	hours   approval.Calendar
}

func (d dossier) path() string { return home + "/" + d.ID.String() }

// open reports whether a reviewer may do something in the case.
func (d dossier) open() bool { return d.State == approval.InReview || d.State == approval.Question }

func (c Config) read(r *http.Request, p frame.Page) (d dossier, err error) {
	ctx := r.Context()
	name, err := caseOf(r)
	if err != nil {
		return d, err
	}
	if d.Case, d.group, err = c.Reviews.Review(ctx, name); err != nil {
		return d, fmt.Errorf("read review: %w", err)
	}
	if d.account, err = c.Accounts.Tenant(ctx, d.Tenant); err != nil {
		return d, fmt.Errorf("read account of review: %w", err)
	}
	if d.log, err = c.Reviews.Log(ctx, d.Case); err != nil {
		return d, err
	}
	files, err := c.Reviews.Files(ctx, d.Case)
	if err != nil {
		return d, err
	}
	d.files = map[approval.FileID]approval.File{}
	for _, f := range files {
		d.files[f.ID] = f
	}
	if d.group.Name != "" {
		if d.sample, err = c.Reviews.Sample(ctx, d.Case); err != nil {
			return d, err
		}
		if d.now, err = c.Reviews.ContentNow(ctx, d.group); err != nil {
			return d, err
		}
	}
	d.hours, d.risks = c.Reviews.Calendar(), d.Risks(c.Reviews.Rules())
	d.clock, d.names = d.hours.Clock(d.Case, p.Now), namer{c, ctx, map[string]string{"system": p.T("platform.reviews.system")}}
	return d, nil
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	d, err := c.read(r, p)
	if err != nil {
		return err
	}
	return c.render(w, r, p, d, http.StatusOK, frame.Form{Values: map[string]string{}})
}

func (c Config) render(w http.ResponseWriter, r *http.Request, p frame.Page, d dossier, status int, f frame.Form) error {
	p.Room, p.Title = room, p.T("approval.of", "group", d.group.Name)
	return p.Render(w, r, status, casePage(p, d, f))
}

func (c Config) claim(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.move(w, r, p, "claimed", c.Reviews.Claim)
}

func (c Config) release(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.move(w, r, p, "released", c.Reviews.Release)
}

func (c Config) move(w http.ResponseWriter, r *http.Request, p frame.Page, done string, do func(context.Context, approval.ID, approval.Reviewer) (approval.Case, error)) error {
	name, err := caseOf(r)
	if err != nil {
		return err
	}
	if _, err := do(r.Context(), name, reviewer(p)); err != nil {
		return err
	}
	frame.Redirect(w, r, home+"/"+name.String(), done)
	return nil
}

func (c Config) examine(w http.ResponseWriter, r *http.Request, _ frame.Page) error {
	name, err := caseOf(r)
	if err != nil {
		return err
	}
	one, _, err := c.Reviews.Review(r.Context(), name)
	if err != nil {
		return err
	}
	if err := c.Examiner.Examine(r.Context(), one); err != nil {
		return fmt.Errorf("examine: %w", err)
	}
	frame.Redirect(w, r, home+"/"+name.String()+"#findings", "examined")
	return nil
}

// decide takes a decision, or puts a standard text behind the reason typed so far.
func (c Config) decide(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	d, err := c.read(r, p)
	if err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{"decision": r.PostForm.Get("decision"), "reason": r.PostForm.Get("reason"), "standard": r.PostForm.Get("standard")}}
	if r.PostForm.Get("insert") != "" {
		form.Values["reason"] = strings.TrimSpace(form.Values["reason"] + "\n\n" + d.standard(p, form.Values["standard"]))
		return c.render(w, r, p, d, http.StatusOK, form)
	}
	v := approval.Verdict{Case: d.ID, Decision: approval.Decision(r.PostForm.Get("decision")), Reason: r.PostForm.Get("reason")}
	if seen, err := hex.DecodeString(r.PostForm.Get("seen")); err == nil && len(seen) == len(v.Seen) {
		copy(v.Seen[:], seen)
	}
	after, err := c.Reviews.Decide(r.Context(), v, reviewer(p))
	if err != nil {
		if f := fault.As(err); f != nil && f.Kind == fault.Forbidden {
			form.Add("", p.FaultText(f, ""))
			return c.render(w, r, p, d, http.StatusForbidden, form)
		}
		if !frame.Refused(p, &form, err, "reason") {
			return err
		}
		return c.render(w, r, p, d, http.StatusUnprocessableEntity, form)
	}
	done := string(after.State)
	if after.State == approval.InReview {
		done = "first"
	}
	frame.Redirect(w, r, d.path(), done)
	return nil
}

// lock locks the account of a case that made false statements.
func (c Config) lock(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	d, err := c.read(r, p)
	if err != nil {
		return err
	}
	if err := c.Reviews.Impartial(r.Context(), d.Tenant, reviewer(p)); err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{"lock-reason": r.PostForm.Get("lock-reason")}}
	err = c.Locks.Lock(r.Context(), d.Tenant, form.Value("lock-reason"))
	if e := fault.As(err); e != nil && e.Kind == fault.Invalid {
		form.Add("lock-reason", p.FaultText(e, ""))
		return c.render(w, r, p, d, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, d.path(), "locked")
	return nil
}

func (c Config) file(w http.ResponseWriter, r *http.Request, _ frame.Page) error {
	name, err := caseOf(r)
	if err != nil {
		return err
	}
	one, _, err := c.Reviews.Review(r.Context(), name)
	if err != nil {
		return err
	}
	return approvals.Serve(w, r, c.Reviews, one)
}

// standards are the texts that reviewers put into questions ("q.") and reasons ("r.").
func standards() []string {
	return []string{"q.url", "q.login", "q.wording", "q.confirm", "q.sample", "q.age", "q.role", "q.fair", "q.product", "q.partner",
		"r.bought", "r.scraped", "r.single", "r.oral", "r.bundled", "r.old", "r.fair", "r.conditions", "r.mixed", "r.noanswer"}
}

// standard words a text in the account's language and tone, with what is known put in.
func (d dossier) standard(p frame.Page, key string) string {
	catalog, _ := p.Words()
	lang := i18n.Lang(d.account.Locale)
	if !lang.Valid() {
		lang = i18n.German
	}
	args := i18n.Args{"url": "…", "samples": "…", "year": "…", "n": 0, "other": "…", "missing": "…", "date": p.Date(d.Since), "days": int(p.Now.Sub(d.Since).Hours() / 24)}
	for _, s := range d.Submission.Sources {
		if s.FormURL != "" {
			args["url"] = s.FormURL
		}
	}
	var some []string
	for _, m := range d.sample[:min(len(d.sample), 3)] {
		some = append(some, m.Main().String())
	}
	if len(some) > 0 {
		args["samples"] = strings.Join(some, ", ")
	}
	for _, f := range d.Findings {
		if f.About == approval.FindRole {
			args["n"] = f.N
		}
	}
	for _, known := range standards() {
		if known == key {
			return catalog.Text(lang, i18n.Tone(d.account.OfficeTone), "approval.standard."+key, args)
		}
	}
	return ""
}
