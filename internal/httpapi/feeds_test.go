package httpapi_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"stafette/internal/feed"
	"stafette/internal/feed/feedtest"
	"stafette/internal/httpapi"
)

// site answers each request with a feed.
type site struct{}

func (site) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(`<rss version="2.0"><channel><item><title>Neues</title><link>/1</link></item></channel></rss>`))}, nil
}

// syndication is the real service on a store in memory.
func syndication(c httpapi.Config) *feed.Service {
	return feed.New(feed.Config{Store: &feedtest.Store{}, Mailings: c.Campaigns, Client: &http.Client{Transport: site{}}, Now: c.Now})
}

func (w *world) feed() httpapi.Feed {
	w.Helper()
	return read[httpapi.Feed](w, w.post("/v1/feeds", `{"name":"Blog","url":"https://blog.example/feed","from":"news@muster.example","subject":"Neu: {{feed_title}}",
		"html":"<p>{{feed_entries}}</p><a href=\"{{unsubscribe_url}}\">x</a>","group_ids":["`+w.group().ID.String()+`"]}`), 201)
}

func TestFeeds(t *testing.T) {
	w := newWorld(t)
	v := w.feed()
	at := "/v1/feeds/" + v.ID.String()
	if v.Every != "weekly" || v.Weekday != "monday" || v.Hour != 9 || v.Most != 10 || v.Send || v.NextAt == nil {
		t.Errorf("made: %+v", v)
	}
	p := read[httpapi.FeedPreview](w, w.post(at+"/preview", ""), 200)
	if p.Subject != "Neu: Neues" || len(p.Entries) != 1 || p.Entries[0].Link != "https://blog.example/1" || !strings.Contains(p.HTML, "Neues") {
		t.Errorf("preview: %+v", p)
	}
	v = read[httpapi.Feed](w, w.patch(at, `{"revision":1,"paused":true,"every":"daily","tracking":"none"}`), 200)
	if !v.Paused || v.Every != "daily" || v.Name != "Blog" || v.NextAt != nil || v.Revision != 2 {
		t.Errorf("changed: %+v", v)
	}
	w.wantProblem(w.patch(at, `{"revision":1}`), 409, feed.CodeState, "")
	w.wantProblem(w.patch(at, `{"revision":2,"html":"<p>x</p>"}`), 422, feed.CodePlace, "/html")
	w.wantProblem(w.patch(at, `{"revision":2,"group_ids":["x"]}`), 422, feed.CodeValue, "/group_ids/0")
	if l := read[struct{ Data []httpapi.FeedLook }](w, w.get(at+"/looks"), 200); len(l.Data) != 0 {
		t.Errorf("looks: %+v", l)
	}
	if a := w.ask(http.MethodDelete, at, w.key, nil); a.status != 204 {
		t.Errorf("deleted: %d %s", a.status, a.body)
	}
	w.wantProblem(w.get(at), 404, feed.CodeNotFound, "")
}

func TestFeedsAreTheTenantsOwn(t *testing.T) {
	w := newWorld(t)
	w.feed()
	if p := read[struct{ Data []httpapi.Feed }](w, w.ask(http.MethodGet, "/v1/feeds", w.other, nil), 200); len(p.Data) != 0 {
		t.Errorf("another tenant sees %+v", p.Data)
	}
	if p := read[struct{ Data []httpapi.Feed }](w, w.get("/v1/feeds"), 200); len(p.Data) != 1 {
		t.Errorf("its own tenant sees %+v", p.Data)
	}
}
