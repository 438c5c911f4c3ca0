// Package history fills the database of a Stafette that is not running: with years of
// mail that was sent, or with a queue that waits. What would take hours through the
// doors takes a minute; the figures of growth are measured on it.
//
// It knows the product's schema on SQLite and writes whole rows as the product does, all
// indexes included. Nothing it writes is flushed: a database that breaks is made anew.
package history

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	_ "modernc.org/sqlite" // the product's database

	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// Spacing lies between two messages of the past.
const Spacing = 100 * time.Millisecond

// Database is the database of one data directory.
type Database struct {
	dir    string
	domain string
	db     *sql.DB
	tenant []byte
}

// Open opens the database in the data directory of a platform with one tenant, which
// sends from info@domain.
func Open(ctx context.Context, dir, domain string) (*Database, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "stafette.db")+
		"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=cache_size(-400000)&_pragma=temp_store(MEMORY)")
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	db.SetMaxOpenConns(1)
	d := &Database{dir: dir, domain: domain, db: db}
	if err := db.QueryRowContext(ctx, "SELECT id FROM tenants").Scan(&d.tenant); err != nil {
		return nil, errors.Join(fmt.Errorf("find tenant: %w", err), db.Close())
	}
	return d, nil
}

// Close closes the database.
func (d *Database) Close() error { return d.db.Close() }

// Recipient is the address of the n-th message of the past. Neighbours lie far apart.
func Recipient(n int) string {
	return fmt.Sprintf("h.%08x@d%02d.example", uint32(n)*scatter, n%50)
}

// scatter is odd, so that no two numbers below 2^32 meet.
const scatter = 2654435761

// numbers and identifiers in SQL: of message i, accepted at ms; h is all but the last four
// digits of its identifier.
const (
	numbers = "WITH RECURSIVE n(i) AS (SELECT @from UNION ALL SELECT i+1 FROM n WHERE i+1 < @to), m AS MATERIALIZED (SELECT i, " +
		"@began + i*@spacing AS ms, printf('%012x7%03x8%03x%08x', @began + i*@spacing, i & 4095, @kind, i) AS h FROM n) "
	messageOf = "unhex(h || '0000')"
	delivery  = "unhex(h || '0001')"
	accepted  = "unhex(h || '0002')" // the first event
	ended     = "unhex(h || '0003')" // the last
	recipient = "printf('h.%08x@d%02d.example', (i*2654435761) & 4294967295, i%50)"
	// Who waits for newsletters was not written to before.
	subscriber = "printf('n.%08x@d%02d.example', (i*2654435761) & 4294967295, i%50)"
	host       = "printf('mx.d%02d.example', i%50)"
)

// messageID is messageOf in Go.
func messageID(ms int64, i, kind int) (id message.ID) {
	_, _ = hex.Decode(id[:], fmt.Appendf(nil, "%012x7%03x8%03x%08x0000", ms, i&4095, kind, i))
	return id
}

// The kinds keep the identifiers of the past and of the queue apart.
const (
	kindPast  = 1
	kindQueue = 2
)

const messageColumns = `INSERT INTO messages (tenant, id, stream, actor, door, sender, from_box, to_boxes, subject, sign_domain, size, salt,
	eight_bit, utf8, recipients, accepted_at, expires_at, body_day, body_segment, body_offset, body_length) `

const deliveryColumns = `INSERT INTO deliveries (tenant, id, recipient, hidden, state, reason, host, attempts, owner, urgency,
	due_at, expires_at, updated_at) `

const eventColumns = "INSERT INTO events (tenant, message, id, number, type, at, actor, reason, attempt) "

const attempt = `'{"number":1,"source":"192.0.2.7","ehlo":"mail.muster.example","mx":"' || ` + host + ` || '","address":"198.51.100.9:25",` +
	`"tls":"TLS 1.3","cipher":"TLS_AES_128_GCM_SHA256","stage":"dot","code":250,"enhanced":"2.0.0","reply":"taken","outcome":"delivered","took_ns":41234567}'`

const fiveDays = "432000000"

// past writes what accepting and delivering n messages leaves behind. One in a hundred
// was refused.
var past = [...]string{
	messageColumns + "SELECT @tenant, " + messageOf + `, 'transactional', 'key_history', 'http', 'info@' || @domain, '["Muster","info","' || @domain || '"]',
		'[["","h","d.example"]]', 'Ihre Anfrage ' || i, @domain, 10240, ` + "unhex(h || '0000' || h || '0000')" + `,
		0, 0, 1, ms, ms + ` + fiveDays + ", ms/86400000, 1, 0, 10256 FROM m",
	deliveryColumns + "SELECT @tenant, " + delivery + ", " + recipient + ", 0, iif(i%100=0, 'bounced', 'delivered'), iif(i%100=0, 'mailbox_unknown', ''), " +
		host + ", 1, 0, 0, ms, ms + " + fiveDays + ", ms + 2000 FROM m",
	eventColumns + "SELECT @tenant, " + messageOf + ", " + accepted + ", 0, 'accepted', ms, 'key_history', '', NULL FROM m",
	eventColumns + "SELECT @tenant, " + messageOf + ", " + ended + ", 1, iif(i%100=0, 'bounced', 'delivered'), ms + 2000, 'system', '', " + attempt + " FROM m",
}

// Fill adds the messages from to to-1 of the past, each with one delivery. The past
// begins at began, which must be the same in all calls.
func (d *Database) Fill(ctx context.Context, began time.Time, from, to int) error {
	return d.insert(ctx, from, to, past[:], sql.Named("began", began.UnixMilli()),
		sql.Named("spacing", Spacing.Milliseconds()), sql.Named("kind", kindPast))
}

// waiting writes what accepting newsletters leaves behind.
var waiting = [...]string{
	messageColumns + "SELECT @tenant, " + messageOf + `, 'newsletter', 'key_history', 'http', 'info@' || @domain, '["Muster","info","' || @domain || '"]',
		'[["","h","d.example"]]', 'Rundbrief', @domain, @size, ` + "unhex(h || '0000' || h || '0000')" + `,
		0, 0, 1, ms, ms + ` + fiveDays + ", @day, @segment, @first + i*@record, @sealed FROM m",
	deliveryColumns + "SELECT @tenant, " + delivery + ", " + subscriber + ", 0, 'queued', '', '', 0, 0, 2, ms, ms + " + fiveDays + ", ms FROM m",
	eventColumns + "SELECT @tenant, " + messageOf + ", " + accepted + ", 0, 'accepted', ms, 'key_history', '', NULL FROM m",
}

// Queue adds n newsletters that are due since now, with their bodies.
func (d *Database) Queue(ctx context.Context, now time.Time, n int) error {
	body := []byte("From: Muster <info@" + d.domain + ">\r\nTo: undisclosed-recipients:;\r\nSubject: Rundbrief\r\n" +
		"Date: Sat, 21 Nov 2026 09:30:00 +0100\r\nMessage-ID: <rundbrief@" + d.domain + ">\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: text/plain; charset=us-ascii\r\n\r\nGuten Tag,\r\n\r\nhier sind unsere neuen Wohnungen.\r\n")
	first, err := d.bodies(body, now, n)
	if err != nil {
		return fmt.Errorf("write bodies: %w", err)
	}
	return d.insert(ctx, 0, n, waiting[:], sql.Named("began", now.UnixMilli()), sql.Named("spacing", 0),
		sql.Named("kind", kindQueue), sql.Named("size", len(body)), sql.Named("day", int(first.Day)), sql.Named("segment", int(first.Segment)),
		sql.Named("first", first.Offset), sql.Named("record", recordHeader+int(first.Length)), sql.Named("sealed", int(first.Length)))
}

// recordHeader is what spool puts before each body.
const recordHeader = 32

// bodies writes the same body n times, each sealed for its message, one behind the other,
// and returns where the first lies.
func (d *Database) bodies(body []byte, now time.Time, n int) (first spool.Ref, err error) {
	keeper, err := seal.Load(filepath.Join(d.dir, "root.key"))
	if err != nil {
		return first, err
	}
	files, err := spool.OpenFiles(spool.FilesConfig{Dir: filepath.Join(d.dir, "bodies"), Now: func() time.Time { return now }, SegmentSize: 1 << 40})
	if err != nil {
		return first, err
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	const together = 10_000 // in memory
	for start := 0; start < n; start += together {
		var list []spool.Body
		for i := start; i < min(start+together, n); i++ {
			id := messageID(now.UnixMilli(), i, kindQueue)
			sealed, err := keeper.SealBody(nil, body, seal.Salt(append(id[:], id[:]...)))
			if err != nil {
				return first, err
			}
			list = append(list, spool.Body{Message: id, Sealed: sealed})
		}
		refs, err := files.Append(list)
		if err != nil {
			return first, err
		}
		if start == 0 {
			first = refs[0]
		}
		last, want := refs[len(refs)-1], first.Offset+int64(start+len(refs)-1)*int64(recordHeader+int(first.Length))
		if last.Segment != first.Segment || last.Offset != want {
			return first, fmt.Errorf("body %d lies at %d, not at %d", start+len(refs)-1, last.Offset, want)
		}
	}
	return first, nil
}

// part is how many messages one statement writes at most.
const part = 200_000

// insert runs the statements for the messages from to to-1. Where these are many, the
// index that does not grow at its end is built anew.
func (d *Database) insert(ctx context.Context, from, to int, texts []string, args ...any) error {
	args = append(args, sql.Named("tenant", d.tenant), sql.Named("domain", d.domain))
	index := ""
	if to-from >= part {
		if err := d.db.QueryRowContext(ctx, "SELECT sql FROM sqlite_master WHERE name = 'deliveries_recipient'").Scan(&index); err != nil {
			return fmt.Errorf("insert history: %w", err)
		}
		if _, err := d.db.ExecContext(ctx, "DROP INDEX deliveries_recipient"); err != nil {
			return fmt.Errorf("insert history: %w", err)
		}
	}
	for start := from; start < to; start += part {
		bounds := append(slices.Clone(args), sql.Named("from", start), sql.Named("to", min(start+part, to)))
		for _, text := range texts {
			if _, err := d.db.ExecContext(ctx, numbers+text, bounds...); err != nil {
				return fmt.Errorf("insert history: %w", err)
			}
		}
	}
	if index != "" {
		if _, err := d.db.ExecContext(ctx, index); err != nil {
			return fmt.Errorf("build index: %w", err)
		}
	}
	return nil
}

// Tenant is the tenant's identifier.
func (d *Database) Tenant() tenant.ID { return tenant.ID(d.tenant) }

// Cancel ends a delivery that waits, whoever holds it.
func (d *Database) Cancel(ctx context.Context, id message.DeliveryID) error {
	_, err := d.db.ExecContext(ctx, "UPDATE deliveries SET state = 'cancelled', owner = 0 WHERE tenant = ? AND id = ?", d.tenant, id[:])
	if err != nil {
		return fmt.Errorf("cancel delivery: %w", err)
	}
	return nil
}
