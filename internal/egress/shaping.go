package egress

import (
	"bytes"
	_ "embed" // the shipped profiles
	"errors"
	"fmt"
	"slices"
	"strings"

	"stafette/internal/dns"

	"github.com/pelletier/go-toml/v2"
)

//go:embed profiles.toml
var shipped []byte

// maxShaping bounds a shaping file.
const maxShaping = 1 << 20

// ShapingFile is a file of limits: what is shipped, or what the operator lays over it.
type ShapingFile struct {
	Default  Section            `toml:"default"`
	Provider map[string]Section `toml:"provider"` // by name
	Site     map[string]Section `toml:"site"`     // by dns.Site, or "route:host:port"
	Domain   map[string]Section `toml:"domain"`   // lower-case A-labels; each gets a lane of its own
	Source   map[string]Section `toml:"source"`   // by name
	Rules    []Rule             `toml:"rule"`
	// DropRules names shipped rules that do not apply. Operator's file only.
	DropRules []string `toml:"drop_rules"`
}

// ParseShaping reads a shaping file strictly: an unknown key is an error that names
// its place.
func ParseShaping(text []byte) (*ShapingFile, error) {
	if len(text) > maxShaping {
		return nil, fmt.Errorf("shaping file is larger than %d bytes", maxShaping)
	}
	var f ShapingFile
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&f); err != nil {
		return nil, placed(err)
	}
	for kind, sections := range map[string]map[string]Section{
		"default": {"": f.Default}, "provider": f.Provider, "site": f.Site, "domain": f.Domain, "source": f.Source,
	} {
		for name, s := range sections {
			if err := s.check(kind == "provider"); err != nil {
				return nil, fmt.Errorf("%s.%s: %w", kind, name, err)
			}
		}
	}
	seen := map[string]bool{}
	for i := range f.Rules {
		if err := f.Rules[i].prepare(); err != nil {
			return nil, fmt.Errorf("rule %q: %w", f.Rules[i].Name, err)
		}
		if seen[f.Rules[i].Name] {
			return nil, fmt.Errorf("rule %q stands there twice", f.Rules[i].Name)
		}
		seen[f.Rules[i].Name] = true
	}
	return &f, nil
}

// placed names the line of what strict decoding refuses.
func placed(err error) error {
	var strict *toml.StrictMissingError
	var decode *toml.DecodeError
	switch {
	case errors.As(err, &strict):
		var keys []string
		for _, e := range strict.Errors {
			row, _ := e.Position()
			keys = append(keys, fmt.Sprintf("%s (line %d)", strings.Join(e.Key(), "."), row))
		}
		return fmt.Errorf("unknown key: %s", strings.Join(keys, ", "))
	case errors.As(err, &decode):
		row, col := decode.Position()
		return fmt.Errorf("line %d, column %d: %s", row, col, decode.Error())
	}
	return err
}

// Shaping is everything that bounds sending: the shipped profiles with the
// operator's file over them. It does not change and is safe for concurrent use.
type Shaping struct {
	base      Limits
	files     [2]*ShapingFile // shipped, operator's; either may be empty
	providers map[string]string
	rules     []Rule
}

// NewShaping lays the operator's file, which may be nil, over the shipped profiles
// and both over the base limits, those of the configuration.
func NewShaping(base Limits, operator *ShapingFile) (*Shaping, error) {
	profiles, err := ParseShaping(shipped)
	if err != nil {
		return nil, fmt.Errorf("shipped profiles: %w", err)
	}
	if operator == nil {
		operator = &ShapingFile{}
	}
	s := &Shaping{base: base.WithDefaults(), files: [2]*ShapingFile{profiles, operator}, providers: map[string]string{}}
	for _, f := range s.files {
		for name, section := range f.Provider {
			for _, end := range section.MX {
				s.providers[end] = name
			}
		}
	}
	return s, s.layRules(profiles.Rules, operator)
}

// layRules puts the operator's rules first; one with the name of a shipped rule
// takes its place.
func (s *Shaping) layRules(profiles []Rule, operator *ShapingFile) error {
	dropped := map[string]bool{}
	for _, name := range operator.DropRules {
		if !slices.ContainsFunc(profiles, func(r Rule) bool { return r.Name == name }) {
			return fmt.Errorf("drop_rules: no shipped rule is named %q", name)
		}
		dropped[name] = true
	}
	for _, r := range operator.Rules {
		dropped[r.Name] = true
		s.rules = append(s.rules, r)
	}
	for _, r := range profiles {
		if !dropped[r.Name] {
			s.rules = append(s.rules, r)
		}
	}
	return nil
}

// Provider names the provider behind the hosts by the first of them, the one tried
// first; "" if it is none we know.
func (s *Shaping) Provider(hosts []dns.MX) string {
	if len(hosts) == 0 {
		return ""
	}
	for name := strings.TrimSuffix(strings.ToLower(hosts[0].Host), "."); name != ""; {
		if p, ok := s.providers[name]; ok {
			return p
		}
		_, name, _ = strings.Cut(name, ".")
	}
	return ""
}

// Apart reports whether the domain has limits of its own, and with them a lane.
func (s *Shaping) Apart(domain string) bool {
	for _, f := range s.files {
		if _, ok := f.Domain[domain]; ok {
			return true
		}
	}
	return false
}

// Path is where a mail goes; empty parts have no layer.
type Path struct {
	Provider, Site, Domain, Source string
}

// layers calls each for every section on the path, the widest first and within a
// layer the shipped one first.
func (s *Shaping) layers(p Path, each func(layer Layer, from string, section *Section)) {
	for _, step := range []struct {
		layer Layer
		name  string
		of    func(*ShapingFile) map[string]Section
	}{
		{LayerDefault, "", func(f *ShapingFile) map[string]Section { return map[string]Section{"": f.Default} }},
		{LayerProvider, p.Provider, func(f *ShapingFile) map[string]Section { return f.Provider }},
		{LayerSite, p.Site, func(f *ShapingFile) map[string]Section { return f.Site }},
		{LayerDomain, p.Domain, func(f *ShapingFile) map[string]Section { return f.Domain }},
		{LayerSource, p.Source, func(f *ShapingFile) map[string]Section { return f.Source }},
	} {
		if step.name == "" && step.layer != LayerDefault {
			continue
		}
		for i, f := range s.files {
			section, ok := step.of(f)[step.name]
			if !ok {
				continue
			}
			from := strings.TrimSuffix(string(step.layer)+"."+step.name, ".")
			if i == 1 {
				from = "override " + from
			}
			each(step.layer, from, &section)
		}
	}
}

// Limits merges the limits on a path: default → provider → site → domain → source,
// the operator's word over the shipped one within each.
func (s *Shaping) Limits(p Path) Limits {
	l := s.base
	s.layers(p, func(_ Layer, _ string, section *Section) {
		for i := range limitKeys {
			limitKeys[i].lay(&l, section)
		}
	})
	return l
}

// Explain lists the limits on a path, each with the layer it comes from.
func (s *Shaping) Explain(p Path) []Effective {
	l := s.base
	list := make([]Effective, len(limitKeys))
	for i, k := range limitKeys {
		list[i] = Effective{Limit: k.key, Value: k.show(l), Layer: LayerBuiltIn}
	}
	s.layers(p, func(layer Layer, from string, section *Section) {
		for i, k := range limitKeys {
			if k.lay(&l, section) {
				list[i] = Effective{Limit: k.key, Value: k.show(l), Layer: layer, From: from}
			}
		}
	})
	return list
}

// Ramp returns the warm-up schedule of a source towards a provider ("" for one
// that is not known).
func (s *Shaping) Ramp(provider, source string) Ramp {
	var r Ramp
	s.layers(Path{Provider: provider, Source: source}, func(_ Layer, _ string, section *Section) {
		if section.WarmUp != nil {
			r = *section.WarmUp
		}
	})
	return r
}

// Notes returns what is known of a provider.
func (s *Shaping) Notes(provider string) []string {
	var list []string
	if provider == "" {
		return nil
	}
	for _, f := range s.files {
		list = append(list, f.Provider[provider].Notes...)
	}
	return list
}

// Rules returns the rules in the order in which they are asked.
func (s *Shaping) Rules() []Rule { return slices.Clone(s.rules) }

// Providers returns the names of all providers, in order.
func (s *Shaping) Providers() []string {
	var list []string
	for _, f := range s.files {
		for name := range f.Provider {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
