// Package tracking tells what recipients do with mail and offers: opened, clicked,
// visited, downloaded. It decides how much may be told of whom, weaves pixel and links
// into mail that may tell, reads their tokens when they come back, judges whether a
// person or a machine was there, and keeps the activity.
//
// Two stations of the journey pass here: ingest asks for the decision and the woven
// body before the body is sealed, and the public doors bring the hits. What may be
// recorded is decided twice, when sent and again at the hit, by the least of what
// tenant, stream, message and recipient allow (ADR 31).
//
// It does not serve HTTP (public), notify anybody (insight and rooms above), or show
// pages; it knows no SQL.
package tracking

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Level is how much is told of recipients. Levels are ordered; the zero value says
// nothing and limits nothing.
type Level uint8

// The levels, from least to most.
const (
	Unset        Level = iota
	None               // nothing is inserted, nothing recorded
	Aggregate          // counts per message and link, of ten addresses and more
	Pseudonymous       // single activities without address, delivery and network
	Individual         // activities of a person
)

var levelNames = [...]string{"", "none", "aggregate", "pseudonymous", "individual"} //nolint:gochecknoglobals // a table that never changes

// Levels lists the levels from least to most.
func Levels() []Level { return []Level{None, Aggregate, Pseudonymous, Individual} }

// String returns the level's name in API and forms; "" for Unset.
func (l Level) String() string {
	if int(l) >= len(levelNames) {
		return ""
	}
	return levelNames[l]
}

// ParseLevel reads a name; "" is Unset. The error is *fault.Error Invalid
// "tracking_level_unknown".
func ParseLevel(s string) (Level, error) {
	for i, name := range levelNames {
		if s == name {
			return Level(i), nil
		}
	}
	return Unset, fault.Field("tracking", CodeLevelUnknown, "Tracking is one of none, aggregate, pseudonymous, individual.")
}

// MarshalText implements encoding.TextMarshaler.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Level) UnmarshalText(text []byte) error {
	v, err := ParseLevel(string(text))
	*l = v
	return err
}

// Least returns the lowest of the levels that say something, Unset if none does.
func Least(levels ...Level) Level {
	least := Unset
	for _, l := range levels {
		if l != Unset && (least == Unset || l < least) {
			least = l
		}
	}
	return least
}

// Codes of refusals.
const (
	CodeLevelUnknown         = "tracking_level_unknown"
	CodeBasisUnknown         = "tracking_basis_unknown"
	CodeBasisMissing         = "tracking_basis_missing"
	CodeJustificationMissing = "tracking_justification_missing"
	CodeJustificationLong    = "tracking_justification_long"
	CodeConsentUnknown       = "tracking_consent_unknown"
	CodeWordingLong          = "tracking_wording_long"
)

// Basis is the legal basis that a tenant names for telling of persons.
type Basis string

// The bases; "" is none recorded.
const (
	BasisNone          Basis = ""
	BasisConsent       Basis = "consent"             // Art. 6(1)(a) GDPR, § 25(1) TDDDG
	BasisContract      Basis = "contract"            // Art. 6(1)(b)
	BasisLegitimate    Basis = "legitimate_interest" // Art. 6(1)(f)
	maxJustification         = 4000
	maxWording               = 4000
	minForCounts             = 10
	defaultTenantLevel       = Aggregate
)

// Bases lists what a tenant can choose.
func Bases() []Basis { return []Basis{BasisConsent, BasisContract, BasisLegitimate} }

// MinForCounts is from how many addresses of a message on counts of Aggregate are told:
// below that a count names a person.
const MinForCounts = minForCounts

// Setting is a tenant's own switch. Every setting a tenant had is kept.
type Setting struct {
	Tenant        tenant.ID
	Level         Level
	Basis         Basis
	Justification string // the tenant's own words
	By            string // who set it: text of a key or user ID; "" for the default
	At            time.Time
}

// DefaultSetting is that of a tenant who never set anything: there is no basis for more
// than counts.
func DefaultSetting(t tenant.ID) Setting { return Setting{Tenant: t, Level: defaultTenantLevel} }

// Recorded reports whether the tenant has set it.
func (s Setting) Recorded() bool { return !s.At.IsZero() }

// Check refuses a setting that may not be: more than Aggregate needs a basis and a
// justification in the tenant's words. Errors name the fields "level", "basis" and
// "justification".
func (s Setting) Check() error {
	var wrong []*fault.Error
	refuse := func(field, code, detail string) { wrong = append(wrong, fault.Field(field, code, detail)) }
	if s.Level < None || s.Level > Individual {
		refuse("level", CodeLevelUnknown, "The level is one of none, aggregate, pseudonymous, individual.")
	}
	switch s.Basis {
	case BasisNone, BasisConsent, BasisContract, BasisLegitimate:
	default:
		refuse("basis", CodeBasisUnknown, "The basis is one of consent, contract, legitimate_interest.")
	}
	if s.Level > Aggregate && s.Basis == BasisNone {
		refuse("basis", CodeBasisMissing, "Telling of persons needs a legal basis.")
	}
	if s.Level > Aggregate && strings.TrimSpace(s.Justification) == "" {
		refuse("justification", CodeJustificationMissing, "Say in your own words why the basis applies.")
	}
	if utf8.RuneCountInString(s.Justification) > maxJustification {
		refuse("justification", CodeJustificationLong, fmt.Sprintf("A justification has at most %d characters.", maxJustification))
	}
	return fault.Join(wrong)
}

// StreamLevel limits one stream.
type StreamLevel struct {
	Stream tenant.Stream
	Level  Level // Unset: the stream limits nothing
	By     string
	At     time.Time
}

// State is what a recipient said about being tracked.
type State string

// The states of a consent. Nothing said is StateUnknown.
const (
	StateUnknown   State = "unknown"
	StateGranted   State = "granted"
	StateWithdrawn State = "withdrawn"
)

// Consent is what one recipient said to one tenant. Every change is kept.
type Consent struct {
	Tenant  tenant.ID
	Address message.Address
	State   State
	At      time.Time
	Actor   string // who recorded it: a key or user ID, "recipient" for the person
	Way     string // how it was said: "page", "api", "office", "form", "phone", … free text of one line
	Wording string // what the recipient agreed to or was shown
}

// Check refuses a consent in an unknown state or with too long a wording.
func (c Consent) Check() error {
	switch c.State {
	case StateUnknown, StateGranted, StateWithdrawn:
	default:
		return fault.Field("state", CodeConsentUnknown, "The state is one of granted, withdrawn, unknown.")
	}
	if utf8.RuneCountInString(c.Wording)+utf8.RuneCountInString(c.Way) > maxWording {
		return fault.Field("wording", CodeWordingLong, fmt.Sprintf("A wording has at most %d characters.", maxWording))
	}
	return nil
}

// Rule names what decided a level.
type Rule string

// The rules, in the order in which they are asked; of several that allow no more than
// the least, the first is named.
const (
	RuleTenant            Rule = "tenant"             // the tenant's switch
	RuleBasis             Rule = "basis"              // no legal basis is recorded
	RuleStream            Rule = "stream"             // the stream's limit
	RuleMessage           Rule = "message"            // the request said so
	RuleRecipient         Rule = "recipient"          // a recipient has withdrawn, or did not grant where consent is the basis
	RuleSeveralRecipients Rule = "several_recipients" // nobody can say who it was
	RuleFewRecipients     Rule = "few_recipients"     // a count of so few would name a person
	RuleSignedContent     Rule = "signed_content"     // signed or encrypted: not to be changed
	RuleForeign           Rule = "foreign"            // somebody else's mail that is passed on
	RuleNoHTML            Rule = "no_html"            // nothing that could tell
	RuleUnreadable        Rule = "unreadable"         // HTML that cannot be changed without harm
)

// Decision is how much is told, and what decided it.
type Decision struct {
	Level Level
	Rule  Rule
}

// Limited returns d, or the lower level with the rule that demands it.
func (d Decision) Limited(l Level, r Rule) Decision {
	if l != Unset && l < d.Level {
		return Decision{Level: l, Rule: r}
	}
	return d
}

// Sent is what was decided when a mail or an offer went out, as far as a hit must know.
type Sent struct {
	Tenant     tenant.ID
	Stream     tenant.Stream // "" for what is no mail
	Decision   Decision
	Recipients []message.Address // all of To, Cc and Bcc: one who withdraws silences what all share
}

// Tracked is what is kept beside a message about which somebody may ask whether it
// tells: the decision, and the links that tokens name.
type Tracked struct {
	Tenant     tenant.ID
	Message    message.ID
	Stream     tenant.Stream
	Sender     string // key or user that submitted the message
	Decision   Decision
	Recipients int    // addresses at acceptance, To, Cc and Bcc
	Links      []Link // link number n, from 1, is Links[n-1]
}

// Link is one link of a message.
type Link struct {
	Target string `json:"target"`          // absolute http or https URL as the sender wrote it
	Label  string `json:"label,omitempty"` // its text, shortened; "" for pictures
	Trap   bool   `json:"trap,omitempty"`  // no person can reach it
}
