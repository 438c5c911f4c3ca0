package diagnosis

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

const (
	maxNear = 6
	// nearEach bounds the addresses looked at for one local part.
	nearEach = 6
	// maxSpellings bounds the local parts tried.
	maxSpellings = 12
)

// Likeness says why an address may be meant. Its text is "diag.near.<likeness>".
type Likeness string

// The likenesses, from strong to weak.
const (
	Slip      Likeness = "slip"  // domains that differ by a slip of the finger
	SameName  Likeness = "name"  // the same display name
	SameLocal Likeness = "local" // the same local part at another domain
	Alike     Likeness = "alike" // a local part made of the same names
)

func (l Likeness) rank() int { return slices.Index([]Likeness{Slip, SameName, SameLocal, Alike}, l) }

// Near is an address that the tenant sent to and that may be the one meant.
type Near struct {
	Address  message.Address
	Name     string // display name in the newest message to it
	Why      Likeness
	Message  insight.Message // the newest to it
	Delivery insight.Delivery
}

// near looks for other addresses of the same person, and for slips, among those the
// tenant sent to. It asks indexes only: addresses begin with their local part, and a
// person's name makes few of them.
func (s *Service) near(ctx context.Context, t tenant.ID, a Answer) ([]Near, error) {
	asked, name := a.Address, ""
	if a.Found() {
		v := a.Verdicts[0]
		if asked.IsZero() && len(a.Verdicts) == 1 {
			asked = v.Delivery.Recipient
		}
		name = nameOf(v.Message, v.Delivery.Recipient)
	}
	if asked.IsZero() {
		name = a.Query
	}
	seen := map[string]bool{canonical(asked): true}
	for _, v := range a.Verdicts {
		seen[canonical(v.Delivery.Recipient)] = true
	}
	var list []Near
	for i, local := range spellings(asked.Local, name) {
		if i == maxSpellings || len(list) >= 2*maxNear {
			break
		}
		found, err := s.Store.Addressees(ctx, t, local, nearEach)
		if err != nil {
			return nil, err
		}
		for _, one := range found {
			if seen[canonical(one.Address)] {
				continue
			}
			seen[canonical(one.Address)] = true
			n, err := s.nearby(ctx, t, one, asked, name)
			if fault.IsKind(err, fault.NotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			list = append(list, n)
		}
	}
	slices.SortStableFunc(list, nearFirst)
	return list[:min(len(list), maxNear)], nil
}

// nearby tells of an addressee, and why it may be meant.
func (s *Service) nearby(ctx context.Context, t tenant.ID, one Addressee, asked message.Address, name string) (Near, error) {
	m, err := s.Mail.Message(ctx, t, message.Of(one.Last))
	if err != nil {
		return Near{}, err
	}
	n := Near{Address: one.Address, Name: nameOf(m, one.Address), Why: Alike, Message: m}
	for _, d := range m.Deliveries {
		if d.ID == one.Last {
			n.Delivery = d
		}
	}
	sameLocal := strings.EqualFold(one.Address.Local, asked.Local)
	switch {
	case sameLocal && audience.Slips(one.Address.Domain, asked.Domain) <= 2:
		n.Why = Slip
	case n.Name != "" && strings.EqualFold(n.Name, name):
		n.Why = SameName
	case sameLocal:
		n.Why = SameLocal
	}
	n.Message.Deliveries = nil
	return n, nil
}

// spellings lists local parts that a person's addresses may begin with: the one asked
// for, and what people make of two names, "eva.sommer", "e.sommer", "esommer",
// "sommer.eva" and so on. Jobs (info, rechnung) are one name and make none: at other
// domains they are other people.
func spellings(local, name string) []string {
	var list []string
	if local != "" {
		list = append(list, strings.ToLower(local))
	}
	for _, source := range []string{name, local} {
		names := splitNames(source)
		if len(names) < 2 || len(names) > 4 {
			continue
		}
		first, last := names[0], names[len(names)-1]
		initial := string([]rune(first)[:1])
		list = append(list, first+"."+last, first+last, initial+"."+last, initial+last, last+"."+first, first+"_"+last, first+"-"+last)
	}
	var unique []string
	for _, one := range list {
		if !slices.Contains(unique, one) {
			unique = append(unique, one)
		}
	}
	return unique
}

// splitNames takes a display name or local part apart, in lower case and as names are
// written in addresses. One-letter parts are initials and make too many people alike.
func splitNames(s string) []string {
	s, _, _ = strings.Cut(s, "@")
	s = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss").Replace(strings.ToLower(s))
	parts := strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) })
	return slices.DeleteFunc(parts, func(part string) bool { return len([]rune(part)) < 2 || titles(part) })
}

// titles are parts of a display name that are nobody's name.
func titles(part string) bool {
	switch part {
	case "dr", "prof", "herr", "frau", "mr", "mrs", "ms", "von", "van", "de", "der", "gmbh", "ag", "kg", "ohg", "mbh", "ug":
		return true
	}
	return false
}
