package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"stafette/internal/insight"
	"stafette/internal/tenant"
)

// sums implements insight.TallyStore for one tenant.
type sums struct{ tenant tenant.ID }

// Sums implements insight.TallyStore.
func (s sums) Sums(_ context.Context, t tenant.ID, q insight.TallyQuery) ([]insight.Cell, error) {
	if t != s.tenant || q.To.Before(start.Add(-24*time.Hour)) {
		return nil, nil
	}
	cell := insight.Cell{Count: insight.CountDelivered, N: 30}
	if q.Hours {
		cell.Hour = start.Truncate(time.Hour)
	}
	if q.Providers {
		cell.Provider = "gmx"
	}
	if q.Streams {
		cell.Stream = tenant.Lead
	}
	took, failed := cell, cell
	took.Count = "took02"
	failed.Count, failed.N = insight.CountBounced, 10
	return []insight.Cell{cell, took, failed}, nil
}

func TestStatistics(t *testing.T) {
	w := newWorld(t)
	get := func(path string) map[string]any {
		t.Helper()
		a := w.ask(http.MethodGet, path, w.readOnly, nil)
		var body map[string]any
		if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.status != 200 {
			t.Fatalf("%s: %d %s", path, a.status, a.body)
		}
		return body
	}
	first := func(body map[string]any) map[string]any { return body["data"].([]any)[0].(map[string]any) }
	one := first(get("/v1/statistics/providers"))
	for field, want := range map[string]any{"provider": "gmx", "name": "GMX", "delivered": 30.0, "bounced": 10.0, "delivery_rate": 0.75, "p50_seconds": 3.0} {
		if one[field] != want {
			t.Errorf("%s is %v, want %v", field, one[field], want)
		}
	}
	if before := one["before"].(map[string]any); before["delivered"] != 0.0 || before["delivery_rate"] != nil {
		t.Errorf("before: %v", before)
	}
	if one := first(get("/v1/statistics/deliveries?by=stream")); one["stream"] != "lead" || one["from"] != nil {
		t.Errorf("by stream: %v", one)
	}
	days := get("/v1/statistics/deliveries?by=day")["data"].([]any)
	last := days[len(days)-1].(map[string]any)
	if len(days) != 8 || last["delivered"] != 30.0 || !strings.HasSuffix(last["from"].(string), "T00:00:00Z") {
		t.Errorf("by day: %d, %v", len(days), last)
	}
	for query, code := range map[string]string{"?from=x": "time_malformed", "?from=2026-02-01&to=2026-01-01": "span_malformed", "?from=1990-01-01": "span_malformed", "?from=2025-05-01&by=hour": "span_too_old"} {
		w.wantProblem(w.ask(http.MethodGet, "/v1/statistics/deliveries"+query, w.readOnly, nil), 422, code, "")
	}
}

func TestStatisticsAreTheTenantsOwn(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/v1/statistics/providers", "/v1/statistics/deliveries?by=provider"} {
		if a := w.ask(http.MethodGet, path, w.other, nil); a.status != 200 || !strings.Contains(a.body, `"data":[]`) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}
