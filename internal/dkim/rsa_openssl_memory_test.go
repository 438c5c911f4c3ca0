//go:build openssl && cgo && !race && !asan && !msan

// The detectors keep so much memory for themselves that a leak would not show.

package dkim

import (
	"fmt"
	"os"
	"runtime"
	"testing"
)

// TestOpenSSLKeysAreFreed makes 8,000 keys, of 2 KB each, and throws them away.
func TestOpenSSLKeysAreFreed(t *testing.T) {
	key, _ := rsaKey(t, rsaBits)
	spend := func(n int) {
		for range n {
			if _, err := newRSA(key); err != nil {
				t.Fatal(err)
			}
		}
		runtime.GC()
	}
	spend(1000)
	before := resident(t)
	for range 8 {
		spend(1000)
	}
	if grown := resident(t) - before; grown > 8<<20 {
		t.Errorf("8,000 dropped keys left %d MB behind", grown>>20)
	}
}

// resident is the memory of this process, Go's and C's, in bytes.
func resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc here to tell the memory of this process")
	}
	var total, pages int
	if _, err := fmt.Sscan(string(text), &total, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
