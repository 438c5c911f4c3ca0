package redelivery_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/redelivery"
	"stafette/internal/tenant"
)

// hearing is an entrance that remembers what it was handed.
type hearing struct {
	ingest.Acceptor
	heard []ingest.Submission
}

func (h *hearing) Accept(ctx context.Context, p ingest.Principal, s ingest.Submission) (ingest.Receipt, error) {
	h.heard = append(h.heard, s)
	return h.Acceptor.Accept(ctx, p, s)
}

// Receivers who do not know the new addresses yet are sent to over an old one, as long as
// a changeover keeps it; and each mail of a lead has a code of its own in its foot.
func TestOldSourcesAndCodes(t *testing.T) {
	w := newWorld(t)
	w.shut.Store(true)
	w.ask("4711", "MA-1", "anfragen@makler.example")
	w.ask("4711", "MA-2", "anfragen@makler.example")
	w.post()
	w.shut.Store(false)
	f, o := redelivery.Filter{Stream: tenant.Lead}, redelivery.Options{Old: true}
	if _, err := w.service.Preview(t.Context(), w.who.Tenant, f, o); fault.As(err) == nil || fault.As(err).Code != redelivery.CodeNoOld || fault.As(err).Field != "old_sources" {
		t.Fatalf("without a changeover: %v", err)
	}
	entrance, old := &hearing{Acceptor: w.entrance}, []string{"192.0.2.1"}
	w.config.Acceptor = entrance
	w.config.OldSources = func(_ context.Context, asked tenant.ID) ([]string, error) {
		if asked != w.who.Tenant {
			t.Errorf("asked about %s", asked)
		}
		return old, nil
	}
	w.service = redelivery.New(w.config)
	j := w.start(f, o, "")
	w.turns(w.service, 5*time.Second)
	old = nil // the changeover ends while the job runs: what is left goes the way of all mail
	w.turns(w.service, time.Minute)
	if len(entrance.heard) != 2 || entrance.heard[0].Source != "192.0.2.1" || entrance.heard[1].Source != "" {
		t.Fatalf("%s: handed over %+v", w.items(j), entrance.heard)
	}
	for _, s := range entrance.heard {
		if foot := "Ist diese E-Mail echt? Code " + s.ID.String(); s.ID.IsZero() || !strings.Contains(s.Draft.Text, foot) {
			t.Errorf("the foot lacks %q: %s", foot, s.Draft.Text)
		}
	}
}
