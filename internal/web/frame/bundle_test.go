package frame_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFormattedTextIsBundled holds that the script that is served is the one that was made of
// these sources and pinned versions, and that it brings the licences of what is in it.
func TestFormattedTextIsBundled(t *testing.T) {
	read := func(path string) []byte {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	hash := func(data []byte) string {
		sum := sha256.Sum256(data)
		return hex.EncodeToString(sum[:])
	}
	const again = "in internal/web/frame/rich: npm ci && node build.js"
	var made struct {
		Bundle  string
		Sources map[string]string
	}
	if err := json.Unmarshal(read("rich/bundle.json"), &made); err != nil {
		t.Fatal(err)
	}
	bundle := read("assets/formatted.js")
	if hash(bundle) != made.Bundle {
		t.Errorf("formatted.js is not the one that was made; %s", again)
	}
	sources, err := filepath.Glob("rich/*.js")
	if err != nil {
		t.Fatal(err)
	}
	sources = append(sources, "rich/package.json", "rich/package-lock.json")
	for _, path := range sources {
		if made.Sources[filepath.Base(path)] != hash(read(path)) {
			t.Errorf("%s is another one than formatted.js was made of; %s", path, again)
		}
	}
	if len(made.Sources) != len(sources) {
		t.Errorf("formatted.js was made of %d files, there are %d; %s", len(made.Sources), len(sources), again)
	}
	var wanted struct{ DevDependencies map[string]string }
	if err := json.Unmarshal(read("rich/package.json"), &wanted); err != nil {
		t.Fatal(err)
	}
	notice, _, _ := strings.Cut(string(bundle), "*/")
	for name, version := range wanted.DevDependencies {
		if strings.ContainsAny(version, "^~*<> ") {
			t.Errorf("%s is not pinned: %s", name, version)
		}
		if name != "esbuild" && !strings.Contains(notice, name+" "+version) {
			t.Errorf("no licence of %s %s in formatted.js", name, version)
		}
	}
	if !strings.Contains(notice, "Permission is hereby granted, free of charge") {
		t.Error("no licence in formatted.js")
	}
}
