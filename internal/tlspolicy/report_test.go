package tlspolicy_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/mail"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stafette/internal/dns"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/smtp"
	"stafette/internal/tenant"
	"stafette/internal/tlspolicy"
)

// rfcReport is the example of RFC 8460, appendix B, in the form reporters write it.
const rfcReport = `{
 "organization-name": "Company-X",
 "date-range": {"start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T23:59:59Z"},
 "contact-info": "sts-reporting@company-x.example",
 "report-id": "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
 "policies": [{
  "policy": {"policy-type": "sts", "policy-string": ["version: STSv1","mode: testing","mx: *.mail.company-y.example","max_age: 86400"],
   "policy-domain": "Company-Y.example", "mx-host": "*.mail.company-y.example"},
  "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 303},
  "failure-details": [
   {"result-type": "certificate-expired", "sending-mta-ip": "2001:db8:abcd:0012::1", "receiving-mx-hostname": "mx1.mail.company-y.example", "failed-session-count": 100},
   {"result-type": "starttls-not-supported", "sending-mta-ip": "2001:db8:abcd:0013::1", "receiving-mx-hostname": "mx2.mail.company-y.example",
    "receiving-ip": "203.0.113.56", "failed-session-count": 200, "additional-information": "https://reports.company-x.example/report_info?id=5065427c-23d3#StarttlsNotSupported"},
   {"result-type": "validation-failure", "sending-mta-ip": "198.51.100.62", "receiving-ip": "203.0.113.58", "receiving-mx-hostname": "mx-backup.mail.company-y.example",
    "failed-session-count": 3, "failure-reason-code": "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED\r\nX: y"}]
 }]}`

func packed(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestParseTLSReport(t *testing.T) {
	for _, raw := range [][]byte{[]byte(strings.ReplaceAll(rfcReport, "\r\n", `\r\n`)), packed(t, strings.ReplaceAll(rfcReport, "\r\n", `\r\n`))} {
		r, err := tlspolicy.ParseTLSReport(raw)
		if err != nil {
			t.Fatal(err)
		}
		p := r.Policies[0]
		if r.Organization != "Company-X" || p.Policy.Domain != "company-y.example" || len(p.Policy.Text) != 4 || p.Policy.MX[0] != "*.mail.company-y.example" ||
			r.Sessions() != (tlspolicy.Summary{Successful: 5326, Failed: 303}) || p.Failures[2].Sessions != 3 || strings.ContainsAny(p.Failures[2].Reason, "\r\n") {
			t.Errorf("%+v", r)
		}
	}
	bomb := packed(t, `{"report-id":"`+strings.Repeat("a", 64<<20)+`"}`)
	good := strings.ReplaceAll(rfcReport, "\r\n", " ")
	for name, raw := range map[string][]byte{
		"bomb (T9)":       bomb,
		"nested":          []byte(`{"policies":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + `}`),
		"nothing":         nil,
		"no JSON":         []byte("<report/>"),
		"broken gzip":     {0x1f, 0x8b, 8, 0},
		"no id":           []byte(strings.Replace(good, "report-id", "x", 1)),
		"no policies":     []byte(strings.Replace(good, "policies", "x", 1)),
		"negative":        []byte(strings.Replace(good, "5326", "-1", 1)),
		"too big numbers": []byte(strings.Replace(good, "5326", "1e300", 1)),
		"ends before":     []byte(strings.Replace(good, "2016-04-01T23:59:59Z", "2015-04-01T23:59:59Z", 1)),
		"far year":        []byte(strings.Replace(good, "2016-04-01T23:59:59Z", "9999-04-01T23:59:59Z", 1)),
	} {
		if r, err := tlspolicy.ParseTLSReport(raw); err == nil {
			t.Errorf("%s: taken as %+v", name, r)
		}
	}
}

func FuzzParseTLSReport(f *testing.F) {
	f.Add([]byte(rfcReport))
	f.Add(packed(f, rfcReport))
	f.Add([]byte(`{"policies":[{}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := tlspolicy.ParseTLSReport(raw)
		if err != nil {
			return
		}
		text, err := json.Marshal(r)
		if err != nil || bytes.ContainsAny(text, "\r\n\x00") {
			t.Fatalf("%q, %v", text, err)
		}
		again, err := tlspolicy.ParseTLSReport(text)
		if err != nil || !cmp.Equal(r, again) {
			t.Errorf("reads back as %+v, %v", again, err)
		}
	})
}

func TestAcceptReport(t *testing.T) {
	w := newWorld(t, "", nil, nil)
	w.store.owner["company-y.example"] = tenant.ID{7}
	text := strings.ReplaceAll(rfcReport, "\r\n", " ")
	text = strings.Replace(text, `"policies": [`, `"policies": [{"policy": {"policy-type": "sts", "policy-domain": "other.example"}, "summary": {}}, `, 1)
	const head = "From: a@b.example\r\nContent-Type: "
	inMail := head + "multipart/report; report-type=tlsrpt; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b\r\nContent-Type: application/tlsrpt+json\r\n\r\n" + text + "\r\n--b--\r\n"
	for name, raw := range map[string]string{"plain": text, "packed": string(packed(t, text)), "mail": inMail} {
		if err := w.AcceptReport(t.Context(), "Company-Y.example.", []byte(raw)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	got, err := w.Received(t.Context(), tenant.ID{7}, "")
	if err != nil || len(got) != 3 {
		t.Fatalf("%d reports, %v", len(got), err)
	}
	for _, r := range got {
		if len(r.Report.Policies) != 1 || r.Report.Policies[0].Policy.Domain != "company-y.example" {
			t.Errorf("tells of others' domains: %+v", r.Report)
		}
	}
	deep := head + strings.Repeat("multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: ", 50) + "text/plain\r\n\r\nx"
	for name, raw := range map[string]string{
		"no report": head + "text/plain\r\n\r\nhi", "deep": deep, "many parts": head + "multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 1000),
		"about another": strings.ReplaceAll(text, "Company-Y.example", "third.example"),
	} {
		if err := w.AcceptReport(t.Context(), "company-y.example", []byte(raw)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if err := w.AcceptReport(t.Context(), "nobody.example", []byte(text)); fault.As(err) == nil {
		t.Errorf("nobody's domain: %v", err)
	}
}

const reportZone = stsZone + `
_smtp._tls.plain.test. TXT "v=TLSRPTv1; rua=mailto:tls@reports.test,https://reports.plain.test/in"
reports.plain.test. A 127.0.0.1
quiet.test. MX 10 mx.plain.test.
`

// post collects mail.
type post struct {
	mu  sync.Mutex
	got []tlspolicy.Letter
	err error
}

func (p *post) mail(_ context.Context, l tlspolicy.Letter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.got = append(p.got, l)
	}
	return p.err
}

// TestReportsAreSentOnce counts sessions with two domains, of which one wants to know.
func TestReportsAreSentOnce(t *testing.T) {
	var out post
	w := newWorld(t, reportZone, nil, func(c *tlspolicy.Config) {
		c.Reporter = tlspolicy.Reporter{Organization: "Stafette Test", Contact: "tls@stafette.test", Host: "mail.stafette.test",
			From: message.Address{Local: "tls", Domain: "stafette.test"}, Mail: out.mail}
	})
	var posted [][]byte
	w.serve(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/.well-known/mta-sts.txt" {
			rw.Header().Set("Content-Type", "text/plain")
			_, _ = rw.Write([]byte(enforce))
			return
		}
		body, _ := io.ReadAll(r.Body)
		posted = append(posted, body)
		rw.WriteHeader(http.StatusCreated)
	})
	ask := func(domain, host string) *tlspolicy.Demand {
		d, _ := w.Host(t.Context(), w.Domain(t.Context(), domain, ""), dns.MX{Host: host}, tlspolicy.Ask{})
		return d
	}
	good := shown(t, w.ca.issue(year, "mx.plain.test"))
	for range 3 {
		w.Opened(ask("plain.test", "mx.plain.test"), tlspolicy.Outcome{State: good})
		w.Opened(ask("quiet.test", "mx.plain.test"), tlspolicy.Outcome{State: good})
	}
	stripped := &smtp.Error{Stage: smtp.StageSTARTTLS, Err: smtp.ErrNoTLS}
	w.Opened(ask("plain.test", "mx.plain.test"), tlspolicy.Outcome{Err: stripped, Sender: netip.MustParseAddr("192.0.2.1"), Receiver: netip.MustParseAddr("192.0.2.2")})
	w.Opened(ask("plain.test", "mx.plain.test"), tlspolicy.Outcome{Err: &smtp.Error{Stage: smtp.StageConnect, Err: errors.New("refused")}})
	for range 2 {
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.store.tallies) != 2 {
		t.Errorf("kept %v", w.store.tallies)
	}
	round := func(pass time.Duration, letters int, when string) {
		t.Helper()
		if err := w.SendReports(t.Context(), w.pass(pass)); err != nil {
			t.Fatal(err)
		}
		if len(out.got) != letters || len(posted) != letters {
			t.Errorf("%s: %d by mail, %d by web, want %d", when, len(out.got), len(posted), letters)
		}
	}
	round(11*time.Hour, 0, "the same day")
	round(6*time.Hour, 1, "the next morning")
	round(time.Hour, 1, "once more")

	l := out.got[0]
	m, err := mail.ReadMessage(bytes.NewReader(l.Raw))
	if err != nil || m.Header.Get("TLS-Report-Domain") != "plain.test" || m.Header.Get("TLS-Required") != "No" || l.To.String() != "tls@reports.test" {
		t.Fatalf("%v\n%s", err, l.Raw)
	}
	w.store.owner["plain.test"] = tenant.ID{7}
	if err := w.AcceptReport(t.Context(), "plain.test", l.Raw); err != nil {
		t.Fatal(err)
	}
	if err := w.AcceptReport(t.Context(), "plain.test", posted[0]); err != nil {
		t.Fatal(err)
	}
	want := tlspolicy.Report{Organization: "Stafette Test", Contact: "tls@stafette.test", ID: "2026-03-10-plain.test@mail.stafette.test",
		Dates: tlspolicy.DateRange{Start: start.Truncate(24 * time.Hour), End: start.Truncate(24 * time.Hour).Add(24*time.Hour - time.Second)},
		Policies: []tlspolicy.PolicyReport{{Policy: tlspolicy.ReportedPolicy{Type: tlspolicy.TypeSTS, Domain: "plain.test",
			Text: []string{"version: STSv1", "mode: enforce", "mx: mx.plain.test", "max_age: 604800"}, MX: []string{"mx.plain.test"}},
			Summary: tlspolicy.Summary{Successful: 3, Failed: 1},
			Failures: []tlspolicy.FailureDetail{{Result: tlspolicy.ResultNoTLS, SendingIP: "192.0.2.1", ReceivingMX: "mx.plain.test", ReceivingIP: "192.0.2.2",
				Sessions: 1, Reason: "starttls: server offers no STARTTLS"}}}}}
	for _, r := range w.store.reports {
		if diff := cmp.Diff(want, r.Report); diff != "" {
			t.Errorf("(-want +have):\n%s", diff)
		}
	}
}

// TestReportIsTriedAgain for two days, then given up.
func TestReportIsTriedAgain(t *testing.T) {
	out := post{err: errors.New("no room")}
	w := newWorld(t, reportZone, nil, func(c *tlspolicy.Config) { c.Reporter.Mail = out.mail })
	w.serve(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusServiceUnavailable) })
	d, err := w.Host(t.Context(), w.Domain(t.Context(), "plain.test", ""), dns.MX{Host: "mx.plain.test"}, tlspolicy.Ask{})
	if err != nil {
		t.Fatal(err)
	}
	w.Opened(d, tlspolicy.Outcome{})
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for day, want := range []int{0, 0, 1} {
		if err := w.SendReports(t.Context(), w.pass(24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if len(w.store.sent) != want {
			t.Errorf("day %d: %v", day+1, w.store.sent)
		}
	}
	// The policy's web server failed as well, and the domain is told.
	types := map[tlspolicy.Result]bool{}
	for tally := range w.store.tallies {
		types[tally.Result] = true
	}
	if !types[tlspolicy.ResultFetch] || !types[tlspolicy.ResultOK] {
		t.Errorf("counted %v", types)
	}
}

func TestParseReportRecord(t *testing.T) {
	for _, tt := range []struct {
		records []string
		want    string
	}{
		{[]string{"v=TLSRPTv1; rua=mailto:a@b.example"}, "mailto:a@b.example"},
		{[]string{"v=TLSRPTv1;rua=https://b.example/x , mailto:a@b.example;"}, "https://b.example/x mailto:a@b.example"},
		{[]string{"v=TLSRPTv1; rua=http://b.example/x,ftp://c,mailto:,https://u:p@d.example/"}, ""},
		{[]string{"v=TLSRPTv1; rua=mailto:a@b.example", "v=TLSRPTv1; rua=mailto:c@b.example"}, ""},
		{[]string{"v=TLSRPTv2; rua=mailto:a@b.example", "x"}, ""},
		{nil, ""},
	} {
		var have []string
		for _, u := range tlspolicy.ParseReportRecord(tt.records) {
			have = append(have, u.String())
		}
		if strings.Join(have, " ") != tt.want {
			t.Errorf("%q: %q", tt.records, have)
		}
	}
}

func FuzzAcceptReport(f *testing.F) {
	f.Add([]byte("Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n\r\nH4sI\r\n--b--\r\n"))
	f.Add([]byte(rfcReport))
	store := newMemory()
	store.owner["a.example"] = tenant.ID{1}
	p, err := tlspolicy.New(tlspolicy.Config{Names: dns.New(dns.Config{Server: "127.0.0.1:9"}), Store: store, Now: time.Now, Dial: nil})
	if err == nil {
		f.Fatal("made without a dialer")
	}
	p, err = tlspolicy.New(tlspolicy.Config{Names: dns.New(dns.Config{Server: "127.0.0.1:9"}), Store: store, Now: time.Now, Dial: nowhere})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) { _ = p.AcceptReport(t.Context(), "a.example", raw) })
}
