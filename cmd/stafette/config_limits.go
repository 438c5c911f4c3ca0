package main

import "stafette/internal/pause"

// GroupLimits are from what on mail to a group is paused, unless staff have set limits for
// its account. Shares are percent of the mail that came to an end.
type GroupLimits struct {
	// Hours to look back. Default 168.
	Hours int `toml:"hours"`
	// Sent is below how much mail no share says anything. Default 100.
	Sent int64 `toml:"sent"`
	// Hard is the share of addresses that do not exist; 0: never. Default 1.
	Hard float64 `toml:"hard"`
	// Complaints is the share of complaints; 0: never. Default 0.3.
	Complaints float64 `toml:"complaints"`
	// Unsubscribes is the share of recipients who want no more; 0: never. Default 3.
	Unsubscribes float64 `toml:"unsubscribes"`
	// Warn is the share of complaints from which on people are warned; 0: never. Default 0.1.
	Warn float64 `toml:"warn"`
}

func groupLimitDefaults() GroupLimits {
	l := pause.DefaultLimits()
	of := func(parts int64) float64 { return float64(parts) / 100 }
	return GroupLimits{Hours: l.Hours, Sent: l.Sent, Hard: of(l.Hard.Share), Complaints: of(l.Complaints.Share), Unsubscribes: of(l.Unsubscribes.Share), Warn: of(l.Warn)}
}

// limits are the limits as package pause has them.
func (g GroupLimits) limits() pause.Limits {
	l := pause.DefaultLimits()
	of := func(percent float64) int64 { return int64(percent*100 + 0.5) }
	l.Hours, l.Sent, l.Warn = g.Hours, g.Sent, of(g.Warn)
	l.Hard.Share, l.Complaints.Share, l.Unsubscribes.Share = of(g.Hard), of(g.Complaints), of(g.Unsubscribes)
	return l
}
