package web_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/frame"
	"stafette/internal/web/webtest"
)

// preview is a host for the content of mails before an office.
type preview struct {
	*webtest.Desk
	origin string
}

func openApart(t *testing.T) preview {
	t.Helper()
	host := httptest.NewUnstartedServer(nil)
	origin := "http://" + host.Listener.Addr().String()
	d := webtest.Open(t, func(c *web.Config) {
		c.PreviewOrigin, c.PreviewKey, c.Log = origin, []byte("k"), slog.New(slog.DiscardHandler)
	})
	host.Config.Handler = d.Apart
	host.Start()
	t.Cleanup(host.Close)
	return preview{d.SignIn(webtest.Clerk), origin}
}

// there asks on the host for content as a browser does that was led there: the same method
// and form, and no cookie.
func (v preview) there(method, address string, form url.Values) webtest.Answer {
	v.T.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(v.T.Context(), method, address, body)
	if err != nil {
		v.T.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "null")
	r.AddCookie(&http.Cookie{Name: "stafette", Value: "token"})
	return v.Do(r)
}

// led is where the office leads to.
func (v preview) led(a webtest.Answer) string {
	v.T.Helper()
	at := a.Header.Get("Location")
	if a.StatusCode != http.StatusTemporaryRedirect || !strings.HasPrefix(at, v.origin+frame.ApartPath) || a.Header.Get("Cache-Control") != "no-store" {
		v.T.Fatalf("status %d to %q", a.StatusCode, at)
	}
	return at
}

// T23: what people write as HTML is drawn where nothing of the office is, from the form as it
// stands and from what is kept; without such a host the office draws it.
func TestPreviewsAreDrawnApart(t *testing.T) {
	v := openApart(t)
	form := url.Values{"mode": {"html"}, "name": {"Neu"}, "subject": {"Hallo"}, "html": {"<p>Guten Tag <b>{{name}}</b></p><script>alert(1)</script>"}, "view": {"phone"}}
	fresh := v.led(v.Post("/campaigns/preview", form))
	own := v.World.Concrete("/templates/{id}", false)
	for name, a := range map[string]webtest.Answer{
		"a form":   v.there(http.MethodPost, fresh, form),
		"a kept":   v.there(http.MethodGet, v.led(v.Get(own+"/preview?view=dark")), nil),
		"a sample": v.there(http.MethodGet, v.led(v.Get(v.World.Concrete("/campaigns/{id}", false)+"/public.html")), nil),
	} {
		policy := a.Header.Get("Content-Security-Policy")
		if a.StatusCode != http.StatusOK || len(a.Header.Values("Set-Cookie")) > 0 || a.Header.Get("X-Frame-Options") != "" || a.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: status %d, %v\n%s", name, a.StatusCode, a.Header, a.Text)
		}
		if !strings.HasPrefix(policy, "default-src 'none'; ") || !strings.HasSuffix(policy, "frame-ancestors "+v.URL+"; sandbox") {
			t.Errorf("%s: policy %s", name, policy)
		}
	}
	if a := v.there(http.MethodPost, fresh, form); !strings.Contains(a.Text, "Guten Tag <b>") || !strings.Contains(a.Text, "max-width:390px") {
		t.Errorf("drawn: %s", a.Text)
	}
	for _, page := range []string{"/campaigns/new", own} {
		policy := v.Get(page).Header.Get("Content-Security-Policy")
		for _, want := range []string{"frame-src 'self' " + v.origin + ";", "form-action 'self' " + v.origin + ";"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s lacks %q: %s", page, want, policy)
			}
		}
	}
	alone := webtest.Open(t).SignIn(webtest.Clerk)
	if a := alone.Post("/campaigns/preview", form); alone.Apart != nil || a.StatusCode != http.StatusOK || !strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'self'; sandbox") {
		t.Errorf("without a host: status %d, %v", a.StatusCode, a.Header)
	}
}

// T22: a pass is for one address and one form, for some minutes, and cannot be made.
func TestPassesOpenOneThing(t *testing.T) {
	v := openApart(t)
	form := url.Values{"mode": {"html"}, "html": {"<p>Eins</p>"}}
	posted := v.led(v.Post("/campaigns/preview", form))
	kept := v.led(v.Get(v.World.Concrete("/templates/{id}", false) + "/preview?view=dark"))
	token, _, _ := strings.Cut(strings.TrimPrefix(kept, v.origin+frame.ApartPath), "/")
	other := url.Values{"mode": {"html"}, "html": {"<p>Zwei</p>"}}
	for name, one := range map[string]struct {
		method, at string
		form       url.Values
	}{
		"another form":      {http.MethodPost, posted, other},
		"no form":           {http.MethodPost, posted, nil},
		"another method":    {http.MethodGet, posted, nil},
		"a form for a page": {http.MethodPost, kept, form},
		"another view":      {http.MethodGet, strings.Replace(kept, "view=dark", "view=text", 1), nil},
		"another thing":     {http.MethodGet, v.origin + frame.ApartPath + token + v.World.Concrete("/campaigns/{id}", false) + "/preview", nil},
		"a foreign thing":   {http.MethodGet, v.origin + frame.ApartPath + token + v.World.Concrete("/templates/{id}", true) + "/preview?view=dark", nil},
		"no pass":           {http.MethodGet, v.origin + frame.ApartPath, nil},
		"a page":            {http.MethodGet, v.origin + "/messages", nil},
		"not signed":        {http.MethodGet, v.origin + frame.ApartPath + strings.Split(token, ".")[0] + v.World.Concrete("/templates/{id}", false) + "/preview?view=dark", nil},
	} {
		if a := v.there(one.method, one.at, one.form); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", name, a.StatusCode)
		}
	}
	for i := range token {
		changed := byte('A')
		if token[i] == changed {
			changed = 'B'
		}
		at := strings.Replace(kept, token, token[:i]+string(changed)+token[i+1:], 1)
		if a := v.there(http.MethodGet, at, nil); a.StatusCode != http.StatusNotFound {
			t.Fatalf("changed at %d: status %d", i, a.StatusCode)
		}
	}
	v.World.Advance(4 * time.Minute)
	if a := v.there(http.MethodGet, kept, nil); a.StatusCode != http.StatusOK {
		t.Errorf("within its time: status %d", a.StatusCode)
	}
	v.World.Advance(2 * time.Minute)
	if a := v.there(http.MethodGet, kept, nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("after its time: status %d", a.StatusCode)
	}
}

// Whatever is drawn apart changes nothing and is of people's own account: the things of
// another one are nobody's there too, and who may not ask is not led there.
func TestWhatIsDrawnApart(t *testing.T) {
	v := openApart(t)
	var drawn []string
	for _, rt := range routes(t) {
		if !rt.Apart {
			continue
		}
		drawn = append(drawn, rt.Pattern)
		method, path, _ := strings.Cut(rt.Pattern, " ")
		if rt.Access != frame.SignedIn || method != http.MethodGet && rt.Act != frame.Unrecorded {
			t.Errorf("%s changes something, or is for others than people of an account", rt.Pattern)
		}
		if !strings.Contains(path, "{") {
			continue
		}
		at := v.led(ask(v.Desk, rt, true))
		if a := v.there(method, at, nil); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s of another account: status %d", rt.Pattern, a.StatusCode)
		}
	}
	if !slices.Contains(drawn, "POST /campaigns/preview") || !slices.Contains(drawn, "POST /templates/{id}/preview") {
		t.Errorf("drawn apart: %v", drawn)
	}
	reader := webtest.People()[tenant.ReadOnly]
	v.Client = webtest.Open(t).Client
	v.SignIn(reader)
	if a := v.Post("/campaigns/preview", url.Values{"mode": {"html"}}); a.StatusCode != http.StatusForbidden {
		t.Errorf("who may not write: status %d", a.StatusCode)
	}
}
