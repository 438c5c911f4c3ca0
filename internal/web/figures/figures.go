// Package figures is the page „Anbieter im Vergleich“: what became of mail at each mailbox
// provider, beside the time before, what can be done where one stands out, and the way to
// the messages behind each number. Its words for rates, times and spans serve the overview
// too.
//
// It is a subject of the door web (floor 4). Package insight counts; nothing here adds up
// deliveries.
package figures

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"stafette/internal/event"
	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Config is what the pages stand on; all of it is needed.
type Config struct {
	Statistics insight.Statistics
	Providers  *insight.Providers
}

// The pages: of a tenant, and of all tenants together for staff.
const (
	tenantPath = "/statistics/providers"
	staffPath  = "/platform/providers"
)

// Routes are the pages.
func Routes(c Config) []frame.Route {
	return []frame.Route{
		{Pattern: "GET " + tenantPath, Permission: tenant.MessagesRead, Do: c.show(tenantPath),
			Entry: frame.Entry{Room: "providers", Icon: "chart", Group: frame.GroupDeliverability}},
		{Pattern: "GET " + tenantPath + ".csv", Permission: tenant.MessagesRead, Do: c.export(tenantPath)},
		{Pattern: "GET " + staffPath, Access: frame.Staff, Permission: tenant.PlatformQueue, Do: c.show(staffPath),
			Entry: frame.Entry{Room: "providers", Icon: "chart", Group: frame.GroupDeliverability}},
		{Pattern: "GET " + staffPath + ".csv", Access: frame.Staff, Permission: tenant.PlatformQueue, Do: c.export(staffPath)},
	}
}

// Span is the time a page tells of, chosen by its reader.
type Span struct {
	Key      string // "today", "7" or "30"
	From, To time.Time
}

// Spans are the choices, the first of them the usual one.
func Spans() []string { return []string{"today", "7", "30"} }

// ReadSpan reads the choice from the address; usual is what nobody chose.
func ReadSpan(p frame.Page, r *http.Request, usual string) Span {
	s := Span{Key: r.URL.Query().Get("range"), To: p.Now.Truncate(time.Hour).Add(time.Hour)}
	if !slices.Contains(Spans(), s.Key) {
		s.Key = usual
	}
	s.From = p.Day(p.Now)
	if days, err := strconv.Atoi(s.Key); err == nil {
		s.From = s.From.AddDate(0, 0, 1-days)
	}
	return s
}

// Before is as long a time before.
func (s Span) Before() (from, to time.Time) {
	if days, err := strconv.Atoi(s.Key); err == nil {
		return s.From.AddDate(0, 0, -days), s.From
	}
	return s.From.AddDate(0, 0, -1), s.To.AddDate(0, 0, -1)
}

// Messages leads to the messages accepted in the span that have a delivery in the state or
// with the mark, at a provider if it has a name.
func (s Span) Messages(state event.State, mark event.Mark, provider string) string {
	q := url.Values{"from": {s.From.Format(time.DateOnly)}, "to": {s.To.In(s.From.Location()).Add(-time.Nanosecond).Format(time.DateOnly)}}
	for name, value := range map[string]string{"state": string(state), "mark": string(mark), "provider": provider} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return "/messages?" + q.Encode()
}

// Rate writes a delivery rate, or the numbers where they are too few for one.
func Rate(p frame.Page, f *insight.Figures) string {
	if rate, ok := f.Rate(); ok {
		return i18n.Percent(p.Lang, rate)
	}
	if f.Results() == 0 {
		return "–"
	}
	return p.T("figures.few", "n", f.Delivered, "of", f.Results())
}

// Delayed writes the share that a first attempt did not bring about, or the number where
// results are too few for a share.
func Delayed(p frame.Page, f *insight.Figures) string {
	if _, ok := f.Rate(); ok {
		return i18n.Percent(p.Lang, f.DelayedShare())
	}
	return p.Number(f.Delayed)
}

// Took writes in what time the share q had been delivered.
func Took(p frame.Page, f *insight.Figures, q float64) string {
	words, _ := p.Words()
	return insight.Took(words, p.Lang, f, q)
}

// Name is what a provider is called on pages.
func (c Config) Name(p frame.Page, key string) string {
	if key == "" {
		return p.T("provider.other")
	}
	return c.Providers.Name(key)
}

// Finding words a provider that stands out.
func (c Config) Finding(p frame.Page, f insight.Finding) string {
	return p.T("figures.finding."+string(f.Kind), "provider", c.Name(p, f.Provider), "rate", Rate(p, &f.Now), "before", Rate(p, &f.Before), "n", f.Now.Slow())
}

// row is a provider in the table.
type row struct {
	insight.Group
	name   string
	before insight.Figures
	advice insight.Advice
}

// table is what the page shows.
type table struct {
	frame.View
	span     Span
	rows     []row
	total    insight.Figures
	before   insight.Figures
	findings []insight.Finding
	staff    bool
}

func listing(p frame.Page, path string) frame.Listing {
	column := func(key string) frame.Column {
		return frame.Column{Key: key, Title: p.T("providers.col." + key), Sortable: true, Number: key != "provider"}
	}
	l := frame.Listing{Path: path, Filters: []string{"range", "stream"}, Sort: "delivered", Descending: true}
	for _, key := range []string{"provider", "delivered", "rate", "before", "delayed", "bounced", "late", "complained", "p50", "p95"} {
		l.Columns = append(l.Columns, column(key))
	}
	return l
}

func (c Config) read(r *http.Request, p frame.Page, path string) (table, error) {
	t := table{View: frame.ReadView(r, listing(p, path)), span: ReadSpan(p, r, "7"), staff: path == staffPath}
	stream := tenant.Stream(t.Filter("stream"))
	if !stream.Valid() {
		stream = ""
	}
	// For staff the tenant is zero: the sum of all.
	now, err := c.groups(r, p, stream, t.span.From, t.span.To)
	if err != nil {
		return t, err
	}
	from, to := t.span.Before()
	before, err := c.groups(r, p, stream, from, to)
	if err != nil {
		return t, err
	}
	_, tone := p.Words()
	for _, g := range now {
		one := row{Group: g, name: c.Name(p, g.Provider), advice: c.Providers.Advice(g.Provider, p.Lang, tone)}
		if i := slices.IndexFunc(before, func(b insight.Group) bool { return b.Provider == g.Provider }); i >= 0 {
			one.before = before[i].Figures
		}
		t.rows = append(t.rows, one)
	}
	t.total, t.before = insight.Join(now), insight.Join(before)
	t.findings = insight.Findings(now, before)
	t.sort()
	return t, nil
}

func (c Config) groups(r *http.Request, p frame.Page, stream tenant.Stream, from, to time.Time) ([]insight.Group, error) {
	return c.Statistics.Providers(r.Context(), p.Tenant(), stream, from, to)
}

// sort orders the rows as the reader asks for it. Shares of too few results come last.
func (t *table) sort() {
	rate := func(f *insight.Figures) float64 {
		rate, _ := f.Rate()
		return rate
	}
	within := func(f *insight.Figures, q float64) time.Duration {
		d, ok := f.Within(q)
		if ok && d == 0 {
			return 1 << 62
		}
		return d
	}
	value := map[string]func(a, b *row) int{
		"provider":   func(a, b *row) int { return cmp.Compare(a.name, b.name) },
		"delivered":  func(a, b *row) int { return cmp.Compare(a.Delivered, b.Delivered) },
		"rate":       func(a, b *row) int { return cmp.Compare(rate(&a.Figures), rate(&b.Figures)) },
		"before":     func(a, b *row) int { return cmp.Compare(rate(&a.before), rate(&b.before)) },
		"delayed":    func(a, b *row) int { return cmp.Compare(a.DelayedShare(), b.DelayedShare()) },
		"bounced":    func(a, b *row) int { return cmp.Compare(a.Failed(), b.Failed()) },
		"late":       func(a, b *row) int { return cmp.Compare(a.LateBounced, b.LateBounced) },
		"complained": func(a, b *row) int { return cmp.Compare(a.Complained, b.Complained) },
		"p50":        func(a, b *row) int { return cmp.Compare(within(&a.Figures, .5), within(&b.Figures, .5)) },
		"p95":        func(a, b *row) int { return cmp.Compare(within(&a.Figures, .95), within(&b.Figures, .95)) },
	}[t.Sort]
	slices.SortStableFunc(t.rows, func(a, b row) int {
		if few := t.few(&a) - t.few(&b); few != 0 {
			return few
		}
		if t.Descending {
			return value(&b, &a)
		}
		return value(&a, &b)
	})
}

// few is 1 for a row that has nothing to be ordered by.
func (t *table) few(r *row) int {
	f := &r.Figures
	switch t.Sort {
	case "before":
		f = &r.before
	case "rate":
	default:
		return 0
	}
	if _, ok := f.Rate(); ok {
		return 0
	}
	return 1
}

func (c Config) show(path string) func(http.ResponseWriter, *http.Request, frame.Page) error {
	return func(w http.ResponseWriter, r *http.Request, p frame.Page) error {
		t, err := c.read(r, p, path)
		if err != nil {
			return fmt.Errorf("providers: %w", err)
		}
		p.Room, p.Title = "providers", p.T("nav.providers")
		return p.Render(w, r, http.StatusOK, c.providersPage(p, t))
	}
}

func (c Config) export(path string) func(http.ResponseWriter, *http.Request, frame.Page) error {
	return func(w http.ResponseWriter, r *http.Request, p frame.Page) error {
		t, err := c.read(r, p, path)
		if err != nil {
			return fmt.Errorf("export providers: %w", err)
		}
		var head []string
		for _, key := range []string{"provider", "delivered", "delayed", "bounced", "expired", "late", "complained", "rate", "p50", "p95"} {
			head = append(head, p.T("providers.export."+key))
		}
		rows := [][]string{head}
		number := func(n int64) string { return strconv.FormatInt(n, 10) }
		for i := range t.rows {
			f := &t.rows[i]
			rows = append(rows, []string{f.name, number(f.Delivered), number(f.Delayed), number(f.Bounced), number(f.Expired), number(f.LateBounced), number(f.Complained),
				Rate(p, &f.Figures), Took(p, &f.Figures, .5), Took(p, &f.Figures, .95)})
		}
		return p.CSV(w, p.T("providers.filename"), rows)
	}
}

// bar is one column of the drawn times to delivery.
type bar struct {
	label string
	n     int64
	late  bool
}

// Bars of the chart: spans too narrow for an eye are drawn as one.
func bars(p frame.Page, f *insight.Figures) []bar {
	list := []bar{{label: "1 s"}, {label: "2–5 s"}, {label: "6–15 s"}, {label: "–1 min"}, {label: "–5 min"}, {label: "–15 min"}, {label: p.T("figures.longer.short"), late: true}}
	ends := []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, insight.Expected}
	for _, s := range f.Spans() {
		i := 0
		for i < len(ends) && (s.Upto == 0 || s.Upto > ends[i]) {
			i++
		}
		list[i].n += s.N
	}
	return list
}

// heights of the bars in a drawing that is most high; what is there can be seen.
func heights(list []bar, most int64) []int64 {
	var top int64 = 1
	for _, b := range list {
		top = max(top, b.n)
	}
	h := make([]int64, len(list))
	for i, b := range list {
		if b.n > 0 {
			h[i] = max(b.n*most/top, 2)
		}
	}
	return h
}

// spark is the path of a rate day by day in a drawing 88 wide and 20 high; 80 % and less
// lie on the ground, so that all sparks of a table have one scale. low reports whether it
// ends well below where it was.
func spark(days []insight.Group) (path string, low bool) {
	const width, height, ground = 88.0, 18.0, 0.8
	step := width / float64(max(len(days)-1, 1))
	var first, last float64
	begun := false
	var results int64
	for i := range days {
		results += days[i].Results()
		if days[i].Results() == 0 {
			continue
		}
		rate := float64(days[i].Delivered) / float64(days[i].Results())
		y := 1 + height*(1-max(rate-ground, 0)/(1-ground))
		command := " L"
		if !begun {
			command, first, begun = "M", rate, true
		}
		last = rate
		path += fmt.Sprintf("%s%.1f %.1f", command, float64(i)*step, y)
	}
	return path, results >= insight.FewResults && first-last >= 0.02
}
