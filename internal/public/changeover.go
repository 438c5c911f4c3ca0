package public

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"stafette/internal/changeover/affected"
	"stafette/internal/changeover/announce"
	"stafette/internal/fault"
	"stafette/internal/i18n"
)

// Announcer shows a customer of a changeover its page and hears what it says;
// *announce.Service does.
type Announcer interface {
	Open(ctx context.Context, token string) (announce.View, error)
	Hear(ctx context.Context, token string, a affected.Answer) error
	Order(ctx context.Context, token string) error
	Enter(ctx context.Context, token, text string) (announce.Entered, error)
	Questions(ctx context.Context, changeover, tenant string) (announce.View, announce.Announcement, error)
}

// ChangeoverConfig is what the pages of customers of changeovers stand on. Fields without
// a stated default are needed.
type ChangeoverConfig struct {
	Announcer Announcer
	Catalog   *i18n.Catalog
	// ClientIP and PerMinute are as in Config; 0 is 30 here, as codes can be guessed.
	ClientIP  func(*http.Request) string
	PerMinute int
	Zone      *time.Location // nil: UTC
	Now       func() time.Time
	Log       *slog.Logger // nil: discard
}

const maxChangeoverForm = 4 << 10 // bytes

// changeovers is the door's part for customers of changeovers.
type changeovers struct {
	*door
	announcer Announcer
	zone      *time.Location
}

// NewChangeovers makes the handler for the paths under announce.Path. A link opens a page
// and changes nothing, as mail scanners follow links; only what the page's buttons send
// does. It is safe for concurrent use.
func NewChangeovers(c ChangeoverConfig) http.Handler {
	if c.ClientIP == nil {
		c.ClientIP = peer
	}
	if c.PerMinute <= 0 {
		c.PerMinute = 30
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	d := &changeovers{announcer: c.Announcer, zone: c.Zone,
		door: &door{Config: Config{Catalog: c.Catalog, ClientIP: c.ClientIP, Now: c.Now, Log: c.Log}, limits: newLimits(c.PerMinute)}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+announce.Path+"{token}", d.show)
	mux.HandleFunc("POST "+announce.Path+"{token}/answer", d.answer)
	mux.HandleFunc("POST "+announce.Path+"{token}/test", d.test)
	mux.HandleFunc("POST "+announce.Path+"{token}/codes", d.codes)
	mux.HandleFunc("GET "+announce.FAQPath+"{changeover}/{tenant}", d.questions)
	forms := http.NewCrossOriginProtection().Handler(mux)
	return d.guarded(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", formPolicy)
		r.Body = http.MaxBytesReader(w, r.Body, maxChangeoverForm)
		forms.ServeHTTP(w, r)
	}))
}

// paged is a page in the language that its reader chose, or whose device did.
type paged struct {
	page
	announce.View
	clock i18n.Clock
	path  string // of the customer's page, or of the questions
	// done chooses a sentence on what was just done; entered is of codes.
	done    string
	entered *announce.Entered
}

func (d *changeovers) paged(r *http.Request, v announce.View, path string) paged {
	p := paged{page: d.page(r), View: v, path: path}
	if lang := i18n.Lang(r.URL.Query().Get("lang")); lang.Valid() {
		p.lang = lang
	}
	p.clock = i18n.Clock{Lang: p.lang, Zone: d.zone, Now: d.Now()}
	return p
}

// say is the text of a key of these pages.
func (p paged) say(key string, args i18n.Args) string { return p.t("changeover.page."+key, args) }

// at is a path of the page in its language.
func (p paged) at(more string) string { return p.path + more + "?lang=" + string(p.lang) }

// other is the page in the other language.
func (p paged) other() string {
	if p.lang == i18n.English {
		return p.path + "?lang=" + string(i18n.German)
	}
	return p.path + "?lang=" + string(i18n.English)
}

// refused answers what cannot be shown or done.
func (d *changeovers) refused(w http.ResponseWriter, r *http.Request, err error) {
	switch f := fault.As(err); {
	case f == nil:
		if r.Context().Err() == nil {
			d.Log.ErrorContext(r.Context(), "page of a changeover failed", "err", err)
		}
		d.sorry(w, r, http.StatusServiceUnavailable, "broken")
	case f.Kind == fault.NotFound:
		d.sorry(w, r, http.StatusNotFound, "unknown")
	case f.Kind == fault.Limited:
		d.sorry(w, r, http.StatusTooManyRequests, "limited")
	case f.Kind == fault.Unavailable:
		d.sorry(w, r, http.StatusServiceUnavailable, "broken")
	default:
		d.sorry(w, r, http.StatusConflict, "refused")
	}
}

func (d *changeovers) show(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	v, err := d.announcer.Open(r.Context(), token)
	if err != nil {
		d.refused(w, r, err)
		return
	}
	p := d.paged(r, v, announce.Path+token)
	switch done := r.URL.Query().Get("done"); done {
	case "answered", "tested":
		p.done = done
	}
	d.render(w, r, http.StatusOK, customerPage(p))
}

// back leads to the page again, so that reloading it sends nothing.
func (d *changeovers) back(w http.ResponseWriter, r *http.Request, done string) {
	q := url.Values{"done": {done}}
	if lang := i18n.Lang(r.URL.Query().Get("lang")); lang.Valid() {
		q.Set("lang", string(lang))
	}
	http.Redirect(w, r, announce.Path+url.PathEscape(r.PathValue("token"))+"?"+q.Encode(), http.StatusSeeOther)
}

func (d *changeovers) answer(w http.ResponseWriter, r *http.Request) {
	if err := d.announcer.Hear(r.Context(), r.PathValue("token"), affected.Answer(r.PostFormValue("answer"))); err != nil {
		d.refused(w, r, err)
		return
	}
	d.back(w, r, "answered")
}

func (d *changeovers) test(w http.ResponseWriter, r *http.Request) {
	if err := d.announcer.Order(r.Context(), r.PathValue("token")); err != nil {
		d.refused(w, r, err)
		return
	}
	d.back(w, r, "tested")
}

func (d *changeovers) codes(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	entered, err := d.announcer.Enter(r.Context(), token, r.PostFormValue("codes"))
	if err != nil {
		d.refused(w, r, err)
		return
	}
	v, err := d.announcer.Open(r.Context(), token)
	if err != nil {
		d.refused(w, r, err)
		return
	}
	p := d.paged(r, v, announce.Path+token)
	p.entered = &entered
	d.render(w, r, http.StatusOK, customerPage(p))
}

func (d *changeovers) questions(w http.ResponseWriter, r *http.Request) {
	v, a, err := d.announcer.Questions(r.Context(), r.PathValue("changeover"), r.PathValue("tenant"))
	if err != nil {
		d.refused(w, r, err)
		return
	}
	p := d.paged(r, v, announce.FAQPath+v.Plan.ID.String()+"/"+a.Tenant.String())
	d.render(w, r, http.StatusOK, questionsPage(p, d.asked(p, a)))
}

// faqEntry is a question with its answer.
type faqEntry struct{ title, text string }

// asked are the questions that customers have, answered from the plan (A21). What the
// plan says nothing about is not asked.
func (d *changeovers) asked(p paged, a announce.Announcement) []faqEntry {
	reason := a.ReasonDE
	if p.lang == i18n.English {
		reason = a.ReasonEN
	}
	args := i18n.Args{
		"tenant": p.Portal, "cutover": p.clock.Date(p.Plan.CutoverAt), "overlap": p.clock.Date(p.Plan.OverlapUntil), "test": p.clock.Date(p.Plan.TestFrom),
		"announced": p.clock.Date(a.AskedAt), "n": len(p.New), "reason": reason, "days": p.Days,
		"unconcerned": joined(p.Unconcerned), "concerned": joined(p.Concerned), "contact": p.Contact,
	}
	say := func(key string) string { return p.t("changeover.faq."+key, args) }
	change := say("1.text")
	if reason != "" {
		change += " " + say("1.reason")
	}
	change += " " + say("1.test")
	whom := say("8.text")
	if len(p.Unconcerned) > 0 {
		whom += " " + p.t("announce.makers.unconcerned", args)
	}
	if len(p.Concerned) > 0 {
		whom += " " + p.t("announce.makers.concerned", args)
	}
	list := []faqEntry{{say("1"), change}}
	for _, n := range []string{"2", "3", "4", "5", "6", "7"} {
		list = append(list, faqEntry{say(n), say(n + ".text")})
	}
	return append(list, faqEntry{say("8"), whom}, faqEntry{say("9"), say("9.text")})
}

func joined(list []string) string {
	text := ""
	for i, one := range list {
		if i > 0 {
			text += ", "
		}
		text += one
	}
	return text
}
