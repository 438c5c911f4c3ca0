// Package approval keeps the process that every group of recipients passes before
// anyone in it may be written to: where the addresses come from, the questions and
// answers about it, and the decision of a person who belongs to the platform.
//
// It is floor 1, beside audience, whose groups it is about. It holds the states of a
// group (State), the clock of a working day (Calendar), what was said and shown as
// evidence (Service), what can be found out without a person (Examiner), and the Gate
// that acceptance and delivery ask, so that the decision holds at every door. Watch
// notices groups that are written to around the gate.
//
// It sends nothing, writes no pages, and does not know what the mail says.
package approval

import (
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// Identifier kinds.
type (
	// Kind is the id.Kind of cases.
	Kind struct{}
	// EntryKind is the id.Kind of entries of a case's log.
	EntryKind struct{}
	// FileKind is the id.Kind of evidence.
	FileKind struct{}
)

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "apr" }

// Prefix implements id.Kind.
func (EntryKind) Prefix() string { return "ape" }

// Prefix implements id.Kind.
func (FileKind) Prefix() string { return "apf" }

// Identifiers of cases, of entries of their log and of evidence.
type (
	// ID names a case.
	ID = id.Of[Kind]
	// EntryID names an entry of a case's log.
	EntryID = id.Of[EntryKind]
	// FileID names a piece of evidence.
	FileID = id.Of[FileKind]
)

// The codes of this room's refusals.
const (
	// CodeNotApproved (Forbidden): the group, or the people written to, are not approved.
	CodeNotApproved = "group_not_approved"
	// CodeNotMember (Forbidden, "to/n"): a recipient is not in the group that was named.
	CodeNotMember = "recipient_not_in_group"
	// CodeUnknown (NotFound): there is no such case.
	CodeUnknown = "approval_not_found"
	// CodeStep (Conflict): the state of the case does not allow it.
	CodeStep = "approval_step"
	// CodeChanged (Conflict): somebody else changed the case, or the group changed, since it
	// was read.
	CodeChanged = "approval_changed"
	// CodeOwn (Forbidden): nobody decides about an account they have to do with.
	CodeOwn = "approval_own"
	// CodeSecond (Forbidden): the second pair of eyes must be another person's.
	CodeSecond = "approval_second"
	// CodeClaimed (Conflict): another reviewer has the case.
	CodeClaimed = "approval_claimed"
)

// ReasonHeld is the reason of deliveries that are held because their group is not, or no
// longer, approved; they go on when it is.
const ReasonHeld = CodeNotApproved

// SourceKind is how addresses came to be.
type SourceKind string

// The kinds of source.
const (
	DoubleOptIn      SourceKind = "double_opt_in"     // a form and a confirmation mail
	Written          SourceKind = "written"           // on paper or in a shop
	ExistingCustomer SourceKind = "existing_customer" // § 7 Abs. 3 UWG
	Contract         SourceKind = "contract"          // only mail that belongs to it
)

// SourceKinds are all kinds.
func SourceKinds() []SourceKind {
	return []SourceKind{DoubleOptIn, Written, ExistingCustomer, Contract}
}

// Valid reports whether k is a kind.
func (k SourceKind) Valid() bool { return slices.Contains(SourceKinds(), k) }

// Asked are the questions about a source of the kind, each a key of Source.Answers.
func (k SourceKind) Asked() []string {
	switch k {
	case DoubleOptIn:
		return []string{"since", "wording", "promise", "confirmation", "kept"}
	case Written:
		return []string{"occasion", "stand", "box", "keeper"}
	case ExistingCustomer:
		return []string{"sale", "similar", "objections", "notice"}
	case Contract:
		return []string{"contract", "needed", "advertising"}
	}
	return nil
}

// Conditions are the four conditions of § 7 Abs. 3 UWG, which must be confirmed for
// existing customers; none for other kinds. Each goes with the question of its name.
func (k SourceKind) Conditions() []string {
	if k == ExistingCustomer {
		return []string{"sale", "similar", "objections", "notice"}
	}
	return nil
}

// Source is one origin of a group's addresses, as the account describes it.
type Source struct {
	Kind SourceKind `json:"kind"`
	// FormURL is the page on which the form stands, of DoubleOptIn; never a home page alone.
	FormURL     string `json:"form_url,omitempty"`
	Description string `json:"description"`
	// Count is about how many addresses came this way; 0: not said.
	Count int `json:"count,omitempty"`
	// Answers are those to SourceKind.Asked; what is not answered is not in it.
	Answers map[string]string `json:"answers,omitempty"`
	// Confirmed are the conditions of SourceKind.Conditions that the account confirms.
	Confirmed []string `json:"confirmed,omitempty"`
}

// Contact is whom to turn to in special cases.
type Contact struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	Phone string `json:"phone,omitempty"`
}

// Submission is what an account says of a group.
type Submission struct {
	// Read: the account has read which data may be used, and says that all is of that kind.
	Read    bool     `json:"read"`
	Sources []Source `json:"sources"`
	Contact Contact  `json:"contact"`
}

// Kinds are the kinds of source, each once.
func (s Submission) Kinds() (list []SourceKind) {
	for _, one := range s.Sources {
		if !slices.Contains(list, one.Kind) {
			list = append(list, one.Kind)
		}
	}
	return list
}

// Case is the approval of one group. A group nobody has said anything of has the zero
// case with Tenant and Group, in the state Required.
type Case struct {
	ID      ID // zero before anything was saved
	Tenant  tenant.ID
	Group   audience.GroupID
	Version int64 // grows with every change, from 1
	State   State
	Since   time.Time // of the state
	// Submission is what is submitted, or Draft what is being written; either may be zero.
	Submission  Submission
	Draft       Submission
	DraftedAt   time.Time // zero: there is no draft
	SubmittedAt time.Time // zero: never
	// Due is when an answer is promised, in review; Left how much of the working day is
	// left while a question is open.
	Due  time.Time
	Left time.Duration
	// Last is what was said last to the account: the question, or the reason of a decision.
	Last string
	// ClaimedBy is the reviewer who has the case, as Reviewer.Actor; "": nobody.
	ClaimedBy string
	ClaimedAt time.Time
	// FirstBy approved first where four eyes are needed, FirstAt then; "" else.
	FirstBy string
	FirstAt time.Time
	// DecidedBy is who decided last, DecidedAt then; zero: nobody did.
	DecidedBy string
	DecidedAt time.Time
	// RejectedBy is who rejected the group, until it is approved: when it is submitted again,
	// another person decides.
	RejectedBy string
	// Content is what the group was when it was submitted, and what an approval covers.
	Content  Content
	Findings []Finding
	// ExaminedAt is when Findings were gathered; zero: not since it was submitted.
	ExaminedAt time.Time
	// Change tells why an approval was taken back; see Drift.
	Change Drift
}

// Rejected reports whether the case ended with no.
func (c Case) Rejected() bool { return c.State == Rejected }

// Entry is one line of a case's log: what was done and said, by whom. It is never changed.
type Entry struct {
	ID    EntryID
	Act   Act
	Actor string // text of a user's or key's identifier; "system"
	Text  string
	Files []FileID // that came with it
}

// At is when it was done.
func (e Entry) At() time.Time { return e.ID.Time() }

// ByStaff reports whether the platform spoke, not the account.
func (e Entry) ByStaff() bool {
	switch e.Act {
	case Submit, Answer, Amend:
		return false
	}
	return true
}

// File is a piece of evidence. Body is nil in lists.
type File struct {
	ID   FileID
	Name string
	Type string // media type, one of Types
	Size int
	Sum  [32]byte // SHA-256 of Body
	Body []byte
}

// Limits of what an account may say and show.
const (
	MaxSources  = 8
	MaxFile     = 10 << 20 // bytes of a piece of evidence
	MaxFiles    = 20       // of a case
	maxText     = 4000     // characters of what is said
	maxAnswer   = 2000     // characters of the answer to one question
	maxLine     = 200      // characters of a name, number or address
	maxURL      = 500
	maxEntries  = 500 // of a case
	maxFileName = 120
)

// Types are the media types of evidence. What browsers run is none of them.
func Types() []string {
	return []string{"application/pdf", "image/png", "image/jpeg", "text/plain", "text/csv", "message/rfc822"}
}
