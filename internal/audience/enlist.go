package audience

import (
	"context"
	"slices"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Existing is what happens to a contact that is there already when a list names it.
type Existing string

// The ways.
const (
	KeepExisting    Existing = "keep"    // it stays as it is
	FillExisting    Existing = "fill"    // what it does not say comes from the list
	ReplaceExisting Existing = "replace" // what the list says replaces what it said
)

// Valid reports whether e is a way.
func (e Existing) Valid() bool {
	return e == KeepExisting || e == FillExisting || e == ReplaceExisting
}

// Enlistment is some people on their way into a static group. Each is stored as a contact
// if its main address has none.
type Enlistment struct {
	Batch    Batch
	People   []Contact // checked, with all that a new contact has, of the batch's origin and actor; see Recruit
	Existing Existing
	// Revocable keeps what changed contacts were before, so that an import can be undone.
	Revocable bool
}

// Enlisted is what became of one of the people.
type Enlisted struct {
	Contact ContactID // zero with Err
	Result  EnlistResult
	Err     *fault.Error // "contact_reference_taken" (field "reference"), or that of Contact where a merged one breaks a limit
}

// EnlistResult says what was done.
type EnlistResult string

// The results.
const (
	EnlistCreated EnlistResult = "created" // a new contact, now in the group
	EnlistJoined  EnlistResult = "joined"  // a contact that was there, now in the group
	EnlistChanged EnlistResult = "changed" // a contact that was there and was changed, now in the group if it was not
	EnlistKnown   EnlistResult = "known"   // was in the group
	EnlistTwice   EnlistResult = "twice"   // came with this batch before
	EnlistRefused EnlistResult = "refused"
)

// EnlistStore takes people in. See GroupStore for the errors.
type EnlistStore interface {
	// Enlist stores people and puts them into the group of the batch, in one transaction;
	// at most 1,000. Result i belongs to person i; what cannot be taken stops nothing.
	Enlist(ctx context.Context, e Enlistment, now time.Time) ([]Enlisted, error)
}

// Targets are what a column of a list may hold, beside "fields/" and the key of a field
// of one's own.
func Targets() []string {
	return []string{"email", "salutation", "given_name", "family_name", "company", "phone", "locale", "reference", "tags"}
}

// Recruit makes a contact of what a list says of a person, by target; texts of targets that
// do not exist are refused. The errors are those of Contact, with "email" for its address.
func Recruit(t tenant.ID, texts map[string]string, declared []Field, o Origin, actor string, now time.Time) (Contact, error) {
	c := Contact{ID: id.New[ContactKind](now), Tenant: t, Version: 1, Origin: o, Actor: actor, CreatedAt: now, UpdatedAt: now}
	for target, text := range texts {
		if err := c.put(target, text); err != nil {
			return Contact{}, err
		}
	}
	if len(c.Addresses) == 0 {
		return Contact{}, fault.Field("email", "address_missing", "An address is expected.")
	}
	return c, c.check(declared)
}

func (c *Contact) put(target, text string) error {
	text = strings.TrimSpace(text)
	if key, ok := strings.CutPrefix(target, fieldSubject); ok {
		if c.Fields == nil {
			c.Fields = map[string]string{}
		}
		c.Fields[key] = text
		return nil
	}
	switch target {
	case "email":
		a, err := message.ParseAddress(text)
		if f := fault.As(err); f != nil {
			return &fault.Error{Kind: f.Kind, Code: f.Code, Field: "email", Detail: f.Detail}
		}
		if err != nil {
			return fault.Field("email", "address_malformed", "This is no address.")
		}
		c.Addresses = []message.Address{a}
	case "tags":
		c.Tags = append(c.Tags, strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' })...)
		c.Tags = slices.DeleteFunc(c.Tags, func(tag string) bool { return strings.TrimSpace(tag) == "" })
	case "locale":
		c.Locale = locale(text)
	case "salutation":
		c.Salutation = text
	case "given_name":
		c.GivenName = text
	case "family_name":
		c.FamilyName = text
	case "company":
		c.Company = text
	case "phone":
		c.Phone = text
	case "reference":
		c.Reference = text
	default:
		return fault.Field(target, "contact_field_unknown", "No field of this name is declared.")
	}
	return nil
}

// locale reads the language of a person as lists write it; what is none stays as it is.
func locale(text string) string {
	lower := strings.ToLower(text)
	switch {
	case lower == "deutsch", lower == "german", strings.HasPrefix(lower, "de-"), strings.HasPrefix(lower, "de_"):
		return "de"
	case lower == "englisch", lower == "english", strings.HasPrefix(lower, "en-"), strings.HasPrefix(lower, "en_"):
		return "en"
	}
	return lower
}

// Amended is what becomes of a contact that is there when a list names it, with the
// names of what changes, none if nothing does. Errors are those of Contact's limits.
func (e Existing) Amended(old, listed Contact, now time.Time) (Contact, []string, error) {
	if e == KeepExisting || e == "" {
		return old, nil, nil
	}
	c := Merged(old, listed)
	if e == ReplaceExisting {
		c = Merged(listed, old)
	}
	c.ID, c.Version, c.Origin, c.Actor, c.CreatedAt, c.UpdatedAt, c.Addresses = old.ID, old.Version, old.Origin, old.Actor, old.CreatedAt, now, old.Addresses
	names := changed(old, c)
	if len(names) == 0 {
		return old, nil, nil
	}
	c.Version++
	if len(c.Tags) > MaxContactTags {
		return old, nil, fault.Field("tags", "tag_malformed", "A contact has at most 50 tags.")
	}
	return c, names, nil
}

// Person is somebody on a list as a program writes it.
type Person struct {
	Email  string
	Fields map[string]string // by target, or by the key of a field of one's own
}

// MaxEnlisted bounds the people that are enlisted by one call.
const MaxEnlisted = 10_000

// Enlist puts people into a static group, and stores those who are no contacts yet.
// Result i belongs to person i; what cannot be taken stops nothing. It fills in what
// contacts that are there do not say. When the store fails in the middle, what came
// before is kept, and the call may be repeated. Errors: "group_not_found", "group_dynamic",
// "people_too_many" (field "contacts").
func (s *Groups) Enlist(ctx context.Context, t tenant.ID, g GroupID, people []Person, o Origin, actor string) ([]Enlisted, error) {
	if len(people) > MaxEnlisted {
		return nil, fault.Field("contacts", "people_too_many", "At most 10,000 contacts are taken at once.")
	}
	declared, err := s.people.Fields(ctx, t)
	if err != nil {
		return nil, err
	}
	now := s.stamp()
	results := make([]Enlisted, len(people))
	part := Enlistment{Batch: DayBatch(t, g, o, actor, now), Existing: FillExisting}
	var at []int
	for i, person := range people {
		c, err := Recruit(t, person.texts(declared), declared, o, actor, now)
		if err != nil {
			f := fault.As(err)
			if f == nil {
				return nil, err
			}
			results[i] = Enlisted{Result: EnlistRefused, Err: f}
		} else {
			part.People, at = append(part.People, c), append(at, i)
		}
		if len(part.People) == membersAtOnce || i == len(people)-1 {
			done, err := s.store.Enlist(ctx, part, now)
			if err != nil {
				return nil, err
			}
			for n, one := range done {
				results[at[n]] = one
			}
			part.People, at = part.People[:0], at[:0]
		}
	}
	return results, nil
}

// texts are what a program says of a person, by target.
func (p Person) texts(declared []Field) map[string]string {
	texts := map[string]string{"email": p.Email}
	for key, text := range p.Fields {
		own := func(f Field) bool { return f.Key == key }
		switch {
		case slices.ContainsFunc(declared, own):
			texts[fieldSubject+key] = text
		case key != "email":
			texts[key] = text
		}
	}
	return texts
}
