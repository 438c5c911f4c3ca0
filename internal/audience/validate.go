package audience

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"stafette/internal/dns"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Rating says how much may be expected of an address.
type Rating string

// The ratings, from good to bad.
const (
	Fine  Rating = "ok"
	Risky Rating = "risky" // mail can arrive, but probably not where it was meant to
	Bad   Rating = "bad"   // mail cannot arrive, or must not be sent
)

func (r Rating) worse(other Rating) Rating {
	list := []Rating{Fine, Risky, Bad}
	return list[max(slices.Index(list, r), slices.Index(list, other), 0)]
}

// The findings about an address; each has the text "address.<code>". FindSuppressed is
// followed by the reason.
const (
	FindSyntax     = "syntax"        // no address at all
	FindNoDomain   = "domain_absent" // the domain does not exist
	FindNoMail     = "domain_closed" // the domain says it takes no mail (RFC 7505)
	FindNoHost     = "domain_empty"  // the domain has neither MX nor address
	FindNoAnswer   = "domain_silent" // the domain's name servers give no answer now
	FindNoMX       = "mx_missing"    // mail goes to the domain's own address, which seldom means to take it
	FindTypo       = "typo"          // looks like a slip; Verdict.Suggestion is what may be meant
	FindRole       = "role"          // belongs to a job, not to a person
	FindDisposable = "disposable"    // vanishes after minutes
	FindUTF8       = "utf8"          // the local part needs SMTPUTF8, which not every server has
	FindSuppressed = "suppressed"    // on the suppression list
)

// Finding is one thing worth saying about an address.
type Finding struct {
	Code   string
	Rating Rating
	Detail string // reason of a suppression; "" else
}

// Verdict is what can be told of an address without asking its server.
type Verdict struct {
	Address    message.Address // zero if it is none
	Rating     Rating
	Findings   []Finding // none if there is nothing to say
	Suggestion string    // the address that may be meant, "" if none comes to mind
}

func (v *Verdict) find(code string, r Rating, detail string) {
	v.Findings = append(v.Findings, Finding{code, r, detail})
	v.Rating = v.Rating.worse(r)
}

// Resolver answers where a domain's mail goes; dns.Resolver does.
type Resolver interface {
	MX(ctx context.Context, domain string) ([]dns.MX, error)
}

//go:embed domains.toml
var domainsFile []byte

// domains is domains.toml.
type domains struct {
	Providers  []string          `toml:"providers"`
	Roles      []string          `toml:"roles"`
	Disposable []string          `toml:"disposable"`
	Ends       map[string]string `toml:"ends"`
}

// lookups is how many domains are asked for at the same time, so that a long list leaves
// the name server to those who deliver.
const lookups = 16

// Validator tells of addresses. It never speaks to a receiving server: asking one for a
// recipient without sending is what address harvesters do. It is safe for concurrent use.
type Validator struct {
	resolver Resolver
	service  *Service
	known    domains
	turns    chan struct{}
	answers  answers
}

// NewValidator makes a Validator. An error is a mistake in domains.toml.
func NewValidator(r Resolver, s *Service) (*Validator, error) {
	v := &Validator{resolver: r, service: s, turns: make(chan struct{}, lookups)}
	if err := toml.NewDecoder(bytes.NewReader(domainsFile)).DisallowUnknownFields().Decode(&v.known); err != nil {
		return nil, fmt.Errorf("domains.toml: %w", err)
	}
	return v, nil
}

// Validate tells of an address as somebody typed it, for mail on a stream; "" is
// transactional. An error means that nothing could be found out; a name server that does
// not answer is a finding.
func (c *Validator) Validate(ctx context.Context, t tenant.ID, s tenant.Stream, text string) (Verdict, error) {
	a, _ := message.ParseAddress(strings.TrimSpace(text)) // that it is none is the answer
	if a.IsZero() {
		return c.judge(a, "", answer{}), nil
	}
	reasons, err := c.suppressed(ctx, t, s, []message.Address{a})
	if err != nil {
		return Verdict{}, err
	}
	found, err := c.ask(ctx, a.Domain)
	if err != nil {
		return Verdict{}, err
	}
	return c.judge(a, reasons[a], found), nil
}

// ValidateAll is Validate for many addresses, in their order. Each domain is asked for
// once, and not again for an hour, ten minutes if it gave no answer.
func (c *Validator) ValidateAll(ctx context.Context, t tenant.ID, s tenant.Stream, texts []string) ([]Verdict, error) {
	parsed := make([]message.Address, len(texts))
	var list []message.Address
	var names []string
	for i, text := range texts {
		if parsed[i], _ = message.ParseAddress(strings.TrimSpace(text)); !parsed[i].IsZero() { // that it is none is the answer
			list, names = append(list, parsed[i]), append(names, parsed[i].Domain)
		}
	}
	reasons, err := c.suppressed(ctx, t, s, list)
	if err != nil {
		return nil, err
	}
	found, err := c.askAll(ctx, names)
	if err != nil {
		return nil, err
	}
	verdicts := make([]Verdict, len(texts))
	for i, a := range parsed {
		verdicts[i] = c.judge(a, reasons[a], found[a.Domain])
	}
	return verdicts, nil
}

func (c *Validator) suppressed(ctx context.Context, t tenant.ID, s tenant.Stream, list []message.Address) (map[message.Address]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	if s == "" {
		s = tenant.Transactional
	}
	reasons, err := c.service.cfg.Store.Suppressed(ctx, t, s, list, c.service.cfg.Now())
	if err != nil {
		return nil, fmt.Errorf("validate address: %w", err)
	}
	return reasons, nil
}

// judge puts together what was found out about an address, zero if it is none.
func (c *Validator) judge(a message.Address, reason string, found answer) Verdict {
	v := Verdict{Address: a, Rating: Fine}
	if a.IsZero() {
		v.find(FindSyntax, Bad, "")
		return v
	}
	if reason != "" {
		v.find(FindSuppressed, Bad, reason)
	}
	if found.code != "" {
		v.find(found.code, found.rating, "")
	}
	if meant := c.known.meant(a.Domain, found.dead()); meant != "" {
		v.Suggestion = message.Address{Local: a.Local, Domain: meant}.String()
		v.find(FindTypo, Risky, "")
	}
	local, _, _ := strings.Cut(strings.ToLower(a.Local), "+")
	if slices.Contains(c.known.Roles, local) {
		v.find(FindRole, Risky, "")
	}
	if c.known.throwaway(a.Domain) {
		v.find(FindDisposable, Risky, "")
	}
	if !a.IsASCII() {
		v.find(FindUTF8, Risky, "")
	}
	return v
}

// throwaway reports whether a domain or one above it is disposable.
func (d domains) throwaway(domain string) bool {
	for rest, ok := domain, true; ok; _, rest, ok = strings.Cut(rest, ".") {
		if slices.Contains(d.Disposable, rest) {
			return true
		}
	}
	return false
}

// shortName is the length of a name up to which a slip is only believed of a domain that
// takes no mail: three letters beside gmx or web are somebody else.
const shortName = 4

// meant is the domain that may be meant instead, "" if none comes to mind. dead says that
// mail to the domain cannot arrive.
func (d domains) meant(domain string, dead bool) string {
	if slices.Contains(d.Providers, domain) {
		return ""
	}
	best, least := "", 3
	for _, p := range d.Providers {
		name, _, _ := strings.Cut(p, ".")
		limit := 1
		if len(name) > 7 {
			limit = 2
		}
		if len(name) <= shortName && !dead {
			continue
		}
		if n := distance(domain, p); n <= limit && n < least {
			best, least = p, n
		}
	}
	if best != "" {
		return best
	}
	dot := strings.LastIndexByte(domain, '.')
	if end := d.Ends[domain[dot+1:]]; end != "" && dead {
		return domain[:dot+1] + end
	}
	return ""
}

// Slips counts the slips of the finger between two names: 0 for the same, 3 for any that
// have not much in common.
func Slips(a, b string) int { return min(distance(a, b), 3) }

// distance counts the slips between two names: a letter more, less or other, or two
// letters in the wrong order (optimal string alignment).
func distance(a, b string) int {
	if len(a)-len(b) > 2 || len(b)-len(a) > 2 {
		return 3
	}
	before, last, now := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now[0] = i
		for j := 1; j <= len(b); j++ {
			other := 1
			if a[i-1] == b[j-1] {
				other = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+other)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}
