package delivery

import (
	"testing"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/smtp"
)

// said makes a finding from a reply; scope and permanence are what package bounce
// would say of it.
func said(stage smtp.Stage, code int, scope bounce.Scope, permanent bool) finding {
	return finding{stage: stage, reply: &smtp.Reply{Code: code}, judgement: bounce.Judgement{Class: "x", Scope: scope, Permanent: permanent}}
}

// broke makes a finding without a reply.
func broke(stage smtp.Stage) finding {
	return finding{stage: stage, local: "connection lost", judgement: bounce.Judgement{Class: "connection_lost", Scope: bounce.ScopeSession}}
}

func TestDecide(t *testing.T) {
	const (
		deferred  = event.Deferred
		bounced   = event.Bounced
		permanent = true
	)
	all := chances{plain: true, hosts: true, sources: true}
	none := chances{}
	limited := said(smtp.StageMail, 450, bounce.ScopeSite, false)
	limited.judgement.Class = rateLimited
	rule := said(smtp.StageDot, 554, bounce.ScopeMessage, permanent)
	rule.judgement.Class = classPolicy
	old := chances{old: true, hosts: true, sources: true}
	tests := []struct {
		name  string
		f     finding
		c     chances
		step  step
		state event.State
		scope bounce.Scope
		rest  bool
	}{
		{"accepted", finding{accepted: true, stage: smtp.StageDot}, all, stepSettle, event.Delivered, "", false},
		{"accepted, nothing else left", finding{accepted: true, stage: smtp.StageDot}, none, stepSettle, event.Delivered, "", false},
		{"reply to the dot lost", finding{uncertain: true, stage: smtp.StageDot}, all, stepSettle, deferred, bounce.ScopeSession, false},

		{"no connection, another host", broke(smtp.StageConnect), all, stepHost, "", "", false},
		{"no connection, last host", broke(smtp.StageConnect), none, stepSettle, deferred, bounce.ScopeSite, true},
		{"lost at greeting, last host", broke(smtp.StageGreeting), none, stepSettle, deferred, bounce.ScopeSite, true},
		{"lost at rcpt, new session, another host", broke(smtp.StageRcpt), chances{hosts: true}, stepHost, "", "", false},
		{"lost at rcpt, used session", broke(smtp.StageRcpt), chances{reused: true, hosts: true}, stepAnew, "", "", false},
		{"lost at data, nothing left", broke(smtp.StageData), none, stepSettle, deferred, bounce.ScopeSession, false},

		{"encryption failed", broke(smtp.StageSTARTTLS), all, stepPlain, "", "", false},
		{"STARTTLS refused", said(smtp.StageSTARTTLS, 454, bounce.ScopeSite, false), all, stepPlain, "", "", false},
		{"encryption failed, plain tried", broke(smtp.StageSTARTTLS), chances{hosts: true}, stepHost, "", "", false},

		{"421 at greeting, another host", said(smtp.StageGreeting, 421, bounce.ScopeSite, false), all, stepHost, "", "", false},
		{"421 at greeting, last host", said(smtp.StageGreeting, 421, bounce.ScopeSite, false), none, stepSettle, deferred, bounce.ScopeSite, true},
		{"421 at mail on a used session", said(smtp.StageMail, 421, bounce.ScopeSession, false), chances{reused: true}, stepAnew, "", "", false},
		{"421 at rcpt, site asks for rest", said(smtp.StageRcpt, 421, bounce.ScopeSite, false), none, stepSettle, deferred, bounce.ScopeSite, true},
		{"rate limit at mail", limited, all, stepSettle, deferred, bounce.ScopeSite, true},
		{"site full at rcpt", said(smtp.StageRcpt, 452, bounce.ScopeSite, false), all, stepSettle, deferred, bounce.ScopeSite, false},
		{"site takes no mail, another host", said(smtp.StageGreeting, 521, bounce.ScopeSite, permanent), all, stepHost, "", "", false},
		{"site takes no mail, last host", said(smtp.StageGreeting, 521, bounce.ScopeSite, permanent), none, stepSettle, bounced, bounce.ScopeSite, false},

		{"source blocked, another source", said(smtp.StageGreeting, 554, bounce.ScopeSource, permanent), all, stepSource, "", "", false},
		{"source blocked at rcpt, another source", said(smtp.StageRcpt, 550, bounce.ScopeSource, permanent), all, stepSource, "", "", false},
		{"source blocked, another host only", said(smtp.StageGreeting, 554, bounce.ScopeSource, permanent), chances{hosts: true}, stepHost, "", "", false},
		{"source blocked, nothing left", said(smtp.StageGreeting, 554, bounce.ScopeSource, permanent), none, stepSettle, bounced, bounce.ScopeSource, false},
		{"source blocked for now, nothing left", said(smtp.StageRcpt, 450, bounce.ScopeSource, false), none, stepSettle, deferred, bounce.ScopeSource, true},

		{"new source blocked, an old one", said(smtp.StageGreeting, 554, bounce.ScopeSource, permanent), old, stepOld, "", "", false},
		{"new source blocked for now, an old one", said(smtp.StageRcpt, 450, bounce.ScopeSource, false), old, stepOld, "", "", false},
		{"site refuses a new source, an old one", said(smtp.StageRcpt, 550, bounce.ScopeSite, permanent), old, stepOld, "", "", false},
		{"site refuses at greeting, another host first", said(smtp.StageGreeting, 521, bounce.ScopeSite, permanent), old, stepHost, "", "", false},
		{"site refuses at greeting, last host", said(smtp.StageGreeting, 521, bounce.ScopeSite, permanent), chances{old: true}, stepOld, "", "", false},
		{"site full, no reason for an old one", said(smtp.StageRcpt, 452, bounce.ScopeSite, false), old, stepSettle, deferred, bounce.ScopeSite, false},
		{"a rule without a name, an old one", rule, old, stepOld, "", "", false},
		{"content refused, no reason for an old one", said(smtp.StageDot, 554, bounce.ScopeMessage, permanent), old, stepSettle, bounced, bounce.ScopeMessage, false},
		{"user unknown, no reason for an old one", said(smtp.StageRcpt, 550, bounce.ScopeRecipient, permanent), old, stepSettle, bounced, bounce.ScopeRecipient, false},
		{"no connection, no reason for an old one", broke(smtp.StageConnect), chances{old: true}, stepSettle, deferred, bounce.ScopeSite, true},
		{"reply to the dot lost, no old one", finding{uncertain: true, stage: smtp.StageDot}, old, stepSettle, deferred, bounce.ScopeSession, false},

		{"DKIM missing", said(smtp.StageDot, 550, bounce.ScopeTenantDomain, permanent), all, stepSettle, bounced, bounce.ScopeTenantDomain, false},
		{"SPF for now", said(smtp.StageRcpt, 451, bounce.ScopeTenantDomain, false), all, stepSettle, deferred, bounce.ScopeTenantDomain, false},
		{"content refused", said(smtp.StageDot, 554, bounce.ScopeMessage, permanent), all, stepSettle, bounced, bounce.ScopeMessage, false},
		{"too large for now", said(smtp.StageMail, 452, bounce.ScopeMessage, false), all, stepSettle, deferred, bounce.ScopeMessage, false},
		{"user unknown", said(smtp.StageRcpt, 550, bounce.ScopeRecipient, permanent), all, stepSettle, bounced, bounce.ScopeRecipient, false},
		{"mailbox full", said(smtp.StageRcpt, 452, bounce.ScopeRecipient, false), all, stepSettle, deferred, bounce.ScopeRecipient, false},
		{"greylisted", said(smtp.StageRcpt, 450, bounce.ScopeRecipient, false), all, stepSettle, deferred, bounce.ScopeRecipient, false},

		{"domain takes no mail", finding{judgement: bounce.Judgement{Scope: bounce.ScopeRecipient, Permanent: true}}, none, stepSettle, bounced, bounce.ScopeRecipient, false},
		{"name server silent", finding{judgement: bounce.Judgement{Scope: bounce.ScopeSite}}, none, stepSettle, deferred, bounce.ScopeSite, false},
		{"no address of the source's family", finding{judgement: bounce.Judgement{Scope: bounce.ScopeSource}}, chances{sources: true}, stepSource, "", "", false},
		{"no address of any source's family", finding{judgement: bounce.Judgement{Scope: bounce.ScopeSource}}, none, stepSettle, deferred, bounce.ScopeSource, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := decide(tt.f, tt.c)
			if got.step != tt.step || got.state != tt.state || got.scope != tt.scope || got.rest != tt.rest {
				t.Errorf("got %+v, want step %d, state %q, scope %q, rest %t", got, tt.step, tt.state, tt.scope, tt.rest)
			}
			if got.step == stepSettle && !tt.f.uncertain && string(got.outcome) != string(got.state) {
				t.Errorf("outcome %q of state %q", got.outcome, got.state)
			}
			if tt.f.uncertain && got.outcome != event.OutcomeUncertain {
				t.Errorf("outcome %q, want uncertain", got.outcome)
			}
		})
	}
}
