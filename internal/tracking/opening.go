package tracking

import "time"

// Opening is whether a mail was opened, as far as its level tells.
type Opening struct {
	Level      Level
	Recipients int // addresses at acceptance; of more than one nobody can say who it was
	Count
	// First is when a person first opened it; zero: none did, or only counts are kept.
	First time.Time
}

// Told reports whether anything may be said.
func (o Opening) Told() bool {
	return o.Level > Aggregate || o.Level == Aggregate && o.Recipients >= MinForCounts
}

// OpenedBy selects mail by who opened it, of mail about which it may be said.
type OpenedBy string

// The choices; "" selects all mail, also that of which nothing is known.
const (
	OpenedByPerson   OpenedBy = "person"
	OpenedByMachines OpenedBy = "machines" // by machines alone: it does not count
	OpenedByNobody   OpenedBy = "nobody"
)

// Openers lists the choices.
func Openers() []OpenedBy { return []OpenedBy{OpenedByPerson, OpenedByMachines, OpenedByNobody} }

// By is the choice that an opening falls under; "" where nothing may be said.
func (o Opening) By() OpenedBy {
	switch {
	case !o.Told():
		return ""
	case o.Persons > 0:
		return OpenedByPerson
	case o.Machines > 0:
		return OpenedByMachines
	}
	return OpenedByNobody
}
