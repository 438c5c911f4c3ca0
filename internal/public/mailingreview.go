package public

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/i18n"
)

// Reviewer shows who was asked a mailing and hears the answer; *campaign.Service does.
type Reviewer interface {
	OpenReview(ctx context.Context, token string) (campaign.Shown, error)
	CommentLink(ctx context.Context, token, name, text string) error
	AnswerLink(ctx context.Context, token, name string, approve bool, note string) error
}

// ReviewConfig is what the pages of reviews stand on. Fields without a stated default are
// needed.
type ReviewConfig struct {
	Reviewer Reviewer
	Catalog  *i18n.Catalog
	// ClientIP and PerMinute are as in Config; 0 is 30 here.
	ClientIP  func(*http.Request) string
	PerMinute int
	Zone      *time.Location // nil: UTC
	Now       func() time.Time
	Log       *slog.Logger // nil: discard
}

const (
	maxReviewForm = 16 << 10 // bytes
	// reviewPolicy lets the page show the mail, which is a page of this origin in a sandbox.
	reviewPolicy = "default-src 'none'; style-src 'self'; img-src data:; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	// reviewedPolicy holds the mail: an origin of its own, no script, no form; pictures come from
	// where the mail will fetch them.
	reviewedPolicy = "default-src 'none'; img-src https: data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox"
)

// reviews is the door's part for people who are asked about a mailing.
type reviews struct {
	*door
	reviewer Reviewer
	zone     *time.Location
}

// NewReviews makes the handler for the paths under campaign.ReviewPath. A link opens a page
// and changes nothing, as mail scanners follow links; only what the page's buttons send does.
// It is safe for concurrent use.
func NewReviews(c ReviewConfig) http.Handler {
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
	d := &reviews{reviewer: c.Reviewer, zone: c.Zone, door: &door{Config: Config{Catalog: c.Catalog, ClientIP: c.ClientIP, Now: c.Now, Log: c.Log}, limits: newLimits(c.PerMinute)}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+campaign.ReviewPath+"{token}", d.show)
	mux.HandleFunc("GET "+campaign.ReviewPath+"{token}/mail", d.mail)
	mux.HandleFunc("POST "+campaign.ReviewPath+"{token}", d.answer)
	mux.HandleFunc("POST "+campaign.ReviewPath+"{token}/comment", d.comment)
	forms := http.NewCrossOriginProtection().Handler(mux)
	return d.guarded(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", reviewPolicy)
		r.Body = http.MaxBytesReader(w, r.Body, maxReviewForm)
		forms.ServeHTTP(w, r)
	}))
}

// reviewed is a page about a mailing.
type reviewed struct {
	page
	campaign.Shown
	clock i18n.Clock
	path  string
	view  string // one of reviewViews
	name  string
	note  string
	text  string // of a comment
	wrong string // what is wrong with the answer; "": nothing
}

// reviewViews are the ways a mail can be looked at: as wide as the page, as narrow as a phone,
// and its plain text.
func reviewViews() []string { return []string{"desktop", "phone", "text"} }

// at is the address of the page in another view.
func (p reviewed) at(view string) string { return p.path + "?view=" + view }

// mailAt is where the frame of a letter finds it.
func (p reviewed) mailAt(l campaign.ShownLetter) string {
	return p.path + "/mail?version=" + string(l.Version)
}

// heading names a letter.
func (p reviewed) heading(l campaign.ShownLetter) string {
	if l.Version == "" {
		return p.say("mail", nil)
	}
	return p.say("version", i18n.Args{"version": strings.ToUpper(string(l.Version))})
}

func (p reviewed) say(key string, args i18n.Args) string { return p.t("review.page."+key, args) }

func (d *reviews) paged(r *http.Request, v campaign.Shown) reviewed {
	p := reviewed{page: d.page(r), Shown: v, path: campaign.ReviewPath + r.PathValue("token")}
	if p.view = r.URL.Query().Get("view"); !slices.Contains(reviewViews(), p.view) {
		p.view = reviewViews()[0]
	}
	p.clock = i18n.Clock{Lang: p.lang, Zone: d.zone, Now: d.Now()}
	return p
}

func (d *reviews) refused(w http.ResponseWriter, r *http.Request, err error) {
	if fault.IsKind(err, fault.NotFound) {
		d.sorry(w, r, http.StatusNotFound, "unknown")
		return
	}
	if r.Context().Err() == nil {
		d.Log.ErrorContext(r.Context(), "page of a review failed", "err", err)
	}
	d.sorry(w, r, http.StatusServiceUnavailable, "broken")
}

func (d *reviews) show(w http.ResponseWriter, r *http.Request) {
	v, err := d.reviewer.OpenReview(r.Context(), r.PathValue("token"))
	if err != nil {
		d.refused(w, r, err)
		return
	}
	d.render(w, r, http.StatusOK, reviewPage(d.paged(r, v)))
}

// mail is what the page shows in a frame.
func (d *reviews) mail(w http.ResponseWriter, r *http.Request) {
	v, err := d.reviewer.OpenReview(r.Context(), r.PathValue("token"))
	if err != nil {
		d.refused(w, r, err)
		return
	}
	i := slices.IndexFunc(v.Letters, func(l campaign.ShownLetter) bool { return string(l.Version) == r.URL.Query().Get("version") })
	if i < 0 {
		d.sorry(w, r, http.StatusNotFound, "unknown")
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", reviewedPolicy)
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, v.Letters[i].Mail.HTML)
}

// comment takes a word about the mailing, which decides nothing.
func (d *reviews) comment(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	if err := r.ParseForm(); err != nil {
		d.sorry(w, r, http.StatusConflict, "refused")
		return
	}
	err := d.reviewer.CommentLink(r.Context(), token, r.PostForm.Get("name"), r.PostForm.Get("comment"))
	f := fault.As(err)
	switch {
	case err == nil, f != nil && f.Kind == fault.Conflict: // the page says how it stands
		http.Redirect(w, r, campaign.ReviewPath+token+"#comments", http.StatusSeeOther) //nolint:gosec // G710: begins with a path of ours
	case f != nil && f.Kind == fault.Invalid:
		v, err := d.reviewer.OpenReview(r.Context(), token)
		if err != nil {
			d.refused(w, r, err)
			return
		}
		p := d.paged(r, v)
		p.name, p.text, p.wrong = r.PostForm.Get("name"), r.PostForm.Get("comment"), "comment-"+f.Field
		d.render(w, r, http.StatusUnprocessableEntity, reviewPage(p))
	default:
		d.refused(w, r, err)
	}
}

func (d *reviews) answer(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	if err := r.ParseForm(); err != nil {
		d.sorry(w, r, http.StatusConflict, "refused")
		return
	}
	do := r.PostForm.Get("answer")
	if do != "approve" && do != "decline" {
		d.sorry(w, r, http.StatusConflict, "refused")
		return
	}
	err := d.reviewer.AnswerLink(r.Context(), token, r.PostForm.Get("name"), do == "approve", r.PostForm.Get("note"))
	f := fault.As(err)
	switch {
	case err == nil, f != nil && f.Kind == fault.Conflict: // the page says how it stands
		http.Redirect(w, r, campaign.ReviewPath+token, http.StatusSeeOther) //nolint:gosec // G710: begins with a path of ours
	case f != nil && f.Kind == fault.Invalid:
		v, err := d.reviewer.OpenReview(r.Context(), token)
		if err != nil {
			d.refused(w, r, err)
			return
		}
		p := d.paged(r, v)
		p.name, p.note, p.wrong = r.PostForm.Get("name"), r.PostForm.Get("note"), f.Field
		d.render(w, r, http.StatusUnprocessableEntity, reviewPage(p))
	default:
		d.refused(w, r, err)
	}
}
