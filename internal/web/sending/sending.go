// Package sending shows staff of the platform which ways mail takes: the lanes of this
// node with what holds them up, why one mail, or any mail for a domain, waits, and what
// is said with receiving servers, while it is said.
//
// It is a subject of the door web (floor 4). It reads what delivery and egress know and
// changes nothing; orders about lanes are given on the pages of package queues, sources
// and pools are set up on those of package sources.
package sending

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"stafette/internal/delivery"
	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
	"stafette/internal/trace"
	"stafette/internal/web/frame"
)

// Engine is the delivery engine of this node; *delivery.Engine is one.
type Engine interface {
	Lanes() []egress.LaneState
	Explain(ctx context.Context, q delivery.Question) egress.Explanation
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Engine Engine
	// Find returns a delivery that waits; NotFound if none does.
	Find func(ctx context.Context, d message.DeliveryID) (queue.Listed, error)
	// Orders are those in force as this node knows them.
	Orders func() []queue.Order
	// Trace lets staff watch what is said with receiving servers.
	Trace *trace.Tracer
	// LiveFor ends a stream that keeps a page fresh; 0: 5 minutes. The browser comes back
	// by itself.
	LiveFor time.Duration
	// TraceFor ends a live trace, and RecordFor one for readers without scripts; 0: 10
	// minutes and 10 seconds.
	TraceFor, RecordFor time.Duration
	Log                 *slog.Logger // nil: discard
}

// Routes are the pages.
func Routes(c Config) []frame.Route {
	c = c.withDefaults()
	entry := func(room, icon string) frame.Entry {
		return frame.Entry{Room: room, Icon: icon, Group: frame.GroupEgress}
	}
	return []frame.Route{
		{Pattern: "GET /platform/lanes", Access: frame.Staff, Permission: tenant.PlatformQueue, Do: c.lanes, Entry: entry("lanes", "route")},
		{Pattern: "GET /platform/lanes.csv", Access: frame.Staff, Permission: tenant.PlatformQueue, Do: c.exportLanes},
		{Pattern: "GET /platform/live", Access: frame.Staff, Permission: tenant.PlatformQueue, Do: c.live},
		{Pattern: "GET /platform/trace", Access: frame.Staff, Permission: tenant.PlatformQueue, Do: c.showTrace, Entry: entry("trace", "signal")},
		{Pattern: "GET /platform/trace/live", Access: frame.Staff, Permission: tenant.PlatformQueue, Do: c.liveTrace},
		{Pattern: "GET /platform/explain", Access: frame.Staff, Permission: tenant.PlatformQueue, Do: c.explain, Entry: entry("explain", "help")},
	}
}

func (c Config) lanes(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title, p.Live, p.LiveAt = "lanes", p.T("nav.lanes"), true, livePath
	v, list := c.laneList(r, p)
	return p.Render(w, r, http.StatusOK, lanesPage(p, v, list, c.Orders()))
}

// laneList is the list that the address asks for.
func (c Config) laneList(r *http.Request, p frame.Page) (frame.View, []egress.LaneState) {
	v := frame.ReadView(r, frame.Listing{Path: "/platform/lanes", Columns: laneColumns(p), Filters: []string{"site", "source"}, Sort: "depth", Descending: true})
	list := slices.DeleteFunc(c.Engine.Lanes(), func(l egress.LaneState) bool {
		return !strings.Contains(l.Site, strings.ToLower(v.Filter("site"))) || !strings.Contains(l.Source, v.Filter("source"))
	})
	slices.SortStableFunc(list, func(a, b egress.LaneState) int {
		n := compare(v.Sort, a, b)
		if v.Descending {
			return -n
		}
		return n
	})
	return v, list
}

func compare(key string, a, b egress.LaneState) int {
	switch key {
	case "site":
		return cmp.Compare(a.Site, b.Site)
	case "source":
		return cmp.Compare(a.Source, b.Source)
	case "provider":
		return cmp.Compare(a.Provider, b.Provider)
	case "connections":
		return cmp.Compare(a.Connections, b.Connections)
	case "rests":
		return a.RestsUntil.Compare(b.RestsUntil)
	}
	return cmp.Compare(a.Depth, b.Depth)
}

func laneColumns(p frame.Page) []frame.Column {
	var list []frame.Column
	for _, key := range []string{"site", "source", "provider", "depth", "connections", "rests", "reply", "action"} {
		list = append(list, frame.Column{Key: key, Title: p.T("sending.col." + key), Sortable: key != "reply" && key != "action", Number: key == "depth" || key == "connections"})
	}
	return list
}

// domainLane begins the site of a lane that one domain has for itself.
const domainLane = "domain:"

// suspended returns the order that suspends all mail of a lane, if there is one.
func suspended(l egress.LaneState, orders []queue.Order) *queue.Order {
	want := laneScope(l)
	for i, o := range orders {
		if o.Command == queue.Suspend && o.Scope == want {
			return &orders[i]
		}
	}
	return nil
}

func laneScope(l egress.LaneState) queue.Scope {
	if domain, apart := strings.CutPrefix(l.Site, domainLane); apart {
		return queue.Scope{Domain: domain}
	}
	return queue.Scope{Site: l.Site}
}

// command is where a lane's mail is suspended or goes on.
func command(l egress.LaneState, o *queue.Order) string {
	if o != nil {
		return "/platform/queue/preview?command=resume&order=" + o.ID.String()
	}
	s := laneScope(l)
	q := url.Values{"command": {string(queue.Suspend)}}
	if s.Domain != "" {
		q.Set("domain", s.Domain)
	} else {
		q.Set("site", s.Site)
	}
	return "/platform/queue/preview?" + q.Encode()
}

// inquiry is the page that explains: what was asked, and the answer.
type inquiry struct {
	ask     string // a domain or a delivery
	stream  tenant.Stream
	unknown bool // a delivery that does not wait
	x       *egress.Explanation
}

// maxAsked bounds what is asked: a domain has 253 characters at most.
const maxAsked = 253

func (c Config) explain(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title = "explain", p.T("nav.explain")
	query := r.URL.Query()
	v := inquiry{ask: strings.TrimSpace(frame.Shorten(strings.ToValidUTF8(query.Get("domain"), ""), maxAsked))}
	if s := tenant.Stream(query.Get("stream")); s.Valid() {
		v.stream = s
	}
	if v.ask == "" {
		return p.Render(w, r, http.StatusOK, explainPage(p, v))
	}
	q := delivery.Question{Domain: strings.ToLower(v.ask), Stream: v.stream}
	var due queue.Listed
	if d, err := id.Parse[message.DeliveryKind](v.ask); err == nil {
		due, err = c.Find(r.Context(), d)
		if fault.IsKind(err, fault.NotFound) {
			v.unknown = true
			return p.Render(w, r, http.StatusOK, explainPage(p, v))
		}
		if err != nil {
			return fmt.Errorf("explain delivery: %w", err)
		}
		q = delivery.Question{Domain: due.Recipient.Domain, Tenant: due.Tenant, Stream: due.Stream, Delivery: d}
	}
	x := c.Engine.Explain(r.Context(), q)
	x.Delay(due.DueAt, due.Reason)
	v.x = &x
	return p.Render(w, r, http.StatusOK, explainPage(p, v))
}

// layerText says where a limit comes from.
func layerText(p frame.Page, e egress.Effective) string {
	layer := p.T("sending.layer." + string(e.Layer))
	if e.From == "" {
		return layer
	}
	return p.T("sending.from", "layer", layer, "from", e.From)
}

// limitText names a limit of the shaping.
func limitText(p frame.Page, key string) string {
	return p.Either("sending.limit."+key, "sending.word", "word", key)
}

// valueText writes a limit's value; no value is no bound.
func valueText(p frame.Page, v string) string {
	if v == "" || v == "0" {
		return p.T("sending.no_bound")
	}
	return v
}

// used says how much of each bounded ceiling is used.
func used(p frame.Page, list []egress.Counter) []string {
	var texts []string
	for _, n := range list {
		if n.Of > 0 {
			texts = append(texts, p.T("sending.used", "limit", limitText(p, n.Limit), "used", p.Number(n.Used), "of", p.Number(n.Of)))
		}
	}
	return texts
}
