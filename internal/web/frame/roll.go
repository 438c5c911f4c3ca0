package frame

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// Cell is a column of a Roll with what its rows have in it.
type Cell[T any] struct {
	Column
	// Text is the cell in words: what the file has, the search looks at and, without an
	// Order, rows are sorted by. A column without Text, of buttons, is in no file.
	Text func(T) string
	// Order compares two rows by this column.
	Order func(a, b T) int
	// File keeps the column from the page: it is in the file alone, and not searched.
	File bool
}

// Roll is a table all of whose rows are at hand: it is searched, sorted by each of its
// columns, and exported. Rows that the store brings page by page are no Roll.
type Roll[T any] struct {
	// Listing is the table; its Columns are those of Cells.
	Listing
	Cells []Cell[T]
	// Search is the filter that looks for a text in the cells; "" means "q".
	Search string
}

// Read returns the view that an address asks for and the rows of it, in its order; rows
// stays as it is. Filters other than the search are the caller's.
func (l Roll[T]) Read(r *http.Request, rows []T) (View, []T) {
	l.Search = cmp.Or(l.Search, "q")
	l.Filters = append(slices.Clone(l.Filters), l.Search)
	for _, c := range l.Cells {
		if c.File {
			continue
		}
		c.Sortable = c.Text != nil
		l.Columns = append(l.Columns, c.Column)
	}
	v := ReadView(r, l.Listing)
	rows = slices.Clone(rows)
	if text := strings.ToLower(v.Filter(l.Search)); text != "" {
		rows = slices.DeleteFunc(rows, func(row T) bool {
			return !slices.ContainsFunc(l.Cells, func(c Cell[T]) bool {
				return !c.File && c.Text != nil && strings.Contains(strings.ToLower(c.Text(row)), text)
			})
		})
	}
	if i := slices.IndexFunc(l.Cells, func(c Cell[T]) bool { return c.Key == v.Sort && c.Text != nil }); i >= 0 {
		slices.SortStableFunc(rows, l.Cells[i].compare(v.Descending))
	}
	return v, rows
}

func (c Cell[T]) compare(descending bool) func(a, b T) int {
	order := c.Order
	if order == nil {
		order = func(a, b T) int { return cmp.Compare(strings.ToLower(c.Text(a)), strings.ToLower(c.Text(b))) }
	}
	if descending {
		return func(a, b T) int { return order(b, a) }
	}
	return order
}

// CSV answers with rows as a file; see Page.File.
func (l Roll[T]) CSV(w http.ResponseWriter, p Page, name string, rows []T) error {
	var head []string
	for _, c := range l.Cells {
		if c.Text != nil {
			head = append(head, c.Title)
		}
	}
	table := [][]string{head}
	for _, row := range rows {
		var line []string
		for _, c := range l.Cells {
			if c.Text != nil {
				line = append(line, c.Text(row))
			}
		}
		table = append(table, line)
	}
	return p.CSV(w, name, table)
}
