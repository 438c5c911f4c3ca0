// Package dkim makes DKIM keys and signatures (RFC 6376, RFC 8463).
//
// It stands at the end of the journey: delivery asks it for the signature fields to
// put before a message whose bytes are final. RSA and Ed25519 signatures are made in
// one pass over header and body, always relaxed/relaxed.
//
// It does not verify, does not keep keys or ask DNS, and does not decide which domain
// signs; docs/adr/0003-dkim-canonicalisation.md tells why it canonicalises itself.
package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
)

// Algorithm is a kind of key, by its name in the k= tag of a key record.
type Algorithm string

// The algorithms. A mail is best signed with both: not every receiver knows Ed25519.
const (
	RSA     Algorithm = "rsa"     // rsa-sha256, 2048 bits
	Ed25519 Algorithm = "ed25519" // ed25519-sha256 (RFC 8463)
)

// 2048 bits is what RFC 8301, 3.2 asks for and what fits a single UDP answer.
const rsaBits = 2048

// GenerateKey makes a private key, as PKCS #8 DER, and the TXT record to publish for it
// at <selector>._domainkey.<domain>.
func GenerateKey(a Algorithm) (der []byte, record string, err error) {
	var private crypto.Signer
	switch a {
	case RSA:
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case Ed25519:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("unknown algorithm %q", a)
	}
	if err != nil {
		return nil, "", fmt.Errorf("generate DKIM key: %w", err)
	}
	if der, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
		return nil, "", fmt.Errorf("generate DKIM key: %w", err)
	}
	s, err := newSigner(private)
	if err != nil {
		return nil, "", fmt.Errorf("generate DKIM key: %w", err)
	}
	record, err = s.Record()
	return der, record, err
}

// Signer is a parsed private key. The zero value cannot sign. It is safe for concurrent
// use; parse a key once and keep it, since checking an RSA key is slow.
type Signer struct {
	algorithm Algorithm
	private   crypto.Signer
}

// ParseSigner reads a private key in PKCS #8 DER. RSA keys below 1024 bits are refused
// (RFC 8301, 3.2). No error holds any of the key.
func ParseSigner(der []byte) (Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return Signer{}, errors.New("parse DKIM key: not a PKCS #8 private key")
	}
	s, err := newSigner(key)
	if err != nil {
		return Signer{}, fmt.Errorf("parse DKIM key: %w", err)
	}
	return s, nil
}

func newSigner(key any) (Signer, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < 1024 {
			return Signer{}, fmt.Errorf("RSA key of %d bits is too short", k.N.BitLen())
		}
		private, err := newRSA(k)
		return Signer{RSA, private}, err
	case ed25519.PrivateKey:
		return Signer{Ed25519, k}, nil
	}
	return Signer{}, errors.New("neither an RSA nor an Ed25519 key")
}

// Algorithm returns the kind of the key.
func (s Signer) Algorithm() Algorithm { return s.algorithm }

// Record returns the TXT record of the public half (RFC 6376, 3.6.1). It is longer than
// the 255 bytes of one DNS string for RSA; the zone's editor splits it.
func (s Signer) Record() (string, error) {
	switch public := s.public().(type) {
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			return "", fmt.Errorf("encode DKIM record: %w", err)
		}
		return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der), nil
	case ed25519.PublicKey:
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public), nil
	}
	return "", errors.New("encode DKIM record: no key")
}

func (s Signer) public() crypto.PublicKey {
	if s.private == nil {
		return nil
	}
	return s.private.Public()
}

// sign signs a SHA-256 digest. Ed25519 takes the digest for its message (RFC 8463, 3).
func (s Signer) sign(digest [sha256.Size]byte) ([]byte, error) {
	hash := crypto.SHA256
	switch s.algorithm {
	case RSA:
	case Ed25519:
		hash = 0
	default:
		return nil, errors.New("the signer has no key")
	}
	return s.private.Sign(rand.Reader, digest[:], hash)
}
