package bounce

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2"

	"stafette/internal/dns"
)

//go:embed classes.toml
var embedded string

// Table leads from replies to judgements. It never changes and is safe for
// concurrent use.
type Table struct {
	classes map[Class]class
	rules   []rule
	phrases phrases // of all rules
}

// class is one [class.*] of the file.
type class struct {
	Scope      Scope  `toml:"scope"`
	Permanent  bool   `toml:"permanent"`
	Hard       bool   `toml:"hard"`
	SentenceDE string `toml:"sentence_de"`
	SentenceDU string `toml:"sentence_du"` // "" where SentenceDE addresses nobody
	SentenceEN string `toml:"sentence_en"`
}

// rule is one [[rule]] of the file.
type rule struct {
	Class    Class    `toml:"class"`
	Codes    []string `toml:"codes"`
	Enhanced []string `toml:"enhanced"`
	Text     []string `toml:"text"`
	Pattern  []string `toml:"pattern"`
	About    []string `toml:"about"`
	Says     []string `toml:"says"`
	Stages   []string `toml:"stages"`
	Provider []string `toml:"provider"`

	patterns []*regexp.Regexp
}

// Load returns the table that comes with the program, read at the first call.
func Load() (*Table, error) { return own() }

var own = sync.OnceValues(func() (*Table, error) { return Parse(embedded) })

// Parse reads a table in the form of classes.toml. Unknown keys, rules without a
// condition and rules to unknown classes are errors.
func Parse(text string) (*Table, error) {
	var file struct {
		Class map[Class]class `toml:"class"`
		Rule  []rule          `toml:"rule"`
	}
	if err := toml.NewDecoder(strings.NewReader(text)).DisallowUnknownFields().Decode(&file); err != nil {
		return nil, fmt.Errorf("read bounce classes: %w", err)
	}
	t := &Table{classes: file.Class, rules: file.Rule, phrases: phrases{}}
	var errs []error
	if len(t.rules) > maxRules {
		errs = append(errs, fmt.Errorf("more than %d rules", maxRules))
		t.rules = nil
	}
	for name, c := range t.classes {
		if !c.Scope.valid() || c.SentenceDE == "" || c.SentenceEN == "" || c.Hard && !c.Permanent {
			errs = append(errs, fmt.Errorf("class %s is not whole", name))
		}
	}
	for _, name := range named() {
		if _, ok := t.classes[name]; !ok {
			errs = append(errs, fmt.Errorf("class %s is missing", name))
		}
	}
	for i := range t.rules {
		if err := t.prepare(i); err != nil {
			errs = append(errs, fmt.Errorf("rule %d to %s: %w", i+1, t.rules[i].Class, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("read bounce classes: %w", err)
	}
	return t, nil
}

func (t *Table) prepare(i int) error {
	r := &t.rules[i]
	if _, ok := t.classes[r.Class]; !ok {
		return errors.New("no such class")
	}
	if len(r.Codes)+len(r.Enhanced)+len(r.Text)+len(r.Stages)+len(r.Provider)+len(r.About) == 0 {
		return errors.New("no condition")
	}
	for _, text := range r.Text {
		if err := t.phrases.add(text, i); err != nil {
			return err
		}
	}
	if (len(r.About) == 0) != (len(r.Says) == 0) {
		return errors.New("about and says stand together")
	}
	for _, text := range slices.Concat(r.About, r.Says) {
		if text != fold(text) || len(text) < 2 || strings.Contains(text, "*") {
			return fmt.Errorf("word %q is not in lower case with single blanks", text)
		}
	}
	for _, p := range r.Pattern {
		compiled, err := regexp.Compile(p)
		if err != nil {
			return err
		}
		r.patterns = append(r.patterns, compiled)
	}
	return nil
}

// heard is an Input made ready for the rules.
type heard struct {
	code, enhanced, text, stage, provider string
}

// Judge says what a reply means. What no rule knows is Temporary or Rejected by
// its code. A temporary reply is never permanent and never hard.
func (t *Table) Judge(in Input) Judgement {
	h := heard{enhanced: in.Enhanced, text: fold(in.Text), stage: in.Stage}
	if in.Code != 0 {
		h.code = strconv.Itoa(in.Code)
	}
	if in.Host != "" {
		h.provider = dns.Provider([]dns.MX{{Host: in.Host}})
	}
	verdict := Rejected
	if in.temporary() {
		verdict = Temporary
	}
	said := t.phrases.in(h.text)
	for i := range t.rules {
		r := &t.rules[i]
		if (len(r.Text) == 0 || said.has(i)) && r.fits(&h) {
			verdict = t.rules[i].Class
			break
		}
	}
	return t.judgement(verdict, in.temporary())
}

func (t *Table) judgement(name Class, temporary bool) Judgement {
	c := t.classes[name]
	final := c.Permanent && !temporary
	return Judgement{Class: name, Scope: c.Scope, Permanent: final, Hard: c.Hard && final}
}

// Sentence explains a class in "de", in "de-du" (German that says du) or "en"; any
// other language gets English, an unknown class "".
func (t *Table) Sentence(name Class, lang string) string {
	c := t.classes[name]
	switch {
	case lang == "de-du" && c.SentenceDU != "":
		return c.SentenceDU
	case lang == "de", lang == "de-du":
		return c.SentenceDE
	}
	return c.SentenceEN
}

// Classes lists all classes by name.
func (t *Table) Classes() []Class {
	list := make([]Class, 0, len(t.classes))
	for name := range t.classes {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// fits tells whether all conditions but the phrases hold.
func (r *rule) fits(h *heard) bool {
	return (len(r.Codes) == 0 || slices.ContainsFunc(r.Codes, func(c string) bool { return beginsWith(h.code, c) })) &&
		(len(r.Enhanced) == 0 || slices.ContainsFunc(r.Enhanced, func(e string) bool { return sameStatus(h.enhanced, e) })) &&
		(len(r.Stages) == 0 || slices.Contains(r.Stages, h.stage)) &&
		(len(r.Provider) == 0 || slices.Contains(r.Provider, h.provider)) &&
		(len(r.About) == 0 || near(h.text, r.About, r.Says)) &&
		(len(r.patterns) == 0 || slices.ContainsFunc(r.patterns, func(p *regexp.Regexp) bool { return p.MatchString(h.text) }))
}

// beginsWith compares a code with the entry of a rule; "" fits only no code.
func beginsWith(code, want string) bool {
	if want == "" {
		return code == ""
	}
	return strings.HasPrefix(code, want)
}

// sameStatus compares an enhanced code with the entry of a rule.
func sameStatus(have, want string) bool {
	if rest, anyClass := strings.CutPrefix(want, "x"); anyClass && have != "" {
		have, want = have[1:], rest
	}
	if strings.HasSuffix(want, ".") {
		return strings.HasPrefix(have, want)
	}
	return have == want
}
