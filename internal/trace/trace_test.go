package trace_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/smtp"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/trace"
)

// world is a tracer with a clock that moves a millisecond with each look.
type world struct {
	*trace.Tracer
	now  time.Time
	kept []trace.Kept
}

func newWorld(t *testing.T, mode trace.Mode) *world {
	t.Helper()
	keeper, err := seal.New(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	w.Tracer = trace.New(trace.Config{Mode: mode, Sealer: keeper, Store: w, Watches: 2, Now: func() time.Time {
		w.now = w.now.Add(time.Millisecond)
		return w.now
	}})
	return w
}

// Dialogues implements trace.Store.
func (w *world) Dialogues(context.Context, tenant.ID, message.ID, []spool.Day) ([]trace.Kept, error) {
	return w.kept, nil
}

func (w *world) about(n int) trace.About {
	return trace.About{Tenant: id.Lowest[tenant.Kind](w.now), Delivery: message.Delivery(message.NewID(w.now), 1), Number: n,
		Domain: "kunde.example", Site: "mx.kunde.example", Source: "post1"}
}

func say(r *trace.Recorder, next bool, lines ...string) {
	for _, l := range lines {
		r.Hear(smtp.Line{From: smtp.SpeakerServer, Stage: smtp.StageRcpt, Text: []byte(l), Next: next})
	}
}

func words(d *trace.Dialogue) string {
	if d == nil {
		return "nothing"
	}
	var list []string
	for _, l := range d.Lines {
		list = append(list, l.Text)
	}
	return strings.Join(list, " ")
}

var (
	refused = trace.Verdict{Outcome: event.OutcomeDeferred, Straight: true}
	taken   = trace.Verdict{Outcome: event.OutcomeDelivered, Straight: true}
)

func TestModesChooseWhatIsKept(t *testing.T) {
	detour := taken
	detour.Straight = false
	for mode, want := range map[trace.Mode]string{trace.Failures: "kept no kept", trace.All: "kept kept kept", trace.Off: "no no no"} {
		w := newWorld(t, mode)
		var got []string
		for _, v := range []trace.Verdict{refused, taken, detour} {
			r := w.Recorder()
			r.Begin(w.about(1), trace.Earlier{})
			say(r, false, "hallo")
			if r.End(v) == nil {
				got = append(got, "no")
			} else {
				got = append(got, "kept")
			}
		}
		if have := strings.Join(got, " "); have != want {
			t.Errorf("%s: %s, want %s", mode, have, want)
		}
	}
}

// TestLinesBelongToTheirAttempt: what was announced is the next attempt's, unless the
// session ended before; what was said on another connection stays.
func TestLinesBelongToTheirAttempt(t *testing.T) {
	w := newWorld(t, trace.All)
	r := w.Recorder()
	r.Begin(w.about(1), trace.Earlier{})
	say(r, false, "a1")
	say(r, true, "b1")
	say(r, false, "a2")
	if have := words(r.End(taken)); have != "a1 a2" {
		t.Errorf("first: %s", have)
	}
	r.Begin(w.about(1), trace.Earlier{})
	say(r, false, "b2")
	say(r, true, "c1")
	r.HangUp()
	if have := words(r.End(taken)); have != "b1 b2" {
		t.Errorf("second: %s", have)
	}
	say(r, false, "QUIT") // after the verdict
	r.Begin(w.about(1), trace.Earlier{})
	say(r, false, "c2")
	other := w.Recorder()
	say(other, true, "c3")
	other.Begin(w.about(1), r.Move())
	say(other, false, "c4")
	if have := words(other.End(refused)); have != "c2 c3 c4" {
		t.Errorf("third: %s", have)
	}
	if d := other.End(refused); d != nil {
		t.Error("an attempt ended twice")
	}
	var nobody *trace.Recorder
	nobody.Begin(w.about(1), trace.Earlier{})
	nobody.Note(smtp.StageConnect, "x")
	nobody.HangUp()
	if nobody.End(refused) != nil {
		t.Error("nobody recorded something")
	}
}

// TestLongDialoguesAreCut: a server that talks without end fills neither memory nor
// database; beginning and end stay, and what is missing is counted.
func TestLongDialoguesAreCut(t *testing.T) {
	w := newWorld(t, trace.All)
	r := w.Recorder()
	r.Begin(w.about(1), trace.Earlier{})
	say(r, false, "first")
	for i := range 5000 {
		say(r, false, fmt.Sprintf("%05d", i)+strings.Repeat("ä", 2000))
	}
	say(r, false, "last")
	d := r.End(refused)
	size := 0
	for _, l := range d.Lines {
		if size += len(l.Text); len(l.Text) > 1024 {
			t.Fatalf("a line of %d bytes", len(l.Text))
		}
	}
	if size > 64<<10 || len(d.Lines)+d.Left != 5002 || d.Lines[0].Text != "first" || d.Lines[len(d.Lines)-1].Text != "last" {
		t.Errorf("%d bytes, %d lines and %d left out, %q … %q", size, len(d.Lines), d.Left, d.Lines[0].Text, d.Lines[len(d.Lines)-1].Text)
	}
	if cut := d.Lines[1]; len(cut.Text)+cut.Cut != 4005 || !strings.HasSuffix(cut.Text, "ä") {
		t.Errorf("cut %d of %q", cut.Cut, cut.Text)
	}
	text := d.Text()
	for _, want := range []string{fmt.Sprintf("… %d lines left out", d.Left), "bytes more", "S last", "from post1 to mx.kunde.example"} {
		if !strings.Contains(text, want) {
			t.Errorf("the file does not say %q", want)
		}
	}
	if sealed, err := w.Seal(d); err != nil || len(sealed) > 64<<10 {
		t.Errorf("sealed to %d bytes, %v", len(sealed), err)
	}
}

// TestSealedForItsAttempt: what is kept can be read again, and nowhere else.
func TestSealedForItsAttempt(t *testing.T) {
	w := newWorld(t, trace.All)
	r := w.Recorder()
	about := w.about(3)
	r.Begin(about, trace.Earlier{})
	say(r, false, "550 kein solcher Empfänger")
	d := r.End(refused)
	sealed, err := w.Seal(d)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sealed), "Empf") {
		t.Error("kept in clear")
	}
	m, days := message.Of(about.Delivery), []spool.Day{spool.DayOf(w.now)}
	for name, c := range map[string]struct {
		owner tenant.ID
		kept  trace.Kept
		good  bool
	}{
		"its own":         {about.Tenant, trace.Kept{Delivery: about.Delivery, Number: 3, Sealed: sealed}, true},
		"another attempt": {about.Tenant, trace.Kept{Delivery: about.Delivery, Number: 2, Sealed: sealed}, false},
		"another tenant":  {id.New[tenant.Kind](w.now), trace.Kept{Delivery: about.Delivery, Number: 3, Sealed: sealed}, false},
		"garbage":         {about.Tenant, trace.Kept{Delivery: about.Delivery, Number: 3, Sealed: []byte("x")}, false},
	} {
		w.kept = []trace.Kept{c.kept}
		list, err := w.Tracer.Dialogues(t.Context(), c.owner, m, days)
		if c.good && (err != nil || len(list) != 1 || list[0].Text() != d.Text()) || !c.good && !errors.Is(err, seal.ErrOpen) {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
}

// TestWatch: everybody sees what they asked for, whole or in short, and somebody who
// reads too slowly is told how much was lost while sending went on.
func TestWatch(t *testing.T) {
	w := newWorld(t, trace.Off)
	r, a := w.Recorder(), w.about(1)
	if r.Listens() {
		t.Error("listens though nobody cares")
	}
	whole, err := w.Watch(trace.Filter{Domain: "KUNDE.example", Lane: "Post1", Lines: true})
	if err != nil {
		t.Fatal(err)
	}
	short, err := w.Watch(trace.Filter{Tenant: id.New[tenant.Kind](w.now)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Watch(trace.Filter{}); !fault.IsKind(err, fault.Limited) {
		t.Errorf("a third one: %v", err)
	}
	if !r.Listens() {
		t.Error("does not listen though somebody watches")
	}
	say(r, true, "announced")
	r.Begin(a, trace.Earlier{})
	for i := range 1200 {
		say(r, false, fmt.Sprint(i))
	}
	if r.End(refused) != nil {
		t.Error("kept though it is off")
	}
	lost, kinds := int64(0), map[trace.EntryKind]int64{}
	for range 1001 {
		e, err := whole.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		kinds[e.Kind]++
		lost += e.Lost
		if e.String() == "" {
			t.Errorf("%+v says nothing", e)
		}
	}
	if lost+kinds[trace.Began]+kinds[trace.Said] != 1203 || kinds[trace.Lost] != 1 || kinds[trace.Said] != 999 {
		t.Errorf("lost %d, %v", lost, kinds)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, one := range []*trace.Watch{whole, short} {
		if e, err := one.Next(over); !errors.Is(err, context.Canceled) {
			t.Errorf("%+v, %v", e, err)
		}
		one.Close()
		one.Close()
	}
	if r.Listens() {
		t.Error("listens though nobody watches any more")
	}
}

func TestDaysOfAttempts(t *testing.T) {
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	var facts []event.Event
	for i := range 10 {
		facts = append(facts, event.Event{At: at.Add(time.Duration(i) * 12 * time.Hour), Attempt: &event.Attempt{}}, event.Event{At: at.AddDate(1, 0, 0)})
	}
	days := trace.DaysOf(facts, 3)
	if last := spool.DayOf(at.Add(9 * 12 * time.Hour)); len(days) != 3 || days[0] != last || days[2] != last-2 {
		t.Errorf("%v", days)
	}
}

// BenchmarkHear is what an attempt costs that is recorded and not kept.
func BenchmarkHear(b *testing.B) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	r := trace.New(trace.Config{Now: func() time.Time { return now }}).Recorder()
	line := smtp.Line{From: smtp.SpeakerServer, Stage: smtp.StageRcpt, Text: []byte("250 2.1.5 Ok, this is a usual answer")}
	about := trace.About{Domain: "kunde.example"}
	b.ReportAllocs()
	for b.Loop() {
		r.Begin(about, trace.Earlier{})
		for range 12 {
			r.Hear(line)
		}
		r.End(taken)
	}
}
