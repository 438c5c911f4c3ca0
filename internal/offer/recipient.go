package offer

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// RecipientKind is the id.Kind of recipients of offers.
type RecipientKind struct{}

// Prefix implements id.Kind.
func (RecipientKind) Prefix() string { return "offr" }

// RecipientID names a recipient of one offer.
type RecipientID = id.Of[RecipientKind]

// Recipient is somebody an offer was made to, with the link of their own.
type Recipient struct {
	ID      RecipientID
	Tenant  tenant.ID
	Offer   ID
	Address message.Address
	Name    string
	// Actor is the user or key that sent it.
	Actor string
	// Message is its mail; zero: none was accepted yet, for the Reason.
	Message   message.ID
	Reason    string
	Sendings  int // how often a mail was handed over
	CreatedAt time.Time
	SentAt    time.Time
	ExpiresAt time.Time // zero: never
	RevokedAt time.Time // zero: the link holds
	Password  string    // argon2id in PHC form; "": none is asked
	// Decision is how much of their looks might be kept when the offer was made to them.
	Decision tracking.Decision
	// RestrictedAt is when the person was erased but for what is kept as proof.
	RestrictedAt time.Time
}

// Mailbox is where the mail goes.
func (r Recipient) Mailbox() message.Mailbox {
	return message.Mailbox{Name: r.Name, Address: r.Address}
}

// Title is how a page calls the recipient.
func (r Recipient) Title() string {
	if r.Name != "" {
		return r.Name
	}
	return r.Address.String()
}

// Over reports whether the link opens the offer no more.
func (r Recipient) Over(now time.Time) bool {
	return !r.RevokedAt.IsZero() || !r.ExpiresAt.IsZero() && !now.Before(r.ExpiresAt)
}

// Path is where the pages of recipients lie; a token follows.
const Path = "/o/"

// CodeLink is the refusal of every token that opens nothing, whatever is wrong with it.
const CodeLink = "offer_link_unknown"

const (
	tokenVersion = 1
	macSize      = 16 // bytes: 128 bits
	namedSize    = 1 + 16 + 16
	tokenSize    = namedSize + macSize
)

func unknownLink() error { return fault.New(fault.NotFound, CodeLink, "There is no such link.") }

// token is a capability: it names a recipient and bears a MAC that nobody can make without
// the root key. What it names is no secret.
func (s *Service) token(t tenant.ID, r RecipientID) string {
	raw := append(make([]byte, 0, tokenSize), tokenVersion)
	raw = append(append(raw, t[:]...), r[:]...)
	return base64.RawURLEncoding.EncodeToString(append(raw, s.mac("recipient", raw)...))
}

func (s *Service) mac(purpose string, named []byte) []byte {
	m := hmac.New(sha256.New, s.key)
	m.Write([]byte(purpose + "\n"))
	m.Write(named)
	return m.Sum(nil)[:macSize]
}

func (s *Service) named(token string) (t tenant.ID, r RecipientID, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != tokenSize || raw[0] != tokenVersion || !hmac.Equal(raw[namedSize:], s.mac("recipient", raw[:namedSize])) {
		return t, r, unknownLink()
	}
	return tenant.ID(raw[1:17]), RecipientID(raw[17:33]), nil
}

// LinkOf is the address of a recipient's page. Whoever has it is taken for the recipient.
func (s *Service) LinkOf(r Recipient) string { return s.c.PublicURL + Path + s.token(r.Tenant, r.ID) }

// unlockLasts is how long a password need not be entered again.
const unlockLasts = 12 * time.Hour

// unlockKey is what a page behind a password carries in its addresses, as there are no
// cookies: bound to the recipient and the password, for some hours.
func (s *Service) unlockKey(r Recipient, until time.Time) string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(until.Unix()))
	return base64.RawURLEncoding.EncodeToString(append(raw, s.mac("unlock "+r.ID.String()+" "+r.Password, raw)...))
}

func (s *Service) unlocked(r Recipient, key string) bool {
	if r.Password == "" {
		return true
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(key)
	if err != nil || len(raw) != 8+macSize || !hmac.Equal(raw[8:], s.mac("unlock "+r.ID.String()+" "+r.Password, raw[:8])) {
		return false
	}
	left := time.Unix(int64(binary.BigEndian.Uint64(raw[:8])), 0).Sub(s.now())
	return left > 0 && left <= unlockLasts+time.Second
}

// maxRecipients bounds the recipients of an offer that are listed.
const maxRecipients = 5000

// Recipients lists those of an offer from new to old, at most five thousand.
func (s *Service) Recipients(ctx context.Context, t tenant.ID, o ID) ([]Recipient, error) {
	list, err := s.c.Store.OfferRecipients(ctx, t, o, maxRecipients)
	if err != nil {
		return nil, fmt.Errorf("list recipients of offer: %w", err)
	}
	return list, nil
}

// Recipient returns one of an offer.
func (s *Service) Recipient(ctx context.Context, t tenant.ID, o ID, r RecipientID) (Recipient, error) {
	v, err := s.c.Store.OfferRecipient(ctx, t, r)
	if err == nil && v.Offer != o {
		err = fault.New(fault.NotFound, CodeUnknown, "There is no such recipient.")
	}
	if err != nil {
		return Recipient{}, fmt.Errorf("read recipient of offer: %w", err)
	}
	return v, nil
}

// Revoke closes the link of a recipient. What was confirmed stays, and so does the way to
// withdraw from a contract.
func (s *Service) Revoke(ctx context.Context, t tenant.ID, o ID, r RecipientID) error {
	v, err := s.Recipient(ctx, t, o, r)
	if err != nil {
		return err
	}
	if v.RevokedAt.IsZero() {
		v.RevokedAt = s.now()
	}
	if err := s.c.Store.SettleOfferRecipient(ctx, v); err != nil {
		return fmt.Errorf("revoke link of offer: %w", err)
	}
	return nil
}

// Likes lists which units are liked.
func (s *Service) Likes(ctx context.Context, t tenant.ID, o ID) ([]Like, error) {
	list, err := s.c.Store.OfferLikes(ctx, t, o)
	if err != nil {
		return nil, fmt.Errorf("list likes of offer: %w", err)
	}
	return list, nil
}

// Like is that a recipient likes a unit.
type Like struct {
	Tenant    tenant.ID
	Offer     ID
	Recipient RecipientID
	Unit      string
	At        time.Time
}
