package store

import (
	"context"
	"database/sql"
	"errors"

	"stafette/internal/fault"
	"stafette/internal/queue"
	"stafette/internal/spool"
)

// dialect is what the two databases do not agree on.
type dialect interface {
	// name is that of the migrations' folder.
	name() string
	// classify judges an error of the database.
	classify(error) failure
	// placeholder is that of the n-th parameter in a long list. Lists follow all
	// numbered parameters that stand before them in the text.
	placeholder(n int) string
	// numbered is that of a value which a statement names more than once; such come first.
	numbered(n int) string
	// insert begins an INSERT whose failure undoes the whole transaction.
	insert() string
	// through names the index to read a table by, for a planner without statistics.
	through(index string) string
	// lockRows ends a SELECT of deliveries d that are about to be changed. It waits
	// for those that others are changing, or leaves them out.
	lockRows(skip bool) string
	// shareRow ends a SELECT of a row that must not change before the commit.
	shareRow() string
	// lockRow ends a SELECT of a row that nobody else may lock before the commit.
	lockRow() string
	// messageOf is the expression for the message of a delivery id.
	messageOf(column string) string
	// deliveryAt is the expression for the id of the numbered delivery of a message.
	deliveryAt(column string, number uint16) string
	// byteAt is the expression for a byte of an identifier, counted from 1, up to a
	// constant.
	byteAt(column string, n int) string
	// lowest is the expression for the smallest of a column of identifiers.
	lowest(column string) string
	// textAt is the expression for a text in a column of JSON objects by its key.
	textAt(column, key string) string
	// instantAt is the expression for the milliseconds of an instant (RFC 3339) in a column of
	// JSON objects by its key, a constant; NULL where there is none.
	instantAt(column, key string) string
	// elements is the table, with a column value, of what a column of JSON arrays holds.
	elements(column string) string
	// offsets is the table p of where, in its column value, pieces of one width begin in a
	// column of bytes, at most so many, counted from 1; with some beyond its end.
	offsets(column string, width, most int) string
	// numberIn is the expression for a text as a number, NULL or 0 where it is none.
	numberIn(text string) string
	// domainIn is the expression for what stands behind the @ of a text.
	domainIn(text string) string
	// settleTexts are the statements that settle uses, to prepare.
	settleTexts() []string
	// settle updates the deliveries and says of each whether it was changed.
	settle(ctx context.Context, st *statements, tx *sql.Tx, list []queue.Settlement) ([]bool, error)
	// clock asks for the database's time in Unix milliseconds; "" if it has none of
	// its own.
	clock() string
	// overwriting are the statements that let what a transaction deletes be overwritten, and
	// not any more; "" where there is no such thing.
	overwriting() (on, off string)
	// checkpoint is the statement that brings deletions to the files; "" where others see
	// to that.
	checkpoint() string
	// onlyProcess reports whether no other process can use this database.
	onlyProcess() bool
}

// failure is a kind of database error.
type failure int

const (
	failOther    failure = iota
	failConflict         // a unique key is taken
	failFull             // no space
	failDown             // connection lost, server restarting: nothing is known to be wrong with the work
	failClash            // two transactions waited for each other; try again
	failFlush            // stable storage is in doubt
)

func (s *Store) failureOf(err error) failure {
	switch {
	case errors.Is(err, spool.ErrFull):
		return failFull
	case errors.Is(err, spool.ErrFailed):
		return failFlush
	}
	return s.dialect.classify(err)
}

// refusal turns an error of the database into the refusal that callers can act
// upon, where there is one. Refusals pass through. A failed flush, whoever met
// it, ends all storing.
func (s *Store) refusal(err error) error {
	if err == nil || fault.As(err) != nil {
		return err
	}
	var code, detail string
	switch s.failureOf(err) {
	case failFull:
		code, detail = "storage_full", "There is no room to store this now."
	case failFlush:
		return s.commits.breakDown(err)
	case failDown:
		code, detail = "storage_unavailable", "The database cannot be reached now."
	default:
		return err
	}
	return &fault.Error{Kind: fault.Unavailable, Code: code, Detail: detail, Err: err}
}

// taken turns a clash of unique keys into a Conflict of the given code.
func (s *Store) taken(err error, code, detail string) error {
	if err != nil && s.failureOf(err) == failConflict {
		return &fault.Error{Kind: fault.Conflict, Code: code, Detail: detail, Err: err}
	}
	return err
}

// missing turns "no rows" into a NotFound of the given code.
func missing(err error, code string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, code, "There is no such thing here.")
	}
	return err
}

// touched is missing for statements: it asks whether any row was changed.
func touched(res sql.Result, err error, code string) error {
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		return missing(sql.ErrNoRows, code)
	}
	return err
}
