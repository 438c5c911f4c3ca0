// Package help keeps the articles that answer people's questions: what they say in
// German and English, to which topic they belong, and how one is found.
//
// It is floor 3, beside the journey: it knows no mail and no tenant. An article is shown
// only if it is true today: it names the features it needs and those that would make it
// untrue, and an article about others does not exist for readers, searches and links. The texts lie in
// articles/de and articles/en, one Markdown file for each, the same set in both. How they
// look is package web's; whether they helped is counted by Desk, without saying who was
// helped.
package help

import (
	"bufio"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"stafette/internal/i18n"
)

// Topic is a chapter of the help; its name is the text "help.topic." + Topic.
type Topic string

// The topics, in the order they are shown in.
const (
	Delivery Topic = "delivery" // did it arrive, and if not why
	Mailbox  Topic = "mailbox"  // what recipients look for on their side
	Figures  Topic = "figures"  // rates, times, providers
	Sending  Topic = "sending"  // writing, attachments, who may be written to
	Setup    Topic = "setup"    // domains, keys, programs
	Account  Topic = "account"  // signing in, mails about the account
)

// Topics lists them.
func Topics() []Topic { return []Topic{Delivery, Mailbox, Figures, Sending, Setup, Account} }

// Feature is something an article may need to be true.
type Feature string

// Article is one article in one language.
type Article struct {
	Slug    string // names it in addresses, in both languages
	Title   string
	Summary string // one sentence: the answer in short
	Topic   Topic
	Words   []string  // further words people search for
	Checked time.Time // when it was last compared with the product and the providers
	Needs   []Feature // without all of which it is not true
	Unless  []Feature // with any of which it is not true any more
	Related []string  // slugs, of shown articles only
	Blocks  []Block
}

//go:embed articles
var articles embed.FS

// Library is all articles that are shown. It never changes and is safe for concurrent use.
type Library struct {
	lists map[i18n.Lang][]Article // in order of topics, then titles
	index map[i18n.Lang]*index
}

// Load reads the articles that need no more than the features built. An error means that
// the program was built with a broken article.
func Load(built ...Feature) (*Library, error) {
	l := &Library{lists: map[i18n.Lang][]Article{}, index: map[i18n.Lang]*index{}}
	for _, lang := range i18n.Langs() {
		all, err := read(lang)
		if err != nil {
			return nil, fmt.Errorf("load help: %w", err)
		}
		shown := slices.DeleteFunc(all, func(a Article) bool {
			return slices.ContainsFunc(a.Needs, func(f Feature) bool { return !slices.Contains(built, f) }) ||
				slices.ContainsFunc(a.Unless, func(f Feature) bool { return slices.Contains(built, f) })
		})
		for i := range shown {
			shown[i].Related = slices.DeleteFunc(shown[i].Related, func(slug string) bool {
				return !slices.ContainsFunc(shown, func(a Article) bool { return a.Slug == slug })
			})
		}
		l.lists[lang] = shown
		l.index[lang] = newIndex(shown)
	}
	return l, nil
}

// read reads all articles of a language, shown or not.
func read(lang i18n.Lang) ([]Article, error) {
	names, err := fs.Glob(articles, "articles/"+string(lang)+"/*.md")
	if err != nil {
		return nil, err
	}
	var list []Article
	for _, name := range names {
		text, err := articles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		a, err := parse(strings.TrimSuffix(path.Base(name), ".md"), string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, a)
	}
	slices.SortStableFunc(list, func(a, b Article) int {
		if c := slices.Index(Topics(), a.Topic) - slices.Index(Topics(), b.Topic); c != 0 {
			return c
		}
		return strings.Compare(fold(a.Title), fold(b.Title))
	})
	return list, nil
}

// parse reads one file: front matter of "name: value" lines between two lines of three
// hyphens, then Markdown (see Block).
func parse(slug, text string) (Article, error) {
	a := Article{Slug: slug}
	front, body, ok := strings.Cut(strings.TrimPrefix(text, "---\n"), "\n---\n")
	if !ok || !strings.HasPrefix(text, "---\n") {
		return a, fmt.Errorf("no front matter")
	}
	lines := bufio.NewScanner(strings.NewReader(front))
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), ": ")
		if !ok {
			return a, fmt.Errorf("front matter: %q", lines.Text())
		}
		if err := a.set(name, value); err != nil {
			return a, err
		}
	}
	if a.Title == "" || a.Summary == "" || a.Checked.IsZero() || !slices.Contains(Topics(), a.Topic) {
		return a, fmt.Errorf("title, summary, topic or checked is missing")
	}
	var err error
	a.Blocks, err = parseBlocks(body)
	return a, err
}

func (a *Article) set(name, value string) (err error) {
	list := func() (list []string) {
		for one := range strings.SplitSeq(value, ",") {
			list = append(list, strings.TrimSpace(one))
		}
		return list
	}
	switch name {
	case "title":
		a.Title = value
	case "summary":
		a.Summary = value
	case "topic":
		a.Topic = Topic(value)
	case "words":
		a.Words = list()
	case "related":
		a.Related = list()
	case "needs", "unless":
		to := &a.Needs
		if name == "unless" {
			to = &a.Unless
		}
		for _, f := range list() {
			*to = append(*to, Feature(f))
		}
	case "checked":
		a.Checked, err = time.Parse(time.DateOnly, value)
	default:
		err = fmt.Errorf("front matter: unknown %q", name)
	}
	return err
}

// Articles lists the articles in the order they are shown in.
func (l *Library) Articles(lang i18n.Lang) []Article { return l.lists[lang] }

// Article returns the article of a slug.
func (l *Library) Article(lang i18n.Lang, slug string) (Article, bool) {
	i := slices.IndexFunc(l.lists[lang], func(a Article) bool { return a.Slug == slug })
	if i < 0 {
		return Article{}, false
	}
	return l.lists[lang][i], true
}

// Search returns the articles that answer a question best, the best first.
func (l *Library) Search(lang i18n.Lang, question string) []Article {
	var found []Article
	for _, i := range l.index[lang].search(question) {
		found = append(found, l.lists[lang][i])
	}
	return found
}
