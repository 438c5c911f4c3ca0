package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"stafette/internal/id"
)

// inList makes "IN (…)" for identifiers, with placeholders from first on. Its
// length is rounded up by repeating the last, so that few texts arise.
func inList[K id.Kind](d dialect, first int, ids []id.Of[K]) (text string, args []any) {
	size := 1
	for size < len(ids) {
		size *= 4
	}
	args = make([]any, size)
	for i := range args {
		args[i] = ids[min(i, len(ids)-1)][:]
	}
	var s strings.Builder
	s.WriteString("IN (")
	writePlaceholders(d, &s, first, size)
	s.WriteByte(')')
	return s.String(), args
}

// inListMax bounds the identifiers of one inList.
const inListMax = 1024

// scan calls each for every row and closes them. It takes the error of the query,
// so that a call and its loop are one expression.
func scan(rows *sql.Rows, err error, each func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := each(rows); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// querier is *sql.DB or *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// millis is how an instant is kept; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// optional is millis with NULL for the zero time.
func optional(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// instant reads what millis and optional wrote.
type instant struct{ to *time.Time }

// Scan implements sql.Scanner.
func (i instant) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*i.to = time.Time{}
	case int64:
		*i.to = time.Time{}
		if v != 0 {
			*i.to = time.UnixMilli(v).UTC()
		}
	default:
		return fmt.Errorf("scan instant: unexpected %T", src)
	}
	return nil
}

// document reads JSON text; NULL leaves the target as it is.
type document struct{ to any }

// Scan implements sql.Scanner.
func (d document) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(v), d.to)
	case []byte:
		return json.Unmarshal(v, d.to)
	}
	return fmt.Errorf("scan document: unexpected %T", src)
}

// asJSON is the text kept for a value that always marshals: strings, numbers and
// structs of them.
func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "null"
	}
	return string(text)
}

// bytes32 reads exactly 32 bytes; NULL is all zeros.
type bytes32 struct{ to *[32]byte }

// Scan implements sql.Scanner.
func (b bytes32) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*b.to = [32]byte{}
		return nil
	case []byte:
		if len(v) == len(b.to) {
			copy(b.to[:], v)
			return nil
		}
	}
	return fmt.Errorf("scan 32 bytes: unexpected %T", src)
}

// nullText reads text, or NULL as "", into a string of any type.
type nullText[T ~string] struct{ to *T }

// Scan implements sql.Scanner.
func (t nullText[T]) Scan(src any) error {
	var s sql.NullString
	err := s.Scan(src)
	*t.to = T(s.String)
	return err
}

// plain is foreign text as both databases take it: PostgreSQL refuses NUL and
// what is not UTF-8.
func plain(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// flag is how a boolean is kept.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// truth reads what flag wrote.
type truth struct{ to *bool }

// Scan implements sql.Scanner.
func (b truth) Scan(src any) error {
	v, ok := src.(int64)
	if !ok {
		return fmt.Errorf("scan flag: unexpected %T", src)
	}
	*b.to = v != 0
	return nil
}
