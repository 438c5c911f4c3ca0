package pause

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Shares are limits of an account's or a group's own, in parts of ten thousand of the mail
// sent. 0 is none: what holds above it holds.
type Shares struct {
	Hard         int64 `json:"hard,omitempty"`
	Complaints   int64 `json:"complaints,omitempty"`
	Unsubscribes int64 `json:"unsubscribes,omitempty"`
}

// Of is the share of a cause.
func (s Shares) Of(c Cause) int64 {
	switch c {
	case Complaints:
		return s.Complaints
	case Hard:
		return s.Hard
	}
	return s.Unsubscribes
}

// Bound is who set which shares.
type Bound struct {
	Tenant tenant.ID
	Group  audience.GroupID // zero: all groups of the account
	// Staff: the platform set them, in place of what holds for the account; otherwise the
	// account did, which only makes limits stricter.
	Staff  bool
	Shares Shares
	Reason string // of staff
	Actor  string
	At     time.Time
}

// Bounds are those about one group.
type Bounds struct {
	Platform Limits // what the account may not pass: the platform's, or what staff have set
	Account  Bound  // by the account for all its groups
	Group    Bound  // by the account for this one
	Staff    Bound  // by the platform for this one
}

// share is where the limit of a cause is, to be changed.
func (l *Limits) share(c Cause) *int64 {
	switch c {
	case Complaints:
		return &l.Complaints.Share
	case Hard:
		return &l.Hard.Share
	}
	return &l.Unsubscribes.Share
}

// with puts shares in place of those of l; tightened keeps the stricter of both.
func (l Limits) with(s Shares) Limits {
	for _, c := range Causes() {
		if n := s.Of(c); n > 0 {
			*l.share(c) = n
		}
	}
	return l
}

func (l Limits) tightened(s Shares) Limits {
	for _, c := range Causes() {
		if n, at := s.Of(c), l.share(c); n > 0 && (*at == 0 || n < *at) {
			*at = n
		}
	}
	return l
}

// looser reports whether l lets more pass than the other somewhere.
func (l Limits) looser(than Limits) bool {
	for _, c := range Causes() {
		if mine, other := *l.share(c), *than.share(c); other > 0 && (mine == 0 || mine > other) {
			return true
		}
		if l.Of(c).Least > than.Of(c).Least {
			return true
		}
	}
	return l.Sent > than.Sent || l.Hours < than.Hours
}

// InForce are the limits that hold for the group.
func (b Bounds) InForce() Limits {
	return b.Platform.tightened(b.Account.Shares).tightened(b.Group.Shares)
}

// BoundsOf tells who set which limits for a group; with the zero group, for all.
func (s *Service) BoundsOf(ctx context.Context, t tenant.ID, g audience.GroupID) (b Bounds, err error) {
	if b.Platform, _, err = s.LimitsOf(ctx, t); err != nil {
		return b, err
	}
	list, err := s.c.Store.GroupBounds(ctx, t)
	if err != nil {
		return b, err
	}
	for _, one := range list {
		switch {
		case one.Staff && one.Group == g && !g.IsZero():
			b.Staff, b.Platform = one, b.Platform.with(one.Shares)
		case !one.Staff && one.Group.IsZero():
			b.Account = one
		case !one.Staff && one.Group == g:
			b.Group = one
		}
	}
	return b, nil
}

// Tighten sets an account's own limits, for one group or, with the zero group, for all of
// its groups; the zero Shares take them away. They hold from the next look on. Errors are
// Invalid with the field of the cause: "limit_malformed", and "limit_too_weak" for one that
// only the platform may allow.
func (s *Service) Tighten(ctx context.Context, t tenant.ID, g audience.GroupID, v Shares, actor string) error {
	b, err := s.BoundsOf(ctx, t, g)
	if err != nil {
		return err
	}
	var wrong []*fault.Error
	for _, c := range Causes() {
		switch n, most := v.Of(c), *b.Platform.share(c); {
		case n < 0 || n > 10_000:
			wrong = append(wrong, malformed(c))
		case most > 0 && n > most:
			wrong = append(wrong, fault.Field(string(c), CodeWeak, "Only the platform may allow more than its own limit."))
		}
	}
	if err := fault.Join(wrong); err != nil {
		return err
	}
	return s.c.Store.PutGroupBound(ctx, Bound{Tenant: t, Group: g, Shares: v, Actor: actor, At: s.now()})
}

// Allow sets the limits of one group by staff, stricter or looser than those of its account,
// and says why; the zero Shares take them away. Errors: Invalid "limit_malformed",
// "reason_malformed".
func (s *Service) Allow(ctx context.Context, t tenant.ID, g audience.GroupID, v Shares, actor, reason string) error {
	var wrong []*fault.Error
	for _, c := range Causes() {
		if n := v.Of(c); n < 0 || n > 10_000 {
			wrong = append(wrong, malformed(c))
		}
	}
	reason, bad := reasonOf("reason", reason)
	if bad != nil {
		wrong = append(wrong, bad)
	}
	if err := fault.Join(wrong); err != nil {
		return err
	}
	return s.c.Store.PutGroupBound(ctx, Bound{Tenant: t, Group: g, Staff: true, Shares: v, Reason: reason, Actor: actor, At: s.now()})
}

func (s *Service) now() time.Time { return s.c.Now().UTC().Truncate(time.Millisecond) }

func malformed(c Cause) *fault.Error {
	return fault.Field(string(c), "limit_malformed", "This limit makes no sense.")
}

// reasonOf brings what somebody says into one line.
func reasonOf(field, text string) (string, *fault.Error) {
	text = strings.Join(strings.Fields(text), " ")
	if n := utf8.RuneCountInString(text); n < 3 || n > 500 || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return "", fault.Field(field, "reason_malformed", "A reason has 3 to 500 characters.")
	}
	return text, nil
}

// limitsFor are the limits that hold for a group.
func (s *Service) limitsFor(ctx context.Context, t tenant.ID, g audience.GroupID) (Limits, error) {
	b, err := s.BoundsOf(ctx, t, g)
	if err != nil {
		return Limits{}, fmt.Errorf("read limits of group: %w", err)
	}
	return b.InForce(), nil
}
