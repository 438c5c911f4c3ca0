package httpapi

import (
	"context"
	"time"

	"stafette/internal/fault"
)

const (
	reportDays    = 30
	maxReportDays = 400
)

type reportsInput struct {
	ID   string `path:"id" maxLength:"64" example:"dom_01k00000000000000000000000"`
	From string `query:"from" maxLength:"10" example:"2026-11-01" doc:"First day, in UTC; left out: 30 days ago"`
	To   string `query:"to" maxLength:"10" example:"2026-11-22" doc:"Last day, in UTC; left out: today"`
}

// days reads the span, of whole days; to is the day after the last.
func (in reportsInput) days(now time.Time) (from, to time.Time, err error) {
	to = now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	if in.To != "" {
		if to, err = time.Parse(time.DateOnly, in.To); err != nil {
			return from, to, fault.Field("query/to", "time_malformed", "A day is of the form 2026-11-22.")
		}
		to = to.AddDate(0, 0, 1)
	}
	from = to.AddDate(0, 0, -reportDays)
	if in.From != "" {
		if from, err = time.Parse(time.DateOnly, in.From); err != nil {
			return from, to, fault.Field("query/from", "time_malformed", "A day is of the form 2026-11-22.")
		}
	}
	if !from.Before(to) || to.Sub(from) > maxReportDays*24*time.Hour {
		return from, to, fault.Field("query/from", "span_malformed", "A span is of 1 to 400 days.")
	}
	return from, to, nil
}

// DomainReports is what reporters say of mail with a domain in From. It is their word.
type DomainReports struct {
	Aligned      int64            `json:"aligned" doc:"Messages that passed DMARC"`
	Failed       int64            `json:"failed"`
	Days         []ReportDay      `json:"days" nullable:"false" doc:"Days with reports, from old to new"`
	Dispositions map[string]int64 `json:"dispositions" doc:"Messages of the sources below by what was done with them: none, quarantine, reject"`
	Sources      []ReportSource   `json:"sources" nullable:"false" doc:"The biggest first, at most 200"`
}

// ReportDay is one UTC day.
type ReportDay struct {
	Day     string `json:"day" example:"2026-11-22"`
	Aligned int64  `json:"aligned"`
	Failed  int64  `json:"failed"`
}

// ReportSource is mail from one address that was judged alike.
type ReportSource struct {
	Source      string `json:"source" doc:"IP address"`
	Messages    int64  `json:"messages"`
	DKIM        bool   `json:"dkim" doc:"A signature that passed and is aligned with From"`
	SPF         bool   `json:"spf" doc:"SPF passed and is aligned with From"`
	Signer      string `json:"signer" doc:"Domain of the signature; empty if it has none"`
	Sender      string `json:"sender" doc:"Domain that SPF was asked about"`
	Disposition string `json:"disposition" enum:"none,quarantine,reject"`
}

type reportsOutput struct{ Body DomainReports }

func (a *API) domainReports(ctx context.Context, in *reportsInput) (*reportsOutput, error) {
	d, err := (&domainInput{ID: in.ID}).domain()
	if err != nil {
		return nil, err
	}
	from, to, err := in.days(a.c.Now())
	if err != nil {
		return nil, err
	}
	f, err := a.c.Domains.Figures(ctx, keyOf(ctx).Tenant, d, from, to)
	if err != nil {
		return nil, noDomain(err)
	}
	out := &reportsOutput{DomainReports{Days: []ReportDay{}, Dispositions: map[string]int64{}, Sources: []ReportSource{}}}
	for _, day := range f.Days {
		out.Body.Aligned, out.Body.Failed = out.Body.Aligned+day.Aligned, out.Body.Failed+day.Failed
		out.Body.Days = append(out.Body.Days, ReportDay{day.Day.Format(time.DateOnly), day.Aligned, day.Failed})
	}
	for _, s := range f.Sources {
		out.Body.Dispositions[string(s.Disposition)] += s.Messages
		out.Body.Sources = append(out.Body.Sources, ReportSource{s.Source, s.Messages, s.DKIM, s.SPF, s.Signer, s.Sender, string(s.Disposition)})
	}
	return out, nil
}
