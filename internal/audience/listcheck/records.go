package listcheck

import (
	"bufio"
	"io"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Records gives the lines of a table with all their cells, read as Table reads them. It
// is not safe for concurrent use.
type Records struct{ t table }

// NewRecords reads from r. A list without a separator in its first lines has one column.
func NewRecords(r io.Reader) *Records {
	decoded := transform.NewReader(r, unicode.BOMOverride(transform.Nop))
	return &Records{table{in: bufio.NewReaderSize(decoded, maxRecord)}}
}

// Next returns the next line that is not blank with its number in the file, from 1. At
// the end the error is io.EOF; others are those of Table.
func (r *Records) Next() (line int, cells []string, err error) {
	for {
		rec, err := r.t.read()
		if err != nil {
			return 0, nil, err
		}
		if !rec.blank() {
			return rec.line, rec.cells, nil
		}
	}
}
