package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write generated reference pages")

// TestConfigurationReference holds docs/reference/configuration.md to the
// configuration's own types and comments.
func TestConfigurationReference(t *testing.T) {
	types := map[string]*ast.GenDecl{}
	for _, name := range []string{"config.go", "config_http.go", "config_outward.go", "config_approval.go", "config_limits.go", "config_mailings.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE {
				types[g.Specs[0].(*ast.TypeSpec).Name.Name] = g
			}
		}
	}
	var b strings.Builder
	b.WriteString("# Configuration\n\nGenerated from the types in `cmd/stafette`; do not edit.\n\n")
	b.WriteString(prose(types["Config"].Doc.Text()) + "\n\n")
	writeSection(&b, types, "Config", "", "STAFETTE")
	path := filepath.Join("..", "..", "docs", "reference", "configuration.md")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Errorf("%s is stale; run go test ./cmd/stafette -update", path)
	}
}

func prose(s string) string { return strings.Join(strings.Fields(s), " ") }

func writeSection(b *strings.Builder, types map[string]*ast.GenDecl, name, path, env string) {
	spec := types[name].Specs[0].(*ast.TypeSpec).Type.(*ast.StructType)
	var sections []func()
	fmt.Fprintf(b, "| key | environment | meaning |\n|---|---|---|\n")
	for _, f := range spec.Fields.List {
		key := reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("toml")
		full, variable := strings.TrimPrefix(path+"."+key, "."), env+"_"+strings.ToUpper(key)
		element, list := f.Type, false
		if a, ok := f.Type.(*ast.ArrayType); ok {
			element, list = a.Elt, true
		}
		if id, ok := element.(*ast.Ident); ok && types[id.Name] != nil && id.Name != "Duration" {
			title := "[" + full + "]"
			if list {
				title = "[[" + full + "]]"
			}
			sections = append(sections, func() {
				doc := types[id.Name].Doc.Text()
				fmt.Fprintf(b, "\n## `%s`\n\n%s\n\n", title, prose(doc))
				writeSection(b, types, id.Name, full, variable)
			})
			continue
		}
		if list || slices.Contains([]string{"egress.source", "egress.pool", "egress.assign", "route", "outbound_tls.rule"}, path) {
			variable = ""
		} else {
			variable = "`" + variable + "`"
		}
		text := f.Doc.Text()
		if text == "" {
			text = f.Comment.Text()
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", full, variable, prose(text))
	}
	for _, s := range sections {
		s()
	}
}
