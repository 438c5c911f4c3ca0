package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/i18n"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/tenant"
)

// haltTeller writes to the owners of a tenant whose bulk mail is halted.
type haltTeller struct {
	store interface {
		Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
		Owners(ctx context.Context, t tenant.ID) ([]tenant.User, error)
	}
	notices interface {
		On() bool
		Send(ctx context.Context, l notice.Letter) error
	}
}

// tell writes to each owner once, however often and from however many nodes it is called.
func (h *haltTeller) tell(ctx context.Context, halt audience.Halt) error {
	if !h.notices.On() {
		return nil
	}
	t, err := h.store.Tenant(ctx, halt.Tenant)
	if err != nil {
		return err
	}
	owners, err := h.store.Owners(ctx, halt.Tenant)
	if err != nil {
		return err
	}
	var errs []error
	for _, u := range owners {
		to, err := message.ParseAddress(u.Email)
		if err == nil {
			err = h.notices.Send(ctx, haltLetter(t, u, to, halt))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("write to %s: %w", u.ID, err))
		}
	}
	return errors.Join(errs...)
}

func haltLetter(t tenant.Tenant, u tenant.User, to message.Address, halt audience.Halt) notice.Letter {
	lang := i18n.Lang(u.Locale)
	if !lang.Valid() {
		lang = i18n.Lang(t.Locale)
	}
	n := halt.Of(halt.Cause)
	share := strconv.FormatFloat(float64(n)*100/float64(max(halt.Sent, 1)), 'f', 2, 64)
	if lang != i18n.English {
		share = strings.Replace(share, ".", ",", 1)
	}
	return notice.Letter{
		Tenant: t.ID, To: to, Lang: lang, Formal: t.OfficeTone != tenant.Du, Kind: "halt_" + string(halt.Cause),
		Args: map[string]string{
			"account": t.Name, "n": i18n.Number(lang, int64(n)), "sent": i18n.Number(lang, int64(halt.Sent)), "share": share,
			"hours": strconv.Itoa(int(halt.Window / time.Hour)),
		},
		Link: "/halt", Key: fmt.Sprintf("halt/%d/%s", halt.At.UnixMilli(), u.ID),
	}
}
