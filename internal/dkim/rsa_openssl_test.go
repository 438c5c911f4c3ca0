//go:build openssl && cgo

package dkim

import (
	"crypto"
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
