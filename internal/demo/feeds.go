package demo

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"stafette/internal/feed"
)

// newsURL is where the estate agency's news lie in the demo's web.
const newsURL = "https://www.hafenkontor.example/neues/feed.xml"

// Feed is that of the estate agency, without its groups.
func Feed() feed.Feed {
	return feed.Feed{Name: "Neues vom Hafen", URL: newsURL, From: "Hafenkontor Immobilien <brief@hafenkontor.example>", Subject: "Neues vom Hafen: {{feed_title}}", Most: 5,
		Schedule: feed.Schedule{Every: feed.Weekly, Hour: 9, Weekday: time.Monday, Day: 1}}
}

// news is an entry and how long before now it appeared.
type news struct {
	days           int
	name, title, p string
}

// allNews are the entries from new to old.
func allNews() []news {
	return []news{
		{2, "kaikante", "Kaikante: Baubeginn im Frühjahr", "Die Genehmigung liegt vor, die ersten Grundrisse sind gezeichnet."},
		{9, "fleet", "Speicherblock 7: noch zwei Wohnungen", "Zwei von vier Wohnungen am Fleet sind vergeben."},
		{11, "zinsen", "Was Banken gerade wissen wollen", "Welche Unterlagen eine Finanzierung schneller machen."},
		{30, "rundgang", "Rundgang durch die Speicherstadt", "Ein Nachmittag mit unserer Architektin, in Bildern."},
	}
}

// News are the entries that had appeared at an instant, as an RSS feed. now is when the newest
// of them are as old as they say.
func News(now, at time.Time) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>Neues vom Hafen</title>`)
	for _, n := range allNews() {
		if day := now.AddDate(0, 0, -n.days); !day.After(at) {
			fmt.Fprintf(&b, `<item><title>%s</title><link>https://www.hafenkontor.example/neues/%s</link><description>%s</description><pubDate>%s</pubDate></item>`,
				n.title, n.name, n.p, day.Format(time.RFC1123Z))
		}
	}
	b.WriteString("</channel></rss>")
	return b.String()
}

// Web is what of the web there is in the demo: the news, as they were at an instant. All other
// requests go to Next, or nowhere without one.
type Web struct {
	Next    http.RoundTripper
	Now, At func() time.Time
}

// RoundTrip implements http.RoundTripper.
func (w Web) RoundTrip(r *http.Request) (*http.Response, error) {
	switch {
	case r.URL.String() == newsURL:
		return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(News(w.Now(), w.At()))), Request: r}, nil
	case w.Next == nil:
		return nil, fmt.Errorf("%s is not in the demo", r.URL.Host)
	}
	return w.Next.RoundTrip(r)
}
