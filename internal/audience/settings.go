package audience

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Thresholds are the numbers of Limits, which a tenant may have of its own.
type Thresholds struct {
	Sent       int       `json:"sent"` // below so much mail no share says anything
	Complaints Threshold `json:"complaints"`
	Hard       Threshold `json:"hard"`
	// Unsubscribes of zero, as were kept before tenants had any of their own, are the
	// platform's.
	Unsubscribes Threshold `json:"unsubscribes,omitzero"`
}

// Threshold is one of them.
type Threshold struct {
	Least int `json:"least"`
	Share int `json:"share"` // of the mail sent, in parts of a thousand
}

// Thresholds are the numbers of the limits.
func (l Limits) Thresholds() Thresholds {
	return Thresholds{Sent: l.Sent, Complaints: Threshold{l.Complaints.Least, l.Complaints.Share}, Hard: Threshold{l.Hard.Least, l.Hard.Share},
		Unsubscribes: Threshold{l.Unsubscribes.Least, l.Unsubscribes.Share}}
}

// with returns the limits with a tenant's own numbers, if it has any.
func (l Limits) with(own *Thresholds) Limits {
	if own != nil {
		l.Sent = own.Sent
		l.Complaints.Least, l.Complaints.Share = own.Complaints.Least, own.Complaints.Share
		l.Hard.Least, l.Hard.Share = own.Hard.Least, own.Hard.Share
		if own.Unsubscribes != (Threshold{}) {
			l.Unsubscribes.Least, l.Unsubscribes.Share = own.Unsubscribes.Least, own.Unsubscribes.Share
		}
	}
	return l
}

const (
	maxThreshold = 1_000_000
	wholeShare   = 1000
)

// check holds thresholds to sense, and those of the tenant's own people to the platform's:
// they may be stricter, never more generous; staff say why where theirs are. Errors have the
// codes "threshold_malformed" and "threshold_too_weak" and the fields "sent",
// "complaints/least", "complaints/share", and the same of "hard" and "unsubscribes"; or
// "reason_malformed" with the field "reason".
func (v Thresholds) check(defaults Thresholds, by By) error {
	var wrong []*fault.Error
	weaker := false
	type number struct {
		field         string
		value, normal int
		most          int
	}
	numbers := []number{
		{"sent", v.Sent, defaults.Sent, maxThreshold},
		{"complaints/least", v.Complaints.Least, defaults.Complaints.Least, maxThreshold},
		{"complaints/share", v.Complaints.Share, defaults.Complaints.Share, wholeShare},
		{"hard/least", v.Hard.Least, defaults.Hard.Least, maxThreshold},
		{"hard/share", v.Hard.Share, defaults.Hard.Share, wholeShare},
	}
	if v.Unsubscribes != (Threshold{}) {
		numbers = append(numbers, number{"unsubscribes/least", v.Unsubscribes.Least, defaults.Unsubscribes.Least, maxThreshold},
			number{"unsubscribes/share", v.Unsubscribes.Share, defaults.Unsubscribes.Share, wholeShare})
	}
	for _, one := range numbers {
		weaker = weaker || one.value > one.normal
		switch {
		case one.value < 1 || one.value > one.most:
			wrong = append(wrong, fault.Field(one.field, "threshold_malformed", fmt.Sprintf("A number from 1 to %d is expected.", one.most)))
		case !by.Staff && one.value > one.normal:
			wrong = append(wrong, fault.Field(one.field, "threshold_too_weak", fmt.Sprintf("At most %d; more only the platform may allow.", one.normal)))
		}
	}
	if n := utf8.RuneCountInString(by.Reason); by.Staff && weaker && (n < 3 || !note(by.Reason)) {
		wrong = append(wrong, fault.Field("reason", "reason_malformed", "More than the platform's limits needs a reason of 3 to 500 characters on one line."))
	}
	return fault.Join(wrong)
}

// Bounds within which a tenant's own people set rules for outcomes that count several times.
const (
	mostCount  = 10
	leastLasts = 30 // days
)

// strong holds rules that a tenant's own people set to what the platform owes others:
// what suppresses at once must go on doing so, for as long and as widely, and what is
// counted must not be counted without end. Errors: "rule_too_weak" at the field of the
// rule, "rule_missing" (field "rules") where no rule decides any more.
func (r Rules) strong(defaults Rules) error {
	var wrong []*fault.Error
	refuse := func(i int, field, detail string) {
		wrong = append(wrong, fault.Field(fmt.Sprintf("rules/%d/%s", i, field), "rule_too_weak", detail))
	}
	for _, d := range defaults {
		if d.Count == 0 || !slices.ContainsFunc(r, func(o Rule) bool { return o.Class == d.Class }) {
			continue
		}
		for _, s := range tenant.Streams() {
			if !d.fits(d.Class, s) {
				continue
			}
			i := slices.IndexFunc(r, func(o Rule) bool { return o.fits(d.Class, s) })
			if i < 0 {
				wrong = append(wrong, fault.Field("rules", "rule_missing", fmt.Sprintf("No rule for %s on the stream %s.", d.Class, s)))
				continue
			}
			switch o := r[i]; {
			case d.Count == 1 && o.Count != 1:
				refuse(i, "count", "This outcome suppresses at once.")
			case d.Count == 1 && d.Lasts == 0 && o.Lasts != 0:
				refuse(i, "lasts", "This outcome suppresses for good.")
			case d.Count == 1 && d.Everywhere && !o.Everywhere:
				refuse(i, "everywhere", "This outcome suppresses on all streams.")
			case o.Count < 1 || o.Count > mostCount:
				refuse(i, "count", "A count from 1 to 10 is expected.")
			case o.Count > 1 && o.Within < d.Within:
				refuse(i, "within", fmt.Sprintf("At least %d days.", d.Within))
			case o.Lasts != 0 && o.Lasts < leastLasts:
				refuse(i, "lasts", "At least 30 days, or for good.")
			}
		}
	}
	return fault.Join(distinct(wrong))
}

// distinct keeps one refusal of several for the same field.
func distinct(list []*fault.Error) (kept []*fault.Error) {
	for _, e := range list {
		if !slices.ContainsFunc(kept, func(k *fault.Error) bool { return k.Field == e.Field }) {
			kept = append(kept, e)
		}
	}
	return kept
}

// By is who sets something.
type By struct {
	Actor string // text of a key's or user's identifier
	Staff bool   // of the platform, whom the bounds for tenants do not bind
	// Reason is why staff allow more than the platform's limits. The record of who did what
	// keeps it.
	Reason string
}

// SettingChange is one time at which rules or thresholds were set. Nil is the defaults.
type SettingChange struct {
	At                 time.Time
	Actor              string
	RulesSet           bool // otherwise thresholds were
	RulesBefore, Rules Rules
	Before, After      *Thresholds
}

// SetRules replaces the tenant's own rules; none goes back to the defaults. They hold on
// this node at once and on others within a second. Errors are *fault.Error, see Rules;
// those whom bounds bind also get "rule_too_weak" and "rule_missing".
func (s *Service) SetRules(ctx context.Context, t tenant.ID, r Rules, by By) error {
	if err := r.check(s.defaults); err != nil {
		return err
	}
	if !by.Staff {
		if err := r.strong(s.defaults); err != nil {
			return err
		}
	}
	if err := s.cfg.Store.SetRules(ctx, t, r, by.Actor, s.cfg.Now()); err != nil {
		return err
	}
	return s.loadSettings(ctx, t)
}

// LimitsOf are the limits that hold for a tenant's bulk mail.
func (s *Service) LimitsOf(t tenant.ID) Limits {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.limits.with(s.thresholds[t])
}

// Defaults are the rules and limits of tenants without their own.
func (s *Service) Defaults() (Rules, Limits) { return slices.Clone(s.defaults), s.limits }

// Effective are the rules of a tenant with such rules of its own.
func (s *Service) Effective(own Rules) Rules { return s.defaults.with(own) }

// Own reports what a tenant has of its own.
func (s *Service) Own(t tenant.ID) (rules, thresholds bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.own[t]) > 0, s.thresholds[t] != nil
}

// SetThresholds replaces the tenant's own thresholds; nil goes back to the defaults. They
// hold as rules do. Errors: "threshold_malformed", "threshold_too_weak", "reason_malformed".
func (s *Service) SetThresholds(ctx context.Context, t tenant.ID, v *Thresholds, by By) error {
	if v != nil {
		if err := v.check(s.limits.Thresholds(), by); err != nil {
			return err
		}
	}
	if err := s.cfg.Store.SetThresholds(ctx, t, v, by.Actor, s.cfg.Now()); err != nil {
		return err
	}
	return s.loadSettings(ctx, t)
}

// SettingChanges returns what was set for a tenant when by whom, from new to old.
func (s *Service) SettingChanges(ctx context.Context, t tenant.ID) ([]SettingChange, error) {
	return s.cfg.Store.SettingChanges(ctx, t)
}

// loadSettings reads a tenant's own rules and thresholds.
func (s *Service) loadSettings(ctx context.Context, t tenant.ID) error {
	own, err := s.cfg.Store.Rules(ctx, t)
	if err != nil {
		return fmt.Errorf("load suppression rules: %w", err)
	}
	thresholds, err := s.cfg.Store.Thresholds(ctx, t)
	if err != nil {
		return fmt.Errorf("load thresholds: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own[t] = own; len(own) == 0 {
		delete(s.own, t)
	}
	if s.thresholds[t] = thresholds; thresholds == nil {
		delete(s.thresholds, t)
	}
	return nil
}
