package spreadsheet

import (
	"archive/zip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of a Workbook: what is packed small may be large (zip bombs).
const (
	MaxPacked   = 32 << 20  // bytes of a file, for those who keep it in memory
	maxEntries  = 2000      // files in it
	maxShared   = 64 << 20  // bytes of the texts that cells share, as they are in memory
	maxUnpacked = 512 << 20 // bytes of any one of its parts
	maxColumns  = 200
	maxCell     = 32_767 // characters, as in Excel
	maxDeep     = 32     // XML elements in each other
)

// ErrWorkbook is wrapped by the errors of files that are no workbook, or one past the limits.
var ErrWorkbook = errors.New("no readable workbook")

// Workbook reads the rows of the first sheet of an Office Open XML workbook (.xlsx, ISO/IEC
// 29500) one by one. Formulas are read as the value they had when the file was saved, days
// as 2026-11-22. Close it. It is not safe for concurrent use.
type Workbook struct {
	shared []string
	days   []bool // by style: whether numbers are days
	from   io.ReadCloser
	in     *xml.Decoder
	deep   int
	row    int
}

// OpenWorkbook opens a file of so many bytes. Errors wrap ErrWorkbook.
func OpenWorkbook(r io.ReaderAt, size int64) (*Workbook, error) {
	z, err := zip.NewReader(r, size)
	if err != nil || len(z.File) > maxEntries {
		return nil, fmt.Errorf("%w: %w", ErrWorkbook, errors.Join(err, errPacking))
	}
	w := &Workbook{}
	if err := w.readShared(z); err != nil {
		return nil, err
	}
	if err := w.readStyles(z); err != nil {
		return nil, err
	}
	name, err := firstSheet(z)
	if err != nil {
		return nil, err
	}
	if w.from, err = z.Open(name); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWorkbook, err)
	}
	w.in = xml.NewDecoder(&bounded{w.from, maxUnpacked})
	return w, nil
}

var (
	errPacking = errors.New("not packed as workbooks are")
	errLarge   = errors.New("too large when unpacked")
	errDeep    = errors.New("elements nested too deep")
)

// bounded reads so many bytes, and then fails rather than ending.
type bounded struct {
	from io.Reader
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLarge
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// Close lets the file go.
func (w *Workbook) Close() error { return w.from.Close() }

// walk calls each for every token of a part of the workbook; a part that is not there
// has none.
func walk(z *zip.Reader, name string, each func(in *xml.Decoder, token xml.Token) error) error {
	from, err := z.Open(name)
	if err != nil {
		return nil
	}
	defer func() { _ = from.Close() }() // it is only read
	in := xml.NewDecoder(&bounded{from, maxUnpacked})
	deep := 0
	for {
		token, err := in.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			deep, err = depth(deep, token)
		}
		if err == nil {
			err = each(in, token)
		}
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrWorkbook, name, err)
		}
	}
}

func depth(deep int, token xml.Token) (int, error) {
	switch token.(type) {
	case xml.StartElement:
		deep++
	case xml.EndElement:
		deep--
	}
	if deep > maxDeep {
		return deep, errDeep
	}
	return deep, nil
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// readShared reads the texts that cells name by number. Their readings (rPh) are left out.
func (w *Workbook) readShared(z *zip.Reader) error {
	var text strings.Builder
	total, inText, reading := 0, false, false
	return walk(z, "xl/sharedStrings.xml", func(_ *xml.Decoder, token xml.Token) error {
		switch v := token.(type) {
		case xml.StartElement:
			inText = v.Name.Local == "t" && !reading
			reading = reading || v.Name.Local == "rPh"
		case xml.EndElement:
			switch v.Name.Local {
			case "rPh":
				reading = false
			case "si":
				w.shared = append(w.shared, text.String())
				text.Reset()
			}
			inText = false
		case xml.CharData:
			if inText {
				// The header of a string is memory too.
				if total += len(v) + 16; total > maxShared {
					return errLarge
				}
				text.Write(v)
			}
		}
		return nil
	})
}

// readStyles finds out which styles show numbers as days.
func (w *Workbook) readStyles(z *zip.Reader) error {
	own := map[string]bool{}
	cells := false
	return walk(z, "xl/styles.xml", func(_ *xml.Decoder, token xml.Token) error {
		switch v := token.(type) {
		case xml.StartElement:
			switch {
			case v.Name.Local == "numFmt" && len(own) < 1000:
				own[attribute(v, "numFmtId")] = daily(attribute(v, "formatCode"))
			case v.Name.Local == "cellXfs":
				cells = true
			case v.Name.Local == "xf" && cells && len(w.days) < 100_000:
				id := attribute(v, "numFmtId")
				n, _ := strconv.Atoi(id) // 0 is the general format
				w.days = append(w.days, own[id] || n >= 14 && n <= 17 || n == 22 || n >= 27 && n <= 31 || n == 36 || n >= 50 && n <= 58)
			}
		case xml.EndElement:
			if v.Name.Local == "cellXfs" {
				cells = false
			}
		}
		return nil
	})
}

// daily reports whether a format shows a day: a year, beside what stands in quotes and brackets.
func daily(format string) bool {
	quoted := false
	for _, r := range strings.ToLower(format) {
		switch {
		case r == '"', r == '[', r == ']':
			quoted = r == '[' || r == '"' && !quoted
		case !quoted && r == 'y':
			return true
		}
	}
	return false
}

// firstSheet is the name of the part with the sheet that stands first.
func firstSheet(z *zip.Reader) (string, error) {
	first := ""
	err := walk(z, "xl/workbook.xml", func(_ *xml.Decoder, token xml.Token) error {
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "sheet" && first == "" {
			for _, a := range e.Attr {
				if a.Name.Local == "id" && a.Name.Space != "" {
					first = a.Value
				}
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	name := ""
	err = walk(z, "xl/_rels/workbook.xml.rels", func(_ *xml.Decoder, token xml.Token) error {
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "Relationship" && attribute(e, "Id") == first && first != "" {
			name = path.Join("xl", attribute(e, "Target"))
			if target := attribute(e, "Target"); strings.HasPrefix(target, "/") {
				name = strings.TrimPrefix(target, "/")
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(z.File, func(f *zip.File) bool { return f.Name == name }) {
		return "", fmt.Errorf("%w: it has no sheet", ErrWorkbook)
	}
	return name, nil
}

// Next returns the next row with its number in the sheet, from 1, without empty cells at
// its end. At the end of the sheet the error is io.EOF; others wrap ErrWorkbook.
func (w *Workbook) Next() (row int, cells []string, err error) {
	for {
		token, err := w.in.Token()
		if errors.Is(err, io.EOF) {
			return 0, nil, io.EOF
		}
		if err == nil {
			w.deep, err = depth(w.deep, token)
		}
		if err != nil {
			return 0, nil, fmt.Errorf("%w: %w", ErrWorkbook, err)
		}
		e, ok := token.(xml.StartElement)
		if !ok || e.Name.Local != "row" {
			continue
		}
		w.row++
		if n, err := strconv.Atoi(attribute(e, "r")); err == nil && n > 0 {
			w.row = n
		}
		if cells, err = w.cells(); err != nil {
			return 0, nil, fmt.Errorf("%w: row %d: %w", ErrWorkbook, w.row, err)
		}
		return w.row, cells, nil
	}
}

// cell is one that is being read.
type cell struct {
	column, style int
	kind          string
	text          strings.Builder
	value         bool // within v or t
}

func (w *Workbook) cells() (list []string, err error) {
	var c cell
	column := -1
	for {
		token, err := w.in.Token()
		if err == nil {
			w.deep, err = depth(w.deep, token)
		}
		if err != nil {
			return nil, err
		}
		switch v := token.(type) {
		case xml.StartElement:
			switch v.Name.Local {
			case "c":
				column = columnOf(attribute(v, "r"), column+1)
				c = cell{column: column, kind: attribute(v, "t")}
				c.style, _ = strconv.Atoi(attribute(v, "s")) // 0 is the plain one
			case "v", "t":
				c.value = true
			}
		case xml.CharData:
			if c.value && c.text.Len()+len(v) <= 4*maxCell {
				c.text.Write(v)
			}
		case xml.EndElement:
			switch v.Name.Local {
			case "v", "t":
				c.value = false
			case "c":
				list = w.place(list, &c)
			case "row":
				return list, nil
			}
		}
	}
}

// place puts a cell where it stands; what lies beyond the last column is left out.
func (w *Workbook) place(list []string, c *cell) []string {
	text := w.text(c)
	if text == "" || c.column >= maxColumns {
		return list
	}
	for len(list) <= c.column {
		list = append(list, "")
	}
	list[c.column] = text
	return list
}

func (w *Workbook) text(c *cell) string {
	text := c.text.String()
	switch c.kind {
	case "s":
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n >= len(w.shared) {
			return ""
		}
		return w.shared[n]
	case "", "n":
		if c.style >= 0 && c.style < len(w.days) && w.days[c.style] {
			return day(text)
		}
	}
	return text
}

// day is a number of days as Excel counts them, from 1899-12-30 on.
func day(number string) string {
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n < 1 || n > 3_000_000 {
		return number
	}
	return time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(n)).Format(time.DateOnly)
}

// columnOf is the number of the column in a reference such as "AB12", from 0; next where
// it names none.
func columnOf(reference string, next int) int {
	n := 0
	for _, r := range reference {
		if r < 'A' || r > 'Z' || n > maxColumns {
			break
		}
		n = n*26 + int(r-'A') + 1
	}
	if n == 0 {
		return next
	}
	return n - 1
}
