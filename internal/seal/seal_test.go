package seal_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"stafette/internal/seal"
)

func keeper(t *testing.T, b byte) *seal.Keeper {
	t.Helper()
	k, err := seal.New(bytes.Repeat([]byte{b}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSecretsOpenOnlyWhereTheyBelong(t *testing.T) {
	k := keeper(t, 1)
	sealed := k.Seal([]byte("private"), "dkim/1")
	if plain, err := k.Open(sealed, "dkim/1"); err != nil || string(plain) != "private" {
		t.Fatalf("open: %q, %v", plain, err)
	}
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)-1] ^= 1
	for name, c := range map[string]struct {
		k       *seal.Keeper
		text    []byte
		context string
	}{
		"other context": {k, sealed, "dkim/2"},
		"other key":     {keeper(t, 2), sealed, "dkim/1"},
		"changed":       {k, flipped, "dkim/1"},
		"short":         {k, sealed[:5], "dkim/1"},
		"empty":         {k, nil, "dkim/1"},
	} {
		if _, err := c.k.Open(c.text, c.context); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if bytes.Equal(sealed, k.Seal([]byte("private"), "dkim/1")) {
		t.Error("the same secret was sealed to the same text twice")
	}
}

func TestBodyNeedsItsSalt(t *testing.T) {
	k, salt := keeper(t, 1), seal.NewSalt()
	body := []byte("Guten Tag")
	sealed, err := k.SealBody([]byte("head"), body, salt)
	if err != nil {
		t.Fatal(err)
	}
	if len(sealed) != len("head")+len(body)+seal.Overhead {
		t.Errorf("sealed body has %d bytes", len(sealed))
	}
	sealed = sealed[len("head"):]
	if bytes.Contains(sealed, body) {
		t.Error("the body can be read")
	}
	if got, err := k.OpenBody(sealed, salt); err != nil || !bytes.Equal(got, body) {
		t.Errorf("open: %q, %v", got, err)
	}
	for name, s := range map[string]seal.Salt{"another salt": seal.NewSalt(), "an erased salt": {}} {
		if _, err := k.OpenBody(sealed, s); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := k.SealBody(nil, body, seal.Salt{}); err == nil {
		t.Error("a body was sealed without a salt")
	}
}

func TestRootKeyIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root.key")
	first, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	again, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Open(first.Seal([]byte("x"), "c"), "c"); err != nil {
		t.Error("the key read again is another")
	}
	if bytes.Equal(first.MACKey("a"), first.MACKey("b")) {
		t.Error("two purposes share a key")
	}
}

func TestRootKeyIsOneForAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "root.key")
	keepers := make([]*seal.Keeper, 8)
	var all sync.WaitGroup
	for i := range keepers {
		all.Go(func() {
			k, err := seal.Load(path)
			if err != nil {
				t.Error(err)
			}
			keepers[i] = k
		})
	}
	all.Wait()
	for _, k := range keepers[1:] {
		if !bytes.Equal(k.MACKey("x"), keepers[0].MACKey("x")) {
			t.Error("two processes have two keys")
		}
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

func TestLoadRefusesDamage(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "no base64": "!!", "too short": "AAAA"} {
		path := filepath.Join(t.TempDir(), "root.key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Load(path); err == nil {
			t.Errorf("%s: a damaged root key was taken", name)
		}
	}
}
