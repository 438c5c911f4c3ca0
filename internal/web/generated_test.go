package web_test

import (
	"bytes"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"github.com/a-h/templ/generator"
	"github.com/a-h/templ/parser/v2"
)

// TestPagesAreGenerated holds that each page's Go file is what its .templ gives, and
// that none is left without one.
func TestPagesAreGenerated(t *testing.T) {
	pages, err := filepath.Glob("*/*.templ")
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	current := map[string][]byte{}
	for _, page := range pages {
		if current[strings.TrimSuffix(page, ".templ")+"_templ.go"], err = generated(page); err != nil {
			t.Errorf("%s: %v", page, err)
		}
	}
	files, err := filepath.Glob("*/*_templ.go")
	if err != nil || len(files) != len(pages) {
		t.Errorf("%d Go files of %d pages, %v: ./run generate", len(files), len(pages), err)
	}
	for _, file := range files {
		if have, err := os.ReadFile(file); err != nil || !bytes.Equal(have, current[file]) {
			t.Errorf("%s is not what its .templ gives (%v): ./run generate", file, err)
		}
	}
}

// generated is what templ generate writes for a page.
func generated(page string) ([]byte, error) {
	tree, err := parser.Parse(page)
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	var code bytes.Buffer
	if _, err := generator.Generate(tree, &code, generator.WithFileName(filepath.ToSlash(page)), generator.WithVersion(templ.Version())); err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	return format.Source(code.Bytes())
}
