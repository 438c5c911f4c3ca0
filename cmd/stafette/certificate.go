package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// certificate is that of all doors: the configured one, or one this process signs
// itself and keeps in the data directory. Clients that check names will refuse the
// latter; the log says so. It follows its files: who replaces them need not restart
// the process. Sessions under way keep what they began with. It is safe for concurrent
// use.
type certificate struct {
	certFile, keyFile string
	host              string // of a self-signed one, "" of a configured one
	log               *slog.Logger
	pair              atomic.Pointer[tls.Certificate]

	mu      sync.Mutex
	content [sha256.Size]byte // of the files when they were last read
	failed  string            // the last complaint, made once
}

// A self-signed certificate is valid for two years and replaced a month before the end.
const (
	selfSignedYears = 2
	renewBefore     = 30 * 24 * time.Hour
)

// loadCertificate reads the certificate; a self-signed one that is missing, or about
// to end, is made.
func loadCertificate(c Config, now time.Time, log *slog.Logger) (*certificate, error) {
	k := &certificate{certFile: c.TLS.Cert, keyFile: c.TLS.Key, log: log}
	if k.certFile == "" {
		k.certFile, k.keyFile = filepath.Join(c.DataDir, "self-signed.crt"), filepath.Join(c.DataDir, "self-signed.key")
		k.host = c.Hostname
		if _, err := os.Stat(k.certFile); errors.Is(err, fs.ErrNotExist) {
			if err := selfSign(k.certFile, k.keyFile, k.host, now); err != nil {
				return nil, err
			}
			log.Warn("no certificate configured, made a self-signed one", "file", k.certFile, "name", k.host)
		}
	}
	err := k.read()
	if err != nil && k.host != "" {
		// The process died between the two files, or one of them was damaged.
		log.Warn("self-signed certificate cannot be used, made a new one", "file", k.certFile, "err", err)
		if err = selfSign(k.certFile, k.keyFile, k.host, now); err == nil {
			err = k.read()
		}
	}
	if err != nil {
		return nil, err
	}
	return k, k.renew(now)
}

// tls is how doors serve with it.
func (k *certificate) tls() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return k.pair.Load(), nil
	}}
}

// end is when the certificate in use ends.
func (k *certificate) end() time.Time { return k.pair.Load().Leaf.NotAfter }

// read loads the files if they are not what was loaded before. What cannot be used
// changes nothing: a file that is being replaced may not fit its key for a moment.
func (k *certificate) read() error {
	cert, err := os.ReadFile(k.certFile)
	if err != nil {
		return fmt.Errorf("load certificate: %w", err)
	}
	key, err := os.ReadFile(k.keyFile)
	if err != nil {
		return fmt.Errorf("load certificate: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	content := sha256.Sum256(slices.Concat(cert, []byte{0}, key))
	if content == k.content {
		return nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("load certificate: %w", err)
	}
	k.content = content
	if k.pair.Swap(&pair) != nil {
		k.log.Info("certificate replaced", "file", k.certFile, "until", pair.Leaf.NotAfter)
	}
	return nil
}

// renew makes a self-signed certificate anew when it is about to end, or when it
// begins only later: the clock has been set back.
func (k *certificate) renew(now time.Time) error {
	leaf := k.pair.Load().Leaf
	if k.host == "" || now.Before(leaf.NotAfter.Add(-renewBefore)) && !now.Before(leaf.NotBefore) {
		return nil
	}
	if err := selfSign(k.certFile, k.keyFile, k.host, now); err != nil {
		return err
	}
	return k.read()
}

// look reads the files again and renews what is ours to renew. A configured
// certificate that is about to end is only complained of.
func (k *certificate) look(now time.Time) {
	err := k.read()
	if err == nil {
		err = k.renew(now)
	}
	if end := k.pair.Load().Leaf.NotAfter; err == nil && now.After(end) {
		err = fmt.Errorf("certificate %s has ended on %s", k.certFile, end.Format(time.DateOnly))
	}
	k.complain(err)
}

// complain says what is wrong, once as long as it stays the same.
func (k *certificate) complain(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != k.failed {
		k.log.Error("certificate not renewed, the one before stays in use", "err", err)
	}
	k.failed = text
}

// certificateEvery is how often the files are looked at.
const certificateEvery = time.Minute

// follow looks at the files until ctx ends.
func (k *certificate) follow(ctx context.Context, now func() time.Time) {
	tick := time.NewTicker(certificateEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			k.look(now())
		case <-ctx.Done():
			return
		}
	}
}

func selfSign(certFile, keyFile, host string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("self-signed certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return fmt.Errorf("self-signed certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: host},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(selfSignedYears, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{host, "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("self-signed certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("self-signed certificate: %w", err)
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	// The key first: a certificate on disk means that its key is there too.
	if err := writeDurably(keyFile, keyPEM, 0o600); err != nil {
		return fmt.Errorf("self-signed certificate: %w", err)
	}
	if err := writeDurably(certFile, certPEM, 0o644); err != nil {
		return fmt.Errorf("self-signed certificate: %w", err)
	}
	return nil
}

// writeDurably writes a file so that after a power loss it is there whole or not at
// all: a torn certificate would keep the process from ever starting again.
func writeDurably(path string, content []byte, mode fs.FileMode) (err error) {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
