package hostcert_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stafette/internal/public/hostcert"
)

// aged puts a certificate that was made 85 days ago and ends in five into the place of the
// host's, with the same key: the library reads the clock of the machine, so that only the
// certificate can be old.
func aged(t *testing.T, folder string) *x509.Certificate {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "certificates", "*", host, host+".crt"))
	if err != nil || len(found) != 1 {
		t.Fatalf("certificates in the folder: %v, %v", found, err)
	}
	pair, err := tls.LoadX509KeyPair(found[0], strings.TrimSuffix(found[0], ".crt")+".key")
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	key := pair.PrivateKey.(crypto.Signer) //nolint:forcetypeassert // all keys of certificates are
	old := &x509.Certificate{SerialNumber: big.NewInt(85), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-85 * day), NotAfter: time.Now().Add(5 * day)}
	der, err := x509.CreateCertificate(rand.Reader, old, old, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(found[0], pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return old
}

// TestRenewal: a certificate that is about to end is made anew although nobody shakes hands
// and no mail is written; one of a host that is nobody's any more is left to end.
func TestRenewal(t *testing.T) {
	usual, _, _ := ownCertificate(t, "post.platform.example")
	l, port := listen(t)
	var known atomic.Bool
	known.Store(true)
	c := hostcert.Config{Folder: t.TempDir(), Host: "127.0.0.1", Port: port, Now: time.Now, Known: func(_ context.Context, name string) bool { return known.Load() && name == host }}
	var orders func() int
	c.Directory, c.Roots, orders = authority(t, port)
	first := hostcert.New(c)
	defer first.Close()
	if err := first.Tend(t.Context()); err != nil {
		t.Errorf("with an empty folder: %v", err)
	}
	serve(l, first, &usual)
	first.Ready(t.Context(), host)
	first.Settle()
	made, err := shown(t, l.Addr().String(), host)
	if err != nil {
		t.Fatal(err)
	}
	tend := func() {
		t.Helper()
		if err := first.Tend(t.Context()); err != nil {
			t.Error(err)
		}
		first.Settle()
	}
	tend() // has all its time: nothing to do
	old := aged(t, c.Folder)
	known.Store(false)
	tend()
	known.Store(true)
	tend()
	// Who starts now finds the new one in the folder.
	second := hostcert.New(c)
	defer second.Close()
	if !second.Ready(t.Context(), host) {
		t.Error("there is no certificate")
	}
	other, _ := listen(t)
	serve(other, second, &usual)
	next, err := shown(t, other.Addr().String(), host)
	if err != nil {
		t.Fatal(err)
	}
	if next.SerialNumber.Cmp(old.SerialNumber) == 0 || next.SerialNumber.Cmp(made.SerialNumber) == 0 || !next.NotAfter.After(old.NotAfter) || !strings.Contains(next.Issuer.CommonName, "Pebble") {
		t.Errorf("number %s by %q to %s is not new", next.SerialNumber, next.Issuer.CommonName, next.NotAfter)
	}
	if n := orders(); n != 2 {
		t.Errorf("%d orders, want the first and the renewal", n)
	}
}

// TestSharedFolder: of two instances with one folder that want a certificate at the same
// time, one asks for it, and both show it.
func TestSharedFolder(t *testing.T) {
	usual, _, _ := ownCertificate(t, "post.platform.example")
	l, port := listen(t)
	c := hostcert.Config{Folder: t.TempDir(), Host: "127.0.0.1", Port: port, Now: time.Now, Known: func(_ context.Context, name string) bool { return name == host }}
	var orders func() int
	c.Directory, c.Roots, orders = authority(t, port)
	one := hostcert.New(c)
	defer one.Close()
	serve(l, one, &usual)
	other, port := listen(t)
	c.Port = port
	two := hostcert.New(c)
	defer two.Close()
	serve(other, two, &usual)

	one.Ready(t.Context(), host)
	two.Ready(t.Context(), host)
	one.Settle()
	two.Settle()
	a, err := shown(t, l.Addr().String(), host)
	if err != nil {
		t.Fatal(err)
	}
	b, err := shown(t, other.Addr().String(), host)
	if err != nil {
		t.Fatal(err)
	}
	if a.SerialNumber.Cmp(b.SerialNumber) != 0 {
		t.Errorf("numbers %s and %s", a.SerialNumber, b.SerialNumber)
	}
	if n := orders(); n != 1 {
		t.Errorf("%d orders, want 1", n)
	}
}
