package messages

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"stafette/internal/fault"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/web/frame"
)

// streamsPerUser bounds the live pages one person keeps open at a time.
const streamsPerUser = 12

// sessionCheck is how often a live stream looks whether its session still lives.
const sessionCheck = 30 * time.Second

// streams counts the open live streams of each user.
type streams struct {
	mu   sync.Mutex
	open map[tenant.UserID]int
}

func (s *streams) enter(u tenant.UserID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[u] >= streamsPerUser {
		return false
	}
	s.open[u]++
	return true
}

func (s *streams) leave(u tenant.UserID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[u]--; s.open[u] <= 0 {
		delete(s.open, u)
	}
}

// live streams which messages of the tenant changed (server-sent events, WHATWG
// HTML 9.2). It sends identifiers only; the page then asks for itself again, so
// what a reader sees always comes from the store and through one door.
func (o *office) live(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if !o.SameOrigin(r) {
		return fault.New(fault.Forbidden, "cross_site", "the stream was asked for by another site")
	}
	if !o.enter(p.Who.User.ID) {
		return &fault.Error{Kind: fault.Limited, Code: "too_many_streams", RetryAfter: time.Minute}
	}
	defer o.leave(p.Who.User.ID)
	out := http.NewResponseController(w)
	// The server's write deadline is meant for pages, not for a stream.
	_ = out.SetWriteDeadline(time.Time{})
	events, cancel := o.Hub.Subscribe(p.Tenant(), 256)
	defer cancel()
	did, leave := o.activities(p.Tenant())
	defer leave()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	if _, err := fmt.Fprint(w, "retry: 3000\n\n"); err != nil {
		return nil
	}
	ctx, stop := context.WithTimeout(r.Context(), o.LiveFor)
	defer stop()
	check := time.NewTicker(sessionCheck)
	defer check.Stop()
	for {
		if err := out.Flush(); err != nil {
			return nil // the reader left
		}
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-events:
			if !ok {
				return nil
			}
			_, _ = fmt.Fprintf(w, "id: %s\nevent: fact\ndata: %s\n\n", e.ID, e.Message)
		case a, ok := <-did:
			if !ok {
				return nil
			}
			_, _ = fmt.Fprintf(w, "id: %s\nevent: fact\ndata: %s\n\n", a.ID, a.Message)
		case <-check.C:
			if who, err := o.Identify(r); err != nil || who.User.ID.IsZero() {
				return nil
			}
			_, _ = fmt.Fprint(w, ": still here\n\n")
		}
	}
}

// activities are those of the tenant as they are kept; none come where nobody tells.
func (o *office) activities(t tenant.ID) (did <-chan tracking.Activity, leave func()) {
	if o.Activity == nil {
		return nil, func() {}
	}
	return o.Activity.Subscribe(t, 256)
}
