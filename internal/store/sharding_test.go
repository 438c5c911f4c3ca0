package store_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"stafette/internal/store"
	"stafette/internal/store/storetest"
)

// acrossTenants are the statements on sharded tables that name no tenant, by a part
// of their text, and why each may ask all shards. None is on the way of a mail. What
// compares rows of several tables must do so tenant by tenant, see answersByShard.
var acrossTenants = map[string]string{
	"AND d.day < $n)) IS TRUE ORDER BY t.id":        "a chore that one node does every hour",
	"AND d.due_at <= $n)) IS TRUE ORDER BY t.id":    "which tenants have due work: asked by each node every two seconds, not for each mail",
	"SELECT min(d.due_at) FROM tenants t":           "when the next work falls due: asked by each node every two seconds",
	"d.owner = $n AND d.state":                      "whether a dead epoch holds anything: only after a death",
	"('deferred', 'held'))) IS TRUE ORDER BY t.id":  "an operator's command or view over the whole platform",
	"ORDER BY d.id LIMIT":                           "a chore that one node does every hour",
	"d.state = 'deferred' ORDER BY d.tenant":        "a chore that one node does every five minutes",
	"SELECT count(*) FROM deliveries WHERE":         "depth of the queue over all tenants, for operators",
	"SELECT state, count(*) FROM deliveries":        "depth of the queue over all tenants, for operators",
	"DELETE FROM idempotency WHERE expires_at":      "a chore that one node does every five minutes",
	"DELETE FROM suppressions WHERE expires_at":     "a chore that one node does every five minutes",
	"FROM list_checks WHERE state IN":               "which lists are to be checked: asked by one node every few seconds, a look into an index that is empty as a rule",
	"FROM list_checks WHERE expires_at":             "a chore that one node does every hour",
	"FROM consents WHERE expires_at <= $n":          "a chore that one node does every hour",
	"FROM contact_merges WHERE expires_at":          "a chore that one node does every hour",
	"FROM contact_groups WHERE gone = 1":            "a chore that one node does every hour",
	"FROM bulk_halts ORDER BY at":                   "a page for staff, who look at all tenants",
	"FROM reports_due WHERE due_at":                 "whether any report is due: a look into an index that is empty as a rule",
	"FROM reports_due d WHERE d.due_at":             "which reports are due: asked only when there is one",
	"FROM tenants t CROSS JOIN deliveries d":        "whose delivery a return path names: once for each mail that comes back",
	"DELETE FROM suppression_strikes WHERE at":      "a chore that one node does every five minutes",
	"FROM tally_notes d GROUP BY d.tenant":          "whose notes are to be added to the figures: asked by each node every two seconds, not for each mail",
	"FROM leads WHERE state = 'taken'":              "a chore that one node does twice a minute: a look into an index that is empty as a rule",
	"FROM leads WHERE sealed IS NOT NULL":           "a chore that one node does every hour",
	"FROM redeliveries WHERE state = 'running'":     "which redeliveries are due: asked by one node every few seconds, a look into an index that is empty as a rule",
	"FROM campaigns c WHERE c.due_at IS NOT NULL":   "which campaigns are due: asked by one node every two seconds, a look into an index that is empty as a rule",
	"FROM series s WHERE s.next_at IS NOT NULL":     "which series have something to do: asked by one node every two seconds, a look into an index",
	"FROM feeds f WHERE f.next_at IS NOT NULL":      "which feeds are to be looked at: asked by one node every minute, a look into an index",
	"FROM campaign_checks WHERE finished = 0":       "which mailings are being looked over: asked by one node every four seconds, a look into an index that is empty as a rule",
	"FROM archive_terms WHERE days":                 "a chore that one node does every hour",
	"FROM lead_cases WHERE state = 'closed'":        "a chore that one node does every hour",
	"FROM approvals WHERE id =":                     "staff open a case by its identifier: a look into an index",
	"FROM approvals WHERE state IN":                 "the queue of reviewers, who look at all tenants, and a chore that one node does every minute: an index of what is open",
	"FROM approvals WHERE freed":                    "a chore that one node does every minute: a look into an index that is empty as a rule",
	"FROM approvals d WHERE d.tenant = t.id":        "a chore that one node does every hour",
	"FROM approval_alarms WHERE ended_at":           "a page for staff, who look at all tenants",
	"FROM approval_alarms WHERE freed":              "a chore of each node four times a minute: a look into an index that is empty as a rule",
	"DELETE FROM approval_patterns WHERE at":        "a chore that one node does every hour",
	"FROM privacy_settings WHERE gather":            "a chore that one node does every minute",
	"SELECT tenant, seq FROM suppression_marks":     "which tenants suppressed somebody: asked by each node twice a second, one row a tenant",
	"FROM contact_imports WHERE state IN ('running": "which lists are to be imported: asked by one node every few seconds, a look into an index that is empty as a rule",
	"FROM contact_imports WHERE expires_at":         "a chore that one node does every hour",
	"FROM offer_acts WHERE answered":                "a chore that one node does every half minute: a look into an index that is empty as a rule",
	"FROM ledger_accounts WHERE plan <>":            "a page for staff, who look at all tenants, and a chore that one node does every few seconds: one row a tenant with a plan",
	"FROM ledger_accounts WHERE waiting":            "a chore that one node does every few seconds: a look into an index that is empty as a rule",
	"FROM group_tallies WHERE start >=":             "a chore that one node does twice a minute: an index of the last hours",
	"DELETE FROM group_tallies WHERE start":         "a chore that one node does every hour",
	"FROM group_pauses ORDER BY at":                 "a page for staff, who look at all tenants",
	"FROM group_pauses WHERE freed = 0":             "a chore that one node does twice a minute: a look into an index that is empty as a rule",
	"FROM tickets WHERE id =":                       "staff open a ticket by its identifier: a look into an index",
	"FROM tickets WHERE state":                      "the queue of staff, who look at all tenants, and a chore that one node does every hour: an index",
	"DELETE FROM webhook_deeds WHERE id <":          "a chore that one node does every hour",
	"FROM webhook_notes d GROUP BY d.tenant":        "whose facts are to be told to webhooks: asked by each node every second, a look into a table that is empty as a rule",
}

// witness remembers every statement that was sent. It is safe for concurrent use.
type witness struct {
	mu    sync.Mutex
	texts map[string]bool
}

// TraceQueryStart implements pgx.QueryTracer.
func (w *witness) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	w.note(q.SQL)
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (w *witness) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TracePrepareStart implements pgx.PrepareTracer.
func (w *witness) TracePrepareStart(ctx context.Context, _ *pgx.Conn, q pgx.TracePrepareStartData) context.Context {
	w.note(q.SQL)
	return ctx
}

// TracePrepareEnd implements pgx.PrepareTracer.
func (w *witness) TracePrepareEnd(context.Context, *pgx.Conn, pgx.TracePrepareEndData) {}

func (w *witness) note(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts[text] = true
}

var (
	spaces    = regexp.MustCompile(`\s+`)
	lists     = regexp.MustCompile(`\$n(, ?\$n)+`)
	rows      = regexp.MustCompile(`\(\$n\)(, ?\(\$n\))+`)
	numbers   = regexp.MustCompile(`\$\d+`)
	mentioned = regexp.MustCompile(`(?i)\b(?:FROM|JOIN|INTO|UPDATE) (\w+)`)
	// A tenant is named by a parameter, or by a row of an array parameter.
	named = regexp.MustCompile(`\b(?:\w+\.)?tenant = (?:\$n|v\.tenant)`)
	equal = regexp.MustCompile(`\btenant = `)
	// New rows name theirs.
	inserted = regexp.MustCompile(`(?i)^INSERT INTO \w+ \((?:\w+, )*tenant\b`)
)

func shape(text string) string {
	text = numbers.ReplaceAllString(strings.TrimSpace(spaces.ReplaceAllString(text, " ")), "$$n")
	return rows.ReplaceAllString(lists.ReplaceAllString(text, "$$n"), "($$n)")
}

// shapes returns the different statements on sharded tables, without how many rows
// or parameters each had. What changes the schema is not work.
func (w *witness) shapes(sharded []string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for text := range w.texts {
		s := shape(text)
		if strings.HasPrefix(s, "CREATE") || strings.HasPrefix(s, "ALTER") || strings.HasPrefix(s, "DROP") {
			continue
		}
		for _, m := range mentioned.FindAllStringSubmatch(s, -1) {
			if slices.Contains(sharded, m[1]) {
				all = append(all, s)
				break
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestPostgres runs the conformance suite and holds every statement it made the
// store send to the rule that lets tenants live on different machines: it names
// its tenant, or it is a known exception.
func TestPostgres(t *testing.T) {
	w := &witness{texts: map[string]bool{}}
	storetest.Run(t, func(t testing.TB, cfg store.Config) *store.Store {
		cfg.Tracer = w
		return openPostgres(t, cfg)
	})
	t.Run("StatementsNameTheirTenant", func(t *testing.T) {
		sharded := shardedTables(t)
		judge(t, w.shapes(sharded), sharded)
	})
}

// namesTenant reports whether a statement says whose rows it wants, once for every
// sharded table that it reads.
func namesTenant(s string, sharded []string) bool {
	tables := 0
	for _, m := range mentioned.FindAllStringSubmatch(s, -1) {
		if slices.Contains(sharded, m[1]) {
			tables++
		}
	}
	return named.MatchString(s) && len(equal.FindAllString(s, -1)) >= tables
}

// answersByShard reports whether every shard can answer a statement for its own
// tenants, so that the answers need only be put together: nothing is walked row by
// row, and every look into a sharded table is of the tenant of the row at hand. A LIMIT
// inside such a look is what distributed planners refuse.
func answersByShard(s string, sharded []string) bool {
	if strings.Contains(s, "RECURSIVE") || strings.Contains(s, "LATERAL") {
		return false
	}
	if !strings.Contains(s, " FROM tenants t ") {
		return strings.Count(s, " FROM ") == 1 && !strings.Contains(s, " JOIN ")
	}
	looks := 0
	for _, m := range mentioned.FindAllStringSubmatch(s, -1) {
		if slices.Contains(sharded, m[1]) {
			looks++
		}
	}
	inner := s[:strings.LastIndexByte(s, ')')+1]
	return strings.Count(s, "d.tenant = t.id") == looks && !strings.Contains(inner, "LIMIT")
}

func judge(t *testing.T, shapes, sharded []string) {
	used := map[string]bool{}
	for _, s := range shapes {
		if inserted.MatchString(s) || namesTenant(s, sharded) {
			continue
		}
		excused := false
		for part := range acrossTenants {
			if strings.Contains(s, part) {
				used[part], excused = true, true
			}
		}
		if excused && !answersByShard(s, sharded) {
			t.Errorf("one shard cannot answer for its own tenants: %s", s)
		}
		if !excused {
			t.Errorf("names no tenant: %s", s)
		}
	}
	for part := range acrossTenants {
		if !used[part] {
			t.Errorf("no statement needs this exception any more: %s", part)
		}
	}
	if len(shapes) < 30 {
		t.Errorf("only %d statements were seen", len(shapes))
	}
}

// TestAnswersByShard shows the rule what it is there to catch.
func TestAnswersByShard(t *testing.T) {
	sharded := []string{"deliveries", "messages"}
	for text, want := range map[string]bool{
		"SELECT count(*) FROM deliveries WHERE state = 'held'":                                                                        true,
		"SELECT t.id FROM tenants t WHERE (EXISTS (SELECT 1 FROM deliveries d WHERE d.tenant = t.id)) IS TRUE ORDER BY t.id LIMIT $n": true,
		"SELECT t.id FROM tenants t WHERE (EXISTS (SELECT 1 FROM deliveries d WHERE d.owner = $n)) IS TRUE":                           false,
		"SELECT t.id FROM tenants t WHERE (SELECT 1 FROM deliveries d WHERE d.tenant = t.id LIMIT 1) IS NOT NULL":                     false,
		"WITH RECURSIVE busy (t) AS (SELECT tenant FROM deliveries) SELECT t FROM busy":                                               false,
		"SELECT d.id FROM deliveries d JOIN messages m ON m.id = d.id":                                                                false,
	} {
		if answersByShard(text, sharded) != want {
			t.Errorf("%v: %s", !want, text)
		}
	}
}
