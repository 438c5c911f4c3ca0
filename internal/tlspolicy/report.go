package tlspolicy

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of reports that others send (T9: a small file that unpacks to a huge one).
const (
	maxReportBytes    = 10 << 20 // unpacked
	maxReportPolicies = 1000
	maxReportDetails  = 10_000 // of one policy
	maxReportDepth    = 20     // of nested JSON
	maxReportText     = 2000   // bytes of one text that are kept
)

// Report is one aggregate report (RFC 8460, 4.4).
type Report struct {
	Organization string         `json:"organization-name"`
	Dates        DateRange      `json:"date-range"`
	Contact      string         `json:"contact-info"`
	ID           string         `json:"report-id"`
	Policies     []PolicyReport `json:"policies"`
}

// DateRange is the time a report is about.
type DateRange struct {
	Start time.Time `json:"start-datetime"`
	End   time.Time `json:"end-datetime"`
}

// PolicyReport is how sessions under one policy came out.
type PolicyReport struct {
	Policy   ReportedPolicy  `json:"policy"`
	Summary  Summary         `json:"summary"`
	Failures []FailureDetail `json:"failure-details,omitempty"`
}

// ReportedPolicy is the policy as the reporter saw it.
type ReportedPolicy struct {
	Type   PolicyType `json:"policy-type"`
	Text   texts      `json:"policy-string,omitempty"`
	Domain string     `json:"policy-domain"`
	MX     texts      `json:"mx-host,omitempty"`
}

// Summary counts sessions.
type Summary struct {
	Successful int64 `json:"total-successful-session-count"`
	Failed     int64 `json:"total-failure-session-count"`
}

// FailureDetail counts sessions that failed alike.
type FailureDetail struct {
	Result      Result `json:"result-type"`
	SendingIP   string `json:"sending-mta-ip,omitempty"`
	ReceivingMX string `json:"receiving-mx-hostname,omitempty"`
	HELO        string `json:"receiving-mx-helo,omitempty"`
	ReceivingIP string `json:"receiving-ip,omitempty"`
	Sessions    int64  `json:"failed-session-count"`
	Information string `json:"additional-information,omitempty"`
	Reason      string `json:"failure-reason-code,omitempty"`
}

// texts is a list of texts; some reporters write a single one without brackets.
type texts []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *texts) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(t))
}

// Sessions sums up all policies of the report.
func (r Report) Sessions() Summary {
	var sum Summary
	for _, p := range r.Policies {
		sum.Successful += p.Summary.Successful
		sum.Failed += p.Summary.Failed
	}
	return sum
}

// errReport: the bytes are not a report we take.
var errReport = errors.New("no TLS report")

// ParseTLSReport reads a report as it comes: JSON, plain or packed with gzip. All
// texts in what it returns are valid, on one line and bounded; counts are not
// negative. Everything about it is the reporter's word.
func ParseTLSReport(raw []byte) (Report, error) {
	var r Report
	text, err := unpack(raw)
	if err != nil {
		return r, fmt.Errorf("%w: %w", errReport, err)
	}
	if err := shallow(text); err != nil {
		return r, fmt.Errorf("%w: %w", errReport, err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return Report{}, fmt.Errorf("%w: %w", errReport, err)
	}
	if err := r.check(); err != nil {
		return Report{}, fmt.Errorf("%w: %w", errReport, err)
	}
	r.clean()
	return r, nil
}

func unpack(raw []byte) ([]byte, error) {
	if len(raw) > maxReportBytes {
		return nil, fmt.Errorf("more than %d bytes", maxReportBytes)
	}
	if !bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		return raw, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(z, maxReportBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxReportBytes {
		return nil, fmt.Errorf("more than %d bytes unpacked", maxReportBytes)
	}
	return text, nil
}

// shallow refuses JSON that nests deeper than any report does.
func shallow(text []byte) error {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxReportDepth {
				return errors.New("nested too deep")
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

func (r *Report) check() error {
	switch {
	case r.ID == "" || r.Organization == "":
		return errors.New("no report-id or organization-name")
	case len(r.Policies) == 0 || len(r.Policies) > maxReportPolicies:
		return fmt.Errorf("%d policies", len(r.Policies))
	case r.Dates.Start.IsZero() || r.Dates.End.Before(r.Dates.Start) || r.Dates.Start.Year() < 2000 || r.Dates.End.Year() > 9000:
		return errors.New("no valid date-range")
	}
	for _, p := range r.Policies {
		if p.Policy.Domain == "" || len(p.Failures) > maxReportDetails || p.Summary.Successful < 0 || p.Summary.Failed < 0 ||
			slices.ContainsFunc(p.Failures, func(f FailureDetail) bool { return f.Sessions < 0 }) {
			return errors.New("a policy without domain or with numbers that cannot be")
		}
	}
	return nil
}

// clean makes every text fit for pages and databases.
func (r *Report) clean() {
	oneLine(&r.Organization, &r.Contact, &r.ID)
	r.Dates.Start, r.Dates.End = r.Dates.Start.UTC(), r.Dates.End.UTC()
	for i := range r.Policies {
		p := &r.Policies[i]
		p.Policy.Domain = strings.ToLower(strings.TrimSuffix(p.Policy.Domain, "."))
		oneLine((*string)(&p.Policy.Type), &p.Policy.Domain)
		for _, list := range []*texts{&p.Policy.Text, &p.Policy.MX} {
			*list = (*list)[:min(len(*list), 2*maxPolicyMX)]
			for j := range *list {
				oneLine(&(*list)[j])
			}
		}
		for j := range p.Failures {
			f := &p.Failures[j]
			oneLine((*string)(&f.Result), &f.SendingIP, &f.ReceivingMX, &f.HELO, &f.ReceivingIP, &f.Information, &f.Reason)
		}
	}
}

func oneLine(list ...*string) {
	for _, s := range list {
		text := strings.Map(func(r rune) rune {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
				return ' '
			}
			return r
		}, strings.ToValidUTF8(*s, "\uFFFD"))
		for n := maxReportText; len(text) > n; n-- {
			if utf8.RuneStart(text[n]) {
				text = text[:n]
			}
		}
		*s = text
	}
}

// compose makes the report of one day for one domain of what was counted.
func compose(reporter Reporter, due Due, list []Tally) Report {
	r := Report{
		Organization: reporter.Organization, Contact: reporter.Contact,
		Dates: DateRange{due.Day.Start(), (due.Day + 1).Start().Add(-time.Second)},
		// The same for whoever makes it twice, so that the receiver can tell.
		ID: due.Day.Start().Format(time.DateOnly) + "-" + due.Domain + "@" + reporter.Host,
	}
	at := map[[2]string]int{}
	for _, t := range list {
		key := [2]string{string(t.Type), t.Policy}
		i, ok := at[key]
		if !ok {
			i = len(r.Policies)
			at[key] = i
			r.Policies = append(r.Policies, PolicyReport{Policy: t.reported()})
		}
		p := &r.Policies[i]
		if t.Result == ResultOK {
			p.Summary.Successful += t.Sessions
			continue
		}
		p.Summary.Failed += t.Sessions
		p.Failures = append(p.Failures, FailureDetail{Result: t.Result, SendingIP: t.Sender, ReceivingMX: t.Host, ReceivingIP: t.Receiver,
			Sessions: t.Sessions, Reason: t.Reason})
	}
	return r
}

func (t Tally) reported() ReportedPolicy {
	p := ReportedPolicy{Type: t.Type, Domain: t.Domain}
	if t.Policy == "" {
		return p
	}
	p.Text = strings.Split(t.Policy, "\n")
	for _, line := range p.Text {
		if mx, ok := strings.CutPrefix(line, "mx: "); ok && t.Type == TypeSTS {
			p.MX = append(p.MX, mx)
		}
	}
	return p
}

// pack is the report as it travels.
func (r Report) pack() ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write TLS report: %w", err)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		return nil, fmt.Errorf("pack TLS report: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("pack TLS report: %w", err)
	}
	return b.Bytes(), nil
}
