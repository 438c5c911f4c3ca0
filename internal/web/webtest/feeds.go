package webtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/feed"
	"stafette/internal/feed/feedtest"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/tenant"
	"stafette/internal/web"
	webfeeds "stafette/internal/web/feeds"
)

// syndication are the feeds of the world.
type syndication struct {
	once    sync.Once
	service *feed.Service
	store   *feedtest.Store
}

// sites answers what stands for the web: a feed, an empty one, a page, and what does not answer.
type sites struct{}

// RoundTrip implements http.RoundTripper.
func (sites) RoundTrip(r *http.Request) (*http.Response, error) {
	const begin = `<rss version="2.0"><channel>`
	page := begin + `<item><guid>2</guid><title>Zweiter &lt;b&gt;Beitrag &amp;amp; mehr</title><link>https://blog.example/2</link><description>Was er sagt.</description>
		<pubDate>Mon, 02 Nov 2026 10:00:00 +0100</pubDate></item><item><guid isPermaLink="false">1</guid><title>Erster Beitrag</title><pubDate>Sun, 01 Nov 2026 10:00:00 +0100</pubDate></item></channel></rss>`
	switch r.URL.Host {
	case "leer.example":
		page = begin + `</channel></rss>`
	case "seite.example":
		page = "<!doctype html><title>Seite</title>"
	case "stumm.example":
		return nil, errors.New("no answer")
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader([]byte(page))), Request: r}, nil
}

// feedsSubject is the real service on a store in memory, with a feed in every state.
func feedsSubject() Subject {
	path := func(t func(*World) tenant.ID) func(*World) map[string]string {
		return func(w *World) map[string]string {
			list, err := w.Feeds().List(context.Background(), t(w))
			if err != nil || len(list) == 0 {
				return nil
			}
			return map[string]string{"/feeds/{id}": feed.Path(list[0].ID)}
		}
	}
	return Subject{
		Wire: func(w *World, c *web.Config) {
			c.Feeds = webfeeds.Config{Feeds: w.Feeds(), Groups: w.Groups(), Templates: w.Stationery(), Mailings: w.Mailings()}
		},
		Own:     path(func(w *World) tenant.ID { return w.Tenant.ID }),
		Foreign: path(func(w *World) tenant.ID { return w.Other.ID }),
		Pages: func(w *World) []string {
			list := []string{"/feeds?q=gibtsnicht", "/feeds?sort=-next&done=deleted", "/feeds/fee_unknown"}
			found, err := w.Feeds().List(context.Background(), w.Tenant.ID)
			if err != nil {
				return nil
			}
			for i, f := range found {
				list = append(list, feed.Path(f.ID))
				if i == 0 {
					list = append(list, feed.Path(f.ID)+"?done=created", feed.Path(f.ID)+"?q=gibtsnicht", feed.Path(f.ID)+"/edit?done=wrong")
				}
			}
			return list
		},
	}
}

// Feeds are those of the world: some in every state, and one of World.Other.
func (w *World) Feeds() *feed.Service {
	w.syndication.once.Do(w.makeFeeds)
	return w.syndication.service
}

func (w *World) makeFeeds() {
	ctx := context.Background()
	store := &feedtest.Store{}
	w.syndication.store = store
	w.syndication.service = feed.New(feed.Config{Store: store, Mailings: w.Mailings(), Client: &http.Client{Transport: sites{}}, Now: w.Now})
	for _, t := range []tenant.ID{w.Other.ID, w.Tenant.ID} {
		groups, err := w.Groups().List(ctx, t)
		if err != nil || len(groups) == 0 {
			panic("webtest: a world without groups")
		}
		keep := func(name, url string, change func(*feed.Feed)) feed.ID {
			f := feed.Feed{Name: name, URL: url, Groups: []audience.GroupID{groups[0].ID}, From: "Muster GmbH <news@muster.example>", Subject: "Neu: {{feed_title}}", Most: 10,
				HTML: `<p>{{feed_entries}}</p><a href="{{unsubscribe_url}}">Abmelden</a>`, Schedule: feed.Schedule{Every: feed.Weekly, Hour: 9, Weekday: time.Monday, Day: 1}}
			if change != nil {
				change(&f)
			}
			f, err := w.syndication.service.Create(ctx, ingest.Principal{Tenant: t, Actor: "usr_1", Door: "office"}, f)
			if err != nil {
				panic(err)
			}
			return f.ID
		}
		if t == w.Other.ID {
			keep("Fremd", "https://fremd.example/feed", nil)
			continue
		}
		keep(`Neu <script>alert("x")</script>`, "https://leer.example/"+strings.Repeat("lang/", 30), nil)
		store.Tell(keep("Presse", "https://stumm.example/rss", func(f *feed.Feed) { f.Schedule.Every = feed.Daily }), 3, w.looks(feed.CodeUnreachable, "", feed.CodeMalformed, "", feed.Begun, "")...)
		store.Tell(keep("Termine", "https://blog.example/termine", func(f *feed.Feed) { f.Schedule.Every, f.Paused = feed.Monthly, true }), 0, w.looks(feed.Begun, "")...)
		store.Tell(keep("Blog", "https://blog.example/feed", func(f *feed.Feed) { f.Send = true }), 0, w.looks(feed.Nothing, "", feed.Held, "group_not_approved", feed.Sent, "", feed.Drafted, "", feed.Begun, "")...)
	}
}

// looks are some, from new to old, each an outcome and why.
func (w *World) looks(words ...string) (list []feed.Look) {
	for i := 0; i < len(words); i += 2 {
		at := w.Now().Add(-time.Duration(i+1) * 24 * time.Hour)
		l := feed.Look{ID: id.New[feed.LookKind](at), At: at, Outcome: words[i], Why: words[i+1]}
		if l.Outcome == feed.Drafted || l.Outcome == feed.Sent || l.Outcome == feed.Held {
			l.New, l.Campaign = 2, id.New[campaign.Kind](at)
		}
		list = append(list, l)
	}
	return list
}
