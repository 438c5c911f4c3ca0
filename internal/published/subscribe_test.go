package published_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/published"
	"stafette/internal/tenant"
	"stafette/internal/webhook"
)

// token is the end of a letter's link.
func token(link string) string { return link[strings.LastIndexByte(link, '/')+1:] }

// By mail: nothing is told before the owner of the mailbox has said yes, each change once,
// nothing after the end.
func TestSubscriptionByMail(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.turn()
	subscribe := func(address string) {
		t.Helper()
		if err := w.SubscribeMail(ctx, tenant.ID{}, address, i18n.English); err != nil {
			t.Fatal(err)
		}
	}
	change := func() {
		w.plan.Sources[0].EHLO += "x"
		w.now = w.now.Add(time.Minute)
		w.turn()
	}
	subscribe(" Technik@Kunde.Example ")
	subscribe("technik@kunde.example")
	if len(w.letters) != 1 || w.letters[0].Kind != "addresses_confirm" || !strings.HasPrefix(w.letters[0].Link, "https://post.example/sending-addresses/confirm/") {
		t.Fatalf("letters %+v", w.letters)
	}
	if change(); len(w.letters) != 1 {
		t.Error("told without a yes")
	}
	yes := token(w.letters[0].Link)
	for what, bad := range map[string]string{"empty": "", "forged": yes[:len(yes)-2] + "AA", "not base64": "ä"} {
		if err := w.Confirm(ctx, bad); !fault.IsKind(err, fault.NotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := w.End(ctx, yes); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("a token for one thing does another: %v", err)
	}
	if _, err := w.Wish(ctx, yes); err != nil {
		t.Error(err)
	}
	if err := w.Confirm(ctx, yes); err != nil {
		t.Fatal(err)
	}
	if subscribe("technik@kunde.example"); len(w.letters) != 1 {
		t.Error("who is subscribed gets another mail")
	}
	change()
	w.turn()
	if len(w.letters) != 2 || w.letters[1].Kind != "addresses_changed" || len(w.letters[1].More) != 1 || !strings.Contains(w.letters[1].More[0], "192.0.2.17") {
		t.Fatalf("letters %+v", w.letters)
	}
	list, err := w.Subscribers(ctx)
	if err != nil || len(list) != 1 || list[0].Hint != "t…@kunde.example" {
		t.Errorf("subscribers %+v, %v", list, err)
	}
	leave := token(w.letters[1].Leave)
	for range 2 {
		if err := w.End(ctx, leave); err != nil && !fault.IsKind(err, fault.NotFound) {
			t.Fatal(err)
		}
	}
	if change(); len(w.letters) != 2 {
		t.Error("told after the end")
	}
	// A wish that nobody confirms is forgotten.
	subscribe("andere@kunde.example")
	late := token(w.letters[2].Link)
	w.now = w.now.Add(49 * time.Hour)
	if err := w.Confirm(ctx, late); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("after two days: %v", err)
	}
	if err := published.Sweep(ctx, w.store, w.now); err != nil {
		t.Fatal(err)
	}
	if list, err := w.Subscribers(ctx); err != nil || len(list) != 0 {
		t.Errorf("left %+v, %v", list, err)
	}
}

func TestRefusedSubscriptions(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, bad := range []string{"", "kein", "a@b\r\nBcc: x@y.example", "a b@c.example"} {
		if f := fault.As(w.SubscribeMail(ctx, tenant.ID{}, bad, i18n.German)); f == nil || f.Field != "email" {
			t.Errorf("%q: %v", bad, f)
		}
	}
	for _, bad := range []string{"", "http://kunde.example/", "https://127.0.0.1/", "https://[::1]/", "https://localhost/", "https://kunde.example:8443/", "https://u:p@kunde.example/",
		"https://kunde.example/#x", "ftp://kunde.example", "https://kunde.example/" + strings.Repeat("x", 500), "https://kunde.example/\r\nX: y", "javascript:alert(1)"} {
		if _, err := w.SubscribeHook(ctx, tenant.ID{}, bad, i18n.German); fault.As(err) == nil || fault.As(err).Field != "url" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := w.SubscribeMail(ctx, tenant.ID{1}, "a@b.example", i18n.German); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("to nobody's list: %v", err)
	}
	w.off = true
	if err := w.SubscribeMail(ctx, tenant.ID{}, "a@b.example", i18n.German); !fault.IsKind(err, fault.Unavailable) {
		t.Errorf("without mail: %v", err)
	}
}

// hook is somebody's server.
type hook struct {
	t      *testing.T
	secret string
	answer func(published.Call) (int, string)
	calls  []published.Call
	ids    []string
}

// RoundTrip implements http.RoundTripper.
func (h *hook) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var call published.Call
	if err := json.Unmarshal(body, &call); err != nil {
		h.t.Error(err)
	}
	seconds, _ := strconv.ParseInt(r.Header.Get("Webhook-Timestamp"), 10, 64)
	want, err := webhook.Sign(h.secret, r.Header.Get("Webhook-Id"), time.Unix(seconds, 0), body)
	if err != nil || r.Header.Get("Webhook-Signature") != want || r.Method != http.MethodPost {
		h.t.Errorf("signature %q, want %q, %v", r.Header.Get("Webhook-Signature"), want, err)
	}
	h.calls, h.ids = append(h.calls, call), append(h.ids, r.Header.Get("Webhook-Id"))
	status, text := h.answer(call)
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Location": {"https://elsewhere.example/"}}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

// By webhook: only a server that answers the challenge is told, signed, again and again
// until it takes it, and at last no more.
func TestSubscriptionByWebhook(t *testing.T) {
	h := &hook{t: t}
	w := newWorld(t, func(c *published.Config) { c.Transport = h })
	ctx := t.Context()
	w.turn()
	made, err := w.SubscribeHook(ctx, tenant.ID{}, "https://Kunde.Example/haken?x=1", i18n.German)
	if err != nil || !strings.HasPrefix(made.Secret, "whsec_") {
		t.Fatal(made, err)
	}
	h.secret = made.Secret
	for status, text := range map[int]string{200: "ok", 500: "", 302: "", 0: ""} {
		h.answer = func(published.Call) (int, string) { return status, text }
		if err := w.CheckHook(ctx, made.Confirm); fault.As(err) == nil || fault.As(err).Code != "webhook_unproven" {
			t.Errorf("answer %d: %v", status, err)
		}
	}
	h.answer = func(c published.Call) (int, string) { return 200, `{"challenge":"` + c.Challenge + `"}` }
	if err := w.Confirm(ctx, made.Confirm); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("confirmed without a check: %v", err)
	}
	if err := w.CheckHook(ctx, made.Confirm); err != nil {
		t.Fatal(err)
	}
	if _, err := w.SubscribeHook(ctx, tenant.ID{}, "https://kunde.example/haken?x=1", i18n.German); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("a second time: %v", err)
	}
	h.calls, h.ids = nil, nil
	h.answer = func(published.Call) (int, string) {
		if len(h.calls) < 3 {
			return 503, ""
		}
		return 204, ""
	}
	w.plan.Sources[0].State = egress.StateRetiring
	for range 40 {
		w.turn()
		w.now = w.now.Add(30 * time.Minute)
	}
	if len(h.calls) != 3 || h.ids[0] != h.ids[2] || h.calls[2].Version != 2 || len(h.calls[2].Changes) != 1 || !strings.Contains(string(h.calls[2].Signed), "stafette-sending-addresses/1") {
		t.Errorf("%d calls, %v", len(h.calls), h.ids)
	}
	h.calls = nil
	h.answer = func(published.Call) (int, string) { return 0, "" }
	w.plan.Sources[0].State = egress.StateActive
	for range 30 * 24 {
		w.turn()
		w.now = w.now.Add(time.Hour)
	}
	if len(h.calls) != 9 {
		t.Errorf("%d tries of a server that is gone", len(h.calls))
	}
	if err := w.End(ctx, token(made.End)); err != nil {
		t.Error(err)
	}
}

// A webhook whose name leads into a private network is not called (server-side request
// forgery): the guard sees the address, whatever the name server says.
func TestWebhooksDoNotReachInside(t *testing.T) {
	w := newWorld(t)
	for _, inside := range []string{"127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"} {
		kind := "A"
		if strings.Contains(inside, ":") {
			kind = "AAAA"
		}
		name := "h" + strings.NewReplacer(".", "-", ":", "-").Replace(inside) + "x.example"
		if err := w.names.Add(name + ". " + kind + " " + inside); err != nil {
			t.Fatal(err)
		}
		made, err := w.SubscribeHook(t.Context(), tenant.ID{}, "https://"+name+"/", i18n.German)
		if err != nil {
			t.Fatal(err)
		}
		err = w.CheckHook(t.Context(), made.Confirm)
		if !strings.Contains(fmt.Sprint(err), "call webhook: "+string(webhook.Forbidden)) {
			t.Errorf("%s: %v", inside, err)
		}
	}
}

// A person's erasure ends what they keep on the account's own list, and nothing else.
func TestReadersAreErased(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.plan.Assignments = []egress.Assignment{{Tenant: w.account.ID, Pool: egress.DefaultPool}}
	w.turn()
	for _, of := range []tenant.ID{{}, w.account.ID} {
		if err := w.SubscribeMail(ctx, of, "eva@kunde.example", i18n.German); err != nil {
			t.Fatal(err)
		}
	}
	h := published.NewReaders(w.store, w.keeper)
	p := privacy.Person{Tenant: w.account.ID, Addresses: []message.Address{{Local: "Eva", Domain: "kunde.example"}, {Local: "andere", Domain: "kunde.example"}}}
	if n, err := h.Count(ctx, p); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	erased := int64(0)
	for range 2 {
		if err := h.Erase(ctx, p, func(n int64) error { erased += n; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	left, err := w.Subscribers(ctx)
	if erased != 1 || err != nil || len(left) != 1 || left[0].Owner != (tenant.ID{}) {
		t.Errorf("%d erased, left %+v, %v", erased, left, err)
	}
}
