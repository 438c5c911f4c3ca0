package audience

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/spreadsheet"
	"stafette/internal/tenant"
)

// Limits of a list that is imported.
const (
	MaxLines = 100_000
	// MaxImport is how many bytes of a list are read.
	MaxImport = 20 << 20
	maxRow    = 8 << 10
	maxCells  = 50
)

// Line is one line of a list: a wish, or why it is none.
type Line struct {
	Number int    // in the file, from 1
	Text   string // what stood where the address is expected, "" if that cannot be told
	Wish   Wish
	Err    *fault.Error // nil: the wish counts
}

// ReadCSV reads a list with comma, semicolon or tab between cells, as RFC 4180 and
// German spreadsheets write it. With a first line that names a column "address" (or
// "email", "E-Mail-Adresse"), the columns stream, reason, expires_at and note are read
// too; otherwise the first cell of each line is the address. Streams and reasons stand
// as their codes; no stream is every stream, no reason is Imported.
//
// Lines that cannot be read are in the result with their error. The error is
// *fault.Error: "import_too_large", "import_too_many_lines", "text_not_utf8",
// "csv_malformed".
func ReadCSV(r io.Reader) ([]Line, error) {
	text, err := readList(r)
	if err != nil {
		return nil, err
	}
	in := csv.NewReader(bytes.NewReader(text))
	in.Comma = separator(text)
	in.FieldsPerRecord = -1
	in.LazyQuotes = true
	in.ReuseRecord = true
	var lines []Line
	var columns map[string]int
	for {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return nil, &fault.Error{Kind: fault.Invalid, Code: "csv_malformed", Detail: "The file is not a table of lines and cells.", Err: err}
		}
		number, _ := in.FieldPos(0)
		if columns == nil {
			var named bool
			if columns, named = heading(cells); named {
				continue
			}
		}
		if len(cells) == 1 && strings.TrimSpace(cells[0]) == "" {
			continue
		}
		if len(lines) == MaxLines {
			return nil, tooManyLines()
		}
		lines = append(lines, row(number, cells, columns))
	}
}

// readList reads the whole of a list within its limit, without a byte order mark.
func readList(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxImport+1))
	if err != nil {
		return nil, fmt.Errorf("read list: %w", err)
	}
	if len(text) > MaxImport {
		return nil, fault.New(fault.TooLarge, "import_too_large", "A list has at most 20 MB.")
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !bytes.Equal(bytes.ToValidUTF8(text, nil), text) {
		return nil, fault.New(fault.Invalid, "text_not_utf8", "The list is not valid UTF-8.")
	}
	return text, nil
}

func tooManyLines() error {
	return fault.New(fault.TooLarge, "import_too_many_lines", "A list has at most 100,000 lines.")
}

// separator is what stands most often in the first line.
func separator(text []byte) rune {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	best := ','
	for _, c := range ";\t" {
		if bytes.Count(first, []byte(string(c))) > bytes.Count(first, []byte(string(best))) {
			best = c
		}
	}
	return best
}

// heading reads the names of columns; named is false if the first line is data already.
func heading(cells []string) (columns map[string]int, named bool) {
	columns = map[string]int{}
	for i, c := range cells[:min(len(cells), maxCells)] {
		switch strings.ToLower(strings.TrimSpace(c)) {
		case "address", "email", "e-mail", "recipient", "adresse", "e-mail-adresse":
			columns["address"] = i
		case "stream", "kategorie":
			columns["stream"] = i
		case "reason", "grund":
			columns["reason"] = i
		case "expires_at", "ende":
			columns["expires_at"] = i
		case "note", "notiz":
			columns["note"] = i
		}
	}
	if _, ok := columns["address"]; ok {
		return columns, true
	}
	return map[string]int{"address": 0}, false
}

func row(number int, cells []string, columns map[string]int) Line {
	size := 0
	for _, c := range cells {
		size += len(c)
	}
	if size > maxRow || len(cells) > maxCells {
		return Line{Number: number, Err: fault.New(fault.Invalid, "line_too_long", "The line is too long.")}
	}
	cell := func(name string) string {
		if i, ok := columns[name]; ok && i < len(cells) {
			return spreadsheet.Tame(strings.TrimSpace(cells[i]))
		}
		return ""
	}
	return lineOf(number, cell("address"), cell("stream"), cell("reason"), cell("expires_at"), cell("note"))
}

// lineOf holds the texts of a line to what they must be.
func lineOf(number int, address, stream, reason, expires, note string) Line {
	l := Line{Number: number, Text: address, Wish: Wish{Stream: tenant.Stream(strings.ToLower(stream)), Reason: Reason(strings.ToLower(reason)), Note: note}}
	if l.Wish.Reason == "" {
		l.Wish.Reason = Imported
	}
	var err error
	if l.Wish.Address, err = message.ParseAddress(address); err != nil {
		if l.Err = fault.As(err); l.Err == nil {
			l.Err = fault.New(fault.Invalid, "address_malformed", "The line has no address.")
		}
		return l
	}
	if expires != "" {
		for _, layout := range []string{time.RFC3339, time.DateOnly} {
			if l.Wish.ExpiresAt, err = time.Parse(layout, expires); err == nil {
				return l
			}
		}
		l.Err = fault.Field("expires_at", "time_malformed", "The time is not of the form 2026-11-22T08:00:00Z or 2026-11-22.")
	}
	return l
}

// ReadNDJSON reads one JSON object a line with address, stream, reason, expires_at and
// note, all texts. Errors are as with ReadCSV.
func ReadNDJSON(r io.Reader) ([]Line, error) {
	text, err := readList(r)
	if err != nil {
		return nil, err
	}
	var lines []Line
	in := bufio.NewScanner(bytes.NewReader(text))
	in.Buffer(nil, MaxImport+1)
	for number := 1; in.Scan(); number++ {
		one := bytes.TrimSpace(in.Bytes())
		if len(one) == 0 {
			continue
		}
		if len(lines) == MaxLines {
			return nil, tooManyLines()
		}
		lines = append(lines, object(number, one))
	}
	return lines, in.Err()
}

func object(number int, text []byte) Line {
	if len(text) > maxRow {
		return Line{Number: number, Err: fault.New(fault.Invalid, "line_too_long", "The line is too long.")}
	}
	var v struct {
		Address   string `json:"address"`
		Stream    string `json:"stream"`
		Reason    string `json:"reason"`
		ExpiresAt string `json:"expires_at"`
		Note      string `json:"note"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return Line{Number: number, Err: fault.New(fault.Invalid, "json_malformed", "The line is not a JSON object of texts.")}
	}
	return lineOf(number, v.Address, v.Stream, v.Reason, v.ExpiresAt, v.Note)
}

// Outcome is what became of a line.
type Outcome struct {
	Line
	Entry Entry
	Added bool // false without Err: the address was suppressed before
}

const importChunk = 500

// Import suppresses the addresses of a list, or with dry only says what it would take.
// Outcome i belongs to line i; what cannot be taken has its error and stops nothing. An
// import never lifts or weakens a suppression that is there. When the store fails in the
// middle, what came before is kept, and the import may be repeated.
func (s *Service) Import(ctx context.Context, t tenant.ID, lines []Line, actor string, dry bool) ([]Outcome, error) {
	now := s.cfg.Now()
	results := make([]Outcome, len(lines))
	var chunk []Entry
	var at []int
	flush := func() error {
		if len(chunk) == 0 || dry {
			return nil
		}
		stored, err := s.cfg.Store.Suppress(ctx, t, chunk, now)
		if err != nil {
			return fmt.Errorf("import suppressions: %w", err)
		}
		for i, e := range stored {
			results[at[i]].Entry, results[at[i]].Added = e, e.ID == chunk[i].ID
		}
		chunk, at = chunk[:0], at[:0]
		return nil
	}
	for i, l := range lines {
		results[i].Line = l
		if l.Err != nil {
			continue
		}
		e, err := s.entry(t, l.Wish, actor, now)
		if err != nil {
			results[i].Err = fault.As(err)
			continue
		}
		results[i].Entry = e
		if chunk, at = append(chunk, e), append(at, i); len(chunk) == importChunk {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	return results, flush()
}
