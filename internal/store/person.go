package store

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

var _ insight.PersonStore = (*Store)(nil)

const maxAddressed = 500

// To implements insight.PersonStore. Each address is a range of an index that is read
// in its order, so that who was written to a hundred thousand times is listed as fast as
// anybody.
func (s *Store) To(ctx context.Context, t tenant.ID, to []message.Address, f insight.PersonFilter) ([]insight.Addressed, bool, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxAddressed)
	if f.After.IsZero() {
		for i := range f.After {
			f.After[i] = 0xff
		}
	}
	var list []insight.Addressed
	for _, address := range distinct(to) {
		part, err := s.toOne(ctx, t, address, f, limit+1)
		if err != nil {
			return nil, false, fmt.Errorf("list mail to person: %w", s.refusal(err))
		}
		list = append(list, part...)
	}
	slices.SortFunc(list, func(a, b insight.Addressed) int { return bytes.Compare(b.Delivery.ID[:], a.Delivery.ID[:]) })
	return list[:min(len(list), limit)], len(list) > limit, nil
}

// distinct is the canonical form of each address, once.
func distinct(list []message.Address) []string {
	texts := make([]string, len(list))
	for i, a := range list {
		texts[i] = canonicalAddress(a)
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

func (s *Store) toOne(ctx context.Context, t tenant.ID, address string, f insight.PersonFilter, limit int) ([]insight.Addressed, error) {
	args := []any{t[:], address, f.After[:], limit}
	where := streamsIn(f.Streams, &args)
	var list []insight.Addressed
	//nolint:gosec // G202: constants and placeholders only
	rows, err := s.read.QueryContext(ctx, "SELECT "+prefixed("m.", messageColumns)+", "+deliveryColumns+` FROM deliveries d
		JOIN messages m ON m.tenant = $1 AND m.id = `+s.dialect.messageOf("d.id")+`
		WHERE d.tenant = $1 AND d.recipient = $2 AND d.id < $3`+where+" ORDER BY d.id DESC LIMIT $4", args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		a, err := readAddressed(row, t)
		list = append(list, a)
		return err
	})
	return list, err
}

// streamsIn is a condition on m.stream, "" for none.
func streamsIn(streams []tenant.Stream, args *[]any) string {
	if len(streams) == 0 {
		return ""
	}
	var list []string
	for _, v := range streams {
		*args = append(*args, string(v))
		list = append(list, fmt.Sprintf("$%d", len(*args)))
	}
	return " AND m.stream IN (" + strings.Join(list, ", ") + ")"
}

func prefixed(prefix, columns string) string {
	return prefix + strings.ReplaceAll(strings.Join(strings.Fields(columns), " "), ", ", ", "+prefix)
}

// readAddressed reads the columns of a message and those of a delivery after them.
func readAddressed(row *sql.Rows, t tenant.ID) (a insight.Addressed, err error) {
	const split = 21 // messageColumns
	if a.Message, err = readMessage(part{row, 0, split, 34}, t); err != nil {
		return a, err
	}
	a.Delivery, err = readDelivery(part{row, split, 34 - split, 34})
	return a, err
}

// part is some columns of a row.
type part struct {
	row             *sql.Rows
	first, n, whole int
}

// Scan implements scanner.
func (p part) Scan(to ...any) error {
	if len(to) != p.n {
		return fmt.Errorf("scan part of a row: %d targets for %d columns", len(to), p.n)
	}
	all := make([]any, p.whole)
	for i := range all {
		all[i] = new(any)
	}
	copy(all[p.first:], to)
	return p.row.Scan(all...)
}

// CountTo implements insight.PersonStore.
func (s *Store) CountTo(ctx context.Context, t tenant.ID, to []message.Address, streams []tenant.Stream, limit int) (int, error) {
	sum := 0
	for _, address := range distinct(to) {
		args := []any{t[:], address, limit}
		from := "deliveries d WHERE d.tenant = $1"
		if where := streamsIn(streams, &args); where != "" {
			from = "deliveries d JOIN messages m ON m.tenant = $1 AND m.id = " + s.dialect.messageOf("d.id") + " WHERE d.tenant = $1" + where
		}
		var n int
		err := s.read.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT d.id FROM "+from+" AND d.recipient = $2 LIMIT $3) AS found", args...).Scan(&n)
		if err != nil {
			return 0, fmt.Errorf("count mail to person: %w", s.refusal(err))
		}
		sum += n
	}
	return min(sum, limit), nil
}
