package tlspolicy_test

import (
	"testing"

	"stafette/internal/tlspolicy"
)

// FuzzParseReportRecord holds that whatever stands in a domain's records, reports go to
// a few addresses of the two kinds there are, and with nobody's password.
func FuzzParseReportRecord(f *testing.F) {
	f.Add("v=TLSRPTv1; rua=mailto:tls@kunde.example,https://r.kunde.example/tls", "")
	f.Add("v=TLSRPTv1;rua=https://u:p@h/", "v=TLSRPTv1;rua=mailto:a@b")
	f.Add("v=TLSRPTv1; rua=https://[::1]:1/%zz,ftp://x", "v=spf1 -all")
	f.Fuzz(func(t *testing.T, one, other string) {
		list := tlspolicy.ParseReportRecord([]string{one, other})
		if len(list) > 5 {
			t.Errorf("%d addresses", len(list))
		}
		for _, u := range list {
			if u.User != nil || u.Scheme != "https" && u.Scheme != "mailto" || u.Scheme == "https" && u.Hostname() == "" {
				t.Errorf("report to %s", u)
			}
		}
	})
}
