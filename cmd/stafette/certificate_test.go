package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func selfSigned(t *testing.T, now time.Time) (*certificate, Config) {
	t.Helper()
	c := defaults()
	c.DataDir, c.Hostname = t.TempDir(), "mail.muster.example"
	k, err := loadCertificate(c, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return k, c
}

func (k *certificate) serial() string { return k.pair.Load().Leaf.SerialNumber.String() }

// TestSelfSignedIsRenewed: 30 days before its end, by the running process, and at a
// start that comes later; and when the clock was ahead when it was made.
func TestSelfSignedIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, c := selfSigned(t, time.Now())
		first := k.serial()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		// All but ten minutes of the time until 30 days before its end is over.
		end := k.pair.Load().Leaf.NotAfter
		go k.follow(ctx, func() time.Time {
			return end.Add(-renewBefore - 10*time.Minute + time.Since(end.AddDate(-selfSignedYears, 0, 0)))
		})
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if k.serial() != first {
			t.Error("renewed too early")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if k.serial() == first {
			t.Fatal("not renewed 30 days before its end")
		}
		stop()
		for name, at := range map[string]time.Duration{"three years later": 3 * 365 * 24 * time.Hour, "a year earlier": -365 * 24 * time.Hour} {
			again, err := loadCertificate(c, time.Now().Add(at), k.log)
			if err != nil {
				t.Fatal(err)
			}
			leaf := again.pair.Load().Leaf
			if now := time.Now().Add(at); now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
				t.Errorf("%s: valid from %v to %v", name, leaf.NotBefore, leaf.NotAfter)
			}
		}
	})
}

// TestConfiguredIsFollowed: the file is replaced, badly at first, and new sessions get
// the new certificate without a restart.
func TestConfiguredIsFollowed(t *testing.T) {
	var said strings.Builder
	dir, now := t.TempDir(), time.Now()
	c := defaults()
	c.TLS.Cert, c.TLS.Key = filepath.Join(dir, "a.crt"), filepath.Join(dir, "a.key")
	if err := selfSign(c.TLS.Cert, c.TLS.Key, "mail.muster.example", now); err != nil {
		t.Fatal(err)
	}
	k, err := loadCertificate(c, now, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	first := k.serial()
	served := servedSerial(t, k)
	if served != first {
		t.Errorf("serves %s, loaded %s", served, first)
	}
	if err := os.WriteFile(c.TLS.Cert, []byte("half a certif"), 0o600); err != nil {
		t.Fatal(err)
	}
	k.look(now)
	k.look(now)
	if n := strings.Count(said.String(), "level=ERROR"); k.serial() != first || n != 1 {
		t.Errorf("serves %s, complained %d times", k.serial(), n)
	}
	if err := selfSign(c.TLS.Cert, c.TLS.Key, "mail.muster.example", now); err != nil {
		t.Fatal(err)
	}
	k.look(now)
	if served := servedSerial(t, k); served == first {
		t.Error("the replaced certificate is still served")
	}
	// Nobody's but the operator's to renew.
	second := k.serial()
	k.look(now.AddDate(3, 0, 0))
	if k.serial() != second || strings.Count(said.String(), "has ended") != 1 {
		t.Errorf("a configured certificate that has ended: %s", said.String())
	}
}

// TestDeathBetweenKeyAndCertificate leaves a key that does not fit.
func TestDeathBetweenKeyAndCertificate(t *testing.T) {
	k, c := selfSigned(t, time.Now())
	other, _ := selfSigned(t, time.Now())
	key, err := os.ReadFile(other.keyFile)
	if err == nil {
		err = os.WriteFile(k.keyFile, key, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := loadCertificate(c, time.Now(), k.log); err != nil {
		t.Error(err)
	}
}

// servedSerial is the number of the certificate that a new session gets.
func servedSerial(t *testing.T, k *certificate) string {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		defer far.Close()
		_ = tls.Server(far, k.tls()).HandshakeContext(t.Context()) // the client tells
	}()
	client := tls.Client(near, &tls.Config{InsecureSkipVerify: true})
	if err := client.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return client.ConnectionState().PeerCertificates[0].SerialNumber.String()
}
