package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/account"
	"stafette/internal/dns"
	"stafette/internal/egress"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/tenant"
)

func (c Config) validateAccounts(bad complaint) {
	if _, err := message.ParseMailbox(c.Notice.From); c.Notice.From != "" && err != nil {
		bad("notice.from", "want an address, have %q", c.Notice.From)
	}
	o := c.OpenID
	if o.Issuer == "" {
		return
	}
	if u, err := url.Parse(o.Issuer); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Scheme == "http" && !c.Egress.LoopbackOnly {
		bad("openid.issuer", "want https://…, have %q", o.Issuer)
	}
	if o.ClientID == "" || o.ClientSecret == "" {
		bad("openid", "issuer needs client_id and client_secret")
	}
}

// newNotices makes the writer of the platform's own mails.
func (b *base) newNotices(entrance ingest.Acceptor, catalog *i18n.Catalog) (*notice.Sender, error) {
	var from message.Mailbox
	if b.config.Notice.From != "" {
		var err error
		if from, err = message.ParseMailbox(b.config.Notice.From); err != nil {
			return nil, fmt.Errorf("notice.from: %w", err)
		}
	}
	return notice.NewSender(notice.Config{
		Store: b.store, Acceptor: entrance, Keeper: b.keeper, Catalog: catalog, From: from,
		PublicURL: b.config.HTTP.PublicURL, Now: b.store.Now, Log: b.log,
	})
}

// newAccounts makes the keeper of people and keys.
func (p *platform) newAccounts(catalog *i18n.Catalog, zone *time.Location) (*account.Service, error) {
	provider, err := p.config.openID(p.resolver, p.guard)
	if err != nil {
		return nil, err
	}
	return account.New(account.Config{
		Store:    p.store,
		Accounts: tenant.NewAccounts(tenant.AccountsConfig{Store: p.store, Tries: p.store, Now: p.store.Now, Log: p.log}),
		Founder:  p.founder(), Keeper: p.keeper, Notices: p.notices, Catalog: catalog, PublicURL: p.config.HTTP.PublicURL,
		OpenID: provider, Zone: zone, Now: p.store.Now, Log: p.log,
	})
}

// openID is the configured sign-in provider; nil if there is none.
func (c Config) openID(names dns.Resolver, guard *egress.Guard) (*account.OpenID, error) {
	o := c.OpenID
	if o.Issuer == "" {
		return nil, nil
	}
	issuer, err := url.Parse(o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("openid.issuer: %w", err)
	}
	if o.Name == "" {
		o.Name = issuer.Hostname()
	}
	return &account.OpenID{
		Name: o.Name, Issuer: o.Issuer, ClientID: o.ClientID, ClientSecret: o.ClientSecret,
		Client: webClient(names, guard, issuer.Host),
	}, nil
}

// maxWebAnswer bounds the header of an answer; the library bounds its bodies.
const maxWebAnswer = 64 << 10

// webClient reaches the web through the guard: every address is checked when it is
// connected to, whatever the name server said. chosen is the host (with its port) that
// the operator named himself, which may lie in the own network. It follows no redirect.
func webClient(names dns.Resolver, guard *egress.Guard, chosen string) *http.Client {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		addrs, err := webAddrs(ctx, names, host)
		if err != nil {
			return nil, err
		}
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, err
		}
		routed := address == chosen || host == chosen
		connect := guard.Web(443).Dialer(egress.Source{}, routed)
		err = errors.New("the name has no address")
		for _, a := range addrs {
			var c net.Conn
			if c, err = connect(ctx, network, netip.AddrPortFrom(a, uint16(number)).String()); err == nil {
				return c, nil
			}
		}
		return nil, err
	}
	return &http.Client{
		Transport:     &http.Transport{DialContext: dial, MaxResponseHeaderBytes: maxWebAnswer, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute},
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func webAddrs(ctx context.Context, names dns.Resolver, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	return names.Addrs(ctx, host)
}

// cliAct names a command in the record of who did what; "" for those that change
// nothing, and those that programs run all the time.
func cliAct(command string) string {
	var words []string
	for _, w := range strings.Fields(command) {
		if !strings.HasPrefix(w, "<") {
			words = append(words, w)
		}
	}
	if len(words) == 0 || !slices.Contains([]string{"setup", "tenant", "queue", "egress", "changeover"}, words[0]) {
		return ""
	}
	if last := words[len(words)-1]; words[0] == "changeover" && (last == "list" || last == "show") {
		return ""
	}
	return "cli." + strings.Join(words, ".")
}
