package egress

import (
	"net/netip"
	"time"
)

// SourceState says how far a source is trusted with mail.
type SourceState string

// The states of a source.
const (
	StateNew      SourceState = "new"      // warming up
	StateActive   SourceState = "active"   // in full use
	StateRetiring SourceState = "retiring" // draining; see Source.RetiringSince
	StateRetired  SourceState = "retired"  // kept for the record, never chosen
)

// Valid reports whether s is a state.
func (s SourceState) Valid() bool {
	switch s {
	case StateNew, StateActive, StateRetiring, StateRetired:
		return true
	}
	return false
}

// Source is an address that mail leaves from.
type Source struct {
	// Name is unique on the platform; lanes, logs and alarms speak of the source by
	// it. "" counts as the IP, or "any".
	Name string `json:"name"`
	// Node has the address and alone may send from it; "" is every node.
	Node string `json:"node,omitempty"`
	// IP is the local address; the zero or an unspecified one leaves the choice to
	// the operating system and serves IPv4 and IPv6.
	IP netip.Addr `json:"ip,omitzero"`
	// EHLO is the name given in EHLO; the IP's reverse record should name it.
	EHLO string `json:"ehlo"`
	// State; "" counts as StateActive.
	State SourceState `json:"state"`
	// ValidFrom and ValidUntil bound the use of the source; zero: no bound.
	ValidFrom  time.Time `json:"valid_from,omitzero"`
	ValidUntil time.Time `json:"valid_until,omitzero"`
	// RetiringSince is when a retiring source began to drain: from then its weight
	// shrinks evenly to 0 at ValidUntil. Zero: the weight stays as it is set.
	RetiringSince time.Time `json:"retiring_since,omitzero"`
	// WarmUpFrom is day 1 of the warm-up schedule of a StateNew source; zero: no
	// schedule applies.
	WarmUpFrom time.Time `json:"warm_up_from,omitzero"`
	// Weight is the source's share of the mail of a pool that names no other
	// weight for it, relative to the pool's other sources; 0: none.
	Weight int `json:"weight"`
}

// Fixed reports whether the source binds a certain address.
func (s Source) Fixed() bool { return s.IP.IsValid() && !s.IP.IsUnspecified() }

// Reaches reports whether the source can connect to an address of that family.
func (s Source) Reaches(a netip.Addr) bool {
	return !s.Fixed() || s.IP.Unmap().Is4() == a.Unmap().Is4()
}

// String names the source for lanes, logs and alarms: its name, else its IP, else "any".
func (s Source) String() string {
	switch {
	case s.Name != "":
		return s.Name
	case !s.Fixed():
		return "any"
	}
	return s.IP.String()
}

// usable reports whether state and dates let the source send at all; if not, why.
func (s Source) usable(now time.Time) (bool, Hindrance) {
	switch {
	case s.State == StateRetired:
		return false, HinderedRetired
	case !s.ValidFrom.IsZero() && now.Before(s.ValidFrom):
		return false, HinderedNotYet
	case !s.ValidUntil.IsZero() && !now.Before(s.ValidUntil):
		return false, HinderedOver
	}
	return true, ""
}

// drained returns the weight at that time: all of it, or what a retiring source
// has left.
func (s Source) drained(weight int, now time.Time) float64 {
	w := float64(weight)
	if s.State != StateRetiring || s.RetiringSince.IsZero() || s.ValidUntil.IsZero() {
		return w
	}
	whole := s.ValidUntil.Sub(s.RetiringSince)
	if whole <= 0 {
		return 0
	}
	left := float64(s.ValidUntil.Sub(now)) / float64(whole)
	return w * min(max(left, 0), 1)
}
