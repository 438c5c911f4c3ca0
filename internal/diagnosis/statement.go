package diagnosis

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
)

// Statement is anything the platform states under the key of its proofs, as JSON: an
// object with the member name, which is the content, and "signature". The content has a
// member "format" of its own, so that no statement can pass for one of another kind.
type Statement struct {
	name      string
	content   any
	signature Signature
}

// State signs a content whose member "format" says what kind it is. It must be made of
// objects with ASCII names, lists, strings, whole numbers and truth values.
func (s *Service) State(name string, content any) (Statement, error) {
	_, signature, err := s.sign(content)
	if err != nil {
		return Statement{}, fmt.Errorf("sign statement: %w", err)
	}
	return Statement{name, content, signature}, nil
}

// JSON is the statement as a file; the same content makes the same bytes.
func (s Statement) JSON() ([]byte, error) {
	whole, err := canonicalOf(map[string]any{s.name: s.content, "signature": s.signature})
	if err != nil {
		return nil, fmt.Errorf("write statement: %w", err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, whole, "", "  "); err != nil {
		return nil, fmt.Errorf("write statement: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// SignText signs the bytes of a text for tools that know Ed25519 and nothing else; the
// signature has 64 bytes. first is the line that the text must begin with, which tells it
// from every JSON that is signed.
func (s *Service) SignText(first string, text []byte) ([]byte, error) {
	if first == "" || first[0] != '#' || !bytes.HasPrefix(text, []byte(first+"\n")) {
		return nil, fmt.Errorf("sign text: it does not begin with its kind")
	}
	return ed25519.Sign(s.signer, text), nil
}

// PEM is the public key as openssl reads it (RFC 8410).
func (s *Service) PEM() []byte {
	der, err := x509.MarshalPKIXPublicKey(s.signer.Public())
	if err != nil {
		return nil // an Ed25519 key always marshals
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// KeyID is the name of the key that signs: its thumbprint (RFC 7638).
func (s *Service) KeyID() string { return KeyOf(s.Keeper).id() }

// sign returns the canonical JSON of a content and the signature over it.
func (s *Service) sign(content any) ([]byte, Signature, error) {
	text, err := canonicalOf(content)
	if err != nil {
		return nil, Signature{}, err
	}
	return text, Signature{
		Algorithm: "EdDSA", KeyID: s.KeyID(), Keys: s.PublicURL + KeysPath,
		Value: base64.RawURLEncoding.EncodeToString(ed25519.Sign(s.signer, text)),
	}, nil
}

// VerifyStatement reads a file that Statement.JSON or Proof.JSON made, checks its
// signature against the keys and returns the content in canonical JSON. Errors are
// ErrProofMalformed for what is no such file, ErrProofForged for one that was signed by
// none of the keys, or changed since.
func VerifyStatement(file []byte, name, format string, keys []PublicKey) ([]byte, error) {
	read, err := readStrict(file)
	if err != nil {
		return nil, err
	}
	whole, _ := read.(map[string]any)
	content, _ := whole[name].(map[string]any)
	signature, _ := whole["signature"].(map[string]any)
	if len(whole) != 2 || content == nil || signature == nil || content["format"] != format || signature["alg"] != "EdDSA" {
		return nil, fmt.Errorf("%w: not of the format %s", ErrProofMalformed, format)
	}
	value, _ := signature["value"].(string)
	sig, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil || len(sig) != ed25519.SignatureSize {
		return nil, fmt.Errorf("%w: the signature cannot be read", ErrProofMalformed)
	}
	var b bytes.Buffer
	if err := writeCanonical(&b, content); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(keys, func(k PublicKey) bool { return ed25519.Verify(ed25519.PublicKey(k[:]), b.Bytes(), sig) }) {
		return nil, ErrProofForged
	}
	return b.Bytes(), nil
}
