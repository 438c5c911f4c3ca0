package hostcert_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stafette/internal/dns/dnstest"
	"stafette/internal/public/hostcert"
)

const host = "link.kunde.example"

// ownCertificate is one for names of this machine, with its key, and its PEM files.
func ownCertificate(t *testing.T, name string) (pair tls.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	folder := t.TempDir()
	certFile, keyFile = filepath.Join(folder, "c.pem"), filepath.Join(folder, "k.pem")
	for path, text := range map[string][]byte{certFile: certPEM, keyFile: keyPEM} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if pair, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	return pair, certFile, keyFile
}

// free is an address that was free a moment ago: pebble cannot tell which it took.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// authority starts Let's Encrypt's test server, which finds every name at 127.0.0.1 and
// the challenge at a port, and returns its directory and whom to trust. orders ends it and
// says how many orders it got.
func authority(t *testing.T, port int) (directory string, roots *x509.CertPool, orders func() int) {
	t.Helper()
	program, err := exec.LookPath("pebble")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("needs pebble")
		}
		t.Skip("needs pebble (apt-get install pebble)")
	}
	names, err := dnstest.New(host + ". 60 IN A 127.0.0.1\nlink.fremd.example. 60 IN A 127.0.0.1\n")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = names.Close() })
	pair, certFile, keyFile := ownCertificate(t, "localhost")
	listen := free(t)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": free(t), "certificate": certFile, "privateKey": keyFile, "httpPort": port, "tlsPort": port,
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pebble.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), program, "-config", file, "-dnsserver", names.Addr())
	run.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0")
	said, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	run.Stderr = run.Stdout
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() && !strings.Contains(lines.Text(), "ACME directory available") {
		t.Log(lines.Text())
	}
	counted := make(chan int, 1)
	go func() {
		n := 0
		for lines.Scan() {
			if strings.Contains(lines.Text(), "Added order ") {
				n++
			}
		}
		counted <- n
	}()
	orders = sync.OnceValue(func() int {
		_ = run.Process.Kill()
		n := <-counted
		_ = run.Wait()
		return n
	})
	t.Cleanup(func() { orders() })
	roots = x509.NewCertPool()
	roots.AddCert(pair.Leaf)
	return "https://" + listen + "/dir", roots, orders
}

// listen takes a port of this machine for a door.
func listen(t *testing.T) (l net.Listener, port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // a TCP listener's
}

// serve opens a door at which the issuer's certificates are shown, and usual ones.
func serve(l net.Listener, issuer *hostcert.Issuer, usual *tls.Certificate) {
	door := tls.NewListener(l, issuer.TLS(&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return usual, nil }}))
	go func() {
		for {
			conn, err := door.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, conn); _ = conn.Close() }()
		}
	}()
}

// greet shakes hands and returns who issued the certificate, or why there was none.
func greet(t *testing.T, address, name string) (issuer string, err error) {
	t.Helper()
	leaf, err := shown(t, address, name)
	if err != nil {
		return "", err
	}
	return leaf.Issuer.CommonName, nil
}

// shown shakes hands and returns the certificate that was shown.
func shown(t *testing.T, address, name string) (*x509.Certificate, error) {
	t.Helper()
	d := tls.Dialer{Config: &tls.Config{ServerName: name, InsecureSkipVerify: true}}
	conn, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	leaf := conn.(*tls.Conn).ConnectionState().PeerCertificates[0] //nolint:forcetypeassert // a tls.Dialer's
	if err := leaf.VerifyHostname(name); err != nil {
		return nil, err
	}
	return leaf, nil
}

// TestPebble: a known host gets a certificate at the first handshake and keeps it; other
// names are served as ever; who asks for names of nobody gets none.
func TestPebble(t *testing.T) {
	usual, _, _ := ownCertificate(t, "post.platform.example")
	l, port := listen(t)
	at := l.Addr()
	c := hostcert.Config{Folder: t.TempDir(), Host: "127.0.0.1", Port: port, Now: time.Now,
		Known: func(_ context.Context, name string) bool { return name == host || name == "link.nirgends.example" }}
	c.Directory, c.Roots, _ = authority(t, port)
	issuer := hostcert.New(c)
	defer issuer.Close()
	serve(l, issuer, &usual)

	if who, err := greet(t, at.String(), "post.platform.example"); err != nil || who != "post.platform.example" {
		t.Errorf("the platform's own name: by %q, %v", who, err)
	}
	if who, err := greet(t, at.String(), host); err != nil || !strings.Contains(who, "Pebble") {
		t.Fatalf("a tenant's host: by %q, %v", who, err)
	}
	if !issuer.Ready(t.Context(), host) {
		t.Error("the certificate is not there")
	}
	if _, err := greet(t, at.String(), "link.fremd.example"); err == nil {
		t.Error("a host of nobody has a certificate")
	}
	// What is in the folder holds for the next process.
	again := hostcert.New(c)
	defer again.Close()
	if !again.Ready(t.Context(), host) {
		t.Error("the certificate is not kept")
	}
	// A host that leads nowhere is refused, and then left alone: links go elsewhere.
	if _, err := greet(t, at.String(), "link.nirgends.example"); err == nil || issuer.Ready(t.Context(), "link.nirgends.example") {
		t.Error("a host that leads nowhere has a certificate")
	}
}
