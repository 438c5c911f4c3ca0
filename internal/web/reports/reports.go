// Package reports is the office's page on what receivers report about a tenant's
// domains: who sends in their name and whether it is aligned (DMARC, RFC 9990), and
// how encryption towards them works out (TLS-RPT, RFC 8460).
//
// It is a subject of the door web (floor 4). Reading reports and keeping them is the
// work of packages tenant, dmarc and tlspolicy.
package reports

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"stafette/internal/dmarc"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Registry knows what was reported. *tenant.Registry does.
type Registry interface {
	List(ctx context.Context, t tenant.ID) ([]tenant.Domain, error)
	Figures(ctx context.Context, t tenant.ID, d tenant.DomainID, from, to time.Time) (tenant.DMARCFigures, error)
	UploadReport(ctx context.Context, t tenant.ID, d tenant.DomainID, raw []byte) error
}

// TLSReports lists the latest TLS reports about a tenant's domain, newest first.
type TLSReports interface {
	TLSReports(ctx context.Context, t tenant.ID, domain string) ([]TLSReport, error)
}

// TLSReport is one of them as the page shows it.
type TLSReport struct {
	Reporter           string
	Begin, End         time.Time
	Successful, Failed int64    // sessions
	Failures           []string // results such as "certificate-expired"
}

// Config is what the page stands on. Registry is needed.
type Config struct {
	Registry Registry
	// Own are the addresses we send from, to tell them from others.
	Own []netip.Addr
	// TLS may be nil: nothing is shown.
	TLS TLSReports
}

const (
	home      = "/dmarc"
	days      = 30
	maxUpload = 11 << 20 // what dmarc.ReadMail takes, and the form around it
)

// Routes is the page and its form.
func Routes(c Config) []frame.Route {
	return []frame.Route{
		{
			Pattern: "GET " + home, Permission: tenant.SettingsRead, Do: c.show,
			Entry: frame.Entry{Room: "dmarc", Icon: "doc", Group: frame.GroupDeliverability},
		},
		{Pattern: "GET " + home + ".csv", Permission: tenant.SettingsRead, Do: c.exportCSV},
		{Pattern: "GET " + home + ".json", Permission: tenant.SettingsRead, Do: c.exportJSON},
		{Pattern: "GET " + home + "/tls.csv", Permission: tenant.SettingsRead, Do: c.exportTLS},
		{Pattern: "POST " + home + "/{domain}/report", Permission: tenant.SettingsWrite, Do: c.upload},
	}
}

// page is what the page shows.
type page struct {
	domains         []tenant.Domain
	domain          tenant.Domain // whose figures these are; zero: there is none
	figures         tenant.DMARCFigures
	view            frame.View
	sources         []tenant.DMARCSource // as the view asks for them
	own             []netip.Addr
	aligned, failed int64
	policy          dmarc.Policy // of the record at the last check; "" unknown
	tls             []TLSReport  // as tlsView asks for them
	tlsView         frame.View
	showTLS         bool
	from, to        time.Time
}

func (c Config) show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.render(w, r, p, http.StatusOK, r.URL.Query().Get("domain"), frame.Form{})
}

func (c Config) render(w http.ResponseWriter, r *http.Request, p frame.Page, status int, chosen string, f frame.Form) error {
	p.Room, p.Title = "dmarc", p.T("nav.dmarc")
	v, err := c.load(r, p, chosen)
	if err != nil {
		return err
	}
	return p.Render(w, r, status, reportsPage(p, v, f))
}

// load reads what the page shows of a domain, the first one for "".
func (c Config) load(r *http.Request, p frame.Page, name string) (page, error) {
	today := p.Now.UTC().Truncate(24 * time.Hour)
	v := page{own: c.Own, view: frame.ReadView(r, listing(p)), from: today.AddDate(0, 0, -days), to: today.AddDate(0, 0, 1)}
	var err error
	if v.domains, err = c.Registry.List(r.Context(), p.Tenant()); err != nil {
		return v, err
	}
	v.domains = slices.DeleteFunc(v.domains, func(d tenant.Domain) bool { return !d.Usable() })
	at := 0
	if name != "" {
		at = slices.IndexFunc(v.domains, func(d tenant.Domain) bool { return d.ID.String() == name })
	}
	switch {
	case at < 0:
		return v, fault.New(fault.NotFound, "domain_not_found", "no usable domain of this tenant")
	case len(v.domains) == 0:
		return v, nil
	}
	if v.figures, err = c.Registry.Figures(r.Context(), p.Tenant(), v.domains[at].ID, v.from, v.to); err != nil {
		return v, err
	}
	v.sources = chosen(v.view, v.figures.Sources)
	v.domain, v.policy = v.figures.Domain, policyOf(v.figures.Domain)
	for _, d := range v.figures.Days {
		v.aligned, v.failed = v.aligned+d.Aligned, v.failed+d.Failed
	}
	if c.TLS != nil {
		v.showTLS = true
		if v.tls, err = c.TLS.TLSReports(r.Context(), p.Tenant(), v.domain.Name); err != nil {
			return v, err
		}
		v.tlsView, v.tls = tlsRoll(p).Read(r, v.tls)
	}
	return v, nil
}

// policyOf is what the domain's own DMARC record asked for at the last check.
func policyOf(d tenant.Domain) dmarc.Policy {
	for _, f := range d.Findings {
		if f.Purpose == tenant.ForDMARC && len(f.Seen) == 1 {
			if r, ok := dmarc.ParseRecord(f.Seen[0]); ok {
				return r.For(f.Name != "_dmarc."+d.Name, true)
			}
		}
	}
	return ""
}

// upload takes a report that somebody got by mail.
func (c Config) upload(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	d, err := id.Parse[tenant.DomainKind](r.PathValue("domain"))
	if err != nil {
		return fault.New(fault.NotFound, "domain_not_found", "not an identifier of a domain")
	}
	raw, err := uploaded(w, r)
	if err == nil {
		err = c.Registry.UploadReport(r.Context(), p.Tenant(), d, raw)
	}
	if e := fault.As(err); e != nil && e.Field == "report" {
		f := frame.Form{}
		f.Add("report", p.FaultText(e, ""))
		return c.render(w, r, p, http.StatusUnprocessableEntity, d.String(), f)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, home+"?domain="+d.String()+"&done=counted", http.StatusSeeOther) //nolint:gosec // G710: a path of ours and an identifier that was parsed
	return nil
}

// uploaded reads the file of the form. A form without one gives nothing, which is no
// report.
func uploaded(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxUpload)
	file, _, err := r.FormFile("report")
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &fault.Error{Kind: fault.TooLarge, Code: "report_too_large", Field: "report"}
	case err != nil:
		return nil, nil
	}
	defer file.Close()
	raw, err := io.ReadAll(file)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err}
	}
	return raw, nil
}

// advice is the name of the sentence on what to do next.
func (v page) advice() string {
	const enough = 100 // messages, to judge by
	total := v.aligned + v.failed
	switch {
	case total < enough:
		return "few"
	case v.failed*100 > total:
		return "failing"
	case v.policy == dmarc.Reject:
		return "done"
	case v.policy == dmarc.Quarantine:
		return "reject"
	}
	return "quarantine"
}

// ours reports whether mail came from an address we send from.
func (v page) ours(source string) bool {
	ip, err := netip.ParseAddr(source)
	return err == nil && slices.Contains(v.own, ip)
}

// column is a day of the chart, in units of its drawing.
type column struct{ x, aligned, failed int }

// Measures of the chart.
const (
	columnWidth = 20
	chartHeight = 120
)

// chart has one column for each day, also for those without reports.
func (v page) chart() []column {
	var most int64 = 1
	for _, d := range v.figures.Days {
		most = max(most, d.Aligned+d.Failed)
	}
	var list []column
	for i, day := 0, v.from; day.Before(v.to); i, day = i+1, day.AddDate(0, 0, 1) {
		c := column{x: i * columnWidth}
		for _, d := range v.figures.Days {
			if d.Day.Equal(day) {
				c.aligned, c.failed = height(d.Aligned, most), height(d.Failed, most)
			}
		}
		list = append(list, c)
	}
	return list
}

// height keeps what is more than nothing visible.
func height(n, most int64) int {
	if n == 0 {
		return 0
	}
	return max(2, int(n*(chartHeight-4)/most))
}
