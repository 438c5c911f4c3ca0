package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// openedAlive is the condition of messages (or of tracked_messages m) that activities a
// show opens; what class it must be of is added.
const openedAlive = "EXISTS (SELECT 1 FROM activities a WHERE a.tenant = messages.tenant AND a.message = messages.id AND a.kind = 'opened' AND a.class "

// openedCounted is the same of folded opens; which sum must be above nought is added.
const openedCounted = "EXISTS (SELECT 1 FROM activity_counts c WHERE c.tenant = messages.tenant AND c.message = messages.id AND c.link = 0 AND c."

// openedIs is the condition under which a message was opened so; "" for no choice.
func openedIs(by tracking.OpenedBy) string {
	told := fmt.Sprintf("EXISTS (SELECT 1 FROM tracked_messages k WHERE k.tenant = messages.tenant AND k.message = messages.id AND (k.level > %d OR k.level = %d AND k.recipients >= %d))",
		tracking.Aggregate, tracking.Aggregate, tracking.MinForCounts)
	person := "(" + openedAlive + "<> 'scanner') OR " + openedCounted + "persons > 0))"
	machine := "(" + openedAlive + "= 'scanner') OR " + openedCounted + "machines > 0))"
	switch by {
	case tracking.OpenedByPerson:
		return told + " AND " + person
	case tracking.OpenedByMachines:
		return told + " AND " + machine + " AND NOT " + person
	case tracking.OpenedByNobody:
		return told + " AND NOT " + person + " AND NOT " + machine
	}
	return ""
}

// openedFrom selects, as id, messages of tenant $1 in [$2, $3) that may have been opened so;
// order and limit $4 follow. Opens are found by the index of activities by message, mail
// that nobody opened by the index of what was not: mail of which nothing is known, or of
// which it is known that somebody did, costs nothing.
func openedFrom(by tracking.OpenedBy, order string) string {
	if by == tracking.OpenedByNobody {
		return "SELECT message AS id FROM tracked_messages WHERE tenant = $1 AND message >= $2 AND message < $3 AND opened = 0"
	}
	class, sum := "<> 'scanner'", "persons"
	if by == tracking.OpenedByMachines {
		class, sum = "= 'scanner'", "machines"
	}
	end := " AND message >= $2 AND message < $3 ORDER BY message " + order + " LIMIT $4"
	return `SELECT id FROM (
		SELECT id FROM (SELECT DISTINCT message AS id FROM activities WHERE tenant = $1 AND message IS NOT NULL AND kind = 'opened' AND class ` + class + end + `) alive
		UNION SELECT id FROM (SELECT message AS id FROM activity_counts WHERE tenant = $1 AND link = 0 AND ` + sum + " > 0" + end + `) counted) opened`
}

// Openings implements tracking.Reader.
func (s *Store) Openings(ctx context.Context, t tenant.ID, of []message.ID) (map[message.ID]tracking.Opening, error) {
	s.settle(ctx)
	found := map[message.ID]tracking.Opening{}
	for part := range slices.Chunk(of, inListMax) {
		if err := s.openings(ctx, t, part, found); err != nil {
			return nil, fmt.Errorf("read openings: %w", s.refusal(err))
		}
	}
	return found, nil
}

func (s *Store) openings(ctx context.Context, t tenant.ID, of []message.ID, found map[message.ID]tracking.Opening) error {
	list, args := inList(s.dialect, 2, of)
	args = append([]any{t[:]}, args...)
	//nolint:gosec // G202: placeholders only
	rows, err := s.read.QueryContext(ctx, `SELECT m.message, m.level, m.recipients, (SELECT a.id FROM activities a WHERE a.tenant = m.tenant AND a.message = m.message
		AND a.kind = 'opened' AND a.class <> 'scanner' ORDER BY a.id LIMIT 1) FROM tracked_messages m WHERE m.tenant = $1 AND m.message `+list, args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		var m message.ID
		var o tracking.Opening
		var first []byte
		err := row.Scan(&m, &o.Level, &o.Recipients, &first)
		if len(first) == len(tracking.ActivityID{}) {
			o.First = tracking.ActivityID(first).Time()
		}
		found[m] = o
		return err
	})
	if err != nil {
		return err
	}
	for _, text := range []string{
		`SELECT message, CAST(sum(CASE WHEN class <> 'scanner' THEN 1 ELSE 0 END) AS BIGINT), CAST(sum(CASE WHEN class = 'scanner' THEN 1 ELSE 0 END) AS BIGINT)
		FROM activities WHERE tenant = $1 AND kind = 'opened' AND message ` + list + " GROUP BY message",
		"SELECT message, persons, machines FROM activity_counts WHERE tenant = $1 AND link = 0 AND message " + list,
	} {
		rows, err := s.read.QueryContext(ctx, text, args...)
		err = scan(rows, err, func(row *sql.Rows) error {
			var m message.ID
			var n tracking.Count
			err := row.Scan(&m, &n.Persons, &n.Machines)
			if o, ok := found[m]; ok && o.Told() {
				o.Persons, o.Machines = o.Persons+n.Persons, o.Machines+n.Machines
				found[m] = o
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

const openedText = "UPDATE tracked_messages SET opened = 1 WHERE opened = 0 AND tenant = $1 AND message "

// noteOpened marks the mails among activities that are kept of which it is not known that
// they are marked already, and notes those for after the commit.
func (s *Store) noteOpened(ctx context.Context, tx *sql.Tx, group []*entry) error {
	fresh := map[tenant.ID]map[message.ID]bool{}
	clear(s.hits.marked)
	s.hits.marked = s.hits.marked[:0]
	for _, e := range group {
		a := &e.hit.Activity
		if !e.kept || !e.hit.Tracked || a.Kind != tracking.Opened || e.said != nil && e.said.opened {
			continue
		}
		if fresh[a.Tenant] == nil {
			fresh[a.Tenant] = map[message.ID]bool{}
		}
		fresh[a.Tenant][a.Message] = true
		if e.said != nil {
			s.hits.marked = append(s.hits.marked, e.said)
		}
	}
	for t, of := range fresh {
		for part := range slices.Chunk(sortedKeys(of), inListMax) {
			list, args := inList(s.dialect, 2, part)
			if _, err := s.texts.exec(ctx, tx, openedText+list, append([]any{t[:]}, args...)...); err != nil {
				return err
			}
		}
	}
	return nil
}

// unopenedText takes the mark back of mail to recipient $2 of which nothing is kept that
// shows an open.
func (s *Store) unopenedText() string {
	return `UPDATE tracked_messages SET opened = 0 WHERE tenant = $1 AND opened = 1 AND message IN (SELECT ` + s.dialect.messageOf("d.id") + ` FROM deliveries d WHERE d.tenant = $1 AND d.recipient = $2)
		AND NOT EXISTS (SELECT 1 FROM activities a WHERE a.tenant = tracked_messages.tenant AND a.message = tracked_messages.message AND a.kind = 'opened')
		AND NOT EXISTS (SELECT 1 FROM activity_counts c WHERE c.tenant = tracked_messages.tenant AND c.message = tracked_messages.message AND c.link = 0)`
}
