package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"stafette/internal/i18n"
)

// Whatever a command, or a room by itself, writes into the record has its words there.
func TestActsHaveWords(t *testing.T) {
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	var c cli
	parser, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, leaf := range parser.Model.Leaves(false) {
		if name := cliAct(leaf.FullPath()[len(parser.Model.Name):]); name != "" {
			names[name] = true
		}
	}
	if len(names) < 5 {
		t.Fatalf("only %d commands: %v", len(names), names)
	}
	for name := range named(t, filepath.Join("..", "..", "internal")) {
		names[name] = true
	}
	for name := range names {
		if !catalog.Has("act." + name) {
			t.Errorf("act.%s has no text", name)
		}
	}
}

// literal is an act that is named where it begins.
var literal = regexp.MustCompile(`(?:\bact\(ctx, \w+, |noteFailure\(ctx, [\w.]+, |\bAction: )"([a-z_-]+\.[a-z_.-]+)"`)

// named are the acts that the source of the rooms names.
func named(t *testing.T, root string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "test"+string(filepath.Separator)) {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range literal.FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
		}
		return err
	})
	if err != nil || len(found) < 5 {
		t.Fatalf("%v, %v", found, err)
	}
	return found
}
