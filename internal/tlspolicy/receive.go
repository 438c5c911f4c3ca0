package tlspolicy

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"
	"time"

	"stafette/internal/tenant"
)

// Limits of the mail around a report.
const (
	maxMailParts = 20
	maxMailDepth = 3
	maxReports   = 200 // told at once
)

// AcceptReport reads a report about one of our tenants' domains and keeps it. raw is
// the mail it came in, or the report itself. What the report says of other domains
// is dropped: only the owner of a name may be told about it. The door has looked at
// the sender's DKIM signature, which RFC 8460, 5.3 demands; the report is kept as
// that sender's word. Errors: fault NotFound "domain_unknown" if the domain is no
// tenant's; others for what is no report about it.
func (p *Policies) AcceptReport(ctx context.Context, domain string, raw []byte) error {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	owner, err := p.cfg.Store.DomainOwner(ctx, domain)
	if err != nil {
		return err
	}
	packed := raw
	if !looksLikeReport(raw) {
		if packed, err = reportIn(raw); err != nil {
			return err
		}
	}
	r, err := ParseTLSReport(packed)
	if err != nil {
		return err
	}
	var about []PolicyReport
	for _, policy := range r.Policies {
		if policy.Policy.Domain == domain {
			about = append(about, policy)
		}
	}
	if len(about) == 0 {
		return fmt.Errorf("%w about %s", errReport, domain)
	}
	r.Policies = about
	return p.cfg.Store.SaveReport(ctx, owner, domain, r, p.cfg.Now().UTC().Truncate(time.Millisecond))
}

// Received returns the latest reports about a tenant's domain, or about all of them
// if domain is "".
func (p *Policies) Received(ctx context.Context, t tenant.ID, domain string) ([]Received, error) {
	return p.cfg.Store.Reports(ctx, t, domain, maxReports)
}

func looksLikeReport(raw []byte) bool {
	return bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) || bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{"))
}

// reportIn finds the report in a mail.
func reportIn(raw []byte) ([]byte, error) {
	if len(raw) > 2*maxReportBytes {
		return nil, fmt.Errorf("%w: mail of more than %d bytes", errReport, 2*maxReportBytes)
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errReport, err)
	}
	parts := maxMailParts
	return reportPart(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body, 0, &parts)
}

// errNoPart: there is no report in this part of a mail.
var errNoPart = errors.New("the mail holds no report")

func reportPart(kind, encoding string, body io.Reader, depth int, parts *int) ([]byte, error) {
	*parts--
	media, params, err := mime.ParseMediaType(kind)
	switch {
	case *parts < 0 || depth > maxMailDepth:
		return nil, fmt.Errorf("%w: %w: too many parts", errReport, errNoPart)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errReport, errNoPart)
	case strings.HasPrefix(media, "multipart/"):
		return reportAmong(multipart.NewReader(body, params["boundary"]), depth, parts)
	case media != "application/tlsrpt+gzip" && media != "application/tlsrpt+json":
		return nil, fmt.Errorf("%w: %w", errReport, errNoPart)
	}
	if strings.EqualFold(strings.TrimSpace(encoding), "base64") {
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	content, err := io.ReadAll(io.LimitReader(body, maxReportBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errReport, err)
	}
	return content, nil
}

func reportAmong(r *multipart.Reader, depth int, parts *int) ([]byte, error) {
	for {
		part, err := r.NextRawPart()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errReport, errNoPart)
		}
		content, err := reportPart(part.Header.Get("Content-Type"), part.Header.Get("Content-Transfer-Encoding"), part, depth+1, parts)
		if err == nil || *parts < 0 || !errors.Is(err, errNoPart) {
			return content, err
		}
	}
}
