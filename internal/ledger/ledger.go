// Package ledger keeps what accounts may send by the plan they booked: how many recipients
// a month includes, what was bought or given beyond it, and what of that was used.
//
// It is floor 1. Plan and Account say what there is; the methods of Account are all the
// arithmetic, without a database, and each tells as an Entry what it did, so that what is
// left is at any time the sum of all entries and charges. Acceptance charges within its own
// transaction (store), Service is what people do about plans and what happens by itself.
//
// It knows no prices and writes no invoices. An account without a plan sends as much as it
// likes and costs nothing here.
package ledger

import (
	"slices"
	"time"

	"stafette/internal/id"
	"stafette/internal/tenant"
)

// Identifier kinds.
type (
	// PlanKind is the id.Kind of plans.
	PlanKind struct{}
	// EntryKind is the id.Kind of entries.
	EntryKind struct{}
)

// Prefix implements id.Kind.
func (PlanKind) Prefix() string { return "pln" }

// Prefix implements id.Kind.
func (EntryKind) Prefix() string { return "lge" }

// Identifiers of plans and entries.
type (
	// PlanID names a plan.
	PlanID = id.Of[PlanKind]
	// EntryID names an entry.
	EntryID = id.Of[EntryKind]
)

// The codes of this room's refusals.
const (
	// CodeSpent (Limited): the plan has nothing left, and says that more is refused.
	CodeSpent = "plan_spent"
	// CodePlanUnknown (NotFound): there is no such plan.
	CodePlanUnknown = "plan_not_found"
	// CodePlanRetired (Conflict): the plan can no longer be booked.
	CodePlanRetired = "plan_retired"
	// CodeNoPlan (Conflict): the account has no plan.
	CodeNoPlan = "plan_none"
	// CodeUsed (Conflict): of what is to be given back, something was used.
	CodeUsed = "refund_used"
	// CodeNoEntry (NotFound): there is no such entry, or it was not booked.
	CodeNoEntry = "entry_not_found"
)

// ReasonHeld is the reason of deliveries that are held because the plan has nothing left;
// they go on when it has.
const ReasonHeld = CodeSpent

// Overage says what becomes of mail for which nothing is left.
type Overage string

// The overages.
const (
	Hold   Overage = "hold"   // it is accepted and waits
	Refuse Overage = "refuse" // it is not accepted
)

// Valid reports whether o is one.
func (o Overage) Valid() bool { return o == Hold || o == Refuse }

// Plan is what an account may book. Only its retirement changes it.
type Plan struct {
	ID   PlanID
	Name string
	// Included is how many recipients a calendar month (UTC) includes; 0: none, the plan
	// lives on credit alone.
	Included  int64
	Overage   Overage
	CreatedAt time.Time
	RetiredAt time.Time // zero while it may be booked
}

// EntryType says what an entry is about.
type EntryType string

// The types of entries.
const (
	Month    EntryType = "month"    // what the month includes
	Expiry   EntryType = "expiry"   // the rest of a month that is over
	Charge   EntryType = "charge"   // recipients that mail was accepted for, a day's sum
	Grant    EntryType = "grant"    // credit that was bought
	Goodwill EntryType = "goodwill" // credit that support gave
	Refund   EntryType = "refund"   // what was booked and not used, taken back
)

// EntryTypes are all types.
func EntryTypes() []EntryType { return []EntryType{Month, Expiry, Charge, Grant, Goodwill, Refund} }

// Entry is one line of an account's ledger. It is never changed.
type Entry struct {
	ID     EntryID
	Tenant tenant.ID
	Type   EntryType
	Amount int64   // recipients; what is taken is negative
	Of     EntryID // what a Refund gives back; zero else
	Actor  string  // text of a user's identifier; "system"
	Note   string
}

// At is when it was written.
func (e Entry) At() time.Time { return e.ID.Time() }

// Charged is what one day (UTC) took.
type Charged struct {
	Day              time.Time
	Included, Credit int64
}

// MonthOf is the calendar month of an instant, in UTC: its first.
func MonthOf(at time.Time) time.Time {
	at = at.UTC()
	return time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// Account is what is left to one tenant.
type Account struct {
	Tenant tenant.ID
	Plan   PlanID // zero: none, nothing is charged
	// Allowance and Overage are those of the plan.
	Allowance int64
	Overage   Overage
	// Month is what Included, Used and Spent are of: what it includes, what of that is used,
	// and all that was charged.
	Month                 time.Time
	Included, Used, Spent int64
	Credit                int64 // bought or given, and not used
	// Base is what there was before anything was used, which shares count from: of the month,
	// or where the plan includes nothing, after credit came last.
	Base int64
	// Warned is the highest level people were told of since Base changed: 0, 80 or 100.
	Warned  int
	Waiting bool // mail may be held with ReasonHeld
}

// Metered reports whether what is sent is charged.
func (a *Account) Metered() bool { return !a.Plan.IsZero() }

// Left is how many recipients may still be written to. It is never negative.
func (a *Account) Left() int64 { return a.Included - a.Used + a.Credit }

// Percent is how much of Base is used, 0 to 100.
func (a *Account) Percent() int {
	left := a.Left()
	switch {
	case left <= 0:
		return 100
	case a.Base <= 0:
		return 0
	}
	return int(max(0, min(99, (a.Base-left)*100/a.Base)))
}

// Level is what people should be told: 0 nothing, 80 that little is left, 100 that nothing is.
func (a *Account) Level() int {
	if !a.Metered() {
		return 0
	}
	switch n := a.Percent(); {
	case n >= 100:
		return 100
	case n >= 80:
		return 80
	}
	return 0
}

// entry makes an entry of the account. What amounts to nothing is none.
func (a *Account) entry(list []Entry, t EntryType, amount int64, now time.Time) []Entry {
	if amount == 0 {
		return list
	}
	return append(list, Entry{ID: id.New[EntryKind](now), Tenant: a.Tenant, Type: t, Amount: amount, Actor: "system"})
}

// Roll begins a new month if now is in one: the rest of the old expires, and the new one
// includes what the plan says. The clock may be set back; a month never is.
func (a *Account) Roll(now time.Time) []Entry {
	m := MonthOf(now)
	if !m.After(a.Month) {
		return nil
	}
	list := a.entry(nil, Expiry, a.Used-a.Included, now)
	a.Month, a.Included, a.Used, a.Spent = m, a.Allowance, 0, 0
	if a.Allowance > 0 {
		a.rebase()
	}
	return a.entry(list, Month, a.Included, now)
}

// rebase counts shares from now on, or from the beginning of the month.
func (a *Account) rebase() {
	a.Base = a.Left()
	if a.Allowance > 0 {
		a.Base += a.Spent
	}
	a.Warned = min(a.Warned, a.Level())
}

// Take charges n recipients, all or none: first to what the month includes, then to credit.
func (a *Account) Take(n int64) (c Charged, ok bool) {
	if n < 0 || n > a.Left() {
		return Charged{}, false
	}
	c.Included = min(n, a.Included-a.Used)
	c.Credit = n - c.Included
	a.Used += c.Included
	a.Credit -= c.Credit
	a.Spent += n
	return c, true
}

// PutBack undoes Take within the transaction that took.
func (a *Account) PutBack(c Charged) {
	a.Used -= c.Included
	a.Credit += c.Credit
	a.Spent -= c.Included + c.Credit
}

// Adopt books a plan, or with the zero Plan none. What the month had left under the old one
// expires, and the new one's month begins at once; credit stays.
func (a *Account) Adopt(p Plan, now time.Time) []Entry {
	list := a.entry(nil, Expiry, a.Used-a.Included, now)
	a.Plan, a.Allowance, a.Overage = p.ID, p.Included, p.Overage
	a.Month, a.Included, a.Used = MonthOf(now), p.Included, 0
	a.rebase()
	return a.entry(list, Month, a.Included, now)
}

// Give adds credit: e is a Grant or Goodwill with a positive amount.
func (a *Account) Give(e Entry) {
	a.Credit += e.Amount
	a.rebase()
}

// Unused reports whether nothing of an entry was used yet and it was not given back: of a
// Month the whole month, of a Grant that all used credit came from what was there before
// it. list are all entries of the account; others are never given back.
func (a *Account) Unused(list []Entry, of EntryID) (Entry, bool) {
	back := map[EntryID]bool{}
	var month EntryID
	for _, e := range list {
		switch e.Type {
		case Refund:
			back[e.Of] = true
		case Month:
			month = e.ID
		}
	}
	i := slices.IndexFunc(list, func(e Entry) bool { return e.ID == of })
	if i < 0 {
		return Entry{}, false
	}
	e := list[i]
	if back[of] {
		return e, false
	}
	switch e.Type {
	case Month:
		return e, of == month && a.Used == 0 && a.Included == e.Amount
	case Grant:
	default:
		return e, false
	}
	var given, before int64
	for n, one := range list {
		if one.Type != Grant && one.Type != Goodwill || back[one.ID] {
			continue
		}
		if given += one.Amount; n < i {
			before += one.Amount
		}
	}
	return e, given-a.Credit <= before
}

// GiveBack takes back what was booked and not used; see Unused.
func (a *Account) GiveBack(e Entry) {
	if e.Type == Month {
		a.Included -= e.Amount
	} else {
		a.Credit -= e.Amount
	}
	a.rebase()
}

// Forecast is how many recipients the month will come to if it goes on as it began, and
// when nothing is left then; zero: not within the month. Of the first day it says nothing.
func (a *Account) Forecast(now time.Time) (n int64, out time.Time) {
	since := now.Sub(a.Month)
	if since < 24*time.Hour || a.Spent == 0 {
		return 0, time.Time{}
	}
	end := a.Month.AddDate(0, 1, 0)
	n = int64(float64(a.Spent) * float64(end.Sub(a.Month)) / float64(since))
	if rest := float64(a.Left()) / float64(a.Spent) * float64(since); rest < float64(end.Sub(now)) {
		out = now.Add(time.Duration(rest))
	}
	return n, out
}
