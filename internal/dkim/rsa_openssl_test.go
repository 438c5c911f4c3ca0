//go:build openssl && cgo

package dkim

import (
	"crypto"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

// TestOpenSSLFaultsAreErrors plays a library that signs wrongly by a public key that is
// not the private key's.
func TestOpenSSLFaultsAreErrors(t *testing.T) {
	_, signer := rsaKey(t, rsaBits)
	other, _ := rsaKey(t, rsaBits)
	sound := signer.private.(*opensslKey)
	digest := randomDigest(t)
	cases := []struct {
		name string
		key  opensslKey
		hash crypto.Hash
		want string
	}{
		{"wrong signature", opensslKey{&other.PublicKey, sound.key}, crypto.SHA256, "check OpenSSL's signature"},
		{"no key", opensslKey{sound.public, nil}, crypto.SHA256, "sign with OpenSSL"},
		{"another hash", *sound, crypto.SHA512, "only SHA-256"},
	}
	for _, c := range cases {
		got, err := c.key.Sign(nil, digest[:], c.hash)
		if got != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: signature %x, error %v", c.name, got, err)
		}
	}
	if _, err := sound.Sign(nil, digest[:], crypto.SHA256); err != nil {
		t.Errorf("after errors of others: %v", err)
	}
}

// TestOpenSSLKeysAreFreed makes 8,000 keys, of 2 KB each, and throws them away.
func TestOpenSSLKeysAreFreed(t *testing.T) {
	key, _ := rsaKey(t, rsaBits)
	spend := func(n int) {
		for range n {
			if _, err := newRSA(key); err != nil {
				t.Fatal(err)
			}
		}
		runtime.GC()
	}
	spend(1000)
	before := resident(t)
	for range 8 {
		spend(1000)
	}
	if grown := resident(t) - before; grown > 8<<20 {
		t.Errorf("8,000 dropped keys left %d MB behind", grown>>20)
	}
}

// resident is the memory of this process, Go's and C's, in bytes.
func resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc here to tell the memory of this process")
	}
	var total, pages int
	if _, err := fmt.Sscan(string(text), &total, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
