package cluster

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

// BenchmarkNodes is how many letters a second get through platforms of one, two and
// three nodes on one PostgreSQL that flushes every commit, all on this machine: what
// sharing a database costs, not what more machines bring.
func BenchmarkNodes(b *testing.B) {
	for nodes := 1; nodes <= 3; nodes++ {
		b.Run(fmt.Sprint(nodes), func(b *testing.B) {
			db := startPostgres(b, "fsync=on")
			var urls []string
			for range nodes {
				urls = append(urls, url(db.address()))
			}
			c := found(b, urls...)
			const letters = 600
			for b.Loop() {
				_, before := c.sink.count()
				var clients sync.WaitGroup
				for _, n := range c.nodes {
					first := c.take(letters / nodes)
					clients.Go(func() {
						if _, err := n.load(context.Background(), first, letters/nodes); err != nil {
							b.Error(err)
						}
					})
				}
				clients.Wait()
				c.sink.awaitDistinct(b, before+letters)
			}
			b.ReportMetric(float64(letters*b.N)/b.Elapsed().Seconds(), "letters/s")
			b.ReportMetric(0, "ns/op")
			c.settled(0)
		})
	}
}
