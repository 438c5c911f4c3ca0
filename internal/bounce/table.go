package bounce

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"stafette/internal/dns"
)

//go:embed classes.toml
var embedded string

// maxText bounds how much of a reply is read for words: its sense stands in front,
// and a long reply shall not cost more than a long one does.
const maxText = 4 << 10

// Table leads from replies to judgements. It never changes and is safe for
// concurrent use.
type Table struct {
	classes map[Class]class
	rules   []rule
}

// class is one [class.*] of the file.
type class struct {
	Scope      Scope  `toml:"scope"`
	Permanent  bool   `toml:"permanent"`
	Hard       bool   `toml:"hard"`
	SentenceDE string `toml:"sentence_de"`
	SentenceEN string `toml:"sentence_en"`
}

// rule is one [[rule]] of the file.
type rule struct {
	Class    Class    `toml:"class"`
	Codes    []string `toml:"codes"`
	Enhanced []string `toml:"enhanced"`
	Text     []string `toml:"text"`
	Pattern  []string `toml:"pattern"`
	Stages   []string `toml:"stages"`
	Provider []string `toml:"provider"`

	phrases  []phrase
	patterns []*regexp.Regexp
}

// phrase is a text with its "*" taken out: the pieces, in order.
type phrase []string

func (p phrase) in(text string) bool {
	from := 0
	for _, piece := range p {
		i := wordIndex(text, piece, from)
		if i < 0 {
			return false
		}
		from = i + len(piece)
	}
	return true
}

// wordIndex finds piece at or behind from, not inside a word: "locked" is not in
// "blocked", while "spam" is in "spamming".
func wordIndex(text, piece string, from int) int {
	for {
		i := strings.Index(text[from:], piece)
		if i < 0 {
			return -1
		}
		if i += from; i == 0 || !wordByte(piece[0]) || !wordByte(text[i-1]) {
			return i
		}
		from = i + 1
	}
}

// wordByte counts every byte of a letter outside ASCII as part of a word.
func wordByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b >= 0x80
}

// Load reads the table that comes with the program.
func Load() (*Table, error) { return Parse(embedded) }

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
	t := &Table{classes: file.Class, rules: file.Rule}
	var errs []error
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
		if err := t.prepare(&t.rules[i]); err != nil {
			errs = append(errs, fmt.Errorf("rule %d to %s: %w", i+1, t.rules[i].Class, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("read bounce classes: %w", err)
	}
	return t, nil
}

func (t *Table) prepare(r *rule) error {
	if _, ok := t.classes[r.Class]; !ok {
		return errors.New("no such class")
	}
	if len(r.Codes)+len(r.Enhanced)+len(r.Text)+len(r.Stages)+len(r.Provider) == 0 {
		return errors.New("no condition")
	}
	for _, text := range r.Text {
		if text == "" || text != fold(text) {
			return fmt.Errorf("text %q is not in lower case with single blanks", text)
		}
		p := phrase(strings.Split(text, "*"))
		for i := range p {
			if p[i] = strings.TrimSpace(p[i]); p[i] == "" {
				return fmt.Errorf("text %q has a * at its end", text)
			}
		}
		r.phrases = append(r.phrases, p)
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
	for i := range t.rules {
		if t.rules[i].fits(&h) {
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

// Sentence explains a class in "de" or "en"; any other language gets English, an
// unknown class "".
func (t *Table) Sentence(name Class, lang string) string {
	if lang == "de" {
		return t.classes[name].SentenceDE
	}
	return t.classes[name].SentenceEN
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

func (r *rule) fits(h *heard) bool {
	return (len(r.Codes) == 0 || slices.ContainsFunc(r.Codes, func(c string) bool { return beginsWith(h.code, c) })) &&
		(len(r.Enhanced) == 0 || slices.ContainsFunc(r.Enhanced, func(e string) bool { return sameStatus(h.enhanced, e) })) &&
		(len(r.Stages) == 0 || slices.Contains(r.Stages, h.stage)) &&
		(len(r.Provider) == 0 || slices.Contains(r.Provider, h.provider)) &&
		(len(r.phrases) == 0 || slices.ContainsFunc(r.phrases, func(p phrase) bool { return p.in(h.text) })) &&
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
	if rest, any := strings.CutPrefix(want, "x"); any && have != "" {
		have, want = have[1:], rest
	}
	if strings.HasSuffix(want, ".") {
		return strings.HasPrefix(have, want)
	}
	return have == want
}

// fold makes text comparable: lower case, runs of blanks and line ends one blank,
// and no mail addresses, whose words say nothing of the reason.
func fold(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	fields := strings.Fields(strings.ToLower(text))
	for i, f := range fields {
		if strings.Contains(f, "@") {
			fields[i] = "@"
		}
	}
	return strings.Join(fields, " ")
}
