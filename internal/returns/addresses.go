package returns

import (
	"strings"

	"stafette/internal/bounce"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Addresses knows which addresses are ours to receive. It is safe for concurrent use.
type Addresses struct {
	paths, unsubscribe *bounce.ReturnPaths
	domains            []string // whose postmaster we are
}

// NewAddresses takes the two kinds of addresses that carry a MAC, and the domains at
// which postmaster, abuse and fbl are ours.
func NewAddresses(paths, unsubscribe *bounce.ReturnPaths, domains ...string) *Addresses {
	a := &Addresses{paths: paths, unsubscribe: unsubscribe}
	for _, d := range domains {
		if d != "" {
			a.domains = append(a.domains, strings.ToLower(d))
		}
	}
	return a
}

// Purpose tells what an address is for; ok is false if it is none of ours.
func (a *Addresses) Purpose(to message.Address) (p Purpose, path bounce.Path, ok bool) {
	if path, err := a.paths.Parse(to); err == nil {
		return ForDelivery, path, true
	}
	if path, err := a.unsubscribe.Parse(to); err == nil {
		return ForUnsubscribe, path, true
	}
	if !a.ours(to.Domain) {
		return "", path, false
	}
	if _, ok := aboutDomain(to); ok {
		return ForDomain, path, true
	}
	switch strings.ToLower(to.Local) {
	case "postmaster":
		return ForPostmaster, path, true
	case "abuse", "fbl":
		return ForReports, path, true
	}
	return "", path, false
}

// aboutDomain reads the address that takes the aggregate reports about a sending domain:
// dmarc+dom_…, or reports+dom_….
func aboutDomain(to message.Address) (tenant.DomainID, bool) {
	kind, name, _ := strings.Cut(strings.ToLower(to.Local), "+")
	if kind != "dmarc" && kind != "reports" {
		return tenant.DomainID{}, false
	}
	d, err := id.Parse[tenant.DomainKind](name)
	return d, err == nil
}

func (a *Addresses) ours(domain string) bool {
	for _, d := range a.domains {
		if strings.EqualFold(d, domain) {
			return true
		}
	}
	return false
}

// PathOf is what the return path of a tenant's delivery names.
func PathOf(t tenant.ID, d message.DeliveryID) bounce.Path {
	return bounce.Path{Delivery: d, Tag: bounce.Tag(t[len(t)-len(bounce.Tag{}):])}
}

// vouchers are the fields of a message reported on in which our own addresses stand
// when it was ours.
func vouchers() []string {
	return []string{"Return-Path", "X-Envelope-From", "X-Original-Return-Path", "List-Unsubscribe", "CFBL-Address", "X-MailFrom", "Original-Mail-From"}
}

// Proven finds an address of ours with a MAC in a report that came to none: among the
// addresses it was sent to on its way and in the header of the message reported on.
func (a *Addresses) Proven(r bounce.Report) (bounce.Path, bool) {
	for _, to := range r.ReturnedTo {
		if d, ok := a.proof(to); ok {
			return d, true
		}
	}
	for _, f := range r.Original {
		for _, name := range vouchers() {
			if !strings.EqualFold(f.Name, name) {
				continue
			}
			for _, word := range strings.FieldsFunc(f.Value, func(r rune) bool { return strings.ContainsRune(" \t<>,?;", r) }) {
				if d, ok := a.proof(strings.TrimPrefix(word, "mailto:")); ok {
					return d, true
				}
			}
		}
	}
	return bounce.Path{}, false
}

func (a *Addresses) proof(text string) (bounce.Path, bool) {
	local, domain, ok := strings.Cut(text, "@")
	if !ok {
		return bounce.Path{}, false
	}
	_, d, ok := a.Purpose(message.Address{Local: local, Domain: domain})
	return d, ok && !d.Delivery.IsZero()
}
