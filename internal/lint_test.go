package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// source is one Go file of this module; path is relative to its root.
type source struct {
	path string
	file *ast.File
	fset *token.FileSet
}

func (s source) line(n ast.Node) int { return s.fset.Position(n.Pos()).Line }

func (s source) dir() string { return filepath.ToSlash(filepath.Dir(s.path)) }

// isTest reports whether the file is a test or belongs to a package that only tests import.
func (s source) isTest() bool {
	return strings.HasSuffix(s.path, "_test.go") || strings.HasSuffix(s.dir(), "test") || strings.HasPrefix(s.path, "test/")
}

func (s source) under(dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return strings.HasPrefix(s.path, d+"/") })
}

// sources are the handwritten Go files of the module.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var parsed = sync.OnceValues(func() ([]source, error) {
	var all []source
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if name == "node_modules" || name == "testdata" || name != ".." && strings.HasPrefix(name, ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if !ast.IsGenerated(file) {
			rel, _ := filepath.Rel("..", path)
			all = append(all, source{filepath.ToSlash(rel), file, fset})
		}
		return nil
	})
	return all, err
})

// uses calls found for every mention of package.Name, where the package is imported
// under its path.
func (s source) uses(importPath string, found func(name string, at ast.Node)) {
	local := ""
	for _, imp := range s.file.Imports {
		if p, _ := strconv.Unquote(imp.Path.Value); p == importPath {
			local = p[strings.LastIndexByte(p, '/')+1:]
			if imp.Name != nil {
				local = imp.Name.Name
			}
		}
	}
	if local == "" {
		return
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == local {
				found(sel.Sel.Name, sel)
			}
		}
		return true
	})
}

// clocks are the rooms that may read the clock themselves, with the reason.
var clocks = map[string]string{
	"internal/smtp": "deadlines of a net.Conn are instants of the wall clock",
	"internal/dns":  "falls back to the wall clock for callers that give none",
}

func TestTimeIsInjected(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() || clocks[s.dir()] != "" || s.under("cmd", "tools", "internal/demo") {
			continue
		}
		s.uses("time", func(name string, at ast.Node) {
			switch name {
			case "Now", "Sleep", "Since", "Until", "After", "Tick":
				t.Errorf("%s:%d: time.%s; take Now from the Config, wait on a timer and the context", s.path, s.line(at), name)
			}
		})
	}
}

// dialers are the places that may open connections, with the reason.
var dialers = map[string]string{
	"internal/egress":  "the guarded dialer everything else is given",
	"internal/dns":     "asks the configured name server",
	"internal/store":   "reaches the configured database",
	"internal/control": "asks the process on this machine, by its socket",
	"internal/smtp":    "defaults for callers that give no dialer",
	"internal/demo":    "reads mail as recipients do, on this machine alone",
	"cmd":              "the send command talks to this machine's server",
	"tools":            "not part of the product",
}

func TestOnlyNamedDialersDial(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() || dialers[s.dir()] != "" || s.under("cmd", "tools") {
			continue
		}
		s.uses("net", func(name string, at ast.Node) {
			if strings.HasPrefix(name, "Dial") {
				t.Errorf("%s:%d: net.%s; ask for a dialer", s.path, s.line(at), name)
			}
		})
		s.uses("net/http", func(name string, at ast.Node) {
			switch name {
			case "DefaultClient", "DefaultTransport", "Get", "Post", "PostForm", "Head":
				t.Errorf("%s:%d: http.%s; ask for a client", s.path, s.line(at), name)
			}
		})
	}
}

func TestProgramsAreNotStarted(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() || s.under("tools") {
			continue
		}
		s.uses("os/exec", func(name string, at ast.Node) {
			t.Errorf("%s:%d: exec.%s; the product starts no other program", s.path, s.line(at), name)
		})
	}
}

func TestNothingIsLeftForLater(t *testing.T) {
	// In two parts, so that this file passes its own test.
	marks := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)
	for _, s := range sources(t) {
		for _, group := range s.file.Comments {
			for _, c := range group.List {
				if m := marks.FindString(c.Text); m != "" {
					t.Errorf("%s:%d: %q in a comment", s.path, s.line(c), m)
				}
			}
		}
	}
}

// TestLinterIsContradictedWithReasons: who says that the linter is wrong says which
// one, and why.
func TestLinterIsContradictedWithReasons(t *testing.T) {
	directive := regexp.MustCompile(`^//\s*nolint\b`)
	reasoned := regexp.MustCompile(`^//nolint:[a-z0-9,]+ // \S+ \S`)
	for _, s := range sources(t) {
		for _, group := range s.file.Comments {
			for _, c := range group.List {
				if directive.MatchString(c.Text) && !reasoned.MatchString(c.Text) {
					t.Errorf("%s:%d: %s: name the linter and the reason", s.path, s.line(c), c.Text)
				}
			}
		}
	}
}

func TestSizes(t *testing.T) {
	const maxFunction, maxFile = 100, 500
	var lengths []int
	for _, s := range sources(t) {
		if n := s.fset.File(s.file.Pos()).LineCount(); n > maxFile && !s.isTest() {
			t.Errorf("%s has %d lines, more than %d", s.path, n, maxFile)
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			n := s.fset.Position(f.End()).Line - s.line(f) + 1
			if n > maxFunction && !strings.HasSuffix(s.path, "_test.go") {
				t.Errorf("%s:%d: %s has %d lines, more than %d", s.path, s.line(f), f.Name.Name, n, maxFunction)
			}
			if !s.isTest() {
				lengths = append(lengths, n)
			}
		}
	}
	slices.Sort(lengths)
	t.Logf("%d functions: median %d lines, p99 %d, longest %d",
		len(lengths), lengths[len(lengths)/2], lengths[len(lengths)*99/100], lengths[len(lengths)-1])
}

func TestNamesAreOfTheField(t *testing.T) {
	banned := regexp.MustCompile(`(Manager|Helper|Helpers|Util|Utils|Info|Data|Impl)$`)
	for _, s := range sources(t) {
		if banned.MatchString(strings.ToUpper(s.file.Name.Name[:1]) + s.file.Name.Name[1:]) {
			t.Errorf("%s: package name %s", s.path, s.file.Name.Name)
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && banned.MatchString(spec.Name.Name) {
				t.Errorf("%s:%d: type %s; say what it is", s.path, s.line(spec), spec.Name.Name)
			}
			return true
		})
	}
}

// TestGlossaryKnowsTheStates keeps docs/glossary.md complete for the words that
// programs meet in the API.
func TestGlossaryKnowsTheStates(t *testing.T) {
	text, err := os.ReadFile("../docs/glossary.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sources(t) {
		if s.path != "internal/event/event.go" && s.path != "internal/tenant/tenant.go" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			kind, ok := spec.Type.(*ast.Ident)
			lit, isText := spec.Values[0].(*ast.BasicLit)
			if !ok || !isText || kind.Name != "Stream" && (kind.Name != "State" || s.dir() != "internal/event") {
				return true
			}
			word, _ := strconv.Unquote(lit.Value)
			if !regexp.MustCompile(`\b` + word + `\b`).Match(text) {
				t.Errorf("%s:%d: the glossary does not know %q", s.path, s.line(spec), word)
			}
			return true
		})
	}
}
