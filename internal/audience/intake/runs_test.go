package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// The first part is as the file has it; what follows is in the order of its addresses, and
// of two spellings of one address the first line stays the first.
func TestListsAreKeptInOrder(t *testing.T) {
	var parts [][]row
	l := &received{key: -1, keep: func(part []row) error {
		data, err := json.Marshal(part)
		var kept []row
		parts = append(parts, nil)
		err = errors.Join(err, json.Unmarshal(data, &kept))
		parts[len(parts)-1] = kept
		return err
	}}
	const rows = 3*partRows + 1
	for n := range rows {
		name := fmt.Sprintf("p%04d@x.example", (rows-n)/2)
		if n%2 == 1 {
			name = fmt.Sprintf("P%04d@x.example", (rows-n)/2)
		}
		if err := l.add(row{n + 1, []string{"x", name}}); err != nil {
			t.Fatal(err)
		}
		if l.first != nil {
			l.key = 1
		}
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	if len(parts) != 4 || len(parts[0]) != partRows || len(parts[3]) != 1 {
		t.Fatalf("%d parts, the first of %d rows", len(parts), len(parts[0]))
	}
	byLine := func(a, b row) int { return a.Line - b.Line }
	if !slices.IsSortedFunc(parts[0], byLine) {
		t.Error("the first part is not as the file has it")
	}
	rest := slices.Concat(parts[1:]...)
	if !slices.IsSortedFunc(rest, func(a, b row) int {
		if x, y := l.address(a), l.address(b); x != y {
			return slices.Compare([]byte(x), []byte(y))
		}
		return byLine(a, b)
	}) {
		t.Error("the rest is not in the order of its addresses, and of its lines")
	}
	all := slices.Concat(parts...)
	slices.SortFunc(all, byLine)
	for n := range all {
		if all[n].Line != n+1 {
			t.Fatalf("line %d is missing", n+1)
		}
	}
}

// Memory is bounded by runs, parts by bytes; a short row has no address.
func TestRunsEnd(t *testing.T) {
	kept, most := 0, 0
	l := &received{key: 1, keep: func(part []row) error {
		kept, most = kept+len(part), max(most, len(part))
		return nil
	}}
	long := string(make([]byte, 1000))
	for n := range 40_000 {
		if err := l.add(row{n, []string{long}}); err != nil {
			t.Fatal(err)
		}
		if l.size > runBytes {
			t.Fatalf("%d bytes are kept in memory", l.size)
		}
	}
	if err := l.end(); err != nil || kept != 40_000 || most > partRows {
		t.Errorf("%d rows in parts of up to %d, %v", kept, most, err)
	}
	refused := errors.New("no room")
	l = &received{key: -1, keep: func([]row) error { return refused }}
	if err := errors.Join(l.add(row{1, nil}), l.end()); !errors.Is(err, refused) {
		t.Errorf("no room: %v", err)
	}
}

func TestPace(t *testing.T) {
	for _, c := range []struct {
		n      int
		lasted time.Duration
		want   int
	}{
		{1, 0, 2}, {1, -time.Second, 2}, {1, 50 * time.Millisecond, 2}, {2, 60 * time.Millisecond, 4}, {4, 100 * time.Millisecond, 5},
		{5, 200 * time.Millisecond, 5}, {5, 400 * time.Millisecond, 2}, {1, 150 * time.Millisecond, 1}, {5, time.Hour, 1},
	} {
		if got := pace(c.n, c.lasted); got != c.want {
			t.Errorf("%d parts lasted %s: %d follow, want %d", c.n, c.lasted, got, c.want)
		}
	}
}

// Parts that follow each other become one step; trouble with one stops them all.
func TestTogether(t *testing.T) {
	trouble := errors.New("unreadable")
	next := make(chan prepared, 5)
	next <- prepared{step: Step{Parts: 1, Lines: []int{1}}}
	next <- prepared{step: Step{Parts: 1, Lines: []int{2}, Faults: []Fault{{Line: 3}}}}
	next <- prepared{step: Step{Parts: 1, Lines: []int{4}, Last: true}}
	next <- prepared{err: trouble}
	close(next)
	step, err := together(t.Context(), next, 2)
	if err != nil || step.Parts != 2 || !slices.Equal(step.Lines, []int{1, 2}) || len(step.Faults) != 1 || step.Last {
		t.Errorf("two parts: %+v, %v", step, err)
	}
	if _, err := together(t.Context(), next, 2); !errors.Is(err, trouble) {
		t.Errorf("trouble: %v", err)
	}
	if step, err := together(t.Context(), next, 2); err != nil || step.Parts != 0 {
		t.Errorf("the end: %+v, %v", step, err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := together(stopped, next, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}
