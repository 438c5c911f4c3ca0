package insight

import (
	_ "embed"
	"fmt"
	"time"

	"github.com/pelletier/go-toml/v2"

	"stafette/internal/i18n"
)

// Advice is what can be done where a provider stands out.
type Advice struct {
	Tenant, Operator string
	Checked          time.Time // when it was last compared with what the provider says
}

// Providers is what is to be told of mailbox providers. It never changes and is safe for
// concurrent use.
type Providers struct{ byKey map[string]knownProvider }

type knownProvider struct {
	Key, Name        string
	Checked          toml.LocalDate
	Tenant, Operator map[i18n.Lang]string
}

//go:embed providers.toml
var providersFile []byte

// LoadProviders reads the embedded data. An error means that the program was built with a
// broken file.
func LoadProviders() (*Providers, error) {
	var file struct{ Provider []knownProvider }
	if err := toml.Unmarshal(providersFile, &file); err != nil {
		return nil, fmt.Errorf("load providers: %w", err)
	}
	p := &Providers{byKey: map[string]knownProvider{}}
	for _, one := range file.Provider {
		if _, twice := p.byKey[one.Key]; twice {
			return nil, fmt.Errorf("load providers: %q stands there twice", one.Key)
		}
		p.byKey[one.Key] = one
	}
	return p, nil
}

// Name is what a provider is called, its key if nothing else is known; "" for the rest
// that has no key.
func (p *Providers) Name(key string) string {
	if name := p.byKey[key].Name; name != "" {
		return name
	}
	return key
}

// du is under which name of a language the words for readers addressed as du stand, where
// they are others.
const du i18n.Lang = "de-du"

// Advice returns what can be done about a provider. What is not known of it is what holds
// for all.
func (p *Providers) Advice(key string, lang i18n.Lang, tone i18n.Tone) Advice {
	known := p.byKey[key]
	if len(known.Tenant) == 0 {
		known = p.byKey[""]
	}
	words := known.Tenant[lang]
	if other := known.Tenant[du]; lang == i18n.German && tone == i18n.Du && other != "" {
		words = other
	}
	return Advice{Tenant: words, Operator: known.Operator[lang], Checked: known.Checked.AsTime(time.UTC)}
}
