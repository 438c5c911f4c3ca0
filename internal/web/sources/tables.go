package sources

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"stafette/internal/egress"
	"stafette/internal/web/frame"
)

// The tables of the board as files.
const (
	sourcesFile     = home + "/sources.csv"
	poolsFile       = home + "/pools.csv"
	assignmentsFile = home + "/assignments.csv"
	todosFile       = home + "/todo.csv"
)

// tables are those of the board as its address asks for them.
type tables struct {
	sourceView, poolView, assignmentView frame.View
	sources                              []egress.Source
	pools                                []egress.Pool
	assignments                          []assigned
	todos                                []Todo
}

// assigned is an assignment with its account in words.
type assigned struct {
	egress.Assignment
	account string
}

// lists reads the tables; the search is one for all of them.
func (c Config) lists(r *http.Request, p frame.Page, b board) tables {
	var t tables
	t.sourceView, t.sources = sourceRoll(p, b.ways).Read(r, inState(r, b.ways.Sources))
	t.poolView, t.pools = poolRoll(p, b.ways).Read(r, b.ways.Pools)
	t.assignmentView, t.assignments = assignmentRoll(p).Read(r, c.assigned(r, p, b.ways))
	_, t.todos = todoRoll(p).Read(r, b.todos)
	return t
}

func (c Config) assigned(r *http.Request, p frame.Page, w egress.Ways) []assigned {
	var list []assigned
	for _, a := range w.Assignments {
		list = append(list, assigned{a, c.account(r.Context(), p, a.Tenant)})
	}
	return list
}

// inState keeps the sources in the state that the address names, if it names one.
func inState(r *http.Request, list []egress.Source) []egress.Source {
	want := egress.SourceState(r.URL.Query().Get("state"))
	if !slices.Contains(sourceStates(), want) {
		return list
	}
	var kept []egress.Source
	for _, s := range list {
		if cmp.Or(s.State, egress.StateActive) == want {
			kept = append(kept, s)
		}
	}
	return kept
}

func sourceStates() []egress.SourceState {
	return []egress.SourceState{egress.StateNew, egress.StateActive, egress.StateRetiring, egress.StateRetired}
}

func cell[T any](p frame.Page, key string, text func(T) string) frame.Cell[T] {
	return frame.Cell[T]{Column: frame.Column{Key: key, Title: p.T("sources.col." + key), Number: key == "weight"}, Text: text}
}

func sourceRoll(p frame.Page, w egress.Ways) frame.Roll[egress.Source] {
	type row = egress.Source
	address, weight := cell(p, "address", addressText(p)), cell(p, "weight", func(s row) string { return strconv.Itoa(s.Weight) })
	address.Order = func(a, b row) int { return a.IP.Compare(b.IP) }
	weight.Order = func(a, b row) int { return cmp.Compare(a.Weight, b.Weight) }
	from, until := cell(p, "from", func(s row) string { return moment(s.ValidFrom) }), cell(p, "until", func(s row) string { return moment(s.ValidUntil) })
	from.File, until.File = true, true
	return frame.Roll[row]{Listing: frame.Listing{Path: home, Filters: []string{"state"}}, Cells: []frame.Cell[row]{
		cell(p, "source", func(s row) string { return s.Name }), address,
		cell(p, "ehlo", func(s row) string { return s.EHLO }),
		cell(p, "state", func(s row) string { return stateWord(p, s.State) }),
		from, until,
		cell(p, "pools", func(s row) string { return poolsOf(w, s.Name) }), weight,
		cell(p, "node", func(s row) string { return s.Node }),
		cell(p, "origin", func(s row) string { return origin(p, w.Standing(egress.ThingSource, s.Name)) }),
	}}
}

func addressText(p frame.Page) func(egress.Source) string {
	return func(s egress.Source) string {
		if s.Fixed() {
			return s.IP.String()
		}
		return p.T("sources.any")
	}
}

func poolRoll(p frame.Page, w egress.Ways) frame.Roll[egress.Pool] {
	type row = egress.Pool
	return frame.Roll[row]{Listing: frame.Listing{Path: home, Filters: []string{"state"}}, Cells: []frame.Cell[row]{
		cell(p, "pool", func(v row) string { return v.Name }),
		cell(p, "members", func(v row) string { return members(p, v) }),
		cell(p, "origin", func(v row) string { return origin(p, w.Standing(egress.ThingPool, v.Name)) }),
	}}
}

func assignmentRoll(p frame.Page) frame.Roll[assigned] {
	return frame.Roll[assigned]{Listing: frame.Listing{Path: home, Filters: []string{"state"}}, Cells: []frame.Cell[assigned]{
		cell(p, "account", func(a assigned) string { return a.account }),
		cell(p, "stream", func(a assigned) string { return streamName(p, a.Stream) }),
		cell(p, "pool", func(a assigned) string { return a.Pool }),
		cell[assigned](p, "action", nil),
	}}
}

// todoRoll is what is to be done, alarms among it.
func todoRoll(p frame.Page) frame.Roll[Todo] {
	return frame.Roll[Todo]{Listing: frame.Listing{Path: home, Filters: []string{"state"}}, Cells: []frame.Cell[Todo]{
		cell(p, "source", func(t Todo) string { return t.Source }),
		cell(p, "provider", func(t Todo) string { return t.Provider }),
		cell(p, "finding", func(t Todo) string { return t.Text(p, "title") }),
		cell(p, "way", func(t Todo) string { return t.Text(p, "way") }),
		cell(p, "from", func(t Todo) string {
			if t.Alarm != nil {
				return moment(t.Alarm.First)
			}
			return moment(t.Since)
		}),
		cell(p, "reply", func(t Todo) string {
			if t.Alarm != nil {
				return t.Alarm.Text
			}
			return t.Have
		}),
	}}
}

// moment is a time in a file, "" for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return frame.Stamp(t)
}

// export writes one of the tables of the board, as its address narrows and sorts them.
func (c Config) export(file string) func(http.ResponseWriter, *http.Request, frame.Page) error {
	return func(w http.ResponseWriter, r *http.Request, p frame.Page) error {
		ways, err := c.Planner.Ways(r.Context())
		if err != nil {
			return fmt.Errorf("export sources: %w", err)
		}
		b := board{ways: ways}
		if b.todos, _, err = c.todos(r.Context(), ways); err != nil {
			return err
		}
		t := c.lists(r, p, b)
		switch file {
		case poolsFile:
			return poolRoll(p, ways).CSV(w, p, p.T("sources.file.pools"), t.pools)
		case assignmentsFile:
			return assignmentRoll(p).CSV(w, p, p.T("sources.file.assignments"), t.assignments)
		case todosFile:
			return todoRoll(p).CSV(w, p, p.T("sources.file.todo"), t.todos)
		}
		return sourceRoll(p, ways).CSV(w, p, p.T("sources.file.sources"), t.sources)
	}
}
