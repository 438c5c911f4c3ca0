package sending

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/trace"
	"stafette/internal/web/frame"
)

// traceFields are the names of the form.
func traceFields() []string { return []string{"domain", "lane", "delivery", "tenant", "conversation"} }

// traceForm reads the form and the filter that it asks for; what cannot be read is noted
// at its field.
func traceForm(r *http.Request, p frame.Page) (frame.Form, trace.Filter) {
	f, q := frame.Form{Values: map[string]string{}}, r.URL.Query()
	for _, name := range traceFields() {
		f.Values[name] = frame.Shorten(strings.TrimSpace(strings.ToValidUTF8(q.Get(name), "")), 253)
	}
	filter, err := trace.ParseFilter(f.Value)
	if no := fault.As(err); no != nil {
		f.Add(no.Field, p.FaultText(no, f.Value(no.Field)))
	}
	return f, filter
}

// tape is what the page shows of a trace.
type tape struct {
	shown  bool
	text   string // recorded
	stream string // to follow
}

// showTrace shows the form. With "watch" the page follows by itself; with "record" it
// listens for a while first and shows what was said, for readers without scripts.
func (c Config) showTrace(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title = "trace", p.T("nav.trace")
	f, filter := traceForm(r, p)
	q, t, status := r.URL.Query(), tape{}, http.StatusOK
	switch {
	case !f.Valid():
		status = http.StatusUnprocessableEntity
	case q.Get("record") != "":
		lines, err := c.record(r.Context(), p, filter)
		if err != nil {
			return err
		}
		t = tape{shown: true, text: strings.Join(lines, "\n")}
	case q.Get("watch") != "":
		asked := url.Values{}
		for _, name := range traceFields() {
			if v := f.Value(name); v != "" {
				asked.Set(name, v)
			}
		}
		t = tape{shown: true, stream: "/platform/trace/live?" + asked.Encode()}
	}
	return p.Render(w, r, status, tracePage(p, f, t))
}

// maxRecorded bounds the lines of a recording.
const maxRecorded = 2000

// record listens until the time is over.
func (c Config) record(ctx context.Context, p frame.Page, f trace.Filter) ([]string, error) {
	watch, done, err := c.watch(p, f)
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, c.RecordFor)
	defer cancel()
	var lines []string
	for len(lines) < maxRecorded {
		e, err := watch.Next(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			return nil, err
		}
		lines = append(lines, e.String())
	}
	return lines, nil
}

// watch begins to watch and has the log say who does; done ends it.
func (c Config) watch(p frame.Page, f trace.Filter) (w *trace.Watch, done func(), err error) {
	if w, err = c.Trace.Watch(f); err != nil {
		return nil, nil, err
	}
	actor := p.Who.User.ID.String()
	c.Log.Info("trace begins", "actor", actor, "filter", f.String())
	return w, func() {
		w.Close()
		c.Log.Info("trace ends", "actor", actor, "filter", f.String())
	}, nil
}

// liveTrace streams what is said, a line each. It ends by itself, so that a forgotten
// page does not watch for ever.
func (c Config) liveTrace(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	f, filter := traceForm(r, p)
	if !f.Valid() {
		return fault.New(fault.Invalid, "filter_malformed", "the filter cannot be read")
	}
	watch, done, err := c.watch(p, filter)
	if err != nil {
		return err
	}
	defer done()
	return p.Stream(w, r, c.TraceFor, func(ctx context.Context) (frame.Message, error) {
		e, err := watch.Next(ctx)
		return frame.Message{Event: string(e.Kind), Data: e.String()}, err
	})
}
