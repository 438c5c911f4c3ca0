package tlspolicy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"stafette/internal/dns"
	"stafette/internal/message"
)

const (
	maxRUA       = 5              // addresses of one record that get the report
	dueBatch     = 200            // reports of one round
	tallyRows    = 5000           // kinds of outcome in one report
	reportSpread = 4              // hours over which reports go out (RFC 8460, 4.1)
	reportLate   = 2              // days after which a report is given up
	notesKept    = Day(10)        // days for which it is known that a report was sent
	reportPrefix = "_smtp._tls."  // RFC 8460, 3
	answerLimit  = int64(4 << 10) // bytes read of a web server's answer
)

// Reporter is who sends our reports.
type Reporter struct {
	Organization string
	Contact      string // address for questions
	Host         string // our name in report identifiers
	// From is the sender of reports by mail and Mail sends them; without either only
	// domains that take reports over HTTPS get them.
	From message.Address
	Mail func(ctx context.Context, l Letter) error
}

// Letter is one report by mail.
type Letter struct {
	From, To message.Address
	// Raw is the whole message (RFC 5322). It must be signed with DKIM on its way
	// (RFC 8460, 3).
	Raw []byte
	Key string // the same for the same report to the same address
}

// errNoRecord: a domain does not ask for reports.
var errNoRecord = errors.New("domain asks for no TLS reports")

// ParseReportRecord returns where the record of _smtp._tls wants reports sent, mailto
// and https addresses; none if there is not exactly one record of version TLSRPTv1
// (RFC 8460, 3).
func ParseReportRecord(records []string) []*url.URL {
	var record string
	for _, r := range records {
		if first, _, _ := strings.Cut(r, ";"); strings.TrimRight(first, " \t") != "v=TLSRPTv1" {
			continue
		}
		if record != "" {
			return nil
		}
		record = r
	}
	for field := range strings.SplitSeq(record, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		if strings.TrimSpace(key) != "rua" {
			continue
		}
		var list []*url.URL
		for text := range strings.SplitSeq(value, ",") {
			u, err := url.Parse(strings.TrimSpace(text))
			if err == nil && (u.Scheme == "https" && u.Hostname() != "" && u.User == nil || u.Scheme == "mailto" && u.Opaque != "") && len(list) < maxRUA {
				list = append(list, u)
			}
		}
		return list
	}
	return nil
}

func (p *Policies) reportTo(ctx context.Context, domain string) ([]*url.URL, error) {
	records, err := p.cfg.Names.TXT(ctx, reportPrefix+domain)
	if err != nil && !errors.Is(err, dns.ErrNoDomain) {
		return nil, err
	}
	list := ParseReportRecord(records)
	if len(list) == 0 {
		return nil, errNoRecord
	}
	return list, nil
}

// SendReports sends the reports of past days that are due. One node does it for all,
// every hour. A report that nobody takes is tried again for two days. Should two
// nodes do it at once or one stop in between, the receiver gets the same report, by
// its identifier, twice.
func (p *Policies) SendReports(ctx context.Context, now time.Time) error {
	list, err := p.cfg.Store.ReportsDue(ctx, DayOf(now), dueBatch)
	if err != nil {
		return err
	}
	for _, due := range list {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if now.Before((due.Day + 1).Start().Add(sendingHour(due.Domain))) {
			continue
		}
		err := p.sendReport(ctx, due, now)
		if err != nil && DayOf(now) <= due.Day+reportLate {
			p.cfg.Log.Warn("tls report not sent", "domain", due.Domain, "day", due.Day.Start().Format(time.DateOnly), "err", err)
			continue
		}
		if err := p.cfg.Store.ReportDone(ctx, due, now); err != nil {
			return err
		}
	}
	return p.cfg.Store.ForgetReports(ctx, DayOf(now)-notesKept)
}

// sendingHour spreads the reports, so that not all of the world's come at midnight.
// The first hour is left to the nodes' last counts of the day.
func sendingHour(domain string) time.Duration {
	h := fnv.New32a()
	_, _ = io.WriteString(h, domain)
	return time.Hour + time.Duration(h.Sum32()%(reportSpread*60))*time.Minute
}

func (p *Policies) sendReport(ctx context.Context, due Due, now time.Time) error {
	to, err := p.reportTo(ctx, due.Domain)
	if errors.Is(err, errNoRecord) {
		return nil // not wanted any more
	}
	if err != nil {
		return err
	}
	list, err := p.cfg.Store.Tallies(ctx, due, tallyRows)
	if err != nil || len(list) == 0 {
		return err
	}
	report := compose(p.cfg.Reporter, due, list)
	packed, err := report.pack()
	if err != nil {
		return err
	}
	var errs []error
	sent := false
	for _, u := range to {
		if err := p.deliverReport(ctx, u, due, report, packed, now); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", u.Redacted(), err))
			continue
		}
		sent = true
	}
	if sent {
		return nil // a second address that failed gets none: the first has it
	}
	return errors.Join(errs...)
}

func (p *Policies) deliverReport(ctx context.Context, u *url.URL, due Due, r Report, packed []byte, now time.Time) error {
	if u.Scheme == "https" {
		return p.sts.web.post(ctx, u, packed)
	}
	if p.cfg.Reporter.Mail == nil {
		return errors.New("no sender of reports by mail is configured")
	}
	text, err := url.PathUnescape(u.Opaque)
	if err != nil {
		return err
	}
	to, err := message.ParseAddress(text)
	if err != nil {
		return err
	}
	return p.cfg.Reporter.Mail(ctx, Letter{From: p.cfg.Reporter.From, To: to, Raw: letter(p.cfg.Reporter, to, due, r, packed, now),
		Key: fmt.Sprintf("tlsrpt-%x", sha256.Sum256([]byte(r.ID+" "+to.String())))})
}

// post sends a report to a web server (RFC 8460, 3).
func (f *fetcher) post(ctx context.Context, u *url.URL, packed []byte) error {
	if port := u.Port(); port != "" && port != f.port() {
		return fmt.Errorf("port %s is not one for reports", port)
	}
	to := *u
	if u.Port() == "" {
		to.Host = f.host(u.Hostname())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(packed))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/tlsrpt+gzip")
	answer, err := f.client.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, answerLimit)
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the web server answers %d", answer.StatusCode)
	}
	return nil
}

// letter is the mail of RFC 8460, 5.3. It says of itself that it may go in clear:
// else the trouble it tells of would keep it from being told (RFC 8689, 5).
func letter(from Reporter, to message.Address, due Due, r Report, packed []byte, now time.Time) []byte {
	day := due.Day.Start()
	name := fmt.Sprintf("%s!%s!%d!%d.json.gz", from.From.Domain, due.Domain, r.Dates.Start.Unix(), r.Dates.End.Unix())
	const boundary = "tls-report-d41d8cd98f00b204e9800998"
	var b strings.Builder
	field := func(name, value string) { b.WriteString(name + ": " + value + "\r\n") }
	field("From", "<"+from.From.String()+">")
	field("To", "<"+to.String()+">")
	field("Date", now.UTC().Format(time.RFC1123Z))
	field("Subject", fmt.Sprintf("Report Domain: %s\r\n Submitter: %s\r\n Report-ID: <%s>", due.Domain, from.From.Domain, r.ID))
	field("TLS-Report-Domain", due.Domain)
	field("TLS-Report-Submitter", from.From.Domain)
	field("TLS-Required", "No")
	field("Auto-Submitted", "auto-generated")
	field("MIME-Version", "1.0")
	field("Content-Type", "multipart/report; report-type=\"tlsrpt\";\r\n boundary=\""+boundary+"\"")
	b.WriteString("\r\n--" + boundary + "\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n")
	sum := r.Sessions()
	fmt.Fprintf(&b, "This is an aggregate report (RFC 8460) about sessions with the mail\r\nservers of %s on %s (UTC): %d as its policies\r\ndemand, %d not.\r\n",
		due.Domain, day.Format(time.DateOnly), sum.Successful, sum.Failed)
	b.WriteString("\r\n--" + boundary + "\r\n")
	field("Content-Type", mime.FormatMediaType("application/tlsrpt+gzip", nil))
	field("Content-Transfer-Encoding", "base64")
	field("Content-Disposition", "attachment;\r\n filename=\""+name+"\"")
	b.WriteString("\r\n")
	for text := base64.StdEncoding.EncodeToString(packed); text != ""; {
		n := min(len(text), 76)
		b.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
	b.WriteString("--" + boundary + "--\r\n")
	return []byte(b.String())
}
