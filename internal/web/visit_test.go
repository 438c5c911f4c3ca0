package web_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/audit"
	"stafette/internal/event"
	"stafette/internal/web"
	"stafette/internal/web/webtest"
)

// T22: what support looks at is on record before it is seen, page by page.
func TestVisitsAreRecordedPageByPage(t *testing.T) {
	var noted []audit.Act
	var broken error
	d := webtest.Open(t, func(c *web.Config) {
		c.Visited = func(_ context.Context, a audit.Act) error {
			if broken == nil {
				noted = append(noted, a)
			}
			return broken
		}
	}).SignIn(webtest.Helper)
	d.Get("/platform/tenants")
	d.Post("/platform/tenants/"+d.World.Tenant.ID.String()+"/visit", url.Values{"visit": {"Anfrage 4711"}})
	one := d.Message(event.Bounced, "Besichtigung")
	for _, path := range []string{"/messages?q=geheim", one, one, one + "/content", "/keys", "/messages"} {
		d.Get(path)
	}
	d.World.Advance(6 * time.Minute)
	d.Get(one)
	var got []string
	for _, a := range noted {
		if a.Tenant != d.World.Tenant.ID || a.Action != "visit.page" || a.Door != "office" || !strings.HasPrefix(a.Actor, "usr_") || strings.Contains(a.Detail+a.Target, "geheim") {
			t.Errorf("noted %+v", a)
		}
		got = append(got, strings.TrimSpace(a.Detail+" "+a.Target))
	}
	id := strings.TrimPrefix(one, "/messages/")
	want := []string{"GET /messages", "GET /messages/{id} " + id, "GET /messages/{id}/content " + id, "GET /messages/{id} " + id}
	if !slices.Equal(got, want) {
		t.Errorf("noted %q, want %q", got, want)
	}
	broken = errors.New("disk on fire")
	if a := d.Get("/suppressions"); a.StatusCode != http.StatusInternalServerError || strings.Contains(a.Text, "Sperrliste filtern") {
		t.Errorf("what could not be noted was shown: status %d", a.StatusCode)
	}
	broken = nil
	if a := d.Get("/suppressions"); a.StatusCode != http.StatusOK || len(noted) != len(want)+1 {
		t.Errorf("afterwards: status %d, %d noted", a.StatusCode, len(noted))
	}
}
