package webhook

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

const (
	// MaxEndpoints bounds those of one tenant.
	MaxEndpoints = 20
	maxName      = 100
	// overlap is how long the secret before signs beside the new one.
	overlap = 24 * time.Hour
	// maxSecrets bounds those that sign at a time.
	maxSecrets = 3
)

// Describer words the data of calls about what other rooms know. It returns NotFound when
// what the call is about is gone.
type Describer interface {
	Describe(ctx context.Context, c Call) (any, error)
}

// Config is what a Service stands on. Fields without a stated default are needed.
type Config struct {
	Store  Store
	Client *Client
	Keeper *seal.Keeper
	// Types are those that other rooms raise, beside MessageTypes and AccountTypes; Describers word them, by
	// origin. Both may be empty.
	Types      []Type
	Describers map[Origin]Describer
	// GaveUp is told of an endpoint that was turned off because it did not answer. It may
	// be nil, and is called once for each time.
	GaveUp func(ctx context.Context, e Endpoint) error
	Now    func() time.Time
	Log    *slog.Logger // nil: discard
}

// Service keeps endpoints and calls them. It is safe for concurrent use, on any number of
// nodes.
type Service struct {
	c    Config
	wake chan struct{}

	mu   sync.Mutex
	busy map[ID]tenant.ID // endpoints that are being called by this process
	work sync.WaitGroup
}

// New makes a Service that does nothing yet.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Client == nil || c.Keeper == nil || c.Now == nil {
		return nil, errors.New("webhooks: a demanded part is missing from the configuration")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c: c, wake: make(chan struct{}, 1), busy: map[ID]tenant.ID{}}, nil
}

// Types lists what endpoints can be told, Test left out.
func (s *Service) Types() []Type { return slices.Concat(MessageTypes(), s.c.Types, AccountTypes()) }

// Wish is what a person or program says of an endpoint.
type Wish struct {
	Name  string
	URL   string
	Types []string // empty: everything there is and will be
	// Active is read by Change only: a new endpoint is.
	Active bool
}

// check reads a wish; what is wrong with it is one refusal.
func (s *Service) check(w Wish) (name, url string, types []Type, err error) {
	var wrong []*fault.Error
	name = strings.TrimSpace(w.Name)
	if utf8.RuneCountInString(name) > maxName || strings.ContainsFunc(name, unicode.IsControl) {
		wrong = append(wrong, fault.Field("name", "text_malformed", "The name has at most 100 characters on one line."))
	}
	if url, err = s.c.Client.CheckURL(w.URL); err != nil {
		wrong = append(wrong, fault.As(err))
	}
	known := s.Types()
	for i, t := range w.Types {
		if !slices.Contains(known, Type(t)) {
			wrong = append(wrong, fault.Field(fmt.Sprintf("types/%d", i), "webhook_type_unknown", "There is no such type of event."))
		} else if !slices.Contains(types, Type(t)) {
			types = append(types, Type(t))
		}
	}
	return name, url, types, fault.Join(wrong)
}

func newSecret() string {
	key := make([]byte, 24)
	_, _ = rand.Read(key) // never fails
	return SecretPrefix + base64.StdEncoding.EncodeToString(key)
}

// place binds a sealed target to its endpoint.
func place(e Endpoint) string { return "webhook/" + e.Tenant.String() + "/" + e.ID.String() }

// Target opens where an endpoint is.
func (s *Service) Target(e Endpoint) (Target, error) {
	var t Target
	text, err := s.c.Keeper.Open(e.Sealed, place(e))
	if err == nil {
		err = json.Unmarshal(text, &t)
	}
	if err != nil {
		return Target{}, fmt.Errorf("open webhook: %w", err)
	}
	return t, nil
}

func (s *Service) seal(e *Endpoint, t Target) error {
	text, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("seal webhook: %w", err)
	}
	e.Sealed = s.c.Keeper.Seal(text, place(*e))
	return nil
}

// Add makes an endpoint; its secret is told this once. It is told what happens from a few
// seconds later on. Errors: Invalid with Fields "name", "url", "types/n"; Conflict
// "webhooks_full".
func (s *Service) Add(ctx context.Context, t tenant.ID, w Wish, by string) (Endpoint, string, error) {
	name, url, types, err := s.check(w)
	if err != nil {
		return Endpoint{}, "", err
	}
	now := s.c.Now().UTC().Truncate(time.Millisecond)
	e := Endpoint{Tenant: t, ID: id.New[Kind](now), Name: name, Types: types, State: Active, CreatedAt: now, CreatedBy: by}
	secret := newSecret()
	if err := s.seal(&e, Target{URL: url, Secrets: []Secret{{Key: secret}}}); err != nil {
		return Endpoint{}, "", err
	}
	if err := s.c.Store.AddWebhook(ctx, e, MaxEndpoints); err != nil {
		return Endpoint{}, "", fmt.Errorf("add webhook: %w", err)
	}
	return e, secret, s.followed(ctx)
}

// followed lets this process leave notes for a new endpoint at once; others learn of it
// within seconds.
func (s *Service) followed(ctx context.Context) error {
	if err := s.c.Store.FollowWebhooks(ctx); err != nil {
		return fmt.Errorf("follow webhooks: %w", err)
	}
	return nil
}

// Endpoint returns one; Endpoints all of a tenant, the oldest first. Errors: NotFound
// "webhook_not_found".
func (s *Service) Endpoint(ctx context.Context, t tenant.ID, w ID) (Endpoint, error) {
	return s.c.Store.Webhook(ctx, t, w)
}

// Endpoints lists a tenant's endpoints, the oldest first.
func (s *Service) Endpoints(ctx context.Context, t tenant.ID) ([]Endpoint, error) {
	return s.c.Store.Webhooks(ctx, t)
}

// Change replaces what a person chose. Turned on again, an endpoint counts as healthy, and
// what happened while it was off is not told. Errors: those of Add, NotFound
// "webhook_not_found".
func (s *Service) Change(ctx context.Context, t tenant.ID, w ID, wish Wish) (Endpoint, error) {
	name, url, types, err := s.check(wish)
	if err != nil {
		return Endpoint{}, err
	}
	e, err := s.c.Store.Webhook(ctx, t, w)
	if err != nil {
		return Endpoint{}, fmt.Errorf("change webhook: %w", err)
	}
	target, err := s.Target(e)
	if err != nil {
		return Endpoint{}, err
	}
	moved := target.URL != url
	e.Name, e.Types, target.URL = name, types, url
	switch {
	case wish.Active && (e.State != Active || moved):
		e.State, e.OffAt, e.FailingSince, e.Failures, e.RestsUntil = Active, time.Time{}, time.Time{}, 0, time.Time{}
	case !wish.Active && e.State == Active:
		e.State, e.OffAt = Off, s.c.Now().UTC().Truncate(time.Millisecond)
	}
	if err := s.seal(&e, target); err != nil {
		return Endpoint{}, err
	}
	if err := s.c.Store.ChangeWebhook(ctx, e); err != nil {
		return Endpoint{}, fmt.Errorf("change webhook: %w", err)
	}
	s.Wake()
	return e, s.followed(ctx)
}

// Rotate makes a new secret, told this once. The one before signs beside it for a day, so
// that the receiver can change over without losing a call.
func (s *Service) Rotate(ctx context.Context, t tenant.ID, w ID) (Endpoint, string, error) {
	e, err := s.c.Store.Webhook(ctx, t, w)
	if err != nil {
		return Endpoint{}, "", fmt.Errorf("rotate secret: %w", err)
	}
	target, err := s.Target(e)
	if err != nil {
		return Endpoint{}, "", err
	}
	now := s.c.Now().UTC().Truncate(time.Second)
	secrets := []Secret{{Key: newSecret()}}
	for i, old := range valid(target.Secrets, now) {
		if i == 0 || old.Until.IsZero() {
			old.Until = now.Add(overlap)
		}
		secrets = append(secrets, old)
	}
	target.Secrets = secrets[:min(len(secrets), maxSecrets)]
	if err := s.seal(&e, target); err != nil {
		return Endpoint{}, "", err
	}
	if err := s.c.Store.ChangeWebhook(ctx, e); err != nil {
		return Endpoint{}, "", fmt.Errorf("rotate secret: %w", err)
	}
	return e, secrets[0].Key, nil
}

// valid are the secrets that sign now.
func valid(list []Secret, now time.Time) []Secret {
	return slices.DeleteFunc(slices.Clone(list), func(s Secret) bool { return !s.Until.IsZero() && !now.Before(s.Until) })
}

// Remove takes an endpoint away with its log. Errors: NotFound "webhook_not_found".
func (s *Service) Remove(ctx context.Context, t tenant.ID, w ID) error {
	if err := s.c.Store.RemoveWebhook(ctx, t, w); err != nil {
		return fmt.Errorf("remove webhook: %w", err)
	}
	return s.followed(ctx)
}

// Calls lists what an endpoint was told and is still to be told, the newest fact first.
// Errors: NotFound "webhook_not_found".
func (s *Service) Calls(ctx context.Context, t tenant.ID, w ID, f CallFilter) ([]Call, error) {
	if _, err := s.c.Store.Webhook(ctx, t, w); err != nil {
		return nil, err
	}
	list, err := s.c.Store.Calls(ctx, t, w, f)
	if err != nil {
		return nil, fmt.Errorf("list calls: %w", err)
	}
	return list, nil
}

// Try sends an endpoint a call of the type Test, within seconds. An endpoint that is off
// is a Conflict "webhook_off".
func (s *Service) Try(ctx context.Context, t tenant.ID, w ID) (Call, error) {
	e, err := s.active(ctx, t, w)
	if err != nil {
		return Call{}, err
	}
	now := s.c.Now().UTC().Truncate(time.Millisecond)
	c := Call{Tenant: t, Endpoint: e.ID, ID: id.New[CallKind](now), Type: Test, Origin: OfTest, At: now, State: Due, DueAt: now}
	if err := s.c.Store.AddCalls(ctx, []Call{c}); err != nil {
		return Call{}, fmt.Errorf("try webhook: %w", err)
	}
	s.Wake()
	return c, nil
}

// Repeat makes a settled call again. Errors: NotFound "webhook_not_found" and
// "call_not_found", Conflict "webhook_off".
func (s *Service) Repeat(ctx context.Context, t tenant.ID, w ID, c CallID) error {
	n, err := s.repeat(ctx, t, w, c, time.Time{})
	if err == nil && n == 0 {
		return fault.New(fault.NotFound, "call_not_found", "There is no such call, or it is still under way.")
	}
	return err
}

// RepeatSince makes all settled calls again whose facts are of the time or later, and
// returns how many. Errors: NotFound "webhook_not_found", Conflict "webhook_off".
func (s *Service) RepeatSince(ctx context.Context, t tenant.ID, w ID, since time.Time) (int, error) {
	return s.repeat(ctx, t, w, CallID{}, since)
}

func (s *Service) repeat(ctx context.Context, t tenant.ID, w ID, c CallID, since time.Time) (int, error) {
	if _, err := s.active(ctx, t, w); err != nil {
		return 0, err
	}
	n, err := s.c.Store.RepeatCalls(ctx, t, w, c, since, s.c.Now())
	if err != nil {
		return 0, fmt.Errorf("repeat calls: %w", err)
	}
	s.Wake()
	return n, nil
}

func (s *Service) active(ctx context.Context, t tenant.ID, w ID) (Endpoint, error) {
	e, err := s.c.Store.Webhook(ctx, t, w)
	if err != nil {
		return Endpoint{}, fmt.Errorf("read webhook: %w", err)
	}
	if e.State != Active {
		return Endpoint{}, fault.New(fault.Conflict, "webhook_off", "The webhook is off.")
	}
	return e, nil
}
