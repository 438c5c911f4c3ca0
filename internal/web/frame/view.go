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
	Path    string // of the page
	Columns []Column
	// Filters are the names in the address that narrow the list.
	Filters []string
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
}

// ReadView reads the address of r.
func ReadView(r *http.Request, l Listing) View {
	q := r.URL.Query()
	v := View{Listing: l, After: field(q, "after"), filters: map[string]string{}}
	for _, name := range l.Filters {
		if s := field(q, name); s != "" {
			v.filters[name] = s
		}
	}
	key, descending := strings.CutPrefix(q.Get("sort"), "-")
	if slices.ContainsFunc(l.Columns, func(c Column) bool { return c.Sortable && c.Key == key }) {
		v.Sort, v.Descending = key, descending
	}
	for _, c := range l.Columns {
		if slices.Contains(q["col"], c.Key) {
			v.columns = append(v.columns, c.Key)
		}
	}
	return v
}

func field(q url.Values, name string) string {
	return Shorten(strings.TrimSpace(strings.ToValidUTF8(q.Get(name), "")), maxQuery)
}

// Filter is the value of a filter, "" if the address has none.
func (v View) Filter(name string) string { return v.filters[name] }

// Narrowed reports whether a filter is set.
func (v View) Narrowed() bool { return len(v.filters) > 0 }

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

// Plain is the address without filters.
func (v View) Plain() string {
	v.filters = nil
	return v.First()
}

func (v View) at(path, name, value string) string {
	q := url.Values{}
	for key, s := range v.filters {
		q.Set(key, s)
	}
	if s := v.order(); s != "" {
		q.Set("sort", s)
	}
	if v.columns != nil {
		q["col"] = v.columns
	}
	q.Set(name, value)
	if value == "" {
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
