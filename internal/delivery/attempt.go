package delivery

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"stafette/internal/bounce"
	"stafette/internal/egress"
	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/smtp"
)

// maxReply bounds the server's words in the record.
const maxReply = 4 << 10

// report is everything about the end of an attempt.
type report struct {
	finding  finding
	decision decision
	via      candidate
	source   egress.Source
	tls      *tls.ConnectionState
	guard    guarantee
	note     string
	shared   bool            // found out by another mail to the same site
	rests    time.Time       // until when the lane rests because of it
	schedule *queue.Schedule // of retries over the lane; nil: the engine's
	again    bool            // another host or way was tried before
	said     []byte          // what was said, sealed, if it is to be kept
}

func (r report) words() string { return r.finding.words() }

// words returns what was said, or what we found, as one short line for operators.
func (f finding) words() string {
	if f.reply == nil {
		return clean(f.local, 300)
	}
	return clean(strings.Join(f.reply.Lines, " "), 300)
}

// conclude records an attempt and its verdict.
func (e *Engine) conclude(p *parcel, r report) {
	d := r.decision
	kind := event.AttemptFailed
	switch d.state {
	case event.Delivered:
		kind = event.Completed
	case event.Bounced:
		kind = event.Refused
	}
	s := e.settlement(p, d.state, kind, string(r.finding.judgement.Class))
	s.Attempts = p.Attempts + 1
	s.Dialogue = r.said
	s.Host = r.via.host
	s.Event.Attempt = e.record(p, r, s.Event.At)
	if d.state == event.Deferred {
		e.postpone(p, r, &s)
	}
	if d.state == event.Delivered && p.fell != nil {
		s.Fallback = p.fell.mark(p)
		e.cfg.Metrics.fallbacks.Inc()
	}
	if e.cfg.Strike != nil && (s.State == event.Bounced || s.State == event.Expired) {
		s.Strike = e.cfg.Strike(p.Entry, r.finding.judgement, s.Event.At)
	}
	e.cfg.Metrics.attempts.WithLabelValues(string(d.outcome)).Inc()
	e.finish(p, s)
}

// postpone sets the next attempt of a deferred delivery, not before its lane has
// rested, or gives up if it would be after the delivery's time.
func (e *Engine) postpone(p *parcel, r report, s *queue.Settlement) {
	now, schedule := s.Event.At, e.cfg.Schedule
	if r.schedule != nil {
		schedule = r.schedule
	}
	due := now.Add(schedule.After(s.Attempts)).Truncate(time.Millisecond)
	if due.Before(r.rests) {
		due = r.rests
	}
	if !p.ExpiresAt.IsZero() && due.After(p.ExpiresAt) {
		s.State, s.Event.Type = event.Expired, event.GaveUp
		return
	}
	s.DueAt, s.Event.Attempt.NextAt = due, due
	if len(p.own) == 0 { // what the next attempt bears may differ
		s.Signature = p.signature
	}
}

// settlement makes the frame of a verdict that no attempt led to.
func (e *Engine) settlement(p *parcel, state event.State, kind event.Type, reason string) queue.Settlement {
	now := e.cfg.Now().UTC().Truncate(time.Millisecond)
	var earlier []event.Event
	if p.fell != nil {
		now = p.fell.before(now)
		earlier = []event.Event{p.fell.event}
	}
	return queue.Settlement{
		Earlier:  earlier,
		Tenant:   p.Tenant,
		Delivery: p.Delivery,
		Epoch:    p.Epoch,
		State:    state,
		Attempts: p.Attempts,
		Stream:   p.Stream,
		Group:    p.Group(),
		ReadyAt:  p.ReadyAt(),
		Event: event.Event{
			ID:       id.New[event.Kind](now),
			Message:  message.Of(p.Delivery),
			Delivery: p.Delivery,
			Type:     kind,
			At:       now,
			Actor:    "system",
			Reason:   reason,
		},
	}
}

// record writes the attempt down.
func (e *Engine) record(p *parcel, r report, now time.Time) *event.Attempt {
	f := r.finding
	a := &event.Attempt{
		Number:   p.Attempts + 1,
		EHLO:     r.source.EHLO,
		MX:       r.via.host,
		Stage:    string(f.stage),
		Enhanced: f.enhanced,
		Local:    clean(f.local, maxReply),
		Outcome:  r.decision.outcome,
		Class:    string(f.judgement.Class),
		Scope:    string(r.decision.scope),
		Took:     max(now.Sub(p.began), 0),
	}
	if r.source.Fixed() {
		a.Source = r.source.IP.String()
	}
	if r.via.addr.IsValid() {
		a.Address = r.via.addr.String()
	}
	if r.tls != nil {
		a.TLS, a.Cipher = tls.VersionName(r.tls.Version), tls.CipherSuiteName(r.tls.CipherSuite)
	}
	a.TLSPolicy, a.TLSResult = r.guard.policy, r.guard.result
	if f.failure != nil {
		a.TLSPolicy, a.TLSResult = string(f.failure.Kind), string(f.failure.Result)
	}
	if f.reply != nil {
		a.Code, a.Enhanced = f.reply.Code, f.reply.Enhanced
		a.Reply = clean(strings.Join(f.reply.Lines, "\n"), maxReply)
	}
	for _, note := range []string{p.note, r.note} {
		if note != "" {
			a.Local = strings.TrimPrefix(a.Local+"; "+clean(note, 500), "; ")
		}
	}
	if r.shared {
		a.Local = strings.TrimPrefix(a.Local+"; found out by another mail to the same site", "; ")
	}
	return a
}

// clean makes foreign words fit for the record: valid UTF-8 without control
// characters but line feed and tab, cut to n bytes.
func clean(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// judge turns the error of a session or transaction into a finding.
func (e *Engine) judge(err error, host string) finding {
	f := finding{stage: smtp.StageConnect}
	var se *smtp.Error
	if errors.As(err, &se) {
		f.stage, f.reply, f.uncertain = se.Stage, se.Reply, se.Uncertain
	}
	if f.reply == nil {
		f.local, f.judgement = brokenOff(err, f), e.cfg.Judge.Local(err)
		if f.judgement.Class == bounce.RequireTLS {
			f.enhanced = "5.7.30" // RFC 8689, 8.2
		}
		return f
	}
	f.judgement = e.cfg.Judge.Judge(bounce.Input{
		Code:     f.reply.Code,
		Enhanced: f.reply.Enhanced,
		Text:     clean(strings.Join(f.reply.Lines, "\n"), maxReply),
		Stage:    string(f.stage),
		Host:     host,
	})
	return f
}

// brokenOff says in our own words why no reply came.
func brokenOff(err error, f finding) (words string) {
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		words = "no answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		words = "connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		words = "no route to the host"
	case f.stage == smtp.StageSTARTTLS:
		words = "encryption failed: " + cause(err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		words = "connection lost"
	default:
		words = cause(err)
	}
	if f.uncertain {
		words += " after the whole message was sent"
	}
	return words
}

// cause returns the text of what lies under an *smtp.Error, shortened.
func cause(err error) string {
	var se *smtp.Error
	if errors.As(err, &se) && se.Err != nil {
		err = se.Err
	}
	return clean(err.Error(), 200)
}

// changeSource sends a parcel whose source was refused over another one at once.
func (e *Engine) changeSource(ctx context.Context, p *parcel, r report) {
	e.cfg.Log.Warn("source refused", "source", r.source.String(), "site", p.target.site, "reply", r.words())
	e.cfg.Metrics.refused.WithLabelValues(r.source.String()).Inc()
	p.note = "source " + r.source.String() + " was refused: " + r.words()
	p.tried = append(p.tried, r.source.String())
	e.unload(p)
	e.place(ctx, p)
}
