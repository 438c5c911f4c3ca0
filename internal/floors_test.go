// Package internal_test holds the map of the rooms: which floor each stands on and
// that imports point down or sideways, never up.
package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// floors is the map of docs/architecture.md. A room that is not here may not exist.
var floors = map[string]int{
	"id": 0, "message": 0, "smtp": 0, "dkim": 0, "dns": 0, "bounce": 0, "seal": 0, "fault": 0, "i18n": 0, "dmarc": 0, "spreadsheet": 0, "forwarded": 0, "template": 0, "picture": 0,
	"tenant": 1, "audience": 1, "approval": 1, "audit": 1, "ledger": 1, "pause": 2, "ticket": 1,
	"event": 2, "spool": 2, "queue": 2, "egress": 2, "delivery": 2, "tracking": 2, "webhook": 2, "ingest": 2, "tlspolicy": 2, "trace": 2,
	"campaign": 3, "series": 3, "feed": 3, "offer": 3, "lead": 3, "redelivery": 3, "changeover": 3, "diagnosis": 3, "insight": 3, "returns": 3, "dsn": 3, "notice": 3, "help": 3, "account": 3, "privacy": 3, "published": 3, "genuine": 3, "preference": 3, "signup": 3, "blitz": 3, "stationery": 3,
	"httpapi": 4, "smtpserver": 4, "web": 4, "public": 4, "control": 4,
	"store": 5,
	"demo":  6, // the demo world; imported by cmd alone
}

func room(path string) string {
	rest, ok := strings.CutPrefix(path, "stafette/internal/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func TestImportsPointDown(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || !strings.Contains(filepath.ToSlash(path), "/") {
			return err
		}
		here, _, _ := strings.Cut(filepath.ToSlash(path), "/")
		floor, known := floors[here]
		if !known {
			t.Errorf("%s: room %q is not on the map", path, here)
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range file.Imports {
			target, _ := strconv.Unquote(imp.Path.Value)
			there := room(target)
			if there == "" || there == here || strings.HasSuffix(path, "_test.go") {
				continue
			}
			// Doors do not know each other; elsewhere sideways is allowed and the
			// compiler forbids cycles.
			if floors[there] > floor || floor == 4 && floors[there] == 4 {
				t.Errorf("%s (floor %d) imports %s (floor %d)", path, floor, target, floors[there])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
