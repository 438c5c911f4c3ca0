package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strings"

	"stafette/internal/audience/intake"
	"stafette/internal/tenant"
)

// importedAs counts what is kept of an address in lists that are imported: refused rows,
// and rows of lists that were not imported yet.
func (s *Store) importedAs(ctx context.Context, t tenant.ID, address string) (n int64, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT count(*) FROM import_faults WHERE tenant = $1 AND address = $2", t[:], address).Scan(&n)
	if err != nil {
		return 0, err
	}
	err = s.eachPart(ctx, t, func(_ intake.ID, _ int, data []byte) error {
		_, found := struck(data, address)
		n += found
		return nil
	})
	return n, err
}

// eraseImported takes an address out of lists that are imported.
func (s *Store) eraseImported(ctx context.Context, t tenant.ID, address string) (n int64, err error) {
	type place struct {
		list intake.ID
		part int
	}
	var places []place
	err = s.eachPart(ctx, t, func(i intake.ID, part int, data []byte) error {
		if _, found := struck(data, address); found > 0 {
			places = append(places, place{i, part})
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	err = s.transactSecurely(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "DELETE FROM import_faults WHERE tenant = $1 AND address = $2", t[:], address)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	for i := 0; err == nil && i < len(places); i++ {
		v := places[i]
		err = s.transactSecurely(ctx, func(tx *sql.Tx) error {
			var data []byte
			err := tx.QueryRowContext(ctx, "SELECT data FROM import_parts WHERE tenant = $1 AND import = $2 AND part = $3", t[:], v.list[:], v.part).Scan(&data)
			if err != nil {
				return missing(err, "import_not_found")
			}
			rest, found := struck(data, address)
			n += found
			_, err = tx.ExecContext(ctx, "UPDATE import_parts SET data = $4 WHERE tenant = $1 AND import = $2 AND part = $3", t[:], v.list[:], v.part, rest)
			return err
		})
	}
	return n, err
}

// eachPart reads the parts of a tenant's lists one by one: they live for a day at most.
func (s *Store) eachPart(ctx context.Context, t tenant.ID, do func(i intake.ID, part int, data []byte) error) error {
	rows, err := s.read.QueryContext(ctx, "SELECT import, part, data FROM import_parts WHERE tenant = $1", t[:])
	return scan(rows, err, func(row *sql.Rows) error {
		var i intake.ID
		var part int
		var data []byte
		if err := row.Scan(&i, &part, &data); err != nil {
			return err
		}
		return do(i, part, data)
	})
}

// struck is a part of a list without the rows of an address, and how many those were.
func struck(data []byte, address string) ([]byte, int64) {
	if !bytes.Contains(bytes.ToLower(data), []byte(address)) {
		return data, 0
	}
	var rows []struct {
		Line  int      `json:"l"`
		Cells []string `json:"c"`
	}
	if json.Unmarshal(data, &rows) != nil {
		return []byte("[]"), 1 // what cannot be read must not be kept
	}
	before := len(rows)
	for i := range rows {
		if slices.ContainsFunc(rows[i].Cells, func(cell string) bool { return strings.Contains(strings.ToLower(cell), address) }) {
			rows[i].Cells = nil
		}
	}
	rows = slices.DeleteFunc(rows, func(r struct {
		Line  int      `json:"l"`
		Cells []string `json:"c"`
	}) bool {
		return r.Cells == nil
	})
	return []byte(asJSON(rows)), int64(before - len(rows))
}
