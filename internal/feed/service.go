package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/tenant"
)

// Mailings keeps and sends what feeds make; *campaign.Service does.
type Mailings interface {
	Formed(ctx context.Context, c campaign.Campaign) (campaign.Campaign, error)
	Send(ctx context.Context, who ingest.Principal, c campaign.ID, at time.Time) (campaign.Campaign, error)
}

// Config is what a Service needs.
type Config struct {
	Store    Store
	Mailings Mailings
	// Client reads feeds. Where a request may go, and how long it may take, is up to it: it is
	// made by a guarded dialer and follows no redirection itself.
	Client *http.Client
	// Refused says of an error of the client that the address is none that is asked; may be nil.
	Refused func(error) bool
	Zone    *time.Location // of tenants without one; nil: UTC
	Now     func() time.Time
	Log     *slog.Logger // nil: discard
}

// Service keeps feeds and looks at them. It is safe for concurrent use.
type Service struct {
	c     Config
	asked previews
}

// New makes a Service.
func New(c Config) *Service {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	return &Service{c: c}
}

func (s *Service) stamp() time.Time { return s.c.Now().UTC().Truncate(time.Millisecond) }

// Create keeps a new feed as a person wrote it down. It is looked at soon; what stands in it
// then is not sent.
func (s *Service) Create(ctx context.Context, who ingest.Principal, f Feed) (Feed, error) {
	if who.Tenant.IsZero() {
		return f, fault.New(fault.Forbidden, ingest.CodeTenantMissing, "Feeds belong to a tenant; this account belongs to none.")
	}
	now := s.stamp()
	f.ID, f.Tenant, f.Revision, f.Actor, f.CreatedAt, f.UpdatedAt, f.NextAt = id.New[Kind](now), who.Tenant, 1, who.Actor, now, now, now
	if err := s.check(ctx, &f); err != nil {
		return f, err
	}
	return f, s.c.Store.CreateFeed(ctx, f, MaxFeeds)
}

// Change does something to a feed of a revision that the caller saw. With another address it
// begins anew: what stands in the feed then is not sent. Who pauses a feed and lets it go on
// gets what came meanwhile with the next mailing.
func (s *Service) Change(ctx context.Context, who ingest.Principal, number ID, revision int64, do func(*Feed) error) (Feed, error) {
	f, err := s.c.Store.Feed(ctx, who.Tenant, number)
	if err != nil {
		return f, err
	}
	if f.Revision != revision {
		return f, fault.New(fault.Conflict, CodeState, "Somebody else has changed the feed meanwhile.")
	}
	old := f.URL
	if err := do(&f); err != nil {
		return f, err
	}
	if err := s.check(ctx, &f); err != nil {
		return f, err
	}
	now := s.stamp()
	afresh := f.URL != old
	f.Revision, f.Actor, f.UpdatedAt = f.Revision+1, who.Actor, now
	if f.Failures = 0; afresh {
		f.Primed, f.ETag, f.Modified = false, "", ""
	}
	if f.Paused {
		f.Pending = campaign.ID{} // what was not sent by now stays a draft
	}
	f.NextAt = now
	if f.Primed && f.Pending.IsZero() {
		zone, err := s.zone(ctx, f.Tenant)
		if err != nil {
			return f, err
		}
		f.NextAt = f.Schedule.Next(now, zone)
	}
	return f, s.c.Store.ChangeFeed(ctx, f, afresh)
}

// Check says what keeps a kept feed from being kept once more: a group or template that is gone.
func (s *Service) Check(ctx context.Context, f Feed) error { return s.check(ctx, &f) }

// Delete takes a feed away; mailings that it made stay.
func (s *Service) Delete(ctx context.Context, t tenant.ID, f ID) error {
	return s.c.Store.DeleteFeed(ctx, t, f)
}

// Feed returns one; NotFound CodeNotFound.
func (s *Service) Feed(ctx context.Context, t tenant.ID, f ID) (Feed, error) {
	return s.c.Store.Feed(ctx, t, f)
}

// List lists all of a tenant from new to old.
func (s *Service) List(ctx context.Context, t tenant.ID) ([]Feed, error) {
	return s.c.Store.Feeds(ctx, t)
}

// LastLooks is the newest look of each feed of a tenant that has one.
func (s *Service) LastLooks(ctx context.Context, t tenant.ID) (map[ID]Look, error) {
	return s.c.Store.LastLooks(ctx, t)
}

// Looks lists the last looks of a feed from new to old.
func (s *Service) Looks(ctx context.Context, t tenant.ID, number ID) ([]Look, error) {
	if _, err := s.c.Store.Feed(ctx, t, number); err != nil {
		return nil, err
	}
	return s.c.Store.FeedLooks(ctx, t, number)
}

func (s *Service) zone(ctx context.Context, t tenant.ID) (*time.Location, error) {
	of, err := s.c.Store.Tenant(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("read tenant of feed: %w", err)
	}
	return of.Zone(s.c.Zone), nil
}

// check holds a feed to the rules of its form, its letter to those of mailings.
func (s *Service) check(ctx context.Context, f *Feed) error {
	var wrong []*fault.Error
	bad := func(field, detail string) { wrong = append(wrong, fault.Field(field, CodeValue, detail)) }
	f.Name, f.URL, f.Subject = strings.TrimSpace(f.Name), strings.TrimSpace(f.URL), strings.TrimSpace(f.Subject)
	u, err := url.Parse(f.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || len(f.URL) > maxLink {
		bad("url", "An address that begins with https:// or http://, without a password.")
	}
	if f.Name == "" || len([]rune(f.Name)) > 180 {
		bad("name", "A name of 1 to 180 characters on one line.")
	}
	if len(f.Groups) == 0 {
		bad("group_ids", "At least one group.")
	}
	if f.From == "" {
		bad("from", "An address, with a name or without.")
	}
	if f.Subject == "" {
		bad("subject", "A subject; {{feed_title}} is the title of the newest entry.")
	}
	if f.Most < 1 || f.Most > MaxEntries {
		bad("most", "From 1 to 30 entries.")
	}
	if f.Template != "" && f.HTML != "" {
		bad("template", "At most one of template and html is given.")
	}
	w := f.Schedule
	if w.Every != Daily && w.Every != Weekly && w.Every != Monthly {
		bad("schedule/every", "daily, weekly or monthly.")
	}
	if w.Hour < 0 || w.Hour > 23 {
		bad("schedule/hour", "From 0 to 23.")
	}
	if w.Weekday < time.Sunday || w.Weekday > time.Saturday {
		bad("schedule/weekday", "A day of the week.")
	}
	if w.Day < 0 || w.Day > 28 {
		bad("schedule/day", "From 1 to 28, which every month has.")
	}
	if len(wrong) > 0 {
		return fault.Join(wrong)
	}
	_, err = s.letter(ctx, *f, []Entry{{Title: "…"}})
	return err
}

// fresh are the entries that are not known, in their order.
func (s *Service) fresh(ctx context.Context, f Feed, list []Entry) (fresh []Entry, err error) {
	known, err := s.c.Store.KnownEntries(ctx, f.Tenant, f.ID, hashes(list))
	for _, e := range list {
		if !known[e.Hash] {
			fresh = append(fresh, e)
		}
	}
	return fresh, err
}

func hashes(list []Entry) []Hash {
	names := make([]Hash, len(list))
	for i, e := range list {
		names[i] = e.Hash
	}
	return names
}

// lookTime bounds one feed of a turn, mailing included.
const lookTime = time.Minute

// putOff is how long a feed waits with which something went wrong here.
const putOff = 5 * time.Minute

// dueAtOnce is how many feeds one turn looks at.
const dueAtOnce = 20

// Turn looks at feeds that are due. One that fails does not hold up the others.
func (s *Service) Turn(ctx context.Context, now time.Time) error {
	list, err := s.c.Store.DueFeeds(ctx, now, dueAtOnce)
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range list {
		if ctx.Err() != nil {
			break
		}
		one, cancel := context.WithTimeout(ctx, lookTime)
		err := s.turn(one, f)
		cancel()
		if err == nil {
			continue
		}
		errs = append(errs, fmt.Errorf("look at feed %s: %w", f.ID, err))
		// Those behind it have their turn first. What it was about to send it sends then.
		f.Turn, f.NextAt = f.Turn+1, s.stamp().Add(putOff)
		if err := s.c.Store.PutOffFeed(ctx, f); err != nil && ctx.Err() == nil {
			errs = append(errs, fmt.Errorf("put off feed %s: %w", f.ID, err))
		}
	}
	return errors.Join(errs...)
}
