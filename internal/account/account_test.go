package account_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/account"
	"stafette/internal/fault"
	"stafette/internal/tenant"

	"github.com/pquerna/otp/totp"
)

func TestInvitationBecomesAPerson(t *testing.T) {
	w := newWorld(t)
	_, who := w.signIn(w.owner)
	link, err := w.accounts.Invite(w.by(who, "users.invite"), who, account.InviteRequest{Email: " Jan@Muster.example ", Name: "Jan", Role: tenant.Office})
	w.must(err)
	if link != "" {
		t.Errorf("the link is told though it was mailed: %s", link)
	}
	token := w.link("/invitation/")
	if got := w.letters(); !slices.Equal(got, []string{"jan: eva lädt Sie in das Konto „Muster“ ein"}) {
		t.Errorf("letters %v", got)
	}
	i, of, err := w.accounts.Invited(t.Context(), token)
	if err != nil || i.Email != "jan@muster.example" || of.Name != "Muster" {
		t.Errorf("invited %+v to %+v, %v", i, of, err)
	}
	_, _, err = w.accounts.Accept(t.Context(), token, "Jan", "passwortpasswort", firefox, home)
	w.refused(err, fault.Invalid, "password_too_common")
	session, jan, err := w.accounts.Accept(t.Context(), token, "Jan", password, firefox, home)
	w.must(err)
	if _, err := w.accounts.Resume(t.Context(), session); err != nil || jan.User.Role != tenant.Office || jan.User.Tenant != w.tenant {
		t.Errorf("joined as %+v, %v", jan, err)
	}
	_, _, err = w.accounts.Accept(t.Context(), token, "Jan", password, firefox, home)
	w.refused(err, fault.NotFound, "invitation_not_found")
	_, err = w.accounts.Invite(w.by(who, "users.invite"), who, account.InviteRequest{Email: "jan@muster.example", Role: tenant.Office})
	w.refused(err, fault.Conflict, "email_taken")
	_, err = w.accounts.Invite(w.by(who, "users.invite"), who, account.InviteRequest{Email: "x\r\n@muster.example", Role: tenant.Operator})
	if e := fault.As(err); e == nil || e.Field != "email" || len(e.Also) != 1 || e.Also[0].Code != "role_unknown" {
		t.Errorf("refused with %v", err)
	}
	if got := w.acts(w.tenant); got != "session.open users.invite users.join session.open" {
		t.Errorf("recorded %s", got)
	}
}

func TestInvitationEnds(t *testing.T) {
	w := newWorld(t)
	_, who := w.signIn(w.owner)
	invite := func() (string, account.InvitationID) {
		_, err := w.accounts.Invite(w.by(who, "users.invite"), who, account.InviteRequest{Email: "jan@muster.example", Role: tenant.Office})
		w.must(err)
		_, list, err := w.accounts.Team(t.Context(), w.tenant)
		w.must(err)
		return w.link("/invitation/"), list[0].ID
	}
	first, i := invite()
	w.pass(account.InvitationLasts)
	_, _, err := w.accounts.Invited(t.Context(), first)
	w.refused(err, fault.NotFound, "invitation_not_found")
	_, err = w.accounts.InviteAgain(w.by(who, "users.invite"), who, i)
	w.must(err)
	again := w.link("/invitation/")
	if _, _, err := w.accounts.Invited(t.Context(), again); err != nil || again == first {
		t.Errorf("sent again: %v", err)
	}
	w.must(w.accounts.Uninvite(w.by(who, "users.uninvite"), who, i))
	_, _, err = w.accounts.Invited(t.Context(), again)
	w.refused(err, fault.NotFound, "invitation_not_found")
}

// T19: what was opened before does not survive.
func TestChangesEndWhatWasOpen(t *testing.T) {
	w := newWorld(t)
	_, who := w.signIn(w.owner)
	jan := w.joins(w.user("jan", tenant.Developer))
	ended := func(what string, change func() error) {
		t.Helper()
		token, _ := w.signIn(jan)
		w.must(change())
		if _, err := w.accounts.Resume(t.Context(), token); !fault.IsKind(err, fault.Unauthenticated) {
			t.Errorf("%s: the session goes on: %v", what, err)
		}
	}
	_, as, err := w.accounts.SignIn(t.Context(), jan.Email, password, firefox, home)
	w.must(err)
	key, text, err := w.accounts.CreateKey(w.by(as, "keys.create"), as, account.KeyRequest{Name: "Kalender", Scopes: []tenant.Scope{tenant.ScopeSend}})
	w.must(err)
	if _, err := w.accounts.Key(t.Context(), text, home); err != nil {
		t.Errorf("new key: %v", err)
	}
	ended("role", func() error { return w.accounts.ChangeRole(w.by(who, "users.role"), who, jan.ID, tenant.Office) })
	ended("lock", func() error { return w.accounts.Lock(w.by(who, "tenant.lock"), w.tenant, "Gekaufte Adressen") })
	w.must(w.accounts.Unlock(w.by(who, "tenant.unlock"), w.tenant, "Geklärt"))
	ended("disable", func() error { return w.accounts.Disable(w.by(who, "users.disable"), who, jan.ID, true) })
	w.pass(6 * time.Second) // longer than keys are believed
	_, err = w.accounts.Key(t.Context(), text, home)
	w.refused(err, fault.Unauthenticated, "key_revoked")
	_, _, err = w.accounts.SignIn(t.Context(), jan.Email, password, firefox, home)
	w.refused(err, fault.Unauthenticated, "credentials_wrong")
	w.must(w.accounts.Disable(w.by(who, "users.enable"), who, jan.ID, false))
	ended("remove", func() error { return w.accounts.Remove(w.by(who, "users.remove"), who, jan.ID) })
	w.refused(w.accounts.Remove(w.by(who, "users.remove"), who, w.owner.ID), fault.Conflict, "user_is_self")
	if list, err := w.store.Audit(t.Context(), w.tenant, auditOf("users.role")); err != nil || len(list) != 1 || list[0].Detail != "developer → office" || list[0].Target != jan.ID.String() {
		t.Errorf("recorded %+v, %v", list, err)
	}
	if strings.Contains(w.log.String(), text) || strings.Contains(w.log.String(), key.ID.String()) {
		t.Errorf("the log tells a key: %s", w.log)
	}
}

func TestPasswordIsChangedAndForgotten(t *testing.T) {
	w := newWorld(t)
	old, who := w.signIn(w.owner)
	_, err := w.accounts.ChangePassword(w.by(who, "password.change"), who, "falsch", "noch ein langes Wort", firefox, home)
	w.refused(err, fault.Unauthenticated, "credentials_wrong")
	fresh, err := w.accounts.ChangePassword(w.by(who, "password.change"), who, password, "noch ein langes Wort", firefox, home)
	w.must(err)
	_, err = w.accounts.Resume(t.Context(), old)
	w.refused(err, fault.Unauthenticated, "session_ended")
	if _, err := w.accounts.Resume(t.Context(), fresh); err != nil {
		t.Errorf("the new session: %v", err)
	}
	if got := w.letters(); !slices.Equal(got, []string{"eva: Passwort geändert"}) {
		t.Errorf("letters %v", got)
	}

	for _, email := range []string{"nobody@muster.example", "x", w.owner.Email} {
		w.must(w.accounts.Forgotten(t.Context(), email, home))
	}
	token := w.link("/password/")
	if got := w.letters(); len(got) != 1 {
		t.Errorf("letters %v", got)
	}
	w.must(w.accounts.Resettable(t.Context(), token))
	w.refused(w.accounts.Reset(t.Context(), token, "kurz", home), fault.Invalid, "password_too_short")
	w.must(w.accounts.Reset(t.Context(), token, password, home))
	w.refused(w.accounts.Reset(t.Context(), token, password, home), fault.NotFound, "ceremony_not_found")
	_, err = w.accounts.Resume(t.Context(), fresh)
	w.refused(err, fault.Unauthenticated, "session_ended")
	w.signIn(w.owner)

	w.must(w.accounts.Forgotten(t.Context(), w.owner.Email, home))
	token = w.link("/password/")
	w.pass(account.ResetLasts)
	w.refused(w.accounts.Reset(t.Context(), token, password, home), fault.NotFound, "ceremony_not_found")
	if got := w.acts(w.tenant); got != "session.open password.change password.forgotten password.reset session.open password.forgotten" {
		t.Errorf("recorded %s", got)
	}
}

// T23: failures hold across a restart and on all nodes, and are recorded.
func TestTriesAreLimitedEverywhere(t *testing.T) {
	w := newWorld(t)
	for range 10 {
		_, _, err := w.accounts.SignIn(t.Context(), w.owner.Email, "falsch", firefox, home)
		w.refused(err, fault.Unauthenticated, "credentials_wrong")
	}
	other := tenant.NewAccounts(tenant.AccountsConfig{Store: w.store, Tries: w.store, Now: w.Now})
	_, _, err := other.SignIn(t.Context(), w.owner.Email, password, firefox, home)
	w.refused(err, fault.Limited, "too_many_tries")
	if _, _, err := other.SignIn(t.Context(), w.owner.Email, password, firefox, "[2001:db8::1]:1"); err != nil {
		t.Errorf("the owner is locked out from elsewhere: %v", err)
	}
	w.pass(time.Minute)
	if _, _, err := other.SignIn(t.Context(), w.owner.Email, password, firefox, home); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	w.settle()
	if got := w.acts(w.tenant); got != strings.TrimSpace(strings.Repeat("session.refused ", 10)) {
		t.Errorf("recorded %s", got)
	}
}

func TestNewDeviceIsTold(t *testing.T) {
	w := newWorld(t)
	w.signIn(w.owner)
	w.pass(time.Second)
	w.signIn(w.owner)
	w.pass(time.Second)
	if got := w.letters(); len(got) != 0 {
		t.Errorf("the first device is told: %v", got)
	}
	_, who, err := w.accounts.SignIn(t.Context(), w.owner.Email, password, firefox, "[2001:db8:1:2::3]:443")
	w.must(err)
	if who.Session.Network != "2001:db8:1::/48" || who.Session.Device != "Firefox · Linux" {
		t.Errorf("kept %+v", who.Session)
	}
	if got := w.letters(); !slices.Equal(got, []string{"eva: Neue Anmeldung: Firefox · Linux, 2001:db8:1::/48"}) {
		t.Errorf("letters %v", got)
	}
	list, err := w.accounts.Sessions(t.Context(), who)
	if err != nil || len(list) != 3 {
		t.Errorf("%d sessions, %v", len(list), err)
	}
	w.must(w.accounts.EndSession(w.by(who, "session.end"), who, list[2].Handle()))
	w.refused(w.accounts.EndSession(w.by(who, "session.end"), who, list[2].Handle()), fault.NotFound, "session_not_found")
	w.must(w.accounts.EndOthers(w.by(who, "sessions.end"), who))
	if list, _ := w.accounts.Sessions(t.Context(), who); len(list) != 1 || list[0].Hash != who.Session.Hash {
		t.Errorf("left %v", list)
	}
}

func TestCodeFollowsThePassword(t *testing.T) {
	w := newWorld(t)
	other, _ := w.signIn(w.owner)
	token, who := w.signIn(w.owner)
	w.pass(account.ProofLasts)
	_, err := w.accounts.BeginTOTP(t.Context(), who)
	w.refused(err, fault.Forbidden, "proof_needed")
	w.must(w.accounts.Confirm(t.Context(), who, password, home))
	who, err = w.accounts.Resume(t.Context(), token)
	w.must(err)
	e, err := w.accounts.BeginTOTP(t.Context(), who)
	w.must(err)
	if !strings.HasPrefix(e.Picture, "data:image/png;base64,") {
		t.Error("no picture")
	}
	code := func() string {
		text, err := totp.GenerateCode(e.Secret, w.Now())
		w.must(err)
		return text
	}
	_, err = w.accounts.ConfirmTOTP(w.by(who, "factor.totp"), who, e.Token, "000000")
	w.refused(err, fault.Invalid, "code_wrong")
	codes, err := w.accounts.ConfirmTOTP(w.by(who, "factor.totp"), who, e.Token, code())
	if err != nil || len(codes) != 10 {
		t.Fatalf("%d codes, %v", len(codes), err)
	}
	_, err = w.accounts.Resume(t.Context(), other)
	w.refused(err, fault.Unauthenticated, "session_ended")

	enter := func(text string) (string, error) {
		pending, half, err := w.accounts.SignIn(t.Context(), w.owner.Email, password, firefox, home)
		w.must(err)
		if _, err := w.accounts.Resume(t.Context(), pending); !half.Session.Pending || !fault.IsKind(err, fault.Unauthenticated) {
			t.Errorf("the password alone lets in: %v", err)
		}
		full, _, err := w.accounts.FinishFactor(t.Context(), pending, text, firefox, home)
		return full, err
	}
	_, err = enter(code()) // used when it was set up
	w.refused(err, fault.Invalid, "code_wrong")
	w.pass(30 * time.Second)
	full, err := enter(code())
	w.must(err)
	if _, err := w.accounts.Resume(t.Context(), full); err != nil {
		t.Errorf("after the code: %v", err)
	}
	_, err = enter(code())
	w.refused(err, fault.Invalid, "code_wrong")
	_, err = enter(strings.ToUpper(codes[0]))
	w.must(err)
	_, err = enter(codes[0])
	w.refused(err, fault.Invalid, "code_wrong")
	w.pass(31 * time.Second)
	late := code()
	w.pass(30 * time.Second)
	if _, err := enter(late); err != nil {
		t.Errorf("a code of the step before: %v", err)
	}
	for range 11 {
		_, err = enter("000000")
	}
	w.refused(err, fault.Limited, "too_many_tries")
	f, err := w.accounts.Factors(t.Context(), who)
	if err != nil || f.Codes != 9 {
		t.Errorf("%d codes left, %v", f.Codes, err)
	}
}

func TestKeysOnlyGoSoFar(t *testing.T) {
	w := newWorld(t)
	jan := w.joins(w.user("jan", tenant.Developer))
	_, who := w.signIn(jan)
	_, _, err := w.accounts.CreateKey(w.by(who, "keys.create"), who, account.KeyRequest{Scopes: []tenant.Scope{tenant.ScopeAdmin, "root"}, Networks: "10.0.0.0/33", DailyCap: -1, Days: 9999})
	var codes []string
	if e := fault.As(err); e != nil {
		for _, one := range append([]*fault.Error{e}, e.Also...) {
			codes = append(codes, one.Field+" "+one.Code)
		}
	}
	if got := strings.Join(codes, ", "); got != "name name_malformed, scopes scope_denied, scopes scope_unknown, networks network_malformed, daily_cap number_malformed, days number_malformed" {
		t.Errorf("refused %s", got)
	}
	k, text, err := w.accounts.CreateKey(w.by(who, "keys.create"), who, account.KeyRequest{
		Name: "Kalender", Scopes: []tenant.Scope{tenant.ScopeSend}, Networks: "192.0.2.0/24, 2001:db8::7", DailyCap: 5, Days: 1,
	})
	w.must(err)
	if _, err := w.accounts.Key(t.Context(), text, home); err != nil {
		t.Errorf("from its network: %v", err)
	}
	_, err = w.accounts.Key(t.Context(), text, "198.51.100.1:25")
	w.refused(err, fault.Forbidden, "key_network")
	w.pass(24 * time.Hour)
	_, err = w.accounts.Key(t.Context(), text, home)
	w.refused(err, fault.Unauthenticated, "key_expired")
	if got := w.letters(); !slices.Equal(got, []string{"eva: Neuer API-Schlüssel: Kalender"}) {
		t.Errorf("letters %v", got)
	}
	w.must(w.accounts.RevokeKey(w.by(who, "keys.revoke"), who, k.ID))
	if strings.Contains(fmt.Sprint(w.acts(w.tenant), w.log), text) {
		t.Error("the key is told")
	}
}

func TestVisitIsSeenAndEnds(t *testing.T) {
	w := newWorld(t)
	agent := w.user("hilfe", tenant.Support)
	agent.Tenant, agent.Email = tenant.ID{}, "hilfe@stafette.example"
	w.joins(agent)
	token, who := w.signIn(agent)
	w.refused(w.accounts.Visit(w.by(who, "visit.begin"), who, w.tenant, " "), fault.Invalid, "reason_malformed")
	w.must(w.accounts.Visit(w.by(who, "visit.begin"), who, w.tenant, "Anfrage 4711"))
	visitor, err := w.accounts.Resume(t.Context(), token)
	w.must(err)
	if !visitor.Visiting() || visitor.Tenant.ID != w.tenant || !visitor.Can(tenant.MessagesRead) {
		t.Errorf("visits as %+v", visitor)
	}
	for _, p := range tenant.Permissions() {
		if visitor.Can(p) && p != tenant.MessagesRead && p != tenant.SettingsRead {
			t.Errorf("a visitor may %s", p)
		}
	}
	of, err := w.store.Tenant(t.Context(), w.tenant)
	if err != nil || !of.VisitedUntil.Equal(start.Add(account.VisitLasts)) {
		t.Errorf("the tenant sees %s, %v", of.VisitedUntil, err)
	}
	if got := w.letters(); !slices.Equal(got, []string{"eva: Der Kundendienst hat Ihr Konto geöffnet"}) {
		t.Errorf("letters %v", got)
	}
	w.pass(account.VisitLasts)
	after, err := w.accounts.Resume(t.Context(), token)
	if err != nil || after.Visiting() || after.Can(tenant.MessagesRead) {
		t.Errorf("after its time: %+v, %v", after, err)
	}
	w.must(w.accounts.Visit(w.by(who, "visit.begin"), who, w.tenant, "Anfrage 4712"))
	visitor, err = w.accounts.Resume(t.Context(), token)
	w.must(err)
	w.must(w.accounts.EndVisit(w.by(visitor, "visit.end"), visitor))
	if got := w.acts(w.tenant); got != "visit.begin visit.begin visit.end" {
		t.Errorf("recorded %s", got)
	}
	_, owner := w.signIn(w.owner)
	w.refused(w.accounts.Visit(w.by(owner, "visit.begin"), owner, w.tenant, "Neugier"), fault.Forbidden, "permission_missing")
}

func TestSettingsAreRecorded(t *testing.T) {
	w := newWorld(t)
	_, who := w.signIn(w.owner)
	err := w.accounts.SaveOffice(w.by(who, "tenant.settings"), w.tenant, account.OfficeSettings{Locale: "fr", OfficeTone: "ihr", CustomerTone: tenant.Du, DailyQuota: -1})
	if e := fault.As(err); e == nil || len(e.Also) != 3 {
		t.Errorf("refused with %v", err)
	}
	w.must(w.accounts.SaveOffice(w.by(who, "tenant.settings"), w.tenant, account.OfficeSettings{Name: "Muster", Locale: "en", OfficeTone: tenant.Du, CustomerTone: tenant.Du, DailyQuota: 7}))
	own := account.OfficeSettings{Name: "Muster", Locale: "en", OfficeTone: tenant.Du, CustomerTone: tenant.Du, TimeZone: "Europe/Vienna", Contact: "030 1", Imprint: "A\r\nB", DailyQuota: 9_999}
	for field, wrong := range map[string]func(*account.OfficeSettings){
		"time_zone": func(s *account.OfficeSettings) { s.TimeZone = "../etc/passwd" },
		"stream":    func(s *account.OfficeSettings) { s.Stream = "spam" },
		"from":      func(s *account.OfficeSettings) { s.From = "x@fremd.example" },
		"contact":   func(s *account.OfficeSettings) { s.Contact = "a\r\nBcc: b" },
		"imprint":   func(s *account.OfficeSettings) { s.Imprint = strings.Repeat("x", 2001) },
	} {
		bad := own
		wrong(&bad)
		if e := fault.As(w.accounts.SaveOwnOffice(t.Context(), w.tenant, bad)); e == nil || e.Field != field {
			t.Errorf("%s: refused with %v", field, e)
		}
	}
	w.must(w.accounts.SaveOwnOffice(t.Context(), w.tenant, own))
	if is, _, err := w.accounts.Office(t.Context(), w.tenant); err != nil || is.DailyQuota != 7 || is.TimeZone != "Europe/Vienna" {
		t.Errorf("an owner saved %+v, %v", is, err)
	}
	if said, err := w.accounts.OfficeProfile(t.Context(), w.tenant); err != nil || said.Imprint != "A\nB" {
		t.Errorf("profile %+v, %v", said, err)
	}
	list, err := w.store.Audit(t.Context(), w.tenant, auditOf("tenant.settings"))
	if err != nil || len(list) != 1 || list[0].Detail != "locale: de → en; office_tone: sie → du; customer_tone:  → du; daily_quota: 0 → 7" {
		t.Errorf("recorded %+v, %v", list, err)
	}
}
