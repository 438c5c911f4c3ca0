package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"stafette/internal/dns"
	"stafette/internal/egress"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/webhook"
	"stafette/internal/webhook/webhooktest"
)

var start = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)

// receiver is somebody's server on a real socket.
type receiver struct {
	mu     sync.Mutex
	status int
	header http.Header
	got    []request
}

type request struct {
	header http.Header
	body   []byte
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, request{q.Header, body})
	for k, v := range r.header {
		w.Header()[k] = v
	}
	w.WriteHeader(r.status)
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) calls() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got
}

type world struct {
	*testing.T
	*webhook.Service
	store  *webhooktest.Store
	now    time.Time
	mu     sync.Mutex
	gaveUp []webhook.ID
	tenant tenant.ID
	server *httptest.Server
	*receiver
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, store: &webhooktest.Store{Facts: map[event.ID]webhook.Fact{}}, now: start, tenant: tenant.ID{1}, receiver: &receiver{status: 204}}
	w.server = httptest.NewServer(w.receiver)
	t.Cleanup(w.server.Close)
	guard := egress.NewGuard(egress.Rules{LoopbackOnly: true})
	w.Service, err = webhook.New(webhook.Config{
		Store: w.store, Keeper: keeper, Now: w.clock,
		Client: webhook.NewClient(webhook.ClientConfig{Dial: guard.Dialer(egress.Source{}, true), Loopback: true}),
		GaveUp: func(_ context.Context, e webhook.Endpoint) error { w.gaveUp = append(w.gaveUp, e.ID); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) endpoint(types ...string) (webhook.Endpoint, string) {
	w.Helper()
	e, secret, err := w.Add(w.Context(), w.tenant, webhook.Wish{Name: "CRM", URL: w.server.URL + "/hook?key=geheim", Types: types}, "usr_1")
	if err != nil {
		w.Fatal(err)
	}
	return e, secret
}

// raise has a call about a delivered mail made.
func (w *world) raise(e webhook.Endpoint) webhook.Call {
	w.Helper()
	m := id.New[message.Kind](w.clock())
	f := webhook.Fact{
		Event: event.Event{ID: id.New[event.Kind](w.clock()), Message: m, Delivery: message.Delivery(m, 1), Type: event.Completed, At: w.clock(),
			Attempt: &event.Attempt{Number: 1, Code: 250, Reply: "ok", MX: "mx.example"}},
		Stream: tenant.Transactional, Subject: "Besichtigung", Recipient: "eva@x.example",
	}
	w.store.Facts[f.ID] = f
	c := webhook.Call{Tenant: w.tenant, Endpoint: e.ID, ID: webhook.CallOf(f.ID), Type: "message.delivered", Origin: webhook.OfEvent, Message: m, At: f.At,
		State: webhook.Due, DueAt: f.At}
	if err := w.store.AddCalls(w.Context(), []webhook.Call{c}); err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) turn() {
	w.Helper()
	if err := w.Turn(w.Context()); err != nil {
		w.Fatal(err)
	}
}

func (w *world) only(e webhook.Endpoint) webhook.Call {
	w.Helper()
	list, err := w.Calls(w.Context(), w.tenant, e.ID, webhook.CallFilter{})
	if err != nil || len(list) != 1 {
		w.Fatalf("%d calls, %v", len(list), err)
	}
	return list[0]
}

// Every type has its words in the office.
func TestTypesAreNamed(t *testing.T) {
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, told := range newWorld(t).Types() {
		if !catalog.Has("webhooks.type." + string(told)) {
			t.Errorf("%s has no text", told)
		}
	}
}

// What happened to an account is told as it was written down.
func TestDeedIsTold(t *testing.T) {
	w := newWorld(t)
	e, _ := w.endpoint()
	fact := webhook.CallOf(id.New[event.Kind](start))
	w.store.Deeds = map[webhook.CallID]json.RawMessage{fact: json.RawMessage(`{"group":"grp_1","state":"approved"}`)}
	for _, c := range []webhook.CallID{fact, webhook.CallOf(id.New[event.Kind](start))} { // the other is gone
		err := w.store.AddCalls(t.Context(), []webhook.Call{{Tenant: w.tenant, Endpoint: e.ID, ID: c, Type: webhook.GroupApproved, Origin: webhook.OfAccount,
			At: start, State: webhook.Due, DueAt: start}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Turn(t.Context()); err != nil {
		t.Fatal(err)
	}
	const want = `{"type":"group.approved","timestamp":"2026-11-22T20:00:00Z","data":{"group":"grp_1","state":"approved"}}`
	if got := w.calls(); len(got) != 1 || string(got[0].body) != want {
		t.Errorf("told %s, want %s", got, want)
	}
}

func TestCallIsSignedAndTold(t *testing.T) {
	w := newWorld(t)
	e, secret := w.endpoint()
	c := w.raise(e)
	w.turn()
	got := w.calls()
	if len(got) != 1 {
		t.Fatalf("%d calls", len(got))
	}
	h := got[0].header
	if h.Get("Webhook-Id") != c.ID.String() || !strings.HasPrefix(c.ID.String(), "wev_") {
		t.Errorf("webhook-id %q", h.Get("Webhook-Id"))
	}
	want, err := webhook.Sign(secret, c.ID.String(), start, got[0].body)
	if err != nil || h.Get("Webhook-Signature") != want {
		t.Errorf("signature %q, want %q", h.Get("Webhook-Signature"), want)
	}
	var p struct {
		Type      string
		Timestamp time.Time
		Data      webhook.Mail
	}
	if err := json.Unmarshal(got[0].body, &p); err != nil || p.Type != "message.delivered" || p.Data.Recipient != "eva@x.example" || p.Data.Attempt.Reply != "ok" {
		t.Errorf("%s, %v", got[0].body, err)
	}
	if c := w.only(e); c.State != webhook.Told || c.Code != 204 || c.Attempts != 1 || !c.DueAt.IsZero() {
		t.Errorf("%+v", c)
	}
	w.turn()
	if len(w.calls()) != 1 {
		t.Error("told twice")
	}
	if err := w.Repeat(t.Context(), w.tenant, e.ID, c.ID); err != nil {
		t.Fatal(err)
	}
	w.turn()
	if got := w.calls(); len(got) != 2 || got[1].header.Get("Webhook-Id") != c.ID.String() {
		t.Error("the repetition has another identifier, or never came")
	}
}

func TestSecretsOverlap(t *testing.T) {
	w := newWorld(t)
	e, first := w.endpoint()
	_, second, err := w.Rotate(t.Context(), w.tenant, e.ID)
	if err != nil || first == second {
		t.Fatal(second, err)
	}
	signatures := func() []string {
		w.raise(e)
		w.turn()
		got := w.calls()
		last := got[len(got)-1]
		one, _ := webhook.Sign(second, last.header.Get("Webhook-Id"), w.clock(), last.body)
		if !strings.Contains(last.header.Get("Webhook-Signature"), one) {
			t.Errorf("the new secret does not sign")
		}
		return strings.Fields(last.header.Get("Webhook-Signature"))
	}
	if n := len(signatures()); n != 2 {
		t.Errorf("%d signatures during the overlap", n)
	}
	w.advance(25 * time.Hour)
	if n := len(signatures()); n != 1 {
		t.Errorf("%d signatures after the overlap", n)
	}
}

func TestTriedForDaysThenTurnedOff(t *testing.T) {
	w := newWorld(t)
	e, _ := w.endpoint()
	w.raise(e)
	w.answer(500)
	for range 200 {
		w.turn()
		w.advance(time.Hour)
	}
	now, err := w.Endpoint(t.Context(), w.tenant, e.ID)
	if err != nil || now.State != webhook.Failing || now.OffAt.Sub(now.FailingSince) < 72*time.Hour {
		t.Errorf("%+v, %v", now, err)
	}
	if len(w.gaveUp) != 1 {
		t.Errorf("told %d times that it was turned off", len(w.gaveUp))
	}
	if n := len(w.calls()); n < 9 || n > 11 {
		t.Errorf("%d tries", n)
	}
	if _, err := w.Try(t.Context(), w.tenant, e.ID); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("tried while off: %v", err)
	}
	if _, err := w.Change(t.Context(), w.tenant, e.ID, webhook.Wish{URL: w.server.URL, Active: true}); err != nil {
		t.Fatal(err)
	}
	w.answer(200)
	c, err := w.Try(t.Context(), w.tenant, e.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.turn()
	got := w.calls()
	if last := got[len(got)-1]; last.header.Get("Webhook-Id") != c.ID.String() {
		t.Error("the test never came")
	}
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		header  http.Header
		failure webhook.Failure
		state   webhook.State
		wait    time.Duration // until the next try
	}{
		"gone":        {410, nil, webhook.BadStatus, webhook.Failing, 5 * time.Second},
		"redirect":    {302, http.Header{"Location": {"http://127.0.0.1:1/"}}, webhook.Redirected, webhook.Active, 5 * time.Second},
		"busy":        {503, http.Header{"Retry-After": {"120"}}, webhook.BadStatus, webhook.Active, 2 * time.Minute},
		"endless":     {429, http.Header{"Retry-After": {"99999999"}}, webhook.BadStatus, webhook.Active, 24 * time.Hour},
		"nonsensical": {400, http.Header{"Retry-After": {"-3"}}, webhook.BadStatus, webhook.Active, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.status, w.header = c.status, c.header
			e, _ := w.endpoint()
			w.raise(e)
			w.turn()
			call := w.only(e)
			if call.Failure != c.failure || call.Code != c.status || call.DueAt.Sub(start) != c.wait {
				t.Errorf("%+v", call)
			}
			if now, _ := w.Endpoint(t.Context(), w.tenant, e.ID); now.State != c.state {
				t.Errorf("endpoint is %s", now.State)
			}
		})
	}
}

func TestErasedFactIsNotTold(t *testing.T) {
	w := newWorld(t)
	e, _ := w.endpoint()
	w.raise(e)
	clear(w.store.Facts)
	w.turn()
	if c := w.only(e); c.State != webhook.Void || len(w.calls()) != 0 {
		t.Errorf("%+v, %d calls", c, len(w.calls()))
	}
}

// A call that an endpoint cannot take holds up no other.
func TestOneBadCallHoldsUpNoOther(t *testing.T) {
	w := newWorld(t)
	e, _ := w.endpoint()
	w.answer(500)
	w.raise(e)
	w.turn()
	w.answer(200)
	w.advance(time.Second)
	w.raise(e)
	w.turn()
	if n := len(w.calls()); n != 2 {
		t.Errorf("%d calls", n)
	}
	if now, _ := w.Endpoint(t.Context(), w.tenant, e.ID); now.Failures != 0 || !now.FailingSince.IsZero() {
		t.Errorf("%+v", now)
	}
}

func TestForeignTenant(t *testing.T) {
	w := newWorld(t)
	e, _ := w.endpoint()
	other := tenant.ID{2}
	for what, err := range map[string]error{
		"read":   second(w.Endpoint(t.Context(), other, e.ID)),
		"calls":  second(w.Calls(t.Context(), other, e.ID, webhook.CallFilter{})),
		"try":    second(w.Try(t.Context(), other, e.ID)),
		"change": second(w.Change(t.Context(), other, e.ID, webhook.Wish{URL: w.server.URL})),
		"remove": w.Remove(t.Context(), other, e.ID),
	} {
		if !fault.IsKind(err, fault.NotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestURLs(t *testing.T) {
	public := webhook.NewClient(webhook.ClientConfig{})
	demo := webhook.NewClient(webhook.ClientConfig{Loopback: true})
	for text, want := range map[string]string{
		"https://Crm.Example/hook?a=1":  "https://crm.example/hook?a=1",
		"https://crm.example:443":       "https://crm.example/",
		"http://crm.example/":           "",
		"https://127.0.0.1/":            "",
		"https://[::1]/":                "",
		"https://2130706433/":           "",
		"https://localhost/":            "",
		"https://crm.example:22/":       "",
		"https://user:pw@crm.example/":  "",
		"https://crm.example/#fragment": "",
		"file:///etc/passwd":            "",
		"https://x\r\ny.example/":       "",
	} {
		if got, err := public.CheckURL(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if _, err := public.CheckURL("http://127.0.0.1:8080/"); err == nil {
		t.Error("loopback outside the demo world")
	}
	if got, err := demo.CheckURL("http://127.0.0.1:8080/x"); err != nil || got != "http://127.0.0.1:8080/x" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := demo.CheckURL("http://10.0.0.1:8080/"); err == nil {
		t.Error("a private address in the demo world")
	}
}

// names leads names to addresses.
type names map[string][]netip.Addr

// MX implements dns.Resolver.
func (names) MX(context.Context, string) ([]dns.MX, error) { return nil, dns.ErrNoDomain }

// TXT implements dns.Resolver.
func (names) TXT(context.Context, string) ([]string, error) { return nil, dns.ErrNoDomain }

// Addrs implements dns.Resolver.
func (n names) Addrs(_ context.Context, host string) ([]netip.Addr, error) {
	if list := n[host]; list != nil {
		return list, nil
	}
	return nil, dns.ErrNoHost
}

// A name may lead anywhere at the moment of the call, and elsewhere than when it was
// checked (T5, T6, T19): the guard looks at what is connected to.
func TestNamesThatLeadInside(t *testing.T) {
	guard := egress.NewGuard(egress.Rules{}).Web(443)
	at := func(list ...string) (out []netip.Addr) {
		for _, a := range list {
			out = append(out, netip.MustParseAddr(a))
		}
		return out
	}
	zone := names{
		"loop.example": at("127.0.0.1"), "v6.example": at("::1"), "mapped.example": at("::ffff:10.0.0.1"), "private.example": at("192.168.1.1"),
		"cloud.example": at("169.254.169.254"), "zero.example": at("0.0.0.0"), "nat64.example": at("64:ff9b::7f00:1"),
	}
	client := webhook.NewClient(webhook.ClientConfig{Resolver: zone, Dial: guard.Dialer(egress.Source{}, false)})
	for host := range zone {
		a, err := client.Call(t.Context(), webhook.Post{URL: "https://" + host + "/", Secrets: []string{"whsec_YQ=="}, Identifier: "wev_1", At: start})
		if err != nil || a.Failure != webhook.Forbidden || a.Code != 0 {
			t.Errorf("%s: %+v, %v", host, a, err)
		}
	}
	a, err := client.Call(t.Context(), webhook.Post{URL: "https://nowhere.example/", Secrets: []string{"whsec_YQ=="}, Identifier: "wev_1", At: start})
	if err != nil || a.Failure != webhook.NoHost {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestTLSIsProven(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, server.Listener.Addr().String())
	}
	zone := names{"crm.example": {netip.MustParseAddr("192.0.2.1")}}
	client := webhook.NewClient(webhook.ClientConfig{Resolver: zone, Dial: dial})
	post := webhook.Post{URL: "https://crm.example/", Secrets: []string{"whsec_YQ=="}, Identifier: "wev_1", At: start}
	if a, err := client.Call(t.Context(), post); err != nil || a.Failure != webhook.NoTLS {
		t.Errorf("%+v, %v", a, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Call(ctx, post); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Vector of the Standard Webhooks specification's reference libraries.
func TestSignatureVector(t *testing.T) {
	got, err := webhook.Sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	for _, secret := range []string{"", "whsec_", "whsec_***"} {
		if _, err := webhook.Sign(secret, "x", start, nil); err == nil {
			t.Errorf("%q signs", secret)
		}
	}
}
