package tracking_test

import (
	"fmt"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

func many(n int) []message.Address {
	var list []message.Address
	for i := range n {
		list = append(list, mail(fmt.Sprintf("r%d@x.example", i)))
	}
	return list
}

// TestDecide is the matrix of tenant, basis, stream, message and recipient.
func TestDecide(t *testing.T) {
	const eva = "eva@x.example"
	one := mails(eva)
	consent, contract := tracking.BasisConsent, tracking.BasisContract
	for name, c := range map[string]struct {
		level  tracking.Level
		basis  tracking.Basis
		limit  tracking.Level // of the stream
		stream tenant.Stream
		wish   tracking.Level
		to     []message.Address
		said   tracking.State
		want   string
	}{
		"nothing was ever set":              {to: one, want: "none basis"},
		"nothing set, many recipients":      {to: many(10), want: "aggregate basis"},
		"nothing set, nine recipients":      {to: many(9), want: "none basis"},
		"nothing set, wish is more":         {to: one, wish: tracking.Individual, want: "none basis"},
		"switched off":                      {level: tracking.None, to: one, want: "none tenant"},
		"counts only":                       {level: tracking.Aggregate, to: many(10), want: "aggregate tenant"},
		"counts only, one recipient":        {level: tracking.Aggregate, to: one, want: "none few_recipients"},
		"a contract":                        {level: tracking.Individual, basis: contract, to: one, want: "individual tenant"},
		"pseudonymous":                      {level: tracking.Pseudonymous, basis: contract, to: one, want: "pseudonymous tenant"},
		"the stream limits":                 {level: tracking.Individual, basis: contract, limit: tracking.None, to: one, want: "none stream"},
		"the stream allows more":            {level: tracking.Pseudonymous, basis: contract, limit: tracking.Individual, to: one, want: "pseudonymous tenant"},
		"leads never":                       {level: tracking.Individual, basis: contract, stream: tenant.Lead, to: one, want: "none stream"},
		"the platform's own mail never":     {level: tracking.Individual, basis: contract, stream: tenant.System, to: one, want: "none stream"},
		"the message says no":               {level: tracking.Individual, basis: contract, wish: tracking.None, to: one, want: "none message"},
		"the message says less":             {level: tracking.Individual, basis: contract, wish: tracking.Pseudonymous, to: one, want: "pseudonymous message"},
		"two recipients":                    {level: tracking.Individual, basis: contract, to: mails(eva, "max@x.example"), want: "pseudonymous several_recipients"},
		"the recipient withdrew":            {level: tracking.Individual, basis: contract, said: tracking.StateWithdrawn, to: one, want: "none recipient"},
		"one of two withdrew":               {level: tracking.Individual, basis: contract, said: tracking.StateWithdrawn, to: mails(eva, "max@x.example"), want: "none recipient"},
		"one of many withdrew":              {level: tracking.Aggregate, said: tracking.StateWithdrawn, to: append(many(20), one...), want: "none recipient"},
		"consent, granted":                  {level: tracking.Individual, basis: consent, said: tracking.StateGranted, to: one, want: "individual tenant"},
		"consent, nothing said":             {level: tracking.Individual, basis: consent, to: one, want: "none recipient"},
		"consent, unknown again":            {level: tracking.Individual, basis: consent, said: tracking.StateUnknown, to: one, want: "none recipient"},
		"consent, nothing said, many":       {level: tracking.Individual, basis: consent, to: many(10), want: "aggregate recipient"},
		"contract, granted does not raise":  {level: tracking.Pseudonymous, basis: contract, said: tracking.StateGranted, to: one, want: "pseudonymous tenant"},
		"consent, one of two did not grant": {level: tracking.Individual, basis: consent, said: tracking.StateGranted, to: mails(eva, "max@x.example"), want: "none recipient"},
		"wish for counts of one":            {level: tracking.Individual, basis: contract, wish: tracking.Aggregate, to: one, want: "none few_recipients"},
		"nobody":                            {level: tracking.Individual, basis: contract, want: "individual tenant"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if c.level != tracking.Unset {
				w.allow(c.level, c.basis)
			}
			if c.stream == "" {
				c.stream = tenant.Transactional
			}
			if c.limit != tracking.Unset {
				w.must(w.decider.SetStream(t.Context(), w.tenant, tracking.StreamLevel{Stream: c.stream, Level: c.limit}))
			}
			if c.said != "" {
				w.say(eva, c.said)
			}
			have, err := w.decider.Decide(t.Context(), w.tenant, c.stream, c.wish, c.to)
			if err != nil {
				t.Fatal(err)
			}
			if text := have.Level.String() + " " + string(have.Rule); text != c.want {
				t.Errorf("decided %s, want %s", text, c.want)
			}
			// What is decided now holds at the hit, if nothing changes.
			again, err := w.decider.AtHit(t.Context(), tracking.Sent{Tenant: w.tenant, Stream: c.stream, Decision: have, Recipients: c.to})
			if err != nil || again != have {
				t.Errorf("at the hit %+v, %v", again, err)
			}
		})
	}
}

// Mail of tenants without a basis must not cost a question to the store per message.
func TestDecideAsksOnlyWhereItMatters(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		if _, err := w.decider.Decide(t.Context(), w.tenant, tenant.Transactional, tracking.Unset, mails("eva@x.example")); err != nil {
			t.Fatal(err)
		}
	}
	if w.store.asked != 0 {
		t.Errorf("asked for consents %d times", w.store.asked)
	}
}

func TestAtHitOfWhatChanged(t *testing.T) {
	w := newWorld(t)
	w.allow(tracking.Individual, tracking.BasisContract)
	sent := tracking.Sent{Tenant: w.tenant, Stream: tenant.Transactional, Recipients: mails("eva@x.example"),
		Decision: tracking.Decision{Level: tracking.Individual, Rule: tracking.RuleTenant}}
	at := func(want tracking.Decision) {
		t.Helper()
		have, err := w.decider.AtHit(t.Context(), sent)
		if err != nil || have != want {
			t.Errorf("at the hit %+v, want %+v, %v", have, want, err)
		}
	}
	w.allow(tracking.Pseudonymous, tracking.BasisContract)
	at(tracking.Decision{Level: tracking.Pseudonymous, Rule: tracking.RuleTenant})
	w.allow(tracking.None, "")
	at(tracking.Decision{Level: tracking.None, Rule: tracking.RuleTenant})
	w.allow(tracking.Individual, tracking.BasisConsent)
	at(tracking.Decision{Level: tracking.None, Rule: tracking.RuleRecipient})
	w.say("Eva@x.example", tracking.StateGranted)
	at(sent.Decision)
	w.say("eva@x.example", tracking.StateWithdrawn)
	at(tracking.Decision{Level: tracking.None, Rule: tracking.RuleRecipient})
	// Another node's change is known when the cache ends.
	w.say("eva@x.example", tracking.StateGranted)
	w.must(w.store.PutTrackingSetting(t.Context(), tracking.Setting{Tenant: w.tenant, Level: tracking.None, At: w.now}))
	at(sent.Decision)
	w.now = w.now.Add(2 * time.Second)
	at(tracking.Decision{Level: tracking.None, Rule: tracking.RuleTenant})
}

func TestSettingsAreChecked(t *testing.T) {
	w := newWorld(t)
	for code, s := range map[string]tracking.Setting{
		tracking.CodeBasisMissing:         {Level: tracking.Individual, Justification: "x"},
		tracking.CodeJustificationMissing: {Level: tracking.Pseudonymous, Basis: tracking.BasisConsent, Justification: " "},
		tracking.CodeBasisUnknown:         {Level: tracking.None, Basis: "whim"},
		tracking.CodeLevelUnknown:         {Level: 9},
	} {
		s.Tenant = w.tenant
		e := fault.As(w.decider.Set(t.Context(), s))
		if e == nil || e.Kind != fault.Invalid || e.Code != code && (len(e.Also) == 0 || e.Also[0].Code != code) {
			t.Errorf("%s: %+v", code, e)
		}
	}
	if err := w.decider.Hear(t.Context(), tracking.Consent{State: "maybe"}); fault.As(err) == nil {
		t.Error("an unknown state is recorded")
	}
	if len(w.store.settings)+len(w.store.said) > 0 {
		t.Error("what was refused is stored")
	}
}

func TestLevels(t *testing.T) {
	for _, l := range append(tracking.Levels(), tracking.Unset) {
		have, err := tracking.ParseLevel(l.String())
		if err != nil || have != l {
			t.Errorf("%v read as %v, %v", l, have, err)
		}
	}
	if _, err := tracking.ParseLevel("total"); fault.As(err) == nil {
		t.Error("an unknown level is read")
	}
	if have := tracking.Least(tracking.Unset, tracking.Individual, tracking.Aggregate); have != tracking.Aggregate {
		t.Errorf("least is %v", have)
	}
}
