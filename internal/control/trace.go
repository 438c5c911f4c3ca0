package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"stafette/internal/trace"
)

// watch streams what happens from now on, one JSON object (trace.Entry) a line, until
// the reader leaves. Who may open the socket may read everybody's mail addresses; that
// somebody did is logged.
func (c Config) watch(w http.ResponseWriter, r *http.Request) {
	f, err := trace.ParseFilter(r.FormValue)
	var watch *trace.Watch
	if err == nil {
		watch, err = c.Trace.Watch(f)
	}
	if err != nil {
		status, body := refusalOf(err)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body) // the reader left: nothing to be done
		return
	}
	defer watch.Close()
	c.Log.Info("trace begins", "actor", "operator", "filter", f.String())
	defer c.Log.Info("trace ends", "actor", "operator", "filter", f.String())
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, lines := http.NewResponseController(w), json.NewEncoder(w)
	for err := out.Flush(); err == nil; err = out.Flush() {
		e, err := watch.Next(r.Context())
		if err != nil || lines.Encode(e) != nil {
			return
		}
	}
}

// Trace asks to watch with the parameters of trace.ParseFilter and calls each for every
// entry, until it returns an error or ctx ends, which is no error.
func (c *Client) Trace(ctx context.Context, params url.Values, each func(e trace.Entry) error) error {
	resp, err := c.request(ctx, http.MethodGet, "/trace", params)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // nobody reads on
	lines := json.NewDecoder(resp.Body)
	for {
		var e trace.Entry
		err := lines.Decode(&e)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return errors.New("the process has ended the trace")
		case err != nil:
			return fmt.Errorf("read its answer: %w", err)
		}
		if err := each(e); err != nil {
			return err
		}
	}
}
