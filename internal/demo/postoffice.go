package demo

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/jhillyerd/enmime/v2"
)

// postOffice runs the mail servers of all providers, each on an address of its
// own and all on one port, since a sending server can only be told one port.
type postOffice struct {
	providers []provider
	port      int
	back      *returner
	readers   *readers
	listeners []net.Listener
	servers   []*smtp.Server
	wait      sync.WaitGroup
}

// openPostOffice starts the servers and returns when all of them listen.
func openPostOffice(ctx context.Context, into *boxes, o Options) (*postOffice, error) {
	p := &postOffice{providers: providers(o), readers: newReaders(o.Log)}
	var err error
	if p.listeners, err = p.listen(ctx); err != nil {
		return nil, err
	}
	p.back = newReturner(netip.AddrPortFrom(returnAddr(), uint16(p.port)).String(), o.Log)
	for i, who := range p.providers {
		cert, err := certificate(who.host, o.Now())
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		counter := &hall{provider: who, into: into, back: p.back, readers: p.readers, now: o.Now, log: o.Log}
		s := smtp.NewServer(counter)
		s.Domain = who.host
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
		s.MaxMessageBytes, s.MaxRecipients = 40<<20, 100
		s.ReadTimeout, s.WriteTimeout = time.Minute, time.Minute
		s.EnableSMTPUTF8 = true
		s.ErrorLog = slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug)
		p.servers = append(p.servers, s)
		p.wait.Go(func() { _ = s.Serve(&doorkeeper{Listener: p.listeners[i], greet: who.greet}) })
	}
	return p, nil
}

// listen finds a port that is free on the addresses of all providers.
func (p *postOffice) listen(ctx context.Context) ([]net.Listener, error) {
	const tries = 20
	var lc net.ListenConfig
	var last error
	for range tries {
		var list []net.Listener
		port := 0
		for _, who := range p.providers {
			l, err := lc.Listen(ctx, "tcp", netip.AddrPortFrom(who.addr, uint16(port)).String())
			if err != nil {
				last = err
				break
			}
			list = append(list, l)
			port = l.Addr().(*net.TCPAddr).Port
		}
		if len(list) == len(p.providers) {
			p.port = port
			return list, nil
		}
		for _, l := range list {
			_ = l.Close()
		}
	}
	return nil, fmt.Errorf("mail servers find no common port: %w", last)
}

func (p *postOffice) close() error {
	var errs []error
	// A server that has not begun to serve yet does not know its listener.
	for _, l := range p.listeners {
		errs = append(errs, l.Close())
	}
	for _, s := range p.servers {
		if err := s.Close(); !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	p.wait.Wait()
	errs = append(errs, p.readers.close())
	if p.back != nil {
		errs = append(errs, p.back.close())
	}
	return errors.Join(errs...)
}

// doorkeeper turns clients away at the greeting, before the SMTP server sees them.
type doorkeeper struct {
	net.Listener
	greet func(netip.Addr) string
}

// Accept returns the next client that is welcome.
func (d *doorkeeper) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		line := d.greet(remoteAddr(c))
		if line == "" {
			return c, nil
		}
		// A line this short always fits into the socket's buffer.
		_, _ = io.WriteString(c, line+"\r\n")
		_ = c.Close()
	}
}

func remoteAddr(c net.Conn) netip.Addr {
	at, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// hall is the backend of one provider's server.
type hall struct {
	provider provider
	into     *boxes
	back     *returner
	readers  *readers
	now      func() time.Time
	log      *slog.Logger
}

// NewSession implements smtp.Backend.
func (h *hall) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{hall: h, conn: c}, nil
}

// session is one SMTP session; the server uses it from one goroutine.
type session struct {
	hall *hall
	conn *smtp.Conn
	from string
	to   []string
}

// Mail implements smtp.Session.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	p := s.hall.provider
	_, domain, _ := strings.Cut(to, "@")
	if !p.takes(domain) {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "Relay access denied"}
	}
	if refusal := p.rcpt(remoteAddr(s.conn.Conn()), s.from, to); refusal != nil {
		return refusal
	}
	s.to = append(s.to, strings.ToLower(to))
	return nil
}

// Data implements smtp.Session.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	remote := remoteAddr(s.conn.Conn())
	if s.hall.provider.keeps != nil {
		raw = s.hall.provider.keeps(remote, raw)
	}
	m := mail{
		Provider: s.hall.provider.name, Sender: s.from, EHLO: s.conn.Hostname(),
		Remote: remote.String(), At: s.hall.now(), Raw: raw,
	}
	if state, ok := s.conn.TLSConnectionState(); ok {
		m.TLS = tls.VersionName(state.Version)
	}
	if env, err := enmime.ReadEnvelope(strings.NewReader(string(raw))); err == nil {
		m.From, m.Subject = env.GetHeader("From"), env.GetHeader("Subject")
		if author, err := env.AddressList("From"); err == nil && author[0].Name != "" {
			m.From = author[0].Name
		}
	}
	id := 0
	for _, to := range s.to {
		m.Box = to
		id = s.hall.into.put(m)
		s.hall.back.received(s.hall.provider, s.from, to, raw)
		s.hall.readers.arrived(m)
	}
	s.hall.log.Debug("demo mailbox took mail", "provider", m.Provider, "recipients", len(s.to), "bytes", len(raw))
	return s.hall.provider.taken(id)
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.from, s.to = "", nil }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// certificate makes a throw-away certificate for one host.
func certificate(host string, now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate of %s: %w", host, err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), DNSNames: []string{host},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate of %s: %w", host, err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
