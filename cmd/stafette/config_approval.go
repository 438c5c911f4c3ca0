package main

import (
	"fmt"
	"time"

	"stafette/internal/approval"
)

// Approval is how groups of recipients are approved before anyone in them is written to,
// and when the reviewers work, who promise an answer within one working day.
type Approval struct {
	// FreeRecipients is how many newsletters an account may send in a day (UTC) to people who
	// are in no group. More need a group, and its approval. 0: as many as it likes. Default
	// 100.
	FreeRecipients int64 `toml:"free_recipients"`
	// Growth is how many new members, in percent of those approved, an approval covers; with
	// more the group is reviewed again. Default 10.
	Growth int `toml:"growth"`
	// FourEyes is from how many members on two people must approve; 0: never for the size.
	// Default 5000.
	FourEyes int64 `toml:"four_eyes"`
	// Pattern is how many members of groups that are not approved may get the same mail within
	// an hour on streams that need no approval, before staff are told. Default 200.
	Pattern int `toml:"pattern"`
	// HoldPattern makes the rest of such mail wait. Default false.
	HoldPattern bool `toml:"hold_pattern"`
	// TimeZone of the reviewers. Default "Europe/Berlin".
	TimeZone string `toml:"time_zone"`
	// Opens and Closes are their hours, "09:00" and "17:00" by default.
	Opens  string `toml:"opens"`
	Closes string `toml:"closes"`
	// Days they work, 1 for Monday to 7 for Sunday. Default 1 to 5.
	Days []int `toml:"days"`
	// State is the Land whose public holidays they keep, by its letters; "" for none.
	// Default "HH".
	State string `toml:"state"`
	// Closed are further days off, of the form "2026-12-24".
	Closed []string `toml:"closed"`
}

func approvalDefaults() Approval {
	r := approval.DefaultRules()
	return Approval{FreeRecipients: 100, Growth: r.Growth, FourEyes: r.FourEyes, Pattern: 200, TimeZone: "Europe/Berlin",
		Opens: "09:00", Closes: "17:00", Days: []int{1, 2, 3, 4, 5}, State: "HH"}
}

// calendar is when the reviewers work.
func (a Approval) calendar() (approval.Calendar, error) {
	zone, err := time.LoadLocation(a.TimeZone)
	if err != nil {
		return approval.Calendar{}, fmt.Errorf("approval.time_zone: %w", err)
	}
	c := approval.Calendar{Zone: zone, Land: approval.Land(a.State), Closed: a.Closed}
	for key, v := range map[string]struct {
		text string
		to   *int
	}{"opens": {a.Opens, &c.Opens}, "closes": {a.Closes, &c.Closes}} {
		if v.text == "24:00" {
			*v.to = 24 * 60
			continue
		}
		at, err := time.Parse("15:04", v.text)
		if err != nil {
			return approval.Calendar{}, fmt.Errorf("approval.%s: want a time such as 09:00, have %q", key, v.text)
		}
		*v.to = at.Hour()*60 + at.Minute()
	}
	for _, d := range a.Days {
		if d < 1 || d > 7 {
			return approval.Calendar{}, fmt.Errorf("approval.days: want 1 to 7, have %d", d)
		}
		c.Days = append(c.Days, time.Weekday(d%7))
	}
	return c, c.Check()
}

func (c Config) validateApproval(bad complaint) {
	a := c.Approval
	if _, err := a.calendar(); err != nil {
		bad("approval", "%v", err)
	}
	if a.FreeRecipients < 0 || a.Growth < 0 || a.FourEyes < 0 || a.Pattern < 1 {
		bad("approval", "want amounts of 0 and more, and a pattern of 1 and more")
	}
}
