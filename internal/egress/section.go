package egress

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Section is one set of limits in a shaping file; docs/shaping.md tells what each
// key means. A key that is not there leaves the value of the layer before.
type Section struct {
	Connections           *int        `toml:"connections"`
	ProviderConnections   *int        `toml:"provider_connections"`
	TotalConnections      *int        `toml:"total_connections"`
	MessagesPerConnection *int        `toml:"messages_per_connection"`
	PerMinute             *int64      `toml:"per_minute"`
	PerHour               *int64      `toml:"per_hour"`
	PerDay                *int64      `toml:"per_day"`
	SlowStart             *int        `toml:"slow_start"`
	Idle                  *Duration   `toml:"idle"`
	Rest                  *Duration   `toml:"rest"`
	Retry                 *[]Duration `toml:"retry"`
	TLS                   *string     `toml:"tls"`
	WarmUp                *Ramp       `toml:"warm_up"`
	// MX lists the ends of mail hosts' names that belong to the provider: "gmx.net"
	// is that host and every one below it. Providers only.
	MX []string `toml:"mx"`
	// Notes tell operators what is known of the provider, and from where.
	Notes []string `toml:"notes"`
}

// Duration is a time.Duration written as "90s" or "1h".
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler; only positive durations up to
// 30 days are taken.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err == nil && (v <= 0 || v > 30*24*time.Hour) {
		err = errors.New("must be above 0 and at most 720h")
	}
	*d = Duration(v)
	return err
}

// limitKeys are the keys of a section that bound something, in the order in which
// they are shown, and how each is read and laid over others.
var limitKeys = []struct {
	key  string
	show func(Limits) string
	lay  func(*Limits, *Section) bool // reports whether the section has the key
}{
	{"connections", func(l Limits) string { return strconv.Itoa(l.Connections) },
		func(l *Limits, s *Section) bool { return lay(&l.Connections, s.Connections) }},
	{"provider_connections", func(l Limits) string { return strconv.Itoa(l.ProviderConnections) },
		func(l *Limits, s *Section) bool { return lay(&l.ProviderConnections, s.ProviderConnections) }},
	{"total_connections", func(l Limits) string { return strconv.Itoa(l.TotalConnections) },
		func(l *Limits, s *Section) bool { return lay(&l.TotalConnections, s.TotalConnections) }},
	{"messages_per_connection", func(l Limits) string { return strconv.Itoa(l.Messages) },
		func(l *Limits, s *Section) bool { return lay(&l.Messages, s.MessagesPerConnection) }},
	{"per_minute", func(l Limits) string { return strconv.FormatInt(l.PerMinute, 10) },
		func(l *Limits, s *Section) bool { return lay(&l.PerMinute, s.PerMinute) }},
	{"per_hour", func(l Limits) string { return strconv.FormatInt(l.PerHour, 10) },
		func(l *Limits, s *Section) bool { return lay(&l.PerHour, s.PerHour) }},
	{"per_day", func(l Limits) string { return strconv.FormatInt(l.PerDay, 10) },
		func(l *Limits, s *Section) bool { return lay(&l.PerDay, s.PerDay) }},
	{"slow_start", func(l Limits) string { return strconv.Itoa(l.SlowStart) },
		func(l *Limits, s *Section) bool { return lay(&l.SlowStart, s.SlowStart) }},
	{"idle", func(l Limits) string { return l.Idle.String() },
		func(l *Limits, s *Section) bool { return layDuration(&l.Idle, s.Idle) }},
	{"rest", func(l Limits) string { return l.Rest.String() },
		func(l *Limits, s *Section) bool { return layDuration(&l.Rest, s.Rest) }},
	{"retry", func(l Limits) string { return showPauses(l.Retry) },
		func(l *Limits, s *Section) bool { return layPauses(&l.Retry, s.Retry) }},
	{"tls", func(l Limits) string { return l.TLS },
		func(l *Limits, s *Section) bool { return lay(&l.TLS, s.TLS) }},
}

// List shows the limits in the order of Shaping.Explain.
func List(l Limits) []string {
	list := make([]string, len(limitKeys))
	for i, k := range limitKeys {
		list[i] = k.show(l)
	}
	return list
}

// Number shows a count as Effective does.
func Number(n int64) string { return strconv.FormatInt(n, 10) }

func lay[T any](to *T, v *T) bool {
	if v != nil {
		*to = *v
	}
	return v != nil
}

func layDuration(to *time.Duration, v *Duration) bool {
	if v != nil {
		*to = time.Duration(*v)
	}
	return v != nil
}

func layPauses(to *[]time.Duration, v *[]Duration) bool {
	if v == nil {
		return false
	}
	*to = nil
	for _, d := range *v {
		*to = append(*to, time.Duration(d))
	}
	return true
}

func showPauses(list []time.Duration) string {
	words := make([]string, len(list))
	for i, d := range list {
		words[i] = d.String()
	}
	return strings.Join(words, ", ")
}

// maxCount bounds every number in a shaping file.
const maxCount = 1_000_000_000

// check reports the first value that cannot be meant.
func (s *Section) check(provider bool) error {
	for key, n := range map[string]*int{"connections": s.Connections, "messages_per_connection": s.MessagesPerConnection, "slow_start": s.SlowStart} {
		if n != nil && (*n < 1 || *n > maxCount) {
			return fmt.Errorf("%s: want at least 1, have %d", key, *n)
		}
	}
	for key, n := range map[string]*int{"provider_connections": s.ProviderConnections, "total_connections": s.TotalConnections} {
		if n != nil && (*n < 0 || *n > maxCount) {
			return fmt.Errorf("%s: want 0 or more, have %d", key, *n)
		}
	}
	for key, n := range map[string]*int64{"per_minute": s.PerMinute, "per_hour": s.PerHour, "per_day": s.PerDay} {
		if n != nil && (*n < 0 || *n > maxCount) {
			return fmt.Errorf("%s: want 0 or more, have %d", key, *n)
		}
	}
	if s.TLS != nil && *s.TLS != "" && *s.TLS != "expected" && *s.TLS != "required" {
		return fmt.Errorf("tls: want expected or required, have %q", *s.TLS)
	}
	if s.WarmUp != nil {
		for _, n := range *s.WarmUp {
			if n < 1 || n > maxCount {
				return fmt.Errorf("warm_up: want numbers above 0, have %d", n)
			}
		}
	}
	if !provider && len(s.MX) > 0 {
		return errors.New("mx: only a provider has mail hosts")
	}
	for _, end := range s.MX {
		if end == "" || strings.Trim(end, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || strings.HasPrefix(end, ".") {
			return fmt.Errorf("mx: want lower-case ends of host names, have %q", end)
		}
	}
	return nil
}
