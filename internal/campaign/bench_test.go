package campaign_test

import (
	"bytes"
	"context"
	"testing"

	"stafette/internal/campaign"
	"stafette/internal/seal"
	"stafette/internal/spool"
)

// BenchmarkHandOver writes 1,000 recipients down and hands their mail to ingest, durably; the
// tracked ones with a pixel and links of their own.
func BenchmarkHandOver(b *testing.B) {
	for name, tracked := range map[string]bool{"plain": false, "tracked": true} {
		b.Run(name, func(b *testing.B) {
			const members = 1000
			w := newWorld(b, members)
			if tracked {
				w.track()
			}
			b.ResetTimer()
			for range b.N {
				c := w.draft()
				w.send(c)
				w.turn()
				if got := w.read(c); got.State != campaign.Sent || got.Accepted != members {
					b.Fatalf("campaign: %+v", got)
				}
			}
			b.ReportMetric(float64(members*b.N)/b.Elapsed().Seconds(), "mails/s")
		})
	}
}

// BenchmarkMerge makes one mail of its record.
func BenchmarkMerge(b *testing.B) {
	w := newWorld(b, 1)
	c := w.draft()
	w.send(c)
	w.turn()
	m, err := w.store.Message(b.Context(), w.who.Tenant, firstMessage(w, c))
	w.must(err)
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	w.must(err)
	sealed, err := w.store.Archive().Read(b.Context(), m.Body)
	w.must(err)
	merger := campaign.NewMerger(campaign.MergerConfig{Campaign: w.store.Campaign, Leave: leave})
	s := spool.New(still(sealed), keeper).Merging(merger)
	b.ResetTimer()
	for range b.N {
		body, err := s.Body(b.Context(), m.Body)
		if err != nil || len(body) == 0 {
			b.Fatal(err)
		}
	}
}

// still is an archive of one body.
type still []byte

func (s still) Read(context.Context, spool.Handle) ([]byte, error) { return s, nil }

func (still) DropBefore(context.Context, spool.Day) (int, int64, error) { return 0, 0, nil }
