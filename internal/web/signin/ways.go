package signin

import (
	"net/http"

	"stafette/internal/fault"
	"stafette/internal/web/frame"
	"stafette/internal/web/profile"
)

// stateCookie binds a sign-in at the OpenID provider to the browser that began it.
const stateCookie = "stafette-openid"

func (s site) showCode(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	next := r.URL.Query().Get("next")
	if _, err := s.Accounts.ResumePending(r.Context(), s.SessionToken(r)); err != nil {
		if fault.IsKind(err, fault.Unauthenticated) {
			http.Redirect(w, r, "/signin", http.StatusSeeOther)
			return nil
		}
		return err
	}
	p.Title = p.T("signin.code.title")
	return p.Render(w, r, http.StatusOK, codePage(p, frame.Form{}, next, s.Accounts.Passkeys()))
}

func (s site) code(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	next := r.PostForm.Get("next")
	token, who, err := s.Accounts.FinishFactor(r.Context(), s.SessionToken(r), r.PostForm.Get("code"), r.UserAgent(), s.ClientIP(r))
	if fault.IsKind(err, fault.Unauthenticated) {
		http.Redirect(w, r, "/signin", http.StatusSeeOther)
		return nil
	}
	var form frame.Form
	if frame.Refused(p, &form, err, "code") {
		p.Title = p.T("signin.code.title")
		return p.Render(w, r, frame.StatusOf(fault.As(err).Kind), codePage(p, form, next, s.Accounts.Passkeys()))
	}
	if err != nil {
		return err
	}
	s.enter(w, r, token, who, next)
	return nil
}

func (s site) passkeyOptions(w http.ResponseWriter, r *http.Request, _ frame.Page) error {
	options, token, err := s.Accounts.BeginPasskeySignIn(r.Context())
	if err != nil {
		return err
	}
	return profile.WriteOptions(w, options, token, "")
}

func (s site) passkey(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f := s.newForm("", r.PostForm.Get("next"))
	token, who, err := s.Accounts.FinishPasskeySignIn(r.Context(), r.PostForm.Get("token"), r.PostForm.Get("response"), r.UserAgent(), s.ClientIP(r))
	if err == nil {
		s.enter(w, r, token, who, f.next)
		return nil
	}
	return s.refuse(w, r, p, f, err)
}

// refuse shows the sign-in page with what went wrong.
func (s site) refuse(w http.ResponseWriter, r *http.Request, p frame.Page, f signInForm, err error) error {
	e := fault.As(err)
	if e == nil || e.Kind == fault.NotFound && e.Code == "page_not_found" {
		return err
	}
	f.problem = p.FaultText(e, "")
	p.Title = p.T("signin.title")
	return p.Render(w, r, frame.StatusOf(e.Kind), signInPage(p, f))
}

func (s site) openID(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	f := s.newForm("", r.PostForm.Get("next"))
	target, state, err := s.Accounts.BeginOpenID(r.Context(), f.next)
	if err != nil {
		return s.refuse(w, r, p, f, err)
	}
	const tenMinutes = 600
	s.SetCookie(w, stateCookie, state, tenMinutes)
	http.Redirect(w, r, target, http.StatusSeeOther)
	return nil
}

func (s site) openIDBack(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	cookie := ""
	if c, err := r.Cookie(stateCookie); err == nil {
		cookie = c.Value
	}
	s.SetCookie(w, stateCookie, "", -1)
	q := r.URL.Query()
	token, who, next, err := s.Accounts.FinishOpenID(r.Context(), cookie, q.Get("state"), q.Get("code"), r.UserAgent(), s.ClientIP(r))
	if err != nil {
		return s.refuse(w, r, p, s.newForm("", ""), err)
	}
	s.enter(w, r, token, who, next)
	return nil
}

func (s site) showForgotten(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if !s.Mails {
		return fault.New(fault.NotFound, "page_not_found", "no mail is sent")
	}
	p.Title = p.T("forgotten.title")
	return p.Render(w, r, http.StatusOK, forgottenPage(p, frame.Form{}, p.Done("sent") != ""))
}

func (s site) forgotten(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{"email": r.PostForm.Get("email")}}
	err := s.Accounts.Forgotten(r.Context(), form.Value("email"), s.ClientIP(r))
	if frame.Refused(p, &form, err, "email") {
		p.Title = p.T("forgotten.title")
		return p.Render(w, r, frame.StatusOf(fault.As(err).Kind), forgottenPage(p, form, false))
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, "/forgotten", "sent")
	return nil
}

// over answers a link that has had its time, without telling whether it ever was one.
func over(w http.ResponseWriter, r *http.Request, p frame.Page, err error, kind string) error {
	if !fault.IsKind(err, fault.NotFound) {
		return err
	}
	p.Title = p.T(kind + ".over.title")
	return p.Render(w, r, http.StatusNotFound, overPage(p, p.Title, p.T(kind+".over.text")))
}

func (s site) showReset(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := s.Accounts.Resettable(r.Context(), r.PathValue("token")); err != nil {
		return over(w, r, p, err, "reset")
	}
	return s.resetForm(w, r, p, http.StatusOK, frame.Form{})
}

func (s site) resetForm(w http.ResponseWriter, r *http.Request, p frame.Page, status int, form frame.Form) error {
	p.Title = p.T("reset.title")
	return p.Render(w, r, status, resetPage(p, form, r.PathValue("token")))
}

func (s site) reset(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	err := s.Accounts.Reset(r.Context(), r.PathValue("token"), r.PostForm.Get("password"), s.ClientIP(r))
	var form frame.Form
	switch {
	case fault.IsKind(err, fault.NotFound):
		return over(w, r, p, err, "reset")
	case frame.Refused(p, &form, err, "password"):
		return s.resetForm(w, r, p, http.StatusUnprocessableEntity, form)
	case err != nil:
		return err
	}
	s.SetCookie(w, s.SessionCookie(), "", -1)
	frame.Redirect(w, r, "/signin", "reset")
	return nil
}

func (s site) showInvitation(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	i, _, err := s.Accounts.Invited(r.Context(), r.PathValue("token"))
	if err != nil {
		return over(w, r, p, err, "invitation")
	}
	return s.invitation(w, r, p, http.StatusOK, frame.Form{Values: map[string]string{"name": i.Name}})
}

func (s site) invitation(w http.ResponseWriter, r *http.Request, p frame.Page, status int, form frame.Form) error {
	i, t, err := s.Accounts.Invited(r.Context(), r.PathValue("token"))
	if err != nil {
		return over(w, r, p, err, "invitation")
	}
	into := t.Name
	if into == "" {
		into = "Stafette"
	}
	p.Title = p.T("invitation.title", "account", into)
	return p.Render(w, r, status, invitationPage(p, form, i, into, r.PathValue("token")))
}

func (s site) accept(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	form := frame.Form{Values: map[string]string{"name": r.PostForm.Get("name")}}
	token, who, err := s.Accounts.Accept(r.Context(), r.PathValue("token"), form.Value("name"), r.PostForm.Get("password"), r.UserAgent(), s.ClientIP(r))
	if frame.Refused(p, &form, err, "name") {
		return s.invitation(w, r, p, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return over(w, r, p, err, "invitation")
	}
	s.enter(w, r, token, who, "/")
	return nil
}
