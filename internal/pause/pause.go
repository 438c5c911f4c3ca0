// Package pause stops the sending to a group whose mail fares badly: too many addresses
// that do not exist, too many complaints, too many who want no more.
//
// It is floor 2, behind approval: a group was approved for what its account said of it,
// and this room looks at what came of it. Figures are sums by the hour that settlements and
// return mail leave behind (CountsOf), never a count of deliveries. Service judges them,
// pauses, and ends a pause; Holds is asked for each mail just before it is sent. What waits
// is held, not lost.
//
// It does not count mail that names no group, and does not halt the bulk mail of a whole
// account: package audience does (audience.Halt).
package pause

import (
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/tenant"
)

// The codes of this room's refusals.
const (
	// CodeNone (NotFound): the group is not paused.
	CodeNone = "pause_not_found"
	// CodeSelfUsed (Conflict): the account has ended a pause of this group by itself already;
	// the platform must now.
	CodeSelfUsed = "pause_self_used"
	// CodeWeak (Invalid): an account may make its limits stricter, not looser.
	CodeWeak = "limit_too_weak"
)

// ReasonHeld is the reason of deliveries that are held because their group is paused; they
// go on when it no longer is.
const ReasonHeld = "group_paused"

// SelfAgain is how long after an account has ended a pause of a group by itself the next is
// for the platform to end.
const SelfAgain = 30 * 24 * time.Hour

// Count is what is counted of a group's mail.
type Count string

// The counts.
const (
	CountSent         Count = "group_sent"         // came to an end: taken over or refused for good
	CountHard         Count = "group_hard"         // refused or sent back: no such address
	CountComplaints   Count = "group_complaints"   // reported as spam
	CountUnsubscribes Count = "group_unsubscribes" // no more wanted
)

// hard reports whether a refusal of the class means that there is no such address.
func hard(class string) bool {
	return slices.Contains([]string{"user_unknown", "recipient_moved", "domain_no_mail", "dns_no_domain"}, class)
}

// CountsOf says what a fact adds to the counts of its group.
func CountsOf(e *event.Event) []Count {
	switch {
	case e.Type == event.Completed:
		return []Count{CountSent}
	case e.Type == event.Refused && hard(e.Reason):
		return []Count{CountSent, CountHard}
	case e.Type == event.Refused:
		return []Count{CountSent}
	case e.Type == event.LateBounced && hard(e.Reason):
		return []Count{CountHard}
	case e.Type == event.Complained:
		return []Count{CountComplaints}
	case e.Type == event.Unsubscribed:
		return []Count{CountUnsubscribes}
	}
	return nil
}

// Figures are how mail to a group fared.
type Figures struct {
	Sent         int64 `json:"sent"`
	Hard         int64 `json:"hard"`
	Complaints   int64 `json:"complaints"`
	Unsubscribes int64 `json:"unsubscribes"`
	// Hours is the window that was looked at.
	Hours int `json:"hours"`
}

// Cause is what was too much.
type Cause string

// The causes, in the order of their weight.
const (
	Complaints   Cause = "complaints"
	Hard         Cause = "hard"
	Unsubscribes Cause = "unsubscribes"
)

// Causes are all causes.
func Causes() []Cause { return []Cause{Complaints, Hard, Unsubscribes} }

// Of is the figure that a cause is about.
func (f Figures) Of(c Cause) int64 {
	switch c {
	case Complaints:
		return f.Complaints
	case Hard:
		return f.Hard
	}
	return f.Unsubscribes
}

// Limit is one threshold: both must be reached.
type Limit struct {
	Least int64 `json:"least"` // so many there must be, whatever their share
	Share int64 `json:"share"` // of the mail sent, in parts of ten thousand
}

// reached reports whether n of sent are too many.
func (l Limit) reached(n, sent int64) bool {
	return l.Share > 0 && n >= l.Least && n*10_000 >= l.Share*sent
}

// Limits say when a group is paused.
type Limits struct {
	Hours        int   `json:"hours"` // to look back
	Sent         int64 `json:"sent"`  // below so much mail no share says anything
	Hard         Limit `json:"hard"`
	Complaints   Limit `json:"complaints"`
	Unsubscribes Limit `json:"unsubscribes"`
	// Warn is the share of complaints, in parts of ten thousand, from which on people are
	// warned.
	Warn int64 `json:"warn"`
}

// DefaultLimits are those of the Certified Senders Alliance for refusals (1 %), and of the
// large providers for complaints: 0.1 % is much, 0.3 % too much.
func DefaultLimits() Limits {
	return Limits{Hours: 168, Sent: 100, Hard: Limit{5, 100}, Complaints: Limit{3, 30}, Unsubscribes: Limit{10, 300}, Warn: 10}
}

// Of is the limit of a cause.
func (l Limits) Of(c Cause) Limit {
	switch c {
	case Complaints:
		return l.Complaints
	case Hard:
		return l.Hard
	}
	return l.Unsubscribes
}

// Judge returns what was too much, "" if nothing was.
func (l Limits) Judge(f Figures) Cause {
	if f.Sent < l.Sent {
		return ""
	}
	for _, c := range Causes() {
		if l.Of(c).reached(f.Of(c), f.Sent) {
			return c
		}
	}
	return ""
}

// Near reports whether people should be warned of complaints.
func (l Limits) Near(f Figures) bool {
	return f.Sent >= l.Sent && f.Complaints > 0 && l.Warn > 0 && f.Complaints*10_000 >= l.Warn*f.Sent
}

// Pause is one time during which mail to a group is held.
type Pause struct {
	Tenant  tenant.ID
	Group   audience.GroupID
	At      time.Time
	Cause   Cause
	Figures Figures
	// ReleasedAt is when it ended, by whom, by the account itself (Self) or the platform, and
	// what was done; zero while it is in force.
	ReleasedAt time.Time
	ReleasedBy string
	Self       bool
	Note       string
	Freed      bool // what was held is on its way again
}

// InForce reports whether the pause was not ended.
func (p Pause) InForce() bool { return !p.At.IsZero() && p.ReleasedAt.IsZero() }

// Standing is how a group fares, for its page.
type Standing struct {
	Figures Figures
	Limits  Limits
	Pause   Pause // the last one; the zero Pause: there was none
	// MaySelf says that the account may end the pause in force by itself.
	MaySelf bool
}
