package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"stafette/internal/campaign"
	"stafette/internal/event"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// CampaignReport implements campaign.Store. Its counts are of slightly different moments.
func (s *Store) CampaignReport(ctx context.Context, t tenant.ID, number campaign.ID, now time.Time) (campaign.Report, error) {
	r := campaign.Report{Fates: map[event.State]int64{}, Excluded: map[string]int64{}, Bounces: map[string]int64{}}
	c, err := s.Campaign(ctx, t, number)
	if err != nil {
		return r, err
	}
	s.settle(ctx)
	r.Measured = c.MeasuredFrom(now)
	if r.Paces, err = s.campaignPaces(ctx, c, r.Measured); err != nil {
		return r, fmt.Errorf("report on the pace of a campaign: %w", s.refusal(err))
	}
	if r.Waves, err = s.campaignWaves(ctx, c); err != nil {
		return r, fmt.Errorf("report on the time zones of a campaign: %w", s.refusal(err))
	}
	const of = " FROM campaign_recipients r WHERE r.tenant = $1 AND r.campaign = $2"
	const mail = " FROM campaign_recipients r JOIN deliveries d ON d.tenant = r.tenant AND d.id = r.delivery WHERE r.tenant = $1 AND r.campaign = $2"
	var key, kind string
	var n, more int64
	for _, q := range []struct {
		text string
		to   []any
		do   func()
	}{
		{fmt.Sprintf("SELECT d.state, d.reason, count(*), sum(CASE WHEN (d.marks & %d) <> 0 THEN 1 ELSE 0 END)", bitOf(event.MarkComplained)) + mail + " GROUP BY d.state, d.reason",
			[]any{&kind, &key, &n, &more}, func() {
				state := event.State(kind)
				r.Fates[state] += n
				r.Complained += more
				if key != "" && state != event.Delivered {
					r.Bounces[key] += n
				}
			}},
		{"SELECT r.reason, count(*)" + of + " AND r.state = 'excluded' GROUP BY r.reason", []any{&key, &n}, func() { r.Excluded[key] = n }},
		{"SELECT kind, who, count(*) FROM (" + s.campaignActs() + ") acts GROUP BY kind, who",
			[]any{&kind, &key, &n}, func() {
				to := &r.Machines
				if key != "" {
					to = &r.Persons
				}
				if kind == "opened" {
					to.Opened = n
				} else {
					to.Clicked = n
				}
			}},
		{"SELECT count(*) FROM campaign_recipients r JOIN tracked_messages k ON k.tenant = r.tenant AND k.message = " + s.dialect.messageOf("r.delivery") +
			" WHERE r.tenant = $1 AND r.campaign = $2 AND k.level > " + strconv.Itoa(int(tracking.None)), []any{&n}, func() { r.Telling = n }},
		{"SELECT count(DISTINCT e.message) FROM campaign_recipients r JOIN events e ON e.tenant = r.tenant AND e.message = " + s.dialect.messageOf("r.delivery") +
			" WHERE r.tenant = $1 AND r.campaign = $2 AND e.type = 'unsubscribed'", []any{&n}, func() { r.Unsubscribed = n }},
		{"SELECT " + s.dialect.domainIn("d.recipient") + ", count(*), sum(CASE WHEN d.state = 'delivered' THEN 1 ELSE 0 END), sum(CASE WHEN d.state IN ('bounced', 'expired') THEN 1 ELSE 0 END)" +
			mail + " AND d.recipient <> '' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20", nil, nil},
	} {
		var rows *sql.Rows
		rows, err = s.read.QueryContext(ctx, q.text, t[:], number[:])
		err = scan(rows, err, func(row *sql.Rows) error {
			if q.to == nil {
				var d campaign.Domain
				err := row.Scan(&d.Name, &d.Total, &d.Delivered, &d.Rejected)
				r.Domains = append(r.Domains, d)
				return err
			}
			err := row.Scan(q.to...)
			if err == nil {
				q.do()
			}
			return err
		})
		if err != nil {
			return r, fmt.Errorf("report on campaign: %w", s.refusal(err))
		}
	}
	if r.Links, err = s.campaignLinks(ctx, t, number); err != nil {
		return r, fmt.Errorf("report on links of campaign: %w", s.refusal(err))
	}
	return r, nil
}

// campaignPaces counts who waits and who was handed over since an instant.
func (s *Store) campaignPaces(ctx context.Context, c campaign.Campaign, since time.Time) (list []campaign.PaceCount, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT r.provider, CAST(sum(CASE WHEN r.state = 'waiting' THEN 1 ELSE 0 END) AS BIGINT),
		CAST(sum(CASE WHEN r.state = 'accepted' AND r.at >= $3 THEN 1 ELSE 0 END) AS BIGINT)
		FROM campaign_recipients r WHERE r.tenant = $1 AND r.campaign = $2 GROUP BY r.provider ORDER BY r.provider`, c.Tenant[:], c.ID[:], millis(since))
	err = scan(rows, err, func(row *sql.Rows) error {
		var p campaign.PaceCount
		err := row.Scan(&p.Provider, &p.Waiting, &p.Lately)
		list = append(list, p)
		return err
	})
	return list, err
}

// campaignActs selects, of the campaign $2 of tenant $1, each mail in which somebody did
// something, once for persons and once for machines; folded activities count as others do.
func (s *Store) campaignActs() string {
	of := "campaign_recipients r JOIN activities a ON a.tenant = r.tenant AND a.message = " + s.dialect.messageOf("r.delivery") + " WHERE r.tenant = $1 AND r.campaign = $2"
	folded := "campaign_recipients r JOIN activity_counts c ON c.tenant = r.tenant AND c.message = " + s.dialect.messageOf("r.delivery") + " WHERE r.tenant = $1 AND r.campaign = $2"
	const kind = "SELECT CASE WHEN c.link = 0 THEN 'opened' ELSE 'clicked' END AS kind, "
	return "SELECT a.kind AS kind, CASE WHEN a.class = 'scanner' THEN '' ELSE 'person' END AS who, a.message AS message FROM " + of + " AND a.kind IN ('opened', 'clicked')" +
		" UNION " + kind + "'person' AS who, c.message AS message FROM " + folded + " AND c.persons > 0" +
		" UNION " + kind + "'' AS who, c.message AS message FROM " + folded + " AND c.machines > 0"
}

// linkOf names a link of a version.
type linkOf struct {
	version campaign.Version
	number  int
}

// campaignLinks counts the mails in which each link was followed, in the order of the
// letter, version by version.
func (s *Store) campaignLinks(ctx context.Context, t tenant.ID, number campaign.ID) ([]campaign.LinkCount, error) {
	found := map[linkOf]*campaign.LinkCount{}
	for _, version := range []campaign.Version{"", campaign.VersionA, campaign.VersionB} {
		var list []tracking.Link
		err := s.read.QueryRowContext(ctx, "SELECT k.links FROM campaign_recipients r JOIN tracked_messages k ON k.tenant = r.tenant AND k.message = "+
			s.dialect.messageOf("r.delivery")+" WHERE r.tenant = $1 AND r.campaign = $2 AND r.version = $3 AND k.level > "+strconv.Itoa(int(tracking.None))+" LIMIT 1",
			t[:], number[:], string(version)).Scan(document{&list})
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, err
		}
		for i, l := range list {
			if !l.Trap {
				found[linkOf{version, i + 1}] = &campaign.LinkCount{Version: version, Number: i + 1, Target: l.Target, Label: l.Label}
			}
		}
	}
	//nolint:gosec // G202: constants and placeholders only
	rows, err := s.read.QueryContext(ctx, `SELECT r.version, a.link, COALESCE(min(a.target), ''), COALESCE(max(a.target), ''), COALESCE(max(a.label), ''),
		count(DISTINCT CASE WHEN a.class <> 'scanner' THEN a.message END), count(DISTINCT CASE WHEN a.class = 'scanner' THEN a.message END)
		FROM campaign_recipients r JOIN activities a ON a.tenant = r.tenant AND a.message = `+s.dialect.messageOf("r.delivery")+
		" WHERE r.tenant = $1 AND r.campaign = $2 AND a.kind = 'clicked' AND a.link > 0 AND a.target <> '' GROUP BY r.version, a.link", t[:], number[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var l campaign.LinkCount
		var last string
		err := row.Scan(&l.Version, &l.Number, &l.Target, &last, &l.Label, &l.Persons, &l.Machines)
		key := linkOf{l.Version, l.Number}
		if have := found[key]; have != nil && (have.Target != l.Target || l.Target != last) {
			l.Label = have.Label
			l.Varies = true
		}
		l.Varies = l.Varies || l.Target != last
		found[key] = &l
		return err
	})
	if err != nil {
		return nil, err
	}
	//nolint:gosec // G202: constants of the dialect only
	rows, err = s.read.QueryContext(ctx, `SELECT r.version, c.link, CAST(sum(CASE WHEN c.persons > 0 THEN 1 ELSE 0 END) AS BIGINT), CAST(sum(CASE WHEN c.machines > 0 THEN 1 ELSE 0 END) AS BIGINT)
		FROM campaign_recipients r JOIN activity_counts c ON c.tenant = r.tenant AND c.message = `+s.dialect.messageOf("r.delivery")+
		" WHERE r.tenant = $1 AND r.campaign = $2 AND c.link > 0 GROUP BY r.version, c.link", t[:], number[:])
	err = scan(rows, err, func(row *sql.Rows) error {
		var at linkOf
		var persons, machines int64
		err := row.Scan(&at.version, &at.number, &persons, &machines)
		if l := found[at]; l != nil {
			l.Persons, l.Machines = l.Persons+persons, l.Machines+machines
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	list := make([]campaign.LinkCount, 0, len(found))
	for _, l := range found {
		list = append(list, *l)
	}
	slices.SortFunc(list, func(a, b campaign.LinkCount) int {
		return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.Number, b.Number))
	})
	return list, nil
}
