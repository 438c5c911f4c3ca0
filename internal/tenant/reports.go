package tenant

import (
	"context"
	"slices"
	"strings"
	"time"

	"stafette/internal/dmarc"
	"stafette/internal/fault"
)

const (
	reportsKept   = 400 * 24 * time.Hour
	maxDayReports = 500  // about one domain; the big providers send one each
	maxReportRows = 5000 // of one report that are counted
	shownSources  = 200
)

// DMARCSource is what reporters say of mail of one source that came out alike.
type DMARCSource struct {
	Source      string // address
	Signer      string // d= of its signature, "" if it has none
	Sender      string // domain that SPF was asked about
	DKIM, SPF   bool   // passed and aligned with From
	Disposition dmarc.Policy
	Messages    int64
}

// Aligned reports whether the mail passed DMARC.
func (s DMARCSource) Aligned() bool { return s.DKIM || s.SPF }

// DMARCDay is what reporters say of one UTC day.
type DMARCDay struct {
	Day             time.Time
	Aligned, Failed int64 // messages
}

// DMARCFigures is what reporters say of mail with a domain in From. It is their word;
// nobody has proven it to us.
type DMARCFigures struct {
	Domain  Domain
	Sources []DMARCSource // the biggest first, 200 at most
	Days    []DMARCDay
}

// AcceptReport reads a DMARC aggregate report about a domain and counts it. raw is the
// mail it came in, or the report itself, packed or not. What it says of other domains
// is passed over. One that came before is no error. Errors: NotFound
// "domain_not_found", Invalid "report_malformed", Limited "reports_too_many".
func (r *Registry) AcceptReport(ctx context.Context, d DomainID, raw []byte) error {
	domain, err := r.c.Store.DomainOwner(ctx, d)
	if err != nil {
		return err
	}
	return r.accept(ctx, domain, raw)
}

// Owned returns a domain whose tenant has proven it, by its identifier alone: for what
// comes from outside and names no tenant. NotFound "domain_not_found" for all others.
func (r *Registry) Owned(ctx context.Context, d DomainID) (Domain, error) {
	domain, err := r.c.Store.DomainOwner(ctx, d)
	if err == nil && !domain.Usable() {
		err = fault.New(fault.NotFound, "domain_not_found", "The domain is not set up.")
	}
	return domain, err
}

// UploadReport is AcceptReport for a person of the tenant.
func (r *Registry) UploadReport(ctx context.Context, t ID, d DomainID, raw []byte) error {
	domain, err := r.c.Store.Domain(ctx, t, d)
	if err != nil {
		return err
	}
	return r.accept(ctx, domain, raw)
}

func (r *Registry) accept(ctx context.Context, d Domain, raw []byte) error {
	// Who has not proven a domain is told nothing of it.
	if !d.Usable() {
		return fault.New(fault.NotFound, "domain_not_found", "The domain is not set up.")
	}
	report, err := dmarc.ReadMail(raw)
	if err != nil {
		return &fault.Error{Kind: fault.Invalid, Code: "report_malformed", Field: "report", Detail: "This is no DMARC aggregate report.", Err: err}
	}
	report.Records = slices.DeleteFunc(report.Records, func(row dmarc.Row) bool {
		from := row.From
		if from == "" {
			from = report.Domain
		}
		return from != d.Name && !strings.HasSuffix(from, "."+d.Name)
	})
	if len(report.Records) == 0 {
		return fault.Field("report", "report_about_another", "The report says nothing of this domain.")
	}
	slices.SortStableFunc(report.Records, func(a, b dmarc.Row) int { return int(min(1, max(-1, b.Messages-a.Messages))) })
	report.Records = report.Records[:min(len(report.Records), maxReportRows)]
	err = r.c.Store.SaveDMARC(ctx, d.Tenant, d.Name, report, r.now(), maxDayReports)
	if e := fault.As(err); e != nil && e.Code == "report_known" {
		return nil
	}
	return err
}

// Figures returns what reporters say of a domain since from and before to, by whole
// UTC days.
func (r *Registry) Figures(ctx context.Context, t ID, d DomainID, from, to time.Time) (DMARCFigures, error) {
	domain, err := r.c.Store.Domain(ctx, t, d)
	if err != nil {
		return DMARCFigures{}, err
	}
	f := DMARCFigures{Domain: domain}
	if f.Sources, err = r.c.Store.DMARCSources(ctx, t, domain.Name, from, to, shownSources); err != nil {
		return DMARCFigures{}, err
	}
	f.Days, err = r.c.Store.DMARCDays(ctx, t, domain.Name, from, to)
	return f, err
}
