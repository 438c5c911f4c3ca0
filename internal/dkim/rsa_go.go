//go:build !openssl || !cgo

package dkim

import (
	"crypto"
	"crypto/rsa"
)

// RSALibrary names the library that makes RSA signatures in this build.
func RSALibrary() string { return "crypto/rsa" }

// newRSA returns what signs with an RSA key. The key computed its powers and tables when
// it was parsed, and crypto/rsa verifies each of its signatures itself.
func newRSA(k *rsa.PrivateKey) (crypto.Signer, error) { return k, nil }
