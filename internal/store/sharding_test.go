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
// of their text, and why each may ask all shards.
var acrossTenants = map[string]string{
	"idle (owner) AS":                           "which tenants have due work: asked by each node every two seconds, not for each mail",
	"DELETE FROM epochs WHERE":                  "a dead epoch is forgotten when it holds nothing: only after a death",
	"holding (t) AS":                            "an operator's command or view over the whole platform",
	"SELECT count(*) FROM deliveries WHERE":     "depth of the queue over all tenants, for operators",
	"SELECT state, count(*) FROM deliveries":    "depth of the queue over all tenants, for operators",
	"DELETE FROM idempotency WHERE expires_at":  "a chore that one node does every five minutes",
	"DELETE FROM suppressions WHERE expires_at": "a chore that one node does every five minutes",
	"DELETE FROM suppression_strikes WHERE at":  "a chore that one node does every five minutes",
	"SELECT tenant, seq FROM suppression_marks": "which tenants suppressed somebody: asked by each node twice a second, one row a tenant",
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
