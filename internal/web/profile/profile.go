// Package profile is what a person does about the own access: password, second factor,
// passkeys, recovery codes, and where they are signed in. The people of a locked tenant
// find here why it is.
//
// It is a subject of the door web (floor 4); account does what is asked for.
package profile

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"

	"stafette/internal/account"
	"stafette/internal/fault"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Accounts does what the pages ask for; *account.Service does.
type Accounts interface {
	Factors(ctx context.Context, who tenant.Identity) (account.Factors, error)
	Sessions(ctx context.Context, who tenant.Identity) ([]tenant.Session, error)
	EndSession(ctx context.Context, who tenant.Identity, handle string) error
	EndOthers(ctx context.Context, who tenant.Identity) error
	Proven(who tenant.Identity) bool
	Confirm(ctx context.Context, who tenant.Identity, password, remote string) error
	ChangePassword(ctx context.Context, who tenant.Identity, old, password, userAgent, remote string) (token string, err error)
	BeginTOTP(ctx context.Context, who tenant.Identity) (account.Enrolment, error)
	ShowTOTP(ctx context.Context, who tenant.Identity, token string) (account.Enrolment, error)
	ConfirmTOTP(ctx context.Context, who tenant.Identity, token, code string) ([]string, error)
	RemoveTOTP(ctx context.Context, who tenant.Identity) error
	NewCodes(ctx context.Context, who tenant.Identity) ([]string, error)
	Passkeys() bool
	BeginPasskey(ctx context.Context, who tenant.Identity) (options []byte, token string, err error)
	AddPasskey(ctx context.Context, who tenant.Identity, token, name, response string) ([]string, error)
	RemovePasskey(ctx context.Context, who tenant.Identity, id []byte) error
}

// Config is what the pages stand on. All of it is needed.
type Config struct{ Accounts Accounts }

const room = "profile"

// desk is what the handlers share.
type desk struct {
	Config
	*frame.Frame
}

// Routes are the person's own pages.
func Routes(f *frame.Frame, c Config) []frame.Route {
	d := desk{c, f}
	route := func(pattern, act string, do func(http.ResponseWriter, *http.Request, frame.Page) error) frame.Route {
		return frame.Route{Pattern: pattern, Access: frame.Person, Permission: tenant.ProfileManage, Act: act, Do: do}
	}
	return []frame.Route{
		route("GET /profile", "", d.show),
		route("GET /profile/sessions.csv", "", d.exportSessions),
		route("GET /profile/confirm", "", d.showConfirm),
		route("POST /profile/confirm", frame.Unrecorded, d.confirm),
		route("POST /profile/password", "password.change", d.password),
		route("POST /profile/totp", frame.Unrecorded, d.beginTOTP),
		route("POST /profile/totp/confirm", "factor.totp", d.confirmTOTP),
		route("POST /profile/totp/remove", "factor.remove", d.removeTOTP),
		route("POST /profile/codes", "factor.codes", d.codes),
		route("POST /profile/passkeys/options", frame.Unrecorded, d.passkeyOptions),
		route("POST /profile/passkeys", "passkey.add", d.addPasskey),
		route("POST /profile/passkeys/{passkey}/remove", "passkey.remove", d.removePasskey),
		route("POST /profile/sessions/{session}/end", "session.end", d.endSession),
		route("POST /profile/sessions/end", "sessions.end", d.endOthers),
		{Pattern: "GET " + frame.LockedPage, Permission: tenant.MessagesRead, WhenLocked: true, Do: locked},
	}
}

// own is what the page shows.
type own struct {
	frame.View // of sessions
	factors    account.Factors
	sessions   []tenant.Session
	passkeys   bool // can be used in this office
	form       frame.Form
	done       string
}

func (d desk) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return d.page(w, r, p, http.StatusOK, own{done: p.Done("password", "totp", "removed", "passkey", "ended", "others", "confirmed")})
}

func (d desk) page(w http.ResponseWriter, r *http.Request, p frame.Page, status int, o own) error {
	var err error
	if o.factors, err = d.Accounts.Factors(r.Context(), p.Who); err != nil {
		return err
	}
	if o.sessions, err = d.Accounts.Sessions(r.Context(), p.Who); err != nil {
		return err
	}
	o.passkeys, o.View = d.Accounts.Passkeys(), frame.ReadView(r, listing(p))
	p.Room, p.Title = room, p.T("profile.title")
	return p.Render(w, r, status, profilePage(p, o))
}

// prove leads to the page that asks for the password, if that is what err says.
func prove(w http.ResponseWriter, r *http.Request, err error) bool {
	if e := fault.As(err); e == nil || e.Code != "proof_needed" {
		return false
	}
	http.Redirect(w, r, "/profile/confirm", http.StatusSeeOther)
	return true
}

func (d desk) showConfirm(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title = room, p.T("profile.confirm.title")
	return p.Render(w, r, http.StatusOK, confirmPage(p, frame.Form{}))
}

func (d desk) confirm(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	err := d.Accounts.Confirm(r.Context(), p.Who, r.PostForm.Get("password"), d.ClientIP(r))
	var form frame.Form
	if frame.Refused(p, &form, err, "password") {
		p.Room, p.Title = room, p.T("profile.confirm.title")
		return p.Render(w, r, http.StatusUnprocessableEntity, confirmPage(p, form))
	}
	if err != nil {
		return err
	}
	frame.Redirect(w, r, "/profile", "confirmed")
	return nil
}

func (d desk) password(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	var form frame.Form
	token, err := d.Accounts.ChangePassword(r.Context(), p.Who, r.PostForm.Get("old"), r.PostForm.Get("password"), r.UserAgent(), d.ClientIP(r))
	if frame.Refused(p, &form, err, "old") {
		return d.page(w, r, p, http.StatusUnprocessableEntity, own{form: form})
	}
	if err != nil {
		return err
	}
	d.SetCookie(w, d.SessionCookie(), token, 0)
	frame.Redirect(w, r, "/profile", "password")
	return nil
}

func (d desk) beginTOTP(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	e, err := d.Accounts.BeginTOTP(r.Context(), p.Who)
	if prove(w, r, err) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.enrol(w, r, p, http.StatusOK, e, frame.Form{})
}

func (d desk) enrol(w http.ResponseWriter, r *http.Request, p frame.Page, status int, e account.Enrolment, form frame.Form) error {
	p.Room, p.Title = room, p.T("profile.totp.title")
	return p.Render(w, r, status, totpPage(p, e, form))
}

func (d desk) confirmTOTP(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	token := r.PostForm.Get("token")
	codes, err := d.Accounts.ConfirmTOTP(r.Context(), p.Who, token, r.PostForm.Get("code"))
	var form frame.Form
	switch {
	case prove(w, r, err):
		return nil
	case frame.Refused(p, &form, err, "code"):
		e, err := d.Accounts.ShowTOTP(r.Context(), p.Who, token)
		if err != nil {
			return err
		}
		return d.enrol(w, r, p, http.StatusUnprocessableEntity, e, form)
	}
	return d.secured(w, r, p, codes, "totp", err)
}

// secured shows new recovery codes, once, or leads back.
func (d desk) secured(w http.ResponseWriter, r *http.Request, p frame.Page, codes []string, done string, err error) error {
	if prove(w, r, err) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(codes) > 0 {
		p.Room, p.Title = room, p.T("profile.codes.title")
		return p.Render(w, r, http.StatusOK, codesPage(p, codes))
	}
	frame.Redirect(w, r, "/profile", done)
	return nil
}

func (d desk) removeTOTP(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return d.secured(w, r, p, nil, "removed", d.Accounts.RemoveTOTP(r.Context(), p.Who))
}

func (d desk) codes(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	codes, err := d.Accounts.NewCodes(r.Context(), p.Who)
	return d.secured(w, r, p, codes, "", err)
}

// passkeyOptions answers the script that asks the browser for a passkey.
func (d desk) passkeyOptions(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	options, token, err := d.Accounts.BeginPasskey(r.Context(), p.Who)
	if e := fault.As(err); e != nil && e.Code == "proof_needed" {
		return WriteOptions(w, nil, "", "/profile/confirm")
	}
	if err != nil {
		return err
	}
	return WriteOptions(w, options, token, "")
}

// WriteOptions answers the script with what the browser needs for a passkey, or with
// the page to go to first.
func WriteOptions(w http.ResponseWriter, options []byte, token, first string) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(struct {
		Options json.RawMessage `json:"options,omitempty"`
		Token   string          `json:"token,omitempty"`
		First   string          `json:"first,omitempty"`
	}{options, token, first})
}

func (d desk) addPasskey(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	codes, err := d.Accounts.AddPasskey(r.Context(), p.Who, r.PostForm.Get("token"), r.PostForm.Get("name"), r.PostForm.Get("response"))
	var form frame.Form
	if !prove(w, r, err) && frame.Refused(p, &form, err, "passkey") {
		return d.page(w, r, p, http.StatusUnprocessableEntity, own{form: form})
	}
	return d.secured(w, r, p, codes, "passkey", err)
}

// passkeyName names a passkey in addresses.
func passkeyName(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

func (d desk) removePasskey(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	id, err := base64.RawURLEncoding.DecodeString(r.PathValue("passkey"))
	if err != nil {
		return fault.New(fault.NotFound, "passkey_not_found", "There is no such passkey.")
	}
	return d.secured(w, r, p, nil, "removed", d.Accounts.RemovePasskey(r.Context(), p.Who, id))
}

func (d desk) endSession(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return d.secured(w, r, p, nil, "ended", d.Accounts.EndSession(r.Context(), p.Who, r.PathValue("session")))
}

func (d desk) endOthers(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return d.secured(w, r, p, nil, "others", d.Accounts.EndOthers(r.Context(), p.Who))
}

func locked(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if p.Who.Tenant.State != tenant.Locked {
		p.Title = p.T("locked.page.free")
		return p.Render(w, r, http.StatusOK, freePage(p))
	}
	p.Title = p.T("locked.page.title")
	return p.Render(w, r, http.StatusOK, lockedPage(p))
}

// codesFile is the address of the recovery codes as a file to keep.
func codesFile(p frame.Page, codes []string) string {
	text := "Stafette · " + p.Host() + " · " + p.Who.User.Email + "\n\n"
	for _, c := range codes {
		text += c + "\n"
	}
	return "data:text/plain;charset=utf-8," + url.PathEscape(text)
}
