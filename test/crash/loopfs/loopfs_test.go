package loopfs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"stafette/test/crash/faultfs"
)

func TestCutKeepsOnlyWhatWasFlushed(t *testing.T) {
	d, err := New(t.TempDir(), 64)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	f, err := os.Create(filepath.Join(d.Dir(), "flushed"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("one")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.Dir(), "loose"), []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Cut(faultfs.Drop, nil); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(d.Dir(), "flushed")); err != nil || string(text) != "one" {
		t.Errorf("flushed file: %q, %v", text, err)
	}
	if text, err := os.ReadFile(filepath.Join(d.Dir(), "loose")); err == nil && len(text) > 0 {
		t.Errorf("unflushed file survived: %q", text)
	}
}
