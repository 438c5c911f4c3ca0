package changeover

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"stafette/internal/egress"
)

// Blocking are the checks that must be put right before the start.
func (c Changeover) Blocking() []Check {
	return slices.DeleteFunc(slices.Clone(c.Checks), func(k Check) bool { return k.Verdict == Passed || k.Verdict == Skipped })
}

// maxAsked bounds the names of SPF that one pre-flight asks for, addresses times domains.
const maxAsked = 500

// preflight runs every check of a changeover, those that block first.
func (s *Service) preflight(ctx context.Context, c Changeover) ([]Check, error) {
	ways, err := s.cfg.Planner.Ways(ctx)
	if err != nil {
		return nil, err
	}
	var fresh, all []egress.Source
	var list []Check
	for _, name := range c.New {
		v, there := ways.Source(name)
		list = append(list, fitness(name, v, there, s.now()))
		fresh, all = append(fresh, v), append(all, v)
	}
	for _, name := range c.Old {
		if v, there := ways.Source(name); there {
			all = append(all, v)
		}
	}
	list = append(list, s.asked(ctx, fresh, ways)...)
	list = append(list, s.spf(ctx, c, all)...)
	list = append(list, s.imprint(ctx, c, fresh)...)
	list = append(list, s.certificate())
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	rank := func(v Verdict) int { return slices.Index([]Verdict{Blocked, Unknown, Passed, Skipped}, v) }
	slices.SortStableFunc(list, func(a, b Check) int { return rank(a.Verdict) - rank(b.Verdict) })
	return list, nil
}

// fitness checks that a new source is there and may send.
func fitness(name string, v egress.Source, there bool, now time.Time) Check {
	k := Check{Kind: CheckSource, Subject: name, Verdict: Passed, Have: v.EHLO}
	switch {
	case !there:
		k.Verdict, k.Problem = Blocked, "missing"
	case !v.Fixed():
		k.Verdict, k.Problem = Blocked, "no_address"
	case v.State == egress.StateRetiring, v.State == egress.StateRetired:
		k.Verdict, k.Problem, k.Have = Blocked, "state", string(v.State)
	case !v.ValidUntil.IsZero() && v.ValidUntil.Before(now):
		k.Verdict, k.Problem = Blocked, "ended"
	case v.Weight <= 0:
		k.Verdict, k.Problem = Blocked, "weight"
	}
	return k
}

// asked runs the checks of egress on the new sources.
func (s *Service) asked(ctx context.Context, fresh []egress.Source, ways egress.Ways) []Check {
	var list []Check
	if s.cfg.Lookup == nil {
		return list
	}
	checker := egress.Checker{Lookup: s.cfg.Lookup, DNSBL: s.cfg.DNSBL, Addresses: ways.Addresses, Now: s.cfg.Now}
	for _, f := range checker.Check(ctx, fresh) {
		k := Check{Kind: CheckKind(f.Check), Subject: f.Source, Verdict: Passed, Problem: string(f.Problem), Have: f.Have}
		if f.Check == egress.CheckDNSBL {
			k.Want = f.Subject
		}
		switch f.Problem {
		case egress.ProblemNone:
		case egress.ProblemUnknown:
			k.Verdict = Unknown
		default:
			k.Verdict = Blocked
		}
		list = append(list, k)
	}
	for _, v := range fresh {
		if v.Fixed() && !egress.Public(v.IP) {
			list = append(list, Check{Kind: CheckPTR, Subject: v.Name, Verdict: Skipped, Problem: "not_public", Have: v.IP.String()})
		}
	}
	if len(s.cfg.DNSBL) == 0 {
		list = append(list, Check{Kind: CheckDNSBL, Verdict: Skipped, Problem: "none_asked"})
	}
	return list
}

// spf checks that the records of the domains carry old and new addresses: both, for while
// the overlap lasts mail comes from both.
func (s *Service) spf(ctx context.Context, c Changeover, all []egress.Source) []Check {
	var addrs []netip.Addr
	for _, v := range all {
		if v.Fixed() && egress.Public(v.IP) {
			addrs = append(addrs, v.IP)
		}
	}
	switch {
	case len(c.Domains) == 0 || s.cfg.SPF == nil:
		return []Check{{Kind: CheckSPF, Verdict: Skipped, Problem: "none_asked"}}
	case len(addrs) == 0:
		return []Check{{Kind: CheckSPF, Verdict: Skipped, Problem: "not_public"}}
	}
	var list []Check
	left := maxAsked
	for _, domain := range c.Domains {
		k := Check{Kind: CheckSPF, Subject: domain, Verdict: Passed}
		for _, a := range addrs {
			if left--; left < 0 {
				k.Verdict, k.Problem = Unknown, "too_many"
				break
			}
			result := s.cfg.SPF(ctx, domain, a)
			if result == "pass" {
				continue
			}
			if k.Verdict, k.Problem, k.Want, k.Have = Blocked, "spf", a.String(), result; result == "temperror" {
				k.Verdict, k.Problem = Unknown, "unknown"
			}
			break
		}
		list = append(list, k)
	}
	return list
}

// imprint checks that the names under which somebody looks for who sends are found, as
// T-Online demands of each sending host.
func (s *Service) imprint(ctx context.Context, c Changeover, fresh []egress.Source) []Check {
	if s.cfg.Lookup == nil {
		return nil
	}
	hosts := []string{c.ImprintHost}
	if c.ImprintHost == "" {
		hosts = nil
		for _, v := range fresh {
			if v.EHLO != "" && v.Fixed() && egress.Public(v.IP) {
				hosts = append(hosts, v.EHLO)
			}
		}
		slices.Sort(hosts)
		hosts = slices.Compact(hosts)
	}
	var list []Check
	for _, host := range hosts {
		k := Check{Kind: CheckImprint, Subject: host, Verdict: Passed}
		addrs, err := s.cfg.Lookup.Addrs(ctx, host)
		switch {
		case egress.Temporary(err):
			k.Verdict, k.Problem = Unknown, "unknown"
		case len(addrs) == 0:
			k.Verdict, k.Problem = Blocked, "missing"
		default:
			k.Have = addrs[0].String()
		}
		list = append(list, k)
	}
	if len(list) == 0 {
		return []Check{{Kind: CheckImprint, Verdict: Skipped, Problem: "not_public"}}
	}
	return list
}

// certificate checks that the pages customers are sent to open without a warning.
func (s *Service) certificate() Check {
	k := Check{Kind: CheckTLS, Verdict: Skipped, Problem: "not_asked"}
	if s.cfg.Certificate == nil {
		return k
	}
	until, verifiable := s.cfg.Certificate()
	switch {
	case !verifiable:
		k.Problem = "self_signed"
	case until.Before(s.now()):
		k.Verdict, k.Problem, k.Have = Blocked, "ended", until.Format(time.DateOnly)
	default:
		k.Verdict, k.Problem, k.Have = Passed, "", until.Format(time.DateOnly)
	}
	return k
}
