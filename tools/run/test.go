package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// test runs everything and prints "N passed, N failed, N skipped" as its last line.
func test(ctx context.Context, args []string) error {
	fast := len(args) > 0 && args[0] == "fast"
	if len(args) > 1 || len(args) == 1 && !fast {
		return errors.New("usage: ./run test [fast]")
	}
	total := &tally{}
	started := time.Now()
	for _, s := range testSteps(fast) {
		if ctx.Err() != nil {
			break
		}
		heading(s.title)
		begun := time.Now()
		s.run(ctx, total)
		fmt.Printf("   %.1f s\n", time.Since(begun).Seconds())
	}
	total.report(os.Stdout, time.Since(started))
	if total.failed > 0 || ctx.Err() != nil {
		return errors.New("not everything passed")
	}
	return nil
}

// step is one stage of the test run; it reports what it found into the tally.
type step struct {
	title string
	run   func(ctx context.Context, total *tally)
}

func testSteps(fast bool) []step {
	if fast {
		return []step{
			{"Format and vet", checkSource},
			{"Tests", goTests(nil, "-short", "./...")},
		}
	}
	env := &environment{}
	steps := []step{{"What the tests need", env.prepare}, {"Format and vet", checkSource}}
	if canRace() {
		steps = append(steps,
			step{"Rooms, with the race detector", raceTests(env)},
			// The rules only read files.
			step{"Rules of the house, commands and tools", goTests(env, "./internal", "./cmd/...", "./tools/...")})
	} else {
		steps = append(steps, step{"Rooms, commands and tools (no C compiler, so no race detector)",
			goTests(env, "./internal/...", "./cmd/...", "./tools/...")})
	}
	return append(steps,
		step{"RSA signatures by OpenSSL", opensslTests(env)},
		step{"The built program: real mail servers, crashes", goTests(env, "-timeout", "20m", "./test/...")},
		step{"The office in a browser", nodeTests(env, "test/browser")})
}

// raceFlags turn the race detector on, but not inside SQLite, which is C turned into Go,
// watched over by locks of our side and ten times slower under the detector, nor in what
// only computes on what one goroutine gave it: hashes of passwords, and the parsers that
// tests read pages with.
func raceFlags() []string {
	flags := []string{"-race", "-timeout", "40m"}
	for _, library := range []string{"modernc.org/sqlite/lib", "modernc.org/libc", "golang.org/x/crypto/...", "golang.org/x/net/html/...", "github.com/a-h/templ/parser/..."} {
		flags = append(flags, "-gcflags="+library+"=-race=false")
	}
	return flags
}

// raceTests tests all rooms under the race detector.
func raceTests(env *environment) func(context.Context, *tally) {
	return func(ctx context.Context, total *tally) {
		patterns, err := rooms("internal")
		if err != nil {
			total.check("list of rooms", "", err)
			return
		}
		goTests(env, append(raceFlags(), patterns...)...)(ctx, total)
	}
}

// rooms are the patterns of all packages below a folder, without the folder's own.
func rooms(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var patterns []string
	for _, e := range entries {
		if e.IsDir() {
			patterns = append(patterns, "./"+folder+"/"+e.Name()+"/...")
		}
	}
	return patterns, nil
}

// canRace reports whether the race detector can be linked: it needs cgo and a C compiler.
func canRace() bool {
	out, err := exec.Command("go", "env", "CGO_ENABLED", "CC").Output()
	enabled, compiler, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if err != nil || enabled != "1" {
		return false
	}
	_, err = exec.LookPath(compiler)
	return err == nil
}

// opensslTests tests the room of signatures once more, built with OpenSSL, where that
// can be compiled.
func opensslTests(env *environment) func(context.Context, *tally) {
	return func(ctx context.Context, total *tally) {
		if !hasOpenSSL(ctx) {
			total.skip("internal/dkim with OpenSSL", "needs cgo, a C compiler and the headers of OpenSSL 3 (libssl-dev)")
			return
		}
		goTests(env, "-tags", "openssl", "./internal/dkim")(ctx, total)
	}
}

// hasOpenSSL reports whether the C compiler finds the headers of OpenSSL 3.
func hasOpenSSL(ctx context.Context) bool {
	if !canRace() {
		return false
	}
	compiler, err := exec.CommandContext(ctx, "go", "env", "CC").Output()
	if err != nil {
		return false
	}
	cmd := exec.CommandContext(ctx, strings.TrimSpace(string(compiler)), "-E", "-x", "c", "-")
	cmd.Stdin = strings.NewReader("#include <openssl/evp.h>\n#if OPENSSL_VERSION_NUMBER < 0x30000000L\n#error old\n#endif\n")
	return cmd.Run() == nil
}

func checkSource(ctx context.Context, total *tally) {
	files, err := goFiles()
	if err != nil {
		total.check("list of Go files", err.Error(), err)
		return
	}
	out, err := exec.CommandContext(ctx, "gofmt", append([]string{"-l"}, files...)...).CombinedOutput()
	if err == nil && len(out) > 0 {
		err = errors.New("files are not formatted")
	}
	total.check("gofmt", string(out), err)
	out, err = exec.CommandContext(ctx, "go", "vet", "./...").CombinedOutput()
	total.check("go vet", string(out), err)
}

func goFiles() ([]string, error) {
	var files []string
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || path != "." && strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".go"):
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

// goTests runs go test with the given flags and packages and counts every test.
func goTests(env *environment, args ...string) func(context.Context, *tally) {
	return func(ctx context.Context, total *tally) {
		cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json", "-shuffle=on"}, args...)...)
		cmd.Env = append(os.Environ(), env.variables()...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			total.check("go test", "", err)
			return
		}
		var complaints strings.Builder
		cmd.Stderr = &complaints
		if err := cmd.Start(); err != nil {
			total.check("go test", "", err)
			return
		}
		found := readEvents(out)
		err = cmd.Wait()
		total.add(found)
		if err != nil && found.failed == 0 {
			total.check("go test", complaints.String(), err)
		}
	}
}

// nodeTests runs the tests of an npm tree with its run.js.
func nodeTests(env *environment, dir string) func(context.Context, *tally) {
	return func(ctx context.Context, total *tally) {
		if _, err := os.Stat(filepath.Join(dir, "package.json")); err != nil {
			return
		}
		found, err := runNode(ctx, env, dir)
		if files := found.files(); len(files) > 0 && len(files) <= mostAgain && !slices.Contains(files, "pages") {
			again, _ := runNode(ctx, env, dir, files...)
			found.settle(again)
		}
		total.add(found.tally)
		if err != nil && found.failed == 0 && len(found.again) == 0 {
			total.check("run.js in "+dir, found.out, err)
		}
	}
}

// mostAgain is how many files of tests in the browser get a second try: a busy machine
// lets a step of a walk come too late now and then, a broken tree breaks many.
const mostAgain = 3

// runNode runs the tests of an npm tree, or of the named files.
func runNode(ctx context.Context, env *environment, dir string, files ...string) (tapRun, error) {
	cmd := exec.CommandContext(ctx, "node", append([]string{"run.js"}, files...)...)
	cmd.Dir, cmd.Env = dir, append(append(os.Environ(), env.variables()...), "REPORTER=tap")
	out, err := cmd.CombinedOutput()
	return tapRun{tally: readTAP(dir, string(out)), out: string(out)}, err
}

func heading(title string) { fmt.Printf("\n== %s\n", title) }
