package leadpages

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
)

// Codes have 40 bits. A test lead can be confirmed in few tries, from wherever they come.
const (
	maxGuesses   = 10
	guessesForgo = time.Hour
	maxGuessed   = 10_000 // leads that are counted
)

// guesses counts wrong codes by test lead. The zero value is ready; it is safe for
// concurrent use.
type guesses struct {
	mu    sync.Mutex
	wrong map[lead.ID]tries
}

type tries struct {
	n     int
	since time.Time
}

// spent reports whether a lead has no guess left in this hour.
func (g *guesses) spent(l lead.ID, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.wrong[l]
	return v.n >= maxGuesses && now.Before(v.since.Add(guessesForgo))
}

func (g *guesses) note(l lead.ID, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.wrong == nil || len(g.wrong) >= maxGuessed {
		g.wrong = map[lead.ID]tries{}
	}
	v := g.wrong[l]
	if v.n == 0 || !now.Before(v.since.Add(guessesForgo)) {
		v = tries{since: now}
	}
	v.n++
	g.wrong[l] = v
}

// private keeps the address of a capability from other sites and frames.
func private(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// told is a page of a receiver.
type told struct {
	lead.Link
	draft
	action string
	proven lead.Proven
	// done is what was just told: "" nothing, "codes", "none" or "report".
	done   string
	number string // of the case
	until  time.Time
}

func (d *door) showConfirm(w http.ResponseWriter, r *http.Request) {
	private(w)
	link, err := d.Leads.Confirming(r.Context(), r.PathValue("token"))
	if err != nil {
		d.failed(w, r, err)
		return
	}
	v := told{Link: link, action: r.URL.Path}
	if v.proven, err = d.Leads.Proven(r.Context(), link.Tenant, link.Lead.ID); err != nil {
		d.broken(w, r, err)
		return
	}
	d.render(w, r, http.StatusOK, confirmPage(d.page(r, ""), v))
}

// takeConfirm takes codes, or the word that nothing arrived, which opens a case.
func (d *door) takeConfirm(w http.ResponseWriter, r *http.Request) {
	private(w)
	if d.telling(w, r) || !d.read(w, r) {
		return
	}
	link, err := d.Leads.Confirming(r.Context(), r.PathValue("token"))
	if err != nil {
		d.failed(w, r, err)
		return
	}
	p := d.page(r, "")
	v := told{Link: link, action: r.URL.Path, draft: draft{values: map[string]string{}}}
	if r.PostForm.Has("none") {
		d.open(w, r, p, v, leadcase.Report{Kind: leadcase.Missing, Lead: link.Lead, Advertiser: link.Advertiser})
		return
	}
	if d.guesses.spent(link.Lead.ID, d.Now()) {
		d.sorry(w, r, http.StatusTooManyRequests, "limited")
		return
	}
	for _, name := range []string{"body", "xml", "crm"} {
		v.values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	status := http.StatusOK
	v.done = "codes"
	v.proven, err = d.Leads.Confirm(r.Context(), *link.Lead, []string{v.values["body"], v.values["xml"]}, v.values["crm"] != "")
	if fault.IsKind(err, fault.Invalid) {
		d.guesses.note(link.Lead.ID, d.Now())
		status, v.done = http.StatusUnprocessableEntity, ""
		v.refused(p, err)
		v.proven, err = d.Leads.Proven(r.Context(), link.Tenant, link.Lead.ID)
	}
	if err != nil {
		d.broken(w, r, err)
		return
	}
	d.render(w, r, status, confirmPage(p, v))
}

// telling answers whoever tells too much at once.
func (d *door) telling(w http.ResponseWriter, r *http.Request) bool {
	wait := d.Telling.Take(d.ClientIP(r))
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		d.sorry(w, r, http.StatusTooManyRequests, "limited")
	}
	return wait > 0
}

func (d *door) showReport(w http.ResponseWriter, r *http.Request) {
	private(w)
	link, err := d.Leads.Reporting(r.Context(), r.PathValue("token"))
	if err != nil {
		d.failed(w, r, err)
		return
	}
	d.render(w, r, http.StatusOK, reportPage(d.page(r, ""), told{Link: link, action: r.URL.Path}))
}

func (d *door) takeReport(w http.ResponseWriter, r *http.Request) {
	private(w)
	if d.telling(w, r) || !d.read(w, r) {
		return
	}
	link, err := d.Leads.Reporting(r.Context(), r.PathValue("token"))
	if err != nil {
		d.failed(w, r, err)
		return
	}
	v := told{Link: link, action: r.URL.Path, draft: draft{values: map[string]string{}}}
	for _, name := range []string{"kind", "object", "from", "to", "text"} {
		v.values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	report := leadcase.Report{Kind: leadcase.Kind(v.values["kind"]), Lead: link.Lead, Advertiser: link.Advertiser, Text: v.values["text"]}
	if link.Lead == nil {
		report.Object = v.values["object"]
		// What is no day is left out: browsers without a calendar let people write anything.
		report.From, _ = time.ParseInLocation(time.DateOnly, v.values["from"], d.Zone)
		report.To, _ = time.ParseInLocation(time.DateOnly, v.values["to"], d.Zone)
	}
	d.open(w, r, d.page(r, ""), v, report)
}

// open makes a case of a report, and shows a refused one again.
func (d *door) open(w http.ResponseWriter, r *http.Request, p page, v told, report leadcase.Report) {
	c, err := d.Cases.Report(r.Context(), v.Tenant, report)
	if err != nil && !v.refused(p, err) {
		d.broken(w, r, err)
		return
	}
	if err != nil {
		d.render(w, r, http.StatusUnprocessableEntity, reportPage(p, v))
		return
	}
	kept, err := d.Leads.KeptFor(r.Context(), v.Tenant)
	if err != nil {
		d.broken(w, r, err)
		return
	}
	v.done, v.number, v.until = "report", strconv.FormatInt(c.Number, 10), d.Now().Add(kept)
	if v.Lead != nil {
		v.until = v.Lead.TakenAt.Add(kept)
	}
	d.render(w, r, http.StatusOK, reportPage(p, v))
}

// provenText is what the codes of a test lead say.
func provenText(p page, v lead.Proven) (mark, text string) {
	last := v.Body
	if v.XML.After(last) {
		last = v.XML
	}
	at := i18n.Args{"date": p.Date(last), "time": p.Time(last)}
	switch {
	case !v.Body.IsZero() && !v.XML.IsZero():
		return "delivered", p.t("leadtest.both", at)
	case !v.Body.IsZero():
		return "held", p.t("leadtest.body", at)
	case !v.XML.IsZero():
		return "held", p.t("leadtest.xml", at)
	}
	return "", ""
}
