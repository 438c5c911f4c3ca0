//go:build browser

// Package browser runs the tests of the office in a real browser from go test:
//
//	go test -tags browser ./test/browser
//
// They need Node 20, npm and a Chromium (found at the usual places, or named in
// STAFETTE_CHROMIUM). Without go test: npm ci && npm test in this folder.
package browser

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestOffice(t *testing.T) {
	if _, err := os.Stat(filepath.Join("node_modules", "playwright-core")); err != nil {
		run(t, "npm", "ci", "--no-audit", "--no-fund")
	}
	run(t, "npm", "test")
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
}
