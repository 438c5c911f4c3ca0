package approval

import "slices"

// State is where the approval of a group stands.
type State string

// The states.
const (
	Required State = "required"  // nobody has said where the addresses come from, or not since they changed
	InReview State = "in_review" // a reviewer's turn; the clock runs
	Question State = "question"  // the account's turn; the clock rests
	Approved State = "approved"  // may be written to
	Rejected State = "rejected"  // may not be written to
)

// States are all states.
func States() []State { return []State{Required, InReview, Question, Approved, Rejected} }

// Valid reports whether s is a state.
func (s State) Valid() bool { return slices.Contains(States(), s) }

// Act is one thing that is done in a case.
type Act string

// The acts, of the account and of the platform.
const (
	Submit Act = "submitted"
	Amend  Act = "amended" // something was added without having been asked for
	Answer Act = "answered"

	Claim   Act = "claimed"
	Release Act = "released"
	AskAct  Act = "asked"
	First   Act = "first"    // the first of two approvals
	Approve Act = "approved" // the only one, or the second
	Reject  Act = "rejected"
	Reopen  Act = "reopened" // the group is not what was approved
)

// Acts are all acts.
func Acts() []Act {
	return []Act{Submit, Amend, Answer, Claim, Release, AskAct, First, Approve, Reject, Reopen}
}

// After is the state that an act leads to; false if it cannot be done in the state s.
// A question is never a rejection, but one that stays without an answer may end as one.
func (s State) After(a Act) (State, bool) {
	switch s {
	case Required:
		if a == Submit {
			return InReview, true
		}
	case InReview:
		switch a {
		case Amend, Claim, Release, First:
			return InReview, true
		case AskAct:
			return Question, true
		case Approve:
			return Approved, true
		case Reject:
			return Rejected, true
		}
	case Question:
		switch a {
		case Answer:
			return InReview, true
		case Claim, Release:
			return Question, true
		case Reject:
			return Rejected, true
		}
	case Approved:
		if a == Reopen {
			return Required, true
		}
	case Rejected:
		// With other evidence, and another person, it may come out otherwise.
		if a == Submit {
			return InReview, true
		}
	}
	return s, false
}

// MayBeWritten reports whether the members of a group in the state may be written to.
func (s State) MayBeWritten() bool { return s == Approved }
