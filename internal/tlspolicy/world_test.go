package tlspolicy_test

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"stafette/internal/dns"
	"stafette/internal/dns/dnstest"
	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/tenant"
	"stafette/internal/tlspolicy"
)

// start is where every test's clock stands at first.
var start = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// authority makes certificates. It is safe for one goroutine.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	n    int64
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	a.key, a.cert = a.make(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: start.AddDate(-1, 0, 0), NotAfter: start.AddDate(10, 0, 0)}, nil)
	return a
}

func (a *authority) make(c *x509.Certificate, by *authority) (*ecdsa.PrivateKey, *x509.Certificate) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.n++
	c.SerialNumber = big.NewInt(a.n)
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return key, made
}

// issue makes a server's certificate, with the authority's behind it, that ends
// after the time.
func (a *authority) issue(lasts time.Duration, names ...string) tls.Certificate {
	a.t.Helper()
	key, leaf := a.make(&x509.Certificate{Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: start.AddDate(0, -6, 0), NotAfter: start.Add(lasts)}, a)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw, a.cert.Raw}, PrivateKey: key, Leaf: leaf}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

const year = 365 * 24 * time.Hour

// world is Policies with a name server, a web server and a store on loopback.
type world struct {
	t     *testing.T
	names *dnstest.Server
	ca    *authority
	store *memory
	cfg   tlspolicy.Config
	*tlspolicy.Policies

	mu  sync.Mutex
	now time.Time
	web http.HandlerFunc
	got int // requests
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
	return w.now
}

func (w *world) serve(h http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.web = h
}

func (w *world) requests() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.got
}

// newWorld makes a world of a zone text, of which "secure.test" and what is below it
// is signed. Every https name must lead to 127.0.0.1; certificate is what is shown
// there, nil a good one for *.plain.test and *.secure.test.
func newWorld(t *testing.T, zone string, certificate *tls.Certificate, change func(*tlspolicy.Config)) *world {
	t.Helper()
	w := &world{t: t, ca: newAuthority(t, "Test CA"), now: start, store: newMemory()}
	names, err := dnstest.New(zone)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = names.Close() })
	names.Secure("secure.test")
	w.names = names
	if certificate == nil {
		c := w.ca.issue(10*year, "mta-sts.plain.test", "mta-sts.secure.test", "reports.plain.test")
		certificate = &c
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.got++
		h := w.web
		w.mu.Unlock()
		if h == nil {
			http.NotFound(rw, r)
			return
		}
		h(rw, r)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{*certificate}}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	server.StartTLS()
	t.Cleanup(server.Close)
	port := uint16(server.Listener.Addr().(*net.TCPAddr).Port)
	guard := egress.NewGuard(egress.Rules{LoopbackOnly: true}).Web(port)
	w.cfg = tlspolicy.Config{
		Names: dns.New(dns.Config{Server: names.Addr(), Timeout: 20 * time.Second, TrustAD: true, Now: w.Now}),
		Store: w.store, Dial: guard.Dialer(egress.Source{}, false), Now: w.Now, HTTPSPort: port, Roots: w.ca.pool(),
	}
	if change != nil {
		change(&w.cfg)
	}
	w.restart()
	return w
}

// restart is a new process on the same store.
func (w *world) restart() {
	w.t.Helper()
	p, err := tlspolicy.New(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Policies = p
}

// publish serves a policy.
func (w *world) publish(text string) {
	w.serve(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/plain")
		_, _ = rw.Write([]byte(text))
	})
}

// hosts are the MX hosts of a domain.
func (w *world) hosts(domain string) []dns.MX {
	w.t.Helper()
	list, err := w.cfg.Names.MX(w.t.Context(), domain)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// memory is a store in memory, for one process.
type memory struct {
	mu       sync.Mutex
	policies map[string]tlspolicy.STSPolicy
	tallies  map[tlspolicy.Tally]int64
	sent     map[tlspolicy.Due]bool
	owner    map[string]tenant.ID
	reports  []tlspolicy.Received
}

func newMemory() *memory {
	return &memory{policies: map[string]tlspolicy.STSPolicy{}, tallies: map[tlspolicy.Tally]int64{}, sent: map[tlspolicy.Due]bool{}, owner: map[string]tenant.ID{}}
}

func (m *memory) STS(_ context.Context, domain string, now time.Time) (*tlspolicy.STSPolicy, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.policies[domain]
	if !ok || !now.Before(p.ExpiresAt) {
		return nil, nil
	}
	return &p, nil
}

func (m *memory) SaveSTS(_ context.Context, domain string, p tlspolicy.STSPolicy, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.policies[domain] = p
	return nil
}

func (m *memory) STSDue(_ context.Context, fetched, _ time.Time, _ int) (list []string, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for domain, p := range m.policies {
		if p.FetchedAt.Before(fetched) {
			list = append(list, domain)
		}
	}
	return list, nil
}

func (m *memory) ForgetSTS(_ context.Context, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for domain, p := range m.policies {
		if !now.Before(p.ExpiresAt) {
			delete(m.policies, domain)
		}
	}
	return nil
}

func (m *memory) AddTallies(_ context.Context, list []tlspolicy.Tally) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range list {
		n := t.Sessions
		t.Sessions = 0
		m.tallies[t] += n
	}
	return nil
}

func (m *memory) ReportsDue(_ context.Context, before tlspolicy.Day, _ int) (list []tlspolicy.Due, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for t := range m.tallies {
		if t.Day < before && !m.sent[t.Due] && !slices.Contains(list, t.Due) {
			list = append(list, t.Due)
		}
	}
	return list, nil
}

func (m *memory) Tallies(_ context.Context, d tlspolicy.Due, _ int) (list []tlspolicy.Tally, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for t, n := range m.tallies {
		if t.Sessions = n; t.Due == d {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b tlspolicy.Tally) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Result, b.Result))
	})
	return list, nil
}

func (m *memory) ReportDone(_ context.Context, d tlspolicy.Due, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent[d] = true
	return nil
}

func (m *memory) ForgetReports(context.Context, tlspolicy.Day) error { return nil }

func (m *memory) DomainOwner(_ context.Context, domain string) (tenant.ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t, ok := m.owner[domain]; ok {
		return t, nil
	}
	return tenant.ID{}, fault.New(fault.NotFound, "domain_unknown", "")
}

func (m *memory) SaveReport(_ context.Context, _ tenant.ID, domain string, r tlspolicy.Report, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reports = append(m.reports, tlspolicy.Received{Domain: domain, Report: r, ReceivedAt: now})
	return nil
}

func (m *memory) Reports(context.Context, tenant.ID, string, int) ([]tlspolicy.Received, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.reports), nil
}

// nowhere dials nobody.
func nowhere(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") }
