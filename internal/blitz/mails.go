package blitz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

const (
	// mailsEvery is how often it is looked whether a mail is due.
	mailsEvery = 30 * time.Second
	// settled is how long an activity rests before it is told by mail: until then later
	// evidence may show that it was a machine.
	settled = 2 * time.Minute
	// lull is how long nothing must follow before a burst is told, patience how long its
	// first activity waits at most.
	lull     = 3 * time.Minute
	patience = 10 * time.Minute
	// maxLines is how many activities a mail tells; of the others it tells the number.
	maxLines = 15
	// idle is after how long a place is moved on although there was nothing to tell.
	idle = time.Hour
	// DailyHour is at what hour of the day the mail of a day comes.
	DailyHour = 8
)

// Tenants tells the names of accounts and people; tenant.Store does.
type Tenants interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
}

// Letters seals mails to people; *notice.Sender does.
type Letters interface {
	On() bool
	Seal(l notice.Letter) (notice.Due, error)
	Wake()
}

// Mails writes to people about what was done with what they sent. Any number of nodes may
// run it: each activity is told once. All fields but Log and Contacts are needed.
type Mails struct {
	Store      Store
	Activities Activities
	Tenants    Tenants
	Letters    Letters
	Teller     Teller
	Contacts   Contacts       // nil: people are told of by their addresses
	Zone       *time.Location // of tenants without one of their own
	Now        func() time.Time
	Log        *slog.Logger // nil: discard
}

// Run writes until ctx ends.
func (m Mails) Run(ctx context.Context) {
	if !m.Letters.On() {
		return
	}
	if m.Log == nil {
		m.Log = slog.New(slog.DiscardHandler)
	}
	tick := time.NewTicker(mailsEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := m.Turn(ctx); err != nil && ctx.Err() == nil {
			m.Log.ErrorContext(ctx, "activities not told", "err", err)
		}
	}
}

// Turn writes what is due now. What fails for one person holds up nobody else.
func (m Mails) Turn(ctx context.Context) error {
	list, err := m.Store.BlitzMails(ctx)
	if err != nil {
		return fmt.Errorf("list readers: %w", err)
	}
	var errs []error
	for _, r := range list {
		if err := m.tell(ctx, r); err != nil {
			errs = append(errs, fmt.Errorf("tell %s: %w", r.User, err))
		}
	}
	return errors.Join(errs...)
}

func (m Mails) tell(ctx context.Context, r Reader) error {
	t, err := m.Tenants.Tenant(ctx, r.Tenant)
	if err != nil {
		return err
	}
	u, err := m.Tenants.User(ctx, r.Tenant, r.User)
	if err != nil {
		return err
	}
	now := m.Now()
	local := now.In(r.Choice.Clock(t.Zone(m.Zone)))
	if !u.DisabledAt.IsZero() || t.State == tenant.Locked || r.Choice.Quiet(local) {
		return nil
	}
	until := now.Add(-settled)
	if r.Choice.Daily {
		morning := time.Date(local.Year(), local.Month(), local.Day(), DailyHour, 0, 0, 0, local.Location())
		if local.Before(morning) || !r.ToldUntil.Time().Before(morning) {
			return nil
		}
		until = morning
	}
	list, more, err := m.Activities.Activities(ctx, r.Tenant, tracking.Query{
		Sender: r.User.String(), Kinds: r.Choice.kinds(), Classes: Counted(), After: r.ToldUntil, Until: until, Forward: true, Limit: tracking.MaxPage,
	})
	if err != nil {
		return fmt.Errorf("read activities: %w", err)
	}
	if len(list) == 0 {
		if r.Choice.Daily || now.Sub(r.ToldUntil.Time()) > idle {
			_, err = m.Store.TellBlitz(ctx, r, id.Lowest[tracking.ActivityKind](until), notice.Due{})
		}
		return err
	}
	first, last := list[0], list[len(list)-1]
	if !r.Choice.Daily && !more && now.Sub(last.At) < lull && now.Sub(first.At) < patience {
		return nil // more of it may come
	}
	place := last.ID
	if r.Choice.Daily && !more {
		place = id.Lowest[tracking.ActivityKind](until)
	}
	letter, err := m.letter(ctx, t, u, local.Location(), list)
	if err != nil {
		return err
	}
	sealed, err := m.Letters.Seal(letter)
	if err != nil {
		return fmt.Errorf("seal letter: %w", err)
	}
	told, err := m.Store.TellBlitz(ctx, r, place, sealed)
	if err != nil {
		return fmt.Errorf("keep letter: %w", err)
	}
	if told {
		m.Letters.Wake()
	}
	return nil
}

func (m Mails) letter(ctx context.Context, t tenant.Tenant, u tenant.User, zone *time.Location, list []tracking.Activity) (notice.Letter, error) {
	to, err := message.ParseAddress(u.Email)
	if err != nil {
		return notice.Letter{}, fmt.Errorf("address of reader: %w", err)
	}
	lang := i18n.Lang(u.Locale)
	if !lang.Valid() {
		lang = i18n.Lang(t.Locale)
	}
	if !lang.Valid() {
		lang = i18n.German
	}
	tone := i18n.Tone(t.OfficeTone)
	clock := i18n.Clock{Lang: lang, Zone: zone, Now: m.Now()}
	var lines []string
	names := Names{Contacts: m.Contacts, Tenant: t.ID}
	for _, a := range list[:min(len(list), maxLines)] {
		name, err := names.Of(ctx, a)
		if err != nil {
			return notice.Letter{}, err
		}
		lines = append(lines, clock.Full(a.At)+": "+m.Teller.SentenceOf(lang, tone, a, name))
	}
	if rest := len(list) - maxLines; rest > 0 {
		lines = append(lines, m.Teller.Catalog.Text(lang, tone, "blitz.mail.more", i18n.Args{"n": rest}))
	}
	kind := "blitz_one"
	if len(list) > 1 {
		kind = "blitz_many"
	}
	return notice.Letter{
		Tenant: t.ID, To: to, Lang: lang, Formal: t.OfficeTone != tenant.Du, Kind: kind,
		Args: map[string]string{"n": strconv.Itoa(len(list)), "title": list[0].Title}, More: lines,
		Link: "/blitz?mine=1", Key: "blitz/" + u.ID.String() + "/" + list[0].ID.String(),
	}, nil
}
