package internal_test

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

func TestPackagesSayTheirJob(t *testing.T) {
	said, where := map[string]bool{}, map[string]string{}
	for _, s := range sources(t) {
		if strings.HasSuffix(s.path, "_test.go") {
			continue
		}
		where[s.dir()] = s.file.Name.Name
		said[s.dir()] = said[s.dir()] || s.file.Doc != nil
	}
	for dir, name := range where {
		if !said[dir] {
			t.Errorf("%s: package %s has no comment", dir, name)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, s := range sources(t) {
		if strings.HasSuffix(s.path, "_test.go") || s.file.Name.Name == "main" {
			continue
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Doc == nil && d.Name.IsExported() && ast.IsExported(receiver(d)) {
					t.Errorf("%s:%d: %s has no comment", s.path, s.line(d), d.Name.Name)
				}
			case *ast.GenDecl:
				documented(t, s, d)
			}
		}
	}
}

// receiver names the type a method belongs to; functions belong to nobody, which
// counts as exported.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return "Nobody"
	}
	for x := f.Recv.List[0].Type; ; {
		switch e := x.(type) {
		case *ast.StarExpr:
			x = e.X
		case *ast.IndexExpr:
			x = e.X
		case *ast.IndexListExpr:
			x = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}

// documented demands a comment for each exported type, and for constants and
// variables one of their own or of their group.
func documented(t *testing.T, s source, d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && spec.Doc == nil && spec.Comment == nil && (d.Doc == nil || len(d.Specs) > 1) {
				t.Errorf("%s:%d: type %s has no comment", s.path, s.line(spec), spec.Name.Name)
			}
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				if name.IsExported() && spec.Doc == nil && spec.Comment == nil && d.Doc == nil {
					t.Errorf("%s:%d: %s has no comment", s.path, s.line(spec), name.Name)
				}
			}
		}
	}
}

// allowedVariables are package variables that hold state on purpose, with the reason.
var allowedVariables = map[string]string{
	"cmd/stafette.version": "set by the linker",
}

// TestPackageVariablesAreConstant: a package variable is a value that merely cannot
// be written as a constant. It is not exported unless it is an error, holds no lock,
// and nothing in its package assigns to it or takes its address.
func TestPackageVariablesAreConstant(t *testing.T) {
	all := sources(t)
	declared := map[string]map[string]bool{} // directory → names
	for _, s := range all {
		if s.isTest() || s.file.Name.Name == "main" && s.under("tools") {
			continue
		}
		for _, d := range s.file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				for _, name := range v.Names {
					if name.Name == "_" || allowedVariables[s.dir()+"."+name.Name] != "" {
						continue
					}
					if declared[s.dir()] == nil {
						declared[s.dir()] = map[string]bool{}
					}
					declared[s.dir()][name.Name] = true
					checkVariable(t, s, g, v, name)
				}
			}
		}
	}
	for _, s := range all {
		if !s.isTest() && declared[s.dir()] != nil {
			checkWrites(t, s, declared[s.dir()])
		}
	}
}

func checkVariable(t *testing.T, s source, g *ast.GenDecl, v *ast.ValueSpec, name *ast.Ident) {
	embedded := strings.Contains(comments(g.Doc)+comments(v.Doc), "//go:embed")
	if name.IsExported() && !strings.HasPrefix(name.Name, "Err") && !embedded {
		t.Errorf("%s:%d: exported variable %s; make it a function", s.path, s.line(v), name.Name)
	}
	if len(v.Values) == 0 && !embedded {
		t.Errorf("%s:%d: variable %s has no value; it can only be there to change", s.path, s.line(v), name.Name)
	}
	ast.Inspect(v, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && (x.Name == "atomic" || x.Name == "sync" && !strings.HasPrefix(sel.Sel.Name, "Once")) {
				t.Errorf("%s:%d: variable %s holds %s.%s", s.path, s.line(v), name.Name, x.Name, sel.Sel.Name)
			}
		}
		return true
	})
}

// comments returns raw text; CommentGroup.Text leaves directives out.
func comments(g *ast.CommentGroup) string {
	var b strings.Builder
	if g != nil {
		for _, c := range g.List {
			b.WriteString(c.Text + "\n")
		}
	}
	return b.String()
}

// checkWrites looks for assignments to the variables. A local variable of the same
// name would be taken for one; give it another name.
func checkWrites(t *testing.T, s source, names map[string]bool) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, left := range n.Lhs {
					written(t, s, left, names)
				}
			}
		case *ast.IncDecStmt:
			written(t, s, n.X, names)
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				written(t, s, n.X, names)
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "delete" || f.Name == "clear") {
				written(t, s, n.Args[0], names)
			}
		}
		return true
	})
}

func written(t *testing.T, s source, x ast.Expr, names map[string]bool) {
	for {
		switch e := x.(type) {
		case *ast.IndexExpr:
			x = e.X
			continue
		case *ast.StarExpr:
			x = e.X
			continue
		case *ast.ParenExpr:
			x = e.X
			continue
		case *ast.Ident:
			if names[e.Name] {
				t.Errorf("%s:%d: package variable %s is written", s.path, s.line(e), e.Name)
			}
		}
		return
	}
}
