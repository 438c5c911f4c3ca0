package domains_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/tenant"
	"stafette/internal/web/webtest"
)

// An owner adds a domain, is told what to publish, publishes it, and may send.
func TestSetUp(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	webtest.Expect(t, d.Post("/domains", url.Values{"name": {"localhost"}}), http.StatusUnprocessableEntity, "wurde nicht hinzugefügt")
	a := d.Post("/domains", url.Values{"name": {"Neu.Example"}})
	page := a.Header.Get("Location")
	if a.StatusCode != http.StatusSeeOther || !strings.HasSuffix(page, "?done=added") {
		t.Fatalf("status %d to %q", a.StatusCode, page)
	}
	page = strings.TrimSuffix(page, "?done=added")
	webtest.Expect(t, d.Get(page), http.StatusOK, "Einrichtung offen", "stf1r._domainkey.neu.example", "include:spf.stafette.example", "bounces.neu.example",
		"dmarc+dom_", "bitte tragen Sie für die Domain neu.example", "please add the following records")
	key := "v=DKIM1; p=" + strings.Repeat("MIIB", 90)
	for _, name := range []string{"stf1r", "stf1e"} {
		d.World.Names().Publish(name+"._domainkey.neu.example", key)
	}
	d.World.Names().Publish("neu.example", "v=spf1 mx -all")
	if a := d.Post(page+"/check", nil); a.Header.Get("Location") != page+"?done=checked" {
		t.Errorf("check: status %d", a.StatusCode)
	}
	webtest.Expect(t, d.Get(page), http.StatusOK, "Eingerichtet", "v=spf1 mx include:spf.stafette.example -all", "Im DNS steht: v=spf1 mx -all")
	d.Post(page+"/rotation", nil)
	webtest.Expect(t, d.Get(page+"?done=rotation"), http.StatusOK, "stf2r._domainkey.neu.example", "Wartet auf den Eintrag")
	if a := d.Post(page+"/rotation", nil); a.StatusCode != http.StatusConflict {
		t.Errorf("a second rotation: status %d", a.StatusCode)
	}
	d.Post(page+"/rotation/cancel", nil)
	if a := d.Get(page); strings.Contains(a.Text, "Wartet auf den Eintrag") {
		t.Error("the rotation goes on")
	}
	d.Post(page+"/remove", nil)
	webtest.Expect(t, d.Get(page), http.StatusNotFound)
}

// What vanished stands on the first page, with its time.
func TestVanishedDomainsAreTold(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	webtest.Expect(t, d.Get("/"), http.StatusOK, "schonfrist.example", "Bis 21.11.2026, 12:41 Uhr", "müller.example: Versand nicht mehr möglich", "werden abgelehnt")
	list := d.Get("/domains")
	for _, s := range []tenant.DomainState{tenant.Grace, tenant.Lapsed, tenant.Verified, tenant.Pending} {
		words := map[tenant.DomainState]string{tenant.Grace: "Schonfrist", tenant.Lapsed: "Angehalten", tenant.Verified: "Eingerichtet", tenant.Pending: "Einrichtung offen"}
		webtest.Expect(t, list, http.StatusOK, words[s], "müller.example")
	}
}
