package delivery

import (
	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/smtp"
	"stafette/internal/tlspolicy"
)

// finding is what one try at a mail came to, before anything is decided.
type finding struct {
	accepted  bool
	uncertain bool        // the reply to the final dot was lost
	stage     smtp.Stage  // where it ended; "" if no server was tried
	reply     *smtp.Reply // nil if none came
	enhanced  string      // our own RFC 3463 code where no reply came
	local     string      // our own words where no reply came
	judgement bounce.Judgement
	failure   *tlspolicy.PolicyError // of a policy that forbids the session; class is TLSPolicy then
}

// connecting reports whether the session did not come to its first transaction.
func (f finding) connecting() bool {
	switch f.stage {
	case smtp.StageConnect, smtp.StageGreeting, smtp.StageEHLO, smtp.StageSTARTTLS:
		return true
	}
	return false
}

// lost reports whether the session broke off or was closed by the server, which
// says nothing about the mail (RFC 5321, 3.8 for 421).
func (f finding) lost() bool {
	if f.stage == "" {
		return false
	}
	return f.judgement.Scope == bounce.ScopeSession || f.reply != nil && f.reply.Code == 421
}

// chances are the other ways that are left within the attempt.
type chances struct {
	reused  bool // the session had been used before; a new one may do
	plain   bool // the session may be tried without encryption
	hosts   bool // another host or address may be tried
	sources bool // another source may be tried
	// tomorrow: another source may be tried once a new day begins.
	tomorrow bool
	// old: this was a new source of a changeover, and an old one may be tried.
	old bool
}

// step is what follows a finding.
type step int

const (
	stepSettle step = iota // the attempt is over
	stepAnew               // the same way over a new session
	stepPlain              // the same host without encryption
	stepHost               // the next host
	stepSource             // another source, at once
	stepOld                // an old source of the changeover, at once and once
)

// decision is what follows from a finding.
type decision struct {
	step    step
	state   event.State
	outcome event.Outcome
	scope   bounce.Scope
	// rest: the whole lane waits, and what is queued on it with it.
	rest bool
}

// decide is the failure policy, in one place, by scope of blame (design §7, after
// Postfix's smtp_trouble.c). The order of the cases is the policy: a way that is
// left comes before a verdict, and a verdict blames as few as it can.
func decide(f finding, c chances) decision {
	source := f.judgement.Scope == bounce.ScopeSource
	switch {
	case f.accepted:
		return decision{state: event.Delivered, outcome: event.OutcomeDelivered}
	case f.uncertain:
		// No other host is asked now: the copy would be certain, the first one too.
		return decision{state: event.Deferred, outcome: event.OutcomeUncertain, scope: bounce.ScopeSession}
	case f.stage == smtp.StageSTARTTLS && c.plain:
		return decision{step: stepPlain}
	case !f.connecting() && f.judgement.Class == rateLimited:
		return settle(f, c) // another host or session would be more of what is too much
	case f.lost() && c.reused:
		return decision{step: stepAnew}
	case c.old && blamesNewcomer(f) && (source || !f.connecting() || !c.hosts):
		return decision{step: stepOld}
	case source && c.sources:
		return decision{step: stepSource}
	case (f.lost() || f.connecting() || f.judgement.Class == bounce.RequireTLS) && c.hosts:
		return decision{step: stepHost}
	}
	return settle(f, c)
}

// settle ends the attempt: what no way is left for is refused or waits.
func settle(f finding, c chances) decision {
	source := f.judgement.Scope == bounce.ScopeSource
	d := decision{state: event.Deferred, outcome: event.OutcomeDeferred, scope: f.judgement.Scope}
	if f.judgement.Permanent && (!source || !c.tomorrow) {
		d.state, d.outcome = event.Bounced, event.OutcomeBounced
		return d
	}
	// A domain's policy says nothing about other domains with the same servers.
	d.rest = f.connecting() && f.failure == nil || source && f.stage != "" || slowDown(f)
	if f.connecting() && !source {
		d.scope = bounce.ScopeSite // every host of it was tried
	}
	return d
}

// rateLimited is the class of replies that ask for less mail, not for this mail later.
const rateLimited bounce.Class = "rate_limited"

// slowDown reports whether the site as a whole asks to be left alone for a while.
func slowDown(f finding) bool {
	if f.reply == nil || f.judgement.Scope != bounce.ScopeSite {
		return false
	}
	return f.reply.Code == 421 || f.judgement.Class == rateLimited
}
