// Package signup knows the forms through which people ask for mail, and makes sure that it
// is they who ask: what is entered becomes a consent that awaits confirmation, a mail with
// a link goes to the address, and only a press of the button behind the link makes it hold
// and puts the person into the form's group (double opt-in).
//
// It is floor 3: it feeds ingest with the mails that ask, and audience with contacts and
// members. The evidence is package consent's, the pages are the door public's. What looks
// as if a program had entered it is kept for the tenant's people and sends nothing.
package signup

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"stafette/internal/audience"
	"stafette/internal/audience/consent"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Kind is the id.Kind of forms.
type Kind struct{}

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "sgn" }

// ID names a form.
type ID = id.Of[Kind]

// Paths of the pages: a form's key, a confirmation's token follow.
const (
	FormPath    = "/anmelden/"
	ConfirmPath = "/bestaetigen/"
)

// Network is how much of a person's network address and program is kept as evidence.
type Network string

// The amounts.
const (
	Whole Network = "whole" // the address and the name of the program
	Part  Network = "part"  // the network without its last part, and the name of the program
	None  Network = "none"
)

// Form is one form of a tenant.
type Form struct {
	ID     ID        `json:"-"`
	Tenant tenant.ID `json:"-"`
	Name   string    `json:"-"` // for the tenant's people
	Active bool      `json:"-"` // takes entries
	// Title and Lead stand above the form.
	Title, Lead string
	Lang        i18n.Lang        // "": the reader's
	Group       audience.GroupID // whom confirmed people are put to; static
	Purpose     tenant.Stream    // newsletter or reminder
	From        string           // sender of the mail that asks, "Name <address>"
	// Fields are asked beside the address; a field that is not named is not.
	Fields map[Field]Need
	// Wording is what people agree to, with a box to tick that is empty; Notice the
	// information of Art. 13 GDPR, PrivacyURL leads on.
	Wording, Notice, PrivacyURL string
	// Origins are the web sites that may embed the form: scheme, host and port.
	Origins []string
	Thanks  string // after entering; "": a sentence of ours
	Days    int    // how long a confirmation is awaited; 0: 7
	Network Network

	CreatedAt, UpdatedAt time.Time `json:"-"`
}

// Field is something a form can ask beside the address.
type Field string

// Fields are all of them in the order in which forms ask.
func Fields() []Field {
	return []Field{"salutation", "given_name", "family_name", "company", TimeZone}
}

// Need says whether a field must be filled in.
type Need string

// The needs.
const (
	Mandatory Need = "mandatory"
	Optional  Need = "optional"
	Hidden    Need = "hidden"
)

// Need is whether the form asks a field.
func (f Form) Need(field Field) Need { return cmp.Or(f.Fields[field], Hidden) }

// Key names the form in public addresses. It is no secret.
func (f Form) Key() string {
	return base64.RawURLEncoding.EncodeToString(append(f.Tenant[:], f.ID[:]...))
}

// Allows reports whether a web site may embed the form.
func (f Form) Allows(origin string) bool { return origin != "" && slices.Contains(f.Origins, origin) }

// lasts is how long a confirmation is awaited.
func (f Form) lasts() time.Duration {
	return time.Duration(cmp.Or(f.Days, defaultDays)) * 24 * time.Hour
}

// Limits of forms.
const (
	MaxForms    = 200 // of a tenant
	MaxText     = 200 // characters of a line
	maxWords    = 10_000
	maxOrigins  = 20
	maxURL      = 2000
	defaultDays = 7
	maxDays     = 30
)

// Store is what forms need of the database. Each method is one transaction.
type Store interface {
	consent.Store
	// SaveSignupForm keeps a form, new or changed.
	SaveSignupForm(ctx context.Context, f Form) error
	// SignupForm returns one; NotFound "signup_form_not_found".
	SignupForm(ctx context.Context, t tenant.ID, f ID) (Form, error)
	// SignupForms lists a tenant's forms by name, at most MaxForms.
	SignupForms(ctx context.Context, t tenant.ID) ([]Form, error)
	// DropSignupForm removes one; NotFound "signup_form_not_found".
	DropSignupForm(ctx context.Context, t tenant.ID, f ID) error
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
	Profile(ctx context.Context, t tenant.ID) (tenant.Profile, error)
}

// Audience is what becomes of who confirmed; *audience.Service does.
type Audience interface {
	consent.Hasher
	Suppressions(ctx context.Context, t tenant.ID, f audience.Filter) (audience.Page, error)
	Lift(ctx context.Context, t tenant.ID, e audience.ID, actor, why string) (audience.Entry, error)
}

// Contacts keeps people; *audience.Contacts does.
type Contacts interface {
	Of(ctx context.Context, t tenant.ID, a message.Address) (audience.Contact, bool, error)
	Create(ctx context.Context, t tenant.ID, c audience.Contact, o audience.Origin, actor string) (audience.Contact, error)
	Change(ctx context.Context, t tenant.ID, c audience.Contact, actor string) (audience.Contact, error)
	Fields(ctx context.Context, t tenant.ID) ([]audience.Field, error)
}

// Groups keeps groups; *audience.Groups does.
type Groups interface {
	Group(ctx context.Context, t tenant.ID, g audience.GroupID) (audience.Group, error)
	Add(ctx context.Context, t tenant.ID, g audience.GroupID, list []audience.ContactID, o audience.Origin, actor string) (int, error)
}

// Config is what a Service needs; all but Log is needed.
type Config struct {
	Store    Store
	Audience Audience
	Contacts Contacts
	Groups   Groups
	Acceptor ingest.Acceptor
	// ParseMailbox reads "Name <address>"; message.ParseMailbox does.
	ParseMailbox func(string) (message.Mailbox, error)
	// Usable tells whether mail may be sent from a domain of the tenant.
	Usable    func(ctx context.Context, t tenant.ID, domain string) (bool, error)
	Keeper    *seal.Keeper
	Catalog   *i18n.Catalog
	PublicURL string
	Now       func() time.Time
	Log       *slog.Logger // nil: discard
}

// Service keeps forms and takes what is entered into them. It is safe for concurrent use.
type Service struct{ c Config }

// New makes a Service.
func New(c Config) *Service {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c}
}

// CodeUnknown is a form, or a confirmation, that does not exist, or is not the tenant's.
const CodeUnknown = "signup_form_not_found"

// Forms lists a tenant's forms by name.
func (s *Service) Forms(ctx context.Context, t tenant.ID) ([]Form, error) {
	return s.c.Store.SignupForms(ctx, t)
}

// Form returns one; NotFound "signup_form_not_found" if the tenant has none such.
func (s *Service) Form(ctx context.Context, t tenant.ID, number ID) (Form, error) {
	return s.c.Store.SignupForm(ctx, t, number)
}

// Find returns the form of a Key, active or not.
func (s *Service) Find(ctx context.Context, key string) (Form, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(key)
	if err != nil || len(raw) != 32 {
		return Form{}, fault.New(fault.NotFound, CodeUnknown, "There is no such form.")
	}
	return s.c.Store.SignupForm(ctx, tenant.ID(raw[:16]), ID(raw[16:]))
}

// Drop removes a form. Consents that came through it stay; what awaits confirmation can
// still be confirmed.
func (s *Service) Drop(ctx context.Context, t tenant.ID, number ID) error {
	return s.c.Store.DropSignupForm(ctx, t, number)
}

// PageOf is the address of a form's own page.
func (s *Service) PageOf(f Form) string { return s.c.PublicURL + FormPath + f.Key() }

// Entries lists what came through a form.
func (s *Service) Entries(ctx context.Context, t tenant.ID, f consent.Filter) ([]consent.Consent, bool, error) {
	return s.c.Store.Consents(ctx, t, f)
}

// Sender is whose form it is, with the imprint that stands below it.
func (s *Service) Sender(ctx context.Context, t tenant.ID) (tenant.Tenant, tenant.Profile, error) {
	who, err := s.c.Store.Tenant(ctx, t)
	if err != nil {
		return who, tenant.Profile{}, fmt.Errorf("sender of a form: %w", err)
	}
	p, err := s.c.Store.Profile(ctx, t)
	if err != nil {
		return who, p, fmt.Errorf("sender of a form: %w", err)
	}
	return who, p, nil
}

// Save keeps a form and returns it as kept; the zero ID makes a new one. A form that takes
// entries needs wording, notice, sender, group, and an imprint of the tenant. Errors are
// Invalid with the fields "name", "title", "lead", "language", "group", "purpose", "from",
// "fields", "fields/time_zone", "wording", "notice", "privacy_url", "origins", "thanks", "days", "network",
// "active".
func (s *Service) Save(ctx context.Context, f Form) (Form, error) {
	f.Days, f.Network = cmp.Or(f.Days, defaultDays), cmp.Or(f.Network, Whole)
	wrong := f.check()
	outside, err := s.checkOutside(ctx, f)
	if err != nil {
		return f, err
	}
	if err := fault.Join(append(wrong, outside...)); err != nil {
		return f, err
	}
	now := s.c.Now().UTC().Truncate(time.Millisecond)
	if f.UpdatedAt = now; f.ID.IsZero() {
		all, err := s.c.Store.SignupForms(ctx, f.Tenant)
		if err != nil {
			return f, fmt.Errorf("save form: %w", err)
		}
		if len(all) >= MaxForms {
			return f, fault.New(fault.Conflict, "signup_form_many", fmt.Sprintf("There are %d forms already.", MaxForms))
		}
		f.ID, f.CreatedAt = id.New[Kind](now), now
	}
	return f, s.c.Store.SaveSignupForm(ctx, f)
}

// check holds a form to what can be said of it alone.
func (f Form) check() (wrong []*fault.Error) {
	add := func(field, code, detail string) { wrong = append(wrong, fault.Field(field, code, detail)) }
	for _, v := range []struct {
		field, value string
		limit        int
		needed       bool
	}{
		{"name", f.Name, MaxText, true}, {"title", f.Title, MaxText, true}, {"lead", f.Lead, maxWords, false}, {"wording", f.Wording, maxWords, f.Active},
		{"notice", f.Notice, maxWords, f.Active}, {"thanks", f.Thanks, maxWords, false},
	} {
		switch {
		case v.needed && strings.TrimSpace(v.value) == "":
			add(v.field, "signup_missing", "must be there")
		case !utf8.ValidString(v.value) || utf8.RuneCountInString(v.value) > v.limit:
			add(v.field, "signup_too_long", fmt.Sprintf("at most %d characters", v.limit))
		}
	}
	if f.Lang != "" && !f.Lang.Valid() {
		add("language", "signup_value", "de, en or nothing")
	}
	if f.Purpose != tenant.Newsletter && f.Purpose != tenant.Reminder {
		add("purpose", "signup_value", "newsletter or reminder")
	}
	if f.Days < 1 || f.Days > maxDays {
		add("days", "signup_days", fmt.Sprintf("from 1 to %d", maxDays))
	}
	if !slices.Contains([]Network{Whole, Part, None}, f.Network) {
		add("network", "signup_value", "whole, part or none")
	}
	for field, need := range f.Fields {
		if !slices.Contains(Fields(), field) || need != Mandatory && need != Optional && need != Hidden {
			add("fields", "signup_value", "not one of the choices")
			break
		}
	}
	if f.PrivacyURL != "" && originOf(f.PrivacyURL) == "" {
		add("privacy_url", "signup_url", "an address that begins with https:// or http://")
	}
	if len(f.Origins) > maxOrigins || slices.ContainsFunc(f.Origins, func(o string) bool { return originOf(o) != o }) {
		add("origins", "signup_origin", "scheme, host and port of at most 20 web sites, nothing more")
	}
	return wrong
}

// checkOutside asks for what must be there beside the form.
func (s *Service) checkOutside(ctx context.Context, f Form) (wrong []*fault.Error, err error) {
	g, err := s.c.Groups.Group(ctx, f.Tenant, f.Group)
	switch {
	case fault.IsKind(err, fault.NotFound) || err == nil && g.Kind != audience.Static:
		wrong = append(wrong, fault.Field("group", "signup_group", "a group whose members are added one by one"))
	case err != nil:
		return nil, fmt.Errorf("find group of form: %w", err)
	}
	refused, err := s.checkZone(ctx, f)
	if err != nil {
		return nil, err
	}
	if refused != nil {
		wrong = append(wrong, refused)
	}
	box, err := s.c.ParseMailbox(f.From)
	if err != nil {
		return append(wrong, fault.Field("from", "signup_from", "Name <address> of a domain of this account")), nil //nolint:nilerr // it is told as wrong
	}
	usable, err := s.c.Usable(ctx, f.Tenant, box.Domain)
	if err != nil {
		return nil, fmt.Errorf("find domain of form: %w", err)
	}
	if !usable {
		wrong = append(wrong, fault.Field("from", "signup_from", "Name <address> of a domain of this account"))
	}
	if f.Active {
		p, err := s.c.Store.Profile(ctx, f.Tenant)
		if err != nil {
			return nil, fmt.Errorf("find imprint of form: %w", err)
		}
		if strings.TrimSpace(p.Imprint) == "" {
			wrong = append(wrong, fault.Field("active", "signup_imprint", "the account has no imprint"))
		}
	}
	return wrong, nil
}

// originOf is the origin of an address as browsers write it, "" if it is none that a form
// can have to do with.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || len(address) > maxURL || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Opaque != "" {
		return ""
	}
	// The origin becomes part of a header; a host has no characters that end its place.
	if strings.Trim(strings.ToLower(u.Host), "abcdefghijklmnopqrstuvwxyz0123456789.-:[]") != "" {
		return ""
	}
	return u.Scheme + "://" + strings.ToLower(u.Host)
}

func (s *Service) mac(purpose string, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, s.c.Keeper.MACKey(purpose))
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)[:16]
}
