package published

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/tenant"
	"stafette/internal/webhook"
)

// maxSubscriptions bounds those of one list, so that strangers cannot fill the database.
const maxSubscriptions = 10_000

// What a link is good for.
type purpose string

const (
	toConfirm purpose = "confirm"
	toEnd     purpose = "end"
)

const (
	macSize   = 16
	tokenSize = 16 + 16 + macSize
)

// token names a subscription and bears a MAC for one purpose (T25).
func (s *Service) token(p purpose, owner tenant.ID, sub SubscriptionID) string {
	raw := make([]byte, 0, tokenSize)
	raw = append(append(raw, owner[:]...), sub[:]...)
	return base64.RawURLEncoding.EncodeToString(append(raw, s.macOf(p, raw)...))
}

func (s *Service) macOf(p purpose, named []byte) []byte {
	mac := hmac.New(sha256.New, s.mac)
	mac.Write([]byte(p))
	mac.Write(named)
	return mac.Sum(nil)[:macSize]
}

// open finds the subscription of a token; one that was made up, or is over, is NotFound
// "subscription_not_found".
func (s *Service) open(ctx context.Context, p purpose, token string) (Subscription, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != tokenSize || !hmac.Equal(raw[32:], s.macOf(p, raw[:32])) {
		return Subscription{}, fault.New(fault.NotFound, "subscription_not_found", "There is no such subscription.")
	}
	sub, err := s.c.Store.AddressSubscription(ctx, tenant.ID(raw[:16]), SubscriptionID(raw[16:32]))
	if err == nil && p == toConfirm && sub.ConfirmedAt.IsZero() && s.c.Now().Sub(sub.CreatedAt) > confirmWithin {
		return Subscription{}, fault.New(fault.NotFound, "subscription_not_found", "The wish has run out.")
	}
	return sub, err
}

// hashOf is how a target is known without being read.
func (s *Service) hashOf(m Medium, to string) [32]byte { return hashOf(s.hash, m, to) }

func hashOf(key []byte, m Medium, to string) [32]byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(string(m) + "\x00" + strings.ToLower(to)))
	return [32]byte(mac.Sum(nil))
}

func place(sub Subscription) string { return "published/" + hex.EncodeToString(sub.Hash[:]) }

// target opens what a subscription is about.
func (s *Service) target(sub Subscription) (Target, error) {
	text, err := s.c.Keeper.Open(sub.Sealed, place(sub))
	if err != nil {
		return Target{}, fmt.Errorf("open subscription: %w", err)
	}
	var t Target
	if err := json.Unmarshal(text, &t); err != nil {
		return Target{}, fmt.Errorf("open subscription: %w", err)
	}
	return t, nil
}

// put keeps a wish for the list that holds for an account.
func (s *Service) put(ctx context.Context, of tenant.ID, m Medium, lang i18n.Lang, t Target) (Subscription, error) {
	owner, err := s.ownerOf(ctx, of)
	if err != nil {
		return Subscription{}, err
	}
	n, err := s.c.Store.CountSubscriptions(ctx, owner)
	if err != nil {
		return Subscription{}, fmt.Errorf("count subscriptions: %w", err)
	}
	if n >= maxSubscriptions {
		return Subscription{}, fault.New(fault.Unavailable, "subscriptions_full", "No further subscriptions are taken at present.")
	}
	now := s.c.Now().UTC().Truncate(time.Millisecond)
	sub := Subscription{Owner: owner, ID: id.New[SubscriptionKind](now), Medium: m, Lang: string(lang), Hash: s.hashOf(m, t.To), CreatedAt: now}
	text, err := json.Marshal(t) //nolint:gosec // sealed right below
	if err != nil {
		return Subscription{}, fmt.Errorf("seal subscription: %w", err)
	}
	sub.Sealed = s.c.Keeper.Seal(text, place(sub))
	if sub, err = s.c.Store.PutSubscription(ctx, sub); err != nil {
		return Subscription{}, fmt.Errorf("keep subscription: %w", err)
	}
	return sub, nil
}

// SubscribeMail asks the owner of a mailbox to confirm that they want to be told of changes
// to the list of an account (double opt-in). Whether the address is subscribed already is
// not told: who is gets no second mail. Errors: Invalid with Field "email", Unavailable
// "notice_off" and "subscriptions_full".
func (s *Service) SubscribeMail(ctx context.Context, of tenant.ID, address string, lang i18n.Lang) error {
	a, err := message.ParseAddress(strings.TrimSpace(address))
	if err != nil {
		return fault.Field("email", "address_malformed", "This is not an e-mail address.")
	}
	if !s.c.Mails.On() {
		return fault.New(fault.Unavailable, "notice_off", "This platform sends no mail of its own.")
	}
	name, err := s.nameOf(ctx, of)
	if err != nil {
		return err
	}
	sub, err := s.put(ctx, of, ByMail, lang, Target{To: a.String()})
	if err != nil || !sub.ConfirmedAt.IsZero() {
		return err
	}
	return s.c.Mails.Send(ctx, notice.Letter{
		To: a, Lang: lang, Formal: true, Kind: "addresses_confirm", Args: map[string]string{"name": name},
		Link: s.c.Signer.PublicURL + s.Path(string(lang), tenant.ID{}) + "/confirm/" + s.token(toConfirm, sub.Owner, sub.ID),
		// One a day: whoever enters foreign addresses again and again does not fill a mailbox.
		Key: "addresses/confirm/" + sub.ID.String() + "/" + s.c.Now().UTC().Format(time.DateOnly),
	})
}

// Mails reports whether changes are told by mail at all.
func (s *Service) Mails() bool { return s.c.Mails.On() }

// Wish returns the subscription that a link from a confirmation mail is about, without
// changing anything.
func (s *Service) Wish(ctx context.Context, token string) (Subscription, error) {
	return s.open(ctx, toConfirm, token)
}

// Confirm begins a subscription by mail. Errors: NotFound "subscription_not_found".
func (s *Service) Confirm(ctx context.Context, token string) error {
	sub, err := s.open(ctx, toConfirm, token)
	if err != nil {
		return err
	}
	if sub.Medium != ByMail {
		return fault.New(fault.NotFound, "subscription_not_found", "There is no such subscription.")
	}
	return s.c.Store.ConfirmSubscription(ctx, sub.Owner, sub.ID, s.c.Now())
}

// Subscribed returns the subscription that a link to its end is about.
func (s *Service) Subscribed(ctx context.Context, token string) (Subscription, error) {
	return s.open(ctx, toEnd, token)
}

// End ends a subscription at once. Errors: NotFound "subscription_not_found".
func (s *Service) End(ctx context.Context, token string) error {
	sub, err := s.open(ctx, toEnd, token)
	if err != nil {
		return err
	}
	return s.c.Store.EndSubscription(ctx, sub.Owner, sub.ID)
}

// Hook is a webhook that waits for its check. Secret and the way to end it are told this
// once.
type Hook struct {
	Secret  string
	Confirm string // token for CheckHook
	End     string // path of the page that ends it
}

// SubscribeHook keeps a webhook, which CheckHook then begins. Errors: Invalid with Field
// "url", Conflict "webhook_taken" for one that is told already.
func (s *Service) SubscribeHook(ctx context.Context, of tenant.ID, address string, lang i18n.Lang) (Hook, error) {
	to, err := s.client.CheckURL(address)
	if err != nil {
		return Hook{}, err
	}
	if _, err := s.nameOf(ctx, of); err != nil {
		return Hook{}, err
	}
	secret := make([]byte, 24)
	_, _ = rand.Read(secret)
	t := Target{To: to, Secret: webhook.SecretPrefix + base64.StdEncoding.EncodeToString(secret)}
	sub, err := s.put(ctx, of, ByWebhook, lang, t)
	if err != nil {
		return Hook{}, err
	}
	if !sub.ConfirmedAt.IsZero() {
		return Hook{}, &fault.Error{Kind: fault.Conflict, Code: "webhook_taken", Field: "url", Detail: "This address is told already."}
	}
	return Hook{
		Secret: t.Secret, Confirm: s.token(toConfirm, sub.Owner, sub.ID),
		End: s.Path(string(lang), tenant.ID{}) + "/end/" + s.token(toEnd, sub.Owner, sub.ID),
	}, nil
}

// nameOf is how the list of an account is called.
func (s *Service) nameOf(ctx context.Context, of tenant.ID) (string, error) {
	if of.IsZero() {
		return s.c.Name, nil
	}
	t, err := s.c.Tenants.Tenant(ctx, of)
	if err != nil {
		return "", fmt.Errorf("name of list: %w", err)
	}
	return t.Name, nil
}

// Subscriber is a subscription as staff see it: the target is hinted at.
type Subscriber struct {
	Subscription
	Hint string
}

// maxShown bounds the subscribers that staff see.
const maxShown = 500

// Subscribers lists the newest subscriptions of all lists.
func (s *Service) Subscribers(ctx context.Context) ([]Subscriber, error) {
	list, err := s.c.Store.AddressSubscriptions(ctx, maxShown)
	if err != nil {
		return nil, fmt.Errorf("list subscribers: %w", err)
	}
	var out []Subscriber
	for _, sub := range list {
		t, err := s.target(sub)
		if err != nil {
			return nil, err
		}
		out = append(out, Subscriber{sub, hint(sub.Medium, t.To)})
	}
	return out, nil
}

// hint shows whose a target is, and no more of it than that: the domain, or the host.
func hint(m Medium, to string) string {
	if m == ByWebhook {
		host, _, _ := strings.Cut(strings.TrimPrefix(to, "https://"), "/")
		return host
	}
	local, domain, _ := strings.Cut(to, "@")
	if r := []rune(local); len(r) > 1 {
		local = string(r[:1])
	}
	return local + "…@" + domain
}
