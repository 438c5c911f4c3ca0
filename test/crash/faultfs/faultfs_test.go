package faultfs

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// attach mounts a fresh disk or skips the test.
func attach(t *testing.T, c Config) *Mount {
	t.Helper()
	if err := Available(); err != nil {
		t.Skip(err)
	}
	m, err := Attach(New(c), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Detach(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func (m *Mount) path(name string) string { return filepath.Join(m.dir, name) }

func write(t *testing.T, path, text string, flush bool) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err == nil && flush {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func flushDir(t *testing.T, path string) {
	t.Helper()
	d, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		t.Fatal(err)
	}
}

// holds fails unless the file is as wanted; "" means it must not exist.
func holds(t *testing.T, path, want string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if want == "" && errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil || string(text) != want {
		t.Errorf("%s holds %q (%v), want %q", filepath.Base(path), text, err, want)
	}
}

func TestCut(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		do     func(t *testing.T, m *Mount)
		want   map[string]string
	}{
		"flushed file in flushed directory stays": {
			do:   func(t *testing.T, m *Mount) { write(t, m.path("a"), "one", true); flushDir(t, m.dir) },
			want: map[string]string{"a": "one"},
		},
		"what follows the flush is lost": {
			do: func(t *testing.T, m *Mount) {
				write(t, m.path("a"), "one", true)
				flushDir(t, m.dir)
				write(t, m.path("a"), " two", false)
			},
			want: map[string]string{"a": "one"},
		},
		"flushed file without its directory is lost": {
			do:   func(t *testing.T, m *Mount) { write(t, m.path("a"), "one", true) },
			want: map[string]string{"a": ""},
		},
		"a journal keeps the name of a flushed file": {
			config: Config{Journaled: true},
			do:     func(t *testing.T, m *Mount) { write(t, m.path("a"), "one", true); write(t, m.path("b"), "x", false) },
			want:   map[string]string{"a": "one", "b": ""},
		},
		"a journal keeps the name, not the bytes, of an earlier file": {
			config: Config{Journaled: true},
			do: func(t *testing.T, m *Mount) {
				write(t, m.path("b"), "x", false)
				write(t, m.path("a"), "one", true)
			},
			want: map[string]string{"a": "one", "b": "<empty>"},
		},
		"rename without flush is undone": {
			do: func(t *testing.T, m *Mount) {
				write(t, m.path("a"), "old", true)
				write(t, m.path("a.new"), "new", true)
				flushDir(t, m.dir)
				if err := os.Rename(m.path("a.new"), m.path("a")); err != nil {
					t.Fatal(err)
				}
				holds(t, m.path("a"), "new")
			},
			want: map[string]string{"a": "old", "a.new": "new"},
		},
		"removal without flush is undone": {
			do: func(t *testing.T, m *Mount) {
				write(t, m.path("a"), "one", true)
				flushDir(t, m.dir)
				if err := os.Remove(m.path("a")); err != nil {
					t.Fatal(err)
				}
			},
			want: map[string]string{"a": "one"},
		},
		"truncation without flush is undone": {
			do: func(t *testing.T, m *Mount) {
				write(t, m.path("a"), "one", true)
				flushDir(t, m.dir)
				if err := os.Truncate(m.path("a"), 1); err != nil {
					t.Fatal(err)
				}
				holds(t, m.path("a"), "o")
			},
			want: map[string]string{"a": "one"},
		},
		"directories need their parents": {
			do: func(t *testing.T, m *Mount) {
				if err := os.MkdirAll(m.path("d/e"), 0o700); err != nil {
					t.Fatal(err)
				}
				write(t, m.path("d/e/a"), "one", true)
				flushDir(t, m.path("d/e"))
				flushDir(t, m.path("d"))
			},
			want: map[string]string{"d/e/a": ""},
		},
		"a lying flush keeps nothing": {
			do: func(t *testing.T, m *Mount) {
				m.disk.Inject(Faults{Lying: true})
				write(t, m.path("a"), "one", true)
				flushDir(t, m.dir)
			},
			want: map[string]string{"a": ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := attach(t, c.config)
			c.do(t, m)
			if err := m.Cut(Drop, rand.New(rand.NewPCG(1, 2))); err != nil {
				t.Fatal(err)
			}
			for file, want := range c.want {
				if want == "<empty>" {
					if text, err := os.ReadFile(m.path(file)); err != nil || len(text) != 0 {
						t.Errorf("%s holds %q (%v), want it empty", file, text, err)
					}
					continue
				}
				holds(t, m.path(file), want)
			}
		})
	}
}

// Whatever the damage, flushed bytes stay, and unflushed ones are old or new.
func TestDamageSparesWhatWasFlushed(t *testing.T) {
	m := attach(t, Config{})
	safe, loose := bytes.Repeat([]byte("s"), 5000), bytes.Repeat([]byte("l"), 5000)
	write(t, m.path("a"), string(safe), true)
	flushDir(t, m.dir)
	partial := 0
	for seed := range uint64(20) {
		write(t, m.path("a"), string(loose), false)
		if err := m.Cut(Damage(1+seed%2), rand.New(rand.NewPCG(seed, 1))); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(m.path("a"))
		if err != nil || !bytes.HasPrefix(text, safe) {
			t.Fatalf("seed %d: flushed bytes are gone (%v)", seed, err)
		}
		if n := bytes.Count(text, []byte("l")); n > 0 && n < len(loose) {
			partial++
		}
		for _, b := range text[len(safe):] {
			if b != 'l' && b != 0 {
				t.Fatalf("seed %d: byte %q from nowhere", seed, b)
			}
		}
		if err := os.Truncate(m.path("a"), int64(len(safe))); err != nil {
			t.Fatal(err)
		}
		write(t, m.path("a"), "", true)
	}
	if partial == 0 {
		t.Error("no damage tore a write")
	}
}

func TestFailedFlushLosesItsBytesForGood(t *testing.T) {
	m := attach(t, Config{})
	write(t, m.path("a"), "one", true)
	flushDir(t, m.dir)
	m.disk.Inject(Faults{FailFlush: 1})
	f, err := os.OpenFile(m.path("a"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.Open(m.path("a"))
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(" two")
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("first flush: %v, want EIO", err)
	}
	if err := f.Sync(); err != nil {
		t.Errorf("second flush: %v, want the false success that Linux reports", err)
	}
	if err := other.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("flush of who had it open: %v, want EIO", err)
	}
	if err := other.Sync(); err != nil {
		t.Errorf("their second flush: %v, want the false success that Linux reports", err)
	}
	late, err := os.Open(m.path("a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := late.Sync(); err != nil {
		t.Errorf("flush of who opened it afterwards: %v, want the false success that Linux reports", err)
	}
	for _, file := range []*os.File{f, other, late} {
		file.Close()
	}
	if err := m.Cut(Drop, rand.New(rand.NewPCG(1, 2))); err != nil {
		t.Fatal(err)
	}
	holds(t, m.path("a"), "one")
}

func TestFullDisk(t *testing.T) {
	m := attach(t, Config{})
	write(t, m.path("a"), "12345678", true)
	m.disk.Inject(Faults{Capacity: 10})
	f, err := os.OpenFile(m.path("a"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("9012"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write: %v, want ENOSPC", err)
	}
	m.disk.Inject(Faults{})
	if _, err := f.WriteString("9012"); err != nil {
		t.Errorf("write after space came back: %v", err)
	}
	if err := os.Remove(m.path("a")); err != nil || m.disk.Used() != 0 {
		t.Errorf("%v; %d bytes used after removal", err, m.disk.Used())
	}
}
