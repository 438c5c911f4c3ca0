package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/series"
	"stafette/internal/tenant"
)

// SeriesContacts implements series.Store.
func (s *Store) SeriesContacts(ctx context.Context, t tenant.ID, list []audience.ContactID) (map[audience.ContactID]audience.Contact, error) {
	found := map[audience.ContactID]audience.Contact{}
	for part := range slices.Chunk(list, inListMax) {
		in, args := inList(s.dialect, 2, part)
		//nolint:gosec // G202: constants and placeholders only
		rows, err := s.read.QueryContext(ctx, "SELECT "+contactColumns+" FROM contacts WHERE tenant = $1 AND id "+in, append([]any{t[:]}, args...)...)
		err = scan(rows, err, func(row *sql.Rows) error {
			c, err := readContact(row, t)
			found[c.ID] = c
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read contacts: %w", s.refusal(err))
		}
	}
	return found, nil
}

// InGroup implements series.Store.
func (s *Store) InGroup(ctx context.Context, t tenant.ID, number audience.GroupID, list []audience.ContactID) (map[audience.ContactID]bool, error) {
	g, err := s.Group(ctx, t, number)
	switch {
	case fault.IsKind(err, fault.NotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case g.Kind == audience.Dynamic:
		return s.Picked(ctx, t, *g.Segment, list)
	}
	return s.contactsOf(ctx, "SELECT m.contact FROM group_members m WHERE m.tenant = $1 AND m.grp = $2 AND m.contact ", []any{t[:], number[:]}, list)
}

// Picked implements series.Store.
func (s *Store) Picked(ctx context.Context, t tenant.ID, f audience.Segment, list []audience.ContactID) (map[audience.ContactID]bool, error) {
	args := []any{t[:]}
	text := "SELECT c.id FROM contacts c WHERE c.tenant = $1 AND " + s.picked(f, &args) + " AND c.id "
	return s.contactsOf(ctx, text, args, list)
}

// contactsOf asks for contacts among a list; text ends where "IN (…)" follows.
func (s *Store) contactsOf(ctx context.Context, text string, first []any, list []audience.ContactID) (map[audience.ContactID]bool, error) {
	found := map[audience.ContactID]bool{}
	for part := range slices.Chunk(list, inListMax) {
		in, args := inList(s.dialect, len(first)+1, part)
		rows, err := s.read.QueryContext(ctx, text+in, slices.Concat(first, args)...)
		err = scan(rows, err, func(row *sql.Rows) error {
			var c audience.ContactID
			err := row.Scan(&c)
			found[c] = true
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("look at contacts: %w", s.refusal(err))
		}
	}
	return found, nil
}

// Replied implements series.Store.
func (s *Store) Replied(ctx context.Context, t tenant.ID, v series.ID, list []series.Run) (map[audience.ContactID]bool, error) {
	return s.heard(ctx, repliedText(s.dialect), []any{t[:], v[:]}, list)
}

// repliedText and actedText want the contacts behind them.
func repliedText(d dialect) string {
	return "SELECT DISTINCT d.contact, d.entry FROM series_deeds d JOIN events e ON e.tenant = d.tenant AND e.message = " + d.messageOf("d.delivery") +
		" WHERE d.tenant = $1 AND d.series = $2 AND d.delivery IS NOT NULL AND e.type = 'replied' AND d.contact "
}

func actedText(d dialect) string {
	return "SELECT DISTINCT d.contact, d.entry FROM series_deeds d JOIN activities a ON a.tenant = d.tenant AND a.message = " + d.messageOf("d.delivery") +
		" WHERE d.tenant = $1 AND d.series = $2 AND d.step = $3 AND d.delivery IS NOT NULL AND a.class <> 'scanner' AND (a.kind = 'clicked' OR a.kind = $4) AND d.contact "
}

// Acted implements series.Store. Who clicked has opened.
func (s *Store) Acted(ctx context.Context, t tenant.ID, v series.ID, step, did string, list []series.Run) (map[audience.ContactID]bool, error) {
	s.settle(ctx)
	return s.heard(ctx, actedText(s.dialect), []any{t[:], v[:], step, did}, list)
}

// heard asks for contacts and entries among runs, and returns those of the present ones.
func (s *Store) heard(ctx context.Context, text string, first []any, list []series.Run) (map[audience.ContactID]bool, error) {
	found, entry := map[audience.ContactID]bool{}, map[audience.ContactID]int64{}
	people := make([]audience.ContactID, len(list))
	for i, r := range list {
		people[i], entry[r.Contact] = r.Contact, r.Entry
	}
	for part := range slices.Chunk(people, inListMax) {
		in, args := inList(s.dialect, len(first)+1, part)
		rows, err := s.read.QueryContext(ctx, text+in, slices.Concat(first, args)...)
		err = scan(rows, err, func(row *sql.Rows) error {
			var c audience.ContactID
			var n int64
			err := row.Scan(&c, &n)
			if n == entry[c] {
				found[c] = true
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("look at mail of series: %w", s.refusal(err))
		}
	}
	return found, nil
}

// SeriesReport implements series.Store. Its counts are of slightly different moments.
func (s *Store) SeriesReport(ctx context.Context, t tenant.ID, v series.ID) (series.Report, error) {
	r := series.Report{Over: map[string]int64{}}
	for _, q := range []struct {
		text string
		read func(*sql.Rows) error
	}{
		{"SELECT r.step, count(*) FROM series_runs r WHERE r.tenant = $1 AND r.series = $2 AND r.due_at IS NOT NULL GROUP BY r.step", func(row *sql.Rows) error {
			var p series.Place
			err := row.Scan(&p.Step, &p.Waiting)
			r.Places = append(r.Places, p)
			return err
		}},
		{"SELECT r.reason, count(*) FROM series_runs r WHERE r.tenant = $1 AND r.series = $2 AND r.due_at IS NULL GROUP BY r.reason", func(row *sql.Rows) error {
			var reason string
			var n int64
			err := row.Scan(&reason, &n)
			r.Over[reason] = n
			return err
		}},
		{"SELECT d.step, d.outcome, d.reason, count(*) FROM series_deeds d WHERE d.tenant = $1 AND d.series = $2 GROUP BY d.step, d.outcome, d.reason ORDER BY 1, 2, 3",
			func(row *sql.Rows) error {
				var c series.Count
				err := row.Scan(&c.Step, &c.Outcome, &c.Reason, &c.N)
				r.Counts = append(r.Counts, c)
				return err
			}},
	} {
		rows, err := s.read.QueryContext(ctx, q.text, t[:], v[:])
		if err = scan(rows, err, q.read); err != nil {
			return r, fmt.Errorf("report on series: %w", s.refusal(err))
		}
	}
	return r, nil
}

// SeriesRuns implements series.Store. Of contacts that went through several times the last run
// is listed, unless one contact is asked for.
func (s *Store) SeriesRuns(ctx context.Context, t tenant.ID, v series.ID, f series.RunFilter) (list []series.Line, more bool, err error) {
	text, args := runsOfText(t, v, f)
	rows, err := s.read.QueryContext(ctx, text, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		var given, family, company sql.NullString
		var boxes [][2]string
		r, err := readRun(beside{row, []any{&given, &family, &company, document{&boxes}}})
		l := series.Line{Run: r}
		if len(boxes) > 0 {
			l.Address = message.Address{Local: boxes[0][0], Domain: boxes[0][1]}
			l.Name = audience.Contact{GivenName: given.String, FamilyName: family.String, Company: company.String, Addresses: []message.Address{l.Address}}.Name()
		}
		list = append(list, l)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("list runs: %w", s.refusal(err))
	}
	if more = len(list) > f.Limit; more {
		list = list[:f.Limit]
	}
	return list, more, nil
}

// runsOfText is a page of the runs of a series, in the order of contacts.
func runsOfText(t tenant.ID, v series.ID, f series.RunFilter) (text string, args []any) {
	where, args := "", []any{t[:], v[:], f.Limit + 1}
	and := func(text string, arg any) {
		args = append(args, arg)
		where += fmt.Sprintf(" AND "+text, len(args))
	}
	switch f.State {
	case "on":
		where += " AND r.due_at IS NOT NULL"
	case "over":
		where += " AND r.due_at IS NULL"
	}
	if f.Step != "" {
		and("r.due_at IS NOT NULL AND r.step = $%d", f.Step)
	}
	if f.Contact.IsZero() {
		where += " AND NOT EXISTS (SELECT 1 FROM series_runs n WHERE n.tenant = r.tenant AND n.series = r.series AND n.contact = r.contact AND n.entry > r.entry)"
	} else {
		and("r.contact = $%d", f.Contact[:])
	}
	if !f.After.IsZero() {
		and("r.contact > $%d", f.After[:])
	}
	return "SELECT " + runColumns + `, c.given_name, c.family_name, c.company, c.addresses FROM series_runs r
		LEFT JOIN contacts c ON c.tenant = r.tenant AND c.id = r.contact WHERE r.tenant = $1 AND r.series = $2` + where + " ORDER BY r.contact, r.entry LIMIT $3", args
}

// SeriesDeeds implements series.Store.
func (s *Store) SeriesDeeds(ctx context.Context, t tenant.ID, v series.ID, c audience.ContactID) (list []series.Deed, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+deedColumns+`, 0 FROM series_deeds d WHERE d.tenant = $1 AND d.series = $2 AND d.contact = $3
		ORDER BY d.entry, d.seq LIMIT 1000`, t[:], v[:], c[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		d, err := readDeed(row)
		list = append(list, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list deeds: %w", s.refusal(err))
	}
	return list, nil
}
