package help

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/i18n"
)

// Both languages have the same articles, saying the same of themselves, and every link
// within them leads to one of them.
func TestArticlesAreTheSameInBothLanguages(t *testing.T) {
	var sets [2]map[string]Article
	for i, lang := range i18n.Langs() {
		list, err := read(lang)
		if err != nil {
			t.Fatal(err)
		}
		sets[i] = map[string]Article{}
		for _, a := range list {
			sets[i][a.Slug] = a
		}
	}
	if len(sets[0]) < 25 || len(sets[0]) != len(sets[1]) {
		t.Errorf("%d and %d articles", len(sets[0]), len(sets[1]))
	}
	for slug, de := range sets[0] {
		en, ok := sets[1][slug]
		if !ok || de.Topic != en.Topic || !de.Checked.Equal(en.Checked) || !slices.Equal(de.Needs, en.Needs) || !slices.Equal(de.Unless, en.Unless) ||
			!slices.Equal(de.Related, en.Related) || len(de.Blocks) != len(en.Blocks) {
			t.Errorf("%s differs: %+v, %+v", slug, de, en)
		}
		for i := range de.Blocks {
			if i < len(en.Blocks) && (de.Blocks[i].Kind != en.Blocks[i].Kind || len(de.Blocks[i].Items) != len(en.Blocks[i].Items)) {
				t.Errorf("%s: block %d differs", slug, i)
			}
		}
		for _, related := range de.Related {
			if _, ok := sets[0][related]; !ok {
				t.Errorf("%s: related %q does not exist", slug, related)
			}
		}
	}
	for i := range sets {
		for slug, a := range sets[i] {
			for _, href := range linksOf(a) {
				if to, ok := strings.CutPrefix(href, "/help/"); ok && sets[i][to].Slug == "" {
					t.Errorf("%s: link to %s", slug, href)
				}
			}
		}
	}
}

func linksOf(a Article) (list []string) {
	for _, b := range a.Blocks {
		for _, runs := range append(b.Items, b.Text) {
			for _, r := range runs {
				if r.Href != "" {
					list = append(list, r.Href)
				}
			}
		}
	}
	return list
}

// What is not built is not shown, not found and not related to.
func TestOnlyWhatIsTrueIsShown(t *testing.T) {
	plain, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	later, err := Load("tracking", "approval", "lead", "redelivery", "digests")
	if err != nil {
		t.Fatal(err)
	}
	for slug, now := range map[string]bool{"open-tracking": true, "someone-opened": false, "group-approval": false, "lead-missing": false, "mails-to-you": false} {
		for _, lang := range i18n.Langs() {
			if _, ok := plain.Article(lang, slug); ok != now {
				t.Errorf("%s is shown: %v", slug, ok)
			}
			if _, ok := later.Article(lang, slug); ok == now {
				t.Errorf("%s is shown once it is built: %v", slug, ok)
			}
		}
	}
	for _, lang := range i18n.Langs() {
		for _, a := range plain.Articles(lang) {
			for _, slug := range a.Related {
				if _, ok := plain.Article(lang, slug); !ok {
					t.Errorf("%s is related to %s", a.Slug, slug)
				}
			}
			for _, href := range linksOf(a) {
				if slug, ok := strings.CutPrefix(href, "/help/"); ok {
					if _, ok := plain.Article(lang, slug); !ok {
						t.Errorf("%s links to %s", a.Slug, slug)
					}
				}
			}
		}
		if found := plain.Search(lang, "Freigabeprozess approval"); slices.ContainsFunc(found, func(a Article) bool { return a.Slug == "group-approval" }) {
			t.Error("an article about what is not built is found")
		}
	}
}

// The questions of offices, as they are typed.
func TestSearchFindsTheAnswer(t *testing.T) {
	l, err := Load("digests")
	if err != nil {
		t.Fatal(err)
	}
	for question, want := range map[string]string{
		"E-Mail nicht angekommen":                 "delivered-not-there",
		"Kunde hat nichts bekommen, zugestellt":   "delivered-not-there",
		"Spamordner":                              "spam-folder",
		"wo finde ich den Spam-Ordner?":           "spam-folder",
		"zurueckgewiesen":                         "rejected",
		"zurückgewisen":                           "rejected",
		"Zustellrate":                             "delivery-rate",
		"wie wird die zustelrate berechnet":       "delivery-rate",
		"GMX lehnt ab":                            "stricter-providers",
		"Weiterleitungen":                         "forwarding",
		"Sperre aufheben":                         "suppressed",
		"Whitelisting IP":                         "allowlist",
		"Ist diese Mail Phishing":                 "is-it-genuine",
		"gmail werbung tab":                       "gmail-tabs",
		"15 Minuten":                              "fifteen-minutes",
		"Wochenbericht abbestellen":               "mails-to-you",
		"Anhang XML fehlt":                        "attachment",
		"darf ich gekaufte Adressen anschreiben":  "whom-may-i-write",
		"wird gemessen ob die E-Mail gelesen ist": "open-tracking",
	} {
		found := l.Search(i18n.German, question)
		if at := slices.IndexFunc(found, func(a Article) bool { return a.Slug == want }); at < 0 || at > 2 {
			t.Errorf("%q: %s is at place %d of %v", question, want, at, slugs(found))
		}
	}
	for question, want := range map[string]string{"spam folder": "spam-folder", "delivry rate": "delivery-rate", "rejected": "rejected", "is it phishing?": "is-it-genuine"} {
		if found := l.Search(i18n.English, question); len(found) == 0 || found[0].Slug != want {
			t.Errorf("%q: %v", question, slugs(found))
		}
	}
	for _, question := range []string{"", "xyzzy", "der die das", strings.Repeat("ab ", 5000), "\x00\xff%"} {
		if found := l.Search(i18n.German, question); len(found) != 0 {
			t.Errorf("%.20q found %v", question, slugs(found))
		}
	}
}

func slugs(list []Article) (all []string) {
	for _, a := range list {
		all = append(all, a.Slug)
	}
	return all
}

func TestBrokenArticlesAreRefused(t *testing.T) {
	const front = "---\ntitle: T\nsummary: S\ntopic: figures\nchecked: 2026-11-22\n---\n"
	if _, err := parse("x", front+"Text mit **Nachdruck**, `Code` und [Link](/help/x).\n\n- eins\n- zwei\n  geht weiter\n\n1. a"); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{
		"no front matter": "Text", "no title": strings.Replace(front, "title: T\n", "", 1) + "x", "topic": strings.Replace(front, "figures", "nonsense", 1) + "x",
		"unknown field": strings.Replace(front, "topic", "colour: red\ntopic", 1) + "x", "date": strings.Replace(front, "2026-11-22", "gestern", 1) + "x",
		"empty": front, "script": front + "[x](javascript:alert(1))", "other host": front + "[x](//evil.example)", "not closed": front + "**x",
	} {
		if a, err := parse("x", text); err == nil {
			t.Errorf("%s is taken: %+v", name, a)
		}
	}
}

type counter map[string]int

func (c counter) Answer(_ context.Context, _ time.Time, article, lang string, helped bool) error {
	c[article+lang]++
	return nil
}

func (c counter) Missing(_ context.Context, _ time.Time, question string) error {
	c["?"+question]++
	return nil
}

func (c counter) HelpCounts(context.Context, time.Time) ([]Answers, []Question, error) {
	return nil, nil, nil
}

// A client counts only so often in an hour, and nothing that names somebody is kept.
func TestDeskCountsWithinBounds(t *testing.T) {
	l, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	now, store := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), counter{}
	d := &Desk{Library: l, Store: store, Now: func() time.Time { return now }}
	answer := func(client string) {
		t.Helper()
		if err := d.Answer(t.Context(), i18n.German, "states", true, client); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 * perHour {
		answer("a")
	}
	answer("b")
	if store["statesde"] != perHour+1 {
		t.Errorf("%d counted", store["statesde"])
	}
	now = now.Add(time.Hour)
	if answer("a"); store["statesde"] != perHour+2 {
		t.Error("the next hour does not count")
	}
	if err := d.Answer(t.Context(), i18n.German, "group-approval", true, "c"); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("an article that is not shown: %v", err)
	}
	for question, want := range map[string]string{
		"Mail an Eva.Sommer@gmx.de fehlt seit 12.11.": "mail an fehlt seit", "Rechnung 2026-1184": "rechnung", "https://x.example/y?z": "", "  ": "", "\x00\x01": "",
		strings.Repeat("lang ", 50): strings.TrimSpace(strings.Repeat("lang ", 12)),
	} {
		if got := impersonal(question); got != want {
			t.Errorf("%q becomes %q, want %q", question, got, want)
		}
	}
}
