package delivery

import (
	"context"
	"errors"
	"slices"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/smtp"
	"stafette/internal/spool"
)

// Reasons for which a mail is held at the moment of sending.
const (
	reasonChanged = "attachment_changed" // an attachment is missing or not what was accepted
	reasonCorrupt = "body_corrupt"       // the body is not what was written
	reasonLetter  = "content_failed"     // what is known of the recipient breaks the form letter
	reasonGone    = "body_gone"          // the body was erased or its retention time is over
	reasonGate    = "content_refused"    // the stream's gate refused it and gave no reason of its own
	reasonDomain  = "domain_removed"     // the tenant has given the sending domain up
)

// classOurs is the class of failures on our side: no receiving server was asked.
const classOurs = bounce.LocalError

// overhead is what a mail in hand weighs besides its body.
const overhead = 4 << 10

// weight returns what the parcel takes of the memory budget.
func (e *Engine) weight(p *parcel) int64 { return min(p.Size+overhead, e.cfg.Memory) }

// prepare waits for memory and makes the parcel ready to send. False means that
// it has been taken care of otherwise.
func (e *Engine) prepare(ctx context.Context, p *parcel) bool {
	if err := e.memory.Acquire(ctx, e.weight(p)); err != nil {
		e.leave(p)
		return false
	}
	return e.load(ctx, p)
}

// load reads, checks and signs the parcel's mail; the memory for it has been
// acquired. A mail that is not what was accepted is held and never leaves.
func (e *Engine) load(ctx context.Context, p *parcel) bool {
	p.weight = e.weight(p)
	if !e.mayGo(ctx, p) {
		return false
	}
	body, err := e.cfg.Bodies.Body(ctx, p.Body)
	switch {
	case ctx.Err() != nil:
		e.unload(p)
		e.leave(p)
		return false
	case errors.Is(err, spool.ErrGone):
		e.hold(p, reasonGone, err)
		return false
	case errors.Is(err, spool.ErrUnmergeable):
		e.hold(p, reasonLetter, err)
		return false
	case errors.Is(err, spool.ErrCorrupt):
		e.hold(p, reasonCorrupt, err)
		return false
	case err != nil:
		e.failHere(p, "the message could not be read", err)
		return false
	}
	if len(p.Digests) > 0 {
		if err := message.Verify(body, p.Digests); err != nil {
			e.hold(p, reasonChanged, err)
			return false
		}
	}
	if gate := e.cfg.Gate[p.Stream]; gate != nil {
		if err := gate(body); err != nil {
			reason := reasonGate
			if f := fault.As(err); f != nil {
				reason = f.Code
			}
			e.hold(p, reason, err)
			return false
		}
	}
	if !e.sign(ctx, p, body) {
		return false
	}
	p.mail = smtp.Mail{
		From:     e.cfg.ReturnPath(p.Entry),
		To:       p.Recipient.String(),
		Parts:    [][]byte{p.signature, p.own, body},
		EightBit: p.EightBit,
		UTF8:     p.UTF8,

		RequireTLS: p.TLS == message.TLSDemanded,
		Notify:     p.Notify, OriginalRecipient: p.OriginalRecipient, Return: p.Return, EnvelopeID: p.EnvelopeID,
	}
	p.prepared = true
	return true
}

// sign makes the fields that go before the body. False means that the parcel has been
// taken care of.
func (e *Engine) sign(ctx context.Context, p *parcel, body []byte) bool {
	var err error
	if e.cfg.OwnFields != nil {
		p.own = e.cfg.OwnFields(p.Entry, body)
	}
	p.signature = p.Entry.Signature
	switch {
	case len(p.own) > 0:
		p.signature, err = e.cfg.SignOwn(ctx, p.Entry, slices.Concat(p.own, body))
	case len(p.signature) == 0:
		p.signature, err = e.cfg.Sign(ctx, p.Entry, body)
	}
	switch {
	case ctx.Err() != nil:
		e.unload(p)
		e.leave(p)
	case errors.Is(err, ErrDomainGone):
		e.hold(p, reasonDomain, err)
	case err != nil:
		e.failHere(p, "the message could not be signed", err)
	default:
		return true
	}
	return false
}

// mayGo asks again what was asked at acceptance: a suppression that came while the mail
// waited holds for it too. False means that it has been taken care of.
func (e *Engine) mayGo(ctx context.Context, p *parcel) bool {
	if e.cfg.Halted != nil {
		if reason := e.cfg.Halted(p.Entry); reason != "" {
			e.finish(p, e.settlement(p, event.Held, event.Paused, reason))
			return false
		}
	}
	return e.asks(ctx, p, e.cfg.Waits, event.Held, event.Paused) && e.asks(ctx, p, e.cfg.Withheld, event.Suppressed, event.Withheld)
}

// asks settles the parcel if the question has a reason why it may not go. False means that
// it has been taken care of.
func (e *Engine) asks(ctx context.Context, p *parcel, question func(context.Context, queue.Entry) (string, error), state event.State, what event.Type) bool {
	if question == nil {
		return true
	}
	reason, err := question(ctx, p.Entry)
	switch {
	case ctx.Err() != nil:
		e.unload(p)
		e.leave(p)
		return false
	case err != nil:
		e.failHere(p, "whether the recipient may be written to could not be found out", err)
		return false
	case reason != "":
		e.finish(p, e.settlement(p, state, what, reason))
		return false
	}
	return true
}

// unload gives the parcel's memory back.
func (e *Engine) unload(p *parcel) {
	if p.weight > 0 {
		e.memory.Release(p.weight)
	}
	p.weight, p.prepared, p.mail = 0, false, smtp.Mail{}
}

// hold settles a mail that must not leave.
func (e *Engine) hold(p *parcel, reason string, cause error) {
	e.cfg.Log.Error("mail held", "message", message.Of(p.Delivery).String(), "reason", reason, "err", cause)
	s := e.settlement(p, event.Held, event.Paused, reason)
	e.finish(p, s)
}

// failHere defers a mail for a failure of our own.
func (e *Engine) failHere(p *parcel, words string, cause error) {
	e.cfg.Log.Error("mail not ready to send", "message", message.Of(p.Delivery).String(), "err", cause)
	f := local(classOurs, "", false, "", words)
	e.conclude(p, report{finding: f, decision: decide(f, chances{})})
}

// expire settles a delivery whose time was over before this attempt.
func (e *Engine) expire(p *parcel) {
	s := e.settlement(p, event.Expired, event.GaveUp, "expired")
	e.finish(p, s)
}

// finish hands a verdict to the settler and lets the parcel go.
func (e *Engine) finish(p *parcel, s queue.Settlement) {
	e.unload(p)
	s.Report = e.reportDue(p, s)
	e.settler.submit(s, p.begun)
	p.begun = false
}
