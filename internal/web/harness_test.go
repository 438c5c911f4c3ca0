package web_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	_ "time/tzdata"

	"golang.org/x/net/html"

	"stafette/internal/event"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/webtest"
)

// A desk is one browser in front of an office over a real socket.
type desk struct {
	t      *testing.T
	world  *webtest.World
	server *httptest.Server
	client *http.Client
	lang   string
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	text string
}

func newDesk(t *testing.T, change ...func(*web.Config)) *desk {
	t.Helper()
	world := webtest.New()
	server := httptest.NewUnstartedServer(nil)
	config, err := world.Config("http://" + server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(&config)
	}
	handler, err := web.New(config)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = handler
	server.Start()
	t.Cleanup(server.Close)
	d := &desk{t: t, world: world, server: server, lang: "de"}
	d.client = d.newClient()
	return d
}

func (d *desk) newClient() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (d *desk) do(r *http.Request) answer {
	d.t.Helper()
	if r.Header.Get("Accept-Language") == "" {
		r.Header.Set("Accept-Language", d.lang)
	}
	response, err := d.client.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		d.t.Fatal(err)
	}
	return answer{response, string(body)}
}

func (d *desk) request(method, path string, body io.Reader) *http.Request {
	d.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, d.server.URL+path, body)
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

func (d *desk) get(path string) answer {
	d.t.Helper()
	return d.do(d.request(http.MethodGet, path, nil))
}

// post sends a form as a browser does from one of our own pages.
func (d *desk) post(path string, form url.Values) answer {
	d.t.Helper()
	r := d.request(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return d.do(r)
}

func (d *desk) signIn(email string) *desk {
	d.t.Helper()
	a := d.post("/signin", url.Values{"email": {email}, "password": {webtest.Password}})
	if a.StatusCode != http.StatusSeeOther {
		d.t.Fatalf("sign-in of %s: status %d: %s", email, a.StatusCode, a.text)
	}
	return d
}

// message returns the path of the newest message in a state whose subject contains text.
func (d *desk) message(s event.State, text string) string {
	d.t.Helper()
	page, err := d.world.Messages(d.t.Context(), d.world.Tenant.ID, insight.Filter{State: s, Text: text})
	if err != nil || len(page.Messages) == 0 {
		d.t.Fatalf("no message %s %q: %v", s, text, err)
	}
	return "/messages/" + page.Messages[0].ID.String()
}

// crowd accepts a message to n recipients and returns its path.
func (d *desk) crowd(n int) string {
	d.t.Helper()
	draft := &message.Draft{Subject: "Rundschreiben"}
	for i := range n {
		draft.To = append(draft.To, message.Mailbox{Address: message.Address{Local: fmt.Sprintf("p%d", i), Domain: "b.example"}})
	}
	r, err := d.world.Accept(d.t.Context(), ingest.Principal{Tenant: d.world.Tenant.ID}, ingest.Submission{Draft: draft, Stream: tenant.System})
	if err != nil {
		d.t.Fatal(err)
	}
	return "/messages/" + r.ID.String()
}

func (a answer) document(t *testing.T) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(a.text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// each calls visit for every element.
func each(n *html.Node, visit func(*html.Node)) {
	if n.Type == html.ElementNode {
		visit(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		each(c, visit)
	}
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

func words(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data + " ")
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(n)
	return strings.Join(strings.Fields(b.String()), " ")
}

func expect(t *testing.T, a answer, status int, texts ...string) {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d\n%s", a.Request.Method, a.Request.URL.Path, a.StatusCode, status, a.text)
	}
	said := words(a.document(t))
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("%s does not say %q:\n%s", a.Request.URL, text, said)
		}
	}
}
