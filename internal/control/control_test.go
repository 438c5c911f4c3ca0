package control_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stafette/internal/control"
	"stafette/internal/delivery"
	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/trace"
)

type engine struct{}

// Lanes implements control.Engine.
func (engine) Lanes() []egress.LaneState {
	return []egress.LaneState{{Site: "mx.gmx.example", Depth: 7}}
}

// Explain implements control.Engine.
func (engine) Explain(_ context.Context, q delivery.Question) egress.Explanation {
	return egress.Explanation{Domain: q.Domain, Delivery: q.Delivery.String(), Live: true}
}

// TestSocketAnswers: everything the command line asks, over a real socket that only its
// owner may open.
func TestSocketAnswers(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	waiting := message.Delivery(message.NewID(now), 1)
	level, reloaded := &slog.LevelVar{}, 0
	tracer := trace.New(trace.Config{Mode: trace.Off, Watches: 1, Now: func() time.Time { return now }})
	path := filepath.Join(t.TempDir(), control.SocketName)
	l, err := control.Listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: control.Handler(control.Config{
		Engine: engine{}, Level: level, Orders: func() []queue.Order { return nil },
		Nodes: func(context.Context) ([]queue.Node, error) {
			return []queue.Node{{Name: "eins", Epoch: 3, Alive: true}}, nil
		},
		Reload: func() error { reloaded++; return nil },
		Trace:  tracer,
		Ages: func(context.Context) (queue.Ages, error) {
			return queue.Ages{All: queue.AgeLine{Count: 7, P95: time.Hour}}, nil
		},
		Find: func(_ context.Context, d message.DeliveryID) (queue.Listed, error) {
			if d != waiting {
				return queue.Listed{}, fault.New(fault.NotFound, "delivery_not_found", "does not wait")
			}
			return queue.Listed{Delivery: d, Recipient: message.Address{Domain: "gmx.example"}, DueAt: now}, nil
		},
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	if i, err := os.Stat(path); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", i.Mode(), err)
	}
	if _, err := control.Listen(t.Context(), path); !errors.Is(err, control.ErrInUse) {
		t.Errorf("second process: %v", err)
	}
	c := control.NewClient(path)
	var lanes []egress.LaneState
	if err := c.Ask(t.Context(), "GET", "/lanes", nil, &lanes); err != nil || len(lanes) != 1 || lanes[0].Depth != 7 {
		t.Errorf("lanes %v, %v", lanes, err)
	}
	var x egress.Explanation
	if err := c.Ask(t.Context(), "GET", "/explain", url.Values{"delivery": {waiting.String()}}, &x); err != nil || x.Domain != "gmx.example" || !x.NextAt.Equal(now) {
		t.Errorf("explained %+v, %v", x, err)
	}
	var nodes []queue.Node
	if err := c.Ask(t.Context(), "GET", "/nodes", nil, &nodes); err != nil || len(nodes) != 1 || nodes[0].Name != "eins" {
		t.Errorf("nodes %v, %v", nodes, err)
	}
	if err := c.Ask(t.Context(), "POST", "/log-level", url.Values{"level": {"debug"}}, nil); err != nil || level.Level() != slog.LevelDebug {
		t.Errorf("level %v, %v", level.Level(), err)
	}
	if err := c.Ask(t.Context(), "POST", "/reload", nil, nil); err != nil || reloaded != 1 {
		t.Errorf("reloaded %d, %v", reloaded, err)
	}
	var ages queue.Ages
	if err := c.Ask(t.Context(), "GET", "/ages", nil, &ages); err != nil || ages.All.Count != 7 || ages.All.P95 != time.Hour {
		t.Errorf("ages %+v, %v", ages, err)
	}
	for code, q := range map[string]url.Values{
		"domain_missing": nil, "id_malformed": {"delivery": {"x"}},
		"delivery_not_found": {"delivery": {id.New[message.DeliveryKind](now).String()}},
	} {
		if err := c.Ask(t.Context(), "GET", "/explain", q, &x); err == nil || !strings.Contains(err.Error(), code) {
			t.Errorf("%v: %v, want %s", q, err, code)
		}
	}
}
