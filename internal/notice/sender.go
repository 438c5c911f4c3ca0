package notice

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Config of a Sender. Fields without a stated default are demanded.
type Config struct {
	Store    Store
	Acceptor ingest.Acceptor
	Keeper   *seal.Keeper
	Catalog  *i18n.Catalog
	// From is the platform's own address; its domain must be a usable sending domain of a
	// tenant, through which the mails go. The zero Mailbox: no mails are sent.
	From message.Mailbox
	// PublicURL is the origin of the office, for links.
	PublicURL string
	Now       func() time.Time

	Every time.Duration // how often due letters of other nodes are looked for; 0: 5 s
	Lease time.Duration // how long a letter that could not be handed over rests; 0: 1 min
	Log   *slog.Logger  // nil discards
}

// Sender sends letters. Its methods are safe for concurrent use, and any number of
// Senders may work on one database.
type Sender struct {
	c     Config
	host  string
	sheet *template.Template
	wake  chan struct{}
}

const (
	turnLimit = 50
	// patience bounds how long a letter is tried to be handed over: as long as mail is.
	patience = ingest.DefaultExpiry
)

// NewSender makes a Sender that does nothing yet.
func NewSender(c Config) (*Sender, error) {
	switch {
	case c.Store == nil, c.Acceptor == nil, c.Keeper == nil, c.Catalog == nil, c.Now == nil:
		return nil, errors.New("notice sender: a demanded part is missing from its configuration")
	}
	public, err := url.Parse(c.PublicURL)
	if err != nil || public.Host == "" {
		return nil, fmt.Errorf("notice sender: public URL %q is not an origin", c.PublicURL)
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	if c.Every <= 0 {
		c.Every = 5 * time.Second
	}
	if c.Lease <= 0 {
		c.Lease = time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	page, err := parseSheet()
	if err != nil {
		return nil, fmt.Errorf("notice sender: %w", err)
	}
	return &Sender{c: c, host: public.Host, sheet: page, wake: make(chan struct{}, 1)}, nil
}

// On reports whether mails are sent at all.
func (s *Sender) On() bool { return !s.c.From.IsZero() }

func errOff() error {
	return fault.New(fault.Unavailable, "notice_off", "This platform has no address of its own to send mail from (notice.from).")
}

// Send keeps a letter and returns; it is on its way within moments. A letter whose key
// was kept before is that letter. Errors: Unavailable "notice_off", Invalid for what is
// the caller's mistake, and those of the database.
func (s *Sender) Send(ctx context.Context, l Letter) error {
	d, err := s.Seal(l)
	if err != nil {
		return err
	}
	if err := s.c.Store.PutNotice(ctx, d); err != nil {
		return fmt.Errorf("keep notice: %w", err)
	}
	s.Wake()
	return nil
}

// Seal makes the row of a letter, for a transaction that is to bring it about. After
// the commit, Wake lets it leave at once. Errors are those of Send.
func (s *Sender) Seal(l Letter) (Due, error) {
	if !s.On() {
		return Due{}, errOff()
	}
	if err := l.check(s.c.Catalog); err != nil {
		return Due{}, err
	}
	text, err := json.Marshal(l)
	if err != nil {
		return Due{}, fmt.Errorf("seal notice: %w", err)
	}
	return Due{Tenant: l.Tenant, Key: l.Key, At: s.c.Now().UTC().Truncate(time.Millisecond), Sealed: s.c.Keeper.Seal(text, place(l.Tenant, l.Key))}, nil
}

// place binds a sealed letter to its row.
func place(t tenant.ID, key string) string { return "notice/" + t.String() + "/" + key }

// Wake makes Run look for letters now.
func (s *Sender) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run sends letters as they come, until ctx ends.
func (s *Sender) Run(ctx context.Context) {
	if !s.On() {
		return
	}
	tick := time.NewTicker(s.c.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.wake:
		case <-ctx.Done():
			return
		}
		if _, err := s.Turn(ctx); err != nil && ctx.Err() == nil {
			s.c.Log.Error("notices not sent", "err", err)
		}
	}
}

// Turn sends what is due now and returns how many letters were dealt with. One that
// cannot be handed over at present is tried again after the lease and is no error.
func (s *Sender) Turn(ctx context.Context) (n int, err error) {
	for {
		list, err := s.c.Store.ClaimNotices(ctx, Claim{Now: s.c.Now(), Lease: s.c.Lease, Limit: turnLimit})
		if err != nil {
			return n, fmt.Errorf("claim notices: %w", err)
		}
		for _, d := range list {
			n++
			if err := s.tell(ctx, d); err != nil {
				// Never the letter itself: its link may let somebody in.
				s.c.Log.Warn("notice not sent yet", "tenant", d.Tenant.String(), "err", err)
			}
		}
		if len(list) < turnLimit || ctx.Err() != nil {
			return n, ctx.Err()
		}
	}
}

// tell sees one letter through. An error leaves it to be claimed again.
func (s *Sender) tell(ctx context.Context, d Due) error {
	err := s.submit(ctx, d)
	now := s.c.Now()
	switch {
	case err == nil:
	case lasting(err), now.Sub(d.At) > patience:
		s.c.Log.Warn("notice given up", "tenant", d.Tenant.String(), "err", err)
	default:
		return err
	}
	return s.c.Store.EndNotice(ctx, d.Tenant, d.Key, now)
}

func (s *Sender) submit(ctx context.Context, d Due) error {
	text, err := s.c.Keeper.Open(d.Sealed, place(d.Tenant, d.Key))
	if err != nil {
		return fmt.Errorf("open notice: %w", err)
	}
	var l Letter
	if err := json.Unmarshal(text, &l); err != nil {
		return fmt.Errorf("open notice: %w", err)
	}
	sender, err := s.sender(ctx)
	if err != nil {
		return err
	}
	draft, err := s.word(l)
	if err != nil {
		return err
	}
	draft.Date = s.c.Now()
	_, err = s.c.Acceptor.Accept(ctx, ingest.Principal{Tenant: sender, Actor: "system", Door: Door}, ingest.Submission{
		Draft: &draft, Stream: tenant.System, Tags: []string{l.Kind},
		Idempotency: place(d.Tenant, d.Key),
		// Not of the bytes: a second try is the same letter even if its Date differs.
		RequestHash: sha256.Sum256([]byte(place(d.Tenant, d.Key))),
	})
	return err
}

// sender is the tenant through which the platform sends: the one whose sending domain
// the From address lies under.
func (s *Sender) sender(ctx context.Context) (tenant.ID, error) {
	for domain := s.c.From.Domain; strings.Contains(domain, "."); _, domain, _ = strings.Cut(domain, ".") {
		t, err := s.c.Store.SenderOf(ctx, domain)
		if !fault.IsKind(err, fault.NotFound) {
			return t, err
		}
	}
	return tenant.ID{}, fmt.Errorf("notice.from: no account has %s as a usable sending domain", s.c.From.Domain)
}

// lasting reports whether trying again is of no use. A locked tenant may be unlocked,
// a domain be set up.
func lasting(err error) bool {
	f := fault.As(err)
	if f == nil {
		return errors.Is(err, seal.ErrOpen)
	}
	switch f.Kind {
	case fault.Invalid, fault.Conflict, fault.TooLarge:
		return true
	}
	return false
}
