package audience

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/fault"
)

// FieldType is what a field of one's own may hold.
type FieldType string

// The types of fields.
const (
	TextField   FieldType = "text"
	NumberField FieldType = "number" // decimal point or comma; kept with a point
	DateField   FieldType = "date"   // 2026-11-22, or 22.11.2026; kept as the first
	ChoiceField FieldType = "choice" // one of Choices
	ZoneField   FieldType = "zone"   // a time zone of the tz database: Europe/Berlin
)

// FieldTypes lists them.
func FieldTypes() []FieldType {
	return []FieldType{TextField, NumberField, DateField, ChoiceField, ZoneField}
}

// MaxFields bounds the fields a tenant declares.
const MaxFields = 50

const maxChoices = 100

// Field is a field that a tenant's contacts have beside those of every contact.
type Field struct {
	Key     string // names it in the API and in files: a letter, then letters, digits, _; at most 40
	Label   string // what people read, "" for the key
	Type    FieldType
	Choices []string // of a ChoiceField
}

// Title is what people read.
func (f Field) Title() string {
	if f.Label == "" {
		return f.Key
	}
	return f.Label
}

var fieldKey = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// check: "contact_field_key_malformed" (key), "contact_text_malformed" (label),
// "contact_field_type_unknown" (type), "contact_field_choices" (choices).
func (f *Field) check() error {
	var wrong []*fault.Error
	if !fieldKey.MatchString(f.Key) {
		wrong = append(wrong, fault.Field("key", "contact_field_key_malformed", "A key is a lower-case letter, then letters, digits and _; at most 40."))
	}
	if f.Label = strings.TrimSpace(f.Label); !line(f.Label, maxContactText) {
		wrong = append(wrong, fault.Field("label", "contact_text_malformed", "At most 200 characters on one line."))
	}
	if !slices.Contains(FieldTypes(), f.Type) {
		wrong = append(wrong, fault.Field("type", "contact_field_type_unknown", "There is no such type."))
	}
	if f.Type != ChoiceField {
		f.Choices = nil
	}
	bad := func(c string) bool { return c == "" || !line(c, maxContactText) }
	if f.Type == ChoiceField && (len(f.Choices) == 0 || len(f.Choices) > maxChoices || slices.ContainsFunc(f.Choices, bad)) {
		wrong = append(wrong, fault.Field("choices", "contact_field_choices", "A choice has 1 to 100 values of one line."))
	}
	return fault.Join(wrong)
}

// value is the canonical writing of a value, and false where it does not fit.
func (f Field) value(text string) (string, bool) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return "", true
	case !line(text, maxContactValue):
		return "", false
	}
	switch f.Type {
	case NumberField:
		point := strings.Replace(text, ",", ".", 1)
		n, err := strconv.ParseFloat(point, 64)
		if err != nil || n != n || n-n != 0 {
			return "", false
		}
		return point, true
	case DateField:
		for _, layout := range []string{time.DateOnly, "02.01.2006", "2.1.2006"} {
			if t, err := time.Parse(layout, text); err == nil {
				return t.Format(time.DateOnly), true
			}
		}
		return "", false
	case ChoiceField:
		return text, slices.Contains(f.Choices, text)
	case ZoneField:
		_, ok := LoadZone(text)
		return text, ok
	}
	return text, true
}

// refused is the code and the sentence about a value that does not fit.
func (f Field) refused() (code, detail string) {
	if f.Type == ZoneField {
		return "time_zone_unknown", "Time zones are written as Europe/Berlin."
	}
	return "contact_field_malformed", "The value does not fit the field's type."
}

// maxZone bounds the name of a time zone, as in the settings of accounts.
const maxZone = 64

// LoadZone is the time zone of a name of the tz database; false if there is none. The zone of
// the machine has no name.
func LoadZone(name string) (*time.Location, bool) {
	if name == "" || name == "Local" || len(name) > maxZone {
		return nil, false
	}
	zone, err := time.LoadLocation(name)
	return zone, err == nil
}

// ZoneKey is the key of the field in which contacts have their time zone, "" if none is
// declared. There is one at most.
func ZoneKey(declared []Field) string {
	i := slices.IndexFunc(declared, func(f Field) bool { return f.Type == ZoneField })
	if i < 0 {
		return ""
	}
	return declared[i].Key
}
