package audience

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// Limits of a Segment.
const (
	MaxSegmentDepth = 4        // a test alone has depth 1
	MaxSegmentTests = 50       // tests in it
	MaxSegmentBytes = 16 << 10 // of its JSON
)

// Segment picks contacts. It is a tree: exactly one of All, Any, Not and Of is set; the
// zero Segment picks nobody and is refused. Its JSON is how programs and rows write it:
//
//	{"all":[{"of":"tag","is":"has","value":"vip"},{"of":"fields/city","is":"equals","value":"Bremen"}]}
//
// The language is closed: subjects and comparisons come from lists, values are never
// anything but values.
type Segment struct {
	All []Segment `json:"all,omitempty"` // each of them picks the contact
	Any []Segment `json:"any,omitempty"` // one of them does
	Not *Segment  `json:"not,omitempty"` // it does not
	// Of is what a test looks at: one of SegmentSubjects, or "fields/" and a key.
	Of    string     `json:"of,omitempty"`
	Is    Comparison `json:"is,omitempty"`
	Value string     `json:"value,omitempty"` // "" with Empty and Present
}

// Comparison is how a test compares. Letters from A to Z count the same in either case.
type Comparison string

// The comparisons.
const (
	Equals   Comparison = "equals"
	Differs  Comparison = "differs" // also where nothing stands
	Begins   Comparison = "begins"
	Contains Comparison = "contains"
	Empty    Comparison = "empty"
	Present  Comparison = "present"
	Less     Comparison = "less" // of numbers
	More     Comparison = "more"
	Before   Comparison = "before" // of days: 2026-11-22
	After    Comparison = "after"
	Within   Comparison = "within" // the last so many days, today included
	Has      Comparison = "has"    // of tags and groups
	Lacks    Comparison = "lacks"
)

// SegmentSubjects lists what a test may look at beside fields of one's own.
func SegmentSubjects() []string {
	return []string{"tag", "group", "domain", "company", "given_name", "family_name", "salutation", "phone", "locale", "reference",
		"origin", "created_at", "updated_at", "consent", "consent_basis", "consent_state", "confirmed_at"}
}

// SegmentValues are those that a test of a subject may ask for, nil where any will do.
// Those of consents are the purposes, bases and states of package consent: "consent" and
// "consent_basis" look at what holds, "consent_state" at all of it, and "confirmed_at" at
// when a consent that holds was confirmed by the person (double opt-in).
func SegmentValues(subject string) []string {
	switch subject {
	case "origin":
		return []string{string(OriginOffice), string(OriginAPI), string(OriginMail), string(OriginImport), string(OriginForm)}
	case "locale":
		return []string{"de", "en"}
	case "consent":
		return []string{string(tenant.Newsletter), string(tenant.Reminder)}
	case "consent_basis":
		return []string{"double_opt_in", "written", "existing_customer", "contract"}
	case "consent_state":
		return []string{"suspect", "asked", "given", "withdrawn"}
	}
	return nil
}

// fieldSubject is what stands before the key of a field of one's own.
const fieldSubject = "fields/"

// FieldKey is the key of the field of one's own that the test looks at, "" if it looks at
// something else.
func (s Segment) FieldKey() string {
	key, ok := strings.CutPrefix(s.Of, fieldSubject)
	if !ok {
		return ""
	}
	return key
}

// Comparisons are those that a subject may be compared by, nil for one that does not exist.
func Comparisons(subject string, declared []Field) []Comparison {
	key, own := strings.CutPrefix(subject, fieldSubject)
	if own {
		i := slices.IndexFunc(declared, func(f Field) bool { return f.Key == key })
		if i < 0 {
			return nil
		}
		switch declared[i].Type {
		case NumberField:
			return []Comparison{Equals, Differs, Less, More, Empty, Present}
		case DateField:
			return []Comparison{Before, After, Within, Empty, Present}
		case ChoiceField, ZoneField:
			return []Comparison{Equals, Differs, Empty, Present}
		case TextField:
		}
		return []Comparison{Equals, Differs, Begins, Contains, Empty, Present}
	}
	switch subject {
	case "tag", "group", "consent", "consent_basis", "consent_state":
		return []Comparison{Has, Lacks}
	case "domain", "origin", "locale":
		return []Comparison{Equals, Differs}
	case "created_at", "updated_at", "confirmed_at":
		return []Comparison{Before, After, Within}
	}
	if slices.Contains(SegmentSubjects(), subject) {
		return []Comparison{Equals, Differs, Begins, Contains, Empty, Present}
	}
	return nil
}

// ParseSegment reads the JSON form of a Segment. It is not yet held to the tenant's
// fields, see Check. Errors: "segment_malformed", "segment_too_large" (field "segment").
func ParseSegment(text []byte) (Segment, error) {
	if len(text) > MaxSegmentBytes {
		return Segment{}, segmentTooLarge()
	}
	// Depth is bounded before anything is built: a decoder goes as deep as it is led.
	if nesting(text) > 2*MaxSegmentDepth {
		return Segment{}, segmentTooLarge()
	}
	var s Segment
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	err := in.Decode(&s)
	if _, more := in.Token(); err == nil && !errors.Is(more, io.EOF) {
		err = errSegmentTail
	}
	if err != nil {
		return Segment{}, &fault.Error{Kind: fault.Invalid, Code: "segment_malformed", Field: "segment", Detail: "This is not a filter.", Err: err}
	}
	return s, nil
}

var errSegmentTail = errors.New("more than one value")

// nesting is how deep brackets stand in each other, those in texts included.
func nesting(text []byte) int {
	deep, most := 0, 0
	for _, c := range text {
		switch c {
		case '{', '[':
			deep++
			most = max(most, deep)
		case '}', ']':
			deep--
		}
	}
	return most
}

func segmentTooLarge() error {
	return fault.Field("segment", "segment_too_large", "A filter has at most 50 tests, nested 4 deep.")
}

// Check holds a Segment to the rules and to a tenant's fields. Errors are *fault.Error:
// "segment_malformed", "segment_too_large", "segment_subject_unknown",
// "segment_comparison_unknown", "segment_value_malformed", all at "segment" or a path
// below it.
func (s Segment) Check(declared []Field) error {
	tests := 0
	return s.check("segment", 1, &tests, declared)
}

func (s Segment) check(path string, depth int, tests *int, declared []Field) error {
	if depth > MaxSegmentDepth {
		return segmentTooLarge()
	}
	set := 0
	for _, one := range []bool{len(s.All) > 0, len(s.Any) > 0, s.Not != nil, s.Of != ""} {
		if one {
			set++
		}
	}
	if set != 1 || s.Of == "" && (s.Is != "" || s.Value != "") {
		return fault.Field(path, "segment_malformed", "A filter is one of all, any, not and a test.")
	}
	if s.Of != "" {
		if *tests++; *tests > MaxSegmentTests {
			return segmentTooLarge()
		}
		return s.checkTest(path, declared)
	}
	for name, parts := range map[string][]Segment{"all": s.All, "any": s.Any} {
		for i, part := range parts {
			if err := part.check(path+"/"+name+"/"+strconv.Itoa(i), depth+1, tests, declared); err != nil {
				return err
			}
		}
	}
	if s.Not != nil {
		return s.Not.check(path+"/not", depth+1, tests, declared)
	}
	return nil
}

func (s Segment) checkTest(path string, declared []Field) error {
	comparisons := Comparisons(s.Of, declared)
	switch {
	case comparisons == nil:
		return fault.Field(path+"/of", "segment_subject_unknown", "There is nothing of this name to look at.")
	case !slices.Contains(comparisons, s.Is):
		return fault.Field(path+"/is", "segment_comparison_unknown", "This cannot be compared so.")
	case !s.fits():
		return fault.Field(path+"/value", "segment_value_malformed", "The value does not fit the comparison.")
	}
	return nil
}

// maxWithin is how many days Within looks back.
const maxWithin = 3660

// fits reports whether the value of a test is one that its comparison takes.
func (s Segment) fits() bool {
	if s.Is == Empty || s.Is == Present {
		return s.Value == ""
	}
	if s.Value == "" || !line(s.Value, maxContactValue) {
		return false
	}
	switch s.Is {
	case Less, More:
		_, ok := Field{Type: NumberField}.value(s.Value)
		return ok
	case Before, After:
		_, err := time.Parse(time.DateOnly, s.Value)
		return err == nil
	case Within:
		n, err := strconv.Atoi(s.Value)
		return err == nil && n >= 1 && n <= maxWithin
	case Equals, Differs, Begins, Contains, Empty, Present, Has, Lacks:
	}
	if values := SegmentValues(s.Of); strings.HasPrefix(s.Of, "consent") && !slices.Contains(values, s.Value) {
		return false
	}
	if s.Of == "group" {
		_, err := id.Parse[GroupKind](s.Value)
		return err == nil
	}
	return true
}

// Groups are the static groups that a Segment looks at, each once.
func (s Segment) Groups() []GroupID {
	var list []GroupID
	s.each(func(test Segment) {
		if g, err := id.Parse[GroupKind](test.Value); test.Of == "group" && err == nil && !slices.Contains(list, g) {
			list = append(list, g)
		}
	})
	return list
}

// each calls do for every test.
func (s Segment) each(do func(Segment)) {
	if s.Of != "" {
		do(s)
	}
	for _, part := range slices.Concat(s.All, s.Any) {
		part.each(do)
	}
	if s.Not != nil {
		s.Not.each(do)
	}
}
