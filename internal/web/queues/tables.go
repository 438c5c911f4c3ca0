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

// logExported bounds the commands of one file.
const logExported = 5000

// orderView is the table of orders as the address asks for it.
func (o office) orderView(r *http.Request, p frame.Page) frame.View {
	var columns []frame.Column
	for _, key := range []string{"command", "scope", "reason", "actor", "since", "until", "action"} {
		columns = append(columns, frame.Column{Key: key, Title: p.T("queues.col." + key), Sortable: key != "action"})
	}
	return frame.ReadView(r, frame.Listing{Path: o.base, Columns: columns, Sort: "since", Descending: true})
}

// sortOrders puts orders in the order of the view.
func sortOrders(p frame.Page, v frame.View, list []queue.Order) {
	slices.SortStableFunc(list, func(a, b queue.Order) int {
		if v.Descending {
			a, b = b, a
		}
		switch v.Sort {
		case "command":
			return cmp.Compare(a.Command, b.Command)
		case "scope":
			return cmp.Compare(scopeText(p, a), scopeText(p, b))
		case "reason":
			return cmp.Compare(a.Reason, b.Reason)
		case "actor":
			return cmp.Compare(actor(p, a.Actor), actor(p, b.Actor))
		case "until":
			return cmp.Or(cmp.Compare(openEnd(a), openEnd(b)), a.Expires.Compare(b.Expires))
		}
		return a.Created.Compare(b.Created)
	})
}

// openEnd puts orders without an end behind all others.
func openEnd(o queue.Order) int {
	if o.Expires.IsZero() {
		return 1
	}
	return 0
}

// exportOrders writes the orders in force as CSV.
func (o office) exportOrders(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	list, err := o.Operator.Orders(r.Context(), o.caller(p), false)
	if err != nil {
		return fmt.Errorf("list orders: %w", err)
	}
	sortOrders(p, o.orderView(r, p), list)
	rows := [][]string{words(p, "order", "command", "scope", "way", "reason", "actor", "since", "until")}
	for _, v := range list {
		rows = append(rows, []string{v.ID.String(), p.T("queues.command." + string(v.Command)), scopeText(p, v), v.Pool + v.NextHop, v.Reason, actor(p, v.Actor),
			moment(v.Created), moment(v.Expires)})
	}
	return p.CSV(w, p.T("queues.orders.file"), rows)
}

// exportLog writes the log of commands as CSV.
func (o office) exportLog(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	list, err := o.Operator.Log(r.Context(), o.caller(p), logExported)
	if err != nil {
		return fmt.Errorf("list commands: %w", err)
	}
	rows := [][]string{words(p, "time", "command", "scope", "planned", "changed", "finished", "reason", "actor")}
	for _, l := range list {
		rows = append(rows, []string{moment(l.At), p.T("queues.command." + string(l.Act.Command)), actText(p, l.Act),
			strconv.FormatInt(l.Planned, 10), strconv.FormatInt(l.Changed, 10), moment(l.Finished), l.Reason, actor(p, l.Actor)})
	}
	return p.CSV(w, p.T("queues.log.file"), rows)
}

// words are the heads of a file.
func words(p frame.Page, keys ...string) []string {
	var list []string
	for _, key := range keys {
		list = append(list, p.T("queues.col."+key))
	}
	return list
}

// moment is a time in a file, "" for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return frame.Stamp(t)
}
