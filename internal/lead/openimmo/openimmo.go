// Package openimmo writes and reads the XML that carries a lead (Kontaktanfrage) from
// a portal to an advertiser's software: OpenImmo feedback, and immowelt's own format.
//
// It is vocabulary: it knows which elements may stand where, how often and with which
// values, and nothing of mail. The rules of OpenImmo feedback 1.2.7 are written down
// anew in rules.go, because the licence of the schema forbids shipping it. What Write
// returns has been read back and holds what was to be written, to the letter; package
// lead lets no mail out whose XML Read would refuse.
package openimmo

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Format is a document type of ours.
type Format string

// The formats.
const (
	Feedback Format = "openimmo_feedback" // OpenImmo feedback 1.2.7
	Immowelt Format = "immowelt"          // root objektanfrage
)

// Encoding is how a document becomes bytes. Characters that it lacks are written as
// character references, so that every encoding carries every text.
type Encoding string

// The encodings.
const (
	UTF8   Encoding = "UTF-8"
	Latin1 Encoding = "ISO-8859-1"
)

// Version is the version of OpenImmo that Write claims and keeps to.
const Version = "1.2.7"

// Lead is one prospect's enquiry about one object. Every text may be empty unless said
// otherwise. Line ends inside texts are single line feeds.
type Lead struct {
	// ID is the portal's number of the lead, the same in every redelivery, by which
	// the receiver can tell that it has the lead already. Never empty.
	ID string
	// Sender is the portal's name; never empty.
	Sender string
	// Date is the day of the enquiry in its own zone; the time of day is not carried.
	Date time.Time
	// AdvertiserID is the portal's customer number of the receiver; never empty.
	AdvertiserID string
	Object       Object
	Prospect     Prospect
	Message      string
	// Extra are further facts, in order: OpenImmo has a place for them, immowelt none.
	Extra []Extra
}

// Object is what the enquiry is about.
type Object struct {
	PortalID      string // the portal's number of it
	AdvertiserRef string // the advertiser's number, by which his software finds it
	Title         string
	URL           string
	Street        string
	City          string
	Marketing     []string // KAUF, MIETE_PACHT, …; the format leaves the words free
	Price         string
	Rooms         string
	Area          string // living space
}

// Prospect is who asks.
type Prospect struct {
	Salutation, FirstName, LastName, Company string
	Street, PostalCode, City                 string
	Phone, Mobile, Fax, Email                string
	Preferred                                []Channel
	Wishes                                   []Wish
}

// Channel is how a prospect likes to be answered.
type Channel string

// The channels of OpenImmo.
const (
	ByEmail  Channel = "EMAIL"
	ByPhone  Channel = "TEL"
	ByMobile Channel = "MOBIL"
	ByFax    Channel = "FAX"
	ByLetter Channel = "BRIEF"
)

// Channels are all channels.
func Channels() []Channel { return []Channel{ByEmail, ByPhone, ByMobile, ByFax, ByLetter} }

// Wish is what a prospect asks for.
type Wish string

// The wishes of OpenImmo.
const (
	Viewing Wish = "BESICHTIGUNG"
	Call    Wish = "ANRUF"
	Details Wish = "DETAIL"
)

// Wishes are all wishes.
func Wishes() []Wish { return []Wish{Viewing, Call, Details} }

// Extra is a fact with a name of the sender's own.
type Extra struct{ Name, Value string }

// Write makes the document of a lead. An error is an *InvalidError whose problems name
// the elements, or says that the format is none of ours.
func Write(l Lead, f Format, e Encoding) ([]byte, error) {
	if e != UTF8 && e != Latin1 {
		return nil, fmt.Errorf("write lead: encoding %q is none of ours", e)
	}
	if problems := lacking(l); len(problems) > 0 {
		return nil, &InvalidError{problems}
	}
	var root *node
	switch f {
	case Feedback:
		root = feedbackTree(l)
	case Immowelt:
		root = immoweltTree(l)
	default:
		return nil, fmt.Errorf("write lead: format %q is none of ours", f)
	}
	if problems := unwritable(root, ""); len(problems) > 0 {
		return nil, &InvalidError{problems}
	}
	raw := root.document(e)
	// What counts is what a reader gets.
	got, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("read back what was written: %w", err)
	}
	if problems := check(got); len(problems) > 0 {
		return nil, &InvalidError{problems}
	}
	if !got.equal(root) {
		return nil, fmt.Errorf("read back what was written: it says something else")
	}
	return raw, nil
}

// Read reads a document of either format and of any encoding named here, or refuses it:
// with an *InvalidError if it is XML but not what it claims to be, else with what is
// wrong with the XML. Document type declarations, processing instructions and entities
// of a document's own are refused, and so is what is larger or deeper than any lead.
// Of several objects or prospects it takes the first.
func Read(raw []byte) (Lead, Format, error) {
	root, err := parse(raw)
	if err != nil {
		return Lead{}, "", err
	}
	if problems := check(root); len(problems) > 0 {
		return Lead{}, "", &InvalidError{problems}
	}
	if root.name == string(Feedback) {
		return feedbackLead(root), Feedback, nil
	}
	return immoweltLead(root), Immowelt, nil
}

// Problem is one thing wrong with a document.
type Problem struct {
	// Path names the element: "openimmo_feedback/objekt/interessent/bevorzugt".
	Path string
	// Code is "missing", "unknown", "misplaced", "repeated", "value", "number",
	// "text", "attribute", "too_new" or "character".
	Code string
	// Detail is one English sentence.
	Detail string
}

// InvalidError is a document that breaks the rules of its format.
type InvalidError struct{ Problems []Problem }

// Error implements error.
func (e *InvalidError) Error() string {
	var b strings.Builder
	b.WriteString("invalid lead document")
	for i, p := range e.Problems {
		if i == 3 {
			fmt.Fprintf(&b, "; and %d more", len(e.Problems)-i)
			break
		}
		b.WriteString(": " + p.Path + ": " + p.Detail)
	}
	return b.String()
}

// lacking lists what a lead is useless without, under the names of the fields.
func lacking(l Lead) (problems []Problem) {
	for _, c := range []struct {
		name string
		gone bool
	}{{"ID", l.ID == ""}, {"Sender", l.Sender == ""}, {"Date", l.Date.IsZero()}, {"AdvertiserID", l.AdvertiserID == ""}} {
		if c.gone {
			problems = append(problems, Problem{c.name, "missing", "must be there"})
		}
	}
	return problems
}

func texts[S ~string](list []S) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

func named[S ~string](list []string) []S {
	if len(list) == 0 {
		return nil
	}
	out := make([]S, 0, len(list))
	for _, s := range list {
		out = append(out, S(s))
	}
	return slices.Clip(out)
}
