package public_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/i18n"
	"stafette/internal/message"
	"stafette/internal/preference"
	"stafette/internal/preference/preferencetest"
	"stafette/internal/public"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
)

// chooser is the page of one newsletter on a real socket.
type chooser struct {
	*testing.T
	list  *audience.Service
	owner tenant.ID
	path  string
	base  string
}

func newChooser(t *testing.T) *chooser {
	t.Helper()
	c := &chooser{T: t, owner: tenant.ID{15: 1}}
	tenants := &tenanttest.Store{}
	if err := tenants.Found(t.Context(), tenant.Founding{Tenant: tenant.Tenant{ID: c.owner, Name: `<b>Hafen & Kontor</b>`, State: tenant.Active}}); err != nil {
		t.Fatal(err)
	}
	tenants.SetProfile(c.owner, tenant.Profile{Imprint: "Hafen & Kontor GmbH\nKaistraße 1, 20457 Hamburg", Contact: "040 123"})
	store := &preferencetest.Store{Store: tenants}
	d := message.Delivery(message.NewID(start), 1)
	store.Deliver(c.owner, d, preference.Addressee{Address: message.Address{Local: "eva", Domain: "kunde.example"}, Stream: tenant.Newsletter})
	now := func() time.Time { return start }
	var err error
	if c.list, err = audience.New(audience.Config{Store: &audiencetest.Store{}, Key: []byte(audiencetest.Key), Now: now}); err != nil {
		t.Fatal(err)
	}
	service := preference.New(preference.Config{Store: store, List: c.list, Key: []byte(strings.Repeat("k", 32)), Now: now})
	c.path = service.Link(c.owner, d)
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(public.New(public.Config{Preference: service, Catalog: catalog, Now: now, PerMinute: 30}))
	t.Cleanup(server.Close)
	c.base = server.URL
	return c
}

func (c *chooser) ask(method, path, kind, body string, header http.Header) (*http.Response, string) {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	if header != nil {
		r.Header = header.Clone()
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.Fatal(err)
	}
	return res, string(text)
}

func (c *chooser) off(stream tenant.Stream) audience.Reason {
	c.Helper()
	reason, err := c.list.Check(c.Context(), c.owner, stream, message.Address{Local: "eva", Domain: "kunde.example"}, start)
	if err != nil {
		c.Fatal(err)
	}
	return reason
}

const formKind = "application/x-www-form-urlencoded"

// RFC 8058: one POST without cookie, redirect or question, in either encoding, also from
// a mail program that is a web site.
func TestOneClick(t *testing.T) {
	multipart := "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n"
	for name, c := range map[string]struct {
		kind, body string
		header     http.Header
	}{
		"urlencoded":   {formKind, "List-Unsubscribe=One-Click", nil},
		"multipart":    {"multipart/form-data; boundary=b", multipart, nil},
		"from a site":  {formKind, "List-Unsubscribe=One-Click", http.Header{"Origin": {"https://mail.example"}, "Sec-Fetch-Site": {"cross-site"}}},
		"with cookies": {formKind, "List-Unsubscribe=One-Click", http.Header{"Cookie": {"a=b"}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newChooser(t)
			res, text := w.ask(http.MethodPost, w.path, c.kind, c.body, c.header)
			if res.StatusCode != http.StatusOK || res.Header.Get("Access-Control-Allow-Origin") != "*" || res.Header.Get("Set-Cookie") != "" {
				t.Errorf("%d %v %s", res.StatusCode, res.Header, text)
			}
			if w.off(tenant.Newsletter) != audience.Unsubscribed || w.off(tenant.Reminder) != "" {
				t.Errorf("newsletter %q, reminder %q", w.off(tenant.Newsletter), w.off(tenant.Reminder))
			}
		})
	}
	w := newChooser(t)
	res, _ := w.ask(http.MethodOptions, w.path, "", "", http.Header{"Origin": {"https://mail.example"}, "Access-Control-Request-Method": {"POST"}})
	if res.StatusCode != http.StatusNoContent || res.Header.Get("Access-Control-Allow-Methods") != "POST" {
		t.Errorf("preflight %d %v", res.StatusCode, res.Header)
	}
}

// T27: scanners that look, and requests that are no decision, change nothing.
func TestLookingChangesNothing(t *testing.T) {
	w := newChooser(t)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete} {
		w.ask(method, w.path, "", "", nil)
	}
	for _, body := range []string{"", "List-Unsubscribe=No", "do=", "want=newsletter", "%%%", strings.Repeat("x", 8<<10)} {
		if res, _ := w.ask(http.MethodPost, w.path, formKind, body, nil); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%.20q: %d", body, res.StatusCode)
		}
	}
	if w.off(tenant.Newsletter) != "" || w.off(tenant.Reminder) != "" {
		t.Error("something was ended")
	}
	res, text := w.ask(http.MethodGet, w.path, "", "", http.Header{"Accept-Language": {"de"}})
	if res.StatusCode != http.StatusOK || strings.Contains(text, "<b>Hafen") || !strings.Contains(text, "Kaistraße 1") ||
		!strings.Contains(text, `value="newsletter" checked`) || !strings.Contains(text, "eva@kunde.example") {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	if res, text := w.ask(http.MethodGet, preference.Path+strings.Repeat("A", preference.TokenLength), "", "", nil); res.StatusCode != http.StatusNotFound || strings.Contains(text, "kunde.example") {
		t.Errorf("made up: %d", res.StatusCode)
	}
}

// What was ended on the page comes back on the page.
func TestChoosePage(t *testing.T) {
	w := newChooser(t)
	form := url.Values{"do": {"none"}}
	if res, text := w.ask(http.MethodPost, w.path+"?lang=en", formKind, form.Encode(), nil); res.StatusCode != http.StatusOK || strings.Contains(text, "checked") || !strings.Contains(text, "no more e-mails") {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	if w.off(tenant.Newsletter) == "" || w.off(tenant.Reminder) == "" {
		t.Error("not everything ended")
	}
	form = url.Values{"do": {"save"}, "want": {"newsletter"}}
	w.ask(http.MethodPost, w.path, formKind, form.Encode(), nil)
	if w.off(tenant.Newsletter) != "" || w.off(tenant.Reminder) == "" {
		t.Errorf("newsletter %q, reminder %q", w.off(tenant.Newsletter), w.off(tenant.Reminder))
	}
	if res, _ := w.ask(http.MethodPost, w.path, formKind, url.Values{"do": {"save"}, "want": {"system"}}.Encode(), nil); res.StatusCode != http.StatusBadRequest {
		t.Errorf("another category: %d", res.StatusCode)
	}
}

// A provider unsubscribes for many people from one address; readers are counted.
func TestManyClicksFromOnePlace(t *testing.T) {
	w := newChooser(t)
	for i := range 60 {
		if res, _ := w.ask(http.MethodPost, w.path, formKind, "List-Unsubscribe=One-Click", nil); res.StatusCode != http.StatusOK {
			t.Fatalf("click %d: %d", i, res.StatusCode)
		}
	}
	limited := false
	for range 60 {
		res, _ := w.ask(http.MethodGet, w.path, "", "", nil)
		limited = limited || res.StatusCode == http.StatusTooManyRequests
	}
	if !limited {
		t.Error("readers are not counted")
	}
}
