// Command run builds, tests and shows Stafette. The script ./run compiles and
// starts it.
//
// It decides in which order the tools run and adds up what they found. What is
// checked is decided by the tests themselves.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"sort"
	"strings"
	"syscall"
)

// task is one word after ./run.
type task struct {
	help string
	run  func(ctx context.Context, args []string) error
}

func tasks() map[string]task {
	return map[string]task{
		"build":    {"build bin/stafette; -tags openssl: with OpenSSL's faster RSA, for which it needs a C compiler and libssl-dev", build},
		"demo":     {"build and start the demo world on loopback; Ctrl-C ends it", demo},
		"test":     {"run every test; 'test fast' leaves out the race detector, browsers and mail servers", test},
		"lint":     {"run gofmt, go vet, golangci-lint and the rules of the house", lint},
		"generate": {"write generated files anew", generate},
		"bench":    {"measure against other mail servers, see docs/benchmarks.md", program("./test/load/cmd/bench")},
		"crash":    {"kill, cut power and fill disks on purpose", program("./test/crash/cmd/crash")},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	all := tasks()
	if len(os.Args) < 2 || all[os.Args[1]].run == nil {
		usage(all)
		os.Exit(2)
	}
	if err := all[os.Args[1]].run(ctx, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func usage(all map[string]task) {
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Println("usage: ./run TASK")
	for _, name := range names {
		fmt.Printf("  %-9s %s\n", name, all[name].help)
	}
}

func build(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	tags := flags.String("tags", "", "build tags, separated by commas")
	if err := flags.Parse(args); err != nil {
		return err
	}
	list, env := buildTags(*tags)
	return command(ctx, env, "go", "build", "-trimpath", "-tags", list, "-ldflags", "-s -w", "-o", "bin/stafette", "./cmd/stafette")
}

// buildTags returns the tags and the environment of a build. With openssl, C is let in
// for that alone: names and users are still looked up by Go.
func buildTags(tags string) (list string, env []string) {
	if !slices.Contains(strings.Split(tags, ","), "openssl") {
		return tags, []string{"CGO_ENABLED=0"}
	}
	return tags + ",netgo,osusergo", []string{"CGO_ENABLED=1"}
}

func demo(ctx context.Context, args []string) error {
	if err := build(ctx, nil); err != nil {
		return err
	}
	return command(ctx, nil, "bin/stafette", append([]string{"demo"}, args...)...)
}

func generate(ctx context.Context, _ []string) error {
	if err := command(ctx, nil, "go", "generate", "./..."); err != nil {
		return err
	}
	return command(ctx, nil, "go", "test", "./cmd/stafette", "-run", "Reference", "-update")
}

// program runs a command of this module with the remaining arguments.
func program(path string) func(context.Context, []string) error {
	return func(ctx context.Context, args []string) error {
		return command(ctx, nil, "go", append([]string{"run", path}, args...)...)
	}
}

// command runs a tool in the foreground. An interrupt reaches the tool by itself,
// because it shares our terminal; we only wait for it.
func command(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
