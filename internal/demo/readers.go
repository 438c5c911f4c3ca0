package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/html"
)

// reader is somebody, or something, that looks at mail.
type reader string

// The readers. Real ones behave as these do (internal/tracking/rules.toml tells them apart).
const (
	person  reader = "person"  // loads pictures and follows a link, after a while
	gmail   reader = "gmail"   // its servers fetch pictures for the person who reads
	apple   reader = "apple"   // Mail Privacy Protection fetches pictures of mail nobody reads
	scanner reader = "scanner" // a gateway that follows every link before anybody does
)

// readersKnown lists them in the order of the mailbox page.
func readersKnown() []reader {
	list := []reader{person, gmail, apple, scanner}
	for _, g := range gatewaysKnown() {
		list = append(list, g.who)
	}
	return list
}

// browserAgent is the name of a browser.
const browserAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"

// readerOf returns who looks at mail in a mailbox by itself as soon as it arrives; "" nobody.
func readerOf(box string) reader {
	local, _, _ := strings.Cut(box, "@")
	for _, g := range gatewaysKnown() {
		if local == string(g.who) {
			return g.who
		}
	}
	switch local {
	case "leserin", "besichtigung.6", "besichtigung.8", "besichtigung.12": // see Viewings
		return person
	case "gmail", "besichtigung.9":
		return gmail
	case "apple", "besichtigung.3":
		return apple
	case "firma", "besichtigung.5":
		return scanner
	}
	return ""
}

// readingAfter is how long a person takes to open mail after it arrived: longer than the
// rules hold for a machine's.
const readingAfter = 12 * time.Second

// readers look at mail as mail programs and gateways do. They ask this machine alone.
type readers struct {
	client *http.Client
	log    *slog.Logger
	stop   context.CancelFunc
	ctx    context.Context //nolint:containedctx // ends what still reads when the world closes
	wait   sync.WaitGroup
}

func newReaders(log *slog.Logger) *readers {
	ctx, stop := context.WithCancel(context.Background())
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &readers{ctx: ctx, stop: stop, log: log, client: &http.Client{
		Timeout: 10 * time.Second,
		// Where a link leads is out in the world: only the first hop is on this machine.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if at, err := netip.ParseAddrPort(address); err != nil || !at.Addr().IsLoopback() {
				return nil, fmt.Errorf("%s is not on this machine", address)
			}
			return dialer.DialContext(ctx, network, address)
		}},
	}}
}

func (r *readers) close() error {
	r.stop()
	r.wait.Wait()
	r.client.CloseIdleConnections()
	return nil
}

// arrived lets who reads a mailbox by itself do so.
func (r *readers) arrived(m mail) {
	who := readerOf(m.Box)
	if who == "" {
		return
	}
	r.wait.Go(func() {
		if who == person || who == gmail {
			after := time.NewTimer(readingAfter)
			defer after.Stop()
			select {
			case <-after.C:
			case <-r.ctx.Done():
				return
			}
		}
		if err := r.read(r.ctx, who, open(m.Raw).HTML); err != nil && r.ctx.Err() == nil {
			r.log.Debug("demo reader failed", "reader", string(who), "err", err)
		}
	})
}

// read looks at HTML as the reader does.
func (r *readers) read(ctx context.Context, who reader, page string) error {
	pictures, links := addressesIn(page)
	var errs []error
	fetch := func(method, address, agent string, language bool) {
		errs = append(errs, r.fetch(ctx, method, address, agent, language))
	}
	switch who {
	case person:
		for _, a := range pictures {
			fetch(http.MethodGet, a, browserAgent, true)
		}
		if seen := visible(page, links); len(seen) > 0 {
			fetch(http.MethodGet, seen[0], browserAgent, true)
		}
	case gmail:
		for _, a := range pictures {
			fetch(http.MethodGet, a, "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", false)
		}
	case apple:
		for _, a := range pictures {
			fetch(http.MethodGet, a, "Mozilla/5.0", false)
		}
	case scanner:
		for _, a := range links {
			fetch(http.MethodHead, a, browserAgent, false)
			fetch(http.MethodGet, a, browserAgent, false)
		}
	default:
		for _, g := range gatewaysKnown() {
			if g.who == who {
				errs = append(errs, r.pass(ctx, g, pictures, links)...)
			}
		}
	}
	return errors.Join(errs...)
}

func (r *readers) fetch(ctx context.Context, method, address, agent string, language bool) error {
	q, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return err
	}
	q.Header.Set("User-Agent", agent)
	if language {
		q.Header.Set("Accept-Language", "de,en;q=0.8")
	}
	resp, err := r.client.Do(q)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return errors.Join(err, resp.Body.Close())
}

// maxAddresses bounds what one look at a mail fetches.
const maxAddresses = 50

// addressesIn lists the pictures and links of a page that lie on this machine.
func addressesIn(page string) (pictures, links []string) {
	z := html.NewTokenizer(strings.NewReader(page))
	for kind := z.Next(); kind != html.ErrorToken; kind = z.Next() {
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		tag := z.Token()
		for _, a := range tag.Attr {
			switch {
			case !here(a.Val), len(pictures)+len(links) >= maxAddresses:
			case tag.Data == "img" && a.Key == "src":
				pictures = append(pictures, a.Val)
			case tag.Data == "a" && a.Key == "href":
				links = append(links, a.Val)
			}
		}
	}
	return pictures, links
}

// here reports whether an address lies on this machine.
func here(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" {
		return false
	}
	at, err := netip.ParseAddr(u.Hostname())
	return err == nil && at.IsLoopback()
}

// visible leaves out what no person sees, and what leads to pages of the recipient's own.
func visible(page string, links []string) []string {
	hidden := map[string]bool{}
	for _, m := range regexp.MustCompile(`<a href="([^"]+)"[^>]*display:none`).FindAllStringSubmatch(page, -1) {
		hidden[m[1]] = true
	}
	var list []string
	for _, a := range links {
		if !hidden[a] && !strings.Contains(a, "/tracking/") {
			list = append(list, a)
		}
	}
	return list
}
