// Package seal keeps secrets and message bodies unreadable at rest.
//
// One key-encryption key (32 bytes, from a file or the environment, never in the
// database) is the root. Two uses hang from it:
//
//   - secrets (DKIM private keys, webhook secrets): Seal and Open, AES-256-GCM
//     with a random nonce and a caller-given context that binds the text to its
//     place;
//   - bodies: BodyKey derives a single-use key from a random salt kept in the
//     message's row. Dropping the salt makes the body unreadable for good, in
//     backups too (crypto-shredding), and no nonce can ever repeat.
//
// It does not decide what is sealed, store anything or rotate keys.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// KeySize is the length in bytes of the root key, of a salt and of a body key.
const KeySize = 32

// Overhead is how many bytes a sealed body is longer than the body.
const Overhead = 16

// ErrOpen means that a sealed text was changed, is bound to another context or
// was sealed under another key.
var ErrOpen = errors.New("sealed text cannot be opened")

// Salt is the per-message half of a body key. The zero salt means "erased".
type Salt [KeySize]byte

// NewSalt returns a random salt.
func NewSalt() Salt {
	var s Salt
	_, _ = rand.Read(s[:])
	return s
}

// Keeper holds the root key. It is safe for concurrent use.
type Keeper struct {
	root    [KeySize]byte
	secrets cipher.AEAD
	bodies  *Codes // keys of bodies, by their salts
}

// New makes a Keeper from a root key of KeySize bytes.
func New(root []byte) (*Keeper, error) {
	if len(root) != KeySize {
		return nil, fmt.Errorf("root key: want %d bytes, have %d", KeySize, len(root))
	}
	k := &Keeper{bodies: NewCodes(root)}
	copy(k.root[:], root)
	aead, err := newGCM(k.derive("secrets"))
	if err != nil {
		return nil, err
	}
	k.secrets = aead
	return k, nil
}

// Load reads the root key as base64 from the file, and creates it (mode 0600,
// synced, with its directory) when it does not exist.
func Load(path string) (*Keeper, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return create(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read root key: %w", err)
	}
	root, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("read root key %s: %w", path, err)
	}
	return New(root)
}

// create writes a new key beside its place and links it there whole: neither a
// power cut nor a second process at the same moment leaves half a key, or two.
func create(path string) (*Keeper, error) {
	var root [KeySize]byte
	_, _ = rand.Read(root[:])
	f, err := os.CreateTemp(filepath.Dir(path), ".root-key-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("create root key: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, werr := f.WriteString(base64.StdEncoding.EncodeToString(root[:]) + "\n")
	if err := errors.Join(werr, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("create root key: %w", err)
	}
	switch err := os.Link(f.Name(), path); {
	case errors.Is(err, fs.ErrExist):
		return Load(path)
	case err != nil:
		return nil, fmt.Errorf("create root key: %w", err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("create root key: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return nil, fmt.Errorf("create root key: %w", err)
	}
	return New(root[:])
}

func (k *Keeper) derive(purpose string) []byte {
	mac := hmac.New(sha256.New, k.root[:])
	mac.Write([]byte(purpose))
	return mac.Sum(nil)
}

// MACKey derives a key for message authentication codes of one purpose, for
// example return paths or tracking tokens.
func (k *Keeper) MACKey(purpose string) []byte { return k.derive("mac:" + purpose) }

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("aes: %w", err)
	}
	return cipher.NewGCM(block)
}

// Seal encrypts a secret. The context, such as "dkim/<key id>", must be given
// again to Open; it stops a sealed text from being moved to another row.
func (k *Keeper) Seal(plain []byte, context string) []byte {
	nonce := make([]byte, k.secrets.NonceSize(), k.secrets.NonceSize()+len(plain)+Overhead)
	_, _ = rand.Read(nonce)
	return k.secrets.Seal(nonce, nonce, plain, []byte(context))
}

// Open decrypts what Seal made, or returns ErrOpen.
func (k *Keeper) Open(sealed []byte, context string) ([]byte, error) {
	n := k.secrets.NonceSize()
	if len(sealed) < n {
		return nil, ErrOpen
	}
	plain, err := k.secrets.Open(nil, sealed[:n], sealed[n:], []byte(context))
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// SealBody appends the sealed body to dst. Each salt must be used for one body only.
func (k *Keeper) SealBody(dst, body []byte, salt Salt) ([]byte, error) {
	aead, err := k.bodyAEAD(salt)
	if err != nil {
		return nil, err
	}
	return aead.Seal(dst, make([]byte, aead.NonceSize()), body, nil), nil
}

// OpenBody decrypts a sealed body, or returns ErrOpen.
func (k *Keeper) OpenBody(sealed []byte, salt Salt) ([]byte, error) {
	aead, err := k.bodyAEAD(salt)
	if err != nil {
		return nil, err
	}
	body, err := aead.Open(nil, make([]byte, aead.NonceSize()), sealed, nil)
	if err != nil {
		return nil, ErrOpen
	}
	return body, nil
}

func (k *Keeper) bodyAEAD(salt Salt) (cipher.AEAD, error) {
	if salt == (Salt{}) {
		return nil, ErrOpen
	}
	key := k.bodies.Of([]byte("body:"), salt[:])
	return newGCM(key[:])
}
