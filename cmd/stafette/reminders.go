package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/i18n"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/redelivery"
	"stafette/internal/tenant"
)

// reminder writes to people about what waits for them.
type reminder struct {
	store interface {
		Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
		Users(ctx context.Context, t tenant.ID) ([]tenant.User, error)
		Changeovers(ctx context.Context, t tenant.ID) ([]changeover.Changeover, error)
	}
	notices interface {
		On() bool
		Send(ctx context.Context, l notice.Letter) error
	}
	// personOf names the person behind an actor, "" for none.
	personOf func(ctx context.Context, t tenant.ID, actor string) (string, error)
	log      *slog.Logger
}

func (p *platform) reminder() reminder { return reminder{p.store, p.notices, p.personOf, p.log} }

// askSecondPerson tells everybody who may confirm a redelivery that one waits. What fails is
// logged: the job waits in any case, and the overview says so.
func (r reminder) askSecondPerson(ctx context.Context, j redelivery.Job) {
	account, err := r.store.Tenant(ctx, j.Tenant)
	var first string
	if err == nil {
		first, err = r.personOf(ctx, j.Tenant, j.Actor)
	}
	if err == nil {
		err = r.writeTo(ctx, account, func(u tenant.User) bool {
			return tenant.Can(u.Role, tenant.MessagesSend) && u.ID.String() != first
		}, func(i18n.Lang) notice.Letter {
			return notice.Letter{Kind: "redelivery_awaiting", Key: "redelivery/" + j.ID.String(), Link: "/redeliveries/" + j.ID.String(),
				Args: map[string]string{"account": account.Name, "n": strconv.Itoa(j.Left())}}
		})
	}
	if err != nil {
		r.log.WarnContext(ctx, "nobody may know that a redelivery waits for a second person", "redelivery", j.ID.String(), "err", err)
	}
}

// remindOperators tells operators once a week of changeovers whose overlap has lasted as
// long as was planned.
func (r reminder) remindOperators(ctx context.Context, now time.Time) error {
	plans, err := r.store.Changeovers(ctx, tenant.ID{})
	if err != nil {
		return fmt.Errorf("find overdue changeovers: %w", err)
	}
	var errs []error
	for _, c := range plans {
		if !c.Overdue(now) {
			continue
		}
		week := int(now.Sub(c.OverlapUntil) / (7 * 24 * time.Hour))
		errs = append(errs, r.writeTo(ctx, tenant.Tenant{}, func(u tenant.User) bool { return u.Role == tenant.Operator },
			func(lang i18n.Lang) notice.Letter {
				until := i18n.Clock{Lang: lang, Zone: time.UTC, Now: now}.Date(c.OverlapUntil)
				return notice.Letter{Kind: "changeover_overdue", Link: changeover.Path + c.ID.String(), Args: map[string]string{"name": c.Name, "until": until},
					Key: fmt.Sprintf("overdue/%s/%s/%d", c.ID, c.OverlapUntil.Format(time.DateOnly), week)}
			}))
	}
	return errors.Join(errs...)
}

// writeTo sends a letter to the people of an account, of the zero one to staff, who are
// meant and have an address. The letter's Key is made each reader's own.
func (r reminder) writeTo(ctx context.Context, account tenant.Tenant, meant func(tenant.User) bool, word func(i18n.Lang) notice.Letter) error {
	if !r.notices.On() {
		return nil
	}
	people, err := r.store.Users(ctx, account.ID)
	if err != nil {
		return err
	}
	var errs []error
	for _, u := range people {
		to, err := message.ParseAddress(u.Email)
		if err != nil || strings.HasSuffix(strings.ToLower(u.Email), ".invalid") || !u.DisabledAt.IsZero() || !meant(u) {
			continue
		}
		lang := i18n.Lang(cmp.Or(u.Locale, account.Locale))
		if !lang.Valid() {
			lang = i18n.German
		}
		l := word(lang)
		l.Tenant, l.To, l.Lang, l.Formal = account.ID, to, lang, account.OfficeTone != tenant.Du
		l.Key += "/" + u.ID.String()
		errs = append(errs, r.notices.Send(ctx, l))
	}
	return errors.Join(errs...)
}
