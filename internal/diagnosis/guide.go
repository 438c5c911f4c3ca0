package diagnosis

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"stafette/internal/dns"
	"stafette/internal/i18n"
)

//go:embed guides.toml
var guidesFile string

// Guide is the help for people who have their mailbox at one provider. Its words are in
// the catalogue.
type Guide struct {
	ID string `toml:"id"`
	// Name is how the provider writes itself; "" where the guide is for many.
	Name      string   `toml:"name"`
	Providers []string `toml:"providers"` // names of dns.Provider
	Hosts     []string `toml:"hosts"`     // ends of mail servers' names
	Checked   string   `toml:"checked"`   // day on which the sources of its paths were read
	Parts     []string `toml:"parts"`
	Unsure    []string `toml:"unsure"` // parts that rest on general knowledge
	Days      int      `toml:"days"`   // after which the spam folder is emptied; 0: not known
	// Administered: mailboxes have an administrator, who can look where users cannot.
	Administered bool `toml:"administered"`
	// Forwards: what is taken is passed on to another mailbox.
	Forwards bool `toml:"forwards"`
}

// CheckedAt is the day on which the sources of the paths were last read.
func (g Guide) CheckedAt() time.Time {
	at, err := time.Parse(time.DateOnly, g.Checked)
	if err != nil {
		return time.Time{} // loadGuides refuses that
	}
	return at
}

// Step is one thing for the recipient to do.
type Step struct {
	Part string // of the guide, or "search", "forward", "expiry", "other"
	Text string
	// Unsure: the path was not verified with the provider and may differ.
	Unsure bool
}

func loadGuides() ([]Guide, error) {
	var file struct {
		Guide []Guide `toml:"guide"`
	}
	if err := toml.NewDecoder(strings.NewReader(guidesFile)).DisallowUnknownFields().Decode(&file); err != nil {
		return nil, fmt.Errorf("read guides: %w", err)
	}
	var errs []error
	for _, g := range file.Guide {
		if g.ID == "" || len(g.Parts) == 0 || g.CheckedAt().IsZero() {
			errs = append(errs, fmt.Errorf("guide %q is not whole", g.ID))
		}
	}
	if n := len(file.Guide); n == 0 || file.Guide[n-1].ID != "any" {
		errs = append(errs, errors.New("the last guide is not the one for all others"))
	}
	return file.Guide, errors.Join(errs...)
}

// Guides lists the guides in the order of a page.
func (s *Service) Guides() []Guide { return slices.Clone(s.guides) }

// guideFor chooses the guide by the server that was talked to, not by what stands behind
// the @: many domains lie at few providers.
func (s *Service) guideFor(host string) Guide {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for _, g := range s.guides {
		if slices.ContainsFunc(g.Hosts, func(end string) bool { return host == end || strings.HasSuffix(host, "."+end) }) {
			return g
		}
	}
	provider := dns.Provider([]dns.MX{{Host: host}})
	for _, g := range s.guides {
		if provider != "" && slices.Contains(g.Providers, provider) {
			return g
		}
	}
	return s.guides[len(s.guides)-1]
}

// Steps are the steps of a guide for mail from an address: all of them where v accepted
// it, otherwise only what holds for refused mail.
func (s *Service) Steps(voice Voice, v Verdict) []Step {
	args := s.args(voice, v)
	if !v.Accepted() {
		return s.refusedSteps(voice, v, args)
	}
	list := []Step{s.step(voice, v.Guide, "search", args)}
	for _, part := range v.Guide.Parts {
		if part != "refused" {
			list = append(list, s.step(voice, v.Guide, part, args))
		}
	}
	if !v.Guide.Forwards {
		list = append(list, s.step(voice, v.Guide, "forward", args))
	}
	if age := s.Now().Sub(v.Delivery.UpdatedAt); v.Guide.Days > 0 && age > time.Duration(v.Guide.Days/2)*24*time.Hour {
		list = append(list, s.step(voice, v.Guide, "expiry", args))
	}
	return append(list, s.step(voice, v.Guide, "other", args))
}

// refusedSteps are for mail a server did not take: nothing lies in any folder.
func (s *Service) refusedSteps(voice Voice, v Verdict, args i18n.Args) []Step {
	switch v.Situation {
	case Source, Domain, Content, Refused:
		if slices.Contains(v.Guide.Parts, "refused") {
			return []Step{s.step(voice, v.Guide, "refused", args)}
		}
	}
	return nil
}

// GuideSteps are the steps of a guide about no mail in particular.
func (s *Service) GuideSteps(voice Voice, g Guide) []Step {
	args := i18n.Args{
		"from": s.text(voice, "ph.the.from", nil), "sender_domain": s.text(voice, "ph.the.domain", nil), "provider": s.GuideName(voice, g),
		"days": g.Days, "age": "",
	}
	list := make([]Step, len(g.Parts))
	for i, part := range g.Parts {
		list[i] = s.step(voice, g, part, args)
	}
	return list
}

// step finds the words of a part: the guide's own, or those for all.
func (s *Service) step(voice Voice, g Guide, part string, args i18n.Args) Step {
	key := "ph." + g.ID + "." + part
	if !s.Catalog.Has(key) {
		key = "ph." + part
	}
	return Step{Part: part, Text: s.text(voice, key, args), Unsure: slices.Contains(g.Unsure, part)}
}

// GuideName is the heading of a guide: the provider's name, or words for those that
// share one.
func (s *Service) GuideName(voice Voice, g Guide) string {
	if g.Name != "" {
		return g.Name
	}
	return s.text(voice, "ph."+g.ID+".name", nil)
}
