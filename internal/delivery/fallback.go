package delivery

import (
	"context"
	"strconv"
	"strings"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/queue"
	"stafette/internal/smtp"
)

// blamesNewcomer reports whether a refusal may be about the address we came from, so
// that during the overlap of a changeover an address the server has known for long is
// worth a try: it blames the source, or the server as a whole refuses us, or it refuses
// before it knows whom the mail is for, or by a rule it does not name. What is said of
// recipients, sender domains and size is said of the mail whatever its source.
func blamesNewcomer(f finding) bool {
	if f.accepted || f.uncertain || f.reply == nil {
		return false
	}
	switch f.judgement.Scope {
	case bounce.ScopeSource:
		return true
	case bounce.ScopeSite:
		return f.judgement.Permanent
	case bounce.ScopeMessage:
		early := f.connecting() || f.stage == smtp.StageMail
		return f.judgement.Permanent && (early || f.judgement.Class == classPolicy)
	}
	return false
}

// classPolicy is the class of refusals by a rule that is not named.
const classPolicy bounce.Class = "policy"

// fall is an attempt over a new source that is repeated over an old one.
type fall struct {
	shift  string
	report report
	event  event.Event
}

// fallBack sends a parcel that was refused over a new source through an old one at once.
// The refusal is a fact of its own, written with the verdict of the other attempt.
func (e *Engine) fallBack(ctx context.Context, l *lane, p *parcel, r report) {
	shift, _ := e.cfg.Fleet.Catches(p.wish(), l.key.Source)
	e.cfg.Log.Info("new source refused, old one tried", "source", l.key.Source, "site", p.target.site, "changeover", shift, "reply", r.words())
	e.cfg.Metrics.refused.WithLabelValues(l.key.Source).Inc()
	r.source.Name = l.key.Source
	d := decision{state: event.Deferred, outcome: event.OutcomeDeferred, scope: r.finding.judgement.Scope}
	r.decision = d
	s := e.settlement(p, d.state, event.AttemptFailed, string(r.finding.judgement.Class))
	s.Event.Attempt = e.record(p, r, s.Event.At)
	s.Event.Attempt.NextAt = s.Event.At
	p.fell = &fall{shift: shift, report: r, event: s.Event}
	p.Attempts++
	p.note = ""
	p.tried = append(p.tried, l.key.Source)
	e.unload(p)
	e.place(ctx, p)
}

// before returns now, or the moment after the refusal if that is later: facts are told
// in the order of their identifiers, which carry milliseconds.
func (f *fall) before(now time.Time) time.Time {
	if next := f.event.At.Add(time.Millisecond); now.Before(next) {
		return next
	}
	return now
}

// mark says whose server took the mail over the old source only.
func (f *fall) mark(p *parcel) *queue.Fallback {
	return &queue.Fallback{Shift: f.shift, Source: f.report.source.Name, Domain: p.Recipient.Domain, Site: p.target.site,
		Reply: withoutAddress(f.reply(), p.Recipient.Local)}
}

// reply is the refusal as the server sent it, on one line.
func (f *fall) reply() string {
	said := f.report.finding.reply
	return strings.Join(strings.Fields(strconv.Itoa(said.Code)+" "+said.Enhanced+" "+f.report.words()), " ")
}

// withoutAddress takes a recipient's local part out of a server's words, which stay with
// the customer's mark after the mail is erased.
func withoutAddress(words, local string) string {
	if local == "" {
		return words
	}
	var b strings.Builder
	for {
		at := indexFold(words, local+"@")
		if at < 0 {
			return b.String() + words
		}
		b.WriteString(words[:at] + "…")
		words = words[at+len(local):]
	}
}

// indexFold is strings.Index without regard to the case of ASCII letters.
func indexFold(s, part string) int {
	for i := 0; i+len(part) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(part)], part) {
			return i
		}
	}
	return -1
}

// followShifts finds what waits on lanes its place anew when the shares of a changeover
// change, until the engine stops: a roll-back takes mail in the queue with it.
func (e *Engine) followShifts(ctx context.Context) {
	for {
		select {
		case <-e.cfg.Fleet.Shifted():
		case <-e.stop:
			return
		}
		var list []*parcel
		e.mu.Lock()
		for _, l := range e.lanes {
			list = append(list, e.drain(l)...)
		}
		e.mu.Unlock()
		e.replace(ctx, list)
	}
}
