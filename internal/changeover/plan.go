package changeover

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/message"
)

// What a plan says where nobody says otherwise.
const (
	// Notice is between the announcement and the test phase.
	Notice = 14 * 24 * time.Hour
	// TestPhase is how long a small share tells whom the new sources trouble.
	TestPhase = 24 * time.Hour
	// OverlapTime is how long the old sources go on after the cut-over.
	OverlapTime = 6 * 7 * 24 * time.Hour
	// TestShare is the percentage of the test phase.
	TestShare = 5
)

// Bounds of a plan.
const (
	maxName    = 100
	maxSources = 64
	maxSteps   = 20
	maxDomains = 50
	maxShares  = 200
	maxAhead   = 2 * 365 * 24 * time.Hour
)

// Defaults is a plan that begins now, with everything but names and sources.
func Defaults(now time.Time) Changeover {
	now = now.UTC().Truncate(time.Minute)
	c := Changeover{Stage: Draft, AnnounceAt: now, TestFrom: now.Add(Notice), TestShare: TestShare}
	c.CutoverAt = c.TestFrom.Add(TestPhase)
	c.OverlapUntil = c.CutoverAt.Add(OverlapTime)
	c.Steps = Ramp(c.CutoverAt)
	return c
}

// Ramp is the usual way from the cut-over to all mail: two weeks, slow at first.
func Ramp(from time.Time) []Step {
	const day = 24 * time.Hour
	return []Step{{from, 25}, {from.Add(2 * day), 50}, {from.Add(5 * day), 70}, {from.Add(9 * day), 90}, {from.Add(14 * day), 100}}
}

// wrong lists what is wrong with the plan itself, by field: name, old, new,
// announce_at, test_from, cutover_at, overlap_until, test_share, steps/<i>,
// imprint_host, domains/<i>.
func (c Changeover) wrong(plan egress.Plan) []*fault.Error {
	var list []*fault.Error
	bad := func(field, code, detail string) { list = append(list, fault.Field(field, code, detail)) }
	if !soundName(c.Name) {
		bad("name", "changeover_name", "A name has 1 to 100 characters on one line.")
	}
	for field, sources := range map[string][]string{"old": c.Old, "new": c.New} {
		switch {
		case len(sources) == 0:
			bad(field, "changeover_sources", "Name at least one source.")
		case len(sources) > maxSources:
			bad(field, "changeover_too_many", "Too many sources.")
		}
		for _, name := range sources {
			if _, there := plan.Source(name); !there {
				bad(field, "source_unknown", "There is no source "+fault.Quote(name)+".")
			}
		}
	}
	if slices.ContainsFunc(c.New, func(name string) bool { return slices.Contains(c.Old, name) }) {
		bad("new", "changeover_both", "A source is either old or new.")
	}
	for i, d := range c.Domains {
		if _, err := message.ParseDomain(d); err != nil || !strings.Contains(d, ".") || i >= maxDomains {
			bad(fmt.Sprintf("domains/%d", i), "domain_malformed", "This is no domain.")
		}
	}
	if c.ImprintHost != "" {
		if _, err := message.ParseDomain(c.ImprintHost); err != nil || !strings.Contains(c.ImprintHost, ".") {
			bad("imprint_host", "ehlo_malformed", "The name must be a full host name.")
		}
	}
	return append(list, c.wrongTimes()...)
}

func soundName(s string) bool {
	return strings.TrimSpace(s) != "" && utf8.RuneCountInString(s) <= maxName && !strings.ContainsFunc(s, unicode.IsControl)
}

// wrongTimes lists what is wrong with dates and shares.
func (c Changeover) wrongTimes() []*fault.Error {
	var list []*fault.Error
	bad := func(field, code, detail string) { list = append(list, fault.Field(field, code, detail)) }
	before := c.AnnounceAt
	if before.IsZero() {
		bad("announce_at", "time_malformed", "The date is missing.")
	}
	for _, d := range []struct {
		field string
		at    time.Time
	}{{"test_from", c.TestFrom}, {"cutover_at", c.CutoverAt}, {"overlap_until", c.OverlapUntil}} {
		switch {
		case d.at.IsZero():
			bad(d.field, "time_malformed", "The date is missing.")
		case !d.at.After(before):
			bad(d.field, "changeover_order", "Announcement, test phase, cut-over and end of the overlap follow each other.")
		case d.at.After(c.AnnounceAt.Add(maxAhead)):
			bad(d.field, "changeover_far", "That is more than two years after the announcement.")
		}
		before = d.at
	}
	if c.TestShare < 0 || c.TestShare > 100 {
		bad("test_share", "share_out_of_range", "A share is 0 to 100 percent.")
	}
	if len(c.Steps) == 0 || len(c.Steps) > maxSteps {
		bad("steps", "changeover_steps", "A plan has 1 to 20 steps; the last is 100 percent.")
		return list
	}
	at, share := c.CutoverAt.Add(-time.Millisecond), 0
	for i, s := range c.Steps {
		field := fmt.Sprintf("steps/%d", i)
		switch {
		case s.Share <= share || s.Share > 100:
			bad(field, "changeover_step_share", "Each step is more than the one before, at most 100 percent.")
		case !s.At.After(at) || !s.At.Before(c.OverlapUntil):
			bad(field, "changeover_step_time", "Steps follow each other between the cut-over and the end of the overlap.")
		}
		at, share = s.At, s.Share
	}
	if share != 100 {
		bad("steps", "changeover_steps", "A plan has 1 to 20 steps; the last is 100 percent.")
	}
	return list
}

// wrongShares lists what is wrong with exceptions.
func wrongShares(share int, list []egress.Share) []*fault.Error {
	var wrong []*fault.Error
	if share < 0 || share > 100 {
		wrong = append(wrong, fault.Field("share", "share_out_of_range", "A share is 0 to 100 percent."))
	}
	if len(list) > maxShares {
		return append(wrong, fault.Field("shares", "changeover_too_many", "Too many exceptions."))
	}
	seen := map[egress.Share]bool{}
	for i, s := range list {
		field := fmt.Sprintf("shares/%d", i)
		key := s
		key.Percent = 0
		switch {
		case s.Percent < 0 || s.Percent > 100:
			wrong = append(wrong, fault.Field(field, "share_out_of_range", "A share is 0 to 100 percent."))
		case s.Stream != "" && !s.Stream.Valid():
			wrong = append(wrong, fault.Field(field, "stream_unknown", "There is no such stream."))
		case key == (egress.Share{}):
			wrong = append(wrong, fault.Field(field, "share_of_all", "An exception names a tenant, a stream or a provider."))
		case seen[key]:
			wrong = append(wrong, fault.Field(field, "share_twice", "The same mail has two shares."))
		}
		seen[key] = true
	}
	return wrong
}

// shift is what egress does of the changeover now; ok is false where it does nothing.
func (c Changeover) shift() (s egress.Shift, ok bool) {
	if !c.Stage.Under() {
		return s, false
	}
	s = egress.Shift{Name: c.ID.String(), Tenant: c.Tenant, Old: c.Old, New: c.New, Fallback: c.Catches()}
	if c.Catches() {
		s.Share, s.Shares = c.Share, c.Shares
	}
	return s, true
}
