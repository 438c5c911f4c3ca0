package listcheck

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"stafette/internal/fault"
	"stafette/internal/spreadsheet"
)

const (
	maxRecord = 64 << 10 // bytes of a line, or of lines that one quoted cell holds together
	maxCells  = 200
	maxText   = 320 // characters kept of what stands where the address is expected
	// sample is how many lines are looked at to find the column of the addresses.
	sample = 20
)

var (
	errNoArray   = errors.New("not an array")
	errNoAddress = errors.New("no address")
)

// Source gives the addresses of a list one by one, as they are written there.
type Source interface {
	// Next returns the next text with its line in the file, from 1. At the end the error
	// is io.EOF; one that is *fault.Error says what is wrong with the list.
	Next() (line int, text string, err error)
	// Column is the heading the addresses stand under, known after the first Next.
	Column() string
}

// Table reads CSV with comma, semicolon or tab between cells, or one address a line, as
// programs and German spreadsheets write it: UTF-8, UTF-16 with its mark, or Windows-1252.
// column names the addresses' column by its heading or its number from 1; with "" it
// is the one that is called so, or the one with the most addresses. Errors:
// "column_unknown" (field "column"), "csv_malformed", "line_too_long", "list_not_text".
func Table(r io.Reader, column string) Source {
	decoded := transform.NewReader(r, unicode.BOMOverride(transform.Nop))
	return &table{in: bufio.NewReaderSize(decoded, maxRecord), want: strings.TrimSpace(column), at: -1}
}

type table struct {
	in      *bufio.Reader
	want    string
	comma   byte
	line    int
	at      int // column of the addresses; -1 not known yet
	heading string
	ahead   []record
	end     error
}

type record struct {
	line  int
	cells []string
}

// Column implements Source.
func (t *table) Column() string { return t.heading }

// Next implements Source.
func (t *table) Next() (int, string, error) {
	if t.at < 0 {
		if err := t.begin(); err != nil {
			return 0, "", err
		}
	}
	for {
		rec, err := t.take()
		if err != nil {
			return 0, "", err
		}
		if rec.blank() {
			continue
		}
		text := ""
		if t.at < len(rec.cells) {
			text = bare(rec.cells[t.at])
		}
		return rec.line, text, nil
	}
}

// blank reports whether a line has no cell with anything in it.
func (r record) blank() bool { return strings.TrimSpace(strings.Join(r.cells, "")) == "" }

// take returns the next record, first those that were looked at in advance.
func (t *table) take() (record, error) {
	if len(t.ahead) > 0 {
		rec := t.ahead[0]
		t.ahead = t.ahead[1:]
		return rec, nil
	}
	if t.end != nil {
		return record{}, t.end
	}
	return t.read()
}

// packed is how files of spreadsheets begin (ZIP).
const packed = "PK\x03\x04"

// begin looks at the first lines to find the column.
func (t *table) begin() error {
	if head, _ := t.in.Peek(len(packed)); string(head) == packed { // its error comes again with the first line
		return fault.New(fault.Invalid, "list_not_text", "The file is packed, as spreadsheets are; save it as CSV.")
	}
	for len(t.ahead) < sample && t.end == nil {
		rec, err := t.read()
		if err != nil {
			t.end = err
			break
		}
		if !rec.blank() {
			t.ahead = append(t.ahead, rec)
		}
	}
	if len(t.ahead) == 0 {
		return t.end
	}
	first := t.ahead[0]
	if t.at = t.choose(first); t.at < 0 {
		return fault.Field("column", "column_unknown", "The list has no such column, or none with addresses.")
	}
	if t.headed(first) {
		t.heading, t.ahead = clip(strings.TrimSpace(first.cells[t.at])), t.ahead[1:]
	}
	return nil
}

// headed reports whether the first line names the columns instead of being an address.
func (t *table) headed(first record) bool {
	heading := first.cells[t.at]
	switch {
	case strings.Contains(heading, "@"):
		return false
	case named(heading), t.want != "" && strings.EqualFold(strings.TrimSpace(heading), t.want):
		return true
	}
	return slices.ContainsFunc(t.ahead[1:], func(rec record) bool { return t.at < len(rec.cells) && strings.Contains(rec.cells[t.at], "@") })
}

// choose returns the column of the addresses, -1 if there is none.
func (t *table) choose(first record) int {
	if t.want != "" {
		for i, c := range first.cells {
			if strings.EqualFold(strings.TrimSpace(c), t.want) {
				return i
			}
		}
		if n, err := strconv.Atoi(t.want); err == nil && n >= 1 && n <= len(first.cells) {
			return n - 1
		}
		return -1
	}
	for i, c := range first.cells {
		if named(c) {
			return i
		}
	}
	best, most := -1, 0
	for i := range first.cells {
		n := 0
		for _, rec := range t.ahead {
			if i < len(rec.cells) && strings.Contains(rec.cells[i], "@") {
				n++
			}
		}
		if n > most {
			best, most = i, n
		}
	}
	if best < 0 && len(first.cells) == 1 {
		return 0 // one text a line: that it is no address is the answer
	}
	return best
}

// named reports whether a heading says that addresses stand below it.
func named(heading string) bool {
	switch strings.ToLower(strings.TrimSpace(heading)) {
	case "address", "email", "e-mail", "email address", "e-mail address", "mail", "recipient",
		"adresse", "e-mail-adresse", "email-adresse", "e-mailadresse", "emailadresse", "mailadresse", "empfänger":
		return true
	}
	return false
}

// read returns the next record: a line, or several where a quoted cell goes on.
func (t *table) read() (record, error) {
	text, err := t.readLine()
	if err != nil {
		return record{}, err
	}
	start := t.line
	if t.comma == 0 {
		t.comma = separator(text)
	}
	for {
		cells, whole := split(text, t.comma)
		if whole {
			return record{start, cells}, nil
		}
		more, err := t.readLine()
		if errors.Is(err, io.EOF) || err == nil && len(text)+len(more) > maxRecord {
			return record{}, fault.New(fault.Invalid, "csv_malformed", fmt.Sprintf("A cell that begins with a quotation mark in line %d does not end.", start))
		}
		if err != nil {
			return record{}, err
		}
		text += "\n" + more
	}
}

// readLine returns a line without its end. What is no UTF-8 is Windows-1252, as Excel
// saves CSV in German.
func (t *table) readLine() (string, error) {
	raw, err := t.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fault.New(fault.Invalid, "line_too_long", fmt.Sprintf("Line %d is longer than 64 KiB.", t.line+1))
	case err != nil && (!errors.Is(err, io.EOF) || len(raw) == 0):
		return "", err
	}
	t.line++
	text := strings.TrimRight(string(raw), "\r\n")
	if !utf8.ValidString(text) {
		text, _ = charmap.Windows1252.NewDecoder().String(text) // every byte is a character
	}
	return text, nil
}

// separator is what stands most often in the first line that has one; 0 if none has.
func separator(line string) byte {
	best, most := byte(0), 0
	for _, c := range []byte(";\t,") {
		if n := strings.Count(line, string(c)); n > most {
			best, most = c, n
		}
	}
	return best
}

// split takes a line apart (RFC 4180); whole is false if a quoted cell is still open. A
// quotation mark within a cell that does not begin with one is a character like others.
func split(line string, comma byte) (cells []string, whole bool) {
	for len(cells) < maxCells {
		if !strings.HasPrefix(line, `"`) {
			cell, rest, more := cut(line, comma)
			if cells = append(cells, cell); !more {
				return cells, true
			}
			line = rest
			continue
		}
		var cell strings.Builder
		line = line[1:]
		for {
			i := strings.IndexByte(line, '"')
			if i < 0 {
				return nil, false
			}
			cell.WriteString(line[:i])
			if line = line[i+1:]; !strings.HasPrefix(line, `"`) {
				break
			}
			cell.WriteByte('"')
			line = line[1:]
		}
		tail, rest, more := cut(line, comma)
		if cells = append(cells, cell.String()+tail); !more {
			return cells, true
		}
		line = rest
	}
	return cells, true
}

// cut is strings.Cut at a comma that may be none.
func cut(line string, comma byte) (before, after string, found bool) {
	if comma == 0 {
		return line, "", false
	}
	return strings.Cut(line, string(comma))
}

// bare takes the address out of a cell: what an export of ours put before it, and the
// name beside it ("Eva <eva@kunde.example>").
func bare(cell string) string {
	text := strings.TrimSpace(spreadsheet.Tame(cell))
	if open := strings.LastIndexByte(text, '<'); open >= 0 && strings.HasSuffix(text, ">") {
		text = strings.TrimSpace(text[open+1 : len(text)-1])
	}
	return clip(text)
}

// clip bounds a text. What is longer than an address may be stays none.
func clip(text string) string {
	if r := []rune(text); len(text) > maxText && len(r) > maxText {
		return string(r[:maxText-1]) + "…"
	}
	return text
}

// Lines reads newline-delimited JSON: texts, or objects with a text "address". Errors:
// "json_malformed", "line_too_long".
func Lines(r io.Reader) Source { return &lines{table{in: bufio.NewReaderSize(r, maxRecord)}} }

type lines struct{ table }

// Next implements Source.
func (l *lines) Next() (int, string, error) {
	for {
		text, err := l.readLine()
		if err != nil {
			return 0, "", err
		}
		if strings.TrimSpace(text) == "" {
			continue
		}
		var v entry
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return 0, "", fault.New(fault.Invalid, "json_malformed", fmt.Sprintf("Line %d is neither a JSON text nor an object with a text \"address\".", l.line))
		}
		return l.line, clip(strings.TrimSpace(string(v))), nil
	}
}

// entry is a text, or an object with one.
type entry string

// UnmarshalJSON implements json.Unmarshaler.
func (e *entry) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '"' {
		return json.Unmarshal(raw, (*string)(e))
	}
	var v struct {
		Address *string `json:"address"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	if v.Address == nil {
		return errNoAddress
	}
	*e = entry(*v.Address)
	return nil
}

// Array reads a JSON array of the same, whose places count as lines. Error:
// "json_malformed".
func Array(r io.Reader) Source { return &array{in: json.NewDecoder(r)} }

type array struct {
	in    *json.Decoder
	n     int
	ended bool
}

// Column implements Source.
func (*array) Column() string { return "" }

// Next implements Source.
func (a *array) Next() (int, string, error) {
	if a.ended {
		return 0, "", io.EOF
	}
	if a.n == 0 {
		if err := a.bracket('['); err != nil {
			return 0, "", err
		}
	}
	if !a.in.More() {
		a.ended = true
		if err := a.bracket(']'); err != nil {
			return 0, "", err
		}
		return 0, "", io.EOF
	}
	var v entry
	if err := a.in.Decode(&v); err != nil {
		return 0, "", a.malformed(err)
	}
	a.n++
	return a.n, clip(strings.TrimSpace(string(v))), nil
}

func (a *array) bracket(want json.Delim) error {
	token, err := a.in.Token()
	if err == nil && token != want {
		err = errNoArray
	}
	if err != nil {
		return a.malformed(err)
	}
	return nil
}

// malformed tells a list that is no JSON from one that could not be read.
func (a *array) malformed(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &kind) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, errNoArray) || errors.Is(err, errNoAddress) {
		return fault.New(fault.Invalid, "json_malformed",
			fmt.Sprintf("The body is not a JSON array of texts, or of objects with a text \"address\", at place %d.", a.n+1))
	}
	return err
}
