package queues

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/i18n"
	"stafette/internal/queue"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// agesPath is where staff see how long mail has waited, of everybody.
const agesPath = "/platform/queue/ages"

func (o office) ageRoutes() []frame.Route {
	return []frame.Route{
		{Pattern: "GET " + agesPath, Access: frame.Staff, Permission: tenant.PlatformQueue, Do: o.showAges,
			Entry: frame.Entry{Room: "ages", Icon: "deferred", Group: frame.GroupEgress}},
		{Pattern: "GET " + agesPath + ".csv", Access: frame.Staff, Permission: tenant.PlatformQueue, Do: o.exportAges},
	}
}

// ageColumns are those of the table; of the sortable ones the second key is that of the
// line.
func ageColumns(p frame.Page) []frame.Column {
	var list []frame.Column
	for _, key := range []string{"name", "count", "oldest", "p50", "p95"} {
		list = append(list, frame.Column{Key: key, Title: p.T("ages.col." + key), Sortable: true, Number: key != "name"})
	}
	return list
}

// agesOf reads the address and what it asks for.
func (o office) agesOf(r *http.Request, p frame.Page) (frame.View, queue.AgeBy, []queue.AgeLine, queue.Ages, error) {
	v := frame.ReadView(r, frame.Listing{Path: agesPath, Columns: ageColumns(p), Filters: []string{"by", "q"}, Sort: "count", Descending: true})
	by := queue.AgeBy(v.Filter("by"))
	if !slices.Contains(queue.AgeBys(), by) {
		by = queue.ByState
	}
	a, err := o.Ages(r.Context())
	if err != nil {
		return v, by, nil, a, fmt.Errorf("read ages: %w", err)
	}
	list := slices.Clone(a.By[by])
	if by == queue.ByTenant {
		for i := range list {
			list[i].Name = o.accountName(r.Context(), list[i].Name)
		}
	}
	if text := strings.ToLower(v.Filter("q")); text != "" {
		list = slices.DeleteFunc(list, func(l queue.AgeLine) bool { return !strings.Contains(strings.ToLower(ageName(p, by, l)), text) })
	}
	slices.SortStableFunc(list, func(x, y queue.AgeLine) int {
		if v.Descending {
			x, y = y, x
		}
		switch v.Sort {
		case "name":
			return cmp.Compare(x.Name, y.Name)
		case "oldest":
			return y.Oldest.Compare(x.Oldest) // the oldest has waited longest
		case "p50":
			return cmp.Compare(x.P50, y.P50)
		case "p95":
			return cmp.Compare(x.P95, y.P95)
		}
		return cmp.Compare(x.Count, y.Count)
	})
	return v, by, list, a, nil
}

func (o office) showAges(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title, p.Live, p.LiveAt = "ages", p.T("nav.ages"), true, staffLive
	v, by, list, a, err := o.agesOf(r, p)
	if err != nil {
		return err
	}
	return p.Render(w, r, http.StatusOK, agesPage(p, v, by, list, a))
}

func (o office) exportAges(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	_, by, list, a, err := o.agesOf(r, p)
	if err != nil {
		return err
	}
	var head []string
	for _, c := range ageColumns(p) {
		head = append(head, c.Title)
	}
	rows := [][]string{head}
	seconds := func(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }
	for _, l := range list {
		rows = append(rows, []string{ageName(p, by, l), strconv.FormatInt(l.Count, 10), seconds(a.At.Sub(l.Oldest)), seconds(l.P50), seconds(l.P95)})
	}
	return p.CSV(w, p.T("ages.file"), rows)
}

// ageName is what a line is about, in words.
func ageName(p frame.Page, by queue.AgeBy, l queue.AgeLine) string {
	switch {
	case by == queue.ByState:
		return p.T("state." + l.Name + ".label")
	case by == queue.ByStream:
		return stream(p, tenant.Stream(l.Name))
	case l.Name == "":
		return p.T("ages.unknown")
	}
	return l.Name
}

// ageTabs are the ways to tell waiting mail apart.
func ageTabs(p frame.Page, v frame.View, by queue.AgeBy) []frame.Link {
	var tabs []frame.Link
	for _, one := range queue.AgeBys() {
		tabs = append(tabs, frame.Link{Text: p.T("ages.by." + string(one)), Href: v.With("by", string(one)), Current: one == by})
	}
	return tabs
}

func span(p frame.Page, d time.Duration) string { return i18n.Span(p.Lang, d) }
