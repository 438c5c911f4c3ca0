package campaign

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/template"
	"stafette/internal/tenant"
)

// Codes of refusals.
const (
	CodeNotFound    = "campaign_not_found"
	CodeState       = "campaign_state"               // Conflict: not in a state that allows it, or changed meanwhile
	CodeValue       = "campaign_value"               // Invalid
	CodeVariable    = "campaign_variable_unknown"    // Invalid: no contact has such a field
	CodeLeave       = "campaign_unsubscribe_missing" // Invalid: no way to unsubscribe in it
	CodeContent     = "campaign_content_failed"      // Invalid: a contact's data break the template
	CodeNobody      = "campaign_nobody"              // Conflict: nobody is in its groups
	CodeNotApproved = "group_not_approved"           // Forbidden
	CodeImprint     = "imprint_missing"              // Invalid: the letter shows the account's imprint, which is empty
)

// Limits of a campaign.
const (
	MaxGroups  = 50
	MaxSubject = 500                // characters of the template
	MaxContent = template.MaxSource // bytes of each template
	MaxPerHour = 1_000_000
	maxName    = 200
	maxFrom    = 400
)

// Config is what a Service needs.
type Config struct {
	Store     Store
	Acceptor  ingest.Acceptor
	Approvals audience.Approvals // nil: every group needs one, and has none
	// Providers tells which mailbox provider mail to a domain reaches; nil: campaigns bound none.
	Providers Providers
	// Stationery compiles templates, blocks and MJML; nil: letters are HTML and text alone.
	Stationery Stationery
	// MayLeave: mail leads to a page on which its recipient unsubscribes, so each letter must
	// show it.
	MayLeave bool
	// Links are the pages on which a recipient unsubscribes and that shows the mail, for test
	// mails; nil: they lead nowhere.
	Links func(t tenant.ID, d message.DeliveryID) (leave, web string)
	// ReviewKey derives the MACs of links to reviews, 32 bytes used for nothing else; empty:
	// there are none. PublicURL is the address of their pages without a path.
	ReviewKey []byte
	PublicURL string
	// Changed is called when orders about deliveries changed or they fell due; may be nil.
	Changed func(ctx context.Context)
	// Begun is called when a campaign was sent that is due at once, so that nobody waits for
	// the next Turn; may be nil.
	Begun func()
	// Room waits, for a time at most, until so many mails of a tenant can be handed over that
	// are sent without a detour through the queue's storage, and reports whether they can; nil:
	// they always can.
	Room func(ctx context.Context, t tenant.ID, n int, most time.Duration) bool
	// Colleagues tells whom comments may ask; nil: nobody.
	Colleagues Colleagues
	// Commented is called when a comment was kept; may be nil.
	Commented func(ctx context.Context, c Campaign, v Comment)
	// Zone is the time zone of accounts that have none; nil: UTC.
	Zone *time.Location
	Now  func() time.Time
	Log  *slog.Logger // nil: discard
}

// Service keeps and sends campaigns. It is safe for concurrent use.
type Service struct {
	c  Config
	mu sync.Mutex
	// reports are the last ones told, so that a page that is open does not count a million
	// deliveries every few seconds.
	reports map[formOf]counted
}

// New makes a Service.
func New(c Config) *Service {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Changed == nil {
		c.Changed = func(context.Context) {}
	}
	if c.Begun == nil {
		c.Begun = func() {}
	}
	if c.Commented == nil {
		c.Commented = func(context.Context, Campaign, Comment) {}
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	return &Service{c: c, reports: map[formOf]counted{}}
}

func (s *Service) stamp() time.Time { return s.c.Now().UTC().Truncate(time.Millisecond) }

// Create keeps a new draft with the name, groups, letter and rate of c.
func (s *Service) Create(ctx context.Context, who ingest.Principal, c Campaign) (Campaign, error) {
	if who.Tenant.IsZero() {
		return c, fault.New(fault.Forbidden, ingest.CodeTenantMissing, "Campaigns are sent for a tenant; this account belongs to none.")
	}
	now := s.stamp()
	c = Campaign{ID: id.New[Kind](now), Tenant: who.Tenant, Revision: 1, Name: c.Name, Groups: c.Groups, Letter: c.Letter, Trial: c.Trial, PerHour: c.PerHour, PerProvider: c.PerProvider,
		State: Draft, Actor: who.Actor, CreatedAt: now, UpdatedAt: now}
	if err := s.compose(ctx, &c); err != nil {
		return c, err
	}
	if err := s.check(ctx, &c); err != nil {
		return c, err
	}
	if err := s.c.Store.CreateCampaign(ctx, c); err != nil {
		return c, fmt.Errorf("create campaign: %w", err)
	}
	return c, nil
}

// Change replaces name, groups, letter and rate of a draft by those of c, which names the
// revision that the caller saw.
func (s *Service) Change(ctx context.Context, who ingest.Principal, c Campaign) (Campaign, error) {
	old, err := s.c.Store.Campaign(ctx, who.Tenant, c.ID)
	if err != nil {
		return c, err
	}
	if old.State != Draft || old.Revision != c.Revision {
		return old, badState()
	}
	old.bounds = old.PerProvider
	old.Name, old.Groups, old.Letter, old.Trial, old.PerHour, old.PerProvider = c.Name, c.Groups, c.Letter, c.Trial, c.PerHour, c.PerProvider
	if err := s.compose(ctx, &old); err != nil {
		return old, err
	}
	if err := s.check(ctx, &old); err != nil {
		return old, err
	}
	return s.put(ctx, old, Draft)
}

func badState() error {
	return fault.New(fault.Conflict, CodeState, "The campaign is not in a state that allows this, or somebody else has changed it meanwhile.")
}

// put stores a change by a person.
func (s *Service) put(ctx context.Context, c Campaign, from State) (Campaign, error) {
	c.Revision++
	c.UpdatedAt = s.stamp()
	if err := s.c.Store.ChangeCampaign(ctx, c, from); err != nil {
		return c, fmt.Errorf("change campaign: %w", err)
	}
	return c, nil
}

// check holds a draft to the rules of its form; whether it can be sent, Send asks.
func (s *Service) check(ctx context.Context, c *Campaign) error {
	var wrong []*fault.Error
	bad := func(field, detail string) { wrong = append(wrong, fault.Field(field, CodeValue, detail)) }
	c.Name = strings.TrimSpace(c.Name)
	if c.Name == "" || !oneLine(c.Name, maxName) {
		bad("name", "A name of 1 to 200 characters on one line.")
	}
	if c.PerHour < 0 || c.PerHour > MaxPerHour {
		bad("per_hour", "From 1 to 1,000,000 an hour, or 0 for no limit.")
	}
	s.checkRates(c, bad)
	if !oneLine(c.Letter.From, maxFrom) || !oneLine(c.Letter.ReplyTo, maxFrom) {
		bad("from", "An address, with a name or without.")
	}
	if !oneLine(c.Letter.Subject, MaxSubject) {
		bad("subject", "At most 500 characters on one line.")
	}
	for field, text := range map[string]string{"html": c.Letter.HTML, "text": c.Letter.Text} {
		if len(text) > MaxContent || !utf8.ValidString(text) {
			bad(field, "At most 512 KiB of UTF-8.")
		}
	}
	checkTrial(c, bad)
	if len(c.Groups) > MaxGroups {
		bad("group_ids", "At most 50 groups.")
	}
	for i, g := range c.Groups {
		_, err := s.c.Store.Group(ctx, c.Tenant, g)
		switch {
		case fault.IsKind(err, fault.NotFound):
			bad("group_ids/"+strconv.Itoa(i), "There is no such group.")
		case err != nil:
			return fmt.Errorf("read group: %w", err)
		case slices.Contains(c.Groups[:i], g):
			bad("group_ids/"+strconv.Itoa(i), "The group stands there twice.")
		}
	}
	return fault.Join(wrong)
}

func oneLine(text string, most int) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= most && strings.IndexFunc(text, unicode.IsControl) < 0
}

// MaxAhead is how far ahead a campaign can be scheduled.
const MaxAhead = 366 * 24 * time.Hour

// Send lets a draft go, at once or at an instant. Errors: those of Ready, Conflict
// "campaign_state" and "campaign_nobody".
func (s *Service) Send(ctx context.Context, who ingest.Principal, number ID, at time.Time) (Campaign, error) {
	if at.After(s.stamp().Add(MaxAhead)) {
		return Campaign{}, tooFar()
	}
	return s.send(ctx, who, number, func(*Campaign) (time.Time, error) { return at, nil })
}

func tooFar() error {
	return fault.Field("at", CodeValue, "A campaign can be scheduled at most a year ahead.")
}

// send lets a draft go; begins says when.
func (s *Service) send(ctx context.Context, who ingest.Principal, number ID, begins func(*Campaign) (time.Time, error)) (Campaign, error) {
	now := s.stamp()
	sent, err := s.change(ctx, who, number, []State{Draft}, func(c *Campaign) error {
		// What is sent never changes after this: the newest version of its template, and the
		// imprint of today.
		if err := s.renew(ctx, c); err != nil {
			return err
		}
		at, err := begins(c)
		if err != nil {
			return err
		}
		if err := s.Ready(ctx, *c); err != nil {
			return err
		}
		if err := s.somebody(ctx, *c); err != nil {
			return err
		}
		c.Actor, c.Reason, c.StartAt, c.DueAt, c.State = who.Actor, "", now, now, Sending
		if at.After(now) {
			c.State, c.StartAt, c.DueAt = Scheduled, at.UTC().Truncate(time.Millisecond), at.UTC().Truncate(time.Millisecond)
		}
		return nil
	})
	if err == nil && sent.State == Sending {
		s.c.Begun()
	}
	return sent, err
}

func (s *Service) somebody(ctx context.Context, c Campaign) error {
	for _, g := range c.Groups {
		page, err := s.c.Store.Members(ctx, c.Tenant, g, audience.MemberFilter{Limit: 1})
		if err != nil {
			return fmt.Errorf("read members: %w", err)
		}
		if len(page.Members) > 0 {
			return nil
		}
	}
	return fault.New(fault.Conflict, CodeNobody, "Nobody is in the groups.")
}

// Unschedule makes a draft of a campaign that has not begun.
func (s *Service) Unschedule(ctx context.Context, who ingest.Principal, number ID) (Campaign, error) {
	return s.change(ctx, who, number, []State{Scheduled}, func(c *Campaign) error {
		c.State, c.StartAt, c.DueAt, c.Local = Draft, time.Time{}, time.Time{}, Local{}
		return nil
	})
}

// Pause stops a campaign: nothing more is handed over, and what was handed over does not
// leave, but for mail that is being sent this moment.
func (s *Service) Pause(ctx context.Context, who ingest.Principal, number ID) (Campaign, error) {
	return s.change(ctx, who, number, []State{Sending, Scheduled, Sent}, func(c *Campaign) error {
		c.State, c.Reason = Paused, ""
		return s.suspend(ctx, c, who.Actor)
	})
}

// suspend begins the order that keeps what was handed over. It comes before the row: what is
// paused never leaves.
func (s *Service) suspend(ctx context.Context, c *Campaign, actor string) error {
	now := s.stamp()
	c.Order = id.New[queue.OrderKind](now)
	err := s.c.Store.PutOrder(ctx, queue.Order{ID: c.Order, Giver: c.Tenant, Command: queue.Suspend, Scope: queue.Scope{Tenant: c.Tenant, Tag: Tag(c.ID)},
		Actor: actor, Reason: c.Name, Created: now})
	if err != nil {
		return fmt.Errorf("suspend campaign: %w", err)
	}
	s.c.Changed(ctx)
	return nil
}

// release ends the order of a pause.
func (s *Service) release(ctx context.Context, c *Campaign, actor string) error {
	if c.Order.IsZero() {
		return nil
	}
	_, err := s.c.Store.EndOrder(ctx, c.Tenant, c.Order, actor, s.stamp())
	if err != nil && !fault.IsKind(err, fault.NotFound) {
		return fmt.Errorf("release campaign: %w", err)
	}
	c.Order = queue.OrderID{}
	s.c.Changed(ctx)
	return nil
}

// spread is how long an order's end takes to be known on every node.
const spread = 2 * time.Second

// Resume lets a paused campaign go on where it stood.
func (s *Service) Resume(ctx context.Context, who ingest.Principal, number ID) (Campaign, error) {
	return s.change(ctx, who, number, []State{Paused}, func(c *Campaign) error {
		if err := s.readyGroups(ctx, *c); err != nil {
			return err
		}
		now := s.stamp()
		if !c.Order.IsZero() {
			c.Task = TaskDue
		}
		if err := s.release(ctx, c, who.Actor); err != nil {
			return err
		}
		c.State, c.Reason, c.DueAt, c.FinishedAt = Sending, "", now.Add(spread), time.Time{}
		if c.StartAt.After(now) {
			c.State, c.DueAt = Scheduled, c.StartAt
		}
		return nil
	})
}

// Cancel ends a campaign: what has not left is cancelled, what has left stays sent.
func (s *Service) Cancel(ctx context.Context, who ingest.Principal, number ID) (Campaign, error) {
	return s.change(ctx, who, number, []State{Scheduled, Sending, Paused, Sent}, func(c *Campaign) error {
		if c.Order.IsZero() {
			if err := s.suspend(ctx, c, who.Actor); err != nil {
				return err
			}
		}
		now := s.stamp()
		c.State, c.Reason, c.Task, c.DueAt, c.FinishedAt = Cancelled, "", TaskCancel, now, now
		return nil
	})
}

// change moves a campaign that is in one of the states on.
func (s *Service) change(ctx context.Context, who ingest.Principal, number ID, from []State, do func(*Campaign) error) (Campaign, error) {
	c, err := s.c.Store.Campaign(ctx, who.Tenant, number)
	if err != nil {
		return c, err
	}
	was := c.State
	if !slices.Contains(from, was) {
		return c, badState()
	}
	before := c.Order
	if err := do(&c); err != nil {
		return c, err
	}
	changed, err := s.put(ctx, c, was)
	if err != nil && c.Order != before && !c.Order.IsZero() {
		// Somebody was faster: the order that was begun for this is nobody's.
		err = errors.Join(err, s.release(ctx, &c, who.Actor))
	}
	return changed, err
}

// Delete takes a draft away.
func (s *Service) Delete(ctx context.Context, t tenant.ID, number ID) error {
	return s.c.Store.DeleteCampaign(ctx, t, number)
}

// Campaign returns one; NotFound "campaign_not_found". The content of a draft is that of the
// newest version of its template.
func (s *Service) Campaign(ctx context.Context, t tenant.ID, number ID) (Campaign, error) {
	c, err := s.c.Store.Campaign(ctx, t, number)
	if err != nil || c.State != Draft {
		return c, err
	}
	err = s.renew(ctx, &c)
	return c, err
}

// Campaigns lists from new to old, below after if it is not zero.
func (s *Service) Campaigns(ctx context.Context, t tenant.ID, after ID, limit int) ([]Campaign, bool, error) {
	return s.c.Store.Campaigns(ctx, t, after, limit)
}

// Lines lists the recipients of a campaign.
func (s *Service) Lines(ctx context.Context, t tenant.ID, number ID, f LineFilter) ([]Line, bool, error) {
	return s.c.Store.CampaignLines(ctx, t, number, f)
}

// Trial is the trial of a campaign as it stands: until it is decided, with the counts of now.
func (s *Service) Trial(ctx context.Context, c Campaign) (t Trial, err error) {
	if t = c.Trial; t.runs() {
		t.A, t.B, err = s.c.Store.TrialCounts(ctx, c.Tenant, c.ID)
	}
	return t, err
}

// Cap is the tenant's frequency cap.
func (s *Service) Cap(ctx context.Context, t tenant.ID) (Cap, error) {
	return s.c.Store.CampaignCap(ctx, t)
}

// SetCap changes it; Count 0 takes it away. It holds for recipients written down from now on.
func (s *Service) SetCap(ctx context.Context, t tenant.ID, v Cap) error {
	if v.Count == 0 {
		v.Days = 0
	}
	if v.Count < 0 || v.Count > 1000 || v.Count > 0 && (v.Days < 1 || v.Days > 365) {
		return fault.Field("count", CodeValue, "From 1 to 1,000 mailings in 1 to 365 days.")
	}
	return s.c.Store.PutCampaignCap(ctx, t, v)
}

// counted is a report with how long it may be told again.
type counted struct {
	Report
	until time.Time
}

// Report tells what became of a campaign. Of large ones it may be some seconds old (At).
func (s *Service) Report(ctx context.Context, t tenant.ID, number ID) (Report, error) {
	key, began := formOf{tenant: t, campaign: number}, s.c.Now()
	s.mu.Lock()
	known, ok := s.reports[key]
	s.mu.Unlock()
	if ok && began.Before(known.until) {
		return known.Report, nil
	}
	r, err := s.c.Store.CampaignReport(ctx, t, number, began)
	if err != nil {
		return r, err
	}
	r.At = began.UTC().Truncate(time.Millisecond)
	c, err := s.c.Store.Campaign(ctx, t, number)
	if err != nil {
		return r, err
	}
	if err := s.fillWaves(ctx, c, &r); err != nil {
		return r, err
	}
	// Counting takes at most a tenth of the time.
	took := s.c.Now().Sub(began)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.reports) >= maxForms {
		clear(s.reports)
	}
	s.reports[key] = counted{r, began.Add(10 * took)}
	return r, nil
}
