package webtest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"stafette/internal/account"
	"stafette/internal/audit"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/keys"
	"stafette/internal/web/offices"
	"stafette/internal/web/people"
	"stafette/internal/web/profile"
	"stafette/internal/web/record"
	"stafette/internal/web/settings"
	"stafette/internal/web/signin"
)

// Secrets of the world: whoever brings the token may, and Code is a second factor.
const (
	InvitationToken = "invitation-token"
	ResetToken      = "reset-token"
	Code            = "123456"
)

// accountsSubject: World.Tenant has the world's people, one invitation, two keys and a
// record; the Clerk has a second factor and a passkey.
func accountsSubject() Subject {
	return Subject{
		Wire: func(w *World, c *web.Config) {
			a := w.Accounts()
			c.SignIn = signin.Config{Accounts: a, Mails: true}
			c.Profile = profile.Config{Accounts: a}
			c.People = people.Config{Accounts: a}
			c.Keys = keys.Config{Accounts: a}
			c.Record = record.Config{Entries: a, People: a}
			c.Offices = offices.Config{Accounts: a, Judges: w.judges()}
			c.Settings = settings.Config{Accounts: a, Rights: w.Rights()}
		},
		Own:     func(w *World) map[string]string { return w.Accounts().paths(w.Tenant.ID) },
		Foreign: func(w *World) map[string]string { return w.Accounts().paths(w.Other.ID) },
		Pages: func(*World) []string {
			return []string{"/settings?done=saved", "/profile?done=password", "/forgotten?done=sent", "/invitation/no-such", "/password/no-such"}
		},
	}
}

// Accounts stands in for account.Service, with its refusals and without its secrets.
type Accounts struct {
	w *World

	Invites []account.Invitation
	Made    []tenant.Key
	Entries []audit.Entry
	// Deeds are what was done, in words.
	Deeds []string
	// Fresh says that the reader has shown the password lately.
	Fresh bool
}

// Accounts returns the world's stand-in.
func (w *World) Accounts() *Accounts {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.accounts == nil {
		w.accounts = w.newAccounts()
	}
	return w.accounts
}

func (w *World) newAccounts() *Accounts {
	a := &Accounts{w: w, Fresh: true}
	at := w.now.Add(-48 * time.Hour)
	for _, t := range []tenant.ID{w.Tenant.ID, w.Other.ID} {
		a.Invites = append(a.Invites, account.Invitation{
			ID: id.New[account.InvitationKind](at), Tenant: t, Email: "neu@" + hostOf(t) + ".example", Name: "<script>alert(1)</script>", Role: tenant.Developer,
			CreatedAt: at, ExpiresAt: at.Add(7 * 24 * time.Hour),
		})
		a.Made = append(a.Made,
			tenant.Key{ID: id.New[tenant.KeyKind](at), Tenant: t, Name: "Buchungskalender", Hint: "stf_AbCd", Scopes: []tenant.Scope{tenant.ScopeSend, tenant.ScopeRead}, CreatedAt: at, LastUsedAt: at, DailyCap: 500},
			tenant.Key{ID: id.New[tenant.KeyKind](at), Tenant: t, Name: "Alt", Hint: "stf_EfGh", Scopes: []tenant.Scope{tenant.ScopeAdmin}, CreatedAt: at, RevokedAt: at.Add(time.Hour)})
	}
	for _, t := range []tenant.ID{w.Tenant.ID, w.Other.ID, {}} {
		var prev audit.Entry
		for _, act := range []audit.Act{
			{Actor: "operator", Door: "cli", Action: "tenant.create", Target: t.String()},
			{Actor: w.users[Owner].ID.String(), Door: "office", Action: "keys.create", Target: a.Made[0].ID.String(), Detail: "=cmd|' /C calc'!A0"},
			{Actor: "usr_00000000000000000000000000", Door: "office", Action: "visit.begin", Detail: "Anfrage 17 <b>"},
			{Actor: "key_x", Door: "http", Action: "api.no-such-act", Network: "192.0.2.0/24"},
		} {
			act.Tenant = t
			prev = audit.Next(act, prev.Seq, prev.Hash, at)
			a.Entries = append(a.Entries, prev)
		}
	}
	return a
}

func hostOf(t tenant.ID) string { return strings.ToLower(t.String()[len(t.String())-4:]) }

func (a *Accounts) paths(t tenant.ID) map[string]string {
	user := tenant.UserID{}
	a.w.mu.Lock()
	for _, u := range a.w.users {
		if u.Tenant == t && u.Email != Owner {
			user = u.ID
		}
	}
	a.w.mu.Unlock()
	paths := map[string]string{
		"/people/users/{user}":          "/people/users/" + user.String(),
		"/platform/people/users/{user}": "/platform/people/users/" + user.String(),
		"/platform/tenants/{tenant}":    "/platform/tenants/" + t.String(),
		"/profile/passkeys/{passkey}":   "/profile/passkeys/" + map[bool]string{true: "AQID", false: "CQkJ"}[t == a.w.Tenant.ID],
		"/profile/sessions/{session}":   "/profile/sessions/" + map[bool]string{true: a.session(2).Handle(), false: "0123"}[t == a.w.Tenant.ID],
		"/invitation/{token}":           "/invitation/" + InvitationToken,
		"/password/{token}":             "/password/" + ResetToken,
	}
	for _, i := range a.Invites {
		if i.Tenant == t {
			paths["/people/invitations/{id}"] = "/people/invitations/" + i.ID.String()
			paths["/platform/people/invitations/{id}"] = "/platform/people/invitations/" + i.ID.String()
		}
	}
	for _, k := range a.Made {
		if k.Tenant == t {
			paths["/keys/{key}"] = "/keys/" + k.ID.String()
		}
	}
	return paths
}

func (a *Accounts) did(what string) error {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.Deeds = append(a.Deeds, what)
	return nil
}

func absent(what string) error { return fault.New(fault.NotFound, what+"_not_found", "") }

// Users implements record.People.
func (a *Accounts) Users(_ context.Context, t tenant.ID) ([]tenant.User, error) {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	var list []tenant.User
	for _, u := range a.w.users {
		if u.Tenant == t {
			u.Guarded = u.Email == Clerk
			list = append(list, u)
		}
	}
	slices.SortFunc(list, func(x, y tenant.User) int { return strings.Compare(x.Email, y.Email) })
	return list, nil
}

// Team implements people.Accounts.
func (a *Accounts) Team(ctx context.Context, t tenant.ID) ([]tenant.User, []account.Invitation, error) {
	users, err := a.Users(ctx, t)
	return users, keep(a.Invites, func(i account.Invitation) bool { return i.Tenant == t }), err
}

// Invite implements people.Accounts.
func (a *Accounts) Invite(_ context.Context, _ tenant.Identity, r account.InviteRequest) (string, error) {
	switch {
	case !strings.Contains(r.Email, "@"):
		return "", fault.Field("email", "address_malformed", "")
	case r.Email == Owner:
		return "", fault.New(fault.Conflict, "email_taken", "")
	case r.Email == "hand@muster.example":
		return "https://buero.example/invitation/" + InvitationToken, nil
	}
	return "", a.did("invite " + r.Email)
}

func (a *Accounts) invitation(who tenant.Identity, i account.InvitationID) error {
	for _, one := range a.Invites {
		if one.ID == i && one.Tenant == who.User.Tenant {
			return a.did("invitation")
		}
	}
	return absent("invitation")
}

// InviteAgain implements people.Accounts.
func (a *Accounts) InviteAgain(_ context.Context, who tenant.Identity, i account.InvitationID) (string, error) {
	return "", a.invitation(who, i)
}

// Uninvite implements people.Accounts.
func (a *Accounts) Uninvite(_ context.Context, who tenant.Identity, i account.InvitationID) error {
	return a.invitation(who, i)
}

func (a *Accounts) user(who tenant.Identity, u tenant.UserID, what string) error {
	if _, err := a.w.User(context.Background(), who.User.Tenant, u); err != nil {
		return err
	}
	if u == who.User.ID {
		return fault.New(fault.Conflict, "user_is_self", "")
	}
	return a.did(what)
}

// ChangeRole implements people.Accounts.
func (a *Accounts) ChangeRole(_ context.Context, who tenant.Identity, u tenant.UserID, r tenant.Role) error {
	return a.user(who, u, "role "+string(r))
}

// Disable implements people.Accounts.
func (a *Accounts) Disable(_ context.Context, who tenant.Identity, u tenant.UserID, _ bool) error {
	return a.user(who, u, "disable")
}

// Remove implements people.Accounts.
func (a *Accounts) Remove(_ context.Context, who tenant.Identity, u tenant.UserID) error {
	return a.user(who, u, "remove")
}

// Keys implements keys.Accounts; those of the world's own Keys have no place here.
func (a *Accounts) Keys(_ context.Context, t tenant.ID) ([]tenant.Key, error) {
	return keep(a.Made, func(k tenant.Key) bool { return k.Tenant == t }), nil
}

// CreateKey implements keys.Accounts.
func (a *Accounts) CreateKey(_ context.Context, who tenant.Identity, r account.KeyRequest) (tenant.Key, string, error) {
	if r.Name == "" || len(r.Scopes) == 0 {
		return tenant.Key{}, "", fault.Join([]*fault.Error{fault.Field("name", "name_malformed", ""), fault.Field("scopes", "scopes_missing", "")})
	}
	k := tenant.Key{ID: id.New[tenant.KeyKind](a.w.Now()), Tenant: who.User.Tenant, Name: r.Name, Scopes: r.Scopes}
	return k, "stf_shown-once", a.did("key " + r.Name)
}

// RevokeKey implements keys.Accounts.
func (a *Accounts) RevokeKey(_ context.Context, who tenant.Identity, k tenant.KeyID) error {
	for _, one := range a.Made {
		if one.ID == k && one.Tenant == who.User.Tenant {
			return a.did("revoke")
		}
	}
	return absent("key")
}

// Audit implements record.Entries.
func (a *Accounts) Audit(_ context.Context, t tenant.ID, f audit.Filter) ([]audit.Entry, error) {
	list := keep(a.Entries, func(e audit.Entry) bool {
		return e.Tenant == t && (f.Action == "" || f.Action == e.Action) && (f.Actor == "" || f.Actor == e.Actor) && (f.Before == 0 || e.Seq < f.Before) && e.Seq > f.After
	})
	if !f.OldestFirst {
		slices.Reverse(list)
	}
	return list[:min(len(list), f.Limit)], nil
}

// AuditChain implements record.Entries.
func (a *Accounts) AuditChain(_ context.Context, t tenant.ID, after int64, limit int) ([]audit.Entry, error) {
	list := keep(a.Entries, func(e audit.Entry) bool { return e.Tenant == t && e.Seq > after })
	return list[:min(len(list), limit)], nil
}

// PutAudit implements record.Entries.
func (a *Accounts) PutAudit(_ context.Context, act audit.Act) error { return a.did(act.Action) }

// Offices implements offices.Accounts.
func (a *Accounts) Offices(_ context.Context, text string) ([]tenant.Tenant, error) {
	return keep([]tenant.Tenant{a.w.Tenant, a.w.Other}, func(t tenant.Tenant) bool { return strings.Contains(t.Name, text) }), nil
}

// Office implements offices.Accounts.
func (a *Accounts) Office(ctx context.Context, t tenant.ID) (tenant.Tenant, []tenant.User, error) {
	for _, one := range []tenant.Tenant{a.w.Tenant, a.w.Other} {
		if one.ID == t {
			users, err := a.Users(ctx, t)
			return one, users, err
		}
	}
	return tenant.Tenant{}, nil, absent("tenant")
}

// Found implements offices.Accounts.
func (a *Accounts) Found(_ context.Context, r tenant.FoundRequest) (tenant.Founded, error) {
	if r.Name == "" {
		return tenant.Founded{}, fault.Field("name", "name_malformed", "")
	}
	return tenant.Founded{Tenant: a.w.Tenant.ID, AdminEmail: "admin@neu.example", AdminPassword: "shown-once", KeyText: "stf_shown-once"}, a.did("found " + r.Name)
}

func (a *Accounts) reasoned(reason, what string) error {
	if len(reason) < 3 {
		return fault.Field("reason", "reason_malformed", "")
	}
	return a.did(what)
}

// Lock implements offices.Accounts.
func (a *Accounts) Lock(_ context.Context, _ tenant.ID, reason string) error {
	return a.reasoned(reason, "lock")
}

// Unlock implements offices.Accounts.
func (a *Accounts) Unlock(_ context.Context, _ tenant.ID, reason string) error {
	return a.reasoned(reason, "unlock")
}

// OfficeProfile implements offices.Accounts and settings.Accounts.
func (a *Accounts) OfficeProfile(ctx context.Context, t tenant.ID) (tenant.Profile, error) {
	return a.w.Profile(ctx, t)
}

// SaveOwnOffice implements settings.Accounts.
func (a *Accounts) SaveOwnOffice(ctx context.Context, t tenant.ID, to account.OfficeSettings) error {
	if to.TimeZone == "Mond" {
		return fault.Field("time_zone", "time_zone_unknown", "")
	}
	return a.SaveOffice(ctx, t, to)
}

// SaveOffice implements offices.Accounts.
func (a *Accounts) SaveOffice(_ context.Context, _ tenant.ID, to account.OfficeSettings) error {
	if to.Name == "" {
		return fault.Field("name", "name_malformed", "")
	}
	return a.did("save " + to.Name)
}

// Visit implements offices.Accounts: from then on the session sees the tenant.
func (a *Accounts) Visit(_ context.Context, who tenant.Identity, t tenant.ID, reason string) error {
	if err := a.reasoned(reason, "visit"); err != nil {
		return err
	}
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	for token, one := range a.w.sessions {
		if one.User.ID == who.User.ID {
			one.Tenant = a.w.Tenant
			one.Session.Visit = tenant.Visit{Tenant: t, Reason: reason, Since: a.w.now, Until: a.w.now.Add(account.VisitLasts)}
			a.w.sessions[token] = one
		}
	}
	return nil
}

// EndVisit implements offices.Accounts.
func (a *Accounts) EndVisit(_ context.Context, who tenant.Identity) error {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	for token, one := range a.w.sessions {
		if one.User.ID == who.User.ID {
			one.Tenant, one.Session.Visit = tenant.Tenant{}, tenant.Visit{}
			a.w.sessions[token] = one
		}
	}
	return nil
}

// session is the n-th of everybody.
func (a *Accounts) session(n byte) tenant.Session {
	at := a.w.now.Add(-time.Duration(n) * time.Hour)
	return tenant.Session{Hash: [32]byte{n}, CreatedAt: at, SeenAt: at, ExpiresAt: at.Add(tenant.SessionTotal), Device: "Firefox · Windows", Network: "192.0.2.0/24"}
}

// Sessions implements profile.Accounts.
func (a *Accounts) Sessions(_ context.Context, who tenant.Identity) ([]tenant.Session, error) {
	strange := a.session(2)
	strange.Device, strange.Network = "", ""
	return []tenant.Session{who.Session, strange}, nil
}

// EndSession implements profile.Accounts.
func (a *Accounts) EndSession(_ context.Context, _ tenant.Identity, handle string) error {
	if handle != a.session(2).Handle() {
		return absent("session")
	}
	return a.did("end session")
}

// EndOthers implements profile.Accounts.
func (a *Accounts) EndOthers(context.Context, tenant.Identity) error { return a.did("end others") }

// Factors implements profile.Accounts.
func (a *Accounts) Factors(_ context.Context, who tenant.Identity) (account.Factors, error) {
	if who.User.Email != Clerk {
		return account.Factors{}, nil
	}
	return account.Factors{TOTP: []byte{1}, Codes: 1, Passkeys: []account.Passkey{{ID: []byte{1, 2, 3}, Name: "Diensttelefon <b>", CreatedAt: a.w.now, UsedAt: a.w.now}}}, nil
}

// Proven implements profile.Accounts.
func (a *Accounts) Proven(tenant.Identity) bool { return a.Fresh }

func (a *Accounts) proof() error {
	if !a.Fresh {
		return account.ErrProof()
	}
	return nil
}

// Confirm implements profile.Accounts.
func (a *Accounts) Confirm(_ context.Context, _ tenant.Identity, password, _ string) error {
	if password != Password {
		return fault.New(fault.Unauthenticated, "credentials_wrong", "")
	}
	a.Fresh = true
	return nil
}

// ChangePassword implements profile.Accounts.
func (a *Accounts) ChangePassword(_ context.Context, who tenant.Identity, old, password, _, _ string) (string, error) {
	if old != Password {
		return "", fault.New(fault.Unauthenticated, "credentials_wrong", "")
	}
	if err := tenant.PasswordAllowed(password, who.User.Email); err != nil {
		return "", err
	}
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.w.sessions["token-new"] = who
	return "token-new", nil
}

func (a *Accounts) enrolment() account.Enrolment {
	return account.Enrolment{Token: "enrolment", Secret: "GEZDGNBVGY3TQOJQ", Picture: "data:image/png;base64,iVBORw0KGgo="}
}

// BeginTOTP implements profile.Accounts.
func (a *Accounts) BeginTOTP(context.Context, tenant.Identity) (account.Enrolment, error) {
	return a.enrolment(), a.proof()
}

// ShowTOTP implements profile.Accounts.
func (a *Accounts) ShowTOTP(context.Context, tenant.Identity, string) (account.Enrolment, error) {
	return a.enrolment(), nil
}

// ConfirmTOTP implements profile.Accounts.
func (a *Accounts) ConfirmTOTP(_ context.Context, _ tenant.Identity, token, code string) ([]string, error) {
	if err := a.proof(); err != nil {
		return nil, err
	}
	if token != "enrolment" || code != Code {
		return nil, fault.Field("code", "code_wrong", "")
	}
	return []string{"abcde-fghjk", "mnpqr-stuvw"}, a.did("totp")
}

// RemoveTOTP implements profile.Accounts.
func (a *Accounts) RemoveTOTP(context.Context, tenant.Identity) error { return a.proof() }

// NewCodes implements profile.Accounts.
func (a *Accounts) NewCodes(context.Context, tenant.Identity) ([]string, error) {
	return []string{"abcde-fghjk"}, a.proof()
}

// Passkeys implements profile.Accounts and signin.Accounts.
func (a *Accounts) Passkeys() bool { return true }

// BeginPasskey implements profile.Accounts.
func (a *Accounts) BeginPasskey(context.Context, tenant.Identity) ([]byte, string, error) {
	return []byte(`{"publicKey":{}}`), "challenge", a.proof()
}

// AddPasskey implements profile.Accounts.
func (a *Accounts) AddPasskey(_ context.Context, _ tenant.Identity, token, name, _ string) ([]string, error) {
	if token != "challenge" {
		return nil, fault.Field("passkey", "passkey_refused", "")
	}
	return nil, a.did("passkey " + name)
}

// RemovePasskey implements profile.Accounts.
func (a *Accounts) RemovePasskey(_ context.Context, _ tenant.Identity, key []byte) error {
	if !bytes.Equal(key, []byte{1, 2, 3}) {
		return absent("passkey")
	}
	return a.did("remove passkey")
}

// ResumePending implements signin.Accounts.
func (a *Accounts) ResumePending(_ context.Context, token string) (tenant.Identity, error) {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	who, ok := a.w.sessions[token]
	if !ok || !who.Session.Pending {
		return tenant.Identity{}, fault.New(fault.Unauthenticated, "session_ended", "")
	}
	return who, nil
}

// FinishFactor implements signin.Accounts.
func (a *Accounts) FinishFactor(ctx context.Context, token, code, _, _ string) (string, tenant.Identity, error) {
	who, err := a.ResumePending(ctx, token)
	if err != nil {
		return "", who, err
	}
	if code != Code {
		return "", tenant.Identity{}, fault.Field("code", "code_wrong", "")
	}
	who.Session.Pending = false
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.w.sessions["token-full"] = who
	return "token-full", who, nil
}

// BeginPasskeySignIn implements signin.Accounts.
func (a *Accounts) BeginPasskeySignIn(context.Context) ([]byte, string, error) {
	return []byte(`{"publicKey":{}}`), "challenge", nil
}

// FinishPasskeySignIn implements signin.Accounts.
func (a *Accounts) FinishPasskeySignIn(ctx context.Context, token, response, _, _ string) (string, tenant.Identity, error) {
	if token != "challenge" || response != "signed" {
		return "", tenant.Identity{}, fault.Field("passkey", "passkey_refused", "")
	}
	return a.w.SignIn(ctx, Clerk, Password, "", "")
}

// OpenID implements signin.Accounts.
func (a *Accounts) OpenID() string { return "Firmenkonto" }

// BeginOpenID implements signin.Accounts.
func (a *Accounts) BeginOpenID(context.Context, string) (target, state string, err error) {
	return "https://login.example/authorize?state=state", "state", nil
}

// FinishOpenID implements signin.Accounts.
func (a *Accounts) FinishOpenID(ctx context.Context, cookie, state, _, _, _ string) (token string, who tenant.Identity, next string, err error) {
	if cookie == "" || cookie != state {
		return "", who, "", fault.New(fault.Unauthenticated, "openid_refused", "")
	}
	token, who, err = a.w.SignIn(ctx, Clerk, Password, "", "")
	return token, who, "/messages", err
}

// Forgotten implements signin.Accounts.
func (a *Accounts) Forgotten(_ context.Context, email, _ string) error {
	return a.did("forgotten " + email)
}

// Resettable implements signin.Accounts.
func (a *Accounts) Resettable(_ context.Context, token string) error {
	if token != ResetToken {
		return absent("ceremony")
	}
	return nil
}

// Reset implements signin.Accounts.
func (a *Accounts) Reset(ctx context.Context, token, password, _ string) error {
	if err := a.Resettable(ctx, token); err != nil {
		return err
	}
	if err := tenant.PasswordAllowed(password, Clerk); err != nil {
		return err
	}
	return a.did("reset")
}

// Invited implements signin.Accounts.
func (a *Accounts) Invited(_ context.Context, token string) (account.Invitation, tenant.Tenant, error) {
	if token != InvitationToken {
		return account.Invitation{}, tenant.Tenant{}, absent("invitation")
	}
	return a.Invites[0], a.w.Tenant, nil
}

// Accept implements signin.Accounts.
func (a *Accounts) Accept(ctx context.Context, token, name, password, _, _ string) (string, tenant.Identity, error) {
	if _, _, err := a.Invited(ctx, token); err != nil {
		return "", tenant.Identity{}, err
	}
	if name == "" {
		return "", tenant.Identity{}, fault.Field("name", "name_malformed", "")
	}
	if err := tenant.PasswordAllowed(password, "x@example.net"); err != nil {
		return "", tenant.Identity{}, err
	}
	return a.w.SignIn(ctx, Clerk, Password, "", "")
}

// Guard gives a person a second factor, which then follows the password.
func (w *World) Guard(email string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u := w.users[email]
	u.Guarded = true
	w.users[email] = u
}
