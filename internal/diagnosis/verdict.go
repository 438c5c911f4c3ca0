package diagnosis

import (
	"strings"
	"time"

	"stafette/internal/dns"
	"stafette/internal/event"
	"stafette/internal/insight"
)

// Situation is what a delivery's facts come to: the row of the copy deck that tells
// it. Its texts are "v.<situation>.v" (the verdict), "v.<situation>.do" (what to do now)
// and "v.<situation>.msg" (what to write to the customer).
type Situation string

// The situations.
const (
	Never      Situation = "never"     // nothing was ever accepted for this address
	NotFound   Situation = "notfound"  // nothing was found for these words
	Waiting    Situation = "queued"    // the first attempt stands before
	Scheduled  Situation = "scheduled" // to be sent later, as was asked
	Delivered  Situation = "delivered" // taken by the recipient's server
	Complained Situation = "complained"
	Forwarded  Situation = "forward" // taken by a server that passes mail on
	Greylisted Situation = "greylist"
	Limited    Situation = "rate"
	Full       Situation = "full"
	Deferred   Situation = "deferred" // not taken for now, for another reason
	Uncertain  Situation = "uncertain"
	Unknown    Situation = "unknown"
	Disabled   Situation = "disabled"
	NoMail     Situation = "nomail"
	Source     Situation = "source" // our address is refused
	Domain     Situation = "domain" // proofs of the sending domain are missing
	Content    Situation = "content"
	TooBig     Situation = "toobig"
	Refused    Situation = "refused" // for another reason
	Late       Situation = "late"
	Expired    Situation = "expired"
	Held       Situation = "held"
	Damaged    Situation = "damaged" // held for good: what is kept is not what was accepted
	Cancelled  Situation = "cancelled"

	SuppressedBounce    Situation = "sup_bounce"
	SuppressedComplaint Situation = "sup_complaint"
	SuppressedWish      Situation = "sup_unsub"
	SuppressedOther     Situation = "sup_other"
)

// Situations lists all of them.
func Situations() []Situation {
	return []Situation{
		Never, NotFound, Waiting, Scheduled, Delivered, Complained, Forwarded, Greylisted, Limited, Full, Deferred, Uncertain,
		Unknown, Disabled, NoMail, Source, Domain, Content, TooBig, Refused, Late, Expired, Held, Damaged, Cancelled,
		SuppressedBounce, SuppressedComplaint, SuppressedWish, SuppressedOther,
	}
}

// Verdict is what became of one delivery, and what proves it.
type Verdict struct {
	Situation Situation
	// Query is what was asked for; set where nothing was found, and then all else is zero.
	Query    string
	Message  insight.Message
	Delivery insight.Delivery
	Evidence Evidence
	// Guide helps the recipient to find mail at the provider whose server was talked to.
	Guide Guide
	// Again are later messages by which this one was sent again, from new to old.
	Again []insight.Message
}

// Accepted reports whether a server took the mail and did not send it back. Only then
// can it lie in some folder, and only then do safe senders help.
func (v Verdict) Accepted() bool {
	return v.Delivery.State == event.Delivered && v.Situation != Late
}

// Waits reports whether the delivery is still to come.
func (v Verdict) Waits() bool { return v.Query == "" && !v.Delivery.State.Final() }

// Evidence are the facts behind a verdict.
type Evidence struct {
	// Attempt is the one that decided: that a server accepted or refused, otherwise the
	// last. Nil if there was none. At is when it ended.
	Attempt *event.Attempt
	At      time.Time
	First   time.Time // when the first attempt ended; zero if none did
	Last    time.Time // when the last one ended
	// Later is the fact that became known after a server took the mail; nil if none.
	Later *event.Event
	// PassedOn: a report spoke of another address, or of a server behind the first one.
	PassedOn bool
}

// Host is the server that spoke last, "" if none did.
func (v Verdict) Host() string {
	if a := v.Evidence.Attempt; a != nil && a.MX != "" {
		return a.MX
	}
	return v.Delivery.Host
}

// Provider names the mailbox provider behind the server that was talked to, as
// dns.Provider does; "" if it is none we know.
func (v Verdict) Provider() string { return dns.Provider([]dns.MX{{Host: v.Host()}}) }

// judge makes the verdict about a delivery from its facts.
func (s *Service) judge(m insight.Message, d insight.Delivery, facts []event.Event, now time.Time) Verdict {
	v := Verdict{Message: m, Delivery: d, Evidence: evidence(d, facts)}
	v.Guide = s.guideFor(v.Host())
	v.Situation = situation(v, now)
	if v.Situation == Delivered && (v.Guide.Forwards || v.Evidence.PassedOn) {
		v.Situation = Forwarded
	}
	return v
}

// Event is the fact that the attempt is part of, as far as evidence keeps it; its
// Attempt is not nil if that of e is not.
func (e Evidence) Event() event.Event { return event.Event{At: e.At, Attempt: e.Attempt} }

func evidence(d insight.Delivery, facts []event.Event) Evidence {
	var e Evidence
	for _, f := range facts {
		if f.Delivery != d.ID {
			continue
		}
		if f.Attempt != nil {
			if e.First.IsZero() {
				e.First = f.At
			}
			e.Last = f.At
			if e.Attempt == nil || e.Attempt.Outcome != event.OutcomeDelivered {
				e.Attempt, e.At = f.Attempt, f.At
			}
		}
		if f.Type.Mark() != "" && (e.Later == nil || f.Type == event.LateBounced) {
			e.Later = &f
		}
		if f.Type == event.ReportedRelayed || f.Report != nil && f.Report.Recipient != "" && !strings.EqualFold(f.Report.Recipient, canonical(d.Recipient)) {
			e.PassedOn = true
		}
	}
	return e
}

func situation(v Verdict, now time.Time) Situation {
	d := v.Delivery
	switch d.State {
	case event.Queued, event.Sending, event.Deferred:
		return pending(v, now)
	case event.Held:
		switch d.Reason {
		case "attachment_changed", "attachment_missing", "body_corrupt", "body_gone":
			return Damaged
		}
		return Held
	case event.Delivered:
		switch {
		case d.Marked(event.MarkLateBounce):
			return Late
		case d.Marked(event.MarkComplained):
			return Complained
		}
		return Delivered
	case event.Bounced:
		return refusal(d.Reason)
	case event.Expired:
		return Expired
	case event.Cancelled:
		return Cancelled
	case event.Suppressed:
		return suppressed(d.Reason)
	}
	return Refused
}

// pending is the situation of a delivery that waits.
func pending(v Verdict, now time.Time) Situation {
	d := v.Delivery
	switch {
	case v.Evidence.Attempt != nil && v.Evidence.Attempt.Outcome == event.OutcomeUncertain:
		return Uncertain
	case d.State == event.Deferred:
		return delay(d.Reason)
	case d.Attempts == 0 && d.DueAt.After(now.Add(time.Minute)):
		return Scheduled
	}
	return Waiting
}

func delay(reason string) Situation {
	switch reason {
	case "greylisted":
		return Greylisted
	case "rate_limited":
		return Limited
	case "mailbox_full":
		return Full
	case "ip_blocked", "ip_dns":
		return Source
	}
	return Deferred
}

func refusal(reason string) Situation {
	switch reason {
	case "user_unknown", "recipient_moved":
		return Unknown
	case "mailbox_disabled":
		return Disabled
	case "mailbox_full":
		return Full
	case "domain_no_mail", "dns_no_domain", "dns_no_host":
		return NoMail
	case "ip_blocked", "ip_dns":
		return Source
	case "auth_missing":
		return Domain
	case "content_spam", "content_virus":
		return Content
	case "too_large":
		return TooBig
	}
	return Refused
}

func suppressed(reason string) Situation {
	switch reason {
	case "hard_bounce", "repeated_bounce":
		return SuppressedBounce
	case "complaint":
		return SuppressedComplaint
	case "unsubscribed":
		return SuppressedWish
	}
	return SuppressedOther
}
