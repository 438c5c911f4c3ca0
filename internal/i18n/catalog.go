// Package i18n keeps every sentence people read, in German and English, and
// writes times, sizes and numbers the way each language does.
//
// It is floor 0: doors ask it for words by key. It does not know what the words
// are about, chooses no language by itself and reads no request. The texts lie in
// de/ and en/, one file for each subject: flat keys, the same set in both. A key with the suffix
// ".du" is the same text for readers addressed as du; without one the plain text
// serves both tones.
package i18n

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"
)

// Lang is a language of the platform.
type Lang string

// The languages. German comes first wherever nothing else is asked for.
const (
	German  Lang = "de"
	English Lang = "en"
)

// Langs lists the languages, the default first.
func Langs() []Lang { return []Lang{German, English} }

// Valid reports whether l is a language of the platform.
func (l Lang) Valid() bool { return l == German || l == English }

// Tone is how a text addresses its reader.
type Tone string

// The tones; every other value reads as Sie.
const (
	Sie Tone = "sie"
	Du  Tone = "du"
)

// Args are the values of a text's placeholders. Integers are written with the
// language's separators, everything else as fmt.Sprint writes it.
type Args map[string]any

// Catalog holds the compiled texts. It never changes after Load and is safe for
// concurrent use.
type Catalog struct {
	texts map[Lang]map[string]pattern
}

//go:embed de/*.json en/*.json
var files embed.FS

// Load returns the embedded catalogues, compiled at the first call. An error means that
// the program was built with a broken catalogue.
func Load() (*Catalog, error) { return embedded() }

var embedded = sync.OnceValues(func() (*Catalog, error) {
	c := &Catalog{texts: map[Lang]map[string]pattern{}}
	for _, lang := range Langs() {
		texts, err := compileDir(string(lang))
		if err != nil {
			return nil, fmt.Errorf("load catalogue: %w", err)
		}
		c.texts[lang] = texts
	}
	return c, nil
})

// compileDir compiles the files of one language. A key stands in one of them only.
func compileDir(dir string) (map[string]pattern, error) {
	names, err := fs.Glob(files, dir+"/*.json")
	if err != nil {
		return nil, err
	}
	all := map[string]pattern{}
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		texts, err := compileAll(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for key, p := range texts {
			if _, twice := all[key]; twice {
				return nil, fmt.Errorf("%s: text %q stands in another file too", name, key)
			}
			all[key] = p
		}
	}
	return all, nil
}

func compileAll(data []byte) (map[string]pattern, error) {
	var raw map[string]string
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	texts := make(map[string]pattern, len(raw))
	for key, text := range raw {
		p, err := compile(text)
		if err != nil {
			return nil, fmt.Errorf("text %q: %w", key, err)
		}
		texts[key] = p
	}
	return texts, nil
}

// Has reports whether there is a text for key.
func (c *Catalog) Has(key string) bool {
	_, ok := c.texts[German][key]
	return ok
}

// Text returns the text of key. An unknown key, and a placeholder without a
// value, show up as the name in ⟦brackets⟧, which tests look for.
func (c *Catalog) Text(lang Lang, tone Tone, key string, args Args) string {
	if !lang.Valid() {
		lang = German
	}
	texts := c.texts[lang]
	p, ok := pattern(nil), false
	if tone == Du {
		p, ok = texts[key+".du"]
	}
	if !ok {
		p, ok = texts[key]
	}
	if !ok {
		return gap(key)
	}
	var b strings.Builder
	p.write(&b, lang, args, "")
	return b.String()
}

// Keys lists the keys of a language, sorted, for the tests that compare them.
func (c *Catalog) Keys(lang Lang) []string {
	keys := make([]string, 0, len(c.texts[lang]))
	for k := range c.texts[lang] {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Placeholders lists the names a text asks for, sorted, each once.
func (c *Catalog) Placeholders(lang Lang, key string) []string {
	names := c.texts[lang][key].names(nil)
	slices.Sort(names)
	return slices.Compact(names)
}

// Negotiate picks the language for an Accept-Language header (RFC 9110, 12.5.4);
// German where nothing fits or the header is malformed.
func Negotiate(header string) Lang {
	tags, _, err := language.ParseAcceptLanguage(header)
	if err != nil || len(tags) == 0 {
		return German
	}
	matcher := language.NewMatcher([]language.Tag{language.German, language.English})
	if _, i, confidence := matcher.Match(tags...); confidence > language.No {
		return Langs()[i]
	}
	return German
}

func gap(name string) string { return "⟦" + name + "⟧" }
