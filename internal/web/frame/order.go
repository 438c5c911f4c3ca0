package frame

import (
	"slices"
	"strings"
	"unicode"
)

// Order sorts rows as the reader asks: by holds, for each sortable column, how two rows
// compare from low to high. Rows that compare equal stay in their order, and so do all
// where the view is sorted by none of the columns.
func Order[T any](v View, rows []T, by map[string]func(a, b T) int) {
	compare := by[v.Sort]
	if compare == nil {
		return
	}
	slices.SortStableFunc(rows, func(a, b T) int {
		if v.Descending {
			return compare(b, a)
		}
		return compare(a, b)
	})
}

// Mentions reports whether every word of text is part of one of the fields, whatever its
// case; no words are.
func Mentions(text string, fields ...string) bool {
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), unicode.IsSpace) {
		if !slices.ContainsFunc(fields, func(f string) bool { return strings.Contains(strings.ToLower(f), word) }) {
			return false
		}
	}
	return true
}
