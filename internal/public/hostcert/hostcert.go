// Package hostcert makes certificates for tenants' own hosts of links and renews them, by
// ACME (RFC 8555) with the challenge of TLS itself (RFC 8737): no other port and no
// record of its own is needed.
//
// It belongs to the door public (floor 4). Whose a host is and whether its record leads
// here is asked of others (Config.Known); what is served there is not its concern, nor
// are the certificates of the platform's own names.
package hostcert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// Config is what an Issuer stands on. Fields without a stated default are needed.
type Config struct {
	// Directory is the authority's (RFC 8555, 7.1.1); whoever names it agrees to its terms.
	Directory string
	Email     string         // for the authority's warnings; "": none
	Roots     *x509.CertPool // whom the directory's own certificate must be from; nil: the system's
	// Folder keeps certificates, keys and the account. Nodes that share it share those.
	Folder string
	// Host and Port are where the door listens: port 443 of the outside leads there.
	Host string
	Port int
	// Known reports whether a host is a tenant's and leads here. Nothing else gets a
	// certificate, whatever name a client asks for.
	Known func(ctx context.Context, host string) bool
	Now   func() time.Time
	Log   *slog.Logger // nil: discard
}

// rest is how long a host is left alone after the authority refused: it counts failures,
// and who knocks at our door must not spend them.
const rest = time.Hour

// challenge is the protocol by which the authority asks (RFC 8737, 6.2).
const challenge = "acme-tls/1"

// maxFailed bounds the hosts that are remembered as refused.
const maxFailed = 10_000

// Issuer has certificates made. It is safe for concurrent use.
type Issuer struct {
	c     Config
	magic *certmagic.Config
	acme  *certmagic.ACMEIssuer
	cache *certmagic.Cache
	ctx   context.Context //nolint:containedctx // ends what runs behind handshakes
	stop  context.CancelFunc

	work   sync.WaitGroup
	mu     sync.Mutex
	busy   map[string]bool
	failed map[string]time.Time // until when
}

// New makes an Issuer. It asks nobody for anything yet. Close ends it.
func New(c Config) *Issuer {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	log := zap.New(&core{log: c.Log})
	i := &Issuer{c: c, busy: map[string]bool{}, failed: map[string]time.Time{}}
	i.ctx, i.stop = context.WithCancel(context.Background())
	i.cache = certmagic.NewCache(certmagic.CacheOptions{Capacity: 10_000, Logger: log,
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return i.magic, nil }})
	i.magic = certmagic.New(i.cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: c.Folder}, Logger: log,
		OnDemand:       &certmagic.OnDemandConfig{DecisionFunc: i.decide},
		OnEvent:        i.heard,
		ShouldEmitFunc: func(event string) bool { return event == failedEvent },
	})
	i.acme = certmagic.NewACMEIssuer(i.magic, certmagic.ACMEIssuer{
		CA: c.Directory, TestCA: c.Directory, Email: c.Email, Agreed: true, TrustedRoots: c.Roots,
		DisableHTTPChallenge: true, ListenHost: c.Host, AltTLSALPNPort: c.Port, Logger: log,
	})
	i.magic.Issuers = []certmagic.Issuer{once{i.acme}}
	return i
}

// Close ends what runs in the background.
func (i *Issuer) Close() {
	i.stop()
	i.work.Wait()
	i.cache.Stop()
}

// TLS is how a door serves: hosts that Known knows with a certificate made for them, at
// the first handshake if need be, all other names as usual does.
func (i *Issuer) TLS(usual *tls.Config) *tls.Config {
	c := usual.Clone()
	c.NextProtos = []string{"h2", "http/1.1", challenge}
	c.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
		if name == "" || !i.c.Known(hello.Context(), name) {
			return usual.GetCertificate(hello)
		}
		return i.magic.GetCertificate(hello)
	}
	return c
}

// Ready reports whether a host has a certificate that is valid now. Where it has none, or
// one that is about to end, one is asked for in the background: links may lead there
// before long.
func (i *Issuer) Ready(ctx context.Context, host string) bool {
	end := i.end(ctx, host)
	now := i.c.Now()
	switch {
	case end.IsZero():
		i.behind(host, i.magic.ObtainCertAsync)
	case end.Sub(now) < renewBefore:
		i.behind(host, func(ctx context.Context, host string) error { return i.magic.RenewCertAsync(ctx, host, false) })
	}
	return now.Before(end)
}

// Tend asks for certificates anew that are about to end, of hosts that are still known, in
// the background. Ready sees to hosts that mail leads to; this is for those that nobody
// writes for and nobody visits. Nodes that share the folder may all call it: who comes
// second finds the new certificate there.
func (i *Issuer) Tend(ctx context.Context) error {
	kept, err := i.magic.Storage.List(ctx, certmagic.StorageKeys.CertsPrefix(i.acme.IssuerKey()), false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list certificates of own hosts: %w", err)
	}
	for _, key := range kept {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		host := path.Base(key)
		if i.end(ctx, host).Sub(i.c.Now()) < renewBefore && i.c.Known(ctx, host) {
			i.Ready(ctx, host)
		}
	}
	return nil
}

// behind does something for a host in the background, unless that is being done or was
// refused a short time ago.
func (i *Issuer) behind(host string, do func(ctx context.Context, host string) error) {
	if i.resting(host) {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.busy[host] || i.ctx.Err() != nil {
		return
	}
	i.busy[host] = true
	i.work.Go(func() {
		err := do(i.ctx, host)
		if err != nil && i.ctx.Err() == nil {
			i.c.Log.WarnContext(i.ctx, "no certificate for a host of links", "host", host, "err", err)
		}
		i.mu.Lock()
		defer i.mu.Unlock()
		delete(i.busy, host)
	})
}

// once is an authority that is asked once: who waits in a handshake waits for one answer,
// and the next question comes after rest.
type once struct{ *certmagic.ACMEIssuer }

// Issue implements certmagic.Issuer.
func (o once) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	made, err := o.ACMEIssuer.Issue(ctx, csr)
	if err != nil {
		return nil, certmagic.ErrNoRetry{Err: err}
	}
	return made, nil
}

// renewBefore is how long before its end a certificate is asked for anew although nobody
// comes by.
const renewBefore = 10 * 24 * time.Hour

// end is when the host's certificate ends; zero: it has none.
func (i *Issuer) end(ctx context.Context, host string) time.Time {
	text, err := i.magic.Storage.Load(ctx, certmagic.StorageKeys.SiteCert(i.acme.IssuerKey(), host))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			i.c.Log.WarnContext(ctx, "certificate not read", "host", host, "err", err)
		}
		return time.Time{}
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return time.Time{}
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}
	}
	return leaf.NotAfter
}

// decide says whether a certificate may be asked for now.
func (i *Issuer) decide(ctx context.Context, host string) error {
	if !i.c.Known(ctx, host) {
		return fmt.Errorf("%s is nobody's host", host)
	}
	if i.resting(host) && i.end(ctx, host).IsZero() {
		return fmt.Errorf("the authority refused %s a short time ago", host)
	}
	return nil
}

const failedEvent = "cert_failed"

// heard notes that the authority refused a host.
func (i *Issuer) heard(_ context.Context, event string, data map[string]any) error {
	host, ok := data["identifier"].(string)
	if event != failedEvent || !ok {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.failed) >= maxFailed {
		clear(i.failed)
	}
	i.failed[host] = i.c.Now().Add(rest)
	return nil
}

func (i *Issuer) resting(host string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	until, ok := i.failed[host]
	if ok && !i.c.Now().Before(until) {
		delete(i.failed, host)
		ok = false
	}
	return ok
}
