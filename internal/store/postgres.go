package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// postgresConns bounds the connections of one process: the committer, the claims
// and a handful of readers.
const postgresConns = 16

// idleInTransaction is how long the server keeps a transaction whose node has fallen
// silent within it. Its locks keep others from declaring the node dead.
const idleInTransaction = 20 * time.Second

func (s *Store) connectPostgres(ctx context.Context) error {
	conf, err := pgx.ParseConfig(s.cfg.URL)
	if err != nil {
		return errors.New("database URL cannot be read") // the cause may quote the password
	}
	// A server set to acknowledge before it has flushed would break the promise.
	conf.RuntimeParams["synchronous_commit"] = "on"
	conf.RuntimeParams["idle_in_transaction_session_timeout"] = strconv.FormatInt(idleInTransaction.Milliseconds(), 10)
	if conf.RuntimeParams["application_name"] == "" {
		conf.RuntimeParams["application_name"] = "stafette"
	}
	dialWell(conf)
	conf.Tracer = s.cfg.Tracer
	s.dialect = postgresDialect{}
	s.write = stdlib.OpenDB(*conf)
	s.write.SetMaxOpenConns(postgresConns)
	s.write.SetMaxIdleConns(postgresConns)
	s.read = s.write
	// Other nodes drop days: the day is that of the clock they share.
	s.archive = &tableArchive{db: s.write, now: s.Now}
	return s.write.PingContext(ctx)
}

type postgresDialect struct{}

func (postgresDialect) name() string { return "postgres" }

func (postgresDialect) shareRow() string  { return " FOR SHARE" }
func (postgresDialect) lockRow() string   { return " FOR UPDATE" }
func (postgresDialect) onlyProcess() bool { return false }

func (postgresDialect) overwriting() (on, off string) { return "", "" }
func (postgresDialect) checkpoint() string            { return "" }

// clock is not that of the transaction, which stands still.
func (postgresDialect) clock() string {
	return "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
}

func (postgresDialect) numbered(n int) string    { return fmt.Sprintf("$%d", n) }
func (postgresDialect) placeholder(n int) string { return fmt.Sprintf("$%d", n) }

func (postgresDialect) insert() string { return "INSERT" }

func (postgresDialect) through(string) string { return "" }

func (postgresDialect) lockRows(skip bool) string {
	if skip {
		return " FOR UPDATE OF d SKIP LOCKED"
	}
	return " FOR UPDATE OF d"
}

func (d postgresDialect) messageOf(column string) string { return d.deliveryAt(column, 0) }

func (postgresDialect) deliveryAt(column string, number uint16) string {
	return fmt.Sprintf(`(substring(%s from 1 for 14) || '\x%04x'::bytea)`, column, number)
}

func (postgresDialect) byteAt(column string, n int) string {
	return fmt.Sprintf("get_byte(%s, %d)", column, n-1)
}

// lowest goes by the text: the least of bytea is only known since PostgreSQL 18.
func (postgresDialect) lowest(column string) string {
	return "decode(min(encode(" + column + ", 'hex') COLLATE \"C\"), 'hex')"
}

func (postgresDialect) instantAt(column, key string) string {
	return "CAST(extract(epoch FROM CAST(CAST(" + column + " AS jsonb) ->> '" + key + "' AS timestamptz)) * 1000 AS bigint)"
}

func (postgresDialect) elements(column string) string {
	return "jsonb_array_elements(CAST(" + column + " AS jsonb))"
}

func (postgresDialect) offsets(column string, width, _ int) string {
	return fmt.Sprintf("LATERAL generate_series(1, length(%s), %d) AS p (value)", column, width)
}

func (postgresDialect) textAt(column, key string) string {
	return "(CAST(" + column + " AS JSONB) ->> CAST(" + key + " AS TEXT))"
}

func (postgresDialect) domainIn(text string) string {
	return "substr(" + text + ", strpos(" + text + ", '@') + 1)"
}

// numberIn guards the cast: what a field held before it became one of numbers stays.
func (postgresDialect) numberIn(text string) string {
	return "CASE WHEN " + text + " ~ '^[+-]?[0-9]+([.][0-9]*)?$' THEN CAST(" + text + " AS DOUBLE PRECISION) END"
}

func (postgresDialect) classify(err error) failure {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		if lostConnection(err) {
			return failDown
		}
		return failOther
	}
	switch {
	case e.Code == "23505":
		return failConflict
	case e.Code == "40001", e.Code == "40P01": // serialization_failure, deadlock_detected
		return failClash
	case e.Code == "53100": // disk_full
		return failFull
	case e.Code[:2] == "08", e.Code[:2] == "57", e.Code[:2] == "53", e.Code == "25006":
		// connection, operator intervention, resources, a standby that is read-only
		return failDown
	case e.Code[:2] == "58":
		// io_error: the server itself panics when a flush fails and recovers from
		// its log, so nothing here is in doubt.
		return failDown
	}
	return failOther
}

const postgresSettle = `UPDATE deliveries d SET state = v.state, reason = v.reason, host = v.host, attempts = v.attempts,
	owner = 0, signature = v.signature, due_at = CASE WHEN v.state = 'deferred' THEN v.due_at ELSE d.due_at END,
	updated_at = v.updated_at
	FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::bytea[],
		$8::bigint[], $9::bigint[], $10::bigint[])
		AS v (tenant, id, state, reason, host, attempts, signature, due_at, updated_at, epoch)
	WHERE d.tenant = v.tenant AND d.id = v.id
	AND (d.owner = v.epoch AND d.state IN ('queued', 'deferred')
		OR v.state = 'delivered' AND d.owner = 0 AND d.state IN ('queued', 'deferred', 'held', 'cancelled'))
	RETURNING d.tenant, d.id`

func lostConnection(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// settlementColumns are the arrays of postgresSettle.
type settlementColumns struct {
	tenant, id, signature    [][]byte
	state, reason, host      []string
	attempts                 []int32
	dueAt, updatedAt, epochs []int64
}

func (postgresDialect) settleTexts() []string { return []string{postgresSettle} }

func (postgresDialect) settle(ctx context.Context, st *statements, tx *sql.Tx, list []queue.Settlement) ([]bool, error) {
	changed := make([]bool, len(list))
	// One statement changes a row once: what names a delivery again waits for the
	// next round. Rows are taken in one order, so that nodes cannot deadlock.
	rest := make([]int, len(list))
	for i := range rest {
		rest[i] = i
	}
	slices.SortStableFunc(rest, func(a, b int) int { return compareSettlements(&list[a], &list[b]) })
	for len(rest) > 0 {
		var now, later []int
		for n, i := range rest {
			if n > 0 && compareSettlements(&list[rest[n-1]], &list[i]) == 0 {
				later = append(later, i)
			} else {
				now = append(now, i)
			}
		}
		if err := settleDistinct(ctx, st, tx, list, now, changed); err != nil {
			return nil, err
		}
		rest = later
	}
	return changed, nil
}

func compareSettlements(a, b *queue.Settlement) int {
	if c := slices.Compare(a.Tenant[:], b.Tenant[:]); c != 0 {
		return c
	}
	return slices.Compare(a.Delivery[:], b.Delivery[:])
}

func settleDistinct(ctx context.Context, st *statements, tx *sql.Tx, list []queue.Settlement, pick []int, changed []bool) error {
	var c settlementColumns
	type key struct {
		tenant   tenant.ID
		delivery message.DeliveryID
	}
	at := make(map[key]int, len(pick))
	for _, i := range pick {
		v := &list[i]
		at[key{v.Tenant, v.Delivery}] = i
		c.tenant, c.id = append(c.tenant, v.Tenant[:]), append(c.id, v.Delivery[:])
		c.state, c.reason, c.host = append(c.state, string(v.State)), append(c.reason, v.Event.Reason), append(c.host, plain(v.Host))
		c.attempts, c.signature = append(c.attempts, int32(v.Attempts)), append(c.signature, keptSignature(v))
		c.dueAt, c.updatedAt = append(c.dueAt, millis(v.DueAt)), append(c.updatedAt, millis(v.Event.At))
		c.epochs = append(c.epochs, int64(v.Epoch))
	}
	rows, err := st.query(ctx, tx, postgresSettle, c.tenant, c.id, c.state, c.reason, c.host, c.attempts, c.signature,
		c.dueAt, c.updatedAt, c.epochs)
	return scan(rows, err, func(row *sql.Rows) error {
		var k key
		if err := row.Scan(&k.tenant, &k.delivery); err != nil {
			return err
		}
		changed[at[k]] = true
		return nil
	})
}
