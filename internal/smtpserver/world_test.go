package smtpserver_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/smtpserver"
	"stafette/internal/tenant"
)

const keyText = "stf_0123456789"

var now = time.Date(2026, 11, 21, 14, 5, 0, 0, time.UTC)

// acceptor remembers what it was given and answers as told.
type acceptor struct {
	mu    sync.Mutex
	err   error
	block chan struct{} // if set, Accept waits for it to be closed
	began chan struct{} // if set, closed when Accept begins
	who   ingest.Principal
	got   []ingest.Submission
}

func (a *acceptor) Accept(ctx context.Context, p ingest.Principal, s ingest.Submission) (ingest.Receipt, error) {
	if a.began != nil {
		close(a.began)
	}
	if a.block != nil {
		select {
		case <-a.block:
		case <-ctx.Done():
			return ingest.Receipt{}, context.Cause(ctx)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return ingest.Receipt{}, a.err
	}
	a.who = p
	a.got = append(a.got, s)
	return ingest.Receipt{ID: message.NewID(now)}, nil
}

func (a *acceptor) AcceptAll(context.Context, ingest.Principal, []ingest.Submission) []ingest.Result {
	return nil
}

func (a *acceptor) submissions() []ingest.Submission {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]ingest.Submission(nil), a.got...)
}

// only returns the one message accepted.
func (a *acceptor) only(t *testing.T) ingest.Submission {
	t.Helper()
	list := a.submissions()
	if len(list) != 1 {
		t.Fatalf("%d messages were accepted, want 1", len(list))
	}
	return list[0]
}

// accounts knows keys by their text.
type accounts struct {
	tenant.Authenticator
	keys map[string]tenant.Key
	err  error
}

func (a *accounts) Key(_ context.Context, text, remote string) (tenant.Key, error) {
	if a.err != nil {
		return tenant.Key{}, a.err
	}
	if remote != "127.0.0.1" {
		return tenant.Key{}, errors.New("remote is " + remote)
	}
	k, ok := a.keys[text]
	if !ok {
		return tenant.Key{}, fault.New(fault.Unauthenticated, "key_unknown", "secret detail")
	}
	return k, nil
}

// world is a running door with what stands behind it.
type world struct {
	acceptor *acceptor
	accounts *accounts
	key      tenant.Key
	server   *smtpserver.Server
	starttls string // address
	tls      string // address
	pool     *x509.CertPool
}

func newKey(scopes ...tenant.Scope) tenant.Key {
	return tenant.Key{ID: tenant.KeyID(message.NewID(now)), Tenant: tenant.ID(message.NewID(now)), Scopes: scopes}
}

func start(t *testing.T, change func(*smtpserver.Config)) *world {
	t.Helper()
	certificate, pool := newCertificate(t)
	w := &world{acceptor: &acceptor{}, key: newKey(tenant.ScopeSend), pool: pool}
	w.accounts = &accounts{keys: map[string]tenant.Key{keyText: w.key}}
	config := smtpserver.Config{
		Acceptor: w.acceptor, Auth: w.accounts, Hostname: "mail.muster.example", MaxSize: 100_000,
		TLS: &tls.Config{Certificates: []tls.Certificate{certificate}},
		Now: func() time.Time { return now },
	}
	if change != nil {
		change(&config)
	}
	w.server = smtpserver.New(config)
	done := make(chan error, 2)
	serve := func(f func(net.Listener) error) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { done <- f(l) }()
		return l.Addr().String()
	}
	w.starttls, w.tls = serve(w.server.ServeSTARTTLS), serve(w.server.ServeTLS)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = w.server.Shutdown(ctx)
		for range 2 {
			if err := <-done; err != nil {
				t.Errorf("serve: %v", err)
			}
		}
	})
	return w
}

func newCertificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		// The clients' clock is the real one.
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, pool
}

// dialog is a client that speaks exactly what a test writes.
type dialog struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func (w *world) dial(t *testing.T) *dialog {
	t.Helper()
	c, err := net.Dial("tcp", w.starttls)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &dialog{t: t, conn: c, r: bufio.NewReader(c)}
}

// login greets and authenticates; the config must allow that in clear.
func (w *world) login(t *testing.T) *dialog {
	t.Helper()
	d := w.dial(t)
	d.want("220 ")
	d.say("EHLO client.example", "250 ")
	d.say("AUTH PLAIN "+plain("apikey", keyText), "235 2.7.0")
	return d
}

func plain(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}

// write sends bytes as they are.
func (d *dialog) write(s string) {
	d.t.Helper()
	if _, err := d.conn.Write([]byte(s)); err != nil {
		d.t.Fatal(err)
	}
}

// read returns one whole reply.
func (d *dialog) read() string {
	d.t.Helper()
	var all strings.Builder
	for {
		line, err := d.r.ReadString('\n')
		if err != nil {
			d.t.Fatalf("read reply: %v (after %q)", err, all.String())
		}
		all.WriteString(line)
		if len(line) < 4 || line[3] != '-' {
			return all.String()
		}
	}
}

// want reads a reply whose last line begins with prefix.
func (d *dialog) want(prefix string) string {
	d.t.Helper()
	got := d.read()
	last := got[strings.LastIndexByte(strings.TrimSuffix(got, "\n"), '\n')+1:]
	if !strings.HasPrefix(last, prefix) {
		d.t.Fatalf("reply %q, want %q", got, prefix)
	}
	return got
}

func (d *dialog) say(line, prefix string) string {
	d.t.Helper()
	d.write(line + "\r\n")
	return d.want(prefix)
}

// closed makes sure that the server has ended the connection.
func (d *dialog) closed() {
	d.t.Helper()
	if b, err := d.r.ReadByte(); err == nil {
		d.t.Fatalf("the connection is open, read %q", b)
	}
}

func clear(c *smtpserver.Config) { c.AllowPlainAuth = true }
