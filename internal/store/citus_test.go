package store_test

import (
	"database/sql"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"stafette/internal/store"
)

var (
	distributed = regexp.MustCompile(`(?m)^SELECT create_distributed_table\('(\w+)', 'tenant'`)
	placed      = regexp.MustCompile(`(?m)^(?:SELECT create_\w+_table\('|-- local: )(\w+)`)
)

func names(re *regexp.Regexp, text []byte) []string {
	var all []string
	for _, m := range re.FindAllSubmatch(text, -1) {
		all = append(all, string(m[1]))
	}
	slices.Sort(all)
	return all
}

func citus(t *testing.T) []byte {
	t.Helper()
	ddl, err := os.ReadFile("../../docs/scaling/citus.sql")
	if err != nil {
		t.Fatal(err)
	}
	return ddl
}

// shardedTables are those that grow with the mail: a distributed PostgreSQL keeps
// the rows of a tenant on one shard.
func shardedTables(t *testing.T) []string {
	t.Helper()
	all := names(distributed, citus(t))
	if len(all) == 0 {
		t.Fatal("nothing is distributed")
	}
	return all
}

// TestSchemaCanBeDistributed holds docs/scaling/citus.sql to the schema: it places
// every table, and a table distributed by tenant has no unique key without tenant.
func TestSchemaCanBeDistributed(t *testing.T) {
	ddl := citus(t)
	url := postgres.URL(t)
	open(t, store.Config{URL: url, Now: time.Now})
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ask := func(text string, args ...any) []string {
		t.Helper()
		var all []string
		// One row with all names, so that there is nothing to loop over.
		err := db.QueryRowContext(t.Context(), "SELECT coalesce(array_agg(name ORDER BY name COLLATE \"C\"), '{}') FROM ("+text+") AS found (name)", args...).
			Scan(pgtype.NewMap().SQLScanner(&all))
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	tables := ask(`SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition`)
	if have := names(placed, ddl); !slices.Equal(have, tables) {
		t.Errorf("placed are %v, the schema has %v", have, tables)
	}
	sharded := shardedTables(t)
	for _, index := range ask(`SELECT i.indexrelid::regclass::text FROM pg_index i WHERE i.indisunique AND i.indrelid::regclass::text = ANY($1)
		AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attname = 'tenant' AND a.attnum = ANY(i.indkey))`, sharded) {
		t.Errorf("unique without tenant: %s", index)
	}
}
