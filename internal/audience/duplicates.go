package audience

import (
	"context"
	"fmt"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Likeness says why two contacts may be one person. No two contacts have the same
// address, in whatever case or writing of its domain; what is left is this.
type Likeness string

// The likenesses, the stronger first.
const (
	SameMailbox Likeness = "mailbox" // addresses that lead to one mailbox, see Mailbox
	SameName    Likeness = "name"    // the same name, and the same domain, company or telephone number
)

// Twins are two contacts that may be one person. Whether they are is for a person to say.
type Twins struct {
	Kept  Contact // the older one
	Other Contact
	Like  Likeness
}

// Limits of looking for duplicates.
const (
	MaxTwins = 100 // found at once
	// maxTagged bounds the addresses that are looked through for SameMailbox, and namesPage
	// how many names are looked into at once.
	maxTagged  = 200_000
	taggedPage = 5000
	namesPage  = 100
)

// Mailbox is one writing of the addresses that lead to the same mailbox: without a tag
// after a plus sign; at Gmail, which has two names, also without the dots. Comparing by it
// proposes, it proves nothing: elsewhere a plus sign may be part of the name.
func Mailbox(a message.Address) string {
	local, domain := strings.ToLower(a.Local), strings.ToLower(a.Domain)
	if plus := strings.IndexByte(local, '+'); plus > 0 {
		local = local[:plus]
	}
	if domain == "gmail.com" || domain == "googlemail.com" {
		local, domain = strings.ReplaceAll(local, ".", ""), "gmail.com"
	}
	return local + "@" + domain
}

// Alike tells whether two contacts may be one person, "" if nothing speaks for it.
func Alike(a, b Contact) Likeness {
	boxes := map[string]bool{}
	for _, addr := range a.Addresses {
		boxes[Mailbox(addr)] = true
	}
	for _, addr := range b.Addresses {
		if boxes[Mailbox(addr)] {
			return SameMailbox
		}
	}
	named := func(c Contact) string {
		if c.GivenName == "" || c.FamilyName == "" {
			return ""
		}
		return c.SortName()
	}
	if name := named(a); name == "" || name != named(b) {
		return ""
	}
	same := func(x, y string) bool { return x != "" && x == y }
	if same(Fold(a.Company), Fold(b.Company)) || same(digits(a.Phone), digits(b.Phone)) {
		return SameName
	}
	for _, x := range a.Addresses {
		for _, y := range b.Addresses {
			if x.Domain == y.Domain {
				return SameName
			}
		}
	}
	return ""
}

func digits(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
}

// Duplicates proposes contacts to merge, at most MaxTwins; those of one mailbox come
// first. It looks through names and addresses that can be of a duplicate, not through
// all contacts, and passes over those of whom somebody said that they are two people.
func (s *Contacts) Duplicates(ctx context.Context, t tenant.ID) ([]Twins, error) {
	apart, err := s.apart(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("find duplicates: %w", err)
	}
	f := finder{found: map[[2]ContactID]bool{}, apart: apart}
	if err := s.sameMailbox(ctx, t, &f); err != nil {
		return nil, fmt.Errorf("find duplicates: %w", err)
	}
	for after := ""; len(f.list) < MaxTwins; {
		names, err := s.store.Namesakes(ctx, t, after, namesPage)
		if err != nil {
			return nil, fmt.Errorf("find duplicates: %w", err)
		}
		for i, c := range names {
			for j := i - 1; j >= 0 && names[j].SortName() == c.SortName(); j-- {
				f.add(names[j], c)
			}
			after = c.SortName()
		}
		if len(names) == 0 {
			break
		}
	}
	return f.list, nil
}

// finder collects twins, each once.
type finder struct {
	list  []Twins
	found map[[2]ContactID]bool
	apart map[Pair]bool
}

func (f *finder) add(a, b Contact) {
	if b.CreatedAt.Before(a.CreatedAt) {
		a, b = b, a
	}
	like := Alike(a, b)
	key := [2]ContactID{a.ID, b.ID}
	if like == "" || f.apart[PairOf(a.ID, b.ID)] || len(f.list) >= MaxTwins || f.found[key] || f.found[[2]ContactID{b.ID, a.ID}] {
		return
	}
	f.found[key] = true
	f.list = append(f.list, Twins{a, b, like})
}

// sameMailbox looks through the addresses that can be a second writing of another one.
func (s *Contacts) sameMailbox(ctx context.Context, t tenant.ID, f *finder) error {
	owners := map[string]ContactID{}
	after := ""
	for looked := 0; looked < maxTagged && len(f.list) < MaxTwins; {
		page, err := s.store.TaggedAddresses(ctx, t, after, taggedPage)
		if err != nil {
			return err
		}
		for _, one := range page {
			box := Mailbox(one.Address)
			owner, known := owners[box]
			if !known {
				plain, err := message.ParseAddress(box)
				if err != nil {
					continue
				}
				// The address without its tag need not be among those that are looked through.
				if c, ok, err := s.store.ContactOf(ctx, t, plain); err != nil {
					return err
				} else if owner = one.Contact; ok {
					owner = c.ID
				}
				owners[box] = owner
			}
			if owner == one.Contact {
				continue
			}
			if err := s.pair(ctx, t, f, owner, one.Contact); err != nil {
				return err
			}
		}
		if looked += len(page); len(page) < taggedPage {
			return nil
		}
		after = Canonical(page[len(page)-1].Address)
	}
	return nil
}

func (s *Contacts) pair(ctx context.Context, t tenant.ID, f *finder, a, b ContactID) error {
	one, err := s.store.Contact(ctx, t, a)
	if err == nil {
		var other Contact
		if other, err = s.store.Contact(ctx, t, b); err == nil {
			f.add(one, other)
		}
	}
	if fault.IsKind(err, fault.NotFound) {
		return nil // deleted meanwhile
	}
	return err
}

// OwnedAddress is an address with the contact that has it.
type OwnedAddress struct {
	Address message.Address
	Contact ContactID
}

// MergeLasts is how long a merge can be taken back.
const MergeLasts = 30 * 24 * time.Hour

// Mergers keeps what contacts were before they were merged.
type Mergers interface {
	// Merged returns until when the last merge into a contact can be taken back; false if it
	// cannot, because the contact has changed since, or nothing was merged into it.
	Merged(ctx context.Context, t tenant.ID, kept ContactID, now time.Time) (time.Time, bool, error)
	// Unmerge makes two contacts of one again: both are as they were, with a new version, and
	// have their notes, history and groups back, as far as these are still there. Groups that
	// the contact left since stay left. act is noted with both. One that cannot be taken back
	// is Conflict "merge_not_revocable". It returns the contact that is there again.
	Unmerge(ctx context.Context, t tenant.ID, kept ContactID, act ContactAct) (ContactID, error)
	// Namesakes returns contacts whose name, as lists are ordered by it, others have too: of
	// so many names after one, all in order of name and identifier, at most 1,000.
	Namesakes(ctx context.Context, t tenant.ID, after string, names int) ([]Contact, error)
	// TaggedAddresses returns addresses that can lead to the mailbox of another one, see
	// Mailbox: with a plus sign, or at Gmail; in order, after one as Canonical writes it.
	TaggedAddresses(ctx context.Context, t tenant.ID, after string, limit int) ([]OwnedAddress, error)
	// PutDistinct keeps that contacts are two people; pairs that are kept already, or of whom
	// one is not there, are passed over. It goes with either contact.
	PutDistinct(ctx context.Context, t tenant.ID, list []Distinct) error
	// DropDistinct takes it back; what is not kept is no error.
	DropDistinct(ctx context.Context, t tenant.ID, p Pair) error
	// Distinct lists them, the last said first, at most limit.
	Distinct(ctx context.Context, t tenant.ID, limit int) ([]Distinct, error)
}

// Undoable returns until when the last merge into a contact can be taken back; false if
// it cannot.
func (s *Contacts) Undoable(ctx context.Context, t tenant.ID, kept ContactID) (time.Time, bool, error) {
	return s.store.Merged(ctx, t, kept, s.now())
}

// Unmerge takes the last merge into a contact back, see Mergers. Errors:
// "merge_not_revocable", "contact_not_found".
func (s *Contacts) Unmerge(ctx context.Context, t tenant.ID, kept ContactID, actor string) (ContactID, error) {
	now := s.now().UTC().Truncate(time.Millisecond)
	return s.store.Unmerge(ctx, t, kept, ContactAct{ID: id.New[NoteKind](now), At: now, Type: ContactUnmerged, Actor: actor})
}
