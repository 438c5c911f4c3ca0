package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/tenant"
)

// zonesMost bounds how many time zones of a group are told apart. There are some hundred; a
// field that held any text before it was declared may hold more.
const zonesMost = 1000

// MemberZones implements campaign.Store.
func (s *Store) MemberZones(ctx context.Context, t tenant.ID, g audience.GroupID, key string) (map[string]int64, error) {
	group, err := s.Group(ctx, t, g)
	if err != nil {
		return nil, err
	}
	args, zone := []any{t[:]}, "SELECT '' AS zone FROM "
	if key != "" {
		args = append(args, plain(key))
		zone = "SELECT COALESCE(" + s.dialect.textAt("c.fields", "$2") + ", '') AS zone FROM "
	}
	if group.Kind == audience.Static {
		args = append(args, g[:])
		// CROSS JOIN keeps SQLite to this order of tables.
		zone += "group_members m CROSS JOIN contacts c WHERE m.tenant = $1 AND m.grp = $" + strconv.Itoa(len(args)) + " AND c.tenant = $1 AND c.id = m.contact"
	} else {
		zone += "contacts c WHERE c.tenant = $1 AND " + s.picked(*group.Segment, &args)
	}
	found := map[string]int64{}
	//nolint:gosec // G202: constants and placeholders only
	rows, err := s.read.QueryContext(ctx, "SELECT z.zone, count(*) FROM ("+zone+fmt.Sprintf(") z GROUP BY z.zone ORDER BY 2 DESC, 1 LIMIT %d", zonesMost), args...)
	err = scan(rows, err, func(row *sql.Rows) error {
		var name string
		var n int64
		err := row.Scan(&name, &n)
		found[name] = n
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count members by time zone: %w", s.refusal(err))
	}
	return found, nil
}

// campaignWaves counts those who were taken of a campaign that goes out at everybody's own
// local time, by zone.
func (s *Store) campaignWaves(ctx context.Context, c campaign.Campaign) (list []campaign.Wave, err error) {
	if c.Local.At == "" {
		return nil, nil
	}
	rows, err := s.read.QueryContext(ctx, `SELECT r.zone, CAST(sum(CASE WHEN r.state = 'accepted' THEN 1 ELSE 0 END) AS BIGINT),
		CAST(sum(CASE WHEN r.state = 'excluded' THEN 1 ELSE 0 END) AS BIGINT), CAST(sum(CASE WHEN r.state = 'waiting' THEN 1 ELSE 0 END) AS BIGINT)
		FROM campaign_recipients r WHERE r.tenant = $1 AND r.campaign = $2 GROUP BY r.zone ORDER BY r.zone`, c.Tenant[:], c.ID[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var w campaign.Wave
		err := row.Scan(&w.Zone, &w.Accepted, &w.Excluded, &w.Waiting)
		list = append(list, w)
		return err
	})
	return list, err
}
