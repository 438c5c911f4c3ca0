package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func events(t *testing.T, list ...testEvent) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, e := range list {
		if err := enc.Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	return &b
}

func TestCounting(t *testing.T) {
	for _, c := range []struct {
		name                    string
		events                  []testEvent
		passed, failed, skipped int
	}{
		{"a plain pass", []testEvent{{Action: "pass", Package: "p", Test: "TestA"}, {Action: "pass", Package: "p"}}, 1, 0, 0},
		{"subtests count, their parent does not", []testEvent{
			{Action: "pass", Package: "p", Test: "TestA/x"}, {Action: "fail", Package: "p", Test: "TestA/y"},
			{Action: "fail", Package: "p", Test: "TestA"}, {Action: "fail", Package: "p"}}, 1, 1, 0},
		{"a parent that fails alone counts", []testEvent{
			{Action: "pass", Package: "p", Test: "TestA/x"}, {Action: "fail", Package: "p", Test: "TestA"}, {Action: "fail", Package: "p"}}, 1, 1, 0},
		{"a package that does not compile is a failure", []testEvent{{Action: "fail", Package: "p"}}, 0, 1, 0},
		{"a package without tests is nothing", []testEvent{{Action: "skip", Package: "p"}}, 0, 0, 0},
		{"a skip", []testEvent{{Action: "skip", Package: "p", Test: "TestA"}, {Action: "pass", Package: "p"}}, 0, 0, 1},
		{"same name in two packages", []testEvent{{Action: "pass", Package: "p", Test: "TestA"}, {Action: "pass", Package: "q", Test: "TestA"}}, 2, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := readEvents(events(t, c.events...))
			if got.passed != c.passed || got.failed != c.failed || got.skipped != c.skipped {
				t.Errorf("%d passed, %d failed, %d skipped; want %d, %d, %d", got.passed, got.failed, got.skipped, c.passed, c.failed, c.skipped)
			}
		})
	}
}

func TestReasonsAndBuildFailuresAreShown(t *testing.T) {
	got := readEvents(events(t,
		testEvent{Action: "output", Package: "p", Test: "TestA", Output: "=== RUN   TestA\n"},
		testEvent{Action: "output", Package: "p", Test: "TestA", Output: "    a_test.go:7: needs Postfix\n"},
		testEvent{Action: "output", Package: "p", Test: "TestA", Output: "--- SKIP: TestA (0.00s)\n"},
		testEvent{Action: "skip", Package: "p", Test: "TestA"},
		testEvent{Action: "build-output", ImportPath: "q [q.test]", Output: "q/q.go:3: undefined: x\n"},
		testEvent{Action: "fail", Package: "q"},
	))
	var out bytes.Buffer
	got.report(&out, time.Second)
	for _, want := range []string{"p TestA: needs Postfix", "FAILED q\nq/q.go:3: undefined: x", "\n0 passed, 1 failed, 1 skipped\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("report lacks %q:\n%s", want, out.String())
		}
	}
}

func TestLastLineIsTheSum(t *testing.T) {
	var total tally
	total.check("gofmt", "", nil)
	total.check("go vet", "broken", errors.New("exit status 1"))
	total.skip("browser", "no Chromium")
	var out bytes.Buffer
	total.report(&out, 90*time.Second)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if last := lines[len(lines)-1]; last != "1 passed, 1 failed, 1 skipped" {
		t.Errorf("last line %q", last)
	}
}

func TestNodesSumsAreTaken(t *testing.T) {
	got := readTAP("browser", strings.Join([]string{
		"TAP version 13", "ok 1 - signs in", "ok 2 - dark # SKIP no Chromium",
		"# Subtest: lists", "    not ok 1 - list", "      ---", "      failureType: 'testCodeFailure'", "      error: 'too wide'", "      ...",
		"not ok 3 - lists", "  ---", "  failureType: 'subtestsFailed'", "  ...",
		"1..3", "# tests 3", "# pass 1", "# fail 1", "# cancelled 0", "# skipped 1", "# todo 0", "",
	}, "\n"))
	if got.passed != 1 || got.failed != 1 || got.skipped != 1 {
		t.Errorf("%d passed, %d failed, %d skipped", got.passed, got.failed, got.skipped)
	}
	if len(got.skips) != 1 || got.skips[0] != "browser 2 - dark: no Chromium" {
		t.Errorf("skips %q", got.skips)
	}
	want := []string{"browser 1 - list\n---\nfailureType: 'testCodeFailure'\nerror: 'too wide'\n..."}
	if !slices.Equal(got.failures, want) {
		t.Errorf("failures %q", got.failures)
	}
}

func TestWhatPassesAtTheSecondTryIsTold(t *testing.T) {
	run := func(passed, failed int, failures ...string) tapRun {
		return tapRun{tally: tally{passed: passed, failed: failed, failures: failures}}
	}
	const late = "test/browser 3 - signs in\n---\nlocation: '/src/test/browser/walks.test.js:12:3'\n..."
	first := run(7, 1, late)
	if files := first.files(); !slices.Equal(files, []string{"walks"}) {
		t.Errorf("files %q", files)
	}
	if files := run(7, 1, "test/browser\nnot even begun").files(); files != nil {
		t.Errorf("files %q of a failure without a place", files)
	}
	broken := first
	broken.settle(run(3, 1, late))
	if broken.failed != 1 {
		t.Error("what failed twice counts as passed")
	}
	first.settle(run(4, 0))
	var out bytes.Buffer
	first.report(&out, time.Second)
	if !strings.Contains(out.String(), "PASSED AT THE SECOND TRY ONLY test/browser 3 - signs in") || !strings.HasSuffix(out.String(), "8 passed, 0 failed, 0 skipped\n") {
		t.Errorf("report:\n%s", out.String())
	}
}
