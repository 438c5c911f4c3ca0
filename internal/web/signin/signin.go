// Package signin lets people into the office and out of it, and keeps their choice
// of language and look.
//
// It is a subject of the door web (floor 4). Who somebody is and what they may do
// is decided in tenant; each request is identified by frame.
package signin

import (
	"net/http"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/web/frame"
)

const (
	yearSeconds = 365 * 24 * 3600
	maxAgent    = 200 // bytes kept of a browser's name
)

// site is what the handlers share.
type site struct{ *frame.Frame }

// Routes are the pages of signing in.
func Routes(f *frame.Frame) []frame.Route {
	s := site{f}
	return []frame.Route{
		{Pattern: "GET /signin", Access: frame.Anyone, Do: s.showSignIn},
		{Pattern: "POST /signin", Access: frame.Anyone, Do: s.signIn},
		{Pattern: "POST /signout", Access: frame.Anyone, Do: s.signOut},
		{Pattern: "POST /preferences", Access: frame.Anyone, Do: s.setPreferences},
	}
}

// A signInForm is the sign-in page as it was posted.
type signInForm struct {
	email, next, problem string
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
	return p.Render(w, r, http.StatusOK, signInPage(p, signInForm{next: next}))
}

func (s site) signIn(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f := signInForm{email: r.PostForm.Get("email"), next: r.PostForm.Get("next")}
	agent := r.UserAgent()
	if len(agent) > maxAgent {
		agent = strings.ToValidUTF8(agent[:maxAgent], "")
	}
	token, _, err := s.Auth.SignIn(r.Context(), f.email, r.PostForm.Get("password"), agent, s.ClientIP(r))
	e := fault.As(err)
	switch {
	case err == nil:
		// No MaxAge: the browser forgets it when it closes, the store after its own time.
		s.SetCookie(w, s.SessionCookie(), token, 0)
		frame.Return(w, r, f.next)
		return nil
	case e == nil || e.Kind != fault.Unauthenticated && e.Kind != fault.Limited && e.Kind != fault.Forbidden:
		return err
	}
	f.problem = p.FaultText(e, "")
	p.Title = p.T("signin.title")
	return p.Render(w, r, frame.StatusOf(e.Kind), signInPage(p, f))
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
