package lead

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/lead/openimmo"
)

// Limits of an enquiry, in characters.
const (
	maxText    = 200
	maxURL     = 2000
	maxMessage = 10_000
	maxEmails  = 10
)

// Codes of refused enquiries.
const (
	CodeMissing  = "lead_field_missing"
	CodeLong     = "lead_field_too_long"
	CodeControl  = "lead_field_control"
	CodeValue    = "lead_field_value"
	CodeContact  = "lead_contact_missing"
	CodeEmails   = "lead_emails_missing"
	CodeConflict = "idempotency_conflict"
)

// clean makes the line ends of the message single line feeds, as the formats want them,
// and refuses what they cannot carry, all of it at once.
func clean(e *Enquiry) error {
	e.Message = strings.ReplaceAll(strings.ReplaceAll(e.Message, "\r\n", "\n"), "\r", "\n")
	c := checker{}
	c.line("advertiser/id", e.Advertiser.ID, true)
	c.line("advertiser/name", e.Advertiser.Name, false)
	if len(e.Advertiser.Emails) > maxEmails {
		c.add("advertiser/emails", CodeLong, fmt.Sprintf("at most %d addresses", maxEmails))
	}
	if f := e.Advertiser.Format; f != "" && f != openimmo.Feedback && f != openimmo.Immowelt {
		c.add("advertiser/format", CodeValue, "openimmo_feedback or immowelt")
	}
	if e.Source != "" && !e.Test {
		c.add("source", CodeValue, "only a test lead leaves from a certain source")
	}
	c.object(e.Object)
	c.prospect(e.Prospect)
	for i, x := range e.Extra {
		c.line("extra/"+strconv.Itoa(i), x.Name, true)
		c.line("extra/"+strconv.Itoa(i), x.Value, false)
	}
	c.text("message", e.Message, maxMessage, func(r rune) bool { return r == '\n' || r == '\t' })
	return fault.Join(c.found)
}

type checker struct{ found []*fault.Error }

func (c *checker) add(field, code, detail string) {
	c.found = append(c.found, fault.Field(field, code, detail))
}

func (c *checker) object(o openimmo.Object) {
	if o.AdvertiserRef == "" && o.PortalID == "" {
		c.add("object/advertiser_ref", CodeMissing, "one of advertiser_ref and portal_id is needed")
	}
	c.line("object/portal_id", o.PortalID, false)
	c.line("object/advertiser_ref", o.AdvertiserRef, false)
	c.line("object/title", o.Title, false)
	c.text("object/url", o.URL, maxURL, nil)
	if o.URL != "" && !strings.HasPrefix(o.URL, "https://") && !strings.HasPrefix(o.URL, "http://") {
		c.add("object/url", CodeValue, "an address that begins with https:// or http://")
	}
	c.line("object/street", o.Street, false)
	c.line("object/city", o.City, false)
	c.line("object/price", o.Price, false)
	c.line("object/rooms", o.Rooms, false)
	c.line("object/area", o.Area, false)
	for _, m := range o.Marketing {
		c.line("object/marketing", m, false)
	}
}

func (c *checker) prospect(p openimmo.Prospect) {
	for _, f := range []struct{ field, value string }{
		{"salutation", p.Salutation}, {"first_name", p.FirstName}, {"last_name", p.LastName}, {"company", p.Company},
		{"street", p.Street}, {"postal_code", p.PostalCode}, {"city", p.City}, {"phone", p.Phone}, {"mobile", p.Mobile}, {"fax", p.Fax}, {"email", p.Email},
	} {
		c.line("prospect/"+f.field, f.value, false)
	}
	if p.Email == "" && p.Phone == "" && p.Mobile == "" {
		c.add("prospect/email", CodeContact, "without e-mail and telephone nobody can answer")
	}
	for i, v := range p.Preferred {
		if !slices.Contains(openimmo.Channels(), v) {
			c.add(place("prospect/preferred", i, len(p.Preferred)), CodeValue, "EMAIL, TEL, MOBIL, FAX or BRIEF")
		}
	}
	for i, v := range p.Wishes {
		if !slices.Contains(openimmo.Wishes(), v) {
			c.add(place("prospect/wish", i, len(p.Wishes)), CodeValue, "BESICHTIGUNG, ANRUF or DETAIL")
		}
	}
}

func place(field string, i, n int) string {
	if n == 1 {
		return field
	}
	return field + "/" + strconv.Itoa(i)
}

func (c *checker) line(field, value string, needed bool) {
	if needed && value == "" {
		c.add(field, CodeMissing, "must be there")
	}
	c.text(field, value, maxText, nil)
}

// text refuses what mail or XML cannot carry as it is. Line and paragraph separators
// count as control characters: they end lines for some readers of mail.
func (c *checker) text(field, value string, limit int, allowed func(rune) bool) {
	if utf8.RuneCountInString(value) > limit {
		c.add(field, CodeLong, fmt.Sprintf("at most %d characters", limit))
	}
	for at, r := range value {
		bad := unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufffe' || r == '\uffff' || r == utf8.RuneError && !strings.HasPrefix(value[at:], "\ufffd")
		if bad && (allowed == nil || !allowed(r)) {
			c.add(field, CodeControl, fmt.Sprintf("the character %U cannot be sent", r))
			return
		}
	}
}
