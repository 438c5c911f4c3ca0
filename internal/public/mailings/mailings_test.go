package mailings_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/public/mailings"
)

type views map[string]string

func (v views) Open(_ context.Context, token string) (string, error) {
	switch page, ok := v[token]; {
	case ok:
		return page, nil
	case token == "broken":
		return "", errors.New("disk")
	}
	return "", fault.New(fault.NotFound, campaign.CodeView, "")
}

type limiter struct{ wait time.Duration }

func (l limiter) Take(string) time.Duration { return l.wait }

func TestPage(t *testing.T) {
	pages := views{"x": "<h1>Mai</h1><script>alert(1)</script>"}
	for name, c := range map[string]struct {
		path   string
		wait   time.Duration
		status int
	}{
		"a page": {"x", 0, 200}, "made up": {"y", 0, 404}, "failed": {"broken", 0, 500}, "too often": {"x", time.Second, 429},
	} {
		w := httptest.NewRecorder()
		mailings.New(mailings.Config{Views: pages, Limiter: limiter{c.wait}}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, campaign.ViewPath+c.path, nil))
		if w.Code != c.status {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "sandbox") || strings.Contains(policy, "allow-scripts") || strings.Contains(policy, "allow-same-origin") {
			t.Errorf("%s: policy %q", name, policy)
		}
		if strings.Contains(w.Body.String(), "disk") {
			t.Errorf("%s tells its cause", name)
		}
	}
}
