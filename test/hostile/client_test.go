package hostile

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/smtp"
)

// result is what one delivery through the product's client came to.
type result struct {
	ending Ending
	err    *smtp.Error
	taken  int64 // by the server's account
}

// deliver sends one mail to the MX inside a bubble, with the deadlines of RFC 5321.
func deliver(t *testing.T, m *MX, o smtp.Options, size int) (r result) {
	synctest.Test(t, func(t *testing.T) {
		var taken atomic.Int64
		var sessions sync.WaitGroup
		m.Accepted = func() { taken.Add(1) }
		o.Address, o.Host, o.EHLO = "192.0.2.1:25", "mx.hostile.example", "client.example"
		o.DialContext = func(context.Context, string, string) (net.Conn, error) {
			client, server := pipe()
			sessions.Go(func() { m.Serve(server) })
			return client, nil
		}
		err := exchange(o, size)
		r.ending = Taken
		if err != nil {
			if !errors.As(err, &r.err) {
				t.Fatalf("%T is not *smtp.Error: %v", err, err)
			}
			r.ending = endingOf(r.err)
		}
		sessions.Wait()
		r.taken = taken.Load()
	})
	return r
}

func exchange(o smtp.Options, size int) error {
	c, err := smtp.Dial(context.Background(), o)
	if err != nil {
		return err
	}
	body := append([]byte("Subject: x\r\n\r\n"), bytes.Repeat([]byte("0123456789abcdef0123456789abcdef\r\n"), size/34)...)
	_, err = c.Deliver(context.Background(), smtp.Mail{From: "a@client.example", To: "b@hostile.example", Parts: [][]byte{body}}, nil)
	c.Close() // how the goodbye ends is nobody's business
	return err
}

func endingOf(e *smtp.Error) Ending {
	switch {
	case e.Uncertain:
		return Uncertain
	case e.Reply != nil:
		return Refused
	}
	return Broken
}

// honest fails if the ending and the server's account cannot both be true.
func (r result) honest(t *testing.T) {
	t.Helper()
	switch {
	case r.ending == Taken && r.taken == 0:
		t.Error("said to be taken; the server never took it")
	case (r.ending == Refused || r.ending == Broken) && r.taken > 0:
		t.Errorf("said to be %s; the server took it: %v", r.ending, r.err)
	}
}

func TestEveryCellHasOneEnding(t *testing.T) {
	cells := Cells()
	if len(cells) < 140 {
		t.Fatalf("%d cells", len(cells))
	}
	for variant, pipelining := range map[string]bool{"one-by-one": false, "pipelined": true} {
		for _, c := range cells {
			t.Run(variant+"/"+c.String(), func(t *testing.T) {
				size := 1000
				if c.State == Body {
					size = 8 << 20 // more than a connection buffers
				}
				r := deliver(t, &MX{Cell: c, Pipelining: pipelining}, smtp.Options{}, size)
				if r.ending != c.Ending() {
					t.Errorf("ended %s (%v), want %s", r.ending, r.err, c.Ending())
				}
				if r.ending == Refused && r.err.Reply.Code != c.Code() {
					t.Errorf("refused with %d, want %d", r.err.Reply.Code, c.Code())
				}
				r.honest(t)
			})
		}
	}
}

// With BDAT the answers to DATA do not exist and the last chunk stands for the dot.
func TestEveryCellWithChunking(t *testing.T) {
	for _, c := range Cells() {
		if c.State == Data || c.State == Body || c.Fault == Twice {
			continue
		}
		t.Run(c.String(), func(t *testing.T) {
			r := deliver(t, &MX{Cell: c, Pipelining: true, Chunking: true}, smtp.Options{}, 1000)
			want := c.Ending()
			if want == Broken && (c.State == Mail || c.State == Rcpt) {
				want = Uncertain // the whole mail left in one write with its envelope
			}
			if r.ending != want {
				t.Errorf("ended %s (%v), want %s", r.ending, r.err, want)
			}
			r.honest(t)
		})
	}
}

// certificate makes a self-signed one for the name, valid in the given span.
func certificate(t *testing.T, name string, from, to time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: from, NotAfter: to, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestEveryCellOfSTARTTLS(t *testing.T) {
	// The clock inside a bubble begins here.
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	good := certificate(t, "mx.hostile.example", now.Add(-time.Hour), now.Add(time.Hour))
	expired := certificate(t, "mx.hostile.example", now.Add(-2*time.Hour), now.Add(-time.Hour))
	other := certificate(t, "other.example", now.Add(-time.Hour), now.Add(time.Hour))
	for name, c := range map[string]struct {
		fault         Fault
		cert          tls.Certificate
		max           uint16
		opportunistic Ending
		required      Ending
	}{
		"good":           {Handshake, good, 0, Taken, Taken},
		"expired":        {Handshake, expired, 0, Taken, Broken},
		"other name":     {Handshake, other, 0, Taken, Broken},
		"TLS 1.1":        {Handshake, good, tls.VersionTLS11, Broken, Broken},
		"refused now":    {Temporary, good, 0, Taken, Refused},
		"refused always": {Permanent, good, 0, Taken, Refused},
		"injection":      {Injection, good, 0, Broken, Broken},
		"not TLS":        {NotTLS, good, 0, Broken, Broken},
		"alert":          {Alert, good, 0, Broken, Broken},
		"hangs":          {HangInTLS, good, 0, Broken, Broken},
		"closes":         {CloseInTLS, good, 0, Broken, Broken},
		"resets":         {ResetInTLS, good, 0, Broken, Broken},
		"silence":        {Silence, good, 0, Broken, Broken},
		"garbage":        {Garbage, good, 0, Broken, Broken},
		"421":            {Closing, good, 0, Refused, Refused},
		"10,000 lines":   {TenThousand, good, 0, Broken, Broken},
	} {
		for mode, want := range map[smtp.TLSMode]Ending{smtp.TLSOpportunistic: c.opportunistic, smtp.TLSRequired: c.required} {
			t.Run(name+map[smtp.TLSMode]string{smtp.TLSOpportunistic: ", opportunistic", smtp.TLSRequired: ", required"}[mode], func(t *testing.T) {
				roots := x509.NewCertPool()
				for _, cert := range []tls.Certificate{good, expired, other} {
					roots.AddCert(cert.Leaf)
				}
				m := &MX{Cell: Cell{StartTLS, c.fault}, Pipelining: true,
					TLS: &tls.Config{Certificates: []tls.Certificate{c.cert}, MinVersion: tls.VersionTLS10, MaxVersion: c.max}}
				r := deliver(t, m, smtp.Options{TLS: mode, TLSConfig: &tls.Config{RootCAs: roots}}, 1000)
				if r.ending != want {
					t.Errorf("ended %s (%v), want %s", r.ending, r.err, want)
				}
				r.honest(t)
			})
		}
	}
}
