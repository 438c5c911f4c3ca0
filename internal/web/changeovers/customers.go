package changeovers

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/changeover/affected"
	"stafette/internal/diagnosis"
	"stafette/internal/fault"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// register is a table of customers on fallback.
type register struct {
	frame.View
	of    changeover.Changeover
	marks []changeover.Mark
	// left tells of each mark who is behind it and what to do; a mark that is not in it
	// has been disproved. others are left without a mark.
	left   map[marked]affected.Leftover
	others []affected.Leftover
}

// marked names a mark within a changeover.
type marked struct {
	of     tenant.ID
	domain string
}

// step is what to do about a mark.
func (v register) step(p frame.Page, m changeover.Mark) string {
	l, there := v.left[marked{m.Tenant, m.Domain}]
	if !there {
		return p.T("left.settled")
	}
	return p.T("left.step." + string(l.Next))
}

// reason is why somebody without a mark is left.
func reason(p frame.Page, l affected.Leftover) string {
	if l.Problem == affected.NoProblem {
		return p.T("affected.state." + string(affected.OnOld))
	}
	return p.T("affected.problem." + string(l.Problem))
}

// view reads the address of a table of marks.
func view(r *http.Request, p frame.Page, path string) frame.View {
	column := func(key string, number bool) frame.Column {
		return frame.Column{Key: key, Title: p.T("changeovers.col." + key), Sortable: key != "reply", Number: number}
	}
	return frame.ReadView(r, frame.Listing{Path: path, Filters: []string{"q"}, Sort: "count", Descending: true,
		Columns: []frame.Column{column("domain", false), column("account", false), column("count", true), column("last", false), column("source", false), column("reply", false)}})
}

// chosen are the marks that a view asks for, in its order.
func chosen(v frame.View, list []changeover.Mark) []changeover.Mark {
	q := strings.ToLower(v.Filter("q"))
	list = slices.DeleteFunc(slices.Clone(list), func(m changeover.Mark) bool {
		return q != "" && !strings.Contains(m.Domain, q) && !strings.Contains(m.Site, q) && !strings.Contains(strings.ToLower(m.Reply), q)
	})
	slices.SortStableFunc(list, func(a, b changeover.Mark) int {
		var n int
		switch v.Sort {
		case "domain":
			n = cmp.Compare(a.Domain, b.Domain)
		case "account":
			n = slices.Compare(a.Tenant[:], b.Tenant[:])
		case "last":
			n = a.LastAt.Compare(b.LastAt)
		case "source":
			n = cmp.Compare(a.Source, b.Source)
		default:
			n = a.Count - b.Count
		}
		if v.Descending {
			n = -n
		}
		return cmp.Or(n, cmp.Compare(a.Domain, b.Domain))
	})
	return list
}

func (c Config) customers(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.register(r, p, tenant.ID{}, home)
	if err != nil {
		return err
	}
	p.Room, p.Title = room, p.T("changeovers.customers")
	return p.Render(w, r, http.StatusOK, customersPage(p, c, v))
}

// register reads the marks that the reader may see: a tenant's own, staff all.
func (c Config) register(r *http.Request, p frame.Page, t tenant.ID, base string) (v register, err error) {
	which, err := number(r)
	if err != nil {
		return v, err
	}
	if v.of, err = c.visible(r.Context(), t, which); err != nil {
		return v, err
	}
	marks, err := c.Service.Marks(r.Context(), t, which)
	if err != nil {
		return v, fmt.Errorf("customers on fallback: %w", err)
	}
	v.View = view(r, p, base+"/"+which.String()+"/customers")
	if !t.IsZero() {
		v.Path = base + "/" + which.String()
	}
	v.marks = chosen(v.View, marks)
	list, err := c.Left(r.Context(), t, v.of)
	if err != nil {
		return v, err
	}
	v.left, v.others = byMark(list)
	return v, nil
}

// byMark finds the customers left by their marks; others have none.
func byMark(list []affected.Leftover) (left map[marked]affected.Leftover, others []affected.Leftover) {
	left = map[marked]affected.Leftover{}
	for _, l := range list {
		for _, m := range l.Marks {
			if _, there := left[marked{m.Tenant, m.Domain}]; !there { // the more serious comes first
				left[marked{m.Tenant, m.Domain}] = l
			}
		}
		if len(l.Marks) == 0 {
			others = append(others, l)
		}
	}
	return left, others
}

// visible is a changeover that a tenant's people may see: one that has begun and
// concerns their mail. Staff see all.
func (c Config) visible(ctx context.Context, t tenant.ID, which changeover.ID) (changeover.Changeover, error) {
	v, err := c.Service.Changeover(ctx, which)
	if err != nil {
		return v, err
	}
	if !t.IsZero() && (!v.Concerns(t) || v.Stage == changeover.Draft) {
		return changeover.Changeover{}, fault.New(fault.NotFound, "changeover_unknown", "There is no such changeover.")
	}
	return v, nil
}

func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.file(w, r, p, tenant.ID{}, home)
}

func (c Config) exportOwn(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.file(w, r, p, p.Tenant(), theirs)
}

// file answers with the table of a view.
func (c Config) file(w http.ResponseWriter, r *http.Request, p frame.Page, t tenant.ID, base string) error {
	v, err := c.register(r, p, t, base)
	if err != nil {
		return err
	}
	rows := [][]string{{"domain", "site", "account", "count", "first", "last", "source", "reply", "delivery", "customer", "problem", "next"}}
	for _, m := range v.marks {
		l, there := v.left[marked{m.Tenant, m.Domain}]
		if !there {
			l.Next = affected.Nothing
		}
		rows = append(rows, []string{m.Domain, m.Site, m.Tenant.String(), strconv.Itoa(m.Count), m.FirstAt.Format(time.RFC3339),
			m.LastAt.Format(time.RFC3339), m.Source, m.Reply, m.Delivery, l.Customer.Key, string(l.Problem), string(l.Next)})
	}
	if !v.Narrowed() {
		for _, l := range v.others {
			rows = append(rows, []string{"", "", l.Tenant.String(), "0", "", "", "", "", "", l.Customer.Key, string(l.Problem), string(l.Next)})
		}
	}
	return p.CSV(w, "changeover-customers", rows)
}

// own lists what concerns a tenant and has begun.
func (c Config) own(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	list, err := c.Service.Changeovers(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("changeovers: %w", err)
	}
	list = slices.DeleteFunc(list, func(v changeover.Changeover) bool { return v.Stage == changeover.Draft })
	p.Room, p.Title = room, p.T("nav.changeovers")
	return p.Render(w, r, http.StatusOK, ownPage(p, list))
}

// one is the page of a changeover for the people of a tenant.
func (c Config) one(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.register(r, p, p.Tenant(), theirs)
	if err != nil {
		return err
	}
	plan, err := c.Plan(r.Context())
	if err != nil {
		return fmt.Errorf("changeover: %w", err)
	}
	p.Room, p.Title = room, v.of.Name
	return p.Render(w, r, http.StatusOK, onePage(p, v, plan))
}

// maxPrinted bounds the customers on paper; the export has them all.
const maxPrinted = 500

// report prints plan, checks, customers left and history.
func (c Config) report(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	s, err := c.sheet(r)
	if err != nil {
		return err
	}
	left, err := c.Left(r.Context(), tenant.ID{}, s.Changeover)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	doc := diagnosis.NewPrint(p.T("changeovers.report", "name", s.Name), p.T("changeovers.report.as_of", "time", p.Full(p.Now)))
	doc.Row(p.T("changeovers.stage"), p.T("changeovers.stage."+string(s.Stage)))
	doc.Row(p.T("changeovers.scope"), c.scope(r.Context(), p, s.Tenant))
	doc.Row(p.T("changeovers.old"), addresses(s.plan, s.Old))
	doc.Row(p.T("changeovers.fresh"), addresses(s.plan, s.New))
	doc.Row(p.T("changeovers.share"), p.T("changeovers.percent", "n", s.Share))
	for _, d := range []struct {
		key string
		at  time.Time
	}{{"announce_at", s.AnnounceAt}, {"test_from", s.TestFrom}, {"cutover_at", s.CutoverAt}, {"overlap_until", s.OverlapUntil}} {
		doc.Row(p.T("changeovers.field."+d.key), p.Full(d.at))
	}
	doc.Heading(p.T("changeovers.customers"))
	doc.Paragraph(p.T("left.sum", "n", len(left), "settled", settled(s.marks, left), "mails", fallen(s.marks)))
	for _, l := range left[:min(len(left), maxPrinted)] {
		c.printLeft(r.Context(), p, doc, s.New, l)
	}
	if len(left) > maxPrinted {
		doc.Paragraph(p.T("left.more", "n", len(left)-maxPrinted))
	}
	doc.Heading(p.T("changeovers.checks"))
	for _, k := range s.Checks {
		doc.Row(checkName(p, k), p.T("changeovers.verdict."+string(k.Verdict))+"\n"+problemText(p, k))
	}
	doc.Heading(p.T("changeovers.history"))
	slices.Reverse(s.deeds) // on paper from the beginning
	for _, d := range s.deeds {
		doc.Row(p.Full(d.At), deedText(p, d)+", "+c.who(r.Context(), p, d.Actor))
	}
	raw, err := doc.Bytes(func(page, pages int) string { return p.T("changeovers.report.page", "page", page, "pages", pages) })
	if err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/pdf")
	h.Set("Content-Disposition", `attachment; filename="changeover-`+s.ID.String()+`.pdf"`)
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(raw) // the reader left: nothing to be done
	return nil
}

// printLeft prints a customer who still needs the old sources: why, the proof in the
// server's own words, how far they are, and what is next.
func (c Config) printLeft(ctx context.Context, p frame.Page, doc *diagnosis.Print, fresh []string, l affected.Leftover) {
	name := l.Title()
	if l.Customer.ID.IsZero() || l.Customer.Kind == affected.Domain {
		name = frame.DomainName(name)
	}
	lines := []string{c.scope(ctx, p, l.Tenant), reason(p, l)}
	if one := l.Customer; !one.ID.IsZero() {
		lines = append(lines, p.T("left.state", "state", p.T("affected.state."+string(one.State(fresh)), "n", one.Proven(fresh), "total", len(fresh))))
	}
	for _, m := range l.Marks {
		lines = append(lines, p.T("changeovers.report.mark", "n", m.Count, "last", p.Full(m.LastAt), "source", m.Source, "delivery", m.Delivery))
	}
	doc.Row(name, strings.Join(lines, "\n"))
	switch blamed := l.Customer.Finding.Blamed; {
	case len(l.Marks) > 0:
		doc.Reply(p.T("changeovers.col.reply"), l.Marks[0].Reply)
	case blamed.Count > 0:
		doc.Reply(p.T("changeovers.col.reply"), blamed.Reply)
	}
	doc.Row(p.T("changeovers.step"), p.T("left.step."+string(l.Next)))
}

// settled counts the marks that something has disproved.
func settled(marks []changeover.Mark, list []affected.Leftover) int {
	left, _ := byMark(list)
	n := 0
	for _, m := range marks {
		if _, there := left[marked{m.Tenant, m.Domain}]; !there {
			n++
		}
	}
	return n
}

// checkName names what was checked.
func checkName(p frame.Page, k changeover.Check) string {
	if k.Subject == "" { // there was nothing to ask about
		return p.Either("changeovers.unasked."+string(k.Kind), "changeovers.check."+string(k.Kind), "zone", k.Want)
	}
	return p.T("changeovers.check."+string(k.Kind), "subject", k.Subject, "zone", k.Want)
}

// problemText says what is wrong and how to put it right; "" if nothing is.
func problemText(p frame.Page, k changeover.Check) string {
	if k.Problem == "" {
		return k.Have
	}
	return p.Either("changeovers.problem."+string(k.Kind)+"."+k.Problem, "changeovers.problem."+k.Problem, "subject", k.Subject, "have", k.Have, "want", k.Want)
}
