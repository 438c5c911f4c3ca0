// Package offer keeps offers (Angebote): a page for each recipient with texts, pictures,
// documents, floor plans, links and units, and with the withdrawal notice that is
// confirmed there before the exposé opens.
//
// It is floor 3. An offer is a draft until it is published; what recipients see is the
// last published version, which never changes. Its mails go through ingest like any other.
// What recipients confirm or declare by a form is proof and kept here, whatever is
// tracked; that something was looked at is an indication, handed to package tracking and
// kept nowhere in this room. It draws no pages (public, web) and makes no certificate of what
// it knows: Facts is what one is made of.
package offer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"stafette/internal/id"
	"stafette/internal/tenant"
)

// Kind is the id.Kind of offers.
type Kind struct{}

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "off" }

// ID names an offer.
type ID = id.Of[Kind]

// State of an offer.
type State string

// The states. Draft was never published; what is Ended shows recipients a notice.
const (
	Draft     State = "draft"
	Published State = "published"
	Ended     State = "ended"
)

// States are all states.
func States() []State { return []State{Draft, Published, Ended} }

// Offer is an offer with the draft of its content.
type Offer struct {
	ID      ID
	Tenant  tenant.ID
	State   State
	Version int // the last that was published, from 1; 0: none
	Content Content
	// Creator is the user or key that made it and is told of what happens to it.
	Creator     string
	CreatedAt   time.Time
	UpdatedAt   time.Time // of the draft
	PublishedAt time.Time // of Version
}

// Changed reports whether the draft differs in time from what recipients see.
func (o Offer) Changed() bool { return o.Version > 0 && o.UpdatedAt.After(o.PublishedAt) }

// Version is a content as it was published.
type Version struct {
	Number  int
	Content Content
	Actor   string
	At      time.Time
}

// Content is what an offer says. All texts are plain: an empty line parts paragraphs,
// nothing in them is taken for markup.
type Content struct {
	Title   string   `json:"title"`
	Lead    string   `json:"lead,omitempty"` // one or two sentences under the title
	Text    string   `json:"text,omitempty"`
	Figures []Figure `json:"figures,omitempty"`
	Units   []Unit   `json:"units,omitempty"`
	Links   []Link   `json:"links,omitempty"`
	Files   []File   `json:"files,omitempty"` // in the order of the page
	Contact Contact  `json:"contact,omitzero"`
	Legal   Legal    `json:"legal,omitzero"`
	// From is the mailbox that the offer's mails and receipts come from, as text.
	From string `json:"from,omitempty"`
}

// Figure is a short fact: living space, price, commission.
type Figure struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// UnitState says whether a unit can be had.
type UnitState string

// The states of units.
const (
	Free     UnitState = "free"
	Reserved UnitState = "reserved"
	Sold     UnitState = "sold"
)

// UnitStates are all of them.
func UnitStates() []UnitState { return []UnitState{Free, Reserved, Sold} }

// Unit is a part of a project that can be had by itself (Einheit).
type Unit struct {
	ID    string    `json:"id"` // stays when the rest changes
	Name  string    `json:"name"`
	Price string    `json:"price,omitempty"`
	Area  string    `json:"area,omitempty"`
	State UnitState `json:"state"`
}

// Link leads to a page elsewhere.
type Link struct {
	ID    string `json:"id"`
	Label string `json:"label"`
	URL   string `json:"url"` // http or https
}

// Contact is whom recipients ask.
type Contact struct {
	Name  string `json:"name,omitempty"`
	Phone string `json:"phone,omitempty"`
	Email string `json:"email,omitempty"`
}

// FileKind is what a file is to its offer.
type FileKind string

// The kinds of file. There is at most one exposé.
const (
	Picture   FileKind = "picture"
	Expose    FileKind = "expose"
	Document  FileKind = "document"
	FloorPlan FileKind = "floorplan"
)

// FileKinds are all of them.
func FileKinds() []FileKind { return []FileKind{Picture, Expose, FloorPlan, Document} }

// File is a picture or document by version and hash; its bytes are kept apart.
type File struct {
	ID      string   `json:"id"` // stays when the file is replaced
	Kind    FileKind `json:"kind"`
	Title   string   `json:"title"` // of a picture: what it shows, for those who do not see it
	Name    string   `json:"name"`  // file name for downloads
	Media   string   `json:"media"`
	Size    int64    `json:"size"`
	SHA256  Hash     `json:"sha256"`
	Version int      `json:"version"` // counts replacements, from 1
	// Width and Height of a picture in pixels.
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`
}

// Hash is a SHA-256.
type Hash [32]byte

// String is the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	if err != nil || len(raw) != len(h) {
		return errHash
	}
	copy(h[:], raw)
	return nil
}

// Pictures are the files that stand on the page.
func (c Content) Pictures() []File { return c.of(Picture) }

// Papers are the files to take along without the exposé: floor plans, then documents.
func (c Content) Papers() []File { return append(c.of(FloorPlan), c.of(Document)...) }

// ExposeFile returns the exposé if there is one.
func (c Content) ExposeFile() (File, bool) {
	list := c.of(Expose)
	if len(list) == 0 {
		return File{}, false
	}
	return list[0], true
}

func (c Content) of(k FileKind) (list []File) {
	for _, f := range c.Files {
		if f.Kind == k {
			list = append(list, f)
		}
	}
	return list
}

// File returns the file with an identifier.
func (c Content) File(id string) (File, bool) {
	return found(c.Files, func(f File) bool { return f.ID == id })
}

// Unit returns the unit with an identifier.
func (c Content) Unit(id string) (Unit, bool) {
	return found(c.Units, func(u Unit) bool { return u.ID == id })
}

// Link returns the link with an identifier.
func (c Content) Link(id string) (Link, bool) {
	return found(c.Links, func(l Link) bool { return l.ID == id })
}

func found[T any](list []T, is func(T) bool) (v T, ok bool) {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i], true
	}
	return v, false
}

// BoxKind is what a box of the form is about.
type BoxKind string

// The boxes, in the order of the form. Permission is for further offers by mail; it is
// never needed.
const (
	BoxNotice     BoxKind = "notice"     // withdrawal notice received and read
	BoxEarlyStart BoxKind = "early"      // begin before the withdrawal period ends
	BoxCommission BoxKind = "commission" // knows that a commission falls due
	BoxTerms      BoxKind = "terms"
	BoxPrivacy    BoxKind = "privacy"
	BoxPermission BoxKind = "permission"
)

// BoxKinds are all of them.
func BoxKinds() []BoxKind {
	return []BoxKind{BoxNotice, BoxEarlyStart, BoxCommission, BoxTerms, BoxPrivacy, BoxPermission}
}

// Box is a box to tick, with the sentence beside it.
type Box struct {
	Kind   BoxKind `json:"kind"`
	Text   string  `json:"text"`
	Needed bool    `json:"needed,omitempty"`
}

// Legal is the withdrawal notice with its form. The zero value has neither.
type Legal struct {
	// Gate keeps the exposé closed until the form was confirmed.
	Gate bool `json:"gate,omitempty"`
	// Notice is the text of the withdrawal notice; Terms and Privacy are what the boxes of
	// these kinds are about.
	Notice  string `json:"notice,omitempty"`
	Terms   string `json:"terms,omitempty"`
	Privacy string `json:"privacy,omitempty"`
	Boxes   []Box  `json:"boxes,omitempty"`
}

// Asks reports whether there is a form to confirm.
func (l Legal) Asks() bool { return len(l.Boxes) > 0 }

// Hash stands for the wording: the texts and every box. Whoever confirmed a wording need
// not confirm it again.
func (l Legal) Hash() Hash {
	h := sha256.New()
	add := func(s string) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	add("stafette offer wording 1")
	add(l.Notice)
	add(l.Terms)
	add(l.Privacy)
	for _, b := range l.Boxes {
		add(string(b.Kind))
		add(b.Text)
		if b.Needed {
			add("needed")
		} else {
			add("")
		}
	}
	return Hash(h.Sum(nil))
}

// NoticeHash stands for the withdrawal notice alone.
func (l Legal) NoticeHash() Hash { return sha256.Sum256([]byte(l.Notice)) }
