package returns

import (
	"strings"

	"stafette/internal/bounce"
	"stafette/internal/message"
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
func (a *Addresses) Purpose(to message.Address) (p Purpose, d message.DeliveryID, ok bool) {
	if d, err := a.paths.Parse(to); err == nil {
		return ForDelivery, d, true
	}
	if d, err := a.unsubscribe.Parse(to); err == nil {
		return ForUnsubscribe, d, true
	}
	if !a.ours(to.Domain) {
		return "", d, false
	}
	switch strings.ToLower(to.Local) {
	case "postmaster":
		return ForPostmaster, d, true
	case "abuse", "fbl":
		return ForReports, d, true
	}
	return "", d, false
}

func (a *Addresses) ours(domain string) bool {
	for _, d := range a.domains {
		if strings.EqualFold(d, domain) {
			return true
		}
	}
	return false
}

// vouchers are the fields of a message reported on in which our own addresses stand
// when it was ours.
func vouchers() []string {
	return []string{"Return-Path", "X-Envelope-From", "X-Original-Return-Path", "List-Unsubscribe", "X-MailFrom", "Original-Mail-From"}
}

// Proven finds an address of ours with a MAC in a report that came to none: among the
// addresses it was sent to on its way and in the header of the message reported on.
func (a *Addresses) Proven(r bounce.Report) (message.DeliveryID, bool) {
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
	return message.DeliveryID{}, false
}

func (a *Addresses) proof(text string) (message.DeliveryID, bool) {
	local, domain, ok := strings.Cut(text, "@")
	if !ok {
		return message.DeliveryID{}, false
	}
	_, d, ok := a.Purpose(message.Address{Local: local, Domain: domain})
	return d, ok && !d.IsZero()
}
