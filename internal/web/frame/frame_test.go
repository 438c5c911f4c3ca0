package frame_test

import (
	"net/http"
	"stafette/internal/web"
	"stafette/internal/web/frame"
	"stafette/internal/web/webtest"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func TestPublicURLMustBeAnOrigin(t *testing.T) {
	for _, bad := range []string{"", "buero.example", "/", "http://%zz"} {
		config, err := webtest.New().Config(bad)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := web.New(config); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestLocalPath(t *testing.T) {
	for target, want := range map[string]string{
		"/messages?q=a&state=held": "/messages?q=a&state=held", "": "/", "messages": "/",
		"//evil.example": "/", "///evil.example": "/", "/\\evil.example": "/", "https://evil.example/": "/", "/\t/evil.example": "/",
		"javascript:alert(1)": "/", "/%2f/evil": "/%2f/evil", "/a\r\nSet-Cookie: x": "/", "\\/evil": "/",
	} {
		if got := frame.LocalPath(target); got != want {
			t.Errorf("localPath(%q) = %q, want %q", target, got, want)
		}
	}
}

func TestAssets(t *testing.T) {
	d := webtest.Open(t)
	page := d.Get("/signin")
	weight := len(page.Text)
	for _, tag := range []string{"link", "script"} {
		webtest.Each(page.Document(t), func(n *html.Node) {
			link := webtest.Attribute(n, "href") + webtest.Attribute(n, "src")
			if n.Data != tag || !strings.HasPrefix(link, "/assets/") {
				return
			}
			r := d.Request(http.MethodGet, link, nil)
			r.Header.Set("Accept-Encoding", "gzip")
			a := d.Do(r)
			if a.StatusCode != http.StatusOK || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") || a.Header.Get("Content-Encoding") != "gzip" {
				t.Errorf("%s: status %d, %v", link, a.StatusCode, a.Header)
			}
			weight += len(a.Text)
			if plain := d.Get(link); len(plain.Text) <= len(a.Text) {
				t.Errorf("%s: %d bytes plain, %d squeezed", link, len(plain.Text), len(a.Text))
			}
		})
	}
	if weight > 60_000 || weight < 10_000 {
		t.Errorf("sign-in weighs %d bytes", weight)
	}
	if a := d.Get("/assets/office.000000000000.css"); a.StatusCode != http.StatusNotFound {
		t.Errorf("a file that is not there: status %d", a.StatusCode)
	}
}
