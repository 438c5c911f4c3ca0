package tracked_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"stafette/internal/public/tracked"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// visits knows one token, "good", of tenant 1, and fails for "down".
type visits struct{ seen []tracking.Visitor }

func (v *visits) note(token string, who tracking.Visitor) error {
	if !who.Only.IsZero() && who.Only != (tenant.ID{1}) {
		return tracking.ErrForeign
	}
	switch token {
	case "good":
		v.seen = append(v.seen, who)
		return nil
	case "down":
		return errors.New("disk full")
	}
	return tracking.ErrForeign
}

func (v *visits) Open(_ context.Context, token string, who tracking.Visitor) error {
	return v.note(token, who)
}

func (v *visits) Follow(_ context.Context, token string, who tracking.Visitor) (string, error) {
	err := v.note(token, who)
	if errors.Is(err, tracking.ErrForeign) {
		return "", err
	}
	return "https://a.example/x?a=1&b=ü", err
}

func ask(h http.Handler, method, target string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.RemoteAddr = "192.0.2.9:1234"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// T24, T25: nobody learns from an answer which tokens are good, and links lead only where
// the store says.
func TestAnswers(t *testing.T) {
	for target, want := range map[string]struct {
		status   int
		location string
		kind     string
	}{
		"/i/good":                        {200, "", "image/gif"},
		"/i/bad":                         {200, "", "image/gif"},
		"/i/down":                        {503, "", "image/gif"},
		"/l/good":                        {302, "https://a.example/x?a=1&b=ü", ""},
		"/l/down":                        {302, "https://a.example/x?a=1&b=ü", ""}, // the recipient comes first
		"/l/bad":                         {404, "", "text/plain; charset=utf-8"},
		"/l/good?url=https://evil":       {302, "https://a.example/x?a=1&b=ü", ""},
		"/l/https%3A%2F%2Fevil.example":  {404, "", "text/plain; charset=utf-8"},
		"/l/%2F%2Fevil.example":          {404, "", "text/plain; charset=utf-8"},
		"/l/":                            {404, "", "text/plain; charset=utf-8"},
		"/i/good/more":                   {404, "", "text/plain; charset=utf-8"},
		"/l/good%0d%0aSet-Cookie:%20a=b": {404, "", "text/plain; charset=utf-8"},
	} {
		h := tracked.New(tracked.Config{Visits: &visits{}})
		w := ask(h, "GET", target, nil)
		if w.Code != want.status || w.Header().Get("Location") != want.location || want.kind != "" && w.Header().Get("Content-Type") != want.kind {
			t.Errorf("%s: %d %v", target, w.Code, w.Header())
		}
		if w.Header().Get("Cache-Control") != "no-store, private" || w.Header().Get("Set-Cookie") != "" || w.Header().Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", target, w.Header())
		}
	}
	if a, b := ask(tracked.New(tracked.Config{Visits: &visits{}}), "GET", "/i/good", nil), ask(tracked.New(tracked.Config{Visits: &visits{}}), "GET", "/i/bad", nil); a.Body.String() != b.Body.String() || a.Body.Len() != 43 {
		t.Errorf("pictures of %d and %d bytes differ", a.Body.Len(), b.Body.Len())
	}
}

// T26: only GET and HEAD are served, and what they show of the client is handed on.
func TestVisitors(t *testing.T) {
	v := &visits{}
	h := tracked.New(tracked.Config{Visits: v})
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		if w := ask(h, method, "/l/good", nil); w.Code == 302 || len(v.seen) > 0 {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	if w := ask(h, "HEAD", "/i/good", func(r *http.Request) { r.Header.Set("Sec-Purpose", "prefetch;prerender") }); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d with %d bytes", w.Code, w.Body.Len())
	}
	ask(h, "GET", "/l/good", func(r *http.Request) {
		r.Header.Set("User-Agent", "Firefox")
		r.Header.Set("Accept-Language", "de")
		r.RemoteAddr = "[::ffff:192.0.2.9]:1"
	})
	first, second := v.seen[0], v.seen[1]
	if !first.Head || !first.Prefetch || first.Language || first.IP.String() != "192.0.2.9" {
		t.Errorf("%+v", first)
	}
	if second.Head || second.Prefetch || !second.Language || second.UserAgent != "Firefox" || second.IP.String() != "192.0.2.9" {
		t.Errorf("%+v", second)
	}
}

// A tenant's own host knows the tokens of that tenant alone.
func TestOwnHosts(t *testing.T) {
	own := func(_ context.Context, host string) (tenant.ID, bool) {
		switch host {
		case "link.a.example":
			return tenant.ID{1}, true
		case "link.b.example":
			return tenant.ID{2}, true
		}
		return tenant.ID{}, false
	}
	for host, want := range map[string]int{"link.a.example": 302, "LINK.A.example:8443": 302, "link.b.example": 404, "mail.example": 302} {
		v := &visits{}
		h := tracked.New(tracked.Config{Visits: v, Own: own})
		if w := ask(h, "GET", "/l/good", func(r *http.Request) { r.Host = host }); w.Code != want {
			t.Errorf("%s: %d, want %d", host, w.Code, want)
		}
		if w := ask(h, "GET", "/i/good", func(r *http.Request) { r.Host = host }); w.Code != 200 || (len(v.seen) == 2) != (want == 302) {
			t.Errorf("%s: %d after %d visits", host, w.Code, len(v.seen))
		}
	}
}
