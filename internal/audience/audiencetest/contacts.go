package audiencetest

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Contacts is an audience.ContactStore in memory, with the refusals of the real one. The
// zero value is empty. It is safe for concurrent use.
type Contacts struct {
	mu     sync.Mutex
	list   []audience.Contact
	notes  []ownedNote
	acts   []ownedAct
	fields map[tenant.ID][]audience.Field
	merges map[audience.ContactID]twins
	apart  []ownedPair
}

type ownedPair struct {
	tenant tenant.ID
	audience.Distinct
}

// twins are two contacts before they were merged.
type twins struct{ kept, gone audience.Contact }

type ownedNote struct {
	tenant tenant.ID
	audience.Note
}

type ownedAct struct {
	tenant  tenant.ID
	contact audience.ContactID
	audience.ContactAct
}

var _ audience.ContactStore = (*Contacts)(nil)

func gone(code string) error { return fault.New(fault.NotFound, code, "There is no such thing here.") }

func (s *Contacts) find(t tenant.ID, c audience.ContactID) (int, error) {
	i := slices.IndexFunc(s.list, func(one audience.Contact) bool { return one.Tenant == t && one.ID == c })
	if i < 0 {
		return 0, gone("contact_not_found")
	}
	return i, nil
}

// clash is the refusal of a contact that says what another one does.
func (s *Contacts) clash(c audience.Contact) error {
	for _, other := range s.list {
		if other.Tenant != c.Tenant || other.ID == c.ID {
			continue
		}
		if slices.ContainsFunc(c.Addresses, other.Has) {
			return fault.New(fault.Conflict, "contact_address_taken", "Another contact has this address.")
		}
		if c.Reference != "" && c.Reference == other.Reference {
			return fault.New(fault.Conflict, "contact_reference_taken", "Another contact has this reference.")
		}
	}
	return nil
}

// CreateContact implements audience.ContactStore.
func (s *Contacts) CreateContact(_ context.Context, c audience.Contact, act audience.ContactAct) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.clash(c); err != nil {
		return err
	}
	s.list = append(s.list, c)
	s.acts = append(s.acts, ownedAct{c.Tenant, c.ID, act})
	return nil
}

// ChangeContact implements audience.ContactStore.
func (s *Contacts) ChangeContact(_ context.Context, c audience.Contact, act audience.ContactAct) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.find(c.Tenant, c.ID)
	if err != nil {
		return err
	}
	if s.list[i].Version != c.Version-1 {
		return fault.New(fault.Conflict, "contact_changed", "Somebody else has changed the contact meanwhile.")
	}
	if err := s.clash(c); err != nil {
		return err
	}
	s.list[i] = c
	s.acts = append(s.acts, ownedAct{c.Tenant, c.ID, act})
	return nil
}

// MergeContacts implements audience.ContactStore.
func (s *Contacts) MergeContacts(ctx context.Context, c audience.Contact, other audience.ContactID, _ int64, act audience.ContactAct) error {
	s.mu.Lock()
	i, err := s.find(c.Tenant, other)
	if err == nil {
		before := twins{gone: s.list[i]}
		if k, err := s.find(c.Tenant, c.ID); err == nil {
			before.kept = s.list[k]
		}
		if s.merges == nil {
			s.merges = map[audience.ContactID]twins{}
		}
		s.merges[c.ID] = before
		s.list = slices.Delete(s.list, i, i+1)
		for n := range s.notes {
			if s.notes[n].Contact == other {
				s.notes[n].Contact = c.ID
			}
		}
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.ChangeContact(ctx, c, act)
}

// DeleteContact implements audience.ContactStore.
func (s *Contacts) DeleteContact(_ context.Context, t tenant.ID, c audience.ContactID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.find(t, c)
	if err == nil {
		s.list = slices.Delete(s.list, i, i+1)
	}
	return err
}

// Contact implements audience.ContactStore.
func (s *Contacts) Contact(_ context.Context, t tenant.ID, c audience.ContactID) (audience.Contact, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.find(t, c)
	if err != nil {
		return audience.Contact{}, err
	}
	return s.list[i], nil
}

// ContactOf implements audience.ContactStore.
func (s *Contacts) ContactOf(_ context.Context, t tenant.ID, a message.Address) (audience.Contact, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.list {
		if c.Tenant == t && c.Has(a) {
			return c, true, nil
		}
	}
	return audience.Contact{}, false, nil
}

// Contacts implements audience.ContactStore.
func (s *Contacts) Contacts(_ context.Context, t tenant.ID, f audience.ContactFilter) (audience.ContactPage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []audience.Contact
	for _, c := range s.list {
		if c.Tenant == t && (f.Tag == "" || slices.Contains(c.Tags, f.Tag)) && fits(c, f.Text) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b audience.Contact) int {
		order := bytes.Compare(a.ID[:], b.ID[:])
		if f.ByName {
			order = cmp.Or(strings.Compare(a.SortName(), b.SortName()), order)
		}
		if !f.Ascending {
			order = -order
		}
		return order
	})
	if i := slices.IndexFunc(found, func(c audience.Contact) bool { return c.ID == f.After }); i >= 0 {
		found = found[i+1:]
	}
	limit := cmp.Or(f.Limit, 50)
	return audience.ContactPage{Contacts: found[:min(len(found), limit)], More: len(found) > limit}, nil
}

func fits(c audience.Contact, text string) bool {
	for _, token := range strings.Fields(text) {
		begins := func(word string) bool { return strings.HasPrefix(word, audience.Fold(token)) }
		at := func(a message.Address) bool { return strings.HasPrefix(audience.Canonical(a), strings.ToLower(token)) }
		if !slices.ContainsFunc(c.Words(), begins) && !slices.ContainsFunc(c.Addresses, at) {
			return false
		}
	}
	return true
}

// ContactTags implements audience.ContactStore.
func (s *Contacts) ContactTags(_ context.Context, t tenant.ID, limit int) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var tags []string
	for _, c := range s.list {
		if c.Tenant == t {
			tags = append(tags, c.Tags...)
		}
	}
	slices.Sort(tags)
	tags = slices.Compact(tags)
	return tags[:min(len(tags), limit)], nil
}

// Notes implements audience.ContactStore.
func (s *Contacts) Notes(_ context.Context, t tenant.ID, c audience.ContactID) ([]audience.Note, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []audience.Note
	for _, n := range slices.Backward(s.notes) {
		if n.tenant == t && n.Contact == c {
			list = append(list, n.Note)
		}
	}
	return list, nil
}

// PutNote implements audience.ContactStore.
func (s *Contacts) PutNote(_ context.Context, t tenant.ID, n audience.Note) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.EditedAt.IsZero() {
		if _, err := s.find(t, n.Contact); err != nil {
			return err
		}
		s.notes = append(s.notes, ownedNote{t, n})
		return nil
	}
	for i, one := range s.notes {
		if one.tenant == t && one.ID == n.ID && one.Author == n.Author {
			s.notes[i].Text, s.notes[i].EditedAt = n.Text, n.EditedAt
			return nil
		}
	}
	return gone("note_not_found")
}

// DeleteNote implements audience.ContactStore.
func (s *Contacts) DeleteNote(_ context.Context, t tenant.ID, c audience.ContactID, n audience.NoteID, author string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.notes)
	s.notes = slices.DeleteFunc(s.notes, func(one ownedNote) bool {
		return one.tenant == t && one.Contact == c && one.ID == n && one.Author == author
	})
	if len(s.notes) == before {
		return gone("note_not_found")
	}
	return nil
}

// ContactActs implements audience.ContactStore.
func (s *Contacts) ContactActs(_ context.Context, t tenant.ID, c audience.ContactID) ([]audience.ContactAct, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []audience.ContactAct
	for _, a := range slices.Backward(s.acts) {
		if a.tenant == t && a.contact == c {
			list = append(list, a.ContactAct)
		}
	}
	return list, nil
}

// Fields implements audience.ContactStore.
func (s *Contacts) Fields(_ context.Context, t tenant.ID) ([]audience.Field, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.fields[t]), nil
}

// SetFields implements audience.ContactStore.
func (s *Contacts) SetFields(_ context.Context, t tenant.ID, list []audience.Field) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fields == nil {
		s.fields = map[tenant.ID][]audience.Field{}
	}
	s.fields[t] = slices.Clone(list)
	return nil
}

// Merged implements audience.Mergers; merges can be taken back for as long as the contact
// is in the version they made.
func (s *Contacts) Merged(_ context.Context, t tenant.ID, kept audience.ContactID, now time.Time) (time.Time, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.find(t, kept)
	m, ok := s.merges[kept]
	ok = ok && err == nil && s.list[i].Version == m.kept.Version+1
	if !ok {
		return time.Time{}, false, nil
	}
	return now.Add(audience.MergeLasts), true, nil
}

// Unmerge implements audience.Mergers; notes and groups stay where they are.
func (s *Contacts) Unmerge(ctx context.Context, t tenant.ID, kept audience.ContactID, act audience.ContactAct) (audience.ContactID, error) {
	if _, ok, _ := s.Merged(ctx, t, kept, act.At); !ok {
		return audience.ContactID{}, fault.New(fault.Conflict, "merge_not_revocable", "It cannot be taken back.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.merges[kept]
	i, err := s.find(t, kept)
	if err != nil {
		return audience.ContactID{}, err
	}
	m.kept.Version, m.gone.Version = m.kept.Version+2, m.gone.Version+1
	s.list[i] = m.kept
	s.list = append(s.list, m.gone)
	delete(s.merges, kept)
	s.acts = append(s.acts, ownedAct{t, kept, act}, ownedAct{t, m.gone.ID, act})
	return m.gone.ID, nil
}

// Namesakes implements audience.Mergers.
func (s *Contacts) Namesakes(_ context.Context, t tenant.ID, after string, _ int) (list []audience.Contact, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	count := map[string]int{}
	for _, c := range s.list {
		if c.Tenant == t {
			count[c.SortName()]++
		}
	}
	for _, c := range s.list {
		if c.Tenant == t && count[c.SortName()] > 1 && c.SortName() > after {
			list = append(list, c)
		}
	}
	slices.SortStableFunc(list, func(a, b audience.Contact) int { return cmp.Compare(a.SortName(), b.SortName()) })
	return list, nil
}

// TaggedAddresses implements audience.Mergers, with all addresses.
func (s *Contacts) TaggedAddresses(_ context.Context, t tenant.ID, after string, _ int) (list []audience.OwnedAddress, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.list {
		for _, a := range c.Addresses {
			if c.Tenant == t && audience.Canonical(a) > after {
				list = append(list, audience.OwnedAddress{Address: a, Contact: c.ID})
			}
		}
	}
	slices.SortFunc(list, func(a, b audience.OwnedAddress) int {
		return cmp.Compare(audience.Canonical(a.Address), audience.Canonical(b.Address))
	})
	return list, nil
}

// PutDistinct implements audience.Mergers.
func (s *Contacts) PutDistinct(_ context.Context, t tenant.ID, list []audience.Distinct) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range list {
		_, err := s.find(t, d.Pair[0])
		if _, bad := s.find(t, d.Pair[1]); err != nil || bad != nil {
			continue
		}
		if !slices.ContainsFunc(s.apart, func(o ownedPair) bool { return o.tenant == t && o.Pair == d.Pair }) {
			s.apart = append(s.apart, ownedPair{t, d})
		}
	}
	return nil
}

// DropDistinct implements audience.Mergers.
func (s *Contacts) DropDistinct(_ context.Context, t tenant.ID, p audience.Pair) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apart = slices.DeleteFunc(s.apart, func(o ownedPair) bool { return o.tenant == t && o.Pair == p })
	return nil
}

// Distinct implements audience.Mergers.
func (s *Contacts) Distinct(_ context.Context, t tenant.ID, limit int) (list []audience.Distinct, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.apart {
		if o.tenant == t && len(list) < limit {
			list = append(list, o.Distinct)
		}
	}
	return list, nil
}
