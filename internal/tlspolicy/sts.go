package tlspolicy

import (
	"bufio"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of what a foreign domain may publish.
const (
	maxPolicyBytes = 64 << 10  // RFC 8461, 3.3
	maxPolicyMX    = 100       // patterns
	maxAge         = 31557600  // seconds: a year (RFC 8461, 3.2)
	maxPolicyID    = 32        // characters (RFC 8461, 3.1)
	maxNameBytes   = 253       // of a domain name
	recordPrefix   = "v=STSv1" // of the TXT record
	policyVersion  = "STSv1"   // of the policy
	policyPath     = "/.well-known/mta-sts.txt"
	policyHost     = "mta-sts."
	recordHost     = "_mta-sts."
)

// Mode is how an MTA-STS policy is meant.
type Mode string

// The modes (RFC 8461, 3.2).
const (
	ModeEnforce Mode = "enforce"
	ModeTesting Mode = "testing"
	ModeNone    Mode = "none"
)

// STSPolicy is an MTA-STS policy of a domain (RFC 8461).
type STSPolicy struct {
	ID     string // of the TXT record it was fetched for
	Mode   Mode
	MX     []string // patterns in lower case: "mx.example.de", "*.example.de"
	MaxAge time.Duration

	FetchedAt time.Time
	ExpiresAt time.Time
}

// ParseSTSRecord returns the id of the policy a domain says it has, from the TXT
// records of _mta-sts; "" if there is none: no record that begins with v=STSv1, more
// than one, or one without a valid id (RFC 8461, 3.1).
func ParseSTSRecord(records []string) string {
	var record string
	for _, r := range records {
		if first, _, _ := strings.Cut(r, ";"); strings.TrimRight(first, " \t") != recordPrefix {
			continue
		}
		if record != "" {
			return ""
		}
		record = r
	}
	for _, field := range strings.Split(record, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		if strings.TrimSpace(key) != "id" {
			continue
		}
		if id := strings.TrimSpace(value); id != "" && len(id) <= maxPolicyID && alphanumeric(id) {
			return id
		}
		return ""
	}
	return ""
}

func alphanumeric(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}

// ParseSTSPolicy reads the text of a policy (RFC 8461, 3.2). Unknown fields are
// passed over; of fields that may stand there once the first counts.
func ParseSTSPolicy(text []byte) (STSPolicy, error) {
	var p STSPolicy
	if len(text) > maxPolicyBytes {
		return p, fmt.Errorf("mta-sts policy of more than %d bytes", maxPolicyBytes)
	}
	seen := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	lines.Buffer(nil, maxPolicyBytes+1)
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), ":")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		_, twice := seen[key]
		switch {
		case !ok:
		case key == "mx":
			p.MX = append(p.MX, strings.ToLower(strings.TrimSuffix(value, ".")))
		case !twice:
			seen[key] = value
		}
	}
	if err := lines.Err(); err != nil {
		return p, fmt.Errorf("read mta-sts policy: %w", err)
	}
	return p, p.fill(seen)
}

func (p *STSPolicy) fill(fields map[string]string) error {
	if fields["version"] != policyVersion {
		return errors.New("mta-sts policy is not of version STSv1")
	}
	p.Mode = Mode(fields["mode"])
	age := fields["max_age"]
	seconds, err := strconv.ParseUint(age, 10, 64)
	if err != nil || len(age) > 10 {
		return errors.New("mta-sts policy has no valid max_age")
	}
	p.MaxAge = time.Duration(min(seconds, maxAge)) * time.Second
	switch {
	case p.Mode != ModeEnforce && p.Mode != ModeTesting && p.Mode != ModeNone:
		return errors.New("mta-sts policy has no valid mode")
	case len(p.MX) == 0 && p.Mode != ModeNone:
		return errors.New("mta-sts policy names no server")
	case len(p.MX) > maxPolicyMX:
		return fmt.Errorf("mta-sts policy names more than %d servers", maxPolicyMX)
	case slices.ContainsFunc(p.MX, func(s string) bool { return !validPattern(s) }):
		return errors.New("mta-sts policy names a server that cannot be one")
	}
	return nil
}

// validPattern reports whether s is a host name, or "*." before one.
func validPattern(s string) bool {
	name := strings.TrimPrefix(s, "*.")
	if name == "" || len(name) > maxNameBytes {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		bad := func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
		}
		if label == "" || len(label) > 63 || strings.IndexFunc(label, bad) >= 0 {
			return false
		}
	}
	return true
}

// Matches reports whether the policy names the server. A wildcard stands for
// exactly one label, the leftmost (RFC 8461, 4.1).
func (p *STSPolicy) Matches(host string) bool { return matchesAny(p.MX, host) }

func matchesAny(patterns []string, host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	_, above, _ := strings.Cut(host, ".")
	for _, pattern := range patterns {
		below, wild := strings.CutPrefix(pattern, "*.")
		if wild && above != "" && strings.EqualFold(below, above) || !wild && strings.EqualFold(pattern, host) {
			return true
		}
	}
	return false
}

// lines is the policy as reports quote it.
func (p *STSPolicy) lines() []string {
	list := []string{"version: " + policyVersion, "mode: " + string(p.Mode)}
	for _, mx := range p.MX {
		list = append(list, "mx: "+mx)
	}
	return append(list, fmt.Sprintf("max_age: %d", int64(p.MaxAge/time.Second)))
}
