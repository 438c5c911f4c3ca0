package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"stafette/internal/dns"
	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/message"
)

// SecretPrefix begins every secret, before its base64.
const SecretPrefix = "whsec_"

const (
	maxURL = 500
	// maxAnswer bounds what is read of an answer, whose content nobody looks at.
	maxAnswer = 4 << 10
	maxAddrs  = 4
	// keepOpen is how long a connection waits for the next call.
	keepOpen = 30 * time.Second
)

// CallTime bounds one exchange, from resolving the name on.
const CallTime = 15 * time.Second

// ClientConfig is what a Client stands on.
type ClientConfig struct {
	// Resolver asks for the hosts of endpoints, Dial connects to an address and refuses
	// forbidden ones; egress.Guard has it. Both are needed unless there is a Transport.
	Resolver dns.Resolver
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	// Port is the only one that may be asked for; 0: 443.
	Port uint16
	// Loopback opens http:// addresses of this machine on any port: the demo world, whose
	// Dial goes nowhere else.
	Loopback bool
	// Transport carries calls; nil: one that dials with Dial and trusts the system's
	// authorities.
	Transport http.RoundTripper
}

// Client makes calls: it goes where its Dial allows, proves the server, follows nobody
// elsewhere and reads little. It is safe for concurrent use.
type Client struct {
	c    ClientConfig
	http *http.Client
}

// NewClient makes a Client.
func NewClient(c ClientConfig) *Client {
	if c.Port == 0 {
		c.Port = 443
	}
	l := &Client{c: c}
	carry := c.Transport
	if carry == nil {
		carry = &http.Transport{
			DialContext: l.dial, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: CallTime,
			MaxResponseHeaderBytes: 16 << 10, MaxIdleConnsPerHost: perEndpoint, MaxIdleConns: 64, IdleConnTimeout: keepOpen, DisableCompression: true,
		}
	}
	l.http = &http.Client{
		Transport: carry, Timeout: CallTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return l
}

// dial resolves a name with our own resolver, at each connection anew, and connects to
// what the guard allows: what was checked is what is connected to (T19).
func (l *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if a, err := netip.ParseAddr(host); err == nil && l.c.Loopback {
		return l.c.Dial(ctx, network, netip.AddrPortFrom(a, uint16(number)).String())
	}
	addrs, err := l.c.Resolver.Addrs(ctx, host)
	if err != nil {
		return nil, &failed{NoHost, err}
	}
	err = dns.ErrNoHost
	for _, a := range addrs[:min(len(addrs), maxAddrs)] {
		var conn net.Conn
		if conn, err = l.c.Dial(ctx, network, netip.AddrPortFrom(a, uint16(number)).String()); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// failed is an error whose kind is known where it arose.
type failed struct {
	why Failure
	err error
}

// Error implements error.
func (f *failed) Error() string { return f.err.Error() }

// Unwrap returns the cause.
func (f *failed) Unwrap() error { return f.err }

// CheckURL checks the address of an endpoint and returns it in one form: HTTPS, a host
// with a name, the one port that is open to us. Errors: Invalid "webhook_malformed".
func (l *Client) CheckURL(text string) (string, error) {
	refused := fault.Field("url", "webhook_malformed", "A webhook has an https:// address with the name of a host.")
	text = strings.TrimSpace(text)
	u, err := url.Parse(text)
	if err != nil || len(text) > maxURL || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return "", refused
	}
	if u.Path == "" {
		u.Path = "/"
	}
	if l.c.Loopback && u.Scheme == "http" {
		if a, err := netip.ParseAddr(u.Hostname()); err == nil && a.IsLoopback() {
			return u.String(), nil
		}
		return "", refused
	}
	host, err := message.ParseDomain(u.Hostname())
	if err != nil || u.Scheme != "https" || !strings.Contains(host, ".") {
		return "", refused
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return "", refused
	}
	port := strconv.Itoa(int(l.c.Port))
	if p := u.Port(); p != "" && p != port {
		return "", refused
	}
	u.Host = host
	if l.c.Port != 443 {
		u.Host = net.JoinHostPort(host, port)
	}
	return u.String(), nil
}

// Sign is one value of webhook-signature: an HMAC with SHA-256 under the secret, over
// identifier, time in seconds since 1970 and body, joined by dots. The form is that of
// Standard Webhooks, so that its libraries verify it. A malformed secret is an error.
func Sign(secret, identifier string, at time.Time, body []byte) (string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, SecretPrefix))
	if err != nil || len(key) == 0 {
		return "", errors.New("sign webhook: malformed secret")
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.", identifier, at.Unix())
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// Post is one call to make.
type Post struct {
	URL        string // as CheckURL returned it
	Secrets    []string
	Identifier string // the same at each try
	At         time.Time
	Body       []byte
}

// Answer is what came back. Code is 0 if nothing did.
type Answer struct {
	Code    int
	Failure Failure // "" for 2xx
	// Wait is how long the server asks to be left alone (Retry-After); 0: it does not say.
	Wait time.Duration
	Body []byte // its beginning
}

// Call makes a call. Whatever the other side does is an Answer; an error is the end of
// ctx or a mistake of ours.
func (l *Client) Call(ctx context.Context, p Post) (Answer, error) {
	signatures := make([]string, 0, len(p.Secrets))
	for _, secret := range p.Secrets {
		one, err := Sign(secret, p.Identifier, p.At, p.Body)
		if err != nil {
			return Answer{}, err
		}
		signatures = append(signatures, one)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, bytes.NewReader(p.Body))
	if err != nil {
		return Answer{}, errors.New("call webhook: malformed address")
	}
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"Stafette"}, "Webhook-Id": {p.Identifier},
		"Webhook-Timestamp": {strconv.FormatInt(p.At.Unix(), 10)}, "Webhook-Signature": {strings.Join(signatures, " ")},
		// Never sent: it says that a call may go out again over a new connection when the
		// kept one turns out to be closed.
		"Idempotency-Key": {},
	}
	resp, err := l.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return Answer{}, ctx.Err()
		}
		return Answer{Failure: failureOf(err)}, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	a := Answer{Code: resp.StatusCode, Wait: retryAfter(resp.Header.Get("Retry-After"), p.At), Body: body}
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode <= 399:
		a.Failure = Redirected
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		a.Failure = BadStatus
	case err != nil && ctx.Err() != nil:
		return Answer{}, ctx.Err()
	}
	return a, nil
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3), at most a day.
func retryAfter(text string, now time.Time) time.Duration {
	var wait time.Duration
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		wait = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), 24*time.Hour)
}

func failureOf(err error) Failure {
	var known *failed
	var refused *egress.RefusedError
	var timeout net.Error
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &known):
		return known.why
	case errors.As(err, &refused):
		return Forbidden
	case errors.As(err, &certificate), errors.As(err, &authority), errors.As(err, &record), errors.As(err, &alert):
		return NoTLS
	case errors.As(err, &timeout) && timeout.Timeout():
		return TooSlow
	case errors.Is(err, dns.ErrNoHost):
		return NoHost
	}
	return NoConnect
}
