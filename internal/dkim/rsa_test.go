package dkim

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"sync"
	"testing"
)

// rsaKey makes an RSA key and what this build signs with it.
func rsaKey(t testing.TB, bits int) (*rsa.PrivateKey, Signer) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := newSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, signer
}

func randomDigest(t testing.TB) (digest [sha256.Size]byte) {
	t.Helper()
	if _, err := rand.Read(digest[:]); err != nil {
		t.Fatal(err)
	}
	return digest
}

// same fails unless the signer's signature is that of crypto/rsa: PKCS #1 v1.5 leaves
// no choice of bytes.
func same(t testing.TB, key *rsa.PrivateKey, signer Signer, digest [sha256.Size]byte) {
	t.Helper()
	want, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	got, err := signer.sign(digest)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s signs %x as %x (%v), want %x", RSALibrary(), digest, got, err, want)
	}
}

func TestRSASignaturesAreThoseOfGo(t *testing.T) {
	for _, bits := range []int{1024, 2048, 2056, 4096} {
		key, signer := rsaKey(t, bits)
		for range 25 {
			same(t, key, signer, randomDigest(t))
		}
		if !key.PublicKey.Equal(signer.public()) {
			t.Errorf("%d bits: another public key", bits)
		}
	}
}

func TestRSAConcurrently(t *testing.T) {
	key, signer := rsaKey(t, rsaBits)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 25 {
				same(t, key, signer, randomDigest(t))
			}
		})
	}
	wait.Wait()
}

func BenchmarkSignRSA(b *testing.B) {
	key, signer := rsaKey(b, rsaBits)
	digest := randomDigest(b)
	for _, c := range []struct {
		name string
		key  crypto.Signer
	}{{"go", key}, {"build", signer.private}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.key.Sign(nil, digest[:], crypto.SHA256); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
