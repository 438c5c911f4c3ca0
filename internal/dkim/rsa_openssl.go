//go:build openssl && cgo

package dkim

/*
#cgo LDFLAGS: -lcrypto
#cgo noescape stafette_sign
#cgo nocallback stafette_sign
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error "OpenSSL 3.0 or later is needed"
#endif

// A thread keeps its own queue of errors and Go changes threads between calls, so each
// function takes its error along. 1 stands for an error OpenSSL left no code for.
static unsigned long stafette_error(void) {
	unsigned long code = ERR_peek_last_error();
	ERR_clear_error();
	return code ? code : 1;
}

static EVP_PKEY *stafette_key(const unsigned char *der, long length, unsigned long *code) {
	EVP_PKEY *key = d2i_PrivateKey(EVP_PKEY_RSA, NULL, &der, length);
	if (!key) *code = stafette_error();
	return key;
}

static unsigned long stafette_sign(EVP_PKEY *key, const unsigned char *digest, size_t digest_length,
		unsigned char *signature, size_t *length) {
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	int ok = c && EVP_PKEY_sign_init(c) > 0
		&& EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) > 0
		&& EVP_PKEY_CTX_set_signature_md(c, EVP_sha256()) > 0
		&& EVP_PKEY_sign(c, signature, length, digest, digest_length) > 0;
	EVP_PKEY_CTX_free(c);
	return ok ? 0 : stafette_error();
}
*/
import "C"

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"runtime"
)

// RSALibrary names the library that makes RSA signatures in this build.
func RSALibrary() string { return C.GoString(C.OpenSSL_version(C.OPENSSL_VERSION)) }

// opensslKey is an RSA key in OpenSSL's hands. Its private half is freed when nobody
// holds the opensslKey any more.
type opensslKey struct {
	public *rsa.PublicKey
	key    *C.EVP_PKEY
}

// newRSA returns what signs with an RSA key.
func newRSA(k *rsa.PrivateKey) (crypto.Signer, error) {
	der := x509.MarshalPKCS1PrivateKey(k)
	defer clear(der)
	var code C.ulong
	key := C.stafette_key((*C.uchar)(&der[0]), C.long(len(der)), &code)
	if key == nil {
		return nil, fmt.Errorf("hand RSA key to OpenSSL: %w", opensslError(code))
	}
	own := &opensslKey{public: &rsa.PublicKey{N: k.N, E: k.E}, key: key}
	runtime.AddCleanup(own, func(key *C.EVP_PKEY) { C.EVP_PKEY_free(key) }, key)
	return own, nil
}

// Public implements crypto.Signer.
func (k *opensslKey) Public() crypto.PublicKey { return k.public }

// Sign implements crypto.Signer for SHA-256 and RSASSA-PKCS1-v1_5 (RFC 8017, 8.2), which
// uses no randomness. A signature that crypto/rsa does not verify is never returned: it
// would break the mail, and one made with a fault in half of the key gives the key away.
// It is an error, not a reason to sign again in Go, because the fault must be seen.
func (k *opensslKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != crypto.SHA256 || len(digest) != crypto.SHA256.Size() {
		return nil, errors.New("only SHA-256 digests are signed")
	}
	signature := make([]byte, k.public.Size())
	length := C.size_t(len(signature))
	code := C.stafette_sign(k.key, (*C.uchar)(&digest[0]), C.size_t(len(digest)), (*C.uchar)(&signature[0]), &length)
	runtime.KeepAlive(k)
	if code != 0 {
		return nil, fmt.Errorf("sign with OpenSSL: %w", opensslError(code))
	}
	if err := rsa.VerifyPKCS1v15(k.public, crypto.SHA256, digest, signature[:length]); err != nil {
		return nil, fmt.Errorf("check OpenSSL's signature: %w", err)
	}
	return signature[:length], nil
}

// opensslError tells a code's library and reason; OpenSSL puts nothing of keys there.
func opensslError(code C.ulong) error {
	var text [256]C.char
	C.ERR_error_string_n(code, &text[0], C.size_t(len(text)))
	return errors.New(C.GoString(&text[0]))
}
