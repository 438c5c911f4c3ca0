// Package signin lets people into the office and out of it: by password and second
// factor, passkey or OpenID provider, by an invitation or a link for a new password. It
// also keeps their choice of language and look.
//
// It is a subject of the door web (floor 4). Who somebody is and what they may do
// is decided in tenant and account; each request is identified by frame.
package signin

import (
	"context"
	"net/http"
	"net/url"

	"stafette/internal/account"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

const yearSeconds = 365 * 24 * 3600

// Accounts does what the pages ask for; *account.Service does.
type Accounts interface {
	FinishFactor(ctx context.Context, token, code, userAgent, remote string) (string, tenant.Identity, error)
	ResumePending(ctx context.Context, token string) (tenant.Identity, error)
	Passkeys() bool
	BeginPasskeySignIn(ctx context.Context) (options []byte, token string, err error)
	FinishPasskeySignIn(ctx context.Context, token, response, userAgent, remote string) (string, tenant.Identity, error)
	OpenID() string
	BeginOpenID(ctx context.Context, next string) (target, state string, err error)
	FinishOpenID(ctx context.Context, cookie, state, code, userAgent, remote string) (token string, who tenant.Identity, next string, err error)
	Forgotten(ctx context.Context, email, remote string) error
	Resettable(ctx context.Context, token string) error
	Reset(ctx context.Context, token, password, remote string) error
	Invited(ctx context.Context, token string) (account.Invitation, tenant.Tenant, error)
	Accept(ctx context.Context, token, name, password, userAgent, remote string) (string, tenant.Identity, error)
}

// Config is what the pages stand on. All of it is needed.
type Config struct {
	Accounts Accounts
	// Mails reports whether the platform can mail a link for a new password.
	Mails bool
}

// site is what the handlers share.
type site struct {
	*frame.Frame
	Config
}

// Routes are the pages of signing in.
func Routes(f *frame.Frame, c Config) []frame.Route {
	s := site{f, c}
	anyone := func(pattern, act string, do func(http.ResponseWriter, *http.Request, frame.Page) error) frame.Route {
		return frame.Route{Pattern: pattern, Access: frame.Anyone, Act: act, Do: do}
	}
	return []frame.Route{
		anyone("GET /signin", "", s.showSignIn),
		anyone("POST /signin", frame.Unrecorded, s.signIn), // account records it
		anyone("GET /signin/code", "", s.showCode),
		anyone("POST /signin/code", frame.Unrecorded, s.code),
		anyone("POST /signin/passkey/options", frame.Unrecorded, s.passkeyOptions),
		anyone("POST /signin/passkey", frame.Unrecorded, s.passkey),
		anyone("POST /signin/openid", frame.Unrecorded, s.openID),
		anyone("GET /signin/openid/callback", "", s.openIDBack),
		anyone("GET /forgotten", "", s.showForgotten),
		anyone("POST /forgotten", frame.Unrecorded, s.forgotten),
		anyone("GET /password/{token}", "", s.showReset),
		anyone("POST /password/{token}", frame.Unrecorded, s.reset),
		anyone("GET /invitation/{token}", "", s.showInvitation),
		anyone("POST /invitation/{token}", frame.Unrecorded, s.accept),
		anyone("POST /signout", "", s.signOut),
		anyone("POST /preferences", frame.Unrecorded, s.setPreferences),
	}
}

// A signInForm is the sign-in page as it was posted.
type signInForm struct {
	email, next, problem string
	passkeys, mails      bool
	openID               string // name of the provider, "" if there is none
	done                 string
}

// newForm is the sign-in page with all ways in.
func (s site) newForm(email, next string) signInForm {
	return signInForm{email: email, next: next, passkeys: s.Accounts.Passkeys(), mails: s.Mails, openID: s.Accounts.OpenID()}
}

// form is the part of it that frame shows problems of.
func (f signInForm) form() (shown frame.Form) {
	if f.problem != "" {
		shown.Add("password", f.problem)
	}
	return shown
}

func (s site) showSignIn(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	next := r.URL.Query().Get("next")
	if p.SignedIn {
		frame.Return(w, r, next)
		return nil
	}
	p.Title = p.T("signin.title")
	f := s.newForm("", next)
	f.done = p.Done("reset")
	return p.Render(w, r, http.StatusOK, signInPage(p, f))
}

func (s site) signIn(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f := s.newForm(r.PostForm.Get("email"), r.PostForm.Get("next"))
	token, who, err := s.Auth.SignIn(r.Context(), f.email, r.PostForm.Get("password"), r.UserAgent(), s.ClientIP(r))
	e := fault.As(err)
	switch {
	case err == nil:
		s.enter(w, r, token, who, f.next)
		return nil
	case e == nil || e.Kind != fault.Unauthenticated && e.Kind != fault.Limited && e.Kind != fault.Forbidden:
		return err
	}
	f.problem = p.FaultText(e, "")
	p.Title = p.T("signin.title")
	return p.Render(w, r, frame.StatusOf(e.Kind), signInPage(p, f))
}

// enter leaves the session's token with the browser and leads on: to the second factor
// where one must follow. The cookie has no MaxAge: the browser forgets it when it closes,
// the store after its own time.
func (s site) enter(w http.ResponseWriter, r *http.Request, token string, who tenant.Identity, next string) {
	s.SetCookie(w, s.SessionCookie(), token, 0)
	if who.Session.Pending {
		http.Redirect(w, r, "/signin/code?"+url.Values{"next": {frame.LocalPath(next)}}.Encode(), http.StatusSeeOther)
		return
	}
	frame.Return(w, r, next)
}

func (s site) signOut(w http.ResponseWriter, r *http.Request, _ frame.Page) error {
	if token := s.SessionToken(r); token != "" {
		if err := s.Auth.SignOut(r.Context(), token); err != nil {
			return err
		}
	}
	s.SetCookie(w, s.SessionCookie(), "", -1)
	http.Redirect(w, r, "/signin", http.StatusSeeOther)
	return nil
}

// setPreferences keeps language, look and the columns of tables in cookies of this
// browser, where they work on the sign-in page too.
func (s site) setPreferences(w http.ResponseWriter, r *http.Request, _ frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	if lang := r.PostForm.Get("lang"); i18n.Lang(lang).Valid() {
		s.SetCookie(w, frame.LangCookie, lang, yearSeconds)
	}
	switch theme := r.PostForm.Get("theme"); theme {
	case "light", "dark":
		s.SetCookie(w, frame.ThemeCookie, theme, yearSeconds)
	case "auto":
		s.SetCookie(w, frame.ThemeCookie, "", -1)
	}
	s.switchCookie(w, frame.DensityCookie, r.PostForm.Get("density"), "compact", "normal")
	s.switchCookie(w, frame.KeysCookie, r.PostForm.Get("keys"), "off", "on")
	columns := r.PostForm["col"]
	if r.PostForm.Get("table_plain") != "" {
		columns = nil
	}
	s.KeepColumns(w, r.PostForm.Get("table"), columns, yearSeconds)
	frame.Return(w, r, r.PostForm.Get("back"))
	return nil
}

// switchCookie keeps kept, forgets a cookie for plain, and leaves it alone for anything else.
func (s site) switchCookie(w http.ResponseWriter, name, value, kept, plain string) {
	switch value {
	case kept:
		s.SetCookie(w, name, kept, yearSeconds)
	case plain:
		s.SetCookie(w, name, "", -1)
	}
}
