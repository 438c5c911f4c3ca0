package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/tenant"
)

const (
	langCookie  = "stafette-lang"
	themeCookie = "stafette-theme"
	// maxSmallForm bounds every form but the one that sends mail.
	maxSmallForm = 64 << 10
	yearSeconds  = 365 * 24 * 3600
)

func (o *office) sessionCookie() string {
	if o.secure {
		return "__Host-stafette"
	}
	return "stafette"
}

func cookieValue(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

func (o *office) setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	//nolint:gosec // G124: secure wherever the office is reached by https
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: o.secure, SameSite: http.SameSiteLaxMode,
	})
}

// identify finds the person behind the session cookie. Nobody is the zero Identity
// without an error.
func (o *office) identify(r *http.Request) (tenant.Identity, error) {
	token := cookieValue(r, o.sessionCookie())
	if token == "" {
		return tenant.Identity{}, nil
	}
	return o.Auth.Resume(r.Context(), token)
}

// A signInForm is the sign-in page as it was posted.
type signInForm struct {
	email, next, problem string
}

func (o *office) showSignIn(w http.ResponseWriter, r *http.Request, p page) error {
	next := r.URL.Query().Get("next")
	if p.signedIn {
		seeOther(w, r, next)
		return nil
	}
	p.title = p.T("signin.title")
	return o.render(w, r, http.StatusOK, signInPage(p, signInForm{next: next}))
}

func (o *office) signIn(w http.ResponseWriter, r *http.Request, p page) error {
	if err := parseSmallForm(w, r); err != nil {
		return err
	}
	f := signInForm{email: r.PostForm.Get("email"), next: r.PostForm.Get("next")}
	agent := r.UserAgent()
	if len(agent) > 200 {
		agent = strings.ToValidUTF8(agent[:200], "")
	}
	token, _, err := o.Auth.SignIn(r.Context(), f.email, r.PostForm.Get("password"), agent, o.ClientIP(r))
	e := fault.As(err)
	switch {
	case err == nil:
		// No MaxAge: the browser forgets it when it closes, the store after its own time.
		o.setCookie(w, o.sessionCookie(), token, 0)
		seeOther(w, r, f.next)
		return nil
	case e == nil || e.Kind != fault.Unauthenticated && e.Kind != fault.Limited && e.Kind != fault.Forbidden:
		return err
	}
	f.problem = p.faultText(e, "")
	p.title = p.T("signin.title")
	return o.render(w, r, statusOf(e.Kind), signInPage(p, f))
}

func (o *office) signOut(w http.ResponseWriter, r *http.Request, _ page) error {
	if token := cookieValue(r, o.sessionCookie()); token != "" {
		if err := o.Auth.SignOut(r.Context(), token); err != nil {
			return err
		}
	}
	o.setCookie(w, o.sessionCookie(), "", -1)
	seeOther(w, r, "/signin")
	return nil
}

// setPreferences keeps language and look in cookies of this browser, where they
// work on the sign-in page too.
func (o *office) setPreferences(w http.ResponseWriter, r *http.Request, _ page) error {
	if err := parseSmallForm(w, r); err != nil {
		return err
	}
	if lang := r.PostForm.Get("lang"); i18n.Lang(lang).Valid() {
		o.setCookie(w, langCookie, lang, yearSeconds)
	}
	switch theme := r.PostForm.Get("theme"); theme {
	case "light", "dark":
		o.setCookie(w, themeCookie, theme, yearSeconds)
	case "auto":
		o.setCookie(w, themeCookie, "", -1)
	}
	seeOther(w, r, r.PostForm.Get("back"))
	return nil
}

// seeOther answers a form by another page of this office. Any other target is "/".
func seeOther(w http.ResponseWriter, r *http.Request, target string) {
	http.Redirect(w, r, localPath(target), http.StatusSeeOther) //nolint:gosec // G710: localPath lets no other host through
}

// localPath returns target if it is a path of this office, otherwise "/". What a
// browser might read as another host ("//evil", "/\evil") is not.
func localPath(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(target, "/") {
		return "/"
	}
	if strings.HasPrefix(target, "//") || strings.ContainsAny(target, "\\\t\r\n") {
		return "/"
	}
	return target
}

func parseSmallForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxSmallForm)
	if err := r.ParseForm(); err != nil {
		return &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err}
	}
	return nil
}

// sessionCheck is how often a live stream looks whether its session still lives.
const sessionCheck = 30 * time.Second
