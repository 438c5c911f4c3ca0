package feed_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"stafette/internal/feed"
)

func base() *url.URL { return &url.URL{Scheme: "https", Host: "blog.example", Path: "/news/feed.xml"} }

func rss(items string) string {
	return `<rss version="2.0"><channel><title>Blog</title>` + items + `</channel></rss>`
}

// rdf is a feed of RSS 1.0: its items stand beside the channel, which lists them.
func rdf(items string) string {
	return `<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/">` +
		`<channel rdf:about="https://blog.example/"><title>Blog</title><link>https://blog.example/</link><items><rdf:Seq><rdf:li rdf:resource="https://blog.example/1"/></rdf:Seq></items></channel>` +
		`<image rdf:about="https://blog.example/i"><title>Bild</title></image>` + items + `</rdf:RDF>`
}

// many are n items, the first of which is the newest.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "<item><title>T%d</title><guid>%d</guid></item>", i, i)
	}
	return b.String()
}

func TestParse(t *testing.T) {
	const atom = `<feed xmlns="http://www.w3.org/2005/Atom"><title>Blog</title><link href="/"/>`
	for name, c := range map[string]struct{ page, want string }{
		"rss": {rss(`<item><title>Eins &amp;amp; zwei</title><link>https://blog.example/1</link><description><![CDATA[<p>Guten <b>Tag</b></p><script>x</script><p>Welt</p>]]></description><pubDate>Mon, 23 Nov 2026 09:00:00 +0100</pubDate></item>`),
			"Eins & zwei|https://blog.example/1|Guten Tag Welt|2026-11-23T08:00:00Z"},
		"atom":                 {atom + `<entry><id>a</id><title>A &lt; B</title><link rel="self" href="/self"/><link href="../1"/><summary type="html">&lt;i&gt;kurz&lt;/i&gt;</summary><updated>2026-11-23T08:00:00Z</updated></entry></feed>`, "A < B|https://blog.example/1|kurz|2026-11-23T08:00:00Z"},
		"xhtml":                {atom + `<entry><id>a</id><title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Ganz <b>neu</b></div></title></entry></feed>`, "Ganz neu|||"},
		"newest first":         {rss(`<item><title>alt</title><guid>1</guid><pubDate>Mon, 2 Nov 2026 09:00:00 GMT</pubDate></item><item><title>neu</title><guid>2</guid><pubDate>Tue, 3 Nov 2026 09:00:00 GMT</pubDate></item>`), "neu|||2026-11-03T09:00:00Z;alt|||2026-11-02T09:00:00Z"},
		"a date missing":       {rss(`<item><title>a</title></item><item><title>b</title><pubDate>Tue, 3 Nov 2026 09:00:00 GMT</pubDate></item>`), "a|||;b|||2026-11-03T09:00:00Z"},
		"twice":                {rss(`<item><title>a</title><guid>x</guid></item><item><title>b</title><guid>x</guid></item>`), "a|||"},
		"no title":             {rss(`<item><description>Nur Text</description></item><item><link>https://blog.example/2</link></item>`), "Nur Text||Nur Text|"},
		"link of another kind": {rss(`<item><title>a</title><link>javascript:alert(1)</link></item>`), "a|||"},
		"relative link":        {rss(`<item><title>a</title><link>1?x=2</link></item>`), "a|https://blog.example/news/1?x=2||"},
		"guid as link":         {rss(`<item><title>a</title><guid>https://blog.example/1</guid></item><item><title>b</title><guid isPermaLink="false">https://blog.example/2</guid></item>`), "a|https://blog.example/1||;b|||"},
		"foreign names":        {rss(`<item xmlns:media="http://search.yahoo.com/mrss/"><media:title>Bild</media:title><title>a</title></item>`), "a|||"},
		"signs nobody sees":    {rss("<item><title>a\u202eb\n c</title></item>"), "ab c|||"},
		"latin":                {`<?xml version="1.0" encoding="ISO-8859-1"?>` + rss("<item><title>Gr\xfc\xdfe</title></item>"), "Grüße|||"},
		"named signs":          {rss(`<item><title>a&nbsp;&ndash;&nbsp;b</title></item>`), "a – b|||"},
		"rss 1.0": {rdf(`<item rdf:about="https://blog.example/1"><title>Eins</title><link>/1</link><description>&lt;p&gt;Guten&lt;/p&gt;&lt;p&gt;Tag&lt;/p&gt;</description><dc:date>2026-11-23T09:00:00+01:00</dc:date></item>`),
			"Eins|https://blog.example/1|Guten Tag|2026-11-23T08:00:00Z"},
		"rss 1.0, newest first":   {rdf(`<item rdf:about="x1"><title>alt</title><dc:date>2026-11-02</dc:date></item><item rdf:about="x2"><title>neu</title><dc:date>2026-11-03</dc:date></item>`), "neu|||2026-11-03T00:00:00Z;alt|||2026-11-02T00:00:00Z"},
		"rss 1.0, named by about": {rdf(`<item rdf:about="x"><title>a</title><link>/1</link></item><item rdf:about="x"><title>b</title><link>/2</link></item>`), "a|https://blog.example/1||"},
		"rss 1.0, all of it":      {rdf(`<item rdf:about="x"><title>a</title><content:encoded><![CDATA[<b>Alles</b>]]></content:encoded></item>`), "a||Alles|"},
		"another rdf":             {`<RDF xmlns="urn:x"><item><title>a</title></item></RDF>`, "error"},
		"empty":                   {rss(""), ""},
		"html":                    {`<!DOCTYPE html><html><head><title>x</title></head></html>`, "error"},
		"broken":                  {rss(`<item><title>a</item>`), "error"},
		"cut off":                 {`<rss version="2.0"><channel><item><title>a`, "error"},
		"nothing":                 {"", "error"},
		"own entities":            {`<!DOCTYPE rss [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>` + rss(`<item><title>&b;</title></item>`), "error"},
		"deep":                    {`<rss>` + strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100) + `</rss>`, "error"},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := feed.Parse([]byte(c.page), base())
			var parts []string
			for _, e := range list {
				at := ""
				if !e.At.IsZero() {
					at = e.At.Format(time.RFC3339)
				}
				parts = append(parts, e.Title+"|"+e.Link+"|"+e.Excerpt+"|"+at)
			}
			got := strings.Join(parts, ";")
			if err != nil {
				got = "error"
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if list, err := feed.Parse([]byte(rss(many(600))), base()); err != nil || len(list) != 500 || list[0].Title != "T0" {
		t.Errorf("of 600: %d %v", len(list), err)
	}
}

func TestNext(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		s           feed.Schedule
		after, want string
	}{
		"today":         {feed.Schedule{Every: feed.Daily, Hour: 9}, "2026-11-23T07:00:00Z", "2026-11-23T08:00:00Z"},
		"tomorrow":      {feed.Schedule{Every: feed.Daily, Hour: 9}, "2026-11-23T08:00:00Z", "2026-11-24T08:00:00Z"},
		"summer begins": {feed.Schedule{Every: feed.Daily, Hour: 9}, "2026-03-28T09:00:00Z", "2026-03-29T07:00:00Z"},
		"friday":        {feed.Schedule{Every: feed.Weekly, Hour: 9, Weekday: time.Friday}, "2026-11-23T07:00:00Z", "2026-11-27T08:00:00Z"},
		"the 28th":      {feed.Schedule{Every: feed.Monthly, Hour: 0, Day: 28}, "2026-01-28T12:00:00Z", "2026-02-27T23:00:00Z"},
	} {
		at, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.s.Next(at, zone).Format(time.RFC3339); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(rss(`<item><title>a</title><link>/1</link><description>&lt;p&gt;b</description></item>`)))
	f.Add([]byte(`<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>a</id><title type="html">x</title><link href="1"/></entry></feed>`))
	f.Add([]byte(rdf(`<item rdf:about="1"><title>a</title><link>/1</link><dc:date>2026-11-23</dc:date></item>`)))
	f.Add([]byte("<!DOCTYPE html><html>"))
	f.Fuzz(func(t *testing.T, page []byte) {
		list, err := feed.Parse(page, base())
		if err != nil && len(list) > 0 || len(list) > 500 {
			t.Fatalf("%d entries, %v", len(list), err)
		}
		seen := map[feed.Hash]bool{}
		for _, e := range list {
			if seen[e.Hash] || e.Title == "" || !utf8.ValidString(e.Title+e.Excerpt) || utf8.RuneCountInString(e.Title) > 200 || utf8.RuneCountInString(e.Excerpt) > 400 ||
				strings.IndexFunc(e.Title+e.Excerpt, unicode.IsControl) >= 0 {
				t.Errorf("%+v", e)
			}
			seen[e.Hash] = true
			if e.Link != "" && !strings.HasPrefix(e.Link, "https://") && !strings.HasPrefix(e.Link, "http://") {
				t.Errorf("link %q", e.Link)
			}
		}
	})
}
