package published

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/tenant"
	"stafette/internal/webhook"
)

const (
	tellLimit = 20
	// tellLease is how long a claimed telling is left alone: longer than a turn of slow
	// webhooks.
	tellLease = tellLimit*webhook.CallTime + time.Minute
)

// pauses are those between the tries of one telling; after the last it is given up.
func pauses() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 24 * time.Hour}
}

// Tell tells subscribers what is due. What fails is tried again later and is no error.
func (s *Service) Tell(ctx context.Context) error {
	for {
		list, err := s.c.Store.ClaimTellings(ctx, s.c.Now(), tellLease, tellLimit)
		if err != nil {
			return fmt.Errorf("claim tellings: %w", err)
		}
		for _, t := range list {
			if err := s.settle(ctx, t, s.tell(ctx, t)); err != nil {
				return err
			}
		}
		if len(list) < tellLimit || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// settle notes what came of a try. One that the end of the process cut short is due again
// when its lease is over.
func (s *Service) settle(ctx context.Context, t Telling, failed error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var next time.Time
	if steps := pauses(); failed != nil && t.Attempts < len(steps) {
		next = s.c.Now().Add(steps[t.Attempts])
		s.c.Log.InfoContext(ctx, "subscriber not told yet", "subscription", t.Subscription.String(), "version", t.Version, "attempts", t.Attempts+1, "err", failed)
	} else if failed != nil {
		s.c.Log.WarnContext(ctx, "subscriber not told, given up", "subscription", t.Subscription.String(), "version", t.Version, "err", failed)
	}
	if err := s.c.Store.SettleTelling(ctx, t, next); err != nil {
		return fmt.Errorf("settle telling: %w", err)
	}
	return nil
}

// tell tells one subscriber of one edition.
func (s *Service) tell(ctx context.Context, t Telling) error {
	sub, err := s.c.Store.AddressSubscription(ctx, t.Owner, t.Subscription)
	if notFound(err) {
		return nil // ended meanwhile
	}
	if err != nil {
		return err
	}
	to, err := s.target(sub)
	if err != nil {
		return err
	}
	l, err := s.List(ctx, t.Owner)
	if err != nil {
		return err
	}
	var e Edition
	for _, one := range l.History {
		if one.Version == t.Version {
			e = one
		}
	}
	if e.Version == 0 {
		return nil // so long ago that the history no longer has it
	}
	if sub.Medium == ByWebhook {
		return s.callHook(ctx, sub, to, l, e)
	}
	return s.mail(ctx, sub, to, l, e)
}

func (s *Service) mail(ctx context.Context, sub Subscription, to Target, l List, e Edition) error {
	a, err := message.ParseAddress(to.To)
	if err != nil {
		return err
	}
	lang := i18n.Lang(sub.Lang)
	more := make([]string, 0, len(e.Changes))
	for _, c := range e.Changes {
		more = append(more, s.Sentence(lang, c))
	}
	err = s.c.Mails.Send(ctx, notice.Letter{
		To: a, Lang: lang, Formal: true, Kind: "addresses_changed", Args: map[string]string{"name": l.Name}, More: more,
		Link:  s.c.Signer.PublicURL + s.Path(sub.Lang, l.For),
		Leave: s.c.Signer.PublicURL + s.Path(sub.Lang, tenant.ID{}) + "/end/" + s.token(toEnd, sub.Owner, sub.ID),
		Key:   fmt.Sprintf("addresses/%s/%d", sub.ID, e.Version),
	})
	if f := (*fault.Error)(nil); errors.As(err, &f) && f.Kind == fault.Invalid {
		return nil // it will never be right; the notice room has said why
	}
	return err
}

// Sentence says in a sentence what changed about an address.
func (s *Service) Sentence(lang i18n.Lang, c Change) string {
	clock := i18n.Clock{Lang: lang, Zone: s.c.Zone, Now: s.c.Now()}
	day := func(t time.Time, open string) string {
		if t.IsZero() {
			return s.c.Catalog.Text(lang, i18n.Sie, open, nil)
		}
		return clock.Full(t)
	}
	key := "published.change." + string(c.Kind)
	if c.Kind == Moved {
		key += "." + string(c.Entry.Role)
	}
	args := i18n.Args{
		"address": c.Entry.Address.String(), "ehlo": c.Entry.EHLO, "from": day(c.Entry.ValidFrom, "published.at_once"),
		"until": day(c.Entry.ValidUntil, "published.open"), "streams": s.Streams(lang, c.Entry),
		"role": s.c.Catalog.Text(lang, i18n.Sie, "published.role."+string(c.Entry.Role), nil),
	}
	return s.c.Catalog.Text(lang, i18n.Sie, key, args)
}

// Streams names the mail that leaves from an address.
func (s *Service) Streams(lang i18n.Lang, e Entry) string {
	if e.Role == egress.StateRetired {
		return s.c.Catalog.Text(lang, i18n.Sie, "published.streams.none", nil)
	}
	if len(e.Streams) == len(tenant.Streams()) {
		return s.c.Catalog.Text(lang, i18n.Sie, "published.streams.all", nil)
	}
	var list []string
	for _, v := range e.Streams {
		list = append(list, s.c.Catalog.Text(lang, i18n.Sie, "stream."+string(v), nil))
	}
	return strings.Join(list, ", ")
}
