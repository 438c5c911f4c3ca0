package tracking

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// ByRecipient is the Actor of what a recipient said themselves.
const ByRecipient = "recipient"

// Codes of refusals about consents.
const (
	CodeConsentLinkUnknown = "tracking_link_unknown"
	CodeWayMalformed       = "tracking_way_malformed"
)

// ConsentsConfig is what Consents stand on; all of it is needed.
type ConsentsConfig struct {
	Store    ConsentStore
	Settings Settings
	// Activities lists what is kept, and to whom a message went; ActivityStore does.
	Activities interface {
		Activities(ctx context.Context, t tenant.ID, q Query) ([]Activity, bool, error)
		Recipients(ctx context.Context, t tenant.ID, m message.ID) ([]Recipient, error)
	}
	Tokens *Tokens // of links that mail and offers bear (Tokens.ConsentURL)
	Keeper *seal.Keeper
	// PublicURL is the address of the pages, without a path.
	PublicURL string
	Now       func() time.Time
}

// Consents keeps what recipients say about being tracked, whoever passes it on, and makes
// the links by which they say it themselves. It is safe for concurrent use.
type Consents struct{ c ConsentsConfig }

// NewConsents makes it.
func NewConsents(c ConsentsConfig) *Consents {
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	return &Consents{c}
}

// Of returns what an address said last; StateUnknown where it said nothing.
func (s *Consents) Of(ctx context.Context, t tenant.ID, a message.Address) (Consent, error) {
	found, err := s.c.Store.TrackingConsents(ctx, t, []message.Address{a})
	if err != nil {
		return Consent{}, fmt.Errorf("read consent: %w", err)
	}
	if c, ok := found[audience.Canonical(a)]; ok {
		return c, nil
	}
	return Consent{Tenant: t, Address: a, State: StateUnknown}, nil
}

// History returns all that an address said, from new to old.
func (s *Consents) History(ctx context.Context, t tenant.ID, a message.Address) ([]Consent, error) {
	list, err := s.c.Store.TrackingConsentHistory(ctx, t, a)
	if err != nil {
		return nil, fmt.Errorf("read history of consent: %w", err)
	}
	return list, nil
}

// Record keeps what an address said, from now on; c.At is set here. A withdrawal ends all
// recording at once, in mail already sent too. Refusals name the fields "state", "way" and
// "wording".
func (s *Consents) Record(ctx context.Context, c Consent) error {
	c.Way, c.Wording = strings.TrimSpace(c.Way), strings.TrimSpace(c.Wording)
	c.At = s.c.Now().UTC().Truncate(time.Millisecond)
	if err := c.Check(); err != nil {
		return err
	}
	if strings.ContainsAny(c.Way, "\r\n") {
		return fault.Field("way", CodeWayMalformed, "The way is one line.")
	}
	return s.c.Settings.Decider.Hear(ctx, c)
}

// sealedFor binds the tokens of links to their purpose.
const sealedFor = "tracking/consent"

// maxConsentToken bounds what is looked at: the longest address makes less.
const maxConsentToken = 600

// URL is the link by which one recipient of a tenant sees what is recorded of them and
// withdraws, where no delivery stands behind it (Tokens.ConsentURL is that of a delivery).
// It is a capability for that address alone and reveals neither address nor tenant to who
// sees it; it never expires, as withdrawing must stay as easy as consenting (Art. 7(3)
// GDPR).
func (s *Consents) URL(t tenant.ID, a message.Address) string {
	plain := append(append([]byte{}, t[:]...), a.String()...)
	return s.c.PublicURL + ConsentPath + base64.RawURLEncoding.EncodeToString(s.c.Keeper.Seal(plain, sealedFor))
}

// Bearer is whom a link is for.
type Bearer struct {
	Tenant  tenant.ID
	Address message.Address
}

// bearer reads a token of either form. Whatever is wrong with it, the answer is the same.
func (s *Consents) bearer(ctx context.Context, token string) (Bearer, error) {
	if t, err := s.c.Tokens.Parse(ForConsent, token); err == nil {
		return s.recipient(ctx, t)
	}
	if b, ok := s.sealed(token); ok {
		return b, nil
	}
	return Bearer{}, errNoConsentLink()
}

func errNoConsentLink() error {
	return fault.New(fault.NotFound, CodeConsentLinkUnknown, "There is no such link.")
}

// recipient is the one whose delivery a token names. A mail to several names nobody, and
// one that was erased nobody any more.
func (s *Consents) recipient(ctx context.Context, t Token) (Bearer, error) {
	list, err := s.c.Activities.Recipients(ctx, t.Tenant, t.Message)
	if err != nil && !fault.IsKind(err, fault.NotFound) {
		return Bearer{}, fmt.Errorf("read recipients: %w", err)
	}
	for _, r := range list {
		if r.Delivery == message.Delivery(t.Message, int(t.Number)) && r.Address.Local != "" {
			return Bearer{t.Tenant, r.Address}, nil
		}
	}
	return Bearer{}, errNoConsentLink()
}

// sealed reads what URL made.
func (s *Consents) sealed(token string) (Bearer, bool) {
	if len(token) > maxConsentToken {
		return Bearer{}, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return Bearer{}, false
	}
	plain, err := s.c.Keeper.Open(raw, sealedFor)
	if err != nil || len(plain) < len(tenant.ID{}) {
		return Bearer{}, false
	}
	var b Bearer
	n := copy(b.Tenant[:], plain)
	b.Address, err = message.ParseAddress(string(plain[n:]))
	return b, err == nil
}

// recordedShown is how many activities a recipient is shown.
const recordedShown = 50

// Standing is what a recipient sees of themselves.
type Standing struct {
	Bearer
	Consent Consent
	Allowed Allowed
	// Recorded are the last activities that are kept under the address; More says that
	// there are others.
	Recorded []Activity
	More     bool
}

// Open returns what the page of a token shows. The error is NotFound
// "tracking_link_unknown" for whatever is no token of ours.
func (s *Consents) Open(ctx context.Context, token string) (Standing, error) {
	b, err := s.bearer(ctx, token)
	if err != nil {
		return Standing{}, err
	}
	v := Standing{Bearer: b}
	if v.Consent, err = s.Of(ctx, b.Tenant, b.Address); err != nil {
		return Standing{}, err
	}
	if v.Allowed, err = s.c.Settings.Allowed(ctx, b.Tenant); err != nil {
		return Standing{}, err
	}
	v.Recorded, v.More, err = s.c.Activities.Activities(ctx, b.Tenant, Query{Recipient: b.Address, Limit: recordedShown})
	if err != nil {
		return Standing{}, fmt.Errorf("list what is recorded: %w", err)
	}
	return v, nil
}

// Say keeps what the bearer of a token says themselves: granted, with the wording they
// were shown, or withdrawn. Errors are those of Open and Record.
func (s *Consents) Say(ctx context.Context, token string, state State, wording string) error {
	b, err := s.bearer(ctx, token)
	if err != nil {
		return err
	}
	if state != StateGranted && state != StateWithdrawn {
		return fault.Field("state", CodeConsentUnknown, "The state is one of granted, withdrawn.")
	}
	return s.Record(ctx, Consent{Tenant: b.Tenant, Address: b.Address, State: state, Actor: ByRecipient, Way: "page", Wording: wording})
}
