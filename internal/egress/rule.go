package egress

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"stafette/internal/tenant"
)

// Action is what a rule does.
type Action string

// The actions. All of them are about one source and one provider.
const (
	ActSuspend       Action = "suspend"        // nothing is sent over the pair for the time
	ActSlow          Action = "slow"           // the rate is multiplied by Factor, and doubled again after each For
	ActSuspendTenant Action = "suspend_tenant" // the tenant's mail waits
	ActSuspendStream Action = "suspend_stream" // the tenant's mail of the stream waits
	// ActSuspendCampaign makes the tenant's mail of one campaign wait: that with the same
	// first tag, or where a message has none, that of its stream.
	ActSuspendCampaign Action = "suspend_campaign"
	ActSuspendSource   Action = "suspend_source" // the source's alarm: mail moves to another one
)

// Rule learns from replies. Every condition that is given must hold; within a list
// one entry is enough.
type Rule struct {
	Name     string   `toml:"name"`
	Provider []string `toml:"provider"` // names; none: all
	Site     []string `toml:"site"`     // see dns.Site; none: all
	Codes    []string `toml:"codes"`    // "421" exact, "4" or "45" as a beginning
	Enhanced []string `toml:"enhanced"` // "4.7.28" exact, "4.7." as a beginning
	Class    []string `toml:"class"`    // of package bounce
	Pattern  string   `toml:"pattern"`  // RE2, on the reply's text in lower case
	// Threshold is "3/10m": three replies within ten minutes; "" is the first one.
	Threshold string   `toml:"threshold"`
	Action    Action   `toml:"action"`
	Factor    float64  `toml:"factor"` // of ActSlow, between 0 and 1; 0: 0.5
	For       Duration `toml:"for"`

	times   int
	window  time.Duration
	pattern *regexp.Regexp
}

const (
	maxThreshold = 1000
	maxPattern   = 1000
)

// prepare checks the rule and compiles it.
func (r *Rule) prepare() (err error) {
	switch {
	case r.Name == "":
		return errors.New("has no name")
	case r.For <= 0:
		return errors.New("for: how long is missing")
	case len(r.Codes)+len(r.Enhanced)+len(r.Class) == 0 && r.Pattern == "":
		return errors.New("fits every reply: codes, enhanced, class or pattern is missing")
	case len(r.Pattern) > maxPattern:
		return fmt.Errorf("pattern: longer than %d bytes", maxPattern)
	}
	for _, c := range r.Codes {
		if len(c) > 3 || strings.Trim(c, "0123456789") != "" || c[:min(len(c), 1)] != "4" && c[:min(len(c), 1)] != "5" {
			return fmt.Errorf("codes: want 4xx or 5xx or their beginning, have %q", c)
		}
	}
	switch r.Action {
	case ActSuspend, ActSuspendTenant, ActSuspendStream, ActSuspendCampaign, ActSuspendSource:
	case ActSlow:
		if r.Factor == 0 {
			r.Factor = 0.5
		}
		if r.Factor < 0 || r.Factor >= 1 {
			return fmt.Errorf("factor: want above 0 and below 1, have %g", r.Factor)
		}
	default:
		return fmt.Errorf("action: unknown %q", r.Action)
	}
	if r.times, r.window, err = parseThreshold(r.Threshold); err != nil {
		return err
	}
	if r.Pattern != "" {
		if r.pattern, err = regexp.Compile(r.Pattern); err != nil {
			return fmt.Errorf("pattern: %w", err)
		}
	}
	return nil
}

// parseThreshold reads "3/10m".
func parseThreshold(s string) (times int, window time.Duration, err error) {
	if s == "" {
		return 1, time.Minute, nil
	}
	count, span, ok := strings.Cut(s, "/")
	times, err = strconv.Atoi(count)
	if !ok || err != nil || times < 1 || times > maxThreshold {
		return 0, 0, fmt.Errorf("threshold: want replies/time as 3/10m, at most %d, have %q", maxThreshold, s)
	}
	var d Duration
	if err := d.UnmarshalText([]byte(span)); err != nil {
		return 0, 0, fmt.Errorf("threshold: %w", err)
	}
	return times, time.Duration(d), nil
}

// Reply is what a receiving server really said about a mail. What we find out
// ourselves, and what one mail's reply means for others, is never one.
type Reply struct {
	Pair
	Site   string
	Tenant tenant.ID
	Stream tenant.Stream
	// Campaign is the first of the message's tags, "" if it has none.
	Campaign string
	Blame
}

// fits reports whether every condition holds; text is the reply in lower case.
func (r *Rule) fits(in *Reply, text string) bool {
	begins := func(list []string, s string) bool {
		return len(list) == 0 || slices.ContainsFunc(list, func(p string) bool { return p != "" && strings.HasPrefix(s, p) })
	}
	status := func(p string) bool {
		return p == in.Enhanced || p != "" && strings.HasSuffix(p, ".") && strings.HasPrefix(in.Enhanced, p)
	}
	among := func(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }
	return among(r.Provider, in.Provider) && among(r.Site, in.Site) && among(r.Class, in.Class) &&
		begins(r.Codes, strconv.Itoa(in.Code)) &&
		(len(r.Enhanced) == 0 || slices.ContainsFunc(r.Enhanced, status)) &&
		(r.pattern == nil || r.pattern.MatchString(text))
}

// Consequence is what a rule that came to its threshold asks for.
type Consequence struct {
	Rule   Rule
	Reply  Reply
	Until  time.Time
	Reason Waiting // for explanations
}

// maxWatched bounds what a Watch remembers.
const maxWatched = 10000

// watched is one count of one rule.
type watched struct {
	rule     string
	pair     Pair
	tenant   tenant.ID
	stream   tenant.Stream
	campaign string
}

// Watch counts replies against rules. It is safe for concurrent use; the zero value
// is ready.
type Watch struct {
	mu   sync.Mutex
	seen map[watched][]time.Time // at most the rule's threshold each
}

// Observe counts a reply and returns what the rules that came to their threshold
// by it ask for.
func (w *Watch) Observe(rules []Rule, in Reply, now time.Time) []Consequence {
	var list []Consequence
	text := strings.ToLower(in.Text)
	for i := range rules {
		r := &rules[i]
		if !r.fits(&in, text) || !w.reached(r, &in, now) {
			continue
		}
		until := now.Add(time.Duration(r.For))
		list = append(list, Consequence{Rule: *r, Reply: in, Until: until,
			Reason: Waiting{Why: HinderedRule, Source: in.Source, Until: until, Reply: in.Text, Rule: r.Name}})
	}
	return list
}

// reached counts, and starts anew once the threshold is reached.
func (w *Watch) reached(r *Rule, in *Reply, now time.Time) bool {
	if r.times <= 1 {
		return true
	}
	key := watched{rule: r.Name, pair: in.Pair}
	switch r.Action {
	case ActSuspendTenant:
		key.tenant = in.Tenant
	case ActSuspendStream:
		key.tenant, key.stream = in.Tenant, in.Stream
	case ActSuspendCampaign:
		if key.tenant, key.campaign = in.Tenant, in.Campaign; key.campaign == "" {
			key.stream = in.Stream
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen == nil || len(w.seen) >= maxWatched {
		w.seen = map[watched][]time.Time{}
	}
	list := w.seen[key]
	for len(list) > 0 && !list[0].After(now.Add(-r.window)) {
		list = list[1:]
	}
	list = append(list, now)
	if len(list) >= r.times {
		delete(w.seen, key)
		return true
	}
	w.seen[key] = slices.Clip(list)
	return false
}
