package control_test

import (
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stafette/internal/control"
	"stafette/internal/event"
	"stafette/internal/smtp"
	"stafette/internal/trace"
)

// TestTraceOverTheSocket: entries come while they happen, whole, and a second reader is
// refused where one is all there may be.
func TestTraceOverTheSocket(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	tracer := trace.New(trace.Config{Mode: trace.Off, Watches: 1, Now: func() time.Time { return now }})
	path := filepath.Join(t.TempDir(), control.SocketName)
	l, err := control.Listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: control.Handler(control.Config{Trace: tracer})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	c := control.NewClient(path)
	if err := c.Trace(t.Context(), url.Values{"tenant": {"x"}}, nil); err == nil || !strings.Contains(err.Error(), "id_malformed") {
		t.Errorf("a malformed filter: %v", err)
	}
	entries, enough := make(chan trace.Entry, 10), errors.New("enough")
	over := make(chan error, 1)
	go func() {
		over <- c.Trace(t.Context(), url.Values{"domain": {"kunde.example"}, "conversation": {"1"}}, func(e trace.Entry) error {
			if entries <- e; e.Kind == trace.Ended {
				return enough
			}
			return nil
		})
	}()
	rec := tracer.Recorder()
	for !rec.Listens() { // until somebody watches
		time.Sleep(time.Millisecond)
	}
	if err := c.Trace(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "too_many_watches") {
		t.Errorf("a second reader: %v", err)
	}
	for _, domain := range []string{"anders.example", "kunde.example"} {
		rec.Begin(trace.About{Domain: domain, Number: 2}, trace.Earlier{})
		rec.Hear(smtp.Line{From: smtp.SpeakerServer, Stage: smtp.StageRcpt, Text: []byte("452 voll")})
		rec.End(trace.Verdict{Outcome: event.OutcomeDeferred, Words: "voll"})
	}
	if err := <-over; !errors.Is(err, enough) {
		t.Fatal(err)
	}
	close(entries)
	var got []string
	for e := range entries {
		if e.Domain != "kunde.example" || e.Number != 2 || !e.At.Equal(now) {
			t.Errorf("%+v", e)
		}
		got = append(got, string(e.Kind))
	}
	if have := strings.Join(got, " "); have != "began said ended" {
		t.Errorf("entries %s", have)
	}
}
