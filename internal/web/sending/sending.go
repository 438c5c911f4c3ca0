// Package sending shows staff of the platform which ways mail takes: sources with
// their alarms, pools, the lanes of this node with what holds them up, and why mail for
// one domain waits.
//
// It is a subject of the door web (floor 4). It reads what delivery and egress know and
// changes nothing; orders about lanes are given on the pages of package queues.
package sending

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"stafette/internal/delivery"
	"stafette/internal/egress"
	"stafette/internal/queue"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Engine is the delivery engine of this node; *delivery.Engine is one.
type Engine interface {
	Lanes() []egress.LaneState
	Explain(ctx context.Context, q delivery.Question) egress.Explanation
}

// Store tells of sources, pools and alarms.
type Store interface {
	Plan(ctx context.Context) (egress.Plan, error)
	Alarms(ctx context.Context, all bool) ([]egress.Alarm, error)
}

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Engine Engine
	Store  Store
	// Orders are those in force as this node knows them.
	Orders func() []queue.Order
}

// Routes are the pages.
func Routes(c Config) []frame.Route {
	entry := func(room, icon string) frame.Entry {
		return frame.Entry{Room: room, Icon: icon, Group: frame.GroupEgress}
	}
	return []frame.Route{
		{Pattern: "GET /platform/sources", Access: frame.Staff, Permission: tenant.PlatformQueue, Do: c.sources, Entry: entry("sources", "server")},
		{Pattern: "GET /platform/lanes", Access: frame.Staff, Permission: tenant.PlatformQueue, Do: c.lanes, Entry: entry("lanes", "route")},
		{Pattern: "GET /platform/explain", Access: frame.Staff, Permission: tenant.PlatformQueue, Do: c.explain, Entry: entry("explain", "help")},
	}
}

func (c Config) sources(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title = "sources", p.T("nav.sources")
	plan, err := c.Store.Plan(r.Context())
	if err != nil {
		return fmt.Errorf("read sources: %w", err)
	}
	alarms, err := c.Store.Alarms(r.Context(), false)
	if err != nil {
		return fmt.Errorf("read alarms: %w", err)
	}
	return p.Render(w, r, http.StatusOK, sourcesPage(p, plan, alarms))
}

// alarmText words the alarm of a provider, as far as there are words for it.
func alarmText(p frame.Page, plan egress.Plan, a egress.Alarm, part string) string {
	ip, ehlo := a.Source, ""
	if i := slices.IndexFunc(plan.Sources, func(s egress.Source) bool { return s.Name == a.Source }); i >= 0 {
		ehlo = plan.Sources[i].EHLO
		if s := plan.Sources[i]; s.Fixed() {
			ip = s.IP.String()
		}
	}
	return p.Either("egress.alarm."+a.Provider+"."+part, "egress.alarm.other."+part, "ip", ip, "ehlo", ehlo, "provider", a.Provider, "have", a.Text)
}

// members names a pool's sources with their weights.
func members(p frame.Page, pool egress.Pool) string {
	var list []string
	for _, m := range pool.Members {
		if m.Weight >= 0 {
			list = append(list, p.T("sending.member", "source", m.Source, "weight", m.Weight))
		} else {
			list = append(list, m.Source)
		}
	}
	return strings.Join(list, ", ")
}

func (c Config) lanes(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title = "lanes", p.T("nav.lanes")
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
	return p.Render(w, r, http.StatusOK, lanesPage(p, v, list, c.Orders()))
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

func (c Config) explain(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title = "explain", p.T("nav.explain")
	domain := strings.ToLower(strings.TrimSpace(frame.Shorten(strings.ToValidUTF8(r.URL.Query().Get("domain"), ""), 253)))
	if domain == "" {
		return p.Render(w, r, http.StatusOK, explainPage(p, "", nil))
	}
	x := c.Engine.Explain(r.Context(), delivery.Question{Domain: domain})
	return p.Render(w, r, http.StatusOK, explainPage(p, domain, &x))
}
