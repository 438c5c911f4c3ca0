package dmarc

import (
	"strings"
)

// Policy is what a domain's owner asks receivers to do with mail that fails DMARC.
type Policy string

// The policies (RFC 9989, 4.7).
const (
	None       Policy = "none"
	Quarantine Policy = "quarantine"
	Reject     Policy = "reject"
)

// Record is a DMARC policy record (RFC 9989, 4.7). Tags of RFC 7489 that are no more
// (pct, rf, ri) are passed over.
type Record struct {
	Text       string // as it was published
	Policy     Policy // p
	Subdomain  Policy // sp; "" as Policy
	Missing    Policy // np, for names that do not exist; "" as Subdomain
	Testing    bool   // t=y: one step milder than it says
	StrictDKIM bool   // adkim=s
	StrictSPF  bool   // aspf=s
	// PSD is 'y' for a public suffix, 'n' for an organisation's own top, 'u' where the
	// record does not say.
	PSD     byte
	Reports []string // rua: where aggregate reports go
}

// Limits of a record that somebody else has written.
const (
	maxRecord = 4096
	maxTags   = 64
)

// ParseRecord reads a TXT record. ok is false for what is no DMARC record: another
// version, the version not first, or no valid policy and nobody to report to.
func ParseRecord(text string) (r Record, ok bool) {
	if len(text) > maxRecord {
		return Record{}, false
	}
	r = Record{Text: text, PSD: 'u'}
	valid := true
	for i, part := range strings.Split(text, ";") {
		name, value, found := strings.Cut(part, "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if i == 0 {
			// RFC 9989, 4.7: the version is case-sensitive and comes first.
			if name != "v" || value != "DMARC1" {
				return Record{}, false
			}
			continue
		}
		if i >= maxTags || !found {
			continue
		}
		valid = r.set(name, value) && valid
	}
	if r.Policy == "" || !valid {
		// RFC 9989, 4.7: without a policy that can be read, reports are all that is asked.
		if len(r.Reports) == 0 {
			return Record{}, false
		}
		r.Policy, r.Subdomain, r.Missing = None, "", ""
	}
	return r, true
}

// set takes one tag and reports whether a policy in it can be read.
func (r *Record) set(name, value string) bool {
	lower := strings.ToLower(value)
	switch name {
	case "p":
		return r.Policy.parse(lower)
	case "sp":
		return r.Subdomain.parse(lower)
	case "np":
		return r.Missing.parse(lower)
	case "t":
		r.Testing = lower == "y"
	case "adkim":
		r.StrictDKIM = lower == "s"
	case "aspf":
		r.StrictSPF = lower == "s"
	case "psd":
		if lower == "y" || lower == "n" {
			r.PSD = lower[0]
		}
	case "rua":
		for uri := range strings.SplitSeq(value, ",") {
			if uri = strings.TrimSpace(uri); strings.Contains(uri, ":") {
				r.Reports = append(r.Reports, uri)
			}
		}
	}
	return true
}

func (p *Policy) parse(text string) bool {
	switch Policy(text) {
	case None, Quarantine, Reject:
		*p = Policy(text)
		return true
	}
	return false
}

// For returns the policy for a name below the record's own domain; exists is whether
// DNS knows it.
func (r Record) For(below, exists bool) Policy {
	p := r.Policy
	if below && r.Subdomain != "" {
		p = r.Subdomain
	}
	if below && !exists && r.Missing != "" {
		p = r.Missing
	}
	if !r.Testing {
		return p
	}
	switch p {
	case Reject:
		return Quarantine
	default:
		return None
	}
}

// ReportsTo reports whether aggregate reports go to a mail address.
func (r Record) ReportsTo(address string) bool {
	for _, uri := range r.Reports {
		scheme, rest, _ := strings.Cut(uri, ":")
		rest, _, _ = strings.Cut(rest, "!") // a size limit, of RFC 7489
		if strings.EqualFold(scheme, "mailto") && strings.EqualFold(rest, address) {
			return true
		}
	}
	return false
}
