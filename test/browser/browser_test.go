//go:build browser

// Package browser runs the tests of the office in a real browser from go test:
//
//	go test -tags browser ./test/browser
//	go test -tags browser -run TestOffice/walks ./test/browser
//
// They need Node 20, npm and a Chromium (found at the usual places, or named in
// STAFETTE_CHROMIUM). Without go test: see README.md.
package browser

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestOffice(t *testing.T) {
	if _, err := os.Stat(filepath.Join("node_modules", "playwright-core")); err != nil {
		run(t, nil, "npm", "ci", "--no-audit", "--no-fund")
	}
	office := filepath.Join(t.TempDir(), "office")
	run(t, nil, "go", "build", "-o", office, "./office")
	files, err := filepath.Glob("*.test.js")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(file, ".test.js"), func(t *testing.T) {
			t.Parallel()
			run(t, []string{"STAFETTE_OFFICE=" + office}, "node", "--test", "--test-reporter=spec", file)
		})
	}
}

func run(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Env = append(os.Environ(), env...)
	out, err := c.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
}
