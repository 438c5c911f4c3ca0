package offer

import (
	"context"
	"time"

	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Part is a piece of a file, sealed with a key of its own.
type Part struct {
	Salt   seal.Salt
	Sealed []byte
}

// Row is an offer in a list, with how many recipients it has, was sent to, and was
// confirmed by.
type Row struct {
	Offer
	Recipients, Sent, Confirmed int
}

// Store is what offers need of the database. Each method is one transaction. What is not
// there is NotFound CodeUnknown.
type Store interface {
	// SaveOffer inserts or replaces an offer. A new one is refused with Conflict CodeMany if
	// the tenant has most already.
	SaveOffer(ctx context.Context, o Offer, most int) error
	// PublishOffer keeps a version and the offer that points to it. Conflict CodeState if
	// the version is there already.
	PublishOffer(ctx context.Context, o Offer, v Version) error
	Offer(ctx context.Context, t tenant.ID, o ID) (Offer, error)
	OfferVersion(ctx context.Context, t tenant.ID, o ID, number int) (Version, error)
	// Offers lists all of a tenant from new to old.
	Offers(ctx context.Context, t tenant.ID) ([]Row, error)
	// DropOffer removes an offer with all that belongs to it, in bounded steps: what breaks
	// off is gone on with when it is asked for again. Conflict CodeProofs if there
	// are acts since an instant.
	DropOffer(ctx context.Context, t tenant.ID, o ID, since time.Time) error

	// PutOfferPart keeps a piece of a file, numbered from 0. One that is there stays.
	PutOfferPart(ctx context.Context, t tenant.ID, o ID, file Hash, n int, p Part) error
	// OfferPart returns a piece; false after the last.
	OfferPart(ctx context.Context, t tenant.ID, o ID, file Hash, n int) (Part, bool, error)
	// CopyOfferParts copies the pieces of files of one offer to another.
	CopyOfferParts(ctx context.Context, t tenant.ID, from, to ID, file Hash) error

	// AddOfferRecipients keeps new recipients.
	AddOfferRecipients(ctx context.Context, list []Recipient) error
	// SettleOfferRecipient changes what is not who it is: sending, expiry, password,
	// revocation.
	SettleOfferRecipient(ctx context.Context, r Recipient) error
	OfferRecipient(ctx context.Context, t tenant.ID, r RecipientID) (Recipient, error)
	// OfferRecipients lists those of an offer from new to old, at most limit.
	OfferRecipients(ctx context.Context, t tenant.ID, o ID, limit int) ([]Recipient, error)
	// OfferRecipientsAt lists those with an address, over all offers of a tenant.
	OfferRecipientsAt(ctx context.Context, t tenant.ID, a message.Address) ([]Recipient, error)
	// ForgetOfferRecipient removes a recipient with likes; restrict keeps one that has acts,
	// revokes its link and notes since when it is restricted. n counts the rows.
	ForgetOfferRecipient(ctx context.Context, t tenant.ID, r RecipientID, now time.Time) (n int64, err error)

	// LikeUnit notes that a recipient likes a unit, or does no longer, and reports whether
	// that is new.
	LikeUnit(ctx context.Context, l Like, on bool) (bool, error)
	OfferLikes(ctx context.Context, t tenant.ID, o ID) ([]Like, error)

	// AddOfferAct keeps an act. Limited CodeActs if the recipient has most already.
	AddOfferAct(ctx context.Context, a Act, most int) error
	// OfferActs lists those of an offer in order, of one recipient if r is not zero.
	OfferActs(ctx context.Context, t tenant.ID, o ID, r RecipientID) ([]Act, error)
	// OfferWithdrawals lists withdrawals of a tenant nobody has handled, the oldest first.
	OfferWithdrawals(ctx context.Context, t tenant.ID, limit int) ([]Act, error)
	// SettleOfferAct changes the receipt and handling of an act.
	SettleOfferAct(ctx context.Context, a Act) error
	// CountOfferWithdrawals counts withdrawals nobody has handled, and says since when the
	// oldest waits.
	CountOfferWithdrawals(ctx context.Context, t tenant.ID) (n int, since time.Time, err error)
}
