package audience

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Identifier kinds of contacts.
type (
	// ContactKind is the id.Kind of contacts.
	ContactKind struct{}
	// NoteKind is the id.Kind of notes about contacts.
	NoteKind struct{}
)

// Prefix implements id.Kind.
func (ContactKind) Prefix() string { return "con" }

// Prefix implements id.Kind.
func (NoteKind) Prefix() string { return "nte" }

// Identifiers of contacts and of notes about them.
type (
	// ContactID names a contact.
	ContactID = id.Of[ContactKind]
	// NoteID names a note, and an act in the history of a contact.
	NoteID = id.Of[NoteKind]
)

// Origin is how a contact came to be stored.
type Origin string

// The origins.
const (
	OriginOffice Origin = "office" // a person typed it
	OriginAPI    Origin = "api"    // a program of the tenant
	OriginMail   Origin = "mail"   // the tenant wrote to the address, and wants contacts made of that
	OriginImport Origin = "import" // came with a list; see Import
	OriginForm   Origin = "form"   // signed up themselves and confirmed it
)

// Limits of a contact.
const (
	MaxContactAddresses = 10
	MaxContactTags      = 50
	maxContactText      = 200 // characters of a name, company, phone number or reference
	maxContactTag       = 100
	maxContactValue     = 500 // characters of a field of one's own
)

// Contact is one person, or one office of a company, that a tenant writes to.
type Contact struct {
	ID     ContactID
	Tenant tenant.ID
	// Version grows with every change, from 1; who changes names the one they saw.
	Version    int64
	Salutation string // as it stands in a letter: "Frau Dr."
	GivenName  string
	FamilyName string
	Company    string
	Phone      string
	Locale     string // "de", "en", or "" where it is not known
	// Reference is the tenant's own number of the person (customer, order), "" for none. No
	// two contacts of a tenant share one.
	Reference string
	// Addresses are the person's, the main one first; there is at least one. An address
	// belongs to one contact of a tenant at most.
	Addresses []message.Address
	// Fields are values of fields the tenant declared, by key; see Field.
	Fields map[string]string
	Tags   []string // sorted, each once
	Origin Origin
	Actor  string // who stored it: "system", or the text of a key's or user's identifier
	// CreatedAt and UpdatedAt are to the millisecond.
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Main is the address the person is written to first; zero for the zero Contact.
func (c Contact) Main() message.Address {
	if len(c.Addresses) == 0 {
		return message.Address{}
	}
	return c.Addresses[0]
}

// Name is what the contact is called: the person, else the company, else the address.
func (c Contact) Name() string {
	name := strings.TrimSpace(c.GivenName + " " + c.FamilyName)
	switch {
	case name != "":
		return name
	case c.Company != "":
		return c.Company
	}
	return c.Main().String()
}

// Has reports whether an address is one of the contact's.
func (c Contact) Has(a message.Address) bool {
	return slices.ContainsFunc(c.Addresses, func(own message.Address) bool { return Canonical(own) == Canonical(a) })
}

// SortName is what lists are ordered by: family name first, folded as Fold does.
func (c Contact) SortName() string {
	name := strings.TrimSpace(c.FamilyName + " " + c.GivenName)
	if name == "" {
		name = c.Company
	}
	if name == "" {
		name = c.Main().String()
	}
	return Fold(name)
}

// maxWords bounds what a contact is found by.
const maxWords = 40

// Words are what a contact is found by beside its addresses, folded: the words of its
// names, its reference, and each address's domain with an @ before it.
func (c Contact) Words() []string { return c.words(wordsIn) }

// Wordbook remembers the words of names: in a list a few names stand often. It belongs to
// one goroutine, and is made with make.
type Wordbook map[string][]string

// Words are c.Words.
func (b Wordbook) Words(c Contact) []string {
	return c.words(func(text string) []string {
		list, ok := b[text]
		if !ok {
			list = wordsIn(text)
			b[text] = list
		}
		return list
	})
}

func (c Contact) words(in func(text string) []string) []string {
	words := make([]string, 0, 8)
	for _, text := range [...]string{c.GivenName, c.FamilyName, c.Company} {
		if text != "" {
			words = append(words, in(text)...)
		}
	}
	if c.Reference != "" {
		words = append(words, Fold(c.Reference))
	}
	for _, a := range c.Addresses {
		words = append(words, "@"+strings.ToLower(a.Domain))
	}
	slices.Sort(words)
	words = slices.Compact(words)
	return words[:min(len(words), maxWords)]
}

func wordsIn(text string) []string { return split(Fold(text)) }

func split(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// Fold makes one text of the ways people write a name: lower case, German umlauts as
// two letters, other marks left out. "Müller" and "MUELLER" fold to the same.
func Fold(s string) string {
	if isASCII(s) {
		return strings.Join(strings.Fields(strings.ToLower(s)), " ")
	}
	var spelt strings.Builder
	for _, r := range norm.NFC.String(strings.ToLower(s)) {
		switch r {
		case 'ä':
			spelt.WriteString("ae")
		case 'ö':
			spelt.WriteString("oe")
		case 'ü':
			spelt.WriteString("ue")
		case 'ß':
			spelt.WriteString("ss")
		default:
			spelt.WriteRune(r)
		}
	}
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(spelt.String()))
	return strings.Join(strings.Fields(s), " ")
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// check holds a contact to the rules and puts it in order: fields in their canonical
// writing, tags sorted. Errors are *fault.Error with a field: "address_missing",
// "contact_too_many_addresses", "contact_address_twice", "contact_text_malformed",
// "locale_unknown", "tag_malformed", "contact_field_unknown", "contact_field_malformed",
// "time_zone_unknown".
func (c *Contact) check(declared []Field) error {
	var wrong []*fault.Error
	refuse := func(field, code, detail string) { wrong = append(wrong, fault.Field(field, code, detail)) }
	for _, v := range []struct {
		field string
		text  *string
	}{
		{"salutation", &c.Salutation}, {"given_name", &c.GivenName}, {"family_name", &c.FamilyName},
		{"company", &c.Company}, {"phone", &c.Phone}, {"reference", &c.Reference},
	} {
		*v.text = norm.NFC.String(strings.TrimSpace(*v.text))
		if !line(*v.text, maxContactText) {
			refuse(v.field, "contact_text_malformed", "At most 200 characters on one line.")
		}
	}
	if c.Locale != "" && c.Locale != "de" && c.Locale != "en" {
		refuse("locale", "locale_unknown", "The language is de or en.")
	}
	c.checkAddresses(refuse)
	c.checkTags(refuse)
	c.checkFields(declared, refuse)
	return fault.Join(wrong)
}

func (c *Contact) checkAddresses(refuse func(field, code, detail string)) {
	switch n := len(c.Addresses); {
	case n == 0:
		refuse("addresses", "address_missing", "A contact has at least one address.")
	case n > MaxContactAddresses:
		refuse("addresses", "contact_too_many_addresses", "A contact has at most 10 addresses.")
	}
	seen := map[string]bool{}
	for i := range c.Addresses {
		a := &c.Addresses[i]
		a.Domain = strings.ToLower(a.Domain)
		field := fmt.Sprintf("addresses/%d", i)
		if a.Local == "" || a.Domain == "" {
			refuse(field, "address_missing", "An address is expected.")
		} else if seen[Canonical(*a)] {
			refuse(field, "contact_address_twice", "The address stands there twice.")
		}
		seen[Canonical(*a)] = true
	}
}

func (c *Contact) checkTags(refuse func(field, code, detail string)) {
	for i := range c.Tags {
		c.Tags[i] = norm.NFC.String(strings.TrimSpace(c.Tags[i]))
		if c.Tags[i] == "" || !line(c.Tags[i], maxContactTag) || strings.Contains(c.Tags[i], ",") {
			refuse(fmt.Sprintf("tags/%d", i), "tag_malformed", "A tag has 1 to 100 characters on one line, without commas.")
		}
	}
	slices.Sort(c.Tags)
	if c.Tags = slices.Compact(c.Tags); len(c.Tags) > MaxContactTags {
		refuse("tags", "tag_malformed", "A contact has at most 50 tags.")
	}
}

func (c *Contact) checkFields(declared []Field, refuse func(field, code, detail string)) {
	kept := map[string]string{}
	for key, value := range c.Fields {
		i := slices.IndexFunc(declared, func(f Field) bool { return f.Key == key })
		if i < 0 {
			refuse("fields/"+key, "contact_field_unknown", "No field of this name is declared.")
			continue
		}
		text, ok := declared[i].value(value)
		if !ok {
			code, detail := declared[i].refused()
			refuse("fields/"+key, code, detail)
		}
		if text != "" {
			kept[key] = text
		}
	}
	c.Fields = kept
}

// line reports whether text stands on one line and has at most n characters.
func line(text string, n int) bool {
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > n {
		return false
	}
	for _, r := range text {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return false
		}
	}
	return true
}

// changed names what differs between two versions of a contact, without the values:
// they must not outlive the contact in its history.
func changed(old, c Contact) []string {
	var names []string
	for _, v := range []struct {
		name string
		same bool
	}{
		{"salutation", old.Salutation == c.Salutation}, {"given_name", old.GivenName == c.GivenName},
		{"family_name", old.FamilyName == c.FamilyName}, {"company", old.Company == c.Company}, {"phone", old.Phone == c.Phone},
		{"locale", old.Locale == c.Locale}, {"reference", old.Reference == c.Reference},
		{"addresses", slices.Equal(old.Addresses, c.Addresses)}, {"tags", slices.Equal(old.Tags, c.Tags)},
	} {
		if !v.same {
			names = append(names, v.name)
		}
	}
	keys := map[string]bool{}
	for _, m := range []map[string]string{old.Fields, c.Fields} {
		for key := range m {
			keys[key] = true
		}
	}
	for key := range keys {
		if old.Fields[key] != c.Fields[key] {
			names = append(names, "fields/"+key)
		}
	}
	slices.Sort(names)
	return names
}
