package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"stafette/internal/fault"
	"stafette/internal/httpapi"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// decided weaves nothing and remembers what was wished for.
type decided map[message.ID]tracking.Tracked

func (decided) Said(context.Context, tenant.ID, []message.Address) (map[string]tracking.Consent, error) {
	return map[string]tracking.Consent{}, nil
}

func (d decided) Weave(_ context.Context, m tracking.Mail) ([]byte, *tracking.Tracked, error) {
	if m.Wish != tracking.Unset {
		d[m.Message] = tracking.Tracked{Tenant: m.Tenant, Decision: tracking.Decision{Level: m.Wish, Rule: tracking.RuleMessage}}
	}
	return m.Body, nil, nil
}

func (d decided) Tracked(_ context.Context, t tenant.ID, m message.ID) (tracking.Tracked, error) {
	v, ok := d[m]
	if !ok || v.Tenant != t {
		return v, fault.New(fault.NotFound, "message_untracked", "")
	}
	return v, nil
}

func TestTrackingOfAMessage(t *testing.T) {
	d := decided{}
	w := newWorld(t, func(c *httpapi.Config, in *ingest.Config) { c.Trackings, in.Weaver = d, d })
	send := func(more string) string {
		a := w.ask(http.MethodPost, "/v1/messages", w.key, strings.NewReader(`{"from":"info@muster.example","to":["eva@kunde.example"],"text":"x"`+more+`}`))
		if a.status != http.StatusAccepted {
			t.Fatalf("%d %s", a.status, a.body)
		}
		all := w.store.Accepted()
		return w.ask(http.MethodGet, "/v1/messages/"+all[len(all)-1].Message.ID.String(), w.key, nil).body
	}
	for more, want := range map[string]string{
		"":                                    "",
		`,"tracking":null`:                    "",
		`,"tracking":"none"`:                  `"tracking":{"level":"none","rule":"message"}`,
		`,"tracking":"individual"`:            `"tracking":{"level":"individual","rule":"message"}`,
		`,"tracking" : "aggregate","tags":[]`: `"tracking":{"level":"aggregate","rule":"message"}`,
		`,"metadata":{},"tracking":"pseudonymous"`: `"tracking":{"level":"pseudonymous","rule":"message"}`,
	} {
		if body := send(more); !strings.Contains(body, want) || want == "" && strings.Contains(body, "tracking") {
			t.Errorf("%s: %s", more, body)
		}
	}
	a := w.ask(http.MethodPost, "/v1/messages", w.key, strings.NewReader(`{"from":"info@muster.example","to":["eva@kunde.example"],"text":"x","tracking":"total"}`))
	if a.status != 422 || !strings.Contains(a.body, `"/tracking"`) || !strings.Contains(a.body, "tracking_level_unknown") {
		t.Errorf("%d %s", a.status, a.body)
	}
}
