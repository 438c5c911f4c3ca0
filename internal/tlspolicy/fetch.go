package tlspolicy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"stafette/internal/dns"
)

// maxWebAddrs bounds the addresses of one web server that are tried.
const maxWebAddrs = 4

// fetcher speaks HTTPS with the web servers of foreign domains: within limits of
// time and size, with proven servers only, without following them elsewhere.
type fetcher struct {
	cfg    Config
	client *http.Client
}

func newFetcher(c Config) *fetcher {
	f := &fetcher{cfg: c}
	f.client = &http.Client{
		Transport: &http.Transport{
			DialContext:            f.dial,
			TLSClientConfig:        &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12, Time: c.Now},
			TLSHandshakeTimeout:    10 * time.Second,
			ResponseHeaderTimeout:  10 * time.Second,
			MaxResponseHeaderBytes: 16 << 10,
			DisableKeepAlives:      true,
			DisableCompression:     true,
		},
		// RFC 8461, 3.3: redirects must not be followed; RFC 8460 has no need of them.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       2 * fetchTime,
	}
	return f
}

// dial resolves a name with our own resolver and connects to what the guard allows.
func (f *fetcher) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	addrs, err := f.cfg.Names.Addrs(ctx, host)
	if err != nil {
		return nil, err
	}
	err = dns.ErrNoHost
	for _, a := range addrs[:min(len(addrs), maxWebAddrs)] {
		var conn net.Conn
		if conn, err = f.cfg.Dial(ctx, network, netip.AddrPortFrom(a, uint16(number)).String()); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// port is where web servers listen.
func (f *fetcher) port() string { return strconv.Itoa(int(f.cfg.HTTPSPort)) }

// host is a web server's name in a URL.
func (f *fetcher) host(name string) string {
	if f.cfg.HTTPSPort == 443 {
		return name
	}
	return net.JoinHostPort(name, f.port())
}

// fetchError is a policy that could not be had, with the word for it in reports.
type fetchError struct {
	result Result
	err    error
}

func (e *fetchError) Error() string { return e.err.Error() }
func (e *fetchError) Unwrap() error { return e.err }

// policy fetches the MTA-STS policy of a domain (RFC 8461, 3.3). Its errors are
// *fetchError.
func (f *fetcher) policy(ctx context.Context, domain string) (STSPolicy, error) {
	text, err := f.get(ctx, (&url.URL{Scheme: "https", Host: f.host(policyHost + domain), Path: policyPath}).String())
	if err != nil {
		result := ResultFetch
		if _, unproven := errors.AsType[*tls.CertificateVerificationError](err); unproven {
			result = ResultWebPKI
		}
		return STSPolicy{}, &fetchError{result, fmt.Errorf("fetch mta-sts policy: %w", err)}
	}
	p, err := ParseSTSPolicy(text)
	if err != nil {
		return STSPolicy{}, &fetchError{ResultInvalid, err}
	}
	return p, nil
}

func (f *fetcher) get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	answer, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the web server answers %d", answer.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type")); err != nil || kind != "text/plain" {
		return nil, errors.New("the policy is not text/plain")
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxPolicyBytes+1))
	if err != nil {
		return nil, err
	}
	return text, nil
}
