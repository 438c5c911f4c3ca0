package leadform

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/lead"
	"stafette/internal/lead/openimmo"
	"stafette/internal/message"
)

// Entry is what somebody entered into a form.
type Entry struct {
	About  About
	Values map[Field]string
	// Token is what NewToken gave the page, "" if the form is not a page of ours.
	Token string
	// Trap is the value of a field that people do not see.
	Trap string
	// Known is set when the browser said that the entry comes from a page of ours or of
	// one of the form's Origins.
	Known bool
	// Flood is set when the network sent many entries lately.
	Flood bool
	// Lang is the language the form was shown in.
	Lang i18n.Lang
}

// Why an entry may be spam, as lead.Lead.Reason tells.
const (
	SuspectTrap   = "form_trap"   // the hidden field was filled in
	SuspectFast   = "form_fast"   // faster than a person can write
	SuspectToken  = "form_token"  // the page's token is missing or made up
	SuspectFlood  = "form_flood"  // one of many from the same network
	SuspectRepeat = "form_repeat" // the same enquiry was sent a short time ago
	SuspectLinks  = "form_links"  // the message is mostly links
)

// Suspicions are all of them.
func Suspicions() []string {
	return []string{SuspectTrap, SuspectFast, SuspectToken, SuspectFlood, SuspectRepeat, SuspectLinks}
}

const (
	// minTime is how long a person needs at least.
	minTime = 3 * time.Second
	// TokenLasts is how long a page can be filled in: as long as its token is remembered.
	TokenLasts = 23 * time.Hour
	// twinWithin is how soon the same enquiry again is suspect.
	twinWithin = 24 * time.Hour
	// maxLinks is how many addresses a message may have.
	maxLinks = 3
)

// Codes of entries that are asked for again; what was typed is not lost.
const (
	// CodeStale is a page that was open for too long.
	CodeStale = "lead_form_stale"
	// CodeUsed is a page that was sent before with another text.
	CodeUsed = "lead_form_used"
	// CodeInactive is a form that takes no enquiries.
	CodeInactive = "lead_form_inactive"
)

const (
	tokenPlain = 8 + 16 // when it was made, and what makes it unique
	tokenMAC   = 16
)

// NewToken makes the token of one page. It bears the time and makes of one page one
// lead, however often it is sent.
func (s *Service) NewToken(f Form) string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(s.c.Now().UnixMilli()))
	nonce := make([]byte, tokenPlain-len(raw))
	_, _ = rand.Read(nonce) // never fails
	raw = append(raw, nonce...)
	return base64.RawURLEncoding.EncodeToString(append(raw, s.mac("lead form token", f, raw)[:tokenMAC]...))
}

// Preview is what shows a form to the tenant's people before it takes enquiries.
func (s *Service) Preview(f Form) string {
	return hex.EncodeToString(s.mac("lead form preview", f, nil)[:tokenMAC])
}

// age reads a token: how old its page is, and the key of its lead.
func (s *Service) age(f Form, token string) (age time.Duration, key string, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != tokenPlain+tokenMAC || !hmac.Equal(raw[tokenPlain:], s.mac("lead form token", f, raw[:tokenPlain])[:tokenMAC]) {
		return 0, "", false
	}
	made := time.UnixMilli(int64(binary.BigEndian.Uint64(raw)))
	return s.c.Now().Sub(made), "form/" + hex.EncodeToString(raw[8:tokenPlain]), true
}

// Take takes an entry. What is wrong with its fields is Invalid with their names; Stale
// and Used ask for another try with a new token. What may be spam is kept all the same,
// and its receipt looks like any other to whoever sent it.
func (s *Service) Take(ctx context.Context, f Form, e Entry) (lead.Receipt, error) {
	if !f.Active {
		return lead.Receipt{}, fault.New(fault.NotFound, CodeInactive, "This form takes no enquiries.")
	}
	e.Values = trimmed(e.Values)
	if err := Validate(f, e.Values); err != nil {
		return lead.Receipt{}, err
	}
	q, err := s.enquiry(ctx, f, e)
	if err != nil {
		return lead.Receipt{}, err
	}
	age, key, ok := s.age(f, e.Token)
	if ok && age > TokenLasts {
		return lead.Receipt{}, fault.New(fault.Conflict, CodeStale, "The page was open for too long.")
	}
	q.Idempotency = key
	if q.Suspicion, err = s.suspicion(ctx, f, e, q, age, ok); err != nil {
		return lead.Receipt{}, err
	}
	r, err := s.c.Leads.Submit(ctx, ingest.Principal{Tenant: f.Tenant, Actor: f.ID.String(), Door: "form"}, q)
	if f := fault.As(err); f != nil && f.Code == lead.CodeConflict {
		return r, fault.New(fault.Conflict, CodeUsed, "This page was sent before with another text.")
	}
	return r, inForm(err)
}

func trimmed(values map[Field]string) map[Field]string {
	clean := map[Field]string{}
	for name, v := range values {
		clean[name] = strings.TrimSpace(strings.ReplaceAll(v, "\r\n", "\n"))
	}
	return clean
}

// Validate asks what a page can tell its reader at once: what is missing, too long or not
// among the choices. Errors are Invalid with the names of fields.
func Validate(f Form, values map[Field]string) error {
	var found []*fault.Error
	for _, name := range Fields() {
		need, value := f.Need(name), values[name]
		add := func(code, detail string) { found = append(found, fault.Field(string(name), code, detail)) }
		limit := MaxText
		if name == Message {
			limit = MaxMessage
		}
		switch choices := Choices(name); {
		case need == Hidden:
		case value == "" && need == Mandatory:
			add(CodeMissing, "must be there")
		case value == "":
		case utf8.RuneCountInString(value) > limit:
			add(CodeLong, fmt.Sprintf("at most %d characters", limit))
		case choices != nil && !slices.Contains(choices, value):
			add(CodeValue, "not one of the choices")
		case name == Persons && !count(value):
			add("lead_form_number", "a number from 1 to 99")
		case name == MoveIn && !day(value):
			add("lead_form_day", "a day")
		case name == Email:
			if _, err := message.ParseAddress(value); err != nil {
				add("lead_form_email", "no e-mail address")
			}
		}
	}
	return fault.Join(found)
}

func count(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n > 0 && n < 100
}

func day(text string) bool {
	_, err := time.Parse(time.DateOnly, text)
	return err == nil
}

// enquiry makes the enquiry of an entry. What it has no field for stands below the
// message, where every format carries it, and in the XML where there is a place.
func (s *Service) enquiry(ctx context.Context, f Form, e Entry) (lead.Enquiry, error) {
	v := func(name Field) string {
		if f.Need(name) == Hidden {
			return ""
		}
		return e.Values[name]
	}
	a, err := s.c.Leads.Advertiser(ctx, f.Tenant, e.About.Advertiser)
	if err != nil && !fault.IsKind(err, fault.NotFound) {
		return lead.Enquiry{}, fmt.Errorf("find advertiser of entry: %w", err)
	}
	q := lead.Enquiry{
		Advertiser: lead.AdvertiserRef{ID: e.About.Advertiser, Name: a.Name}, Object: e.About.Object, Message: v(Message),
		Prospect: openimmo.Prospect{Salutation: v("salutation"), FirstName: v("first_name"), LastName: v("last_name"), Company: v("company"),
			Street: v("street"), PostalCode: v("postal_code"), City: v("city"), Phone: v(Phone), Email: v(Email)},
	}
	if w := v(Wish); w != "" {
		q.Prospect.Wishes = []openimmo.Wish{openimmo.Wish(w)}
	}
	var lines []string
	for _, name := range extra() {
		value := v(name)
		if value == "" {
			continue
		}
		if Choices(name) != nil {
			value = s.c.Catalog.Text(i18n.German, i18n.Sie, "leadform.choice."+string(name)+"."+value, nil)
		}
		// Labels in mails to advertisers never change, whatever the prospect's language.
		lines = append(lines, s.c.Catalog.Text(i18n.German, i18n.Sie, "leadform.field."+string(name), nil)+": "+value)
		q.Extra = append(q.Extra, openimmo.Extra{Name: string(name), Value: value})
	}
	if len(lines) > 0 {
		q.Message = strings.TrimSpace(q.Message + "\n\n" + strings.Join(lines, "\n"))
	}
	q.RequestHash = fingerprint(f, q)
	return q, nil
}

// fingerprint tells the same enquiry again from another one.
func fingerprint(f Form, q lead.Enquiry) [32]byte {
	h := sha256.New()
	for _, text := range []string{f.ID.String(), q.Advertiser.ID, q.Object.PortalID, q.Object.AdvertiserRef, strings.ToLower(q.Prospect.Email), q.Prospect.Phone,
		q.Prospect.FirstName, q.Prospect.LastName, q.Message} {
		fmt.Fprintf(h, "%d:%s", len(text), text)
	}
	return [32]byte(h.Sum(nil))
}

// suspicion is why an entry may be spam, "" if nothing speaks for it. A repeated page is
// not suspect: its token makes it the same lead.
func (s *Service) suspicion(ctx context.Context, f Form, e Entry, q lead.Enquiry, age time.Duration, ok bool) (string, error) {
	switch {
	case e.Trap != "":
		return SuspectTrap, nil
	// A plain form of another site has no token; its browser says where it stands.
	case !ok && (e.Token != "" || !e.Known):
		return SuspectToken, nil
	case ok && age < minTime:
		return SuspectFast, nil
	case e.Flood:
		return SuspectFlood, nil
	case strings.Count(q.Message, "://") > maxLinks:
		return SuspectLinks, nil
	}
	twin, err := s.c.Leads.HasTwin(ctx, f.Tenant, q.Advertiser.ID, q.RequestHash, s.c.Now().Add(-twinWithin))
	if err != nil {
		return "", fmt.Errorf("look for the same enquiry: %w", err)
	}
	if twin {
		return SuspectRepeat, nil
	}
	return "", nil
}

// inForm makes the fields of a refused enquiry those of the form.
func inForm(err error) error {
	f := fault.As(err)
	if f == nil || f.Kind != fault.Invalid {
		return err
	}
	var list []*fault.Error
	for _, one := range append([]*fault.Error{f}, f.Also...) {
		c := *one
		c.Also = nil
		name, found := strings.CutPrefix(c.Field, "prospect/")
		if c.Field = name; !found && name != string(Message) {
			c.Field = ""
		}
		list = append(list, &c)
	}
	return fault.Join(list)
}
