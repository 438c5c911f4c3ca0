package rules_test

import (
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"stafette/internal/web/webtest"
)

var hidden = regexp.MustCompile(`name="(rule-\d+)" value="([^"]*)"`)
var number = regexp.MustCompile(`name="((?:count|within|lasts)-\d+)" value="(\d+)"`)
var ticked = regexp.MustCompile(`name="(everywhere-\d+)" checked`)

// sent is the form of a page as a browser would send it.
func sent(a webtest.Answer) url.Values {
	form := url.Values{}
	for _, e := range []*regexp.Regexp{hidden, number} {
		for _, m := range e.FindAllStringSubmatch(a.Text, -1) {
			form.Set(m[1], m[2])
		}
	}
	for _, m := range ticked.FindAllStringSubmatch(a.Text, -1) {
		form.Set(m[1], "on")
	}
	return form
}

// field is the name of a row's field by the class its rule is about.
func field(form url.Values, class, kind string) string {
	for name := range form {
		if m := regexp.MustCompile(`^rule-(\d+)$`).FindStringSubmatch(name); m != nil && form.Get(name) == class {
			return kind + "-" + m[1]
		}
	}
	return ""
}

func TestOwnerSetsRulesWithinBounds(t *testing.T) {
	const path = "/suppressions/rules"
	d := webtest.Open(t).SignIn(webtest.Owner)
	form := sent(d.Get(path))
	count := field(form, "mailbox_full", "count")
	if form.Get(count) != "5" {
		t.Fatalf("the own rule is not shown: %v", form)
	}
	form.Set(count, "4")
	if a := d.Post(path, form); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d: %s", a.StatusCode, a.Text)
	}
	webtest.Expect(t, d.Get(path+"?done=rules"), http.StatusOK, "Die Regeln gelten ab jetzt.", "nach 5 Zustellungen in 90 Tagen", "→", "nach 4 Zustellungen in 90 Tagen")
	for value, says := range map[string]string{"0": "So schwach darf die Regel nicht sein", "x": "Diese Zahl passt nicht"} {
		form.Set(field(form, "user_unknown", "count"), value)
		webtest.Expect(t, d.Post(path, form), http.StatusUnprocessableEntity, says)
	}
	limits := url.Values{"sent": {"150"}, "complaints-least": {"4"}, "complaints-share": {"3"}, "hard-least": {"20"}, "hard-share": {"50"}}
	if a := d.Post(path+"/limits", limits); a.StatusCode != http.StatusSeeOther {
		t.Errorf("limits: status %d", a.StatusCode)
	}
	limits.Set("hard-share", "200")
	webtest.Expect(t, d.Post(path+"/limits", limits), http.StatusUnprocessableEntity, "Großzügiger als die Vorgabe darf die Grenze nicht sein")
	for _, reset := range []string{"/reset", "/limits/reset"} {
		if a := d.Post(path+reset, nil); a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: status %d", reset, a.StatusCode)
		}
	}
	if form := sent(d.Get(path)); form.Get(field(form, "mailbox_full", "count")) != "3" {
		t.Errorf("after the reset %v", form)
	}
	webtest.Expect(t, webtest.Open(t).SignIn(webtest.Clerk).Get(path), http.StatusOK, "nach 5 Zustellungen in 90 Tagen", "Betrieb der Plattform")
}

func TestStaffSetRulesOfAnyAccount(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Staff)
	path := "/platform/rules/" + d.World.Tenant.ID.String()
	webtest.Expect(t, d.Get("/platform/rules"), http.StatusOK, d.World.Tenant.Name, "eigene", "Vorgabe")
	form := sent(d.Get(path))
	form.Set(field(form, "user_unknown", "count"), "2")
	form.Set(field(form, "user_unknown", "within"), "30")
	if a := d.Post(path, form); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != path+"?done=rules" {
		t.Fatalf("status %d to %s: %s", a.StatusCode, a.Header.Get("Location"), a.Text)
	}
	webtest.Expect(t, d.Get(path), http.StatusOK, "nach 2 Zustellungen in 30 Tagen")
	if a := d.Post(path+"/limits", url.Values{"sent": {"500"}, "complaints-least": {"9"}, "complaints-share": {"9"}, "hard-least": {"90"}, "hard-share": {"90"}, "reason": {"Vereinszeitung"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("limits: status %d: %s", a.StatusCode, a.Text)
	}
}

// TestAccountsAreNarrowedAndExported: staff find the accounts with rules of their own.
func TestAccountsAreNarrowedAndExported(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Staff)
	webtest.Expect(t, d.Get("/platform/rules?q="+url.QueryEscape(d.World.Other.Name)+"&sort=-account"), http.StatusOK, d.World.Other.Name)
	webtest.Expect(t, d.Get("/platform/rules?q=gibtesnicht"), http.StatusOK, "Nichts passt zu diesem Filter.")
	webtest.Expect(t, d.Get("/platform/rules.csv"), http.StatusOK, "Konto;Sperrregeln;Grenzen", d.World.Tenant.Name+";", d.World.Other.Name+";")
}
