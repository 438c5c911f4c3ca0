package webtest

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
	_ "time/tzdata" // the world lies in Europe/Berlin, whatever the machine has

	"golang.org/x/net/html"

	"stafette/internal/event"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/web"
)

// Desk is one browser in front of an office over a real socket.
type Desk struct {
	T      *testing.T
	World  *World
	URL    string // of the office
	Client *http.Client
	Lang   string // Accept-Language; "de" at first
	// Apart answers on the host for the content of mails; nil where there is none.
	Apart http.Handler
}

// Answer is a response with its body read.
type Answer struct {
	*http.Response
	Text string
}

// Open makes a desk before an office on a world of its own; change alters its Config.
func Open(t *testing.T, change ...func(*web.Config)) *Desk {
	t.Helper()
	world := New()
	server := httptest.NewUnstartedServer(nil)
	config, err := world.Config("http://" + server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(&config)
	}
	handler, apart, err := web.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = handler
	server.Start()
	t.Cleanup(server.Close)
	d := &Desk{T: t, World: world, URL: server.URL, Lang: "de", Apart: apart}
	d.Client = d.newClient()
	return d
}

func (d *Desk) newClient() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.T.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Do sends a request and reads the answer.
func (d *Desk) Do(r *http.Request) Answer {
	d.T.Helper()
	if r.Header.Get("Accept-Language") == "" {
		r.Header.Set("Accept-Language", d.Lang)
	}
	response, err := d.Client.Do(r)
	if err != nil {
		d.T.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		d.T.Fatal(err)
	}
	return Answer{response, string(body)}
}

// Request prepares a request for a path.
func (d *Desk) Request(method, path string, body io.Reader) *http.Request {
	d.T.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, d.URL+path, body)
	if err != nil {
		d.T.Fatal(err)
	}
	return r
}

// Get asks for a page.
func (d *Desk) Get(path string) Answer {
	d.T.Helper()
	return d.Do(d.Request(http.MethodGet, path, nil))
}

// Post sends a form as a browser does from one of our own pages.
func (d *Desk) Post(path string, form url.Values) Answer {
	d.T.Helper()
	r := d.Request(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return d.Do(r)
}

// SignIn signs one of the world's people in.
func (d *Desk) SignIn(email string) *Desk {
	d.T.Helper()
	a := d.Post("/signin", url.Values{"email": {email}, "password": {Password}})
	if a.StatusCode != http.StatusSeeOther {
		d.T.Fatalf("sign-in of %s: status %d: %s", email, a.StatusCode, a.Text)
	}
	return d
}

// Message returns the path of the newest message in a state whose subject contains text.
func (d *Desk) Message(s event.State, text string) string {
	d.T.Helper()
	page, err := d.World.Messages(d.T.Context(), d.World.Tenant.ID, insight.Filter{State: s, Text: text})
	if err != nil || len(page.Messages) == 0 {
		d.T.Fatalf("no message %s %q: %v", s, text, err)
	}
	return "/messages/" + page.Messages[0].ID.String()
}

// Crowd accepts a message to n recipients and returns its path.
func (d *Desk) Crowd(n int) string {
	d.T.Helper()
	draft := &message.Draft{Subject: "Rundschreiben"}
	for i := range n {
		draft.To = append(draft.To, message.Mailbox{Address: message.Address{Local: fmt.Sprintf("p%d", i), Domain: "b.example"}})
	}
	r, err := d.World.Accept(d.T.Context(), ingest.Principal{Tenant: d.World.Tenant.ID}, ingest.Submission{Draft: draft, Stream: tenant.System})
	if err != nil {
		d.T.Fatal(err)
	}
	return "/messages/" + r.ID.String()
}

// Document parses the page.
func (a Answer) Document(t *testing.T) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(a.Text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// Each calls visit for every element.
func Each(n *html.Node, visit func(*html.Node)) {
	if n.Type == html.ElementNode {
		visit(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		Each(c, visit)
	}
}

// Attribute is the value of an attribute, "" if there is none.
func Attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// Has reports whether an element has an attribute.
func Has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

// Words are the texts within an element.
func Words(n *html.Node) string {
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

// Expect checks the status of a page and that it says the texts.
func Expect(t *testing.T, a Answer, status int, texts ...string) {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d\n%s", a.Request.Method, a.Request.URL.Path, a.StatusCode, status, a.Text)
	}
	said := Words(a.Document(t))
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("%s does not say %q:\n%s", a.Request.URL, text, said)
		}
	}
}
