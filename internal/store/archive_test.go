package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"stafette/internal/id"
	"stafette/internal/redelivery"
	"stafette/internal/tenant"
)

// archivedAt is when the messages of fillArchive begin, a tenth of a second apart.
func archivedAt() time.Time { return time.UnixMilli(1_700_000_000_000) }

// fillArchive gives a tenant n delivered newsletters, and one lead behind them.
func fillArchive(t testing.TB, s *Store, n int) tenant.ID {
	t.Helper()
	who := id.New[tenant.Kind](archivedAt())
	for _, text := range []string{
		"INSERT INTO tenants (id, name, state, lock_reason, locale, office_tone, customer_tone, daily_quota, created_at) VALUES ($1, 'a', 'active', '', 'de', 'sie', 'sie', 0, 0)",
		fmt.Sprintf(`INSERT INTO messages (tenant, id, stream, actor, door, sender, from_box, to_boxes, subject, sign_domain, size, eight_bit, utf8, recipients,
			accepted_at, expires_at, body_day, body_segment, body_offset, body_length, tags, salt)
			WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < %[1]d)
			SELECT $1, CAST(unhex(printf('%%012x', %[2]d + i*100)) || x'70008000' || randomblob(4) || x'0000' AS BLOB), CASE i WHEN %[1]d THEN 'lead' ELSE 'newsletter' END, 'key_1', 'http',
			'b@a.example', '["","info","a.example"]', '[["","kunde","kunde.example"]]', 'Ein Betreff, wie er ist', 'a.example', 20000, 0, 0, 1,
			%[2]d + i*100, %[2]d + i*100, 19000, 1, 1, 20000, '[]', randomblob(32) FROM n`, n, archivedAt().UnixMilli()),
		`INSERT INTO deliveries (tenant, id, recipient, hidden, state, reason, host, attempts, owner, urgency, due_at, expires_at, updated_at)
			SELECT tenant, CAST(substr(id, 1, 14) || x'0001' AS BLOB), 'kunde@kunde.example', 0, 'delivered', '', '', 1, 0, 2, accepted_at, accepted_at, accepted_at
			FROM messages WHERE tenant = $1`,
	} {
		if _, err := s.write.ExecContext(t.Context(), text, who[:]); err != nil {
			t.Fatal(err)
		}
	}
	return who
}

// Streams are walked in bounded steps: a lead behind thousands of newsletters is reached in
// several transactions, none of which goes through all of them, and none is left out.
func TestArchiveWalksInSteps(t *testing.T) {
	s, err := Open(t.Context(), Config{DataDir: t.TempDir(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	who := fillArchive(t, s, 2*walked+10)
	for stream, want := range map[tenant.Stream]int64{tenant.Lead: 1, tenant.Newsletter: 2*walked + 10} {
		r := redelivery.Run{ID: id.New[redelivery.RunKind](archivedAt()), Tenant: who, Stream: stream, Before: archivedAt().Add(1000 * time.Hour), BeganAt: archivedAt()}
		steps := 0
		for more := true; more; steps++ {
			if r, more, err = s.DropContent(t.Context(), r, 4000, archivedAt()); err != nil {
				t.Fatal(err)
			}
		}
		if steps != 3 && stream == tenant.Lead || r.Messages != want || r.EndedAt.IsZero() {
			t.Errorf("%s: %d of %d messages in %d steps, %+v", stream, r.Messages, want, steps, r)
		}
	}
	var left int
	if err := s.read.QueryRowContext(t.Context(), "SELECT count(*) FROM messages WHERE salt IS NOT NULL").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d messages kept their keys, %v", left, err)
	}
}

// BenchmarkArchiveDrop is the end of many messages' time on SQLite: all of them in one
// stream, and one message of another behind them. longest-ms is the longest transaction.
func BenchmarkArchiveDrop(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s, err := Open(b.Context(), Config{DataDir: b.TempDir(), Now: time.Now})
				if err != nil {
					b.Fatal(err)
				}
				who := fillArchive(b, s, n)
				b.StartTimer()
				for _, stream := range []tenant.Stream{tenant.Lead, tenant.Newsletter} {
					b.ReportMetric(float64(dropAll(b, s, who, stream).Milliseconds()), "longest-ms-"+string(stream))
				}
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// dropAll drops what is kept of a stream and returns the longest step.
func dropAll(b *testing.B, s *Store, who tenant.ID, stream tenant.Stream) (longest time.Duration) {
	b.Helper()
	r := redelivery.Run{ID: id.New[redelivery.RunKind](archivedAt()), Tenant: who, Stream: stream, Before: archivedAt().Add(10_000 * time.Hour), BeganAt: archivedAt()}
	for more := true; more; {
		began := time.Now()
		var err error
		if r, more, err = s.DropContent(context.Background(), r, 200, archivedAt()); err != nil {
			b.Fatal(err)
		}
		longest = max(longest, time.Since(began))
	}
	return longest
}
