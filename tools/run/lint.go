package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// lint runs all that judges the source without running it.
func lint(ctx context.Context, _ []string) error {
	total := &tally{}
	started := time.Now()
	for _, s := range []step{
		{"Format and vet", checkSource},
		{"golangci-lint", golangci},
		{"Rules of the house", goTests(nil, "./internal")},
	} {
		heading(s.title)
		s.run(ctx, total)
	}
	total.report(os.Stdout, time.Since(started))
	if total.failed > 0 {
		return errors.New("the source needs attention")
	}
	return nil
}

// lintTags are the builds the linter sees. That with OpenSSL is none of them: cgo would
// make headers a condition.
func lintTags() []string { return []string{"", "failpoint,browser"} }

// golangci builds the linter from the module that pins it, once, and runs it with
// .golangci.yml.
func golangci(ctx context.Context, total *tally) {
	bin, err := filepath.Abs(filepath.Join(".cache", "bin", "golangci-lint"))
	if err != nil {
		total.check("golangci-lint", "", err)
		return
	}
	if newer("tools/lint/go.mod", bin) {
		fmt.Println("   building it from source, once; this takes some minutes")
		if err := quietly(ctx, "tools/lint", []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-ldflags", "-s -w",
			"-o", bin, "github.com/golangci/golangci-lint/v2/cmd/golangci-lint"); err != nil {
			total.check("golangci-lint", "", err)
			return
		}
	}
	for _, tags := range lintTags() {
		name := strings.TrimSpace("golangci-lint " + tags)
		total.check(name, "", command(ctx, nil, bin, "run", "--allow-parallel-runners", "--build-tags", tags, "./..."))
	}
}
