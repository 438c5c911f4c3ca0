package announce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"stafette/internal/changeover"
	"stafette/internal/changeover/affected"
	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/lead"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Leads takes test leads and knows what their codes are; *lead.Service does.
type Leads interface {
	Submit(ctx context.Context, p ingest.Principal, e lead.Enquiry) (lead.Receipt, error)
	Lead(ctx context.Context, t tenant.ID, l lead.ID) (lead.Lead, error)
	Prove(l lead.Lead, entered string) lead.Proof
	Settings(ctx context.Context, t tenant.ID) (lead.Settings, error)
	KeptFor(ctx context.Context, t tenant.ID) (time.Duration, error)
}

// Config of a Service. Fields without a stated default are demanded.
type Config struct {
	Store       Store
	Customers   affected.Store
	Changeovers interface {
		Changeovers(ctx context.Context, t tenant.ID) ([]changeover.Changeover, error)
		Changeover(ctx context.Context, c changeover.ID) (changeover.Changeover, error)
	}
	// Ways tells addresses and names of the sources.
	Ways interface {
		Ways(ctx context.Context) (egress.Ways, error)
	}
	Leads    Leads
	Acceptor ingest.Acceptor
	Keeper   *seal.Keeper
	Catalog  *i18n.Catalog
	// PublicURL is the origin of the pages.
	PublicURL string
	// AddressesURL and GenuineURL are where a tenant's sending addresses are published and
	// where a mail's origin can be asked for; nil or "": there is no such page, and nothing
	// is said of it.
	AddressesURL, GenuineURL func(lang i18n.Lang, t tenant.ID) string
	// Zone is where dates are read from a clock; nil: UTC.
	Zone *time.Location
	Now  func() time.Time
	// PerTurn bounds the mails of one tenant that one Turn hands over; 0: 60.
	PerTurn int
	Log     *slog.Logger // nil discards
}

// Service is safe for concurrent use.
type Service struct {
	c       Config
	key     []byte
	ordered chan struct{}
}

// New makes a Service that does nothing yet.
func New(c Config) (*Service, error) {
	public, err := url.Parse(c.PublicURL)
	if err != nil || public.Host == "" {
		return nil, fmt.Errorf("announcements: public URL %q is not an origin", c.PublicURL)
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if c.PerTurn <= 0 {
		c.PerTurn = 60
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c: c, key: c.Keeper.MACKey("changeover customer"), ordered: make(chan struct{}, 1)}, nil
}

func (s *Service) now() time.Time { return s.c.Now().UTC().Truncate(time.Millisecond) }

// Of returns a changeover that concerns the tenant; NotFound "changeover_unknown".
func (s *Service) Of(ctx context.Context, t tenant.ID, c changeover.ID) (changeover.Changeover, error) {
	v, err := s.c.Changeovers.Changeover(ctx, c)
	if err == nil && !v.Concerns(t) {
		err = fault.New(fault.NotFound, "changeover_unknown", "There is no such changeover.")
	}
	if err != nil {
		return changeover.Changeover{}, err
	}
	return v, nil
}

// Announcement returns what the tenant says.
func (s *Service) Announcement(ctx context.Context, t tenant.ID, c changeover.ID) (Announcement, error) {
	return s.c.Store.Announcement(ctx, t, c)
}

// Save keeps what the tenant says; whether and to whom it is sent stays. Errors of the
// input are Invalid with the fields "reason_de", "reason_en", "contact", "unconcerned"
// and "concerned".
func (s *Service) Save(ctx context.Context, a Announcement) error {
	if err := a.check(); err != nil {
		return err
	}
	if _, err := s.Of(ctx, a.Tenant, a.Changeover); err != nil {
		return err
	}
	was, err := s.c.Store.Announcement(ctx, a.Tenant, a.Changeover)
	if err != nil {
		return fmt.Errorf("save announcement: %w", err)
	}
	a.Scope, a.AskedAt, a.AskedBy = was.Scope, was.AskedAt, was.AskedBy
	return s.c.Store.PutAnnouncement(ctx, a)
}

func (a Announcement) check() error {
	var wrong []*fault.Error
	line := func(field, text string, most int) {
		switch {
		case affected.Line(text, utf8.RuneCountInString(text)) != text:
			wrong = append(wrong, fault.Field(field, "announcement_line", "This is one line without control characters."))
		case utf8.RuneCountInString(text) > most:
			wrong = append(wrong, fault.Field(field, "announcement_long", fmt.Sprintf("At most %d characters.", most)))
		}
	}
	line("reason_de", a.ReasonDE, maxReason)
	line("reason_en", a.ReasonEN, maxReason)
	line("contact", a.Contact, maxContact)
	for field, list := range map[string][]string{"unconcerned": a.Unconcerned, "concerned": a.Concerned} {
		if len(list) > maxNames {
			wrong = append(wrong, fault.Field(field, "announcement_long", fmt.Sprintf("At most %d names.", maxNames)))
			continue
		}
		for _, name := range list {
			line(field, name, maxSoftware)
		}
	}
	if (a.ReasonDE == "") != (a.ReasonEN == "") {
		wrong = append(wrong, fault.Field("reason_en", "announcement_one_language", "The reason is needed in both languages, or in none."))
	}
	return fault.Join(wrong)
}

// Send orders that customers are told, in turns of some a minute. A wider scope adds
// those who were not told yet; nobody is told twice. Conflict "changeover_not_under_way"
// while there is nothing to announce; Invalid with the field "scope".
func (s *Service) Send(ctx context.Context, t tenant.ID, c changeover.ID, to Scope, actor string) error {
	if !to.Valid() {
		return fault.Field("scope", "announcement_scope", "The scopes are affected and all.")
	}
	plan, err := s.Of(ctx, t, c)
	if err != nil {
		return err
	}
	if !tellable(plan) {
		return fault.New(fault.Conflict, "changeover_not_under_way", "The changeover has not begun or is over.")
	}
	if _, err := s.sender(ctx, t); err != nil {
		return err
	}
	a, err := s.c.Store.Announcement(ctx, t, c)
	if err != nil {
		return fmt.Errorf("send announcement: %w", err)
	}
	a.Scope, a.AskedAt, a.AskedBy = to, s.now(), actor
	if err := s.c.Store.PutAnnouncement(ctx, a); err != nil {
		return err
	}
	select {
	case s.ordered <- struct{}{}:
	default: // one turn does for all orders that came before it
	}
	return nil
}

// Stop ends the sending of an announcement and of its reminders; who was told keeps the
// page.
func (s *Service) Stop(ctx context.Context, t tenant.ID, c changeover.ID) error {
	a, err := s.c.Store.Announcement(ctx, t, c)
	if err != nil || a.Scope == Nobody {
		return err
	}
	a.Scope = Nobody
	return s.c.Store.PutAnnouncement(ctx, a)
}

// tellable reports whether customers can be told of a plan: it is in force, and what it
// says of the future still holds.
func tellable(c changeover.Changeover) bool {
	return c.Stage.Under() && c.Stage != changeover.RolledBack
}

// sender is whom the mails come from: whom leads come from, as that is whom customers
// know.
func (s *Service) sender(ctx context.Context, t tenant.ID) (message.Mailbox, error) {
	set, err := s.c.Leads.Settings(ctx, t)
	if err != nil {
		return message.Mailbox{}, fmt.Errorf("find sender of announcement: %w", err)
	}
	from, err := message.ParseMailbox(set.From)
	if err != nil {
		return from, fault.New(fault.Invalid, lead.CodeFrom, "There is no address to come from yet.")
	}
	from.Name = affected.Line(set.Portal, 100)
	return from, nil
}

// Run takes a turn as soon as something was ordered here, until ctx ends: whoever orders it
// need not wait for the clock. What that leaves, and orders of other nodes, are for those
// who call Turn.
func (s *Service) Run(ctx context.Context) {
	for {
		select {
		case <-s.ordered:
			if _, err := s.Turn(ctx); err != nil && ctx.Err() == nil {
				s.c.Log.Warn("announcements wait for their next turn", "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// Turn hands over the announcements and reminders that are due, some of each tenant, and
// returns how many. It may run on several nodes at once: a customer's mail has a key.
func (s *Service) Turn(ctx context.Context) (n int, err error) {
	list, err := s.c.Store.Announcements(ctx)
	if err != nil {
		return 0, fmt.Errorf("find announcements: %w", err)
	}
	var errs []error
	for _, a := range list {
		sent, err := s.turn(ctx, a)
		n += sent
		if err != nil {
			errs = append(errs, fmt.Errorf("announce to customers of %s: %w", a.Tenant, err))
		}
	}
	return n, errors.Join(errs...)
}

func (s *Service) turn(ctx context.Context, a Announcement) (n int, err error) {
	plan, err := s.Of(ctx, a.Tenant, a.Changeover)
	if fault.IsKind(err, fault.NotFound) {
		return 0, nil
	}
	if err != nil || !tellable(plan) {
		return 0, err
	}
	b, err := s.brief(ctx, a, plan)
	if err != nil {
		return 0, err
	}
	list, err := s.c.Customers.Customers(ctx, a.Tenant, a.Changeover)
	if err != nil {
		return 0, err
	}
	now := s.now()
	for _, c := range list {
		kind := due(a, plan, c, now)
		if kind == "" {
			continue
		}
		if n == s.c.PerTurn {
			break
		}
		switch err := s.tell(ctx, b, c, kind); {
		case err == nil:
			n++
		case unreachable(err): // until a suppression is lifted; the others are told
		default:
			return n, err
		}
	}
	return n, nil
}

// unreachable reports whether a customer may not be written to at any address.
func unreachable(err error) bool {
	f := fault.As(err)
	return f != nil && f.Code == ingest.CodeAllSuppressed
}

// Letter is which mail a customer gets.
type Letter string

// The letters. Reminders are of three kinds, each sent once.
const (
	FirstLetter    Letter = "announce"
	BeforeLetter   Letter = "before"  // a week before the cut-over, nobody answered
	RefusingLetter Letter = "refuses" // after it, new sources are refused
	LastLetter     Letter = "last"    // the last week of the overlap
	AgainLetter    Letter = "again"   // by hand, after the cut-over
)

const (
	week = 7 * 24 * time.Hour
	// pause keeps reminders apart from each other and from the announcement.
	pause = 48 * time.Hour
)

// due tells which letter a customer is to get now, "" for none.
func due(a Announcement, plan changeover.Changeover, c affected.Customer, now time.Time) Letter {
	if len(c.Emails) == 0 || !c.Settled.IsZero() {
		return ""
	}
	if c.Informed.IsZero() {
		if a.Scope == Everybody || a.Scope == OnlyAffected && c.Affected(now) {
			return FirstLetter
		}
		return ""
	}
	if !a.Remind || c.InformedAt.IsZero() || now.Sub(later(c.InformedAt, c.RemindedAt)) < pause {
		return ""
	}
	refused := c.Problem(now) == affected.BlamesNew
	switch {
	case now.Before(plan.CutoverAt):
		if c.Reminders < 1 && c.Open() && plan.CutoverAt.Sub(now) <= week {
			return BeforeLetter
		}
	case now.Before(plan.OverlapUntil):
		if c.Reminders < 3 && plan.OverlapUntil.Sub(now) <= week && (refused || c.NeedsOld) {
			return LastLetter
		}
		if c.Reminders < 2 && refused {
			return RefusingLetter
		}
	}
	return ""
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// rank is what Customer.Reminders is after a letter.
func (l Letter) rank() int {
	switch l {
	case BeforeLetter:
		return 1
	case RefusingLetter:
		return 2
	case LastLetter:
		return 3
	}
	return 0
}

// tell sends a customer a letter and notes that it was told. A second call after a crash
// between the two finds the mail by its key.
func (s *Service) tell(ctx context.Context, b brief, c affected.Customer, kind Letter) error {
	d, err := s.Compose(b, c, kind)
	if err != nil {
		return err
	}
	key := Door + "/" + c.ID.String() + "/" + string(kind)
	got, err := s.c.Acceptor.Accept(ctx, ingest.Principal{Tenant: c.Tenant, Actor: "system", Door: Door}, ingest.Submission{
		Draft: &d, Stream: tenant.System, Tags: []string{"changeover"}, Idempotency: key, RequestHash: hashOf(key),
	})
	if err != nil {
		return fmt.Errorf("tell %s: %w", c.ID, err)
	}
	now := s.now()
	if kind == FirstLetter {
		c.Informed = got.ID
		if reached(got) {
			c.InformedAt = now
		}
	} else {
		c.Reminders, c.RemindedAt = max(c.Reminders, kind.rank()), now
	}
	return s.c.Customers.PutCustomer(ctx, c)
}

// Remind sends a customer who did not answer a reminder now. Conflict "reminded_lately"
// within two days of the last letter, "customer_not_told" before the first.
func (s *Service) Remind(ctx context.Context, t tenant.ID, n affected.ID) error {
	c, plan, err := s.customer(ctx, t, n)
	if err != nil {
		return err
	}
	switch {
	case c.InformedAt.IsZero(), !tellable(plan):
		return fault.New(fault.Conflict, "customer_not_told", "The customer was not told yet.")
	case s.now().Sub(later(c.InformedAt, c.RemindedAt)) < pause:
		return fault.New(fault.Conflict, "reminded_lately", "The last letter is not two days old.")
	}
	a, err := s.c.Store.Announcement(ctx, t, plan.ID)
	if err != nil {
		return fmt.Errorf("remind customer: %w", err)
	}
	b, err := s.brief(ctx, a, plan)
	if err != nil {
		return err
	}
	kind := BeforeLetter
	switch {
	case s.now().Before(plan.CutoverAt):
	case c.Problem(s.now()) == affected.BlamesNew:
		kind = RefusingLetter
	default:
		kind = AgainLetter
	}
	return s.tell(ctx, b, c, kind)
}

// customer returns one with its plan.
func (s *Service) customer(ctx context.Context, t tenant.ID, n affected.ID) (affected.Customer, changeover.Changeover, error) {
	c, err := s.c.Customers.Customer(ctx, t, n)
	if err != nil {
		return c, changeover.Changeover{}, err
	}
	plan, err := s.Of(ctx, t, c.Changeover)
	return c, plan, err
}
