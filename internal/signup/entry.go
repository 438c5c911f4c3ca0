package signup

import (
	"cmp"
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stafette/internal/audience"
	"stafette/internal/audience/consent"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Entry is what somebody entered into a form.
type Entry struct {
	Email  string
	Values map[Field]string
	Agreed bool   // the box beside the wording was ticked
	Token  string // what NewToken gave the page
	Trap   string // value of a field that people do not see
	Flood  bool   // the network entered much lately
	URL    string // of the page on which the form stood, as the browser said
	IP     string
	Agent  string
	Lang   i18n.Lang
}

// Why an entry may be a program's, as consent.Consent.Reason tells.
const (
	SuspectTrap  = "form_trap"
	SuspectFast  = "form_fast"
	SuspectToken = "form_token"
	SuspectFlood = "form_flood"
)

const (
	minTime    = 2 * time.Second
	tokenLasts = 23 * time.Hour
	// asksPerDay bounds the mails that one address gets because of what others enter.
	asksPerDay = 3
	// twiceWithin is how soon the same entry is a button pressed twice.
	twiceWithin = time.Minute
	maxAgent    = 300
)

// NewToken makes the token of one page, which bears the time.
func (s *Service) NewToken(f Form) string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(s.c.Now().UnixMilli()))
	return base64.RawURLEncoding.EncodeToString(append(raw, s.mac("sign-up page", f.Tenant[:], f.ID[:], raw)...))
}

// Preview is what shows a form to the tenant's people before it takes entries.
func (s *Service) Preview(f Form) string {
	return hex.EncodeToString(s.mac("sign-up preview", f.Tenant[:], f.ID[:]))
}

// suspicion is why an entry may be a program's, "" if nothing speaks for it.
func (s *Service) suspicion(f Form, e Entry) string {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(e.Token)
	known := err == nil && len(raw) == 8+16 && hmac.Equal(raw[8:], s.mac("sign-up page", f.Tenant[:], f.ID[:], raw[:8]))
	var age time.Duration
	if known {
		age = s.c.Now().Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(raw))))
	}
	switch {
	case e.Trap != "":
		return SuspectTrap
	case !known || age > tokenLasts:
		return SuspectToken
	case age < minTime:
		return SuspectFast
	case e.Flood:
		return SuspectFlood
	}
	return ""
}

// Take takes an entry. Wrong fields are Invalid with their names. To whoever entered it
// every other outcome looks the same: whether the address is known, asked already or
// suspect is not for strangers to learn.
func (s *Service) Take(ctx context.Context, f Form, e Entry) error {
	if !f.Active {
		return fault.New(fault.NotFound, CodeUnknown, "There is no such form.")
	}
	a, err := s.validate(f, &e)
	if err != nil {
		return err
	}
	now := s.c.Now().UTC().Truncate(time.Millisecond)
	c := consent.Consent{
		ID: id.New[consent.Kind](now), Tenant: f.Tenant, Address: a, Hash: s.c.Audience.Hash(f.Tenant, a), Purpose: f.Purpose, Group: f.Group,
		Basis: consent.DoubleOptIn, State: consent.Asked, AskedAt: now, ExpiresAt: now.Add(f.lasts()), Form: f.ID.String(), FormURL: e.URL, Lang: string(e.Lang),
		Wording: f.Wording, Notice: f.Notice, PrivacyURL: f.PrivacyURL, Person: map[string]string{},
		IP: f.Network.of(e.IP), Agent: f.Network.agent(e.Agent), Reason: s.suspicion(f, e),
	}
	for _, name := range Fields() {
		if v := e.Values[name]; v != "" && f.Need(name) != Hidden {
			c.Person[string(name)] = v
		}
	}
	if c.Reason != "" {
		c.State = consent.Suspect
		return s.c.Store.AddConsent(ctx, c)
	}
	lately, err := s.lately(ctx, c)
	if err != nil || lately >= asksPerDay {
		return err
	}
	return s.ask(ctx, f, c)
}

// lately counts how often an address was asked within a day. Who has given the same consent
// counts as asked enough: the mail would ask for what is there.
func (s *Service) lately(ctx context.Context, c consent.Consent) (n int, err error) {
	list, _, err := s.c.Store.Consents(ctx, c.Tenant, consent.Filter{Hash: c.Hash, Limit: 100})
	if err != nil {
		return 0, fmt.Errorf("look for earlier entries: %w", err)
	}
	for _, old := range list {
		switch {
		case old.State == consent.Given && old.Group == c.Group && old.Purpose == c.Purpose && old.Version() == c.Version():
			return asksPerDay, nil
		case old.State == consent.Asked && old.Form == c.Form && c.AskedAt.Sub(old.AskedAt) < twiceWithin:
			return asksPerDay, nil
		case old.Basis == consent.DoubleOptIn && old.State != consent.Suspect && c.AskedAt.Sub(old.AskedAt) < 24*time.Hour:
			n++
		}
	}
	return n, nil
}

func (s *Service) validate(f Form, e *Entry) (message.Address, error) {
	var wrong []*fault.Error
	a, err := message.ParseAddress(strings.TrimSpace(e.Email))
	if err != nil {
		wrong = append(wrong, fault.Field("email", "signup_email", "no e-mail address"))
	}
	for _, name := range Fields() {
		v := strings.TrimSpace(e.Values[name])
		e.Values[name] = v
		switch need := f.Need(name); {
		case need == Mandatory && v == "":
			wrong = append(wrong, fault.Field(string(name), "signup_missing", "must be there"))
		case need != Hidden && !line(v):
			wrong = append(wrong, fault.Field(string(name), "signup_too_long", "at most 200 characters on one line"))
		case need != Hidden && name == TimeZone && v != "" && !validZone(v):
			wrong = append(wrong, fault.Field(string(name), "signup_zone", "no time zone"))
		}
	}
	if !e.Agreed {
		wrong = append(wrong, fault.Field("agree", "signup_agree", "must be ticked"))
	}
	return a, fault.Join(wrong)
}

func line(v string) bool {
	return utf8.ValidString(v) && utf8.RuneCountInString(v) <= MaxText && strings.IndexFunc(v, unicode.IsControl) < 0
}

// of is as much of a network address as is kept.
func (n Network) of(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil || n == None {
		return ""
	}
	if n == Part {
		bits := 24
		if a.Unmap().Is6() {
			bits = 48
		}
		p, err := a.Unmap().Prefix(bits)
		if err != nil {
			return ""
		}
		return p.String()
	}
	return a.Unmap().String()
}

func (n Network) agent(name string) string {
	if n == None {
		return ""
	}
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	return string([]rune(name)[:min(utf8.RuneCountInString(name), maxAgent)])
}

// ask sends the mail that asks and keeps the consent with it. The mail comes first: its
// link leads nowhere until the consent is kept, and a consent without mail would never be
// confirmed.
func (s *Service) ask(ctx context.Context, f Form, c consent.Consent) error {
	who, profile, err := s.Sender(ctx, f.Tenant)
	if err != nil {
		return err
	}
	from, err := s.c.ParseMailbox(f.From)
	if err != nil {
		return fmt.Errorf("sender of form: %w", err)
	}
	lang, tone := i18n.Lang(c.Lang), i18n.Tone(cmp.Or(who.CustomerTone, tenant.Sie))
	args := i18n.Args{"name": who.Name, "link": s.c.PublicURL + ConfirmPath + s.token(c), "days": int(f.lasts().Hours() / 24), "form": f.Title,
		"wording": f.Wording, "imprint": profile.Imprint}
	d := message.Draft{
		From: from, To: []message.Mailbox{{Address: c.Address}}, Date: c.AskedAt,
		Subject: s.c.Catalog.Text(lang, tone, "signup.mail.subject", args), Text: s.c.Catalog.Text(lang, tone, "signup.mail.text", args),
		Headers: []message.Header{{Name: "Auto-Submitted", Value: "auto-replied"}},
	}
	r, err := s.c.Acceptor.Accept(ctx, ingest.Principal{Tenant: f.Tenant, Actor: f.ID.String(), Door: "form"}, ingest.Submission{
		Draft: &d, Stream: tenant.Transactional, Tags: []string{"signup"}, Metadata: map[string]string{"consent": c.ID.String()},
	})
	switch e := fault.As(err); {
	case e != nil && e.Code == ingest.CodeAllSuppressed:
		c.State, c.Reason = consent.Suspect, "suppressed"
	case err != nil:
		return fmt.Errorf("ask for confirmation: %w", err)
	default:
		c.Mail = r.ID
	}
	return s.c.Store.AddConsent(ctx, c)
}

// Release sends the mail of an entry that was taken for a program's. Errors: NotFound
// "consent_not_found", Conflict "consent_state".
func (s *Service) Release(ctx context.Context, t tenant.ID, number consent.ID) error {
	c, err := s.c.Store.Consent(ctx, t, number)
	if err != nil {
		return err
	}
	form, err := id.Parse[Kind](c.Form)
	if err != nil || c.State != consent.Suspect {
		return fault.New(fault.Conflict, "consent_state", "This entry waits for nobody.")
	}
	f, err := s.c.Store.SignupForm(ctx, t, form)
	if err != nil {
		return err
	}
	now := s.c.Now().UTC().Truncate(time.Millisecond)
	// The entry stays as it is; a new one takes its place, so that a failure loses nothing.
	next := c
	next.ID, next.State, next.Reason, next.AskedAt, next.ExpiresAt = id.New[consent.Kind](now), consent.Asked, "", now, now.Add(f.lasts())
	if err := s.ask(ctx, f, next); err != nil {
		return err
	}
	c.ExpiresAt, c.Reason = now, "released"
	return s.c.Store.ChangeConsent(ctx, c, consent.Suspect)
}

// token names a consent that awaits confirmation; nobody else can make it.
func (s *Service) token(c consent.Consent) string {
	raw := append(append([]byte{}, c.Tenant[:]...), c.ID[:]...)
	return base64.RawURLEncoding.EncodeToString(append(raw, s.mac("sign-up confirmation", raw)...))
}

// Pending reads what a link of confirmation leads to: in the state Asked, or Given if it
// was confirmed before. Errors: NotFound "signup_form_not_found", also once it is expired
// or withdrawn.
func (s *Service) Pending(ctx context.Context, token string) (consent.Consent, error) {
	unknown := fault.New(fault.NotFound, CodeUnknown, "There is no such link.")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != 48 || !hmac.Equal(raw[32:], s.mac("sign-up confirmation", raw[:32])) {
		return consent.Consent{}, unknown
	}
	c, err := s.c.Store.Consent(ctx, tenant.ID(raw[:16]), consent.ID(raw[16:32]))
	switch {
	case fault.IsKind(err, fault.NotFound):
		return consent.Consent{}, unknown
	case err != nil:
		return c, fmt.Errorf("read confirmation: %w", err)
	case c.Address.IsZero(), c.State != consent.Asked && c.State != consent.Given, c.State == consent.Asked && !c.ExpiresAt.After(s.c.Now()):
		return consent.Consent{}, unknown
	}
	return c, nil
}

// liftWords stand in the history of an address whose owner signed up again.
const liftWords = "The person has signed up again and confirmed it."

// Confirm makes a consent hold and puts the person into the group. Confirming twice is
// confirming once. Errors: those of Pending.
func (s *Service) Confirm(ctx context.Context, token, ip, agent string) (consent.Consent, error) {
	c, err := s.Pending(ctx, token)
	if err != nil {
		return c, err
	}
	if c.State == consent.Asked {
		kept := Whole
		if form, err := id.Parse[Kind](c.Form); err == nil {
			// A form that is gone keeps as little as it can have wanted.
			if f, err := s.c.Store.SignupForm(ctx, c.Tenant, form); err == nil {
				kept = f.Network
			} else {
				kept = None
			}
		}
		c.State, c.ConfirmedAt, c.ExpiresAt = consent.Given, s.c.Now().UTC().Truncate(time.Millisecond), time.Time{}
		c.ConfirmedIP, c.ConfirmedAgent = kept.of(ip), kept.agent(agent)
		if err := s.c.Store.ChangeConsent(ctx, c, consent.Asked); err != nil && !fault.IsKind(err, fault.Conflict) {
			return c, fmt.Errorf("confirm: %w", err)
		}
	}
	// Whatever died in between is done by the next press of the button.
	if err := s.admit(ctx, c); err != nil {
		return c, fmt.Errorf("confirm: %w", err)
	}
	return c, nil
}

// admit makes what was confirmed true: a contact, a member, and no refusal of one's own
// that is older.
func (s *Service) admit(ctx context.Context, c consent.Consent) error {
	person, found, err := s.c.Contacts.Of(ctx, c.Tenant, c.Address)
	if err == nil && !found {
		p := audience.Contact{Addresses: []message.Address{c.Address}, Salutation: c.Person["salutation"], GivenName: c.Person["given_name"],
			FamilyName: c.Person["family_name"], Company: c.Person["company"], Locale: c.Lang}
		person, err = s.c.Contacts.Create(ctx, c.Tenant, p, audience.OriginForm, c.Form)
		if fault.IsKind(err, fault.Conflict) { // somebody was faster
			person, _, err = s.c.Contacts.Of(ctx, c.Tenant, c.Address)
		}
	}
	if err == nil {
		err = s.settle(ctx, c.Tenant, person, c.Person[string(TimeZone)], c.Form)
	}
	if err != nil {
		return err
	}
	_, err = s.c.Groups.Add(ctx, c.Tenant, c.Group, []audience.ContactID{person.ID}, audience.OriginForm, c.Form)
	if err != nil && !fault.IsKind(err, fault.NotFound) { // the group was deleted: the consent holds all the same
		return err
	}
	page, err := s.c.Audience.Suppressions(ctx, c.Tenant, audience.Filter{Hash: c.Hash, Limit: 50})
	if err != nil {
		return err
	}
	for _, e := range page.Entries {
		own := e.Reason == audience.Unsubscribed && (e.Stream == "" || e.Stream == c.Purpose)
		if !own || e.CreatedAt.After(c.ConfirmedAt) {
			continue
		}
		if _, err := s.c.Audience.Lift(ctx, c.Tenant, e.ID, c.Form, liftWords); err != nil && !fault.IsKind(err, fault.NotFound) {
			return err
		}
	}
	return nil
}

// Sweep forgets entries that nobody confirmed in time.
func (s *Service) Sweep(ctx context.Context) error {
	const step = 500
	for {
		n, err := s.c.Store.ForgetUnconfirmed(ctx, s.c.Now(), step)
		if err != nil || n < step {
			return err
		}
	}
}
