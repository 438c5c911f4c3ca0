package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// OfficeSettings are what can be changed of a tenant.
type OfficeSettings struct {
	Name, Locale             string
	OfficeTone, CustomerTone tenant.Tone
	TimeZone                 string // a name of the tz database; "": the platform's
	Stream                   tenant.Stream
	From                     string // a mailbox in a usable domain of the tenant; "": none
	Contact, Imprint         string // 200 and 2,000 characters at most
	DailyQuota               int64  // only staff may change it
}

// Lengths of what a tenant says of itself, in characters.
const (
	maxContact = 200
	maxImprint = 2000
)

// OfficeProfile is what a tenant says of itself.
func (s *Service) OfficeProfile(ctx context.Context, t tenant.ID) (tenant.Profile, error) {
	return s.c.Store.Profile(ctx, t)
}

// SaveOwnOffice is SaveOffice by a tenant's own people: the quota stays what staff made it.
func (s *Service) SaveOwnOffice(ctx context.Context, t tenant.ID, to OfficeSettings) error {
	of, err := s.c.Store.Tenant(ctx, t)
	if err != nil {
		return err
	}
	to.DailyQuota = of.DailyQuota
	return s.SaveOffice(ctx, t, to)
}

// SaveOffice stores settings of a tenant. Errors are Invalid for name, locale,
// office_tone, customer_tone, time_zone, stream, from, contact, imprint and daily_quota.
func (s *Service) SaveOffice(ctx context.Context, t tenant.ID, to OfficeSettings) error {
	of, err := s.c.Store.Tenant(ctx, t)
	if err != nil {
		return err
	}
	said, err := s.c.Store.Profile(ctx, t)
	if err != nil {
		return err
	}
	to.Name = strings.TrimSpace(to.Name)
	next, wrong, err := s.readProfile(ctx, t, to)
	if err != nil {
		return err
	}
	if err := joined(append(wrongSettings(to), wrong...)); err != nil {
		return err
	}
	detail := changes([][3]string{
		{"name", of.Name, to.Name}, {"locale", of.Locale, to.Locale}, {"office_tone", string(of.OfficeTone), string(to.OfficeTone)},
		{"customer_tone", string(of.CustomerTone), string(to.CustomerTone)}, {"time_zone", of.TimeZone, to.TimeZone},
		{"stream", string(said.Stream), string(next.Stream)}, {"from", MailboxText(said.From), MailboxText(next.From)},
		{"contact", said.Contact, next.Contact}, {"imprint", oneLine(said.Imprint), oneLine(next.Imprint)},
		{"daily_quota", fmt.Sprint(of.DailyQuota), fmt.Sprint(to.DailyQuota)},
	})
	of.Name, of.Locale, of.OfficeTone, of.CustomerTone = to.Name, to.Locale, to.OfficeTone, to.CustomerTone
	of.TimeZone, of.DailyQuota = to.TimeZone, to.DailyQuota
	return s.c.Store.SaveTenant(note(ctx, t, t.String(), detail), of, next)
}

// wrongSettings are the refusals of what needs no look at the tenant.
func wrongSettings(to OfficeSettings) []*fault.Error {
	list := []*fault.Error{plainName(to.Name, 1)}
	if !i18n.Lang(to.Locale).Valid() {
		list = append(list, fault.Field("locale", "locale_unknown", "The language is de or en."))
	}
	for field, tone := range map[string]tenant.Tone{"office_tone": to.OfficeTone, "customer_tone": to.CustomerTone} {
		if tone != tenant.Sie && tone != tenant.Du {
			list = append(list, fault.Field(field, "tone_unknown", "The tone is sie or du."))
		}
	}
	// "Local" is the machine's zone, which is nobody's choice.
	if _, err := time.LoadLocation(to.TimeZone); err != nil || to.TimeZone == "Local" || len(to.TimeZone) > 64 {
		list = append(list, fault.Field("time_zone", "time_zone_unknown", "Time zones are written as Europe/Berlin."))
	}
	if to.DailyQuota < 0 {
		list = append(list, fault.Field("daily_quota", "number_malformed", "The quota is a number of deliveries, or nothing."))
	}
	return list
}

// readProfile reads what a tenant says of itself, with its refusals.
func (s *Service) readProfile(ctx context.Context, t tenant.ID, to OfficeSettings) (p tenant.Profile, wrong []*fault.Error, err error) {
	p = tenant.Profile{Stream: to.Stream, Contact: strings.TrimSpace(to.Contact), Imprint: strings.TrimSpace(strings.ReplaceAll(to.Imprint, "\r\n", "\n"))}
	if p.Stream != "" && !p.Stream.Valid() {
		wrong = append(wrong, fault.Field("stream", "stream_unknown", "There is no such stream."))
	}
	wrong = append(wrong, wrongText("contact", p.Contact, maxContact, ""), wrongText("imprint", p.Imprint, maxImprint, "\n\t"))
	if to.From = strings.TrimSpace(to.From); to.From == "" {
		return p, wrong, nil
	}
	if p.From, err = message.ParseMailbox(to.From); err != nil {
		e := fault.Field("from", "address_malformed", "An address is expected.")
		if why := fault.As(err); why != nil {
			e.Code = why.Code
		}
		return p, append(wrong, e), nil
	}
	domains, err := s.c.Store.Domains(ctx, t)
	if err != nil {
		return p, nil, err
	}
	if !slices.ContainsFunc(domains, func(d tenant.Domain) bool { return d.Usable() && strings.EqualFold(d.Name, p.From.Domain) }) {
		wrong = append(wrong, fault.Field("from", "from_domain_unknown", "The domain is none of the account's, or not set up."))
	}
	return p, wrong, nil
}

// wrongText refuses a text of more characters than most, or with control characters
// other than those allowed.
func wrongText(field, text string, most int, allowed string) *fault.Error {
	switch {
	case utf8.RuneCountInString(text) > most:
		return fault.Field(field, "text_too_long", "The text is too long.")
	case !utf8.ValidString(text), strings.ContainsFunc(text, func(r rune) bool { return (r < ' ' || r == 0x7f) && !strings.ContainsRune(allowed, r) }):
		return fault.Field(field, "text_has_control", "The text has control characters.")
	}
	return nil
}

// MailboxText writes a mailbox as a person types it; "" for none.
func MailboxText(m message.Mailbox) string {
	switch {
	case m.Domain == "":
		return ""
	case m.Name == "":
		return m.Address.String()
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(m.Name) + `" <` + m.Address.String() + `>`
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// changes tells what became of what.
func changes(list [][3]string) string {
	var out []string
	for _, c := range list {
		if c[1] != c[2] {
			out = append(out, c[0]+": "+c[1]+" → "+c[2])
		}
	}
	return strings.Join(out, "; ")
}
