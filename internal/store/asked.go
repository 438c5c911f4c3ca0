package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// askedSizes are the lengths of lists that the questions of each step of a mailing are
// prepared for: reading a text with hundreds of placeholders anew cost as much as its answer.
var askedSizes = [...]int{1, 8, 32, 128, 512}

// askedMax bounds the list of one such question.
const askedMax = 512

// askedSize is the shortest length that has room for n.
func askedSize(n int) int {
	for _, size := range askedSizes {
		if size >= n {
			return size
		}
	}
	return askedMax
}

// askedText is a text that ends with a list of n placeholders from first on.
func askedText(d dialect, before string, first, n int) string {
	var s strings.Builder
	s.WriteString(before + "IN (")
	writePlaceholders(d, &s, first, n)
	s.WriteByte(')')
	return s.String()
}

// filled are the arguments of a question: what room the list leaves repeats its last.
func filled(args, list []any) []any {
	args = append(make([]any, 0, len(args)+askedMax), args...)
	args = append(args, list...)
	for range askedSize(len(list)) - len(list) {
		args = append(args, list[len(list)-1])
	}
	return args
}

// question asks about a list of up to askedMax things, prepared for each length.
type question map[int]*sql.Stmt

// askQuestion prepares a text without its list, which begins with the placeholder first, and
// what follows the list.
func askQuestion(ctx context.Context, db *sql.DB, d dialect, before string, first int, after string) (question, error) {
	q := question{}
	for _, size := range askedSizes {
		stmt, err := db.PrepareContext(ctx, askedText(d, before, first, size)+after) //nolint:sqlclosecheck // kept until close
		if err != nil {
			return nil, errors.Join(fmt.Errorf("prepare %.40q: %w", before, err), q.close())
		}
		q[size] = stmt
	}
	return q, nil
}

// ask runs it; args stand before the list, which is not empty.
func (q question) ask(ctx context.Context, args, list []any) (*sql.Rows, error) {
	return q[askedSize(len(list))].QueryContext(ctx, filled(args, list)...)
}

func (q question) close() error {
	var errs []error
	for _, stmt := range q {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}

// questions are those that the acceptance of a mailing's mails asks again and again.
type questions struct {
	members  question // which groups addresses are in
	consents question // what was said of tracking
}

func prepareQuestions(ctx context.Context, db *sql.DB, d dialect) (q questions, err error) {
	if q.members, err = askQuestion(ctx, db, d, memberOfText, 2, ""); err != nil {
		return q, err
	}
	if q.consents, err = askQuestion(ctx, db, d, trackingConsentsText, 2, " ORDER BY hash, number"); err != nil {
		return q, errors.Join(err, q.close())
	}
	return q, nil
}

func (q questions) close() error { return errors.Join(q.members.close(), q.consents.close()) }
