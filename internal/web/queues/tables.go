package queues

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"stafette/internal/queue"
	"stafette/internal/web/frame"
)

// staffLive is the stream that keeps pages of staff fresh; see package sending.
const staffLive = "/platform/live"

const (
	// logRead bounds the commands that are looked through and stand in one file.
	logRead = 5000
	// logShown is how many commands the page tells of.
	logShown = 20
)

// tables is what the page shows beside its form.
type tables struct {
	form               frame.Form
	names              names
	orderView, logView frame.View
	orders             []queue.Order
	log                []queue.LogEntry
}

func cell[T any](p frame.Page, key string, text func(T) string, order func(a, b T) int) frame.Cell[T] {
	return frame.Cell[T]{Column: frame.Column{Key: key, Title: p.T("queues.col." + key)}, Text: text, Order: order}
}

// logDepth is how many commands the page asks for: what is searched or sorted may stand
// further back than what it shows at first, time and again.
func logDepth(r *http.Request) int {
	for _, name := range []string{"q", "given", "sort"} {
		if r.URL.Query().Get(name) != "" {
			return logRead
		}
	}
	return logShown
}

// orderRoll is the table of orders.
func (o office) orderRoll(p frame.Page, n names) frame.Roll[queue.Order] {
	type row = queue.Order
	order := cell(p, "order", func(v row) string { return v.ID.String() }, nil)
	way := cell(p, "way", func(v row) string { return v.Pool + v.NextHop }, nil)
	order.File, way.File = true, true
	return frame.Roll[row]{
		Listing: frame.Listing{Path: o.base, Filters: []string{"given"}, Sort: "since", Descending: true},
		Cells: []frame.Cell[row]{
			order,
			cell(p, "command", func(v row) string { return p.T("queues.command." + string(v.Command)) }, nil),
			cell(p, "scope", func(v row) string { return scopeText(p, n, v) }, nil),
			way,
			cell(p, "reason", func(v row) string { return v.Reason }, nil),
			cell(p, "actor", func(v row) string { return n.of(v.Actor) }, nil),
			cell(p, "since", func(v row) string { return moment(v.Created) }, func(a, b row) int { return a.Created.Compare(b.Created) }),
			cell(p, "until", func(v row) string { return moment(v.Expires) }, func(a, b row) int {
				return cmp.Or(cmp.Compare(openEnd(a), openEnd(b)), a.Expires.Compare(b.Expires))
			}),
			cell[row](p, "action", nil, nil),
		},
	}
}

// openEnd puts orders without an end behind all others.
func openEnd(o queue.Order) int {
	if o.Expires.IsZero() {
		return 1
	}
	return 0
}

// logRoll is the table of commands.
func (o office) logRoll(p frame.Page, n names) frame.Roll[queue.LogEntry] {
	type row = queue.LogEntry
	number := func(key string, of func(row) int64) frame.Cell[row] {
		c := cell(p, key, func(v row) string { return strconv.FormatInt(of(v), 10) }, func(a, b row) int { return cmp.Compare(of(a), of(b)) })
		c.Number = true
		return c
	}
	planned := number("planned", func(v row) int64 { return v.Planned })
	finished := cell(p, "finished", func(v row) string { return moment(v.Finished) }, nil)
	planned.File, finished.File = true, true
	return frame.Roll[row]{
		Listing: frame.Listing{Path: o.base, Filters: []string{"given"}, Sort: "time", Descending: true},
		Cells: []frame.Cell[row]{
			cell(p, "time", func(v row) string { return moment(v.At) }, func(a, b row) int { return a.At.Compare(b.At) }),
			cell(p, "command", func(v row) string { return p.T("queues.command." + string(v.Act.Command)) }, nil),
			cell(p, "scope", func(v row) string { return actText(p, n, v.Act) }, nil),
			planned,
			number("changed", func(v row) int64 { return v.Changed }),
			finished,
			cell(p, "reason", func(v row) string { return v.Reason }, nil),
			cell(p, "actor", func(v row) string { return n.of(v.Actor) }, nil),
		},
	}
}

func orderCommand(o queue.Order) queue.Command  { return o.Command }
func logCommand(l queue.LogEntry) queue.Command { return l.Act.Command }

// given keeps what was done by the command that the address names, of those known here;
// one that names none keeps all.
func given[T any](r *http.Request, known []queue.Command, list []T, command func(T) queue.Command) []T {
	want := queue.Command(r.URL.Query().Get("given"))
	if !slices.Contains(known, want) {
		return list
	}
	return slices.DeleteFunc(list, func(one T) bool { return command(one) != want })
}

// exportOrders writes the orders in force as CSV.
func (o office) exportOrders(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	list, err := o.Operator.Orders(r.Context(), o.caller(p), false)
	if err != nil {
		return fmt.Errorf("list orders: %w", err)
	}
	roll := o.orderRoll(p, o.names(r.Context(), p, list, nil))
	_, list = roll.Read(r, given(r, o.commands(), list, orderCommand))
	return roll.CSV(w, p, p.T("queues.orders.file"), list)
}

// exportLog writes the log of commands as CSV.
func (o office) exportLog(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	list, err := o.Operator.Log(r.Context(), o.caller(p), logRead)
	if err != nil {
		return fmt.Errorf("list commands: %w", err)
	}
	roll := o.logRoll(p, o.names(r.Context(), p, nil, list))
	_, list = roll.Read(r, given(r, o.commands(), list, logCommand))
	return roll.CSV(w, p, p.T("queues.log.file"), list)
}

// moment is a time in a file, "" for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return frame.Stamp(t)
}
