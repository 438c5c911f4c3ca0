package frame

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxQuery bounds what is taken from each field of an address, in characters.
const maxQuery = 200

// Column is one of a table.
type Column struct {
	Key   string // names the column in addresses, and to View.Shows
	Title string
	// Sortable makes its head a link that sorts by it.
	Sortable bool
	// Number aligns right.
	Number bool
	// Extra is shown only when the reader chose it.
	Extra bool
}

// Listing is what a page knows about its table before it reads the address.
type Listing struct {
	// Name is under what the reader's choice of columns is kept, [a-z]+; "" keeps none.
	Name    string
	Path    string // of the page
	Columns []Column
	// Filters are the names in the address that narrow the list.
	Filters []string
	// Choices are the values that a filter can have; one without takes any text.
	Choices map[string][]string
	// Picks is the word above the boxes of a table whose rows can be picked; "" has none.
	Picks string
	// Sort is the key of the column a list is sorted by at first; Descending from
	// high to low.
	Sort       string
	Descending bool
}

// View is a list as its reader asks for it, read from the address, so that every
// view can be kept, sent and exported. What no reader could have chosen is dropped.
type View struct {
	Listing
	// After is where the page begins (keyset): the key of the last row before it.
	After   string
	filters map[string]string
	columns []string // chosen; nil is all but the extra ones
	kept    bool     // columns come from the reader's cookie, not from the address
	first   string   // the order of the Listing, which addresses need not say
}

// ReadView reads the address of r.
func ReadView(r *http.Request, l Listing) View {
	q := r.URL.Query()
	v := View{Listing: l, After: field(q, "after"), filters: map[string]string{}}
	v.first = v.order()
	for _, name := range l.Filters {
		choices, few := l.Choices[name]
		if s := field(q, name); s != "" && (!few || slices.Contains(choices, s)) {
			v.filters[name] = s
		}
	}
	key, descending := strings.CutPrefix(q.Get("sort"), "-")
	if slices.ContainsFunc(l.Columns, func(c Column) bool { return c.Sortable && c.Key == key }) {
		v.Sort, v.Descending = key, descending
	}
	chosen := q["col"]
	if l.Name != "" && chosen == nil {
		chosen = ChosenColumns(r, l.Name)
		v.kept = true
	}
	for _, c := range l.Columns {
		if slices.Contains(chosen, c.Key) {
			v.columns = append(v.columns, c.Key)
		}
	}
	return v
}

// columnsCookie begins the name of the cookie with the columns of a Listing.Name.
const columnsCookie = "stafette-columns-"

// maxColumns bounds the columns that are kept of one table.
const maxColumns = 40

// ChosenColumns are the columns the reader keeps for a table, nil without a choice.
func ChosenColumns(r *http.Request, table string) []string {
	if value := cookieValue(r, columnsCookie+table); value != "" {
		return strings.Split(value, ".")
	}
	return nil
}

// KeepColumns keeps the reader's choice of columns for a table, for maxAge seconds; no
// columns forget it. What cannot be the name of a table or column is not kept.
func (f *Frame) KeepColumns(w http.ResponseWriter, table string, columns []string, maxAge int) {
	if table == "" || len(columns) > maxColumns || strings.Trim(table+strings.Join(columns, ""), "abcdefghijklmnopqrstuvwxyz_") != "" {
		return
	}
	if len(columns) == 0 {
		maxAge = -1
	}
	f.SetCookie(w, columnsCookie+table, strings.Join(columns, "."), maxAge)
}

func field(q url.Values, name string) string {
	return Shorten(strings.TrimSpace(strings.ToValidUTF8(q.Get(name), "")), maxQuery)
}

// Filter is the value of a filter, "" if the address has none.
func (v View) Filter(name string) string { return v.filters[name] }

// Narrowed reports whether a filter other than those named is set.
func (v View) Narrowed(but ...string) bool {
	for name := range v.filters {
		if !slices.Contains(but, name) {
			return true
		}
	}
	return false
}

// Shows reports whether the reader wants to see a column.
func (v View) Shows(key string) bool {
	for _, c := range v.Columns {
		if c.Key == key {
			return v.columns == nil && !c.Extra || slices.Contains(v.columns, key)
		}
	}
	return false
}

// With is the address of the view with one filter, "sort" or "after" changed; ""
// takes it away. Every change but that of "after" goes back to the first page.
func (v View) With(name, value string) string { return v.at(v.Path, name, value) }

// Export is the address of the same rows at another path.
func (v View) Export(path string) string { return v.at(path, "after", "") }

// First is the address of the first page.
func (v View) First() string { return v.With("after", "") }

// Without is the view without some of its filters.
func (v View) Without(names ...string) View {
	v.filters = maps.Clone(v.filters)
	for _, name := range names {
		delete(v.filters, name)
	}
	return v
}

// Plain is the address without filters but those named.
func (v View) Plain(but ...string) string {
	kept := map[string]string{}
	for _, name := range but {
		if s := v.filters[name]; s != "" {
			kept[name] = s
		}
	}
	v.filters = kept
	return v.First()
}

func (v View) at(path, name, value string) string {
	q := url.Values{}
	for key, s := range v.filters {
		q.Set(key, s)
	}
	if s := v.order(); s != v.first {
		q.Set("sort", s)
	}
	if v.columns != nil && !v.kept {
		q["col"] = v.columns
	}
	q.Set(name, value)
	if value == "" || name == "sort" && value == v.first {
		q.Del(name)
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// order is the sort as addresses write it; "-" before it means descending.
func (v View) order() string {
	if v.Sort == "" || !v.Descending {
		return v.Sort
	}
	return "-" + v.Sort
}

// turned is the address of the view sorted by a column, the other way round if it
// already is.
func (v View) turned(c Column) string {
	if v.Sort == c.Key && !v.Descending {
		return v.With("sort", "-"+c.Key)
	}
	return v.With("sort", c.Key)
}

func (v View) ariaSort() string {
	if v.Descending {
		return "descending"
	}
	return "ascending"
}

func keys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
