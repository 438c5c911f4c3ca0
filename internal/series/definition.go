package series

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// Limits of a series.
const (
	MaxSeries  = 50            // of a tenant
	MaxSteps   = 50            // of a series
	MaxSends   = 20            // steps among them that send
	MaxMinutes = 366 * 24 * 60 // that one step waits
	MaxAgain   = 3650          // days
	yearly     = 180           // days after which a date may begin a series again
	maxName    = 200
	maxTag     = 100
	maxEvent   = 64
)

// Codes of refusals.
const (
	CodeNotFound  = "series_not_found"
	CodeState     = "series_state"           // Conflict: not in a state that allows it, or changed meanwhile
	CodeValue     = "series_value"           // Invalid
	CodeMany      = "series_too_many"        // Conflict
	CodeEmpty     = "series_empty"           // Invalid: sends nothing
	CodeBackwards = "series_leads_back"      // Invalid: a step leads to one that does not come later
	CodeEvent     = "series_event_malformed" // Invalid: the name or data of an event
	CodeContact   = "series_contact_unknown" // Invalid: nobody has the address of an event
)

// Weekdays are the days a step may wait for: any, then Monday to Sunday.
func Weekdays() []string {
	return []string{"day", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
}

var (
	stepKey   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	eventName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$`)
)

// checking collects what is wrong with a series.
type checking struct {
	wrong  []*fault.Error
	fields []audience.Field
}

func (c *checking) bad(field, code, detail string) {
	c.wrong = append(c.wrong, fault.Field(field, code, detail))
}

func (c *checking) value(field, detail string) { c.bad(field, CodeValue, detail) }

// check holds a series to the rules of its form and puts it in order; letters are checked
// apart. Fields of errors are "name", "again_after_days", "zone", "trigger/…" and "steps/n/…".
func (s *Series) check(fields []audience.Field) error {
	c := &checking{fields: fields}
	s.Name = strings.TrimSpace(s.Name)
	if s.Name == "" || !oneLine(s.Name, maxName) {
		c.value("name", "A name of 1 to 200 characters on one line.")
	}
	if s.Again < 0 || s.Again > MaxAgain {
		c.value("again_after_days", "From 1 to 3,650 days, or 0 for never.")
	}
	if s.Group.IsZero() {
		c.value("group_id", "The group that is written to is needed.")
	}
	d := &s.Definition
	if d.Zone != "" {
		if _, err := time.LoadLocation(d.Zone); err != nil || d.Zone == "Local" {
			c.value("zone", "This is no time zone of the tz database.")
		}
	}
	c.trigger(&d.Trigger)
	if len(d.Steps) > MaxSteps {
		c.value("steps", "At most 50 steps.")
		return fault.Join(c.wrong)
	}
	sends := 0
	for i := range d.Steps {
		if d.Steps[i].Do == Send {
			sends++
		}
		c.step(d, i)
	}
	if sends > MaxSends {
		c.value("steps", "At most 20 steps that send.")
	}
	return fault.Join(c.wrong)
}

func (c *checking) trigger(t *Trigger) {
	t.Tag, t.Event = strings.TrimSpace(t.Tag), strings.TrimSpace(t.Event)
	kept := Trigger{On: t.On}
	switch t.On {
	case Confirmed:
	case Tagged:
		kept.Tag = t.Tag
		c.tag("trigger/tag", t.Tag)
	case Event:
		if kept.Event = t.Event; !eventName.MatchString(t.Event) {
			c.bad("trigger/event", CodeEvent, "A name of at most 64 letters, digits and _.:- without spaces.")
		}
	case Dated:
		kept.Field, kept.Hour = t.Field, t.Hour
		if !slices.ContainsFunc(c.fields, func(f audience.Field) bool { return f.Key == t.Field && f.Type == audience.DateField }) {
			c.value("trigger/field", "There is no date field of this key.")
		}
		c.hour("trigger/hour", t.Hour)
	default:
		c.value("trigger/on", "One of confirmed, tag, date and event.")
	}
	*t = kept
}

func (c *checking) hour(field string, hour int) {
	if hour < 0 || hour > 23 {
		c.value(field, "An hour from 0 to 23.")
	}
}

func (c *checking) tag(field, tag string) {
	if tag == "" || !oneLine(tag, maxTag) || strings.Contains(tag, ",") {
		c.value(field, "A tag has 1 to 100 characters on one line, without commas.")
	}
}

// step checks the i-th step and takes away what does not belong to it.
func (c *checking) step(d *Definition, i int) {
	s, at := d.Steps[i], "steps/"+strconv.Itoa(i)
	if !stepKey.MatchString(s.Key) {
		c.value(at+"/key", "A key of at most 40 letters from a to z, digits and -.")
	}
	if _, first := d.Step(s.Key); first != i {
		c.value(at+"/key", "Another step has this key.")
	}
	kept := Step{Key: s.Key, Do: s.Do}
	switch s.Do {
	case Wait:
		kept.Minutes, kept.Weekday, kept.Hour, kept.Local = s.Minutes, s.Weekday, s.Hour, s.Local
		c.wait(at, &kept)
	case Check:
		kept.Filter, kept.Did, kept.Of, kept.Else = s.Filter, s.Did, s.Of, s.Else
		c.condition(d, i, at, s)
	case Send:
		kept.Form, kept.Letter = s.Form, s.Letter
	case Tag, Untag:
		kept.Tag = strings.TrimSpace(s.Tag)
		c.tag(at+"/tag", kept.Tag)
	case End:
	default:
		c.value(at+"/do", "One of send, wait, check, tag, untag and end.")
	}
	d.Steps[i] = kept
}

func (c *checking) wait(at string, s *Step) {
	if s.Weekday == "" {
		s.Hour, s.Local = 0, false
		if s.Minutes < 1 || s.Minutes > MaxMinutes {
			c.value(at+"/minutes", "From a minute to 366 days.")
		}
		return
	}
	s.Minutes = 0
	if !slices.Contains(Weekdays(), s.Weekday) {
		c.value(at+"/weekday", "One of day and monday to sunday.")
	}
	c.hour(at+"/hour", s.Hour)
}

func (c *checking) condition(d *Definition, i int, at string, s Step) {
	switch {
	case (s.Filter == nil) == (s.Did == ""):
		c.value(at+"/filter", "A condition is a filter, or what was done with an earlier mail.")
	case s.Filter != nil:
		if f := fault.As(s.Filter.Check(c.fields)); f != nil {
			below := *f
			below.Field = at + "/filter" + strings.TrimPrefix(f.Field, "segment")
			c.wrong = append(c.wrong, &below)
		}
	default:
		if s.Did != Opened && s.Did != Clicked {
			c.value(at+"/did", "opened or clicked.")
		}
		if of, j := d.Step(s.Of); j < 0 || j >= i || of.Do != Send {
			c.value(at+"/of", "An earlier step that sends.")
		}
	}
	if s.Else != "" {
		if _, j := d.Step(s.Else); j <= i {
			c.bad(at+"/else", CodeBackwards, "A later step, or nothing for the end.")
		}
	}
}

func oneLine(text string, most int) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= most && strings.IndexFunc(text, unicode.IsControl) < 0
}

// again is after how many days a contact may begin anew, as the trigger has it.
func (s Series) again() int {
	if s.Definition.Trigger.On == Dated && s.Again == 0 {
		return yearly
	}
	return s.Again
}

// zone is that of the hours of a definition.
func (d Definition) zone(t tenant.Tenant, otherwise *time.Location) *time.Location {
	if d.Zone != "" {
		if zone, err := time.LoadLocation(d.Zone); err == nil {
			return zone
		}
	}
	return t.Zone(otherwise)
}

// until is when a wait that began at an instant is over.
func (s Step) until(began time.Time, zone *time.Location) time.Time {
	if s.Weekday == "" {
		return began.Add(time.Duration(s.Minutes) * time.Minute)
	}
	local := began.In(zone)
	for i := range 9 {
		at := time.Date(local.Year(), local.Month(), local.Day()+i, s.Hour, 0, 0, 0, zone)
		if at.Before(began) || s.Weekday != "day" && strings.ToLower(at.Weekday().String()) != s.Weekday {
			continue
		}
		return at.UTC()
	}
	return began // unreachable: every weekday comes within eight days
}

// clock is the zone by which a step waits for a contact. key is that of the field with their
// zone, "" if there is none.
func (s Step) clock(p audience.Contact, key string, otherwise *time.Location) *time.Location {
	if s.Local && key != "" {
		if zone, ok := audience.LoadZone(p.Fields[key]); ok {
			return zone
		}
	}
	return otherwise
}

// nextScan is the first hour at which dates are looked at from an instant on.
func (t Trigger) nextScan(from time.Time, zone *time.Location) time.Time {
	return Step{Weekday: "day", Hour: t.Hour}.until(from, zone)
}

// falls reports whether a date (2026-11-22) has its day in the year on that of an instant.
func falls(date string, at time.Time) bool {
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return false
	}
	if day.Month() == time.February && day.Day() == 29 && time.Date(at.Year(), time.February, 29, 0, 0, 0, 0, time.UTC).Month() != time.February {
		day = day.AddDate(0, 0, -1)
	}
	return day.Month() == at.Month() && day.Day() == at.Day()
}
