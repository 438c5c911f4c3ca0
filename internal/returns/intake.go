package returns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/seal"
)

// Envelope is how a mail reached the door.
type Envelope struct {
	Sender     string // "" is the null reverse path
	Recipients []message.Address
	Peer       netip.Addr
	HELO       string
}

// Intake makes return mail durable. It is safe for concurrent use.
type Intake struct {
	store     Store
	addresses *Addresses
	keeper    *seal.Keeper
	now       func() time.Time
	wake      func()
	log       *slog.Logger
}

// IntakeConfig is what an Intake needs. Store, Addresses, Keeper and Now are demanded.
type IntakeConfig struct {
	Store     Store
	Addresses *Addresses
	Keeper    *seal.Keeper
	Now       func() time.Time
	// Wake tells the reader that there is mail; nil: it looks by itself.
	Wake func()
	Log  *slog.Logger // nil discards
}

// NewIntake makes an Intake.
func NewIntake(c IntakeConfig) *Intake {
	if c.Wake == nil {
		c.Wake = func() {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Intake{store: c.Store, addresses: c.Addresses, keeper: c.Keeper, now: c.Now, wake: c.Wake, log: c.Log}
}

// errForeign: the door asks Takes before it lets a recipient in.
var errForeign = errors.New("the address is not ours")

// Takes reports whether the address is one of ours.
func (i *Intake) Takes(to message.Address) bool {
	_, _, ok := i.addresses.Purpose(to)
	return ok
}

// Keep stores the mail for each of its recipients. When it returns nil the mail is
// safe and may be acknowledged; on an error nothing of it is stored. Errors that are
// *fault.Error are those of the store.
func (i *Intake) Keep(ctx context.Context, e Envelope, raw []byte) error {
	now := i.now().UTC().Truncate(time.Millisecond)
	list := make([]Kept, 0, len(e.Recipients))
	for _, to := range e.Recipients {
		k, err := i.kept(ctx, e, to, raw, now)
		if err != nil {
			return fmt.Errorf("keep return mail: %w", err)
		}
		list = append(list, k)
	}
	if err := i.store.KeepReturns(ctx, list); err != nil {
		return fmt.Errorf("keep return mail: %w", err)
	}
	for _, k := range list {
		i.log.Info("return mail stored", "return", k.ID.String(), "purpose", string(k.Purpose), "peer", e.Peer.String())
	}
	i.wake()
	return nil
}

func (i *Intake) kept(ctx context.Context, e Envelope, to message.Address, raw []byte, now time.Time) (Kept, error) {
	purpose, path, ok := i.addresses.Purpose(to)
	if !ok {
		return Kept{}, errForeign
	}
	m := Mail{ID: id.New[Kind](now), Purpose: purpose, Recipient: to, Sender: e.Sender, Peer: e.Peer, HELO: e.HELO,
		Size: int64(len(raw)), Salt: seal.NewSalt(), ReceivedAt: now, State: Pending}
	if d := path.Delivery; !d.IsZero() {
		owner, known, err := i.store.OwnerOf(ctx, path)
		if err != nil {
			return Kept{}, err
		}
		if known {
			m.Tenant, m.Account, m.Delivery = owner, owner, d
		}
	}
	sealed, err := i.keeper.SealBody(make([]byte, 0, len(raw)+seal.Overhead), raw, m.Salt)
	return Kept{Mail: m, Sealed: sealed}, err
}

// Reader opens stored return mail for people. It is safe for concurrent use.
type Reader struct {
	store  Store
	keeper *seal.Keeper
}

// NewReader makes a Reader.
func NewReader(s Store, k *seal.Keeper) *Reader { return &Reader{store: s, keeper: k} }

// Raw returns the bytes of a mail as they came, with our Received field before them.
// They are a stranger's: whoever shows them shows text. NotFound "return_erased" if they
// were dropped.
func (r *Reader) Raw(ctx context.Context, m Mail) ([]byte, error) {
	if m.Erased() {
		return nil, fault.New(fault.NotFound, "return_erased", "The content was dropped.")
	}
	sealed, err := r.store.ReturnBody(ctx, m.Tenant, m.ID)
	if err != nil {
		return nil, err
	}
	raw, err := r.keeper.OpenBody(sealed, m.Salt)
	if err != nil {
		return nil, fmt.Errorf("open return mail %s: %w", m.ID, err)
	}
	return raw, nil
}
