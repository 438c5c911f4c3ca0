package blitz

import (
	"context"
	"fmt"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// maxUnread is up to how many unread activities are counted; more are told as "99+".
const maxUnread = 100

// keptReads is how long it is remembered what a person read one by one: longer than
// activities are kept.
const keptReads = 400 * 24 * time.Hour

// Feed is the feed of each person. It is safe for concurrent use.
type Feed struct {
	Store Store
	Now   func() time.Time
}

// reader returns a person's place. What happened before a person was there is read.
func (f Feed) reader(ctx context.Context, t tenant.ID, u tenant.UserID) (Reader, error) {
	r, ok, err := f.Store.BlitzReader(ctx, t, u)
	if err != nil {
		return r, fmt.Errorf("read place in the feed: %w", err)
	}
	if !ok {
		r = Reader{Tenant: t, User: u, Choice: UsualChoice()}
	}
	if since := id.Lowest[tracking.ActivityKind](u.Time()); after(since, r.ReadUntil) {
		r.ReadUntil = since
	}
	return r, nil
}

func after(a, b tracking.ActivityID) bool { return string(a[:]) > string(b[:]) }

// Unread counts what persons did that the reader has not read, at most 100.
func (f Feed) Unread(ctx context.Context, t tenant.ID, u tenant.UserID) (int, error) {
	r, err := f.reader(ctx, t, u)
	if err != nil {
		return 0, err
	}
	n, err := f.Store.UnreadBlitz(ctx, t, u, r.ReadUntil, maxUnread)
	if err != nil {
		return 0, fmt.Errorf("count unread: %w", err)
	}
	return n, nil
}

// Place is what a person has read.
type Place struct {
	until tracking.ActivityID
	one   map[tracking.ActivityID]bool
}

// Read reports whether the person has read the activity.
func (p Place) Read(a tracking.ActivityID) bool { return !after(a, p.until) || p.one[a] }

// Place returns what a person has read.
func (f Feed) Place(ctx context.Context, t tenant.ID, u tenant.UserID) (Place, error) {
	r, err := f.reader(ctx, t, u)
	if err != nil {
		return Place{}, err
	}
	list, err := f.Store.ReadBeside(ctx, t, u, r.ReadUntil)
	if err != nil {
		return Place{}, fmt.Errorf("read place in the feed: %w", err)
	}
	p := Place{until: r.ReadUntil, one: map[tracking.ActivityID]bool{}}
	for _, a := range list {
		p.one[a] = true
	}
	return p, nil
}

// ReadAll notes that a person has read all that happened up to an activity; the zero
// activity is now.
func (f Feed) ReadAll(ctx context.Context, t tenant.ID, u tenant.UserID, until tracking.ActivityID) error {
	if until.IsZero() {
		until = id.New[tracking.ActivityKind](f.Now())
	}
	if err := f.Store.ReadBlitz(ctx, t, u, until); err != nil {
		return fmt.Errorf("mark read: %w", err)
	}
	return nil
}

// ReadOne notes that a person has read one activity.
func (f Feed) ReadOne(ctx context.Context, t tenant.ID, u tenant.UserID, a tracking.ActivityID) error {
	if err := f.Store.ReadOne(ctx, t, u, a, id.Lowest[tracking.ActivityKind](f.Now().Add(-keptReads))); err != nil {
		return fmt.Errorf("mark read: %w", err)
	}
	return nil
}

// Choice is what a person wants to be told of.
func (f Feed) Choice(ctx context.Context, t tenant.ID, u tenant.UserID) (Choice, error) {
	r, err := f.reader(ctx, t, u)
	return r.Choice, err
}

// Choose keeps what a person wants to be told of, from now on. Errors: Invalid
// "quiet_malformed" with Field "quiet_from", "time_zone_unknown" with Field "zone".
func (f Feed) Choose(ctx context.Context, t tenant.ID, u tenant.UserID, c Choice) error {
	for _, h := range []int{c.QuietFrom, c.QuietTo} {
		if h < 0 || h > 23 {
			return fault.Field("quiet_from", "quiet_malformed", "The hours are 0 to 23.")
		}
	}
	// "Local" is the machine's zone, which is nobody's choice.
	if _, err := time.LoadLocation(c.Zone); err != nil || c.Zone == "Local" {
		return fault.Field("zone", "time_zone_unknown", "Time zones are written as Europe/Berlin.")
	}
	r := Reader{Tenant: t, User: u, Choice: c, ToldUntil: id.Lowest[tracking.ActivityKind](f.Now())}
	if err := f.Store.ChooseBlitz(ctx, r); err != nil {
		return fmt.Errorf("keep choice: %w", err)
	}
	return nil
}
