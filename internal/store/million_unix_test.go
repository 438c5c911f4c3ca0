//go:build unix

package store

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// million is how many deliveries wait in BenchmarkMillion, each of a message of its own.
const million = 1_000_000

// fillMillion lets a tenant's newsletters wait: one in ten deferred, all with a tag, half
// of them for two domains, the rest for 5,000. Few have another tag.
func fillMillion(b *testing.B, s *Store) tenant.ID {
	b.Helper()
	who := id.New[tenant.Kind](s.cfg.Now())
	for _, text := range []string{
		"INSERT INTO tenants (id, name, state, lock_reason, locale, office_tone, customer_tone, daily_quota, created_at) VALUES ($1, 'a', 'active', '', 'de', 'sie', 'sie', 0, 0)",
		fmt.Sprintf(`INSERT INTO messages (tenant, id, stream, actor, door, sender, from_box, to_boxes, subject, sign_domain, size, eight_bit, utf8, recipients,
			accepted_at, expires_at, body_day, body_segment, body_offset, body_length, tags, salt)
			WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i+1 < %d)
			SELECT $1, CAST(unhex(printf('%%012x', 1700000000000 + i*100)) || x'70008000' || randomblob(4) || x'0000' AS BLOB), 'newsletter', 'key_1', 'http',
			'b@a.example', '["","info","a.example"]', '[["","kunde","kunde.example"]]', 'Ein Betreff, wie er ist', 'a.example', 20000, 0, 0, 1,
			1700000000000, 1800000000000, 19000, 1, 1, 20000, '["mai"]', randomblob(32) FROM n`, million),
		`INSERT INTO deliveries (tenant, id, recipient, hidden, state, reason, host, attempts, owner, urgency, due_at, expires_at, updated_at)
			SELECT tenant, CAST(substr(id, 1, 14) || x'0001' AS BLOB), 'kunde' || hex(substr(id, 11, 3)) || '@' ||
			CASE abs(random())%4 WHEN 0 THEN 'gmx.example' WHEN 1 THEN 'web.example' ELSE 'd' || (abs(random())%5000) || '.example' END, 0,
			CASE abs(random())%10 WHEN 0 THEN 'deferred' ELSE 'queued' END, '', '', 0, 0, 2, 1700000000000 + abs(random())%1000000, 1800000000000, 1700000000000
			FROM messages WHERE tenant = $1`,
		"INSERT INTO message_tags SELECT tenant, 'mai', id FROM messages WHERE tenant = $1",
		"INSERT INTO message_tags SELECT tenant, 'wenige', id FROM messages WHERE tenant = $1 LIMIT 300",
		"INSERT INTO message_tags SELECT tenant, 'einige', id FROM messages WHERE tenant = $1 LIMIT 6000",
	} {
		if _, err := s.write.ExecContext(b.Context(), text, who[:]); err != nil {
			b.Fatal(err)
		}
	}
	return who
}

// reportTimes reports the processor time of one turn, which a machine that does other work
// too does not distort.
func reportTimes(b *testing.B) (done func()) {
	cpu := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	began, at := cpu(), time.Now()
	return func() {
		b.ReportMetric((cpu()-began).Seconds()/float64(b.N), "cpu-s/op")
		b.ReportMetric(time.Since(at).Seconds()/float64(b.N), "wall-s/op")
	}
}

// endOrder makes due what an order on a tag put off, in the parts that an Operator takes,
// and puts it off again.
func endOrder(b *testing.B, s *Store, who tenant.ID) {
	b.Helper()
	ctx, now := context.Background(), time.UnixMilli(1_700_000_000_000-1)
	changed := 0
	for _, state := range queue.Due.From() {
		sel := queue.Selection{Tenant: who, Tag: "einige", States: []event.State{state}, Limit: 500}
		for {
			part, err := s.ApplyNoted(ctx, queue.Due, sel, "usr", "", now)
			if err != nil {
				b.Fatal(err)
			}
			if changed += len(part); len(part) < sel.Limit {
				break
			}
			sel.After, sel.AfterDue = part[len(part)-1].Delivery, part[len(part)-1].DueAt
		}
	}
	if changed != 6000 {
		b.Fatalf("%d fell due", changed)
	}
	if _, err := s.write.ExecContext(ctx, "UPDATE deliveries SET due_at = 1700000000000 + abs(random())%1000000 WHERE tenant = $1 AND due_at < 1700000000000", who[:]); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkMillion is what people wait for who look at a million deliveries on SQLite:
// previews by what narrows them, and the ages of the queue.
func BenchmarkMillion(b *testing.B) {
	s, err := Open(b.Context(), Config{DataDir: b.TempDir(), Now: func() time.Time { return time.UnixMilli(1_700_200_000_000) }})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}()
	who := fillMillion(b, s)
	for _, c := range []struct {
		name string
		sel  queue.Selection
	}{
		{"everything", queue.Selection{Platform: true}},
		{"domain", queue.Selection{Tenant: who, Domain: "gmx.example"}},
		{"stream", queue.Selection{Tenant: who, Stream: tenant.Newsletter}},
		{"tag", queue.Selection{Tenant: who, Tag: "mai"}},
		{"rare tag", queue.Selection{Tenant: who, Tag: "wenige"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			defer reportTimes(b)()
			for b.Loop() {
				if _, err := s.Survey(context.Background(), c.sel, queue.Hold.From()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("part of a command on a rare tag", func(b *testing.B) {
		defer reportTimes(b)()
		for b.Loop() {
			if _, err := s.selected(context.Background(), s.read, queue.Selection{Tenant: who, Tag: "wenige", Limit: 500}, queue.Hold.From(), time.Time{}, ""); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("end of an order on a tag of 6,000", func(b *testing.B) {
		defer reportTimes(b)()
		for b.Loop() {
			endOrder(b, s, who)
		}
	})
	b.Run("ages", func(b *testing.B) {
		defer reportTimes(b)()
		for b.Loop() {
			if _, err := queue.NewAgeBook(s, nil, s.Now).Ages(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
