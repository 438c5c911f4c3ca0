// Package leadform knows the forms through which prospects send enquiries: what a form
// asks, who may embed it, whose object it is about, and which entries may be spam.
//
// It is floor 3, beside package lead, which it feeds: an accepted entry is one enquiry.
// What looks like spam is kept there and held for a person, never dropped and never
// refused to the prospect's face. The pages that show forms are the door public's.
package leadform

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/lead"
	"stafette/internal/lead/openimmo"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Kind is the id.Kind of forms.
type Kind struct{}

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "form" }

// ID names a form.
type ID = id.Of[Kind]

// Form is one form of a tenant.
type Form struct {
	ID     ID        `json:"-"`
	Tenant tenant.ID `json:"-"`
	Name   string    `json:"-"` // for the tenant's people
	Active bool      `json:"-"` // takes enquiries
	Lang   i18n.Lang // "": the reader's
	// Advertiser receives the enquiries, by the tenant's number of him. With Signed he and
	// the object come with each entry, signed by the tenant (Service.Sign); Object is then
	// unused.
	Advertiser string
	Signed     bool
	Object     openimmo.Object
	// Fields says what is asked; a field that is not named is hidden.
	Fields map[Field]Need
	// Origins are the web sites that may embed the form and post to it: scheme, host and
	// port, as browsers write them.
	Origins []string
	// Notice is the text of Art. 13 GDPR that stands at the form; PrivacyURL leads on.
	Notice, PrivacyURL string
	// Thanks is said after sending; "": a sentence of ours. Redirect leads to a page of
	// one of the Origins instead.
	Thanks, Redirect     string
	CreatedAt, UpdatedAt time.Time `json:"-"`
}

// Need says whether a field is asked and must be filled in.
type Need string

// The needs.
const (
	Mandatory Need = "mandatory"
	Optional  Need = "optional"
	Hidden    Need = "hidden"
)

// Field is something a form can ask; the words are those of the contact forms of the
// large portals.
type Field string

// The fields that Validate and enquiry treat in a way of their own.
const (
	Email   Field = "email"
	Phone   Field = "phone"
	Message Field = "message"
	Wish    Field = "wish"
	Persons Field = "persons"
	MoveIn  Field = "move_in"
)

// Fields are all fields in the order in which forms ask them.
func Fields() []Field {
	return []Field{"salutation", "first_name", "last_name", "company", Email, Phone, "street", "postal_code", "city",
		MoveIn, Persons, "pets", "employment", "income", "application", Wish, Message}
}

// Choices are the values that a field can have, nil for free text.
func Choices(f Field) []string {
	switch f {
	case "salutation":
		return []string{"Frau", "Herr", "Divers"}
	case "pets", "application":
		return []string{"yes", "no"}
	case "employment":
		return []string{"employed", "civil_servant", "self_employed", "student", "trainee", "retired", "none"}
	case "income":
		return []string{"to1500", "to2500", "to3500", "to5000", "over5000"}
	case Wish:
		return []string{string(openimmo.Viewing), string(openimmo.Call), string(openimmo.Details)}
	}
	return nil
}

// extra are the fields that lead.Enquiry has no place of its own for.
func extra() []Field { return []Field{MoveIn, Persons, "pets", "employment", "income", "application"} }

// Limits, in characters.
const (
	MaxText    = 200
	MaxMessage = 9000 // what is asked besides is written below it
	maxNotice  = 10_000
	maxOrigins = 20
	maxURL     = 2000
)

// Need is whether the form asks a field.
func (f Form) Need(field Field) Need { return cmp.Or(f.Fields[field], Hidden) }

// Key names the form in public addresses. It is no secret.
func (f Form) Key() string {
	return base64.RawURLEncoding.EncodeToString(append(f.Tenant[:], f.ID[:]...))
}

// Allows reports whether a web site may embed the form and post to it.
func (f Form) Allows(origin string) bool { return origin != "" && slices.Contains(f.Origins, origin) }

// Store is what forms need of the database. Each method is one transaction.
type Store interface {
	// SaveLeadForm keeps a form, new or changed.
	SaveLeadForm(ctx context.Context, f Form) error
	// LeadForm returns one; fault.NotFound "lead_form_not_found".
	LeadForm(ctx context.Context, t tenant.ID, f ID) (Form, error)
	// LeadForms lists a tenant's forms by name; there are at most MaxForms.
	LeadForms(ctx context.Context, t tenant.ID) ([]Form, error)
	// DropLeadForm removes one; fault.NotFound "lead_form_not_found".
	DropLeadForm(ctx context.Context, t tenant.ID, f ID) error
}

// MaxForms bounds a tenant's forms.
const MaxForms = 500

// Leads takes enquiries; *lead.Service does.
type Leads interface {
	Submit(ctx context.Context, p ingest.Principal, e lead.Enquiry) (lead.Receipt, error)
	HasTwin(ctx context.Context, t tenant.ID, advertiser string, request [32]byte, since time.Time) (bool, error)
	Advertiser(ctx context.Context, t tenant.ID, number string) (lead.Advertiser, error)
	Settings(ctx context.Context, t tenant.ID) (lead.Settings, error)
}

// Config is what a Service needs; all of it is needed.
type Config struct {
	Store   Store
	Leads   Leads
	Keeper  *seal.Keeper
	Catalog *i18n.Catalog
	Now     func() time.Time
}

// Service keeps forms and takes what is entered into them. It is safe for concurrent use.
type Service struct{ c Config }

// New makes a Service.
func New(c Config) *Service { return &Service{c} }

// Forms lists a tenant's forms by name.
func (s *Service) Forms(ctx context.Context, t tenant.ID) ([]Form, error) {
	return s.c.Store.LeadForms(ctx, t)
}

// Form returns one; fault.NotFound "lead_form_not_found" if the tenant has none such.
func (s *Service) Form(ctx context.Context, t tenant.ID, number ID) (Form, error) {
	return s.c.Store.LeadForm(ctx, t, number)
}

// CodeUnknown is a form that does not exist, or is not the tenant's.
const CodeUnknown = "lead_form_not_found"

// Find returns the form of a Key, active or not. What is no key is answered like a form
// that does not exist.
func (s *Service) Find(ctx context.Context, key string) (Form, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(key)
	if len(key) != base64.RawURLEncoding.EncodedLen(32) || err != nil {
		return Form{}, fault.New(fault.NotFound, CodeUnknown, "There is no such form.")
	}
	return s.c.Store.LeadForm(ctx, tenant.ID(raw[:16]), ID(raw[16:]))
}

// Drop removes a form. What came through it stays.
func (s *Service) Drop(ctx context.Context, t tenant.ID, number ID) error {
	return s.c.Store.DropLeadForm(ctx, t, number)
}

// Portal is the name under which the tenant's forms appear.
func (s *Service) Portal(ctx context.Context, t tenant.ID) (string, error) {
	set, err := s.c.Leads.Settings(ctx, t)
	return set.Portal, err
}

// Codes of refused forms.
const (
	CodeMissing = "lead_field_missing"
	CodeLong    = "lead_field_too_long"
	CodeValue   = "lead_field_value"
	CodeOrigin  = "lead_form_origin"
	CodeTarget  = "lead_form_redirect"
	CodeReach   = "lead_form_reach"
	CodeMany    = "lead_form_many"
)

// Save keeps a form and returns it as kept; the zero ID makes a new one. Errors of the
// input are Invalid with the fields "name", "language", "advertiser", "object", "title",
// "url", "fields", "origins", "notice", "privacy_url", "thanks" and "redirect".
func (s *Service) Save(ctx context.Context, f Form) (Form, error) {
	found, err := s.check(ctx, f)
	if err != nil {
		return f, err
	}
	if err := fault.Join(found); err != nil {
		return f, err
	}
	now := s.c.Now().UTC().Truncate(time.Millisecond)
	if f.UpdatedAt = now; f.ID.IsZero() {
		all, err := s.c.Store.LeadForms(ctx, f.Tenant)
		if err != nil {
			return f, fmt.Errorf("save form: %w", err)
		}
		if len(all) >= MaxForms {
			return f, fault.New(fault.Conflict, CodeMany, fmt.Sprintf("There are %d forms already.", MaxForms))
		}
		f.ID, f.CreatedAt = id.New[Kind](now), now
	}
	return f, s.c.Store.SaveLeadForm(ctx, f)
}

func (s *Service) check(ctx context.Context, f Form) (found []*fault.Error, err error) {
	add := func(field, code, detail string) { found = append(found, fault.Field(field, code, detail)) }
	line := func(field, value string, limit int, needed bool) {
		switch {
		case needed && strings.TrimSpace(value) == "":
			add(field, CodeMissing, "must be there")
		case utf8.RuneCountInString(value) > limit:
			add(field, CodeLong, fmt.Sprintf("at most %d characters", limit))
		}
	}
	line("name", f.Name, MaxText, true)
	line("notice", f.Notice, maxNotice, f.Active)
	line("thanks", f.Thanks, maxNotice, false)
	if f.Lang != "" && !f.Lang.Valid() {
		add("language", CodeValue, "de, en or nothing")
	}
	if !f.Signed {
		line("title", f.Object.Title, MaxText, false)
		line("object", f.Object.AdvertiserRef, MaxText, true)
		a, err := s.c.Leads.Advertiser(ctx, f.Tenant, f.Advertiser)
		switch {
		case fault.IsKind(err, fault.NotFound), err == nil && len(a.Emails) == 0:
			add("advertiser", "lead_emails_missing", "no address of this advertiser is known")
		case err != nil:
			return nil, fmt.Errorf("find advertiser of form: %w", err)
		}
	}
	for field, address := range map[string]string{"privacy_url": f.PrivacyURL, "url": f.Object.URL} {
		if address != "" && originOf(address) == "" {
			add(field, CodeValue, "an address that begins with https:// or http://")
		}
	}
	return append(found, checkReach(f)...), nil
}

// checkReach asks where a form may stand and how its prospects can be reached.
func checkReach(f Form) (found []*fault.Error) {
	for field, need := range f.Fields {
		if !slices.Contains(Fields(), field) || need != Mandatory && need != Optional && need != Hidden {
			found = append(found, fault.Field("fields", CodeValue, "not one of the choices"))
			break
		}
	}
	if f.Need(Email) != Mandatory && f.Need(Phone) != Mandatory {
		found = append(found, fault.Field("fields", CodeReach, "e-mail or telephone must be mandatory"))
	}
	if len(f.Origins) > maxOrigins {
		found = append(found, fault.Field("origins", CodeLong, fmt.Sprintf("at most %d", maxOrigins)))
	}
	for _, o := range f.Origins {
		if originOf(o) != o {
			found = append(found, fault.Field("origins", CodeOrigin, "scheme, host and port of a web site, nothing more"))
			break
		}
	}
	if f.Redirect != "" && !f.Allows(originOf(f.Redirect)) {
		found = append(found, fault.Field("redirect", CodeTarget, "a page of one of the allowed web sites"))
	}
	return found
}

// originOf is the origin of an address as browsers write it, "" if it has none that a
// form can have to do with.
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

// Params are the names of what a signed address carries, in the order in which they are
// signed.
func Params() []string {
	return []string{"advertiser", "portal_id", "advertiser_ref", "title", "object_city", "url", "marketing"}
}

// Secret is what the tenant signs addresses of the form with. It is the form's own.
func (s *Service) Secret(f Form) string {
	return hex.EncodeToString(s.mac("lead form parameters", f, nil))
}

// Sign is the signature of parameters: HMAC-SHA256 under the Secret as it is written,
// over "name=value" of those that are not empty, in the order of Params, joined by line
// feeds; in hexadecimal.
func (s *Service) Sign(f Form, values map[string]string) string {
	var lines []string
	for _, name := range Params() {
		if values[name] != "" {
			lines = append(lines, name+"="+values[name])
		}
	}
	m := hmac.New(sha256.New, []byte(s.Secret(f)))
	m.Write([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(m.Sum(nil))
}

func (s *Service) mac(purpose string, f Form, text []byte) []byte {
	m := hmac.New(sha256.New, s.c.Keeper.MACKey(purpose))
	m.Write(f.Tenant[:])
	m.Write(f.ID[:])
	m.Write(text)
	return m.Sum(nil)
}

// About is whose object an entry is about.
type About struct {
	Advertiser string
	Object     openimmo.Object
}

// CodeUnsigned is an address of a form whose parameters are not signed by its tenant.
const CodeUnsigned = "lead_form_unsigned"

// About returns whose object the form asks about, for a signed form by the parameters.
// Those that the tenant has not signed are NotFound "lead_form_unsigned".
func (s *Service) About(f Form, values map[string]string, signature string) (About, error) {
	if !f.Signed {
		return About{f.Advertiser, f.Object}, nil
	}
	unsigned := fault.New(fault.NotFound, CodeUnsigned, "The address of this form is not complete.")
	for _, name := range Params() {
		if strings.ContainsAny(values[name], "\r\n") {
			return About{}, unsigned
		}
	}
	if values["advertiser"] == "" || values["portal_id"]+values["advertiser_ref"] == "" || !hmac.Equal([]byte(s.Sign(f, values)), []byte(strings.ToLower(signature))) {
		return About{}, unsigned
	}
	o := openimmo.Object{PortalID: values["portal_id"], AdvertiserRef: values["advertiser_ref"], Title: values["title"], City: values["object_city"], URL: values["url"]}
	if v := values["marketing"]; v != "" {
		o.Marketing = []string{v}
	}
	return About{values["advertiser"], o}, nil
}
