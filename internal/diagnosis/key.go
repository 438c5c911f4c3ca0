package diagnosis

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"stafette/internal/seal"
)

// PublicKey is an Ed25519 key that proofs are verified with.
type PublicKey [ed25519.PublicKeySize]byte

// jwk is a public key as RFC 8037, 2 writes it.
type jwk struct {
	Curve string `json:"crv"`
	Type  string `json:"kty"`
	X     string `json:"x"`
	ID    string `json:"kid,omitempty"`
	Use   string `json:"use,omitempty"`
	Alg   string `json:"alg,omitempty"`
}

func (k PublicKey) jwk() jwk {
	return jwk{Curve: "Ed25519", Type: "OKP", X: base64.RawURLEncoding.EncodeToString(k[:])}
}

// id is the key's thumbprint (RFC 7638): the hash of its necessary members, whose names
// stand in the order of the alphabet.
func (k PublicKey) id() string {
	text, err := json.Marshal(k.jwk())
	if err != nil {
		return "" // three strings always marshal
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// KeyOf is the public key of the installation with this root key.
func KeyOf(k *seal.Keeper) PublicKey {
	public, _ := signerOf(k).Public().(ed25519.PublicKey)
	return PublicKey(public)
}

// signerOf derives the key that signs proofs: all nodes have it, and none must keep it.
func signerOf(k *seal.Keeper) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(k.MACKey("delivery proofs"))
}

// Keys is the public key of this installation as a JWK set (RFC 7517, 5), to be
// published at KeysPath.
func (s *Service) Keys() []byte {
	public := KeyOf(s.Keeper)
	k := public.jwk()
	k.ID, k.Use, k.Alg = public.id(), "sig", "EdDSA"
	text, err := json.MarshalIndent(map[string][]jwk{"keys": {k}}, "", "  ")
	if err != nil {
		return nil // strings always marshal
	}
	return append(text, '\n')
}

// maxKeys bounds the JSON of a key set.
const maxKeys = 64 << 10

// ParseKeys reads the Ed25519 keys of a JWK set; keys of other kinds are passed over.
// A set without any is an error.
func ParseKeys(data []byte) ([]PublicKey, error) {
	if len(data) > maxKeys {
		return nil, fmt.Errorf("read key set: more than %d bytes", maxKeys)
	}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("read key set: %w", err)
	}
	var list []PublicKey
	for _, one := range set.Keys {
		raw, err := base64.RawURLEncoding.DecodeString(one.X)
		if one.Type == "OKP" && one.Curve == "Ed25519" && err == nil && len(raw) == ed25519.PublicKeySize {
			list = append(list, PublicKey(raw))
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("read key set: no Ed25519 key in it")
	}
	return list, nil
}
