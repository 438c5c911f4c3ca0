package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"stafette/internal/approval"
	"stafette/internal/fault"
	"stafette/internal/tenant"
	"stafette/internal/ticket"
)

var _ ticket.Store = (*Store)(nil)

const ticketColumns = "tenant, id, version, category, state, changed_at, sealed"

func readTicket(row scanner) (r ticket.Row, err error) {
	err = row.Scan(&r.Tenant, &r.ID, &r.Version, &r.Category, &r.State, instant{&r.ChangedAt}, &r.Sealed)
	return r, err
}

// Ticket implements ticket.Store.
func (s *Store) Ticket(ctx context.Context, t tenant.ID, k ticket.ID) (ticket.Row, error) {
	r, err := readTicket(s.read.QueryRowContext(ctx, "SELECT "+ticketColumns+" FROM tickets WHERE tenant = $1 AND id = $2", t[:], k[:]))
	if err != nil {
		return ticket.Row{}, fmt.Errorf("read ticket: %w", s.refusal(missing(err, ticket.CodeUnknown)))
	}
	return r, nil
}

// TicketOf implements ticket.Store.
func (s *Store) TicketOf(ctx context.Context, k ticket.ID) (ticket.Row, error) {
	r, err := readTicket(s.read.QueryRowContext(ctx, "SELECT "+ticketColumns+" FROM tickets WHERE id = $1", k[:]))
	if err != nil {
		return ticket.Row{}, fmt.Errorf("find ticket: %w", s.refusal(missing(err, ticket.CodeUnknown)))
	}
	return r, nil
}

func (s *Store) tickets(ctx context.Context, where string, args ...any) (list []ticket.Row, err error) {
	//nolint:gosec // G202: constants and placeholders only
	rows, err := s.read.QueryContext(ctx, "SELECT "+ticketColumns+" FROM tickets WHERE "+where, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		r, err := readTicket(row)
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list tickets: %w", s.refusal(err))
	}
	return list, nil
}

// Tickets implements ticket.Store.
func (s *Store) Tickets(ctx context.Context, t tenant.ID, limit int) ([]ticket.Row, error) {
	return s.tickets(ctx, "tenant = $1 ORDER BY changed_at DESC, id DESC LIMIT $2", t[:], limit)
}

// TicketsIn implements ticket.Store.
func (s *Store) TicketsIn(ctx context.Context, states []ticket.State, limit int) ([]ticket.Row, error) {
	if len(states) == 0 {
		return nil, nil
	}
	args, places := []any{limit}, make([]string, len(states))
	for i, state := range states {
		args = append(args, string(state))
		places[i] = fmt.Sprintf("$%d", len(args))
	}
	return s.tickets(ctx, "state IN ("+strings.Join(places, ", ")+") ORDER BY changed_at, id LIMIT $1", args...)
}

// SaveTicket implements ticket.Store.
func (s *Store) SaveTicket(ctx context.Context, r ticket.Row, l ticket.Line, files []ticket.Exhibit) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		args := []any{r.Tenant[:], r.ID[:], r.Version, string(r.Category), string(r.State), millis(r.ChangedAt), r.Sealed}
		text := "INSERT INTO tickets (" + ticketColumns + ") VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"
		if r.Version > 1 {
			text = "UPDATE tickets SET version = $3, category = $4, state = $5, changed_at = $6, sealed = $7 WHERE tenant = $1 AND id = $2 AND version = $3 - 1"
		}
		res, err := tx.ExecContext(ctx, text, args...)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			if err == nil {
				err = fault.New(fault.Conflict, ticket.CodeChanged, "Somebody else has written meanwhile.")
			}
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO ticket_entries (tenant, ticket, id, sealed) VALUES ($1, $2, $3, $4)", r.Tenant[:], r.ID[:], l.ID[:], l.Sealed); err != nil {
			return err
		}
		for _, f := range files {
			if _, err := tx.ExecContext(ctx, "INSERT INTO ticket_files (tenant, ticket, id, meta, body) VALUES ($1, $2, $3, $4, $5)", r.Tenant[:], r.ID[:], f.ID[:], f.Meta, f.Body); err != nil {
				return err
			}
		}
		if len(files) == 0 {
			return nil
		}
		var n int
		err = tx.QueryRowContext(ctx, "SELECT count(*) FROM ticket_files WHERE tenant = $1 AND ticket = $2", r.Tenant[:], r.ID[:]).Scan(&n)
		if err == nil && n > ticket.MaxFiles {
			err = fault.Field("file", "approval_files", "A ticket has at most 20 files.")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("save ticket: %w", err)
	}
	return nil
}

// RewriteTicket implements ticket.Store.
func (s *Store) RewriteTicket(ctx context.Context, r ticket.Row, lines []ticket.Line) error {
	err := s.transactSecurely(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE tickets SET sealed = $4 WHERE tenant = $1 AND id = $2 AND version = $3", r.Tenant[:], r.ID[:], r.Version, r.Sealed)
		for i := 0; err == nil && i < len(lines); i++ {
			_, err = tx.ExecContext(ctx, "UPDATE ticket_entries SET sealed = $4 WHERE tenant = $1 AND ticket = $2 AND id = $3", r.Tenant[:], r.ID[:], lines[i].ID[:], lines[i].Sealed)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("rewrite ticket: %w", err)
	}
	return nil
}

// TicketEntries implements ticket.Store.
func (s *Store) TicketEntries(ctx context.Context, t tenant.ID, k ticket.ID) (list []ticket.Line, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT id, sealed FROM ticket_entries WHERE tenant = $1 AND ticket = $2 ORDER BY id", t[:], k[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var l ticket.Line
		err := row.Scan(&l.ID, &l.Sealed)
		list = append(list, l)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read ticket: %w", s.refusal(err))
	}
	return list, nil
}

// TicketFiles implements ticket.Store.
func (s *Store) TicketFiles(ctx context.Context, t tenant.ID, k ticket.ID) (list []ticket.Exhibit, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT id, meta FROM ticket_files WHERE tenant = $1 AND ticket = $2 ORDER BY id", t[:], k[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var x ticket.Exhibit
		err := row.Scan(&x.ID, &x.Meta)
		list = append(list, x)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list files of ticket: %w", s.refusal(err))
	}
	return list, nil
}

// TicketFile implements ticket.Store.
func (s *Store) TicketFile(ctx context.Context, t tenant.ID, k ticket.ID, f approval.FileID) (ticket.Exhibit, error) {
	x := ticket.Exhibit{ID: f}
	err := s.read.QueryRowContext(ctx, "SELECT meta, body FROM ticket_files WHERE tenant = $1 AND ticket = $2 AND id = $3", t[:], k[:], f[:]).Scan(&x.Meta, &x.Body)
	if err != nil {
		return ticket.Exhibit{}, fmt.Errorf("read file of ticket: %w", s.refusal(missing(err, ticket.CodeUnknown)))
	}
	return x, nil
}

// DropTickets implements ticket.Store.
func (s *Store) DropTickets(ctx context.Context, before time.Time, limit int) (int, error) {
	list, err := s.tickets(ctx, "state = 'closed' AND changed_at < $1 ORDER BY changed_at LIMIT $2", millis(before), limit)
	if err != nil {
		return 0, err
	}
	for i, r := range list {
		err := s.transact(ctx, func(tx *sql.Tx) error {
			for _, text := range []string{
				"DELETE FROM ticket_files WHERE tenant = $1 AND ticket = $2",
				"DELETE FROM ticket_entries WHERE tenant = $1 AND ticket = $2",
				"DELETE FROM tickets WHERE tenant = $1 AND id = $2",
			} {
				if _, err := tx.ExecContext(ctx, text, r.Tenant[:], r.ID[:]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return i, fmt.Errorf("drop ticket: %w", err)
		}
	}
	return len(list), nil
}
