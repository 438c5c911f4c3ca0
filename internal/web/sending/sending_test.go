package sending_test

import (
	"bufio"
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/smtp"
	"stafette/internal/trace"
	"stafette/internal/web"
	"stafette/internal/web/webtest"
)

// TestLanesAreSortedNarrowedAndSuspended: what staff do with the list of lanes.
func TestLanesAreSortedNarrowedAndSuspended(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Staff)
	gmx, own := "mx.gmx.example</td>", "domain:kunde.example</td>"
	for address, first := range map[string]string{"": own, "?sort=depth": gmx, "?sort=-site": gmx, "?sort=nonsense": own} {
		text := d.Get("/platform/lanes" + address).Text
		a, b := strings.Index(text, gmx), strings.Index(text, own)
		if a < 0 || b < 0 || (a < b) != (first == gmx) {
			t.Errorf("%q: gmx at %d, own at %d", address, a, b)
		}
	}
	text := d.Get("/platform/lanes?site=gmx").Text
	if strings.Contains(text, own) || !strings.Contains(text, "command=resume&amp;order=ord_") {
		t.Error("the suspended lane cannot be resumed, or others are shown")
	}
	if text := d.Get("/platform/lanes?source=any").Text; !strings.Contains(text, "command=suspend&amp;domain=kunde.example") {
		t.Error("a domain's own lane is not suspended by its domain")
	}
}

// TestForeignWordsStayWords: what servers say is shown, not run.
func TestForeignWordsStayWords(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Staff)
	for _, path := range []string{"/platform/lanes", "/platform/explain?domain=%3Cscript%3Ealert"} {
		text := d.Get(path).Text
		if strings.Contains(text, "<script>") || strings.Contains(text, "<b>later") || strings.Contains(text, "NOWL <x>") {
			t.Errorf("%s: foreign words unescaped", path)
		}
	}
}

func TestLanesAreExported(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Staff)
	a := d.Get("/platform/lanes.csv?sort=site")
	lines := strings.Split(strings.TrimSpace(a.Text), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[1], "domain:kunde.example;any;;1200;0;2;") || !strings.Contains(lines[2], "mx.gmx.example") ||
		!strings.HasPrefix(a.Header.Get("Content-Type"), "text/csv") {
		t.Errorf("status %d: %q", a.StatusCode, lines)
	}
}

// about is an attempt to trace.
var about = trace.About{Number: 1, Domain: "kunde.example", Site: "mx.kunde.example", Source: "post1"}

// journal keeps what is logged. It is safe for concurrent use.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// open opens an office whose log and tracer are known.
func open(t *testing.T) (*webtest.Desk, *trace.Tracer, *journal) {
	var tracer *trace.Tracer
	log := &journal{}
	d := webtest.Open(t, func(c *web.Config) {
		tracer, c.Sending.TraceFor = c.Sending.Trace, time.Minute
		c.Sending.Log = slog.New(slog.NewTextHandler(log, nil))
	})
	return d.SignIn(webtest.Staff), tracer, log
}

// TestTraceIsFollowed: the stream brings what the filter lets through, a line each, and
// the log names who watched; another site gets nothing.
func TestTraceIsFollowed(t *testing.T) {
	d, tracer, log := open(t)
	page := d.Get("/platform/trace?domain=kunde.example&conversation=1&watch=1")
	if !strings.Contains(page.Text, `data-stream="/platform/trace/live?conversation=1&amp;domain=kunde.example"`) {
		t.Errorf("the page follows something else: %s", page.Text)
	}
	for address, want := range map[string]int{
		"/platform/trace?delivery=x&watch=1": http.StatusUnprocessableEntity, "/platform/trace?record=1": http.StatusOK,
	} {
		if a := d.Get(address); a.StatusCode != want {
			t.Errorf("%s: status %d", address, a.StatusCode)
		}
	}
	r := d.Request(http.MethodGet, "/platform/trace/live?conversation=1&domain=kunde.example", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if a := d.Do(r); a.StatusCode != http.StatusForbidden {
		t.Errorf("another site: status %d", a.StatusCode)
	}
	ctx, leave := context.WithCancel(t.Context())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	answer, err := d.Client.Do(r.WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Scan() // "retry:", from here on somebody watches
	other := about
	other.Domain = "anders.example"
	for _, a := range []trace.About{other, about} {
		rec := tracer.Recorder()
		rec.Begin(a, trace.Earlier{})
		rec.Hear(smtp.Line{From: smtp.SpeakerServer, Stage: smtp.StageRcpt, Text: []byte("550 <b>no</b>")})
		rec.End(trace.Verdict{Outcome: event.OutcomeBounced})
	}
	var got []string
	for len(got) < 3 && lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			got = append(got, text)
		}
	}
	if len(got) != 3 || !strings.Contains(got[0], "to kunde.example over post1 > mx.kunde.example") || !strings.Contains(got[1], "S 550 <b>no</b>") || !strings.Contains(got[2], "bounced") {
		t.Errorf("brought %q", got)
	}
	leave()
	_ = answer.Body.Close()
	if text := log.String(); !strings.Contains(text, `msg="trace begins" actor=usr_`) || !strings.Contains(text, `domain \"kunde.example\"`) {
		t.Errorf("the log says %s", text)
	}
}
