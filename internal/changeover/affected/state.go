package affected

import "time"

// Problem is the most serious thing known of a customer.
type Problem string

// The problems, the most serious first.
const (
	XMLMissing   Problem = "xml_missing"  // the text arrived, the XML did not; or the customer reported it
	BlamesNew    Problem = "blames_new"   // replies refuse the new sources by name
	RefusesMore  Problem = "refuses_more" // more refusals than over the old ones
	DefersMore   Problem = "defers_more"
	IsSlower     Problem = "slower"
	TestSilent   Problem = "test_silent"    // a test lead went out and nobody entered a code
	AdmitsByList Problem = "admits_by_list" // known to, and nothing shows that the new addresses are in
	NoProblem    Problem = ""
)

// Problems lists all, the most serious first.
func Problems() []Problem {
	return []Problem{XMLMissing, BlamesNew, RefusesMore, DefersMore, IsSlower, TestSilent, AdmitsByList}
}

// testPatience is how long a test lead may go unanswered before it is worth a word.
const testPatience = 24 * time.Hour

// Problem is what is wrong, by what is on record at a time. What a later test disproved
// is no problem any more.
func (c Customer) Problem(now time.Time) Problem {
	proven := c.provenSince()
	f := c.Finding
	switch {
	case c.half(), f.CaseAt.After(proven) && f.Cases > 0:
		return XMLMissing
	case f.Blamed.At.After(proven) && f.Blamed.Count > 0, f.Fallback.At.After(proven) && f.Fallback.Count > 0:
		return BlamesNew
	}
	switch {
	case proven.IsZero() && c.verdict(Refused):
		return RefusesMore
	case proven.IsZero() && c.verdict(Deferred):
		return DefersMore
	case proven.IsZero() && c.verdict(Slower):
		return IsSlower
	case c.silent(now):
		return TestSilent
	case c.Lists && c.Answer == NoAnswer && proven.IsZero():
		return AdmitsByList
	}
	return NoProblem
}

func (c Customer) verdict(v Verdict) bool {
	for _, s := range c.Finding.Sites {
		if s.Is(v) {
			return true
		}
	}
	return false
}

// half reports whether a test showed the text without the XML.
func (c Customer) half() bool {
	for _, t := range c.Tests {
		if !t.BodyAt.IsZero() && t.XMLAt.IsZero() {
			return true
		}
	}
	return false
}

// silent reports whether a test went out long ago and no code of it came back.
func (c Customer) silent(now time.Time) bool {
	for _, t := range c.Tests {
		if t.BodyAt.IsZero() && t.XMLAt.IsZero() && now.Sub(t.SentAt) >= testPatience {
			return true
		}
	}
	return false
}

// provenSince is when the last test was confirmed if all of them are, otherwise zero.
func (c Customer) provenSince() (at time.Time) {
	for _, t := range c.Tests {
		if t.XMLAt.IsZero() {
			return time.Time{}
		}
		if t.XMLAt.After(at) {
			at = t.XMLAt
		}
	}
	return at
}

// Proven counts the sources from which the XML of a test is confirmed.
func (c Customer) Proven(sources []string) (n int) {
	for _, source := range sources {
		for _, t := range c.Tests {
			if t.Source == source && !t.XMLAt.IsZero() {
				n++
			}
		}
	}
	return n
}

// State is how far a customer is.
type State string

// The states.
const (
	NotInformed State = "not_informed"
	Informed    State = "informed"
	Confirmed   State = "confirmed" // said that the new addresses are in
	Unconcerned State = "not_concerned"
	Tested      State = "tested" // from some of the new sources
	OnOld       State = "needs_old"
	Finished    State = "done" // tested from each new source, or closed by a person
)

// States lists all, in the order customers pass them.
func States() []State {
	return []State{NotInformed, Informed, Confirmed, Unconcerned, Tested, OnOld, Finished}
}

// State tells where the customer stands; sources are the changeover's new ones.
func (c Customer) State(sources []string) State {
	proven := c.Proven(sources)
	switch {
	case !c.Settled.IsZero(), len(sources) > 0 && proven == len(sources):
		return Finished
	case c.NeedsOld:
		return OnOld
	case proven > 0:
		return Tested
	case c.Answer == Added:
		return Confirmed
	case c.Answer == NotConcerned:
		return Unconcerned
	case !c.InformedAt.IsZero():
		return Informed
	}
	return NotInformed
}

// Advice is what is to be done next for a customer.
type Advice string

// The advices.
const (
	Tell     Advice = "tell"     // announce it to them
	AskForIT Advice = "wait_it"  // their IT has to act: send the proof
	TestNow  Advice = "test"     // send a test lead
	Remind   Advice = "remind"   // they have not answered
	Watch    Advice = "watch"    // nothing to do but look again
	KeepOld  Advice = "keep_old" // leave them on the old sources and agree on a date
	Nothing  Advice = "nothing"
)

// Next is the next step.
func (c Customer) Next(sources []string, now time.Time) Advice {
	problem := c.Problem(now)
	switch state := c.State(sources); {
	case state == Finished:
		return Nothing
	case state == OnOld:
		return KeepOld
	case c.InformedAt.IsZero() && (problem != NoProblem || c.Lists):
		return Tell
	case problem == XMLMissing, problem == BlamesNew, problem == RefusesMore:
		return AskForIT
	case problem == TestSilent, problem == AdmitsByList && c.Answer == NoAnswer && !c.InformedAt.IsZero():
		return Remind
	case problem == DefersMore, problem == IsSlower:
		return Watch
	case c.Answer == Added:
		return TestNow
	case !c.InformedAt.IsZero() && c.Answer == NoAnswer:
		return Remind
	}
	return Nothing
}

// Affected reports whether there is anything on record against leaving the customer
// alone.
func (c Customer) Affected(now time.Time) bool {
	return c.Problem(now) != NoProblem || c.Lists || c.NeedsOld
}

// Open reports whether the customer was told and has not answered or proven anything.
func (c Customer) Open() bool {
	return !c.InformedAt.IsZero() && c.Answer == NoAnswer && c.Settled.IsZero() && c.provenSince().IsZero()
}
