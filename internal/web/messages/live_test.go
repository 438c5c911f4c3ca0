package messages_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/web"
	"stafette/internal/web/webtest"
)

// stream opens the live stream and returns its lines.
func stream(d *webtest.Desk, header string) (*http.Response, *bufio.Scanner) {
	d.T.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	d.T.Cleanup(cancel)
	r := d.Request(http.MethodGet, "/live", nil).WithContext(ctx)
	name, value, _ := strings.Cut(header, ": ")
	r.Header.Set(name, value)
	response, err := d.Client.Do(r)
	if err != nil {
		d.T.Fatal(err)
	}
	d.T.Cleanup(func() { _ = response.Body.Close() })
	return response, bufio.NewScanner(response.Body)
}

// until reads lines up to one with the prefix and returns its rest.
func until(t *testing.T, lines *bufio.Scanner, prefix string) string {
	t.Helper()
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), prefix); ok {
			return rest
		}
	}
	t.Fatalf("the stream ended before %q: %v", prefix, lines.Err())
	return ""
}

func TestLiveTellsWhatChanged(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	response, lines := stream(d, "Sec-Fetch-Site: same-origin")
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("status %d, %v", response.StatusCode, response.Header)
	}
	until(t, lines, "retry:") // from here on the stream is subscribed
	path := d.Message(event.Queued, "")
	own, err := id.Parse[message.Kind](strings.TrimPrefix(path, "/messages/"))
	if err != nil {
		t.Fatal(err)
	}
	alien := event.Event{ID: id.New[event.Kind](d.World.Now()), Message: message.NewID(d.World.Now())}
	d.World.Hub.Publish(d.World.Other.ID, alien)
	d.World.Deliver(own)
	if got := until(t, lines, "data: "); got != own.String() {
		t.Errorf("the stream tells of %q, want %q", got, own)
	}
	webtest.Expect(t, d.Get(path), http.StatusOK, "An einen Empfänger: 1 zugestellt.")
}

// T18: a page elsewhere cannot read along.
func TestOtherSitesCannotListen(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	for _, header := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Sec-Fetch-Site: none", "Origin: https://evil.example", "Origin: null"} {
		if response, _ := stream(d, header); response.StatusCode != http.StatusForbidden {
			t.Errorf("%s: status %d", header, response.StatusCode)
		}
	}
	if response, _ := stream(d, "Origin: "+d.URL); response.StatusCode != http.StatusOK {
		t.Errorf("our own page: status %d", response.StatusCode)
	}
}

func TestLiveStreamsAreCountedAndEnd(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	for i := range 12 {
		response, lines := stream(d, "Sec-Fetch-Site: same-origin")
		if response.StatusCode != http.StatusOK {
			t.Fatalf("stream %d: status %d", i+1, response.StatusCode)
		}
		until(t, lines, "retry:")
	}
	if response, _ := stream(d, "Sec-Fetch-Site: same-origin"); response.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one stream more: status %d", response.StatusCode)
	}

	short := webtest.Open(t, func(c *web.Config) { c.Messages.LiveFor = time.Millisecond }).SignIn(webtest.Clerk)
	_, lines := stream(short, "Sec-Fetch-Site: same-origin")
	for lines.Scan() { // ends by itself, or the test runs into its own limit
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the stream broke: %v", err)
	}
}
