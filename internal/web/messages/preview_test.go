package messages_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/messages"
	"stafette/internal/web/webtest"
)

// previewed puts the preview on an origin of its own before an office.
func previewed(t *testing.T) (*webtest.Desk, *messages.Preview, string) {
	t.Helper()
	preview := &messages.Preview{Key: []byte("k"), Log: slog.New(slog.DiscardHandler)}
	host := httptest.NewServer(preview)
	t.Cleanup(host.Close)
	preview.Origin = host.URL
	d := webtest.Open(t, func(c *web.Config) {
		preview.Office, preview.Insight, preview.Spool, preview.Now = c.PublicURL, c.Messages.Insight, c.Messages.Spool, c.Now
		c.Messages.Preview, c.PreviewOrigin = preview, host.URL
	}).SignIn(webtest.Clerk)
	page := d.Get(d.Message(event.Bounced, "Besichtigung") + "/content")
	frame := webtest.Find(page.Document(t), "iframe")
	if frame == nil || !webtest.Has(frame, "sandbox") {
		t.Fatalf("no preview in a sandbox: %s", page.Text)
	}
	if policy := page.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-src "+host.URL+";") {
		t.Errorf("policy of the office: %s", policy)
	}
	return d, preview, webtest.Attribute(frame, "src")
}

// asked is an answer of the preview's host to somebody with the office's cookies.
func asked(t *testing.T, method, address string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: "stafette", Value: "token"})
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var text strings.Builder
	if err := answer.Write(&text); err != nil {
		t.Fatal(err)
	}
	return answer, text.String()
}

// T23: foreign HTML is shown where nothing of the office can be reached.
func TestPreviewOnAnOriginOfItsOwn(t *testing.T) {
	d, preview, address := previewed(t)
	if !strings.HasPrefix(address, preview.Origin+"/p/") {
		t.Fatalf("shown at %q", address)
	}
	answer, text := asked(t, http.MethodGet, address)
	if answer.StatusCode != http.StatusOK || len(answer.Header.Values("Set-Cookie")) > 0 || strings.Contains(text, "<script") {
		t.Errorf("preview: %s", text)
	}
	policy := answer.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors " + preview.Office, "sandbox"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy lacks %q: %s", want, policy)
		}
	}
	if answer.Header.Get("Referrer-Policy") != "no-referrer" || answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", answer.Header)
	}
	for _, other := range []string{"/", "/messages", "/signin", "/assets/office.css", "/p/", "/v1/me"} {
		if answer, _ := asked(t, http.MethodGet, preview.Origin+other); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s on the preview's host: status %d", other, answer.StatusCode)
		}
	}
	if answer, _ := asked(t, http.MethodPost, address); answer.StatusCode != http.StatusNotFound {
		t.Errorf("POST: status %d", answer.StatusCode)
	}
	d.World.Advance(6 * time.Minute)
	if answer, _ := asked(t, http.MethodGet, address); answer.StatusCode != http.StatusNotFound {
		t.Errorf("after its time: status %d", answer.StatusCode)
	}
}

// T22: an address is worth nothing once a character of it is changed, or with the message
// of another tenant in it.
func TestPreviewAddressesCannotBeMade(t *testing.T) {
	_, preview, address := previewed(t)
	token := strings.TrimPrefix(address, preview.Origin+"/p/")
	for i := range token {
		other := byte('A')
		if token[i] == other {
			other = 'B'
		}
		if answer, _ := asked(t, http.MethodGet, preview.Origin+"/p/"+token[:i]+string(other)+token[i+1:]); answer.StatusCode != http.StatusNotFound {
			t.Fatalf("changed at %d: status %d", i, answer.StatusCode)
		}
	}
	stranger := messages.Preview{Origin: preview.Origin, Key: []byte("other"), Now: preview.Now}
	if answer, _ := asked(t, http.MethodGet, stranger.Address(tenant.ID{1}, message.ID{2})); answer.StatusCode != http.StatusNotFound {
		t.Errorf("made with another key: status %d", answer.StatusCode)
	}
	if answer, _ := asked(t, http.MethodGet, preview.Address(id.New[tenant.Kind](preview.Now()), message.ID{2})); answer.StatusCode != http.StatusNotFound {
		t.Errorf("of another tenant: status %d", answer.StatusCode)
	}
}

// one is a store of one message, and its body.
type one struct {
	insight.Store
	m   insight.Message
	err error
}

func (o one) Message(context.Context, tenant.ID, message.ID) (insight.Message, error) {
	return o.m, o.err
}

func (one) Body(context.Context, spool.Handle) ([]byte, error) { return nil, spool.ErrGone }

func TestPreviewShowsNoPrivateLetters(t *testing.T) {
	for name, c := range map[string]struct {
		store one
		want  int
	}{
		"a letter of the platform": {one{m: insight.Message{Door: notice.Door}}, 404},
		"content that is gone":     {one{}, 404},
		"no such message":          {one{err: fault.New(fault.NotFound, "message_not_found", "")}, 404},
		"trouble":                  {one{err: errors.New("disk on fire")}, 500},
	} {
		v := &messages.Preview{Key: []byte("k"), Insight: c.store, Spool: c.store, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
		w := httptest.NewRecorder()
		v.ServeHTTP(w, httptest.NewRequest(http.MethodGet, v.Address(tenant.ID{1}, message.ID{2}), nil))
		if w.Code != c.want || strings.Contains(w.Body.String(), "fire") {
			t.Errorf("%s: status %d: %s", name, w.Code, w.Body.String())
		}
	}
}
