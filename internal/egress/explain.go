package egress

import "time"

// Hindrance says why a source is not chosen or a mail waits, as a stable word; the
// catalogue key of its sentence is "egress.hindrance.<word>".
type Hindrance string

// The hindrances.
const (
	HinderedRetired  Hindrance = "retired"   // the source's state
	HinderedNotYet   Hindrance = "not_yet"   // before the source's first day
	HinderedOver     Hindrance = "over"      // after its last
	HinderedNode     Hindrance = "node"      // another node has the address
	HinderedWeight   Hindrance = "weight"    // drained to 0
	HinderedAlarm    Hindrance = "alarm"     // refused by the provider
	HinderedProbe    Hindrance = "probe"     // another mail is finding out whether it is taken again
	HinderedWarmUp   Hindrance = "warm_up"   // the day's warm-up is used up
	HinderedDay      Hindrance = "per_day"   // the day's ceiling is reached
	HinderedRate     Hindrance = "rate"      // the minute's or hour's ceiling is reached
	HinderedTried    Hindrance = "tried"     // refused this very mail
	HinderedRest     Hindrance = "rest"      // the lane rests after a failure
	HinderedRule     Hindrance = "rule"      // a rule suspended it
	HinderedBusy     Hindrance = "busy"      // all connections are in use; it stands in line
	HinderedSchedule Hindrance = "schedule"  // its next attempt is not due
	HinderedNoRoute  Hindrance = "no_route"  // the domain has nowhere to go
	HinderedNoSource Hindrance = "no_source" // no source of the pool may send
	HinderedOrder    Hindrance = "order"     // a person suspended it
)

// Layer is where a limit's value comes from.
type Layer string

// The layers, each laid over those before.
const (
	LayerBuiltIn  Layer = "built-in" // Limits.WithDefaults
	LayerDefault  Layer = "default"  // [default]
	LayerProvider Layer = "provider"
	LayerSite     Layer = "site"
	LayerDomain   Layer = "domain"
	LayerSource   Layer = "source"
	LayerLearnt   Layer = "learnt" // lowered after replies
	LayerNodes    Layer = "nodes"  // shared out among the nodes that have the source
)

// Effective is one limit in force and where it comes from.
type Effective struct {
	Limit string `json:"limit"` // its key in the shaping file
	Value string `json:"value"` // "0" and "" are no bound
	Layer Layer  `json:"layer"`
	// From names the section, as "provider.gmx", with "override " before it where
	// the operator's file says so.
	From string `json:"from,omitempty"`
}

// Waiting is one reason why mail does not go now.
type Waiting struct {
	Why    Hindrance `json:"why"`
	Source string    `json:"source,omitempty"`
	// Until is when it ends, as far as is known.
	Until time.Time `json:"until,omitzero"`
	// Reply holds the words that caused it.
	Reply string `json:"reply,omitempty"`
	// Rule or order that caused it.
	Rule string `json:"rule,omitempty"`
}

// SourceChoice is one source of the pool in charge.
type SourceChoice struct {
	Source string      `json:"source"`
	IP     string      `json:"ip,omitempty"`
	EHLO   string      `json:"ehlo"`
	State  SourceState `json:"state"`
	Share  float64     `json:"share"` // of the pool's mail now, 0 to 1
	// Hindered is why it is not chosen now; nil if it is.
	Hindered *Waiting `json:"hindered,omitempty"`
	WarmUp   *WarmUp  `json:"warm_up,omitempty"`
}

// Counter is how much of a ceiling is used.
type Counter struct {
	Limit string `json:"limit"`
	Used  int64  `json:"used"`
	Of    int64  `json:"of"` // 0: no bound
}

// LaneState is one lane as an operator sees it.
type LaneState struct {
	Source      string `json:"source"`
	Site        string `json:"site"`
	Provider    string `json:"provider,omitempty"`
	Depth       int    `json:"depth"`       // deliveries in line
	Connections int    `json:"connections"` // at work or idle
	Limit       int    `json:"limit"`       // connections allowed now
	Failures    int    `json:"failures"`    // rests in a row
	// RestsUntil is set while the lane rests or is suspended.
	RestsUntil time.Time `json:"rests_until,omitzero"`
	// NextAt is when the ceiling lets the next mail go; zero: now.
	NextAt    time.Time   `json:"next_at,omitzero"`
	LastReply string      `json:"last_reply,omitempty"` // the site's last words, or what we found
	Limits    []Effective `json:"limits,omitempty"`
	Counters  []Counter   `json:"counters,omitempty"`
	Waiting   []Waiting   `json:"waiting,omitempty"`
}

// HostState is one mail host with the addresses that would be tried.
type HostState struct {
	Host      string   `json:"host"`
	Addresses []string `json:"addresses,omitempty"`
	Problem   string   `json:"problem,omitempty"` // why it cannot be used
}

// Explanation says where mail for a domain goes now, how much of it, and what
// stands in its way.
type Explanation struct {
	Domain   string `json:"domain"`
	Delivery string `json:"delivery,omitempty"` // the one asked about
	Routed   bool   `json:"routed"`             // a static route decides
	Detour   string `json:"detour,omitempty"`   // the order that sends it another way
	Provider string `json:"provider,omitempty"`
	Site     string `json:"site"` // names the receiving system
	Pool     string `json:"pool,omitempty"`
	// Live is false where no running engine was asked: counters and lanes are then
	// missing, not empty.
	Live    bool           `json:"live"`
	Hosts   []HostState    `json:"hosts,omitempty"`
	Problem string         `json:"problem,omitempty"` // why there is nowhere to go
	Limits  []Effective    `json:"limits,omitempty"`  // of a lane, before its source is known
	Notes   []string       `json:"notes,omitempty"`   // what is known of the provider
	Sources []SourceChoice `json:"sources,omitempty"`
	Lanes   []LaneState    `json:"lanes,omitempty"`
	// Waiting lists what the delivery, or any mail for the domain, waits for.
	Waiting []Waiting `json:"waiting,omitempty"`
	// Position in its lane's line, counted from 1; 0 if it stands in none.
	Position int `json:"position,omitempty"`
	// NextAt is when it may go at the earliest, as far as is known; zero: now.
	NextAt time.Time `json:"next_at,omitzero"`
}

// Delay adds that the delivery's next attempt is not due before at, and why it was
// put off; the zero time adds nothing.
func (x *Explanation) Delay(at time.Time, reason string) {
	if at.IsZero() {
		return
	}
	x.Waiting = append(x.Waiting, Waiting{Why: HinderedSchedule, Until: at, Reply: reason})
	if at.After(x.NextAt) {
		x.NextAt = at
	}
}
