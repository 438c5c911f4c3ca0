// Package consent keeps why a person may be written to, as evidence: for what, on which
// basis, in which words, how it was given, how it was confirmed and when it was withdrawn.
//
// It is floor 1, beside package audience. Sign-up forms (package signup) bring consents
// that people give themselves; the tenant's own people record what was given on paper or
// follows from a contract. The package decides nothing about sending: withdrawal is a
// suppression as well, and approvals look at groups.
package consent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Kind is the id.Kind of consents.
type Kind struct{}

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "cns" }

// ID names a consent.
type ID = id.Of[Kind]

// Basis is why the person may be written to (§ 7 UWG).
type Basis string

// The bases.
const (
	DoubleOptIn      Basis = "double_opt_in"     // asked and confirmed by the person, by e-mail
	Written          Basis = "written"           // signed
	ExistingCustomer Basis = "existing_customer" // § 7 (3) UWG, with its four conditions
	Contract         Basis = "contract"          // the mail is part of what was agreed
)

// Bases are all of them.
func Bases() []Basis { return []Basis{DoubleOptIn, Written, ExistingCustomer, Contract} }

// State is where a consent stands.
type State string

// The states.
const (
	Suspect   State = "suspect" // entered, perhaps by a program; nothing was sent
	Asked     State = "asked"   // entered; the confirmation is awaited
	Given     State = "given"
	Withdrawn State = "withdrawn"
)

// States are all of them, in the order in which a consent meets them.
func States() []State { return []State{Suspect, Asked, Given, Withdrawn} }

// Consent is one declaration of one person, and what became of it. Nothing of it is
// changed later but what happens to it.
type Consent struct {
	ID      ID               `json:"-"`
	Tenant  tenant.ID        `json:"-"`
	Address message.Address  `json:"-"` // zero once the person was erased
	Hash    audience.Hash    `json:"-"` // survives that
	Purpose tenant.Stream    `json:"-"` // category of mail that it is for
	Group   audience.GroupID `json:"-"` // zero for none
	Basis   Basis            `json:"-"`
	State   State            `json:"-"`
	// AskedAt is when it was entered or recorded, ExpiresAt when an unconfirmed one is
	// forgotten (zero: never). All times are to the millisecond.
	AskedAt   time.Time `json:"-"`
	ExpiresAt time.Time `json:"-"`

	// Form is the identifier of the form it came through, "" for none; FormURL the page it
	// stood on, Lang its language.
	Form    string `json:"form,omitempty"`
	FormURL string `json:"form_url,omitempty"`
	Lang    string `json:"language,omitempty"`
	// Wording is what the person agreed to, word by word; Notice the information of Art. 13
	// GDPR beside it, PrivacyURL where it goes on.
	Wording    string `json:"wording,omitempty"`
	Notice     string `json:"notice,omitempty"`
	PrivacyURL string `json:"privacy_url,omitempty"`
	// Person is what was entered beside the address.
	Person map[string]string `json:"person,omitempty"`
	// IP and Agent are of whoever entered it, as far as the tenant keeps them.
	IP    string `json:"ip,omitempty"`
	Agent string `json:"user_agent,omitempty"`
	// Mail is the message that asked for confirmation.
	Mail             message.ID `json:"mail,omitzero"`
	ConfirmedAt      time.Time  `json:"confirmed_at,omitzero"`
	ConfirmedIP      string     `json:"confirmed_ip,omitempty"`
	ConfirmedAgent   string     `json:"confirmed_user_agent,omitempty"`
	Reason           string     `json:"reason,omitempty"` // why it is suspect
	WithdrawnAt      time.Time  `json:"withdrawn_at,omitzero"`
	Way              string     `json:"way,omitempty"` // how it was withdrawn: "link", "office", "api"
	Actor            string     `json:"actor,omitempty"`
	Evidence         string     `json:"evidence,omitempty"` // where the paper is, or the contract's number
	Sale             string     `json:"sale,omitempty"`     // § 7 (3): from which sale the address is
	Goods            string     `json:"goods,omitempty"`    // which own similar goods are advertised
	NoticeOnCollect  string     `json:"notice_on_collection,omitempty"`
	ObjectionChecked bool       `json:"no_objection,omitempty"`
}

// Version tells one wording from another: the beginning of its SHA-256, in hexadecimal.
func (c Consent) Version() string {
	if c.Wording == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(c.Wording))
	return hex.EncodeToString(sum[:6])
}

// Filter picks consents of a tenant, new ones first. The zero Filter is all.
type Filter struct {
	Hash  audience.Hash // of an address; zero: any
	Group audience.GroupID
	Form  string
	State State
	After ID  // last one of the page before
	Limit int // 0: 50, at most 500
}

// Store keeps consents. Every method is one whole transaction. What is not there, or
// belongs to another tenant, is *fault.Error NotFound "consent_not_found".
type Store interface {
	AddConsent(ctx context.Context, c Consent) error
	// ChangeConsent replaces what happened to one that is in the state from; another is
	// Conflict "consent_state".
	ChangeConsent(ctx context.Context, c Consent, from State) error
	Consent(ctx context.Context, t tenant.ID, c ID) (Consent, error)
	Consents(ctx context.Context, t tenant.ID, f Filter) (list []Consent, more bool, err error)
	// ForgetUnconfirmed removes those whose time to be confirmed is over, of all tenants, at
	// most limit, and returns how many.
	ForgetUnconfirmed(ctx context.Context, now time.Time, limit int) (int, error)
}

// Hasher makes the hash of a tenant's address; *audience.Service does.
type Hasher interface {
	Hash(t tenant.ID, a message.Address) audience.Hash
}

// Book keeps consents by their rules. It is safe for concurrent use.
type Book struct {
	Store  Store
	Hasher Hasher
	Now    func() time.Time
}

const (
	maxLine = 300
	maxText = 10_000
)

// Record keeps a consent that was given outside: on paper, by a sale or a contract. Only
// basis, address, purpose, group, wording, evidence and the conditions of § 7 (3) UWG are
// read. Errors are Invalid with the fields "basis", "purpose", "wording", "evidence",
// "sale", "goods", "notice_on_collection", "no_objection".
func (b *Book) Record(ctx context.Context, c Consent, actor string) (Consent, error) {
	now := b.Now().UTC().Truncate(time.Millisecond)
	c = Consent{
		ID: id.New[Kind](now), Tenant: c.Tenant, Address: c.Address, Hash: b.Hasher.Hash(c.Tenant, c.Address), Purpose: c.Purpose, Group: c.Group,
		Basis: c.Basis, State: Given, AskedAt: now, Wording: strings.TrimSpace(c.Wording), Evidence: strings.TrimSpace(c.Evidence), Actor: actor,
		Sale: strings.TrimSpace(c.Sale), Goods: strings.TrimSpace(c.Goods), NoticeOnCollect: strings.TrimSpace(c.NoticeOnCollect), ObjectionChecked: c.ObjectionChecked,
	}
	if err := c.check(); err != nil {
		return Consent{}, err
	}
	return c, b.Store.AddConsent(ctx, c)
}

func (c Consent) check() error {
	var wrong []*fault.Error
	need := func(field, value string, limit int, needed bool) {
		switch {
		case needed && value == "":
			wrong = append(wrong, fault.Field(field, "consent_missing", "This must be there."))
		case !text(value, limit):
			wrong = append(wrong, fault.Field(field, "consent_text", "The text is too long or has characters that cannot be shown."))
		}
	}
	if !slices.Contains([]Basis{Written, ExistingCustomer, Contract}, c.Basis) {
		wrong = append(wrong, fault.Field("basis", "consent_basis", "A consent is recorded as written, existing_customer or contract; people confirm the others themselves."))
	}
	if c.Purpose != tenant.Newsletter && c.Purpose != tenant.Reminder {
		wrong = append(wrong, fault.Field("purpose", "consent_purpose", "A consent is for newsletter or reminder."))
	}
	need("wording", c.Wording, maxText, c.Basis == Written)
	need("evidence", c.Evidence, maxLine, c.Basis == Written || c.Basis == Contract)
	own := c.Basis == ExistingCustomer
	need("sale", c.Sale, maxLine, own)
	need("goods", c.Goods, maxLine, own)
	need("notice_on_collection", c.NoticeOnCollect, maxText, own)
	if own && !c.ObjectionChecked {
		wrong = append(wrong, fault.Field("no_objection", "consent_missing", "This must be there."))
	}
	return fault.Join(wrong)
}

// text reports whether words can be shown, perhaps in several lines.
func text(s string, limit int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit &&
		strings.IndexFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }) < 0
}

// Of are the consents of an address, new ones first, at most 500.
func (b *Book) Of(ctx context.Context, t tenant.ID, a message.Address) ([]Consent, error) {
	list, _, err := b.Store.Consents(ctx, t, Filter{Hash: b.Hasher.Hash(t, a), Limit: 500})
	if err != nil {
		return nil, fmt.Errorf("consents of an address: %w", err)
	}
	return list, nil
}

// Withdraw notes that a given consent holds no more. The address must be suppressed by
// the caller.
func (b *Book) Withdraw(ctx context.Context, t tenant.ID, number ID, way, actor string) (Consent, error) {
	c, err := b.Store.Consent(ctx, t, number)
	if err != nil {
		return c, err
	}
	return c, b.withdraw(ctx, &c, way, actor)
}

func (b *Book) withdraw(ctx context.Context, c *Consent, way, actor string) error {
	if c.State != Given {
		return fault.New(fault.Conflict, "consent_state", "Only a consent that was given can be withdrawn.")
	}
	c.State, c.WithdrawnAt, c.Way, c.Actor = Withdrawn, b.Now().UTC().Truncate(time.Millisecond), way, actor
	return b.Store.ChangeConsent(ctx, *c, Given)
}

// Refused withdraws what an address has consented to for a category, because the person
// wants no more of it.
func (b *Book) Refused(ctx context.Context, t tenant.ID, a message.Address, purpose tenant.Stream) error {
	list, err := b.Of(ctx, t, a)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.State != Given || c.Purpose != purpose {
			continue
		}
		if err := b.withdraw(ctx, &c, "link", "recipient"); err != nil && !fault.IsKind(err, fault.Conflict) {
			return fmt.Errorf("withdraw a consent: %w", err)
		}
	}
	return nil
}
