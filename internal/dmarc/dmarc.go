// Package dmarc finds the DMARC record that holds for a name, says whether mail is
// aligned with its From (RFC 9989), and reads the aggregate reports that receivers
// send about a domain (RFC 9990, and RFC 7489 before it).
//
// It is floor 0. It asks a TXT resolver and nothing else: whether SPF passed or a
// signature verifies is for the caller to know, and what to do about mail that fails
// for the caller to decide.
package dmarc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stafette/internal/dns"
)

// Resolver looks TXT records up; dns.Resolver is one. Its errors are those of package
// dns: ErrNoDomain, or ErrTemporary when there is no answer.
type Resolver interface {
	TXT(ctx context.Context, name string) ([]string, error)
}

// maxWalk is how many records a tree walk asks for at most (RFC 9989, 4.10).
const maxWalk = 8

// Found is the record that holds for a name.
type Found struct {
	// Domain published Record; "" if no record holds for the name.
	Domain string
	Record Record
	// Organisation is the organisational domain of the name; the name itself if the
	// walk met no record.
	Organisation string
}

// step is a record met on the way up.
type step struct {
	domain string
	record Record
}

// Discover finds the record that holds for a domain (RFC 9989, 4.10.1): its own, or
// that of its organisation, or that of the public suffix above. name is in A-labels. A
// name server without an answer is an error, errors.Is dns.ErrTemporary.
func Discover(ctx context.Context, r Resolver, name string) (Found, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	steps, err := walk(ctx, r, name)
	if err != nil {
		return Found{}, err
	}
	f := Found{Organisation: organisation(name, steps)}
	for _, s := range steps {
		if s.domain == name || s.domain == f.Organisation {
			f.Domain, f.Record = s.domain, s.record
			return f, nil
		}
	}
	if n := len(steps); n > 0 && steps[n-1].record.PSD == 'y' {
		f.Domain, f.Record = steps[n-1].domain, steps[n-1].record
	}
	return f, nil
}

// Organisation returns the organisational domain of a name (RFC 9989, 4.10.2).
func Organisation(ctx context.Context, r Resolver, name string) (string, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	steps, err := walk(ctx, r, name)
	if err != nil {
		return "", err
	}
	return organisation(name, steps), nil
}

// walk asks at the name and then at each name above it, and ends at one that says
// where the organisation ends. Of long names only the last seven labels follow.
func walk(ctx context.Context, r Resolver, name string) ([]step, error) {
	var steps []step
	labels := strings.Split(name, ".")
	for range maxWalk {
		domain := strings.Join(labels, ".")
		record, ok, err := lookup(ctx, r, domain)
		if err != nil {
			return nil, err
		}
		if ok {
			steps = append(steps, step{domain, record})
			if record.PSD != 'u' {
				break
			}
		}
		if len(labels) < 2 {
			break
		}
		labels = labels[max(1, len(labels)-(maxWalk-1)):]
	}
	return steps, nil
}

// lookup returns the one valid record at a name; several are none (RFC 9989, 4.10).
func lookup(ctx context.Context, r Resolver, domain string) (rec Record, ok bool, err error) {
	texts, err := r.TXT(ctx, "_dmarc."+domain)
	if errors.Is(err, dns.ErrNoDomain) || errors.Is(err, dns.ErrNoHost) {
		return Record{}, false, nil
	}
	if err != nil {
		return Record{}, false, fmt.Errorf("look up DMARC record of %s: %w", domain, err)
	}
	for _, text := range texts {
		one, valid := ParseRecord(text)
		if !valid {
			continue
		}
		if ok {
			return Record{}, false, nil
		}
		rec, ok = one, true
	}
	return rec, ok, nil
}

func organisation(name string, steps []step) string {
	org := name
	for _, s := range steps {
		switch {
		case s.record.PSD == 'n':
			return s.domain
		case s.record.PSD == 'y' && s.domain != name:
			// One label below the public suffix.
			above := strings.Count(s.domain, ".") + 2
			labels := strings.Split(name, ".")
			return strings.Join(labels[max(0, len(labels)-above):], ".")
		}
		org = s.domain // the record with the fewest labels comes last
	}
	return org
}

// Proof is a domain that SPF or a DKIM signature speaks for.
type Proof struct {
	Domain string // of the envelope sender, or d=
	Pass   bool
}

// Result is how mail stands to the policy of its From.
type Result struct {
	Found
	Pass                    bool // SPF or DKIM passed and is aligned
	SPFAligned, DKIMAligned bool // passed and aligned
	// Ask is what the domain's owner wants done with this mail: None if it passes or
	// nobody has published anything.
	Ask Policy
}

// Evaluate holds mail against the policy of its From domain (RFC 9989, 4.9). The proofs
// are what SPF said of the envelope sender and what each DKIM signature came to; only
// the first 16 signatures count. An error is dns.ErrTemporary: nothing is known.
func Evaluate(ctx context.Context, r Resolver, from string, spf Proof, dkim []Proof) (Result, error) {
	from = strings.ToLower(strings.TrimSuffix(from, "."))
	found, err := Discover(ctx, r, from)
	if err != nil {
		return Result{}, err
	}
	res := Result{Found: found, Ask: None}
	if res.SPFAligned, err = aligned(ctx, r, found, from, spf, found.Record.StrictSPF); err != nil {
		return Result{}, err
	}
	for _, p := range dkim[:min(len(dkim), 16)] {
		if res.DKIMAligned {
			break
		}
		if res.DKIMAligned, err = aligned(ctx, r, found, from, p, found.Record.StrictDKIM); err != nil {
			return Result{}, err
		}
	}
	res.Pass = res.SPFAligned || res.DKIMAligned
	if found.Domain == "" || res.Pass {
		return res, nil
	}
	_, err = r.TXT(ctx, from)
	if err != nil && !errors.Is(err, dns.ErrNoDomain) && !errors.Is(err, dns.ErrNoHost) {
		return Result{}, fmt.Errorf("look up %s: %w", from, err)
	}
	res.Ask = found.Record.For(found.Domain != from, !errors.Is(err, dns.ErrNoDomain))
	return res, nil
}

func aligned(ctx context.Context, r Resolver, found Found, from string, p Proof, strict bool) (bool, error) {
	domain := strings.ToLower(strings.TrimSuffix(p.Domain, "."))
	if !p.Pass || domain == "" {
		return false, nil
	}
	if domain == from || strict {
		return domain == from, nil
	}
	org, err := Organisation(ctx, r, domain)
	return err == nil && org == found.Organisation, err
}
