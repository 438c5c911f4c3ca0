package published

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
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
	"stafette/internal/fault"
	"stafette/internal/message"
)

const (
	secretPrefix = "whsec_"
	maxHookURL   = 500
	maxAnswer    = 4 << 10          // bytes read of a webhook's answer
	hookTime     = 15 * time.Second // for the whole exchange
	maxHookAddrs = 4
)

// newClient makes the client of webhooks: it goes where the guard allows, proves the
// server, follows nobody elsewhere and reads little.
func (s *Service) newClient() *http.Client {
	carry := s.c.Transport
	if carry == nil {
		carry = &http.Transport{
			DialContext: s.dial, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: hookTime,
			MaxResponseHeaderBytes: 16 << 10, DisableKeepAlives: true, DisableCompression: true,
		}
	}
	return &http.Client{
		Transport: carry, Timeout: hookTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dial resolves a name with our own resolver and connects to what the guard allows.
func (s *Service) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	addrs, err := s.c.Resolver.Addrs(ctx, host)
	if err != nil {
		return nil, err
	}
	err = dns.ErrNoHost
	for _, a := range addrs[:min(len(addrs), maxHookAddrs)] {
		var conn net.Conn
		if conn, err = s.c.Dial(ctx, network, netip.AddrPortFrom(a, uint16(number)).String()); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// hookURL checks the address of a webhook and returns it in one form: HTTPS, a host with a
// name, the one port that is open to us.
func (s *Service) hookURL(text string) (string, error) {
	refused := fault.Field("url", "webhook_malformed", "A webhook has an https:// address with the name of a host.")
	text = strings.TrimSpace(text)
	u, err := url.Parse(text)
	if err != nil || len(text) > maxHookURL || u.Scheme != "https" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return "", refused
	}
	host, err := message.ParseDomain(u.Hostname())
	if err != nil || !strings.Contains(host, ".") {
		return "", refused
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return "", refused
	}
	port := strconv.Itoa(int(s.c.HTTPSPort))
	if p := u.Port(); p != "" && p != port {
		return "", refused
	}
	u.Host = host
	if s.c.HTTPSPort != 443 {
		u.Host = net.JoinHostPort(host, port)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), nil
}

// Call is what a webhook is sent.
type Call struct {
	Type string `json:"type"` // "sending_addresses.changed", or ".verification"
	At   string `json:"timestamp"`
	// Challenge is to be answered with, of a verification.
	Challenge string `json:"challenge,omitempty"`
	Version   int    `json:"version,omitempty"`
	// Changes against the version before.
	Changes []Differ `json:"changes,omitempty"`
	// Signed is the whole list as it is now, as the page has it.
	Signed json.RawMessage `json:"signed,omitempty"`
}

// Sign is the value of webhook-signature: an HMAC with SHA-256 under the secret, over
// identifier, time in seconds since 1970 and body, joined by dots. The form is that of
// Standard Webhooks, so that its libraries verify it. A malformed secret is an error.
func Sign(secret, identifier string, at time.Time, body []byte) (string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	if err != nil || len(key) == 0 {
		return "", errors.New("sign webhook: malformed secret")
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.", identifier, at.Unix())
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// callHook tells a webhook of an edition. The identifier stays the same at each try.
func (s *Service) callHook(ctx context.Context, sub Subscription, to Target, l List, e Edition) error {
	signed, err := s.JSON(l)
	if err != nil {
		return err
	}
	_, err = s.post(ctx, to, fmt.Sprintf("%s_%d", sub.ID, e.Version), Call{
		Type: "sending_addresses.changed", At: stamp(e.At), Version: e.Version, Changes: differ(e.Changes), Signed: signed,
	})
	return err
}

// CheckHook sends a webhook a challenge; if it answers with it, it is told from now on. So
// nobody can make us call a server that is not theirs. Errors: NotFound
// "subscription_not_found", Conflict "webhook_unproven".
func (s *Service) CheckHook(ctx context.Context, token string) error {
	sub, err := s.open(ctx, toConfirm, token)
	if err != nil {
		return err
	}
	if sub.Medium != ByWebhook {
		return fault.New(fault.NotFound, "subscription_not_found", "There is no such subscription.")
	}
	to, err := s.target(sub)
	if err != nil {
		return err
	}
	challenge := rand.Text()
	answer, err := s.post(ctx, to, sub.ID.String()+"_"+challenge, Call{Type: "sending_addresses.verification", At: stamp(s.c.Now()), Challenge: challenge})
	if err != nil || !bytes.Contains(answer, []byte(challenge)) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &fault.Error{Kind: fault.Conflict, Code: "webhook_unproven", Detail: "The server did not answer with the challenge.", Err: err}
	}
	return s.c.Store.ConfirmSubscription(ctx, sub.Owner, sub.ID, s.c.Now())
}

// post sends a signed call and returns the beginning of the answer; anything but 2xx is
// an error.
func (s *Service) post(ctx context.Context, to Target, identifier string, call Call) ([]byte, error) {
	body, err := json.Marshal(call)
	if err != nil {
		return nil, fmt.Errorf("write webhook: %w", err)
	}
	now := s.c.Now()
	signature, err := Sign(to.Secret, identifier, now, body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.To, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("call webhook: malformed address")
	}
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"Stafette"}, "Webhook-Id": {identifier},
		"Webhook-Timestamp": {strconv.FormatInt(now.Unix(), 10)}, "Webhook-Signature": {signature},
	}
	resp, err := s.client.Do(req)
	if err != nil {
		// The address may bear a secret of its owner: it does not go into the log.
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, fmt.Errorf("call webhook: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("call webhook: %w", err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, fmt.Errorf("call webhook: the server answers %d", resp.StatusCode)
	}
	return answer, nil
}
