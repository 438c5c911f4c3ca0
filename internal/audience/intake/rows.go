package intake

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// readRows reads a part. Parts are read as they are written, by a way that needs a fifth of
// the general one's time; whatever looks otherwise goes that one.
func readRows(data []byte) (rows []row, err error) {
	if rows, ok := plainRows(string(data)); ok {
		return rows, nil
	}
	err = json.Unmarshal(data, &rows)
	return rows, err
}

// plainRows reads a part in which nothing stands but what json.Marshal writes of rows; ok
// is false at anything else. Cells are pieces of the text.
func plainRows(text string) (rows []row, ok bool) {
	if text, ok = strings.CutPrefix(text, "["); !ok {
		return nil, false
	}
	width := 0 // cells of the row before, which the next has too as a rule
	for {
		r := row{Cells: make([]string, 0, width)}
		if text, ok = r.read(text); !ok {
			return nil, false
		}
		rows, width = append(rows, r), len(r.Cells)
		switch {
		case text == "]":
			return rows, true
		case !strings.HasPrefix(text, ","):
			return nil, false
		}
		text = text[1:]
	}
}

// read reads a row from the beginning of a text and returns the rest.
func (r *row) read(text string) (rest string, ok bool) {
	if text, ok = strings.CutPrefix(text, `{"l":`); !ok {
		return "", false
	}
	number, text, ok := strings.Cut(text, `,"c":[`)
	line, err := strconv.Atoi(number)
	if !ok || err != nil || strconv.Itoa(line) != number {
		return "", false
	}
	r.Line = line
	for {
		var cell string
		if cell, text, ok = readCell(text); !ok {
			return "", false
		}
		r.Cells = append(r.Cells, cell)
		if rest, ok = strings.CutPrefix(text, "]}"); ok {
			return rest, true
		}
		if text, ok = strings.CutPrefix(text, ","); !ok {
			return "", false
		}
	}
}

// readCell reads a string from the beginning of a text and returns the rest.
func readCell(text string) (cell, rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		return "", "", false
	}
	for at := 1; at < len(text); at++ {
		switch c := text[at]; {
		case c < ' ', c == '\\':
			return general(text)
		case c == '"':
			if cell = text[1:at]; !utf8.ValidString(cell) {
				return general(text)
			}
			return cell, text[at+1:], true
		}
	}
	return "", "", false
}

// general is readCell by the general way.
func general(text string) (cell, rest string, ok bool) {
	end := 1
	for end < len(text) && text[end] != '"' {
		if text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(text) || json.Unmarshal([]byte(text[:end+1]), &cell) != nil {
		return "", "", false
	}
	return cell, text[end+1:], true
}
