package audience

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"time"

	"github.com/pelletier/go-toml/v2"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Classes of outcomes that are no bounces.
const (
	ClassComplaint   = "complaint"
	ClassUnsubscribe = "unsubscribe"
	classHard        = "hard" // stands for every hard class without a rule of its own
)

const (
	maxRuleCount = 100
	maxRuleDays  = 3650
)

// Rule says when an outcome makes a suppression.
type Rule struct {
	Class   string          `toml:"class" json:"class"`
	Streams []tenant.Stream `toml:"streams" json:"streams,omitempty"` // of the mail; none: all
	Count   int             `toml:"count" json:"count"`               // deliveries; 1 at once, 0 never
	Within  int             `toml:"within" json:"within,omitempty"`   // days; not asked for where Count is 0 or 1
	Lasts   int             `toml:"lasts" json:"lasts,omitempty"`     // days; 0 for good
	// Everywhere makes it hold for all streams, not only for that of the mail.
	Everywhere bool `toml:"everywhere" json:"everywhere,omitempty"`
}

// Rules are tried in order; the first that fits decides.
type Rules []Rule

//go:embed rules.toml
var rulesFile []byte

// DefaultRules are those of rules.toml. An error is a mistake in that file.
func DefaultRules() (Rules, error) {
	var file struct {
		Rule Rules `toml:"rule"`
	}
	if err := toml.NewDecoder(bytes.NewReader(rulesFile)).DisallowUnknownFields().Decode(&file); err != nil {
		return nil, fmt.Errorf("rules.toml: %w", err)
	}
	if err := file.Rule.check(file.Rule); err != nil {
		return nil, fmt.Errorf("rules.toml: %w", err)
	}
	return file.Rule, nil
}

// check holds rules to their limits and to the classes that defaults knows. Errors are
// *fault.Error with codes "rules_too_many", "class_not_suppressing", "stream_unknown",
// "rule_malformed".
func (r Rules) check(defaults Rules) error {
	if len(r) > 100 {
		return fault.Field("rules", "rules_too_many", "A tenant has at most 100 rules.")
	}
	var wrong []*fault.Error
	for i, v := range r {
		refuse := func(field, code, detail string) {
			wrong = append(wrong, fault.Field(fmt.Sprintf("rules/%d/%s", i, field), code, detail))
		}
		if !slices.ContainsFunc(defaults, func(d Rule) bool { return d.Class == v.Class }) {
			refuse("class", "class_not_suppressing", "Outcomes of this class never suppress an address.")
		}
		for _, s := range v.Streams {
			if !s.Valid() {
				refuse("streams", "stream_unknown", "There is no such stream.")
			}
		}
		switch {
		case v.Count < 0 || v.Count > maxRuleCount:
			refuse("count", "rule_malformed", "A count is 0 to 100.")
		case v.Within < 0 || v.Within > maxRuleDays || v.Count > 1 && v.Within == 0:
			refuse("within", "rule_malformed", "Counting more than one needs a time of 1 to 3650 days.")
		case v.Lasts < 0 || v.Lasts > maxRuleDays:
			refuse("lasts", "rule_malformed", "An end is after 0 (never) to 3650 days.")
		}
	}
	return fault.Join(wrong)
}

// with puts a tenant's own rules before the defaults of other classes: what a tenant
// says about a class replaces all that the defaults say about it.
func (r Rules) with(own Rules) Rules {
	all := slices.Clone(own)
	for _, d := range r {
		if !slices.ContainsFunc(own, func(o Rule) bool { return o.Class == d.Class }) {
			all = append(all, d)
		}
	}
	return all
}

// fits reports whether the rule speaks about outcomes of a class on a stream.
func (r Rule) fits(class string, s tenant.Stream) bool {
	return r.Class == class && (len(r.Streams) == 0 || slices.Contains(r.Streams, s))
}

// find returns the rule for an outcome; ok is false if nothing follows from it.
func (r Rules) find(class string, hard bool, s tenant.Stream) (rule Rule, ok bool) {
	named := false
	for _, v := range r {
		if v.Class == class {
			named = true
			if v.fits(class, s) {
				return v, v.Count > 0
			}
		}
	}
	if hard && !named && class != classHard {
		return r.find(classHard, false, s)
	}
	return Rule{}, false
}

// reason is that of the suppressions a rule makes.
func (r Rule) reason(hard bool) Reason {
	switch {
	case r.Class == ClassComplaint:
		return Complaint
	case r.Class == ClassUnsubscribe:
		return Unsubscribed
	case hard:
		return HardBounce
	}
	return RepeatedBounce
}

const day = 24 * time.Hour

// strike makes of a report what the rule demands.
func (r Rule) strike(v Report, h Hash) *Strike {
	k := &Strike{Count: r.Count, Since: v.At.Add(-time.Duration(r.Within) * day)}
	k.Entry = Entry{
		Tenant: v.Tenant, Hash: h, Address: v.Address, Stream: v.Stream, Reason: r.reason(v.Hard), Class: v.Class,
		Source: v.Delivery, Actor: "system", CreatedAt: v.At.UTC().Truncate(time.Millisecond),
	}
	if r.Everywhere {
		k.Entry.Stream = ""
	}
	if r.Lasts > 0 {
		k.Entry.ExpiresAt = k.Entry.CreatedAt.Add(time.Duration(r.Lasts) * day)
	}
	return k
}
