package lead

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/lead/openimmo"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Tenants tells of the tenant whose leads they are; tenant.Store does.
type Tenants interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
	Domains(ctx context.Context, t tenant.ID) ([]tenant.Domain, error)
}

// Config is what a Service needs.
type Config struct {
	Store    Store
	Acceptor ingest.Acceptor
	Tenants  Tenants
	Keeper   *seal.Keeper
	Now      func() time.Time
	// Genuine says in a sentence how a reader finds out whether the mail is genuine: its
	// code and the page for it. nil: the mail says nothing of it.
	Genuine func(t tenant.ID, m message.ID) string
	// PublicURL is where links in mails to advertisers lead, without a path; "": mails have
	// no links.
	PublicURL string
	// Kept is how long the content of leads is kept where a tenant has set nothing; 0: Kept.
	Kept time.Duration
	// Term is for how many days a tenant has its leads kept; 0: it has set nothing. nil: no
	// tenant has.
	Term func(ctx context.Context, t tenant.ID) (days int, err error)
	// Zone is where the day of an enquiry is read from a clock. nil: UTC.
	Zone *time.Location
	Log  *slog.Logger // nil: discard
}

// Service takes leads. It is safe for concurrent use.
type Service struct{ c Config }

// New makes a Service.
func New(c Config) *Service {
	if c.Kept <= 0 {
		c.Kept = Kept
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c}
}

// Receipt says what became of an enquiry so far. The lead is safe in any case.
type Receipt struct {
	Lead
	Replayed bool
}

// Submit takes an enquiry and sends its mail. An error is a *fault.Error and means that
// nothing was kept. When the enquiry is kept but its mail cannot be made or accepted,
// the receipt says so: Stopped waits for a person, Taken for Resume. A suspect one is
// kept and not sent.
func (s *Service) Submit(ctx context.Context, p ingest.Principal, e Enquiry) (Receipt, error) {
	if p.Tenant.IsZero() {
		return Receipt{}, fault.New(fault.Forbidden, ingest.CodeTenantMissing, "Leads are taken for a tenant; this account belongs to none.")
	}
	if err := clean(&e); err != nil {
		return Receipt{}, err
	}
	a, err := s.advertiser(ctx, p.Tenant, e.Advertiser)
	if err != nil {
		return Receipt{}, err
	}
	if len(a.Emails) == 0 {
		return Receipt{}, fault.Field("advertiser/emails", CodeEmails, "no address of this advertiser is known")
	}
	e.Advertiser = AdvertiserRef{ID: a.ID, Name: a.Name, Emails: a.Emails, Format: a.Profile.Format}
	now := s.c.Now().UTC().Truncate(time.Millisecond)
	a.SeenAt = now
	l := Lead{ID: id.New[Kind](now), Tenant: p.Tenant, Advertiser: a.ID, Object: e.Object.AdvertiserRef, Title: e.Object.Title,
		Test: e.Test, State: Taken, TakenAt: now, Salt: seal.NewSalt()}
	if l.Object == "" {
		l.Object = e.Object.PortalID
	}
	if e.Suspicion != "" {
		l.State, l.Reason = Suspect, e.Suspicion
	}
	set, err := s.settings(ctx, p.Tenant)
	if err != nil {
		return Receipt{}, err
	}
	if l.Sealed, err = s.seal(kept{e, p.Actor, p.Door, a.Profile, set.Portal}, l.Salt); err != nil {
		return Receipt{}, err
	}
	first, hash, err := s.c.Store.TakeLead(ctx, l, a, e.Idempotency, e.RequestHash)
	if err != nil {
		return Receipt{}, fmt.Errorf("keep lead: %w", err)
	}
	if first != nil {
		if hash != e.RequestHash {
			return Receipt{}, fault.New(fault.Conflict, CodeConflict, "The idempotency key was used for another request in the last 24 hours.")
		}
		return Receipt{Lead: *first, Replayed: true}, nil
	}
	if l.State == Suspect {
		return Receipt{Lead: l}, nil
	}
	if err := s.send(ctx, &l); err != nil {
		// It is kept, and Resume comes back to it.
		s.c.Log.ErrorContext(ctx, "send lead", "lead", l.ID.String(), "err", err)
	}
	return Receipt{Lead: l}, nil
}

// advertiser joins what the request says of an advertiser to what is kept of him.
func (s *Service) advertiser(ctx context.Context, t tenant.ID, ref AdvertiserRef) (Advertiser, error) {
	a, err := s.c.Store.Advertiser(ctx, t, ref.ID)
	if f := fault.As(err); f != nil && f.Kind == fault.NotFound {
		a = Advertiser{ID: ref.ID, Profile: ProfileOf("")}
	} else if err != nil {
		return a, fmt.Errorf("find advertiser: %w", err)
	}
	if ref.Name != "" {
		a.Name = ref.Name
	}
	if len(ref.Emails) > 0 {
		a.Emails = ref.Emails
	}
	if ref.Format != "" {
		a.Profile.Format = ref.Format
	}
	return a, nil
}

// kept is what is sealed of a lead.
type kept struct {
	Enquiry Enquiry
	Actor   string
	Door    string
	Profile Profile
	// Portal is the name in the XML, which stays as it was sent when the setting changes.
	Portal string
}

func (s *Service) seal(k kept, salt seal.Salt) ([]byte, error) {
	plain, err := json.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("write lead down: %w", err)
	}
	sealed, err := s.c.Keeper.SealBody(nil, plain, salt)
	if err != nil {
		return nil, fmt.Errorf("seal lead: %w", err)
	}
	return sealed, nil
}

// CodeGone is a lead whose content is no longer kept.
const CodeGone = "lead_gone"

func (s *Service) open(l Lead) (k kept, err error) {
	if len(l.Sealed) == 0 {
		return k, fault.New(fault.NotFound, CodeGone, "The content of this lead is no longer kept.")
	}
	plain, err := s.c.Keeper.OpenBody(l.Sealed, l.Salt)
	if err == nil {
		err = json.Unmarshal(plain, &k)
	}
	if err != nil {
		return k, fmt.Errorf("open lead %s: %w", l.ID, err)
	}
	return k, nil
}

// Open returns the enquiry of a lead with its XML as it was or would be sent. A lead
// whose content is gone is NotFound "lead_gone"; with an Invalid error, of XML that cannot
// be written, the enquiry comes all the same.
func (s *Service) Open(_ context.Context, l Lead) (Enquiry, []byte, error) {
	k, err := s.open(l)
	if err != nil {
		return Enquiry{}, nil, err
	}
	raw, err := s.xml(l, k)
	return k.Enquiry, raw, err
}

// Lead returns a lead; fault.NotFound "lead_not_found" if the tenant has none such.
func (s *Service) Lead(ctx context.Context, t tenant.ID, number ID) (Lead, error) {
	return s.c.Store.Lead(ctx, t, number)
}

// Leads lists leads from new to old.
func (s *Service) Leads(ctx context.Context, t tenant.ID, f Filter) (Page, error) {
	return s.c.Store.Leads(ctx, t, f)
}

// Advertiser returns one by the tenant's number of him; fault.NotFound
// "advertiser_not_found".
func (s *Service) Advertiser(ctx context.Context, t tenant.ID, number string) (Advertiser, error) {
	return s.c.Store.Advertiser(ctx, t, number)
}

// Advertisers lists by number, those behind after.
func (s *Service) Advertisers(ctx context.Context, t tenant.ID, after string, limit int) ([]Advertiser, error) {
	return s.c.Store.Advertisers(ctx, t, after, limit)
}

// SaveAdvertiser keeps an advertiser as later leads will find him. Errors of the input
// are Invalid with the fields "name", "emails", "software", "format", "encoding",
// "filename" and "body".
func (s *Service) SaveAdvertiser(ctx context.Context, t tenant.ID, a Advertiser) error {
	c := checker{}
	c.line("name", a.Name, false)
	switch {
	case len(a.Emails) == 0:
		c.add("emails", CodeEmails, "one address at least")
	case len(a.Emails) > maxEmails:
		c.add("emails", CodeLong, fmt.Sprintf("at most %d addresses", maxEmails))
	}
	p := a.Profile
	known := func(field string, ok bool) {
		if !ok {
			c.add(field, CodeValue, "not one of the choices")
		}
	}
	known("software", ProfileOf(p.Software).Software == p.Software)
	known("format", p.Format == openimmo.Feedback || p.Format == openimmo.Immowelt)
	known("encoding", p.Encoding == openimmo.UTF8 || p.Encoding == openimmo.Latin1)
	known("body", p.Body.Valid())
	c.line("filename", p.FileName, true)
	known("filename", strings.HasSuffix(p.FileName, ".xml") && !strings.ContainsAny(p.FileName, `/\:*?"<>|`))
	if err := fault.Join(c.found); err != nil {
		return err
	}
	return s.c.Store.SaveAdvertiser(ctx, t, a)
}

// Settings returns what holds for the tenant's leads, set or not.
func (s *Service) Settings(ctx context.Context, t tenant.ID) (Settings, error) {
	return s.settings(ctx, t)
}

// SaveSettings sets them; what is empty is as if never set. Errors of the input are
// Invalid with the fields "portal" and "from".
func (s *Service) SaveSettings(ctx context.Context, t tenant.ID, v Settings) error {
	c := checker{}
	c.line("portal", v.Portal, false)
	if v.From != "" {
		box, err := message.ParseMailbox(v.From)
		if err != nil {
			f := *fault.As(err)
			f.Field = "from"
			return fault.Join(append(c.found, &f))
		}
		if err := s.mine(ctx, t, box.Address.Domain); err != nil {
			return err
		}
	}
	if err := fault.Join(c.found); err != nil {
		return err
	}
	return s.c.Store.SaveLeadSettings(ctx, t, v)
}

// mine refuses a domain that the tenant may not send from.
func (s *Service) mine(ctx context.Context, t tenant.ID, domain string) error {
	list, err := s.c.Tenants.Domains(ctx, t)
	if err != nil {
		return fmt.Errorf("read domains: %w", err)
	}
	for _, d := range list {
		if d.Usable() && d.Name == domain {
			return nil
		}
	}
	return fault.Field("from", ingest.CodeFromDomainNotYours, "not a usable domain of this account")
}

// xml makes the document of a lead.
func (s *Service) xml(l Lead, k kept) ([]byte, error) {
	x := openimmo.Lead{ID: l.ID.String(), Sender: k.Portal, Date: l.TakenAt.In(s.c.Zone), AdvertiserID: l.Advertiser,
		Object: k.Enquiry.Object, Prospect: k.Enquiry.Prospect, Message: k.Enquiry.Message, Extra: slices.Clone(k.Enquiry.Extra)}
	if l.Test {
		inside, _ := s.codes(l)
		// Some readers show nothing but this text.
		x.Message = strings.TrimSpace(x.Message + "\n\nPrüfcode in der Datei: " + inside)
		x.Extra = append(x.Extra, openimmo.Extra{Name: "test", Value: "true"})
	}
	raw, err := openimmo.Write(x, k.Profile.Format, k.Profile.Encoding)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Invalid, Code: CodeXMLBroken, Detail: "the XML of the lead cannot be written", Err: err}
	}
	return raw, nil
}

// write makes the letter of a lead, with its XML.
func (s *Service) write(ctx context.Context, l Lead, k kept) (letter, error) {
	settings, err := s.settings(ctx, l.Tenant)
	if err != nil {
		return letter{}, err
	}
	from, err := message.ParseMailbox(settings.From)
	if err != nil {
		return letter{}, fault.New(fault.Invalid, CodeFrom, "Leads have no address to come from yet.")
	}
	if from.Name == "" {
		from.Name = k.Portal
	}
	w := letter{Enquiry: k.Enquiry, id: l.ID, portal: k.Portal, from: from, to: k.Enquiry.Advertiser.Emails, profile: k.Profile}
	if l.Test {
		_, w.code = s.codes(l)
	}
	w.link = s.LinkOf(l)
	w.xml, err = s.xml(l, k)
	return w, err
}

// CodeFrom is a tenant whose leads have no address to come from.
const CodeFrom = "lead_from_missing"

// settings fills in what the tenant has not set.
func (s *Service) settings(ctx context.Context, t tenant.ID) (Settings, error) {
	set, err := s.c.Store.LeadSettings(ctx, t)
	if err != nil {
		return set, fmt.Errorf("read settings of leads: %w", err)
	}
	if set.Portal == "" {
		one, err := s.c.Tenants.Tenant(ctx, t)
		if err != nil {
			return set, fmt.Errorf("read settings of leads: %w", err)
		}
		set.Portal = one.Name
	}
	if set.From == "" {
		domains, err := s.c.Tenants.Domains(ctx, t)
		if err != nil {
			return set, fmt.Errorf("read settings of leads: %w", err)
		}
		for _, d := range domains {
			if d.Usable() {
				set.From = "anfragen@" + d.Name
				break
			}
		}
	}
	return set, nil
}

// send makes the mail of a lead and hands it to ingest, under a key that makes it one
// mail however often this is tried within a day. A lasting refusal stops the lead; any
// other error leaves it as it is.
func (s *Service) send(ctx context.Context, l *Lead) error {
	k, err := s.open(*l)
	if err != nil {
		return err
	}
	w, err := s.write(ctx, *l, k)
	if err == nil {
		l.XML = sha256.Sum256(w.xml)
		var r ingest.Receipt
		m := message.NewID(s.c.Now())
		if s.c.Genuine != nil {
			w.genuine = s.c.Genuine(l.Tenant, m)
		}
		d := w.draft()
		r, err = s.c.Acceptor.Accept(ctx, ingest.Principal{Tenant: l.Tenant, Actor: k.Actor, Door: k.Door}, ingest.Submission{
			ID: m, Draft: &d, Stream: tenant.Lead, Idempotency: "lead/" + l.ID.String(), RequestHash: sha256.Sum256(l.ID[:]),
			Source: k.Enquiry.Source, Metadata: map[string]string{"lead": l.ID.String(), "advertiser": short(l.Advertiser), "object": short(l.Object)}, Tags: tags(*l),
		})
		l.Message = r.ID
	}
	switch f := (*fault.Error)(nil); {
	case err == nil:
		l.State = Sent
	case errors.As(err, &f) && f.Kind != fault.Unavailable && f.Kind != fault.Limited:
		s.c.Log.WarnContext(ctx, "lead stopped", "lead", l.ID.String(), "reason", f.Code, "err", err)
		l.State, l.Reason = Stopped, f.Code
	default:
		return fmt.Errorf("send lead: %w", err)
	}
	if err := s.c.Store.SettleLead(ctx, *l); err != nil {
		return fmt.Errorf("settle lead: %w", err)
	}
	return nil
}

// maxMetadata is what ingest takes of a value, in bytes.
const maxMetadata = 500

func short(v string) string {
	if len(v) > maxMetadata {
		v = strings.ToValidUTF8(v[:maxMetadata], "")
	}
	return v
}

// TestTag is on the mail of test leads; figures leave it out.
const TestTag = "test-lead"

func tags(l Lead) []string {
	if l.Test {
		return []string{TestTag}
	}
	return nil
}

// Again makes the mail of a stopped lead anew, after what stopped it was put right. The
// advertiser's profile and addresses are those of now.
func (s *Service) Again(ctx context.Context, t tenant.ID, number ID) (Lead, error) {
	l, err := s.c.Store.Lead(ctx, t, number)
	if err != nil {
		return l, fmt.Errorf("send lead again: %w", err)
	}
	if l.State != Stopped {
		return l, fault.New(fault.Conflict, "lead_not_stopped", "The mail of this lead is on its way already.")
	}
	k, err := s.open(l)
	if err != nil {
		return l, err
	}
	a, err := s.c.Store.Advertiser(ctx, t, l.Advertiser)
	if err != nil {
		return l, fmt.Errorf("send lead again: %w", err)
	}
	set, err := s.settings(ctx, t)
	if err != nil {
		return l, err
	}
	k.Profile, k.Enquiry.Advertiser.Emails, k.Portal = a.Profile, a.Emails, set.Portal
	l.Salt = seal.NewSalt() // a salt seals one text only
	if l.Sealed, err = s.seal(k, l.Salt); err != nil {
		return l, err
	}
	l.Reason = ""
	return l, s.send(ctx, &l)
}

// resumeAfter leaves a lead to whoever has just taken it.
const resumeAfter = 30 * time.Second

// Resume sends leads whose mail was not made: the process died, or the store or the
// quota was full. It is called every now and then, on one node or on all.
func (s *Service) Resume(ctx context.Context, now time.Time) error {
	list, err := s.c.Store.TakenLeads(ctx, now.Add(-resumeAfter), 100)
	if err != nil {
		return fmt.Errorf("find leads without mail: %w", err)
	}
	var errs []error
	for _, l := range list {
		if err := s.send(ctx, &l); err != nil {
			errs = append(errs, fmt.Errorf("lead %s: %w", l.ID, err))
		}
	}
	return errors.Join(errs...)
}
