package offer

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"stafette/internal/fault"
	"stafette/internal/message"
)

var errHash = errors.New("not a SHA-256 in hexadecimal")

// Limits of a content: characters of texts, and how many there are of each.
const (
	MaxTitle   = 200
	MaxLead    = 600
	MaxText    = 20_000
	MaxNotice  = 30_000
	MaxURL     = 2000
	MaxFigures = 12
	MaxUnits   = 300
	MaxLinks   = 30
	MaxFiles   = 60
	// MaxOffers is how many offers a tenant has at most.
	MaxOffers = 2000
)

// Codes of refusals.
const (
	CodeUnknown   = "offer_not_found"
	CodeLong      = "offer_text_long"
	CodeLine      = "offer_text_line"
	CodeMissing   = "offer_text_missing"
	CodeMany      = "offer_too_many"
	CodeURL       = "offer_url"
	CodeValue     = "offer_value"
	CodeFrom      = "offer_from"
	CodeAddress   = "offer_address"
	CodeBoxText   = "offer_box_text"
	CodeGate      = "offer_gate"
	CodeState     = "offer_state"
	CodeProofs    = "offer_has_proofs"
	CodeFile      = "offer_file_unknown"
	CodeFileKind  = "offer_file_kind"
	CodeFileLarge = "offer_file_large"
	CodeFileMedia = "offer_file_media"
	CodeFileBroke = "offer_file_broken"
	CodeAlt       = "offer_alt_missing"
)

// checker collects what is wrong with a content.
type checker struct{ found []*fault.Error }

func (c *checker) add(field, code, detail string) {
	c.found = append(c.found, fault.Field(field, code, detail))
}

// text is checked for its length, and to be on one line if most are short texts.
func (c *checker) text(field, s string, most int, lines bool) {
	switch {
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
		layout := lines && (r == '\n' || r == '\t')
		return unicode.IsControl(r) && !layout || unicode.In(r, unicode.Zl, unicode.Zp)
	}):
		c.add(field, CodeLine, "The text has control characters.")
	case utf8.RuneCountInString(s) > most:
		c.add(field, CodeLong, fmt.Sprintf("At most %d characters.", most))
	}
}

func (c *checker) needed(field, s string, most int) {
	if strings.TrimSpace(s) == "" {
		c.add(field, CodeMissing, "The text is needed.")
		return
	}
	c.text(field, s, most, false)
}

func (c *checker) count(field string, n, most int) {
	if n > most {
		c.add(field, CodeMany, fmt.Sprintf("At most %d.", most))
	}
}

func at(list string, i int, name string) string { return list + "/" + strconv.Itoa(i) + "/" + name }

// check returns what is wrong with a content as a draft.
func (c Content) check() error {
	k := &checker{}
	k.needed("title", c.Title, MaxTitle)
	k.text("lead", c.Lead, MaxLead, false)
	k.text("text", c.Text, MaxText, true)
	k.count("figures", len(c.Figures), MaxFigures)
	for i, f := range c.Figures {
		k.needed(at("figures", i, "label"), f.Label, 60)
		k.needed(at("figures", i, "value"), f.Value, 60)
	}
	k.count("units", len(c.Units), MaxUnits)
	for i, u := range c.Units {
		k.needed(at("units", i, "name"), u.Name, 100)
		k.text(at("units", i, "price"), u.Price, 60, false)
		k.text(at("units", i, "area"), u.Area, 60, false)
		if !slices.Contains(UnitStates(), u.State) {
			k.add(at("units", i, "state"), CodeValue, "The states are free, reserved and sold.")
		}
	}
	k.count("links", len(c.Links), MaxLinks)
	for i, l := range c.Links {
		k.needed(at("links", i, "label"), l.Label, 120)
		k.url(at("links", i, "url"), l.URL)
	}
	c.checkContact(k)
	c.Legal.check(k)
	return fault.Join(k.found)
}

func (c Content) checkContact(k *checker) {
	k.text("contact/name", c.Contact.Name, 120, false)
	k.text("contact/phone", c.Contact.Phone, 60, false)
	if c.Contact.Email != "" {
		if _, err := message.ParseAddress(c.Contact.Email); err != nil {
			k.add("contact/email", CodeAddress, "This is no e-mail address.")
		}
	}
	if c.From != "" {
		if _, err := message.ParseMailbox(c.From); err != nil {
			k.add("from", CodeFrom, "This is no mailbox.")
		}
	}
}

// url takes absolute addresses of the web alone: what a script would be is none (T24).
func (c *checker) url(field, text string) {
	u, err := url.Parse(text)
	if err != nil || len(text) > MaxURL || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil ||
		strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == '\\' }) {
		c.add(field, CodeURL, "An address begins with https:// or http://.")
	}
}

func (l Legal) check(k *checker) {
	k.text("legal/notice", l.Notice, MaxNotice, true)
	k.text("legal/terms", l.Terms, MaxNotice, true)
	k.text("legal/privacy", l.Privacy, MaxNotice, true)
	var seen []BoxKind
	for i, b := range l.Boxes {
		k.needed(at("legal/boxes", i, "text"), b.Text, 500)
		switch {
		case !slices.Contains(BoxKinds(), b.Kind), slices.Contains(seen, b.Kind), b.Kind == BoxPermission && b.Needed:
			k.add(at("legal/boxes", i, "kind"), CodeValue, "Each kind of box stands once, and permission is never needed.")
		case b.Kind == BoxNotice && strings.TrimSpace(l.Notice) == "":
			k.add("legal/notice", CodeBoxText, "The box about the withdrawal notice needs its text.")
		case b.Kind == BoxTerms && strings.TrimSpace(l.Terms) == "":
			k.add("legal/terms", CodeBoxText, "The box about the terms needs their text.")
		case b.Kind == BoxPrivacy && strings.TrimSpace(l.Privacy) == "":
			k.add("legal/privacy", CodeBoxText, "The box about data protection needs its text.")
		}
		seen = append(seen, b.Kind)
	}
	if l.Gate && !slices.ContainsFunc(l.Boxes, func(b Box) bool { return b.Needed }) {
		k.add("legal/gate", CodeGate, "To open the exposé by a confirmation, a box must be needed.")
	}
}

// ready returns what is missing before a content can be published.
func (c Content) ready() error {
	k := &checker{}
	if err := c.check(); err != nil {
		return err
	}
	if c.From == "" {
		k.add("from", CodeFrom, "The offer needs a mailbox that its mails come from.")
	}
	if _, ok := c.ExposeFile(); c.Legal.Gate && !ok {
		k.add("legal/gate", CodeGate, "There is no exposé to open.")
	}
	return fault.Join(k.found)
}
