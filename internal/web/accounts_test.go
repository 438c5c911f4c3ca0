package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"stafette/internal/web"
	"stafette/internal/web/webtest"
)

func TestPeopleAreInvitedAndChanged(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	webtest.Expect(t, d.Get("/people"), http.StatusOK, "<script>alert(1)</script>", "Entwicklung", "Nur Passwort", "Zweiter Faktor")
	webtest.Expect(t, d.Post("/people/invitations", url.Values{"email": {"unsinn"}, "role": {"office"}}), http.StatusUnprocessableEntity, "keine E-Mail-Adresse")
	webtest.Expect(t, d.Post("/people/invitations", url.Values{"email": {webtest.Owner}, "role": {"office"}}), http.StatusConflict, "hat schon einen Zugang")
	webtest.Expect(t, d.Post("/people/invitations", url.Values{"email": {"hand@muster.example"}, "role": {"office"}}), http.StatusOK, "Einladung von Hand weitergeben")
	if a := d.Post("/people/invitations", url.Values{"email": {"eva@muster.example"}, "role": {"office"}}); a.Header.Get("Location") != "/people?done=invited" {
		t.Errorf("invited: %d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	clerk := d.World.Concrete("/people/users/{user}", false)
	if a := d.Post(clerk+"/role", url.Values{"role": {"read_only"}}); a.Header.Get("Location") != "/people?done=role" {
		t.Errorf("role: %d", a.StatusCode)
	}
	own := ""
	users, _, err := d.World.Accounts().Team(t.Context(), d.World.Tenant.ID)
	for _, u := range users {
		if u.Email == webtest.Owner {
			own = u.ID.String()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	webtest.Expect(t, d.Post("/people/users/"+own+"/remove", nil), http.StatusConflict, "Das eigene Recht ändert jemand anderes.")
	if deeds := d.World.Accounts().Deeds; !slices.Equal(deeds, []string{"invite eva@muster.example", "role read_only"}) {
		t.Errorf("done: %v", deeds)
	}
}

func TestKeyIsShownOnce(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Coder)
	webtest.Expect(t, d.Get("/keys"), http.StatusOK, "Buchungskalender", "500 am Tag", "Widerrufen am")
	form := d.Get("/keys/new").Text
	if strings.Contains(form, `name="admin"`) {
		t.Error("a developer may give a right they lack")
	}
	webtest.Expect(t, d.Post("/keys", url.Values{"name": {""}}), http.StatusUnprocessableEntity, "Bitte mindestens ein Recht wählen.")
	a := d.Post("/keys", url.Values{"name": {"Kalender"}, "send": {"on"}, "days": {"30"}})
	if webtest.Expect(t, a, http.StatusOK, "Schlüssel angelegt"); !strings.Contains(a.Text, "stf_shown-once") || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("not shown: %s", a.Text)
	}
	if strings.Contains(d.Get("/keys").Text, "shown-once") {
		t.Error("shown again")
	}
}

func TestRecordIsReadAndExported(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	webtest.Expect(t, d.Get("/record"), http.StatusOK, "Schlüssel angelegt", "Kundendienst oder entfernte Person", "Anfrage 17 <b>", "api.no-such-act")
	if a := d.Get("/record?action=keys.create"); strings.Contains(a.Text, "Anfrage 17") {
		t.Error("the filter does not narrow")
	}
	csv := d.Get("/record.csv")
	if !strings.Contains(csv.Text, "'=cmd") || strings.Count(csv.Text, "\n") != 5 {
		t.Errorf("CSV: %s", csv.Text)
	}
	lines := strings.Split(strings.TrimSpace(d.Get("/record.json").Text), "\n")
	var e struct{ Action, Hash string }
	if err := json.Unmarshal([]byte(lines[1]), &e); err != nil || len(lines) != 4 || e.Action != "keys.create" || len(e.Hash) != 64 {
		t.Errorf("JSON: %v, %v", lines, err)
	}
}

func TestSecondFactorFollowsThePassword(t *testing.T) {
	d := webtest.Open(t)
	d.World.Guard(webtest.Clerk)
	a := d.Post("/signin", url.Values{"email": {webtest.Clerk}, "password": {webtest.Password}, "next": {"/messages"}})
	code := "/signin/code?next=%2Fmessages"
	if a.Header.Get("Location") != code {
		t.Fatalf("after the password at %q", a.Header.Get("Location"))
	}
	if a := d.Get("/messages"); !strings.HasPrefix(a.Header.Get("Location"), "/signin") {
		t.Errorf("half a sign-in opens pages: %d", a.StatusCode)
	}
	webtest.Expect(t, d.Get(code), http.StatusOK, "Jetzt fehlt der zweite Faktor.")
	webtest.Expect(t, d.Post("/signin/code", url.Values{"code": {"000000"}}), http.StatusUnprocessableEntity, "Der Code stimmt nicht")
	if a := d.Post("/signin/code", url.Values{"code": {webtest.Code}, "next": {"/messages"}}); a.Header.Get("Location") != "/messages" {
		t.Errorf("after the code at %q", a.Header.Get("Location"))
	}
	webtest.Expect(t, d.Get("/messages"), http.StatusOK)
	if a := webtest.Open(t).Get("/signin/code"); a.Header.Get("Location") != "/signin" {
		t.Errorf("a code out of nothing: %d", a.StatusCode)
	}
}

func TestProfileDemandsAFreshProof(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	d.World.Accounts().Fresh = false
	for _, path := range []string{"/profile/totp", "/profile/totp/confirm", "/profile/totp/remove", "/profile/codes", "/profile/passkeys/AQID/remove"} {
		if a := d.Post(path, nil); strings.HasSuffix(path, "AQID/remove") == (a.Header.Get("Location") == "/profile/confirm") {
			t.Errorf("%s: %d to %q", path, a.StatusCode, a.Header.Get("Location"))
		}
	}
	webtest.Expect(t, d.Post("/profile/confirm", url.Values{"password": {"falsch"}}), http.StatusUnprocessableEntity, "stimmt nicht")
	if a := d.Post("/profile/confirm", url.Values{"password": {webtest.Password}}); a.Header.Get("Location") != "/profile?done=confirmed" {
		t.Errorf("confirmed: %d", a.StatusCode)
	}
	webtest.Expect(t, d.Post("/profile/totp", nil), http.StatusOK, "QR-Code mit der App aufnehmen")
	webtest.Expect(t, d.Post("/profile/totp/confirm", url.Values{"token": {"enrolment"}, "code": {"1"}}), http.StatusUnprocessableEntity, "Der Code stimmt nicht")
	a := d.Post("/profile/totp/confirm", url.Values{"token": {"enrolment"}, "code": {webtest.Code}})
	if webtest.Expect(t, a, http.StatusOK, "abcde-fghjk"); !strings.Contains(a.Text, `download="stafette-codes.txt"`) {
		t.Error("the codes cannot be kept")
	}
	if a := d.Post("/profile/passkeys/options", nil); a.Text != `{"options":{"publicKey":{}},"token":"challenge"}`+"\n" {
		t.Errorf("options: %s", a.Text)
	}
}

func TestPasswordIsChangedInProfile(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	webtest.Expect(t, d.Post("/profile/password", url.Values{"old": {"falsch"}, "password": {"Seidenpapier-8-Anker"}}), http.StatusUnprocessableEntity, "stimmt nicht")
	webtest.Expect(t, d.Post("/profile/password", url.Values{"old": {webtest.Password}, "password": {"kurz"}}), http.StatusUnprocessableEntity, "Mindestens 12 Zeichen")
	a := d.Post("/profile/password", url.Values{"old": {webtest.Password}, "password": {"Seidenpapier-8-Anker"}})
	if a.Header.Get("Location") != "/profile?done=password" || !strings.Contains(a.Header.Get("Set-Cookie"), "token-new") {
		t.Errorf("changed: %d, %v", a.StatusCode, a.Header)
	}
}

// T17, T20: a link is a capability; what is not one is not told from what was.
func TestLinksLetIn(t *testing.T) {
	d := webtest.Open(t)
	webtest.Expect(t, d.Get("/signin?done=reset"), http.StatusOK, "Passwort vergessen?", "Anmelden mit Firmenkonto")
	webtest.Expect(t, d.Get("/invitation/"+webtest.InvitationToken), http.StatusOK, "Einladung zu Hafenkontor Immobilien", "Entwicklung")
	webtest.Expect(t, d.Post("/invitation/"+webtest.InvitationToken, url.Values{"name": {"Eva"}, "password": {"kurz"}}), http.StatusUnprocessableEntity, "Mindestens 12 Zeichen")
	for _, path := range []string{"/invitation/x", "/password/x"} {
		webtest.Expect(t, d.Get(path), http.StatusNotFound, "gilt nicht mehr")
		webtest.Expect(t, d.Post(path, url.Values{"name": {"Eva"}, "password": {"Seidenpapier-8-Anker"}}), http.StatusNotFound, "gilt nicht mehr")
	}
	if a := d.Post("/password/"+webtest.ResetToken, url.Values{"password": {"Seidenpapier-8-Anker"}}); a.Header.Get("Location") != "/signin?done=reset" {
		t.Errorf("reset: %d", a.StatusCode)
	}
	for _, email := range []string{webtest.Owner, "nobody@example.net"} {
		if a := d.Post("/forgotten", url.Values{"email": {email}}); a.Header.Get("Location") != "/forgotten?done=sent" {
			t.Errorf("forgotten: %d", a.StatusCode)
		}
	}
	if a := d.Post("/invitation/"+webtest.InvitationToken, url.Values{"name": {"Eva"}, "password": {"Seidenpapier-8-Anker"}}); a.Header.Get("Location") != "/" {
		t.Errorf("accepted: %d", a.StatusCode)
	}
	webtest.Expect(t, d.Get("/profile"), http.StatusOK)
	off := webtest.Open(t, func(c *web.Config) { c.SignIn.Mails = false })
	if a := off.Get("/forgotten"); a.StatusCode != http.StatusNotFound || strings.Contains(off.Get("/signin").Text, "/forgotten") {
		t.Error("a link for a new password is promised though no mail is sent")
	}
}

func TestOtherWaysIn(t *testing.T) {
	d := webtest.Open(t)
	webtest.Expect(t, d.Post("/signin/passkey", url.Values{"token": {"challenge"}, "response": {"forged"}}), http.StatusUnprocessableEntity, "Der Passkey wurde nicht angenommen.")
	if a := d.Post("/signin/passkey", url.Values{"token": {"challenge"}, "response": {"signed"}, "next": {"//evil.example"}}); a.Header.Get("Location") != "/" {
		t.Errorf("by passkey to %q", a.Header.Get("Location"))
	}
	d = webtest.Open(t)
	webtest.Expect(t, d.Get("/signin/openid/callback?state=state&code=x"), http.StatusUnauthorized, "wurde nicht angenommen")
	if a := d.Post("/signin/openid", nil); a.Header.Get("Location") != "https://login.example/authorize?state=state" {
		t.Errorf("to the provider: %q", a.Header.Get("Location"))
	}
	if a := d.Get("/signin/openid/callback?state=state&code=x"); a.Header.Get("Location") != "/messages" {
		t.Errorf("back at %q", a.Header.Get("Location"))
	}
}

func TestStaffKeepTheAccounts(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Staff)
	webtest.Expect(t, d.Get("/platform/tenants?q=Hafen"), http.StatusOK, "Hafenkontor Immobilien")
	webtest.Expect(t, d.Post("/platform/tenants", url.Values{"name": {""}}), http.StatusUnprocessableEntity)
	made := d.Post("/platform/tenants", url.Values{"name": {"Neu"}, "domain": {"neu.example"}, "locale": {"de"}})
	if webtest.Expect(t, made, http.StatusOK, "werden nicht wieder angezeigt"); !strings.Contains(made.Text, "stf_shown-once") {
		t.Error("the key is not shown")
	}
	one := d.World.Concrete("/platform/tenants/{tenant}", false)
	webtest.Expect(t, d.Get(one), http.StatusOK, "Konto sperren", "H. Voss")
	webtest.Expect(t, d.Post(one+"/lock", url.Values{"reason": {"x"}}), http.StatusUnprocessableEntity, "begründen")
	webtest.Expect(t, d.Post(one+"/visit", url.Values{"visit": {""}}), http.StatusUnprocessableEntity, "begründen")
	for deed, form := range map[string]url.Values{"lock": {"reason": {"Gekaufte Adressen"}}, "unlock": {"reason": {"Geklärt"}}, "settings": {"name": {"Neuer Name"}}} {
		if a := d.Post(one+"/"+deed, form); a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: status %d", deed, a.StatusCode)
		}
	}
	if a := d.Get("/platform/tenants/ten_x"); a.StatusCode != http.StatusNotFound {
		t.Errorf("no such account: status %d", a.StatusCode)
	}
}
