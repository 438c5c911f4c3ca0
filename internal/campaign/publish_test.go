package campaign_test

import (
	"strings"
	"testing"

	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

func (w *world) publisher() *campaign.Publisher {
	return &campaign.Publisher{Codes: seal.NewCodes([]byte("k")), Origin: "https://fremd.example", Store: w.store}
}

func (w *world) publish(c campaign.Campaign, v campaign.Publication) {
	w.Helper()
	_, err := w.service.Publish(w.Context(), w.who, c.ID, v)
	w.must(err)
}

func tokenOf(address string) string { return address[strings.LastIndexByte(address, '/')+1:] }

// What is public says nobody's name, is there only once it is sent, and is gone at once.
func TestPublicPage(t *testing.T) {
	w := newWorld(t, 2)
	p := w.publisher()
	c := w.draft(func(c *campaign.Campaign) {
		c.Letter.HTML = `<p>Guten Tag {{name}} {{email}}</p><a href="{{unsubscribe_url}}">Abmelden</a> <a href="{{public_url}}">Im Browser</a>`
	})
	code := func() string {
		t.Helper()
		_, err := p.Open(t.Context(), tokenOf(p.Link(c.Tenant, c.ID)))
		if f := fault.As(err); f != nil {
			return f.Code
		}
		w.must(err)
		return ""
	}
	if got := code(); got != campaign.CodeView {
		t.Errorf("never public: %q", got)
	}
	if _, err := w.service.Send(t.Context(), w.who, c.ID, start); fault.As(err) == nil || fault.As(err).Code != campaign.CodeNotPublic {
		t.Errorf("leads to a page that there is not: %v", err)
	}
	w.publish(c, campaign.Publication{Public: true})
	if got := code(); got != campaign.CodeView {
		t.Errorf("a draft: %q", got)
	}
	c, err := w.service.Send(t.Context(), w.who, c.ID, start)
	w.must(err)
	page, err := p.Open(t.Context(), tokenOf(p.Link(c.Tenant, c.ID)))
	w.must(err)
	if page.Index || page.Subject != "Neues für Leserinnen und Leser" || !strings.Contains(page.HTML, "Guten Tag Leserinnen und Leser </p>") ||
		strings.Contains(page.HTML, "Eva") || strings.Contains(page.HTML, "kunde.example") || strings.Count(page.HTML, p.Link(c.Tenant, c.ID)) != 2 {
		t.Errorf("page %+v", page)
	}
	list, err := p.List(t.Context(), tokenOf(p.ListLink(c.Tenant)))
	w.must(err)
	if list.Sender != "Portal" || len(list.List) != 1 || list.List[0].Subject != page.Subject || list.List[0].Address != p.Link(c.Tenant, c.ID) {
		t.Errorf("list %+v", list)
	}
	w.publish(c, campaign.Publication{})
	if got := code(); got != campaign.CodePageGone {
		t.Errorf("taken back: %q", got)
	}
	if list, err := p.List(t.Context(), tokenOf(p.ListLink(c.Tenant))); err != nil || len(list.List) != 0 {
		t.Errorf("list after: %+v, %v", list, err)
	}
	w.publish(c, campaign.Publication{Public: true, Index: true})
	if got := code(); got != "" {
		t.Errorf("public again: %q", got)
	}
	_, err = w.service.Cancel(t.Context(), w.who, c.ID)
	w.must(err)
	if got := code(); got != campaign.CodePageGone {
		t.Errorf("cancelled: %q", got)
	}
}

// No address can be made or changed, and a list's is no page's.
func TestPublicAddressesCannotBeMade(t *testing.T) {
	w := newWorld(t, 1)
	c := w.draft()
	w.publish(c, campaign.Publication{Public: true})
	c, err := w.service.Send(t.Context(), w.who, c.ID, start)
	w.must(err)
	p := w.publisher()
	token := tokenOf(p.Link(c.Tenant, c.ID))
	for i := range token {
		changed := []byte(token)
		if changed[i] = 'A'; token[i] == 'A' {
			changed[i] = 'B'
		}
		if _, err := p.Open(t.Context(), string(changed)); !fault.IsKind(err, fault.NotFound) {
			t.Fatalf("changed at %d: %v", i, err)
		}
	}
	for _, odd := range []string{"", "x", tokenOf(p.ListLink(c.Tenant)), token + "A"} {
		if _, err := p.Open(t.Context(), odd); !fault.IsKind(err, fault.NotFound) {
			t.Errorf("page %q: %v", odd, err)
		}
	}
	if _, err := p.List(t.Context(), token); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("a page's address opens the list: %v", err)
	}
	other := &campaign.Publisher{Codes: seal.NewCodes([]byte("another")), Store: w.store}
	if _, err := other.Open(t.Context(), token); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("under another key: %v", err)
	}
	if _, err := p.List(t.Context(), tokenOf(p.ListLink(tenant.ID{1}))); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("an account that there is not: %v", err)
	}
}

// A page has a title (WCAG 2.4.2), which the mail that it was may lack.
func TestPublicPagesHaveTitles(t *testing.T) {
	const title = "<title>Neues &lt;hier&gt;</title>"
	for name, c := range map[string]struct{ html, want string }{
		"an empty one": {"<!doctype html><html><head><title>\n</title></head><body>x</body></html>", "<!doctype html><html><head>" + title + "</head><body>x</body></html>"},
		"its own":      {"<html><head><TITLE>Eigener</TITLE></head>x</html>", "<html><head><TITLE>Eigener</TITLE></head>x</html>"},
		"none":         {`<html><head lang="de"><meta charset="utf-8"></head>x</html>`, `<html><head lang="de">` + title + `<meta charset="utf-8"></head>x</html>`},
		"no head":      {"<p>x</p>", `<!doctype html><meta charset="utf-8">` + title + "<p>x</p>"},
		"a header":     {"<header>x</header>", `<!doctype html><meta charset="utf-8">` + title + "<header>x</header>"},
		"a body alone": {"<body>x</body>", "<body>x</body>"},
	} {
		if got := (campaign.Page{Subject: "Neues <hier>", HTML: c.html}).HTMLPage(); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := (campaign.Page{Subject: "Neues <hier>", Text: "a<b"}).HTMLPage(); !strings.Contains(got, title) || !strings.Contains(got, "a&lt;b") {
		t.Errorf("text alone: %s", got)
	}
}
