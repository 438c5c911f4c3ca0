package frame

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"stafette/internal/fault"
)

// Message is one server-sent event (WHATWG HTML, 9.2).
type Message struct{ Event, Data string }

// sessionCheck is how often a stream looks whether its session still lives.
const sessionCheck = 30 * time.Second

// Stream ends a route with server-sent events, as next brings them, for at most the
// time: then an event "over" ends it, and a browser that wants more must ask again. It
// ends too when the reader leaves, signs out, or next returns an error. Streams are
// given to our own pages only, and end when the process stops.
func (p Page) Stream(w http.ResponseWriter, r *http.Request, last time.Duration, next func(ctx context.Context) (Message, error)) error {
	if !p.frame.SameOrigin(r) {
		return fault.New(fault.Forbidden, "cross_site", "the stream was asked for by another site")
	}
	out := http.NewResponseController(w)
	// The server's write deadline is meant for pages, not for a stream.
	_ = out.SetWriteDeadline(time.Time{})
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	_, err := fmt.Fprint(w, "retry: 3000\n\n")
	ctx, stop := context.WithTimeout(r.Context(), last)
	defer stop()
	go func() {
		select {
		case <-p.frame.Stopping:
			stop()
		case <-ctx.Done():
		}
	}()
	for err == nil && out.Flush() == nil {
		wait, cancel := context.WithTimeout(ctx, sessionCheck)
		m, failed := next(wait)
		cancel()
		switch {
		case failed == nil:
			_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", m.Event, strings.NewReplacer("\n", " ", "\r", " ").Replace(m.Data))
		case ctx.Err() != nil && r.Context().Err() == nil:
			_, _ = fmt.Fprint(w, "event: over\ndata: \n\n") // the reader left: nothing to be done
			return nil
		case !errors.Is(failed, context.DeadlineExceeded):
			return nil
		default:
			if who, lost := p.frame.Identify(r); lost != nil || who.User.ID.IsZero() {
				return nil
			}
			_, err = fmt.Fprint(w, ": still here\n\n")
		}
	}
	return nil
}
