package audience

import (
	"crypto/sha256"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// Identifier kinds of groups.
type (
	// GroupKind is the id.Kind of groups.
	GroupKind struct{}
	// BatchKind is the id.Kind of batches.
	BatchKind struct{}
)

// Prefix implements id.Kind.
func (GroupKind) Prefix() string { return "grp" }

// Prefix implements id.Kind.
func (BatchKind) Prefix() string { return "bat" }

// Identifiers of groups and of what was added to them.
type (
	// GroupID names a group.
	GroupID = id.Of[GroupKind]
	// BatchID names a batch; an import has the identifier of its batch.
	BatchID = id.Of[BatchKind]
)

// Composition is how the members of a group are determined.
type Composition string

// The compositions.
const (
	Static  Composition = "static"  // whoever was added and not taken out
	Dynamic Composition = "dynamic" // whoever the group's Segment picks, at any moment
)

// Limits of groups.
const (
	MaxGroups        = 500 // of a tenant
	MaxDynamicGroups = 50  // among them
	maxGroupName     = 100 // characters
	maxGroupText     = 500
)

// Group is a set of a tenant's contacts that is written to as one, and that is approved
// as one.
type Group struct {
	ID     GroupID
	Tenant tenant.ID
	// Version grows with every change of what the group says of itself, from 1. Members
	// that come and go do not change it.
	Version     int64
	Name        string // no two groups of a tenant fold to the same (Fold)
	Description string // "" for none
	Kind        Composition
	Segment     *Segment // of a Dynamic group, else nil
	Actor       string   // who made it: "system", or the text of a key's or user's identifier
	// Members is how many there are; of a Dynamic group how many there were at CountedAt.
	Members   int64
	CountedAt time.Time // zero for a Static group
	// CreatedAt and UpdatedAt are to the millisecond.
	CreatedAt time.Time
	UpdatedAt time.Time
}

// check holds a group to the rules and puts it in order. Errors are *fault.Error with a
// field: "group_name_malformed" (name), "group_description_malformed" (description),
// "group_kind_unknown" (kind), and those of Segment.
func (g *Group) check(declared []Field) error {
	var wrong []*fault.Error
	g.Name = norm.NFC.String(strings.Join(strings.Fields(g.Name), " "))
	if g.Name == "" || !line(g.Name, maxGroupName) {
		wrong = append(wrong, fault.Field("name", "group_name_malformed", "A name has 1 to 100 characters on one line."))
	}
	if g.Description = norm.NFC.String(strings.TrimSpace(g.Description)); !prose(g.Description, maxGroupText) {
		wrong = append(wrong, fault.Field("description", "group_description_malformed", "A description has at most 500 characters."))
	}
	switch g.Kind {
	case Static:
		g.Segment = nil
	case Dynamic:
		if g.Segment == nil {
			g.Segment = &Segment{}
		}
		if f := fault.As(g.Segment.Check(declared)); f != nil {
			wrong = append(wrong, f)
		}
	default:
		wrong = append(wrong, fault.Field("kind", "group_kind_unknown", "A group is static or dynamic."))
	}
	return fault.Join(wrong)
}

// prose reports whether text is readable, perhaps in several lines, and has at most n
// characters.
func prose(text string, n int) bool {
	bad := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= n && !strings.ContainsFunc(text, bad)
}

// Membership is one contact in one static group.
type Membership struct {
	Group   GroupID
	Contact ContactID
	Batch   BatchID // with which it came
	AddedAt time.Time
}

// Batch is what brought contacts into a group: an import, or what one person or program
// added within one day (UTC). It stays when its members go, so that where a group comes
// from can always be told.
type Batch struct {
	ID     BatchID
	Tenant tenant.ID
	Group  GroupID
	Origin Origin // OriginImport, OriginOffice or OriginAPI
	Name   string // of the file of an import, "" else
	Source string // where the addresses come from, as the person said who imported them
	Actor  string
	At     time.Time // of its beginning
	Added  int64     // members that came with it, those that left since included
	Undone bool      // its members were taken out again
}

// DayBatch is the batch of what an actor adds to a group by hand or by API on the day of
// an instant: the same for each addition.
func DayBatch(t tenant.ID, g GroupID, o Origin, actor string, at time.Time) Batch {
	day := at.UTC().Truncate(24 * time.Hour)
	b := Batch{ID: id.Lowest[BatchKind](day), Tenant: t, Group: g, Origin: o, Actor: actor, At: at.UTC().Truncate(time.Millisecond)}
	sum := sha256.Sum256([]byte(g.String() + "\x00" + string(o) + "\x00" + actor))
	copy(b.ID[6:], sum[:])
	return b
}

// GroupFacts is what a group's content comes to; approvals are bound to it.
type GroupFacts struct {
	Members int64
	// AddedSince are the members that came since the instant asked for, by batches that
	// began since then; those that left again count.
	AddedSince int64
	// Batches are those of the group, new ones first, at most 500. A dynamic group has none.
	Batches []Batch
}
