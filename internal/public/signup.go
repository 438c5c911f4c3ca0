package public

import (
	"cmp"
	"context"
	"crypto/hmac"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/consent"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/signup"
	"stafette/internal/tenant"
)

// Names of what a sign-up form sends beside its fields.
const (
	signupToken = "t"
	signupTrap  = "website" // people do not see it
	signupSite  = "site"    // that embeds it
	maxSignup   = 64 << 10
)

// Entries in a time that one network may make before they are held for a look: an office
// or household signs up a few people.
const (
	enteringBurst = 6
	enteringEvery = 2 * time.Minute
)

func (d *door) signups(mux *http.ServeMux) {
	d.entering = NewLimiter(enteringBurst, enteringEvery, d.Now)
	for _, end := range []string{"{key}", "{key}/embed"} {
		mux.HandleFunc("GET "+signup.FormPath+end, d.showSignup)
		mux.HandleFunc("POST "+signup.FormPath+end, d.takeSignup)
	}
	mux.HandleFunc("GET "+signup.ConfirmPath+"{token}", d.showConfirm)
	mux.HandleFunc("POST "+signup.ConfirmPath+"{token}", d.takeConfirm)
}

// signupSheet is a form as a page shows it.
type signupSheet struct {
	sheet
	signup.Form
	profile  tenant.Profile
	values   map[string]string
	problems map[string]string
	agreed   bool
	token    string
	action   string
	preview  bool
	note     string
	home     string // time zone of the account
}

func (s signupSheet) value(name string) string { return s.values[name] }

// zones are those offered: ours, and that of the account or of what was entered.
func (s signupSheet) zones() []string {
	list := signup.Zones()
	for _, zone := range []string{s.home, s.value(string(signup.TimeZone))} {
		if _, known := audience.LoadZone(zone); known && !slices.Contains(list, zone) {
			list = append(list, zone)
		}
	}
	return list
}

// zoneName is what a zone is called; one that we have no word for by its own name.
func (s signupSheet) zoneName(zone string) string {
	if key := signup.ZoneKey(zone); s.Catalog.Has(key) {
		return s.t(key, nil)
	}
	return zone
}

// openSignup finds the form that the path names and sets where its page may stand.
func (d *door) openSignup(w http.ResponseWriter, r *http.Request) (v signupSheet, ok bool) {
	f, err := d.Signup.Find(r.Context(), r.PathValue("key"))
	if err != nil {
		d.signupFailed(w, r, "", err)
		return v, false
	}
	lang := f.Lang
	if asked := i18n.Lang(r.URL.Query().Get("lang")); asked.Valid() {
		lang = asked
	}
	if !lang.Valid() {
		lang = i18n.Negotiate(r.Header.Get("Accept-Language"))
	}
	v = signupSheet{Form: f, values: map[string]string{}, problems: map[string]string{}, action: r.URL.RequestURI()}
	v.preview = hmac.Equal([]byte(r.URL.Query().Get("preview")), []byte(d.Signup.Preview(f)))
	if !f.Active && !v.preview {
		d.signupFailed(w, r, lang, fault.New(fault.NotFound, signup.CodeUnknown, ""))
		return v, false
	}
	who, profile, err := d.Signup.Sender(r.Context(), f.Tenant)
	if err != nil {
		d.signupFailed(w, r, lang, err)
		return v, false
	}
	v.sheet, v.profile, v.home = d.sheet(lang, who.Name), profile, cmp.Or(who.TimeZone, signup.Zones()[0])
	v.framed = strings.HasSuffix(r.URL.Path, "/embed")
	if f.Lang == "" {
		v.other = r.URL.Path + "?lang=" + v.otherLang()
	}
	return v, true
}

// renderSignup shows a page of a form where the form may stand.
func (d *door) renderSignup(w http.ResponseWriter, r *http.Request, status int, v signupSheet, sent bool) {
	frames := "'none'"
	h := w.Header()
	if v.framed {
		frames = strings.Join(append([]string{"'self'"}, v.Origins...), " ")
		h.Del("X-Frame-Options") // frame-ancestors says it, site by site
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	// Browsers then say on which site the form stood.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors "+frames)
	if sent {
		d.render(w, r, status, signupSentPage(v))
		return
	}
	d.render(w, r, status, signupFormPage(v))
}

func (d *door) showSignup(w http.ResponseWriter, r *http.Request) {
	v, ok := d.openSignup(w, r)
	if !ok {
		return
	}
	if !v.preview {
		v.token = d.Signup.NewToken(v.Form)
	}
	v.values[signupSite], v.values[string(signup.TimeZone)] = embeddedBy(r, v.Form), v.home
	d.renderSignup(w, r, http.StatusOK, v, false)
}

func (d *door) takeSignup(w http.ResponseWriter, r *http.Request) {
	v, ok := d.openSignup(w, r)
	if !ok {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxSignup)
	if err := r.ParseForm(); err != nil {
		d.notice(w, r, v.sheet, http.StatusBadRequest, "choice.unreadable", "")
		return
	}
	form := r.PostForm
	v.agreed, v.token = form.Get("agree") != "", form.Get(signupToken)
	e := signup.Entry{
		Email: form.Get("email"), Values: map[signup.Field]string{}, Agreed: v.agreed, Token: v.token, Trap: form.Get(signupTrap),
		Flood: d.entering.Take(d.ClientIP(r)) > 0, URL: d.stoodAt(r, v.Form), IP: d.ClientIP(r), Agent: r.UserAgent(), Lang: v.lang,
	}
	v.values["email"], v.values[signupSite] = e.Email, form.Get(signupSite)
	for _, name := range signup.Fields() {
		e.Values[name] = form.Get(string(name))
		v.values[string(name)] = e.Values[name]
	}
	err := d.Signup.Take(r.Context(), v.Form, e)
	switch f := fault.As(err); {
	case err == nil:
		d.renderSignup(w, r, http.StatusOK, v, true)
	case f != nil && f.Kind == fault.Invalid:
		for _, one := range append([]*fault.Error{f}, f.Also...) {
			v.problems[one.Field] = v.t("fault."+one.Code, nil)
		}
		v.note = v.t("signup.refused", i18n.Args{"n": len(v.problems)})
		d.renderSignup(w, r, http.StatusUnprocessableEntity, v, false)
	case f != nil && f.Kind == fault.NotFound:
		d.signupFailed(w, r, v.lang, err)
	default:
		if r.Context().Err() == nil {
			d.Log.ErrorContext(r.Context(), "sign-up not kept", "form", v.ID.String(), "err", err)
		}
		w.Header().Set("Retry-After", "30")
		v.note = v.t("signup.later", nil)
		d.renderSignup(w, r, http.StatusServiceUnavailable, v, false)
	}
}

// embeddedBy is the web site that embeds a page, as its browser says when it asks for it.
func embeddedBy(r *http.Request, f signup.Form) string {
	u, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || !f.Allows(u.Scheme+"://"+u.Host) {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// stoodAt is the page on which the form stood: ours, or the site that embeds it.
func (d *door) stoodAt(r *http.Request, f signup.Form) string {
	if site := r.PostForm.Get(signupSite); f.Allows(site) {
		return site
	}
	return d.Signup.PageOf(f)
}

func (d *door) signupFailed(w http.ResponseWriter, r *http.Request, lang i18n.Lang, err error) {
	if !lang.Valid() {
		lang = i18n.Negotiate(r.Header.Get("Accept-Language"))
	}
	s := d.sheet(lang, "Stafette")
	if fault.IsKind(err, fault.NotFound) {
		d.notice(w, r, s, http.StatusNotFound, "signup.unknown", "")
		return
	}
	d.failed(w, r, s, "page of a sign-up failed", err)
}

// confirming finds what a link of confirmation leads to.
func (d *door) confirming(w http.ResponseWriter, r *http.Request, read func(context.Context) (consent.Consent, error)) {
	c, err := read(r.Context())
	lang := i18n.Lang(r.URL.Query().Get("lang"))
	if !lang.Valid() {
		lang = i18n.Lang(c.Lang)
	}
	if err != nil {
		d.signupFailed(w, r, lang, err)
		return
	}
	who, profile, err := d.Signup.Sender(r.Context(), c.Tenant)
	if err != nil {
		d.signupFailed(w, r, lang, err)
		return
	}
	s := d.sheet(lang, who.Name)
	s.other = r.URL.Path + "?lang=" + s.otherLang()
	d.show(w, r, http.StatusOK, confirmPage(s, c, profile))
}

// showConfirm changes nothing: programs that follow links confirm nothing for anybody.
func (d *door) showConfirm(w http.ResponseWriter, r *http.Request) {
	d.confirming(w, r, func(ctx context.Context) (consent.Consent, error) { return d.Signup.Pending(ctx, r.PathValue("token")) })
}

func (d *door) takeConfirm(w http.ResponseWriter, r *http.Request) {
	d.confirming(w, r, func(ctx context.Context) (consent.Consent, error) {
		return d.Signup.Confirm(ctx, r.PathValue("token"), d.ClientIP(r), r.UserAgent())
	})
}
