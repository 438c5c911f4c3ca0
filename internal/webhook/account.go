package webhook

import (
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/tenant"
)

// OfAccount is the origin of calls about what happens to the account itself, its groups
// and its series. What such a call tells is written down with the change it is about.
const OfAccount Origin = "account"

// The types of what happens to groups, to the account and to its series.
const (
	GroupSubmitted Type = "group.submitted"
	GroupQuestion  Type = "group.question"
	GroupAnswered  Type = "group.answered"
	GroupApproved  Type = "group.approved"
	GroupRejected  Type = "group.rejected"
	GroupReopened  Type = "group.reopened" // it is not any more what was approved
	GroupPaused    Type = "group.paused"
	GroupReleased  Type = "group.released"

	AccountHalted   Type = "account.halted" // its newsletters and reminders
	AccountReleased Type = "account.released"
	AccountLocked   Type = "account.locked"
	AccountUnlocked Type = "account.unlocked"

	RunStarted  Type = "series.run_started"
	RunEnded    Type = "series.run_ended"
	StepSkipped Type = "series.step_skipped" // a step sent no mail; the run goes on
)

// AccountTypes lists what can be told of the account, its groups and series.
func AccountTypes() []Type {
	return []Type{
		GroupSubmitted, GroupQuestion, GroupAnswered, GroupApproved, GroupRejected, GroupReopened, GroupPaused, GroupReleased,
		AccountHalted, AccountReleased, AccountLocked, AccountUnlocked, RunStarted, RunEnded, StepSkipped,
	}
}

// Wanted is what the endpoints of one tenant want to be told together. The zero Wanted
// wants nothing.
type Wanted struct {
	all   bool
	types []Type
}

// Add makes w want what an active endpoint of these types wants; none are all.
func (w *Wanted) Add(types []Type) {
	w.all = w.all || len(types) == 0
	w.types = append(w.types, types...)
}

// Has reports whether some endpoint is told of t.
func (w Wanted) Has(t Type) bool { return w.all || slices.Contains(w.types, t) }

// Deed is a fact of an account. It names nobody: what people wrote stays where it is read
// by those who may.
type Deed struct {
	Type    Type
	At      time.Time
	Contact audience.ContactID // whom it is about; zero: nobody
	Data    any                // a Group, Halt, Account or Run
}

// Group is the data of calls about groups: how its approval stands, or why mail to it is
// paused and on which figures.
type Group struct {
	Group   audience.GroupID `json:"group"`
	Name    string           `json:"name"`
	State   string           `json:"state,omitempty"` // of the approval: required, in_review, question, approved, rejected
	Due     *time.Time       `json:"due,omitempty"`   // by when an answer is promised
	Cause   string           `json:"cause,omitempty"` // hard, complaints, unsubscribes
	Figures any              `json:"figures,omitempty"`
	// By is who released it: the account or the platform.
	By string `json:"by,omitempty"`
}

// Halt is the data of calls about halts of newsletters and reminders.
type Halt struct {
	Cause        string `json:"cause,omitempty"` // hard_bounces, complaints, unsubscribes
	Sent         int    `json:"sent,omitempty"`
	Hard         int    `json:"hard_bounces,omitempty"`
	Complaints   int    `json:"complaints,omitempty"`
	Unsubscribes int    `json:"unsubscribes,omitempty"`
	Hours        int    `json:"hours,omitempty"` // that were looked back
	By           string `json:"by,omitempty"`    // who released it: account or platform
}

// Account is the data of calls about locks. The reason is read in the office, for it is
// written about people.
type Account struct {
	Account tenant.ID `json:"account"`
	State   string    `json:"state"` // locked or active
}

// Run is the data of calls about a contact's way through a series. Series is its
// identifier as text.
type Run struct {
	Series  string             `json:"series"`
	Name    string             `json:"name"`
	Contact audience.ContactID `json:"contact"`
	Entry   int64              `json:"entry"`            // of the contact in this series: 1, and 2 when it begins anew
	Step    string             `json:"step,omitempty"`   // key of the step that was skipped
	Reason  string             `json:"reason,omitempty"` // why it ended or was skipped
}
