package webtest

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"stafette/internal/dmarc"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/reports"
)

// tlsReports stands in for what receivers report about encryption.
type tlsReports struct{ w *World }

// TLSReports implements reports.TLSReports.
func (r tlsReports) TLSReports(_ context.Context, _ tenant.ID, domain string) ([]reports.TLSReport, error) {
	if domain != "hafenkontor.example" {
		return nil, nil
	}
	at := r.w.Now().Add(-24 * time.Hour)
	return []reports.TLSReport{
		{Reporter: "google.com", Begin: at, End: at, Successful: 12},
		{Reporter: "<b>t-online</b>", Begin: at, End: at, Successful: 3, Failed: 1, Failures: []string{"certificate-expired"}},
	}, nil
}

// DMARCReport is an aggregate report about a domain: the given row, and three forged
// mails.
func DMARCReport(domain, id string, begin time.Time, count int) string {
	row := `<record><row><source_ip>%s</source_ip><count>%d</count><policy_evaluated><disposition>%s</disposition><dkim>%s</dkim><spf>fail</spf></policy_evaluated></row>` +
		`<identifiers><header_from>%s</header_from></identifiers><auth_results><dkim><domain>%s</domain><result>%s</result></dkim></auth_results></record>`
	return fmt.Sprintf(`<?xml version="1.0"?><feedback><report_metadata><org_name>google.com</org_name><report_id>%s</report_id>`+
		`<date_range><begin>%d</begin><end>%d</end></date_range></report_metadata><policy_published><domain>%s</domain><p>none</p></policy_published>`,
		id, begin.Unix(), begin.Unix()+86399, domain) +
		fmt.Sprintf(row, "192.0.2.10", count, "none", "pass", domain, domain, "pass") +
		fmt.Sprintf(row, "2001:db8::bad", 3, "reject", "fail", domain, "&lt;script&gt;alert(1)&lt;/script&gt;", "fail") + `</feedback>`
}

// report puts three days of reports about hafenkontor.example into the register.
func (g *register) report(w *World) {
	day := w.now.Truncate(24 * time.Hour)
	for i := range 3 {
		r, err := dmarc.ParseReport([]byte(DMARCReport("hafenkontor.example", fmt.Sprint(i), day.AddDate(0, 0, -i-1), 20*(i+1))))
		if err == nil {
			_ = g.store.SaveDMARC(context.Background(), w.Tenant.ID, r.Domain, r, w.now, 10) // it is in memory
		}
	}
}

func reportsSubject() Subject {
	return Subject{
		Wire: func(w *World, c *web.Config) {
			c.Reports = reports.Config{Registry: w.register.registry, Own: []netip.Addr{netip.MustParseAddr("192.0.2.10")}, TLS: tlsReports{w}}
		},
		Own: func(w *World) map[string]string {
			return map[string]string{"/dmarc/{domain}": dmarcPath(w.register.own)}
		},
		Foreign: func(w *World) map[string]string {
			return map[string]string{"/dmarc/{domain}": dmarcPath(w.register.foreign)}
		},
		Pages: func(w *World) []string {
			list := []string{"/dmarc?done=counted", "/dmarc?domain=nonsense", "/dmarc?domain=" + strings.TrimPrefix(w.register.foreign, "/domains/")}
			for _, page := range w.register.pages {
				list = append(list, "/dmarc?domain="+strings.TrimPrefix(page, "/domains/"))
			}
			return list
		},
	}
}

func dmarcPath(domain string) string { return "/dmarc/" + strings.TrimPrefix(domain, "/domains/") }
