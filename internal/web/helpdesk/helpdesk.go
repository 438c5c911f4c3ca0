// Package helpdesk is where the help is read: in the office with a search box and topics,
// by everybody without signing in at /hilfe (German) and /help (English), and by staff as
// counts of what helped and what was searched for in vain.
//
// It is a subject of the door web (floor 4). Package help has the articles. The public
// pages set no cookie and may be kept by caches; whoever is signed in reads the same
// articles at /help within the office.
package helpdesk

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/help"
	"stafette/internal/i18n"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Library *help.Library
	Desk    *help.Desk
	Store   help.Store
}

// Routes are the pages.
func Routes(c Config) []frame.Route {
	return []frame.Route{
		{Pattern: "GET /help", Access: frame.Anyone, Do: c.show},
		{Pattern: "GET /help/{slug}", Access: frame.Anyone, Do: c.article},
		{Pattern: "GET /hilfe", Access: frame.Anyone, Do: c.showGerman},
		{Pattern: "GET /hilfe/{slug}", Access: frame.Anyone, Do: c.articleGerman},
		{Pattern: "POST /help/{slug}/answer", Access: frame.Anyone, Do: c.answer},
		{Pattern: "POST /help/missing", Access: frame.Anyone, Do: c.missing},
		{Pattern: "GET /platform/help", Access: frame.Staff, Permission: tenant.PlatformMessages, Do: c.counts,
			Entry: frame.Entry{Room: "helpdesk", Icon: "help", Group: frame.GroupSystem}},
	}
}

// keepFor is how long a public page may be kept by caches.
const keepFor = 10 * time.Minute

// maxQuestion bounds a question, in characters.
const maxQuestion = 200

// place is where the reader reads, and how addresses look there.
type place struct {
	root   string // "/help" or "/hilfe"
	office bool
}

func (v place) article(slug string) string { return v.root + "/" + slug }

// link is an address of an article as it stands here: articles link to /help/….
func (v place) link(href string) string {
	if rest, ok := strings.CutPrefix(href, "/help/"); ok {
		return v.article(rest)
	}
	return href
}

// english is the reader's place at /help: the office, or the public pages in English.
func english(p frame.Page) (place, frame.Page) {
	if p.SignedIn {
		return place{"/help", true}, p
	}
	return place{"/help", false}, p.Public(i18n.English)
}

func german(p frame.Page) (place, frame.Page) { return place{"/hilfe", false}, p.Public(i18n.German) }

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	at, p := english(p)
	return c.start(w, r, p, at)
}

func (c Config) showGerman(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	at, p := german(p)
	return c.start(w, r, p, at)
}

// start is the first page: topics, or what a search found.
type start struct {
	place
	question string
	found    []help.Article
	topics   []topic
	noted    bool // that something is missing was taken down
}

type topic struct {
	help.Topic
	articles []help.Article
}

func (c Config) start(w http.ResponseWriter, r *http.Request, p frame.Page, at place) error {
	v := start{place: at, question: question(r.URL.Query()), noted: r.URL.Query().Get("done") == "noted"}
	if v.question != "" {
		v.found = c.Library.Search(p.Lang, v.question)
	}
	for _, t := range help.Topics() {
		list := slices.DeleteFunc(slices.Clone(c.Library.Articles(p.Lang)), func(a help.Article) bool { return a.Topic != t })
		if len(list) > 0 {
			v.topics = append(v.topics, topic{t, list})
		}
	}
	p.Room, p.Title = "help", p.T("help.title")
	if at.office {
		return p.Render(w, r, http.StatusOK, officePage(p, v))
	}
	return p.RenderPublic(w, r, publicPage(p, v), keepFor, vary(at)...)
}

// vary: at /help the cookie tells the office from the public pages.
func vary(at place) []string {
	if at.root == "/help" {
		return []string{"Cookie"}
	}
	return nil
}

func question(q url.Values) string {
	return frame.Shorten(strings.TrimSpace(strings.ToValidUTF8(q.Get("q"), "")), maxQuestion)
}

func (c Config) article(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	at, p := english(p)
	return c.one(w, r, p, at)
}

func (c Config) articleGerman(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	at, p := german(p)
	return c.one(w, r, p, at)
}

// sheet is an article as it is read.
type sheet struct {
	place
	help.Article
	related []help.Article
	done    string // "thanks" once an answer was counted
}

func (c Config) one(w http.ResponseWriter, r *http.Request, p frame.Page, at place) error {
	a, ok := c.Library.Article(p.Lang, r.PathValue("slug"))
	if !ok {
		return fault.New(fault.NotFound, "page_not_found", "no such article")
	}
	v := sheet{place: at, Article: a}
	if r.URL.Query().Get("done") == "thanks" {
		v.done = "thanks"
	}
	for _, slug := range a.Related {
		if other, ok := c.Library.Article(p.Lang, slug); ok {
			v.related = append(v.related, other)
		}
	}
	p.Room, p.Title = "help", a.Title
	if at.office {
		return p.Render(w, r, http.StatusOK, officeArticle(p, v))
	}
	return p.RenderPublic(w, r, publicArticle(p, v), keepFor, vary(at)...)
}

// back is where a form came from: one of the two roots.
func back(r *http.Request) string {
	if r.PostForm.Get("at") == "/hilfe" {
		return "/hilfe"
	}
	return "/help"
}

// langOf is the language of an article that was answered; an office has its reader's.
func langOf(p frame.Page, root string) i18n.Lang {
	switch {
	case root == "/hilfe":
		return i18n.German
	case p.SignedIn:
		return p.Lang
	}
	return i18n.English
}

func (c Config) answer(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	root, slug, helped := back(r), r.PathValue("slug"), r.PostForm.Get("helped")
	if helped != "yes" && helped != "no" {
		return fault.Field("helped", "form_malformed", "yes or no")
	}
	if err := c.Desk.Answer(r.Context(), langOf(p, root), slug, helped == "yes", p.ClientIP(r)); err != nil {
		return err
	}
	frame.Redirect(w, r, root+"/"+slug, "thanks")
	return nil
}

func (c Config) missing(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	if err := c.Desk.Missing(r.Context(), question(r.PostForm), p.ClientIP(r)); err != nil {
		return err
	}
	frame.Redirect(w, r, back(r), "noted")
	return nil
}

// countedDays is how far back the counts go.
const countedDays = 90

// shownFrom is how many readers must have missed the same before it is shown: fewer might
// tell of somebody.
const shownFrom = 3

// count is a line of the counts.
type count struct {
	help.Answers
	title string
	lang  i18n.Lang
}

func (c Config) counts(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	answers, missing, err := c.Store.HelpCounts(r.Context(), p.Now.AddDate(0, 0, -countedDays))
	if err != nil {
		return fmt.Errorf("help counts: %w", err)
	}
	var list []count
	for _, a := range answers {
		one := count{Answers: a, title: a.Article, lang: a.Lang}
		if known, ok := c.Library.Article(a.Lang, a.Article); ok {
			one.title = known.Title
		}
		list = append(list, one)
	}
	slices.SortStableFunc(list, func(a, b count) int { return int(b.No - a.No) })
	missing = slices.DeleteFunc(missing, func(q help.Question) bool { return q.N < shownFrom })
	p.Room, p.Title = "helpdesk", p.T("nav.helpdesk")
	return p.Render(w, r, http.StatusOK, countsPage(p, list, missing))
}
