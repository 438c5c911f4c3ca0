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

// statements keeps prepared statements of the hot paths by their text. The texts
// are a fixed set: nothing that varies with input may become one.
type statements struct {
	db     *sql.DB
	byText map[string]*sql.Stmt // complete after prepareStatements

	messages, tags, deliveries, events, usage bulkTexts
}

func prepareStatements(ctx context.Context, db *sql.DB, d dialect) (*statements, error) {
	st := &statements{db: db, byText: map[string]*sql.Stmt{}}
	texts := append(d.settleTexts(), idempotencyInsert)
	for _, b := range []struct {
		to    *bulkTexts
		into  string
		width int
		tail  string
	}{
		{&st.messages, "messages (" + messageInsertColumns + ")", 26, ""},
		{&st.tags, "message_tags (tenant, tag, message)", 3, " ON CONFLICT DO NOTHING"},
		{&st.deliveries, "deliveries (" + deliveryInsertColumns + ")", 15, ""},
		{&st.events, "events (tenant, message, id, number, type, at, actor, reason, attempt)", 9, ""},
		{&st.usage, "usage (tenant, hour, deliveries)", 3,
			" ON CONFLICT (tenant, hour) DO UPDATE SET deliveries = usage.deliveries + excluded.deliveries"},
	} {
		*b.to = bulkTexts{width: b.width, texts: map[int]string{}}
		for _, n := range []int{1, 8, 64} {
			b.to.texts[n] = bulkText(d, b.into, b.width, n, b.tail)
			texts = append(texts, b.to.texts[n])
		}
	}
	for _, text := range texts {
		stmt, err := db.PrepareContext(ctx, text)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("prepare %.40q: %w", text, err), st.close())
		}
		st.byText[text] = stmt
	}
	return st, nil
}

func (st *statements) in(ctx context.Context, tx *sql.Tx, text string) *sql.Stmt {
	return tx.StmtContext(ctx, st.byText[text])
}

func (st *statements) exec(ctx context.Context, tx *sql.Tx, text string, args ...any) (sql.Result, error) {
	return st.in(ctx, tx, text).ExecContext(ctx, args...)
}

func (st *statements) query(ctx context.Context, tx *sql.Tx, text string, args ...any) (*sql.Rows, error) {
	return st.in(ctx, tx, text).QueryContext(ctx, args...)
}

func (st *statements) close() error {
	var errs []error
	for _, stmt := range st.byText {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}

// bulkTexts inserts many rows of one table with few statements.
type bulkTexts struct {
	width int            // columns
	texts map[int]string // by chunk size
}

// chunk is how many of n waiting rows go into the next statement: few sizes, so
// that few texts need preparing.
func chunk(n int) int {
	switch {
	case n >= 64:
		return 64
	case n >= 8:
		return 8
	}
	return 1
}

func bulkText(d dialect, into string, width, rows int, tail string) string {
	var s strings.Builder
	s.WriteString("INSERT INTO " + into + " VALUES ")
	for r := range rows {
		if r > 0 {
			s.WriteByte(',')
		}
		s.WriteByte('(')
		writePlaceholders(d, &s, r*width+1, width)
		s.WriteByte(')')
	}
	s.WriteString(tail)
	return s.String()
}

func writePlaceholders(d dialect, s *strings.Builder, first, n int) {
	for i := range n {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteString(d.placeholder(first + i))
	}
}

// insert writes args, the values of all rows one after another, and returns how
// many rows were inserted or changed.
func (p bulkTexts) insert(ctx context.Context, st *statements, tx *sql.Tx, args []any) (int64, error) {
	var sum int64
	for len(args) > 0 {
		n := chunk(len(args) / p.width)
		res, err := st.exec(ctx, tx, p.texts[n], args[:n*p.width]...)
		if err != nil {
			return sum, err
		}
		affected, err := res.RowsAffected()
		if err != nil {
			return sum, err
		}
		sum += affected
		args = args[n*p.width:]
	}
	return sum, nil
}

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
