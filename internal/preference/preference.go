// Package preference is what recipients decide about a sender's mail without an account:
// no more of a category by one click (RFC 8058), or category by category on a page, and
// back again.
//
// It is floor 3. Each delivery of a mailing bears a link of its own (Link), which is a
// capability: it names the delivery and proves that we made it. What is decided becomes
// suppressions of package audience, which hold for queued mail as for new mail, and a fact
// of the delivery. The pages are the door public's; mail that unsubscribes is package
// returns'.
package preference

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Path is where the pages lie; the token follows.
const Path = "/abmelden/"

// CodeUnknown is a link that we did not make, or whose mail is no longer known. Nothing
// tells which.
const CodeUnknown = "preference_link_unknown"

const (
	macSize   = 16 // bytes: 128 bits
	tokenSize = 16 + 16 + macSize
	// TokenLength is how many characters a token has.
	TokenLength = tokenSize / 3 * 4
	// actor is whom the record of a suppression names.
	actor = audience.ByRecipient
	// liftWords stand in the history of an address whose owner wants mail again.
	liftWords = "Chosen by the recipient behind the link of a mail."
)

// Store is what the room needs of the database. Each method is one transaction.
type Store interface {
	// Addressee tells of whom a delivery is; ok is false where there is none such, or the
	// recipient was erased.
	Addressee(ctx context.Context, t tenant.ID, d message.DeliveryID) (a Addressee, ok bool, err error)
	// AddFact records a fact of a delivery unless there is one of its type from the last
	// minute, so that a click repeated by a program is one fact.
	AddFact(ctx context.Context, t tenant.ID, e event.Event) error
	// Tenant and Profile name the sender.
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
	Profile(ctx context.Context, t tenant.ID) (tenant.Profile, error)
}

// Addressee is the recipient of a delivery and the category of its mail.
type Addressee struct {
	Address message.Address
	Stream  tenant.Stream
}

// List is the tenant's suppressions; *audience.Service is one.
type List interface {
	Hash(t tenant.ID, a message.Address) audience.Hash
	Suppressions(ctx context.Context, t tenant.ID, f audience.Filter) (audience.Page, error)
	Suppress(ctx context.Context, t tenant.ID, w audience.Wish, actor string) (audience.Entry, error)
	Lift(ctx context.Context, t tenant.ID, e audience.ID, actor, why string) (audience.Entry, error)
}

// Consents is told of what people want no more; *consent.Book is.
type Consents interface {
	Refused(ctx context.Context, t tenant.ID, a message.Address, purpose tenant.Stream) error
}

// Config is what a Service needs.
type Config struct {
	Store Store
	List  List
	// Consents of a category that a person refuses are withdrawn; nil: none are kept.
	Consents Consents
	// Key derives the MACs of links; 32 bytes used for nothing else.
	Key []byte
	// PublicURL is the address of the pages without a path.
	PublicURL string
	Now       func() time.Time
	Log       *slog.Logger // nil: discard
}

// Service makes links and takes decisions. It is safe for concurrent use.
type Service struct {
	c     Config
	codes *seal.Codes // of links
}

// New makes a Service.
func New(c Config) *Service {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c, seal.NewCodes(c.Key)}
}

// Choices are the categories that a recipient can refuse on a page: mail that nobody has
// to get. Mail about contracts and accounts is not among them (I18).
func Choices() []tenant.Stream { return []tenant.Stream{tenant.Newsletter, tenant.Reminder} }

// Link is the address of a delivery's page; a POST of List-Unsubscribe=One-Click to it
// ends the category at once.
func (s *Service) Link(t tenant.ID, d message.DeliveryID) string {
	raw := make([]byte, 0, tokenSize)
	raw = append(append(raw, t[:]...), d[:]...)
	return s.c.PublicURL + Path + base64.RawURLEncoding.EncodeToString(append(raw, s.mac(raw)...))
}

func (s *Service) mac(named []byte) []byte {
	code := s.codes.Of([]byte("preference link\x00"), named)
	return code[:macSize]
}

// State is what a page shows.
type State struct {
	Tenant   tenant.Tenant
	Profile  tenant.Profile
	Delivery message.DeliveryID
	Addressee
	// Off are the categories of which the person gets none, with why; a person can take
	// back only what was their own decision (Mine).
	Off  map[tenant.Stream]audience.Reason
	mine map[tenant.Stream][]audience.ID
}

// Mine reports whether a category is off because the person wanted it so.
func (v State) Mine(stream tenant.Stream) bool { return v.Off[stream] == audience.Unsubscribed }

// Listed are the categories to choose from: Choices, and the mail's own before them where
// it is another one that may be refused by its link.
func (v State) Listed() []tenant.Stream {
	list := Choices()
	if !slices.Contains(list, v.Stream) {
		list = append([]tenant.Stream{v.Stream}, list...)
	}
	return list
}

// Open reads what the link of a mail leads to. Errors: NotFound "preference_link_unknown".
func (s *Service) Open(ctx context.Context, token string) (v State, err error) {
	unknown := fault.New(fault.NotFound, CodeUnknown, "There is no such link.")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != tokenSize || !hmac.Equal(raw[32:], s.mac(raw[:32])) {
		return v, unknown
	}
	t, d := tenant.ID(raw[:16]), message.DeliveryID(raw[16:32])
	a, ok, err := s.c.Store.Addressee(ctx, t, d)
	if err != nil {
		return v, fmt.Errorf("open preference link: %w", err)
	}
	if !ok {
		return v, unknown
	}
	v = State{Delivery: d, Addressee: a}
	if v.Tenant, err = s.c.Store.Tenant(ctx, t); err == nil {
		v.Profile, err = s.c.Store.Profile(ctx, t)
	}
	if err != nil {
		return v, fmt.Errorf("open preference link: %w", err)
	}
	return v, s.read(ctx, &v)
}

// read fills in what is suppressed for the person.
func (s *Service) read(ctx context.Context, v *State) error {
	page, err := s.c.List.Suppressions(ctx, v.Tenant.ID, audience.Filter{Hash: s.c.List.Hash(v.Tenant.ID, v.Address), Limit: 50})
	if err != nil {
		return fmt.Errorf("read choices of a recipient: %w", err)
	}
	v.Off, v.mine = map[tenant.Stream]audience.Reason{}, map[tenant.Stream][]audience.ID{}
	for _, e := range page.Entries {
		for _, stream := range v.Listed() {
			if !e.Active(s.c.Now()) || e.Stream != "" && e.Stream != stream {
				continue
			}
			v.Off[stream] = v.Off[stream].Stronger(e.Reason)
			if e.Reason == audience.Unsubscribed {
				v.mine[stream] = append(v.mine[stream], e.ID)
			}
		}
	}
	return nil
}

// Leave ends the category of the link's mail, as one click does. It may be called any
// number of times.
func (s *Service) Leave(ctx context.Context, token string) (State, error) {
	v, err := s.Open(ctx, token)
	if err != nil {
		return v, err
	}
	return s.refuse(ctx, v, []tenant.Stream{v.Stream})
}

// Choose makes the person get the categories of want, as far as it is for them to decide,
// and no other. Errors: those of Open, Invalid "stream_unknown".
func (s *Service) Choose(ctx context.Context, token string, want []tenant.Stream) (State, error) {
	v, err := s.Open(ctx, token)
	if err != nil {
		return v, err
	}
	for _, stream := range want {
		if !slices.Contains(v.Listed(), stream) {
			return v, fault.Field("want", "stream_unknown", "There is no such category.")
		}
	}
	var no []tenant.Stream
	for _, stream := range v.Listed() {
		// What is refused already is refused by itself too, before a refusal of all
		// categories is taken back below.
		if !slices.Contains(want, stream) && (v.Off[stream] == "" || v.Mine(stream)) {
			no = append(no, stream)
		}
	}
	back := v.mine
	if v, err = s.refuse(ctx, v, no); err != nil {
		return v, err
	}
	for _, stream := range want {
		if err := s.lift(ctx, v.Tenant.ID, back[stream]); err != nil {
			return v, err
		}
	}
	return v, s.read(ctx, &v)
}

// lift takes back a person's own refusals.
func (s *Service) lift(ctx context.Context, t tenant.ID, list []audience.ID) error {
	for _, e := range list {
		if _, err := s.c.List.Lift(ctx, t, e, actor, liftWords); err != nil && !fault.IsKind(err, fault.NotFound) {
			return fmt.Errorf("take back a refusal: %w", err)
		}
	}
	return nil
}

// refuse ends categories and records it with the delivery. The suppression comes first:
// no fact without its consequence.
func (s *Service) refuse(ctx context.Context, v State, streams []tenant.Stream) (State, error) {
	var news bool
	for _, stream := range streams {
		news = news || v.Off[stream] == ""
		w := audience.Wish{Address: v.Address, Stream: stream, Reason: audience.Unsubscribed}
		if _, err := s.c.List.Suppress(ctx, v.Tenant.ID, w, actor); err != nil {
			return v, fmt.Errorf("end a category: %w", err)
		}
		if s.c.Consents == nil {
			continue
		}
		if err := s.c.Consents.Refused(ctx, v.Tenant.ID, v.Address, stream); err != nil {
			return v, fmt.Errorf("end a category: %w", err)
		}
	}
	if news {
		now := s.c.Now().UTC().Truncate(time.Millisecond)
		err := s.c.Store.AddFact(ctx, v.Tenant.ID, event.Event{
			ID: id.New[event.Kind](now), Message: message.Of(v.Delivery), Delivery: v.Delivery, Type: event.Unsubscribed, At: now, Actor: actor,
		})
		if err != nil {
			return v, fmt.Errorf("record that a category was ended: %w", err)
		}
	}
	return v, s.read(ctx, &v)
}
