package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// tally adds up tests. The zero value is empty.
type tally struct {
	passed, failed, skipped int
	failures                []string // name and output of each failure
	skips                   []string // name and reason of each skip
	again                   []string // what passed at the second try only
}

// check counts a check that is not a Go test; output is shown if it failed.
func (t *tally) check(name, output string, err error) {
	if err == nil {
		t.passed++
		return
	}
	t.failed++
	t.failures = append(t.failures, name+": "+err.Error()+"\n"+output)
}

// skip counts a check that could not be made.
func (t *tally) skip(name, reason string) {
	t.skipped++
	t.skips = append(t.skips, name+": "+reason)
}

func (t *tally) add(other tally) {
	t.passed += other.passed
	t.failed += other.failed
	t.skipped += other.skipped
	t.failures = append(t.failures, other.failures...)
	t.skips = append(t.skips, other.skips...)
	t.again = append(t.again, other.again...)
}

// report prints failures, reasons of skips and, as the last line, the sum.
func (t *tally) report(w io.Writer, took time.Duration) {
	for _, f := range t.failures {
		fmt.Fprintf(w, "\nFAILED %s\n", strings.TrimRight(f, "\n"))
	}
	for _, f := range t.again {
		fmt.Fprintf(w, "\nPASSED AT THE SECOND TRY ONLY %s\n", strings.TrimRight(f, "\n"))
	}
	if len(t.skips) > 0 {
		fmt.Fprintln(w, "\nSkipped, and why:")
		sort.Strings(t.skips)
		for _, s := range t.skips {
			fmt.Fprintln(w, "  "+s)
		}
	}
	fmt.Fprintf(w, "\nTook %.0f s.\n%d passed, %d failed, %d skipped\n", took.Seconds(), t.passed, t.failed, t.skipped)
}

// testEvent is one line of go test -json (go doc test2json).
type testEvent struct {
	Action, Package, Test, Output, ImportPath string
}

// verdicts collects the events of one run.
type verdicts struct {
	ends   map[[2]string]string // package and test → last action
	output map[[2]string][]string
}

// readEvents reads go test -json to its end. A test with subtests counts by its
// subtests, and for itself only if it failed although none of them did; a package
// that failed without any failed test (it did not compile, it crashed) is one failure.
func readEvents(r io.Reader) tally {
	v := verdicts{ends: map[[2]string]string{}, output: map[[2]string][]string{}}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 16<<20)
	for lines.Scan() {
		var e testEvent
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		v.take(e)
	}
	return v.count()
}

func (v verdicts) take(e testEvent) {
	key := [2]string{e.Package, e.Test}
	switch e.Action {
	case "output":
		v.output[key] = append(v.output[key], e.Output)
	case "build-output":
		key[0], _, _ = strings.Cut(e.ImportPath, " ")
		v.output[key] = append(v.output[key], e.Output)
	case "pass", "fail", "skip":
		v.ends[key] = e.Action
		if e.Test == "" && e.Action == "fail" {
			fmt.Println("   FAIL", e.Package)
		}
	}
}

func (v verdicts) count() tally {
	var t tally
	parents, failedBelow := map[[2]string]bool{}, map[[2]string]bool{}
	for key, action := range v.ends {
		for _, p := range above(key) {
			parents[p] = true
			failedBelow[p] = failedBelow[p] || action == "fail"
		}
	}
	for key, action := range v.ends {
		name := strings.TrimSuffix(key[0]+" "+key[1], " ")
		switch {
		case action == "fail" && !failedBelow[key]:
			t.failed++
			t.failures = append(t.failures, name+"\n"+strings.Join(v.output[key], ""))
		case key[1] == "" || parents[key]:
		case action == "skip":
			t.skip(name, reason(v.output[key]))
		case action == "pass":
			t.passed++
		}
	}
	sort.Strings(t.failures)
	return t
}

// above lists the tests a subtest stands in, and its package.
func above(key [2]string) [][2]string {
	if key[1] == "" {
		return nil
	}
	list := [][2]string{{key[0], ""}}
	for i, r := range key[1] {
		if r == '/' {
			list = append(list, [2]string{key[0], key[1][:i]})
		}
	}
	return list
}

// reason finds what a test said when it skipped: "    file_test.go:12: reason".
func reason(output []string) string {
	var said []string
	for _, line := range output {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "===") || strings.HasPrefix(line, "---") {
			continue
		}
		if place, text, ok := strings.Cut(line, ": "); ok && strings.Contains(place, ".go:") {
			line = text
		}
		said = append(said, line)
	}
	if len(said) == 0 {
		return "no reason given"
	}
	return strings.Join(said, " ")
}

// readTAP counts the sums Node's test runner ends with and keeps what was skipped, and
// what failed with its diagnosis. A suite that failed only by its tests is not told again.
func readTAP(where, out string) tally {
	var t tally
	var failure []string // the lines of a failed test so far, nil outside of one
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if failure != nil {
			failure = append(failure, line)
			if line == "..." {
				t.tell(failure)
				failure = nil
			}
			continue
		}
		if n, ok := strings.CutPrefix(line, "# pass "); ok {
			t.passed, _ = strconv.Atoi(n)
		} else if n, ok := strings.CutPrefix(line, "# fail "); ok {
			t.failed, _ = strconv.Atoi(n)
		} else if n, ok := strings.CutPrefix(line, "# skipped "); ok {
			t.skipped, _ = strconv.Atoi(n)
		} else if name, ok := strings.CutPrefix(line, "not ok "); ok {
			failure = []string{where + " " + name}
		} else if name, why, ok := strings.Cut(line, " # SKIP"); ok {
			t.skips = append(t.skips, where+" "+strings.TrimPrefix(name, "ok ")+":"+why)
		}
	}
	if failure != nil {
		t.tell(failure)
	}
	if t.failed > 0 && len(t.failures) == 0 {
		t.failures = append(t.failures, where+"\n"+out)
	}
	return t
}

// tell keeps the lines of a failed test of Node's, unless it only says that tests in it failed.
func (t *tally) tell(lines []string) {
	if slices.Contains(lines, "failureType: 'subtestsFailed'") {
		return
	}
	t.failures = append(t.failures, strings.Join(lines, "\n"))
}

// tapRun is one run of Node's tests with what it printed.
type tapRun struct {
	tally
	out string
}

// location is where Node's test runner says that a failed test stands.
var location = regexp.MustCompile(`(?m)^location: '.*?([\w-]+)\.test\.js:`)

// files are the names of the files with failures, without their ending; nil if one is not
// told.
func (r tapRun) files() []string {
	var list []string
	for _, f := range r.failures {
		found := location.FindStringSubmatch(f)
		if found == nil {
			return nil
		}
		if !slices.Contains(list, found[1]) {
			list = append(list, found[1])
		}
	}
	return list
}

// settle takes a second run of the files with failures into account: if all of it passed,
// what failed counts as passed and is told apart.
func (r *tapRun) settle(second tapRun) {
	if second.failed > 0 || second.passed == 0 {
		return
	}
	r.again, r.failures = r.failures, nil
	r.passed, r.failed = r.passed+r.failed, 0
}
