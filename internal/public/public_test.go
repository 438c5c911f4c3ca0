package public_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"stafette/internal/bounce"
	"stafette/internal/diagnosis"
	"stafette/internal/diagnosis/diagnosistest"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/public"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"
)

var start = time.Date(2026, 11, 19, 11, 0, 0, 0, time.UTC)

// world is the door on a real socket over one message to two recipients.
type world struct {
	t       *testing.T
	service *diagnosis.Service
	store   *diagnosistest.Store
	server  *httptest.Server
	message insight.Message
	facts   []event.Event
	broken  error
	log     bytes.Buffer
	now     time.Time
	from    string // ClientIP
}

func newWorld(t *testing.T, state event.State) *world {
	t.Helper()
	w := &world{t: t, now: start, from: "192.0.2.1"}
	m := message.NewID(start.Add(-time.Hour))
	accepted := event.Event{Message: m, Delivery: message.Delivery(m, 1), Type: event.Completed, At: start.Add(-30 * time.Minute), Attempt: &event.Attempt{
		Number: 1, Source: "192.0.2.17", EHLO: "hk-a.mail.example", MX: "mx00.gmx.net", Address: "198.51.100.25:25", TLS: "TLS 1.3", Code: 250,
		Reply: "<script>alert(1)</script> \x1b]0;x\x07 ok", Outcome: event.OutcomeDelivered,
	}}
	w.facts = []event.Event{accepted}
	w.message = insight.Message{
		ID: m, Tenant: tenant.ID{15: 1}, Subject: "Geheimer Betreff", Stream: tenant.Transactional, MessageID: "nr1@hafenkontor.example", AcceptedAt: start.Add(-time.Hour),
		From: message.Mailbox{Name: `<b onload="x">`, Address: message.Address{Local: "info", Domain: "hafenkontor.example"}}, Tags: []string{"geheime-marke"},
		To:            []message.Mailbox{{Name: "Eva", Address: message.Address{Local: "eva", Domain: "gmx.de"}}, {Address: message.Address{Local: "andere", Domain: "web.de"}}},
		DeliveryCount: 2,
		Deliveries: []insight.Delivery{
			{ID: message.Delivery(m, 1), Recipient: message.Address{Local: "eva", Domain: "gmx.de"}, State: state, UpdatedAt: start.Add(-30 * time.Minute), Host: "mx00.gmx.net", Reason: "manual", DueAt: start.Add(time.Hour)},
			{ID: message.Delivery(m, 2), Recipient: message.Address{Local: "andere", Domain: "web.de"}, State: event.Bounced},
		},
	}
	w.store = &diagnosistest.Store{All: func(tenant.ID) []insight.Message { return []insight.Message{w.message} }}
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	reasons, err := bounce.Load()
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return w.now }
	w.service, err = diagnosis.New(diagnosis.Config{Store: w.store, Mail: w, Tenants: &tenanttest.Store{}, Catalog: catalog, Reasons: reasons, Keeper: keeper, PublicURL: "https://post.example", Zone: zone, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewServer(public.New(public.Config{
		Diagnosis: w.service, Catalog: catalog, Now: now, PerMinute: 30, Log: slog.New(slog.NewJSONHandler(&w.log, nil)), ClientIP: func(*http.Request) string { return w.from },
	}))
	t.Cleanup(w.server.Close)
	return w
}

func (w *world) Message(_ context.Context, t tenant.ID, m message.ID) (insight.Message, error) {
	if t != w.message.Tenant || m != w.message.ID {
		return insight.Message{}, fault.New(fault.NotFound, "message_not_found", "")
	}
	return w.message, w.broken
}

func (w *world) Messages(context.Context, tenant.ID, insight.Filter) (insight.Page, error) {
	return insight.Page{}, w.broken
}

func (w *world) Events(context.Context, tenant.ID, message.ID) ([]event.Event, error) {
	return w.facts, w.broken
}

// link is the path of a fresh status page.
func (w *world) link() string {
	w.t.Helper()
	l, err := w.service.LinkTo(context.Background(), w.message.Tenant, w.message.Deliveries[0].ID, "usr_1")
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimPrefix(w.service.URL(l), "https://post.example")
}

func (w *world) ask(method, path, lang string) (int, http.Header, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, w.server.URL+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Accept-Language", lang)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

func TestStatusPageShowsThisDeliveryAlone(t *testing.T) {
	for _, state := range event.States() {
		w := newWorld(t, state)
		if state != event.Delivered {
			w.facts = nil
		}
		path := w.link()
		for lang, want := range map[string]string{"de-DE,de;q=0.9": "Für die Administration", "en": "For the administrator", "fr": "Für die Administration"} {
			status, header, body := w.ask(http.MethodGet, path, lang)
			if status != http.StatusOK || !strings.Contains(body, want) || !strings.Contains(body, "eva@gmx.de") || strings.Contains(body, "⟦") {
				t.Errorf("%s %s: status %d: %s", state, lang, status, body)
			}
			for _, never := range []string{"Geheimer", "geheime-marke", "andere@", "<script", "<b onload", "onload=\"x\"", "\x1b", "usr_1", "style=", "<form"} {
				if strings.Contains(body, never) {
					t.Errorf("%s: the page says %q", state, never)
				}
			}
			for name, want := range map[string]string{"X-Robots-Tag": "noindex", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Frame-Options": "DENY", "Content-Security-Policy": "default-src 'none'; style-src 'self'"} {
				if !strings.Contains(header.Get(name), want) {
					t.Errorf("%s is %q", name, header.Get(name))
				}
			}
			if len(header.Values("Set-Cookie")) > 0 {
				t.Error("a cookie is set")
			}
		}
		if steps := func() bool {
			_, _, body := w.ask(http.MethodGet, path, "de")
			return strings.Contains(body, "Künftig:")
		}(); steps != (state == event.Delivered) {
			t.Errorf("%s: advice to keep the sender: %v", state, steps)
		}
	}
	w := newWorld(t, event.Delivered)
	_, _, body := w.ask(http.MethodGet, w.link(), "de")
	for _, want := range []string{"19.11.2026, 11:30:00 Uhr (MEZ) · 2026-11-19 10:30:00 UTC", "192.0.2.17 hk-a.mail.example", "mx00.gmx.net 198.51.100.25:25", "verschlüsselt mit TLS 1.3", "&lt;script&gt;"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// T25: what does not hold looks all the same, whatever is wrong with it.
func TestLinksThatDoNotHoldLookTheSame(t *testing.T) {
	w := newWorld(t, event.Delivered)
	path := w.link()
	forged := path[:len(path)-2] + "AA"
	status, _, unknown := w.ask(http.MethodGet, forged, "de")
	if status != http.StatusNotFound || !strings.Contains(unknown, "Dieser Link gilt nicht") {
		t.Fatalf("status %d: %s", status, unknown)
	}
	same := func(what, path string) {
		t.Helper()
		if status, _, body := w.ask(http.MethodGet, path, "de"); status != http.StatusNotFound || body != unknown {
			t.Errorf("%s: status %d, another page", what, status)
		}
	}
	same("short", "/status/x")
	same("another link", "/status/"+strings.Repeat("A", diagnosis.TokenLength))
	w.store.Expire(start)
	same("expired", path)
	w.store.Expire(start.Add(time.Hour))
	if status, _, _ := w.ask(http.MethodGet, path, "de"); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	if _, err := w.service.Revoke(context.Background(), w.message.Tenant, w.message.Deliveries[0].ID); err != nil {
		t.Fatal(err)
	}
	same("taken back", path)
}

func TestOtherMethodsAndPaths(t *testing.T) {
	w := newWorld(t, event.Delivered)
	path := w.link()
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{http.MethodHead, path, 200}, {http.MethodPost, path, 405}, {http.MethodDelete, path, 405}, {http.MethodGet, "/status/", 404}, {http.MethodGet, "/status/a/b", 404},
		{http.MethodGet, "/status/status.css", 200}, {http.MethodGet, diagnosis.KeysPath, 200}, {http.MethodPost, diagnosis.KeysPath, 405},
	} {
		if status, _, _ := w.ask(c.method, c.path, "de"); status != c.want {
			t.Errorf("%s %s: status %d, want %d", c.method, c.path, status, c.want)
		}
	}
	_, header, body := w.ask(http.MethodGet, diagnosis.KeysPath, "de")
	if keys, err := diagnosis.ParseKeys([]byte(body)); err != nil || len(keys) != 1 || header.Get("Content-Type") != "application/jwk-set+json" {
		t.Errorf("%v, %v", keys, err)
	}
}

func TestRequestsAreLimitedByNetwork(t *testing.T) {
	w := newWorld(t, event.Delivered)
	path := w.link()
	spend := func() (n int) {
		for range 100 {
			status, header, _ := w.ask(http.MethodGet, path, "de")
			if status == http.StatusTooManyRequests {
				if header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
				return n
			}
			n++
		}
		return n
	}
	for i, from := range []string{"192.0.2.1", "192.0.2.2", "2001:db8::1"} {
		if w.from = from; spend() != 30 {
			t.Errorf("network %d: not 30 requests", i)
		}
	}
	if w.from = "2001:db8::2"; spend() != 0 {
		t.Error("another address of the same /64 begins anew")
	}
	w.now = w.now.Add(4 * time.Second)
	if n := spend(); n != 2 {
		t.Errorf("%d requests after four seconds", n)
	}
}

// T37: foreign words reach neither the log nor its reader's terminal.
func TestFailuresAreToldToTheLogAlone(t *testing.T) {
	w := newWorld(t, event.Delivered)
	path := w.link()
	w.broken = errors.New("database secret \x1b[31m\r\nforged line")
	status, _, body := w.ask(http.MethodGet, path, "de")
	if status != http.StatusServiceUnavailable || strings.Contains(body, "secret") {
		t.Errorf("status %d: %s", status, body)
	}
	if lines := strings.Split(strings.TrimSpace(w.log.String()), "\n"); len(lines) != 1 || strings.ContainsAny(lines[0], "\x1b\r") || strings.Contains(lines[0], strings.TrimPrefix(path, "/status/")) {
		t.Errorf("log: %q", lines)
	}
	if !strings.Contains(body, "nicht bereit") {
		t.Errorf("no words for the reader: %s", body)
	}
}
