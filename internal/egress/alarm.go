package egress

import "time"

// Pair is one source towards one provider, or towards one site where the provider
// is not known. Alarms, warm-up and ceilings are per pair.
type Pair struct {
	Source   string `json:"source"`
	Provider string `json:"provider"` // provider name, else the site
}

// Blame is a provider's reply that blames a source, as it was said.
type Blame struct {
	Class    string // of package bounce
	Code     int
	Enhanced string
	Stage    string
	Host     string // that said it
	Text     string // one line
}

// Alarm is a source that a provider refuses to take mail from.
type Alarm struct {
	Pair
	Blame
	// Count is how often the source was blamed since First.
	Count       int
	First, Last time.Time
	// PausedUntil is until when nothing is sent over the pair. After it one mail is
	// sent as a probe: if it is refused the pause begins anew, twice as long.
	PausedUntil time.Time
	// Pauses counts the pauses in a row.
	Pauses int
	// ClearedAt is when the alarm ended; zero while it lasts.
	ClearedAt time.Time
	// ClearedBy is who ended it: "probe", or the person.
	ClearedBy string
}

// AlarmPolicy says when blame becomes an alarm. Zero fields take their defaults.
type AlarmPolicy struct {
	Threshold int           // replies within Window that open an alarm; 0: 3
	Window    time.Duration // 0: 10 min
	Pause     time.Duration // first one; 0: 1 h
	MaxPause  time.Duration // 0: 24 h
}

func (p AlarmPolicy) withDefaults() AlarmPolicy {
	if p.Threshold <= 0 {
		p.Threshold = 3
	}
	if p.Window <= 0 {
		p.Window = 10 * time.Minute
	}
	if p.Pause <= 0 {
		p.Pause = time.Hour
	}
	if p.MaxPause <= 0 {
		p.MaxPause = 24 * time.Hour
	}
	return p
}
