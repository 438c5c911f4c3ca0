package sending

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"stafette/internal/web/frame"
)

func (c Config) withDefaults() Config {
	if c.LiveFor <= 0 {
		c.LiveFor = 5 * time.Minute
	}
	if c.TraceFor <= 0 {
		c.TraceFor = 10 * time.Minute
	}
	if c.RecordFor <= 0 {
		c.RecordFor = 10 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// livePath is the stream that keeps pages of staff fresh.
const livePath = "/platform/live"

// liveEvery is how often pages of staff are brought up to date: lanes and queues change
// with every mail.
const liveEvery = 3 * time.Second

// live tells the page every few seconds to ask for itself again.
func (c Config) live(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	return p.Stream(w, r, c.LiveFor, func(ctx context.Context) (frame.Message, error) {
		select {
		case <-tick.C:
			return frame.Message{Event: "fact"}, nil
		case <-ctx.Done():
			return frame.Message{}, ctx.Err()
		}
	})
}

// exportLanes writes the filtered list as CSV.
func (c Config) exportLanes(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	_, list := c.laneList(r, p)
	var head []string
	for _, key := range []string{"site", "source", "provider", "depth", "connections", "limit", "rests", "reply"} {
		head = append(head, p.T("sending.col."+key))
	}
	rows := [][]string{head}
	for _, l := range list {
		rests := ""
		if !l.RestsUntil.IsZero() {
			rests = frame.Stamp(l.RestsUntil)
		}
		rows = append(rows, []string{l.Site, l.Source, l.Provider, strconv.Itoa(l.Depth), strconv.Itoa(l.Connections), strconv.Itoa(l.Limit), rests, l.LastReply})
	}
	return p.CSV(w, p.T("sending.lanes.file"), rows)
}
