// Package spreadsheet writes tables as files that spreadsheets open: CSV in which no cell can
// be taken for a formula (OWASP, CSV injection). Every export of every door and of the
// rooms below goes through it.
//
// It is floor 0. Reading CSV is the work of those who know what stands in it; Tame gives
// them back what was written.
package spreadsheet

import (
	"encoding/csv"
	"io"
	"strings"
)

// BOM goes before a file that Excel shall open by double click and read as UTF-8.
const BOM = "\ufeff"

// Semicolon parts the cells of files for people: so Excel in German expects it.
const Semicolon = ';'

// Writer writes rows. It is not safe for concurrent use.
type Writer struct {
	out  *csv.Writer
	line []string
}

// NewWriter parts cells by comma.
func NewWriter(w io.Writer, comma rune) *Writer {
	out := csv.NewWriter(w)
	out.Comma = comma
	return &Writer{out: out}
}

// Write adds a row, each cell made Inert. It is buffered; the error is that of an earlier
// write and comes again with Flush.
func (w *Writer) Write(cells ...string) error {
	w.line = w.line[:0]
	for _, cell := range cells {
		w.line = append(w.line, Inert(cell))
	}
	return w.out.Write(w.line)
}

// Flush hands on what is buffered and returns the first error there was.
func (w *Writer) Flush() error {
	w.out.Flush()
	return w.out.Error()
}

// formulaStarts are what spreadsheets take for the start of a formula.
const formulaStarts = "=+-@\t\r\n|%＝＋－＠"

// Inert keeps a cell from being read as a formula, by an apostrophe before it.
func Inert(cell string) string {
	if formula(cell) {
		return "'" + cell
	}
	return cell
}

// Tame takes back what Inert did.
func Tame(cell string) string {
	if rest, ok := strings.CutPrefix(cell, "'"); ok && formula(rest) {
		return rest
	}
	return cell
}

func formula(cell string) bool {
	for _, first := range cell {
		return strings.ContainsRune(formulaStarts, first)
	}
	return false
}
