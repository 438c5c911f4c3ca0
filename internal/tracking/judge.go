package tracking

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pelletier/go-toml/v2"
)

//go:embed rules.toml
var rulesFile []byte

// Rules judge whether a person or a machine was there. They are immutable and safe for
// concurrent use.
type Rules struct {
	// Version is stored with each judgement.
	Version   int            `toml:"version"`
	Threshold int            `toml:"threshold"`
	Timing    Timing         `toml:"timing"`
	Signs     map[string]int `toml:"signs"`
	Agents    []Agent        `toml:"agent"`

	known   *knownAgents
	proxies map[string]bool // by name
}

// knownAgents remembers of what class programs are: after a mailing few of them come often.
// It is safe for concurrent use.
type knownAgents struct {
	mu sync.Mutex
	of map[string]*Agent // by the whole field, in memory only
}

// maxKnownAgents bounds the programs remembered, each of at most maxUserAgent bytes.
const maxKnownAgents = 2048

func (k *knownAgents) get(userAgent string) (*Agent, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a, ok := k.of[userAgent]
	return a, ok
}

func (k *knownAgents) put(userAgent string, a *Agent) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.of) >= maxKnownAgents {
		clear(k.of)
	}
	k.of[strings.Clone(userAgent)] = a
}

// Timing are the times that rules go by, in seconds.
type Timing struct {
	Open       int `toml:"open_seconds"`
	Click      int `toml:"click_seconds"`
	Burst      int `toml:"burst_seconds"`
	BurstLinks int `toml:"burst_links"`
	// Page and PageLinks are Burst and BurstLinks of the page of an offer.
	Page      int `toml:"page_seconds"`
	PageLinks int `toml:"page_links"`
}

// Agent is a class of programs. Exactly one of Contains and Equals is set.
type Agent struct {
	Name     string `toml:"name"`
	Contains string `toml:"contains"`
	Equals   string `toml:"equals"`
	Sign     string `toml:"sign"`
	Proxy    bool   `toml:"proxy"`
}

// Signs that the code finds; those of programs stand in the rules alone.
const (
	SignHead           = "head"
	SignTrap           = "trap"
	SignTrapBurst      = "trap_burst"
	SignEveryLink      = "every_link"
	SignBeforeDelivery = "before_delivery"
	SignOpenAtOnce     = "open_at_once"
	SignClickAtOnce    = "click_at_once"
	SignPrefetch       = "prefetch"
	SignNoAgent        = "no_agent"
	SignNoLanguage     = "no_language"
)

// LoadRules reads the rules that are part of the program.
func LoadRules() (*Rules, error) { return ParseRules(rulesFile) }

// ParseRules reads rules. Each sign of an agent must have a weight, and so must those
// that the code finds.
func ParseRules(text []byte) (*Rules, error) {
	var r Rules
	if err := toml.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read rules of tracking: %w", err)
	}
	need := []string{SignHead, SignTrap, SignTrapBurst, SignEveryLink, SignBeforeDelivery, SignOpenAtOnce, SignClickAtOnce, SignPrefetch, SignNoAgent, SignNoLanguage}
	for _, a := range r.Agents {
		if (a.Contains == "") == (a.Equals == "") || a.Name == "" {
			return nil, fmt.Errorf("read rules of tracking: agent %q needs a name and one text", a.Name)
		}
		if a.Sign != "" {
			need = append(need, a.Sign)
		}
	}
	for _, sign := range need {
		if _, ok := r.Signs[sign]; !ok {
			return nil, fmt.Errorf("read rules of tracking: sign %q has no weight", sign)
		}
	}
	if r.Version < 1 || r.Threshold < 1 || r.Timing.BurstLinks < 2 || r.Timing.PageLinks < 2 {
		return nil, fmt.Errorf("read rules of tracking: version, threshold or timing is missing")
	}
	r.known, r.proxies = &knownAgents{of: map[string]*Agent{}}, map[string]bool{}
	for _, a := range r.Agents {
		r.proxies[a.Name] = r.proxies[a.Name] || a.Proxy
	}
	return &r, nil
}

// Seen is what a hit shows of its client.
type Seen struct {
	Kind      Kind
	Head      bool   // the method is HEAD
	UserAgent string // the whole field; it is not kept
	Language  bool   // the client sent Accept-Language
	Prefetch  bool   // the client says that nobody asked yet
	Trap      bool
	At        time.Time
	// Mailed says that the thing came by a mail, so that DeliveredAt counts.
	Mailed      bool
	DeliveredAt time.Time // zero: the receiving server has not taken it
}

// maxUserAgent bounds what is looked at, in bytes.
const maxUserAgent = 512

// Agent returns the class of a program by its User-Agent; the zero Agent for unknown ones.
func (r *Rules) Agent(userAgent string) Agent {
	userAgent = userAgent[:min(len(userAgent), maxUserAgent)]
	a, ok := r.known.get(userAgent)
	if !ok {
		a = r.find(userAgent)
		r.known.put(userAgent, a)
	}
	return *a
}

func (r *Rules) find(userAgent string) *Agent {
	text := strings.ToLower(strings.TrimSpace(userAgent))
	for i := range r.Agents {
		if a := &r.Agents[i]; a.Equals != "" && text == a.Equals || a.Contains != "" && strings.Contains(text, a.Contains) {
			return a
		}
	}
	return &Agent{}
}

// SignsOf are the signs of a hit, and the name of its program.
func (r *Rules) SignsOf(v Seen) (signs []string, agent string) {
	a := r.Agent(v.UserAgent)
	note := func(found bool, sign string) {
		if found {
			signs = append(signs, sign)
		}
	}
	note(a.Sign != "", a.Sign)
	note(v.Head, SignHead)
	note(v.Trap, SignTrap)
	note(v.Prefetch, SignPrefetch)
	note(strings.TrimSpace(v.UserAgent) == "", SignNoAgent)
	note(v.Kind != Opened && !v.Language, SignNoLanguage)
	if v.Mailed {
		since := v.At.Sub(v.DeliveredAt)
		note(v.DeliveredAt.IsZero() || since < 0, SignBeforeDelivery)
		early := !v.DeliveredAt.IsZero() && since >= 0
		note(early && v.Kind == Opened && since < time.Duration(r.Timing.Open)*time.Second, SignOpenAtOnce)
		note(early && v.Kind != Opened && since < time.Duration(r.Timing.Click)*time.Second, SignClickAtOnce)
	}
	return signs, a.Name
}

// Judge weighs signs of a program, named as SignsOf does. Signs that the rules do not know
// any more weigh nothing.
func (r *Rules) Judge(agent string, signs []string) Machine {
	sum := 0
	for _, s := range signs {
		sum += r.Signs[s]
	}
	m := Machine{Class: Person, Confidence: max(50, 100-sum), Rules: r.Version, Reasons: signs}
	switch {
	case sum >= r.Threshold:
		m.Class, m.Confidence = Scanner, min(99, max(sum, 50))
	case r.proxies[agent]:
		m.Class, m.Confidence = Proxy, max(50, 80-sum)
	}
	return m
}

// With judges again, one sign richer.
func (r *Rules) With(a Activity, sign string) Machine {
	signs := a.Machine.Reasons
	if !slices.Contains(signs, sign) {
		signs = append(slices.Clone(signs), sign)
	}
	return r.Judge(a.Agent, signs)
}
