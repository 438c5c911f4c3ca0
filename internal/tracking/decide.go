package tracking

import (
	"context"
	"fmt"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// DeciderStore is what deciding needs of the database.
type DeciderStore interface {
	SettingStore
	ConsentStore
}

// DeciderConfig is what a Decider needs.
type DeciderConfig struct {
	Store DeciderStore
	Now   func() time.Time
	// CacheFor is how long a tenant's setting is believed without asking the store, and so
	// the longest time until other nodes know of a change. 0: 1 s.
	CacheFor time.Duration
}

// Decider says how much may be told of whom. What recipients said is never cached. It
// is safe for concurrent use.
type Decider struct {
	c     DeciderConfig
	mu    sync.Mutex
	known map[tenant.ID]policy
}

// policy is what a tenant allows.
type policy struct {
	setting Setting
	streams map[tenant.Stream]Level
	until   time.Time
}

// maxPolicies bounds the cache.
const maxPolicies = 10_000

// NewDecider makes a Decider.
func NewDecider(c DeciderConfig) *Decider {
	if c.CacheFor == 0 {
		c.CacheFor = time.Second
	}
	return &Decider{c: c, known: map[tenant.ID]policy{}}
}

// Decide says how much may be told of a mail with a wish (Unset: none was said) to
// recipients, which are all of To, Cc and Bcc. It asks the store for what the recipients
// said only where something may be told without them.
func (d *Decider) Decide(ctx context.Context, t tenant.ID, s tenant.Stream, wish Level, recipients []message.Address) (Decision, error) {
	p, err := d.policy(ctx, t)
	if err != nil {
		return Decision{}, err
	}
	v := p.allows(s).Limited(wish, RuleMessage)
	return d.heard(ctx, p, t, v, recipients)
}

// decide is Decide for a mail, of whose recipients it may be known what they said.
func (d *Decider) decide(ctx context.Context, m Mail) (Decision, error) {
	if m.Said == nil {
		return d.Decide(ctx, m.Tenant, m.Stream, m.Wish, m.Recipients)
	}
	p, err := d.policy(ctx, m.Tenant)
	if err != nil {
		return Decision{}, err
	}
	v, ask := p.fits(p.allows(m.Stream).Limited(m.Wish, RuleMessage), m.Recipients)
	if !ask {
		return v, nil
	}
	return p.after(v, m.Said, m.Recipients), nil
}

// Allowed says how much tenant and stream allow, before anything is known of a message.
func (d *Decider) Allowed(ctx context.Context, t tenant.ID, s tenant.Stream) (Decision, error) {
	p, err := d.policy(ctx, t)
	return p.allows(s), err
}

// AtHit says how much may be told now of what was sent: never more than was decided then.
func (d *Decider) AtHit(ctx context.Context, s Sent) (Decision, error) {
	if s.Decision.Level <= None {
		return s.Decision, nil
	}
	p, err := d.policy(ctx, s.Tenant)
	if err != nil {
		return Decision{}, err
	}
	now := p.allows(s.Stream)
	return d.heard(ctx, p, s.Tenant, s.Decision.Limited(now.Level, now.Rule), s.Recipients)
}

// atCommit says what AtHit does as far as it does not hang on what the recipients said,
// which the store asks for at the commit: no hit then waits for a question of its own.
// granted: each of them must have granted.
func (d *Decider) atCommit(ctx context.Context, s Sent) (v Decision, granted bool, err error) {
	if s.Decision.Level <= None {
		return s.Decision, false, nil
	}
	p, err := d.policy(ctx, s.Tenant)
	if err != nil {
		return Decision{}, false, err
	}
	now := p.allows(s.Stream)
	v = s.Decision.Limited(now.Level, now.Rule)
	if v.Level == Aggregate && len(s.Recipients) < MinForCounts {
		v.Level = None
	}
	return v, v.Level > Aggregate && p.setting.Basis == BasisConsent, nil
}

// allows is what tenant and stream leave. Leads bear data for machines, and the
// platform's own mail asks for consent and leave: neither ever tells.
func (p policy) allows(s tenant.Stream) Decision {
	v := Decision{Level: p.setting.Level, Rule: RuleTenant}
	if v.Level == Unset {
		v = Decision{Level: None, Rule: RuleTenant}
	}
	if p.setting.Basis == BasisNone && (v.Level > Aggregate || v.Level == Aggregate && !p.setting.Recorded()) {
		v = Decision{Level: Aggregate, Rule: RuleBasis}
	}
	if s == tenant.Lead || s == tenant.System {
		return v.Limited(None, RuleStream)
	}
	return v.Limited(p.streams[s], RuleStream)
}

// fits limits a decision by how many recipients there are. ask: what is left hangs on what
// they said.
func (policy) fits(v Decision, recipients []message.Address) (after Decision, ask bool) {
	if len(recipients) > 1 {
		v = v.Limited(Pseudonymous, RuleSeveralRecipients)
	}
	if v.Level == Aggregate && len(recipients) < MinForCounts {
		return Decision{Level: None, Rule: orRule(v, RuleFewRecipients)}, false
	}
	return v, v.Level > None
}

// heard limits a decision by what recipients said and by how many they are.
func (d *Decider) heard(ctx context.Context, p policy, t tenant.ID, v Decision, recipients []message.Address) (Decision, error) {
	v, ask := p.fits(v, recipients)
	if !ask {
		return v, nil
	}
	said, err := d.c.Store.TrackingConsents(ctx, t, recipients)
	if err != nil {
		return Decision{}, fmt.Errorf("ask for tracking consents: %w", err)
	}
	return p.after(v, said, recipients), nil
}

// after limits a decision by what recipients said.
func (p policy) after(v Decision, said map[string]Consent, recipients []message.Address) Decision {
	for _, a := range recipients {
		switch said[audience.Canonical(a)].State {
		case StateWithdrawn:
			return Decision{Level: None, Rule: RuleRecipient}
		case StateGranted:
		default:
			if p.setting.Basis == BasisConsent {
				v = v.Limited(Aggregate, RuleRecipient)
			}
		}
	}
	if v.Level == Aggregate && len(recipients) < MinForCounts {
		return Decision{Level: None, Rule: v.Rule}
	}
	return v
}

// orRule names why nothing is left: what brought the level down to counts, if a rule that
// the reader can change did, or that they are few.
func orRule(v Decision, few Rule) Rule {
	if v.Rule == RuleBasis {
		return v.Rule
	}
	return few
}

func (d *Decider) policy(ctx context.Context, t tenant.ID) (policy, error) {
	now := d.c.Now()
	d.mu.Lock()
	p, ok := d.known[t]
	d.mu.Unlock()
	if ok && now.Before(p.until) {
		return p, nil
	}
	s, err := d.c.Store.TrackingSetting(ctx, t)
	if err != nil {
		return policy{}, fmt.Errorf("load tracking setting: %w", err)
	}
	list, err := d.c.Store.TrackingStreams(ctx, t)
	if err != nil {
		return policy{}, fmt.Errorf("load tracking of streams: %w", err)
	}
	p = policy{setting: s, streams: map[tenant.Stream]Level{}, until: now.Add(d.c.CacheFor)}
	for _, l := range list {
		p.streams[l.Stream] = l.Level
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) >= maxPolicies {
		clear(d.known)
	}
	d.known[t] = p
	return p, nil
}

// Set records a tenant's setting; it holds on this node at once. Errors: those of
// Setting.Check.
func (d *Decider) Set(ctx context.Context, s Setting) error {
	if err := s.Check(); err != nil {
		return err
	}
	defer d.forget(s.Tenant)
	if err := d.c.Store.PutTrackingSetting(ctx, s); err != nil {
		return fmt.Errorf("set tracking: %w", err)
	}
	return nil
}

// SetStream limits a stream, or with Unset no more. Errors: CodeLevelUnknown.
func (d *Decider) SetStream(ctx context.Context, t tenant.ID, l StreamLevel) error {
	if l.Level > Individual || !l.Stream.Valid() {
		_, err := ParseLevel("?")
		return err
	}
	defer d.forget(t)
	if err := d.c.Store.PutTrackingStream(ctx, t, l); err != nil {
		return fmt.Errorf("limit tracking of stream: %w", err)
	}
	return nil
}

// Hear records what a recipient said. It holds on all nodes at once, for mail already
// sent too. Errors: those of Consent.Check.
func (d *Decider) Hear(ctx context.Context, c Consent) error {
	if err := c.Check(); err != nil {
		return err
	}
	if err := d.c.Store.PutTrackingConsent(ctx, c); err != nil {
		return fmt.Errorf("record tracking consent: %w", err)
	}
	return nil
}

func (d *Decider) forget(t tenant.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.known, t)
}
