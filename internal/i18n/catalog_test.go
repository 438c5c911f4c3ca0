package i18n_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"stafette/internal/i18n"
)

func load(t *testing.T) *i18n.Catalog {
	t.Helper()
	c, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCataloguesHaveTheSameKeys(t *testing.T) {
	c := load(t)
	de, en := c.Keys(i18n.German), c.Keys(i18n.English)
	for _, key := range de {
		if _, ok := slices.BinarySearch(en, key); !ok {
			t.Errorf("English has no %q", key)
		}
	}
	for _, key := range en {
		if _, ok := slices.BinarySearch(de, key); !ok {
			t.Errorf("German has no %q", key)
		}
	}
	if len(de) < 300 {
		t.Errorf("only %d keys: the catalogue is not the whole one", len(de))
	}
}

func TestTranslationsAskForTheSameValues(t *testing.T) {
	c := load(t)
	for _, key := range c.Keys(i18n.German) {
		de, en := c.Placeholders(i18n.German, key), c.Placeholders(i18n.English, key)
		if !slices.Equal(de, en) {
			t.Errorf("%s: German asks for %v, English for %v", key, de, en)
		}
		plain, isDu := strings.CutSuffix(key, ".du")
		if isDu && !slices.Equal(de, c.Placeholders(i18n.German, plain)) {
			t.Errorf("%s asks for other values than %s", key, plain)
		}
	}
}

// The voice of the copy deck, as far as a machine can hear it.
func TestTextsKeepTheVoice(t *testing.T) {
	c := load(t)
	banned := []string{"!", "Ups", "Hoppla", "Oops", "Sorry", "leider", "Account", "Whitelist", "Blacklist", "canceln", "checken", "...", "Support-Ticket"}
	for _, lang := range i18n.Langs() {
		for _, key := range c.Keys(lang) {
			text := c.Text(lang, i18n.Sie, key, nil)
			for _, word := range banned {
				if strings.Contains(text, word) {
					t.Errorf("%s %s says %q: %s", lang, key, word, text)
				}
			}
			if strings.HasSuffix(key, ".du") && lang == i18n.German && strings.Contains(text, "Ihr") {
				t.Errorf("%s is addressed to Sie: %s", key, text)
			}
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s %s is empty", lang, key)
			}
		}
	}
}

// Texts that address nobody of a tenant: staff, the technical contacts of domains, and
// those that customers pass on to their IT, are always Sie (copy deck, rules 6 and 7).
func alwaysSie(key string) bool {
	for _, passedOn := range []string{"announce.", "changeover.page.", "changeover.faq."} {
		if strings.HasPrefix(key, passedOn) {
			return true
		}
	}
	return strings.HasPrefix(key, "egress.") || strings.HasPrefix(key, "platform.") || strings.HasPrefix(key, "domains.letter.")
}

// addressed hears a sentence that says Sie to its reader. At the beginning of a
// sentence "Sie" may be somebody else, so that only other places count.
var addressed = regexp.MustCompile(`[^.:?;,„] Sie\b|\bIhnen\b|[^.:?;„] Ihr(e|en|em|er|es)?\b`)

func TestWhatSaysSieCanSayDu(t *testing.T) {
	c := load(t)
	keys := c.Keys(i18n.German)
	for _, key := range keys {
		text := c.Text(i18n.German, i18n.Sie, key, nil)
		if strings.HasSuffix(key, ".du") || alwaysSie(key) || !addressed.MatchString(text) {
			continue
		}
		if _, ok := slices.BinarySearch(keys, key+".du"); !ok {
			t.Errorf("%s has no text for du: %s", key, text)
		}
	}
}

func TestText(t *testing.T) {
	c := load(t)
	cases := []struct {
		name string
		lang i18n.Lang
		tone i18n.Tone
		key  string
		args i18n.Args
		want string
	}{
		{"plain", i18n.German, i18n.Sie, "state.delivered.label", nil, "Zugestellt"},
		{"English", i18n.English, i18n.Sie, "state.delivered.label", nil, "Delivered"},
		{"unknown language is German", "fr", "", "state.held.label", nil, "Angehalten"},
		{"du where there is one", i18n.German, i18n.Du, "overview.calm", nil, "Alles erledigt. Hier steht, was dich als Nächstes braucht."},
		{"du falls back", i18n.German, i18n.Du, "state.delivered.label", nil, "Zugestellt"},
		{"one", i18n.German, i18n.Sie, "list.recipients", i18n.Args{"n": 1}, "ein Empfänger"},
		{"other with a grouped number", i18n.German, i18n.Sie, "list.recipients", i18n.Args{"n": 1234567}, "1.234.567 Empfänger"},
		{"English groups otherwise", i18n.English, i18n.Sie, "list.recipients", i18n.Args{"n": int64(1234)}, "1,234 recipients"},
		{"exact number", i18n.English, i18n.Sie, "overview.summary.today", i18n.Args{"n": 0, "time": "14:05"}, "No delivery today so far. As of 14:05."},
		{"nested", i18n.German, i18n.Sie, "message.summary", i18n.Args{"n": 3, "tally": "1 zugestellt"}, "An 3 Empfänger: 1 zugestellt."},
		{"values are not read as patterns", i18n.German, i18n.Sie, "list.nothing.title", i18n.Args{"query": "{n} # }"}, "Nichts gefunden für „{n} # }“."},
		{"missing value shows", i18n.German, i18n.Sie, "list.next", nil, "Nächster Versuch ⟦time⟧"},
		{"missing key shows", i18n.German, i18n.Sie, "no.such.key", nil, "⟦no.such.key⟧"},
	}
	for _, c2 := range cases {
		t.Run(c2.name, func(t *testing.T) {
			if got := c.Text(c2.lang, c2.tone, c2.key, c2.args); got != c2.want {
				t.Errorf("got %q, want %q", got, c2.want)
			}
		})
	}
}

func TestNegotiate(t *testing.T) {
	for header, want := range map[string]i18n.Lang{
		"": i18n.German, "en-GB,en;q=0.8": i18n.English, "de-AT": i18n.German, "fr": i18n.German,
		"fr,en;q=0.5,de;q=0.1": i18n.English, "*": i18n.German, "\x00;;;q": i18n.German, "de;q=0.2,en;q=0.9": i18n.English,
	} {
		if got := i18n.Negotiate(header); got != want {
			t.Errorf("Negotiate(%q) = %q, want %q", header, got, want)
		}
	}
}
