package main

import "stafette/internal/pause"

// GroupLimits are from what on mail to a group is paused, unless staff have set limits for
// its account. Shares are parts of ten thousand of the mail that came to an end: 100 is 1 %.
type GroupLimits struct {
	// Hours to look back. Default 168.
	Hours int `toml:"hours"`
	// Sent is below how much mail no share says anything. Default 100.
	Sent int64 `toml:"sent"`
	// Hard is the share of addresses that do not exist; 0: never. Default 100.
	Hard int64 `toml:"hard"`
	// Complaints is the share of complaints; 0: never. Default 30.
	Complaints int64 `toml:"complaints"`
	// Unsubscribes is the share of recipients who want no more; 0: never. Default 300.
	Unsubscribes int64 `toml:"unsubscribes"`
	// Warn is the share of complaints from which on people are warned; 0: never. Default 10.
	Warn int64 `toml:"warn"`
}

func groupLimitDefaults() GroupLimits {
	l := pause.DefaultLimits()
	return GroupLimits{Hours: l.Hours, Sent: l.Sent, Hard: l.Hard.Share, Complaints: l.Complaints.Share, Unsubscribes: l.Unsubscribes.Share, Warn: l.Warn}
}

// limits are the limits as package pause has them.
func (g GroupLimits) limits() pause.Limits {
	l := pause.DefaultLimits()
	l.Hours, l.Sent, l.Warn = g.Hours, g.Sent, g.Warn
	l.Hard.Share, l.Complaints.Share, l.Unsubscribes.Share = g.Hard, g.Complaints, g.Unsubscribes
	return l
}

func (c Config) validateGroupLimits(bad complaint) {
	g := c.GroupLimits
	if g.Hours < 1 || g.Hours > 30*24 || g.Sent < 1 || min(g.Hard, g.Complaints, g.Unsubscribes, g.Warn) < 0 || max(g.Hard, g.Complaints, g.Unsubscribes, g.Warn) > 10_000 {
		bad("group_limits", "want 1 to 720 hours, at least one message, and shares of 0 to 10000")
	}
}
