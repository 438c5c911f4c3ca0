package main

import (
	"context"
	"fmt"

	"stafette/internal/id"
	"stafette/internal/tenant"
)

type domainCmd struct {
	Check domainCheckCmd `cmd:"" help:"Look the DNS records up and record the outcome."`
	TLS   domainTLSCmd   `cmd:"" name:"tls" help:"Explain how sessions to a recipient domain must be protected."`
}

type domainCheckCmd struct {
	Tenant string `required:"" help:"Identifier of the tenant (ten_…)."`
	Domain string `arg:"" help:"Sending domain."`
}

// Run checks one domain and lets it be used once its DKIM records are found.
func (d domainCheckCmd) Run(ctx context.Context, con *console) error {
	t, err := id.Parse[tenant.Kind](d.Tenant)
	if err != nil {
		return usageError{fmt.Errorf("--tenant: %w", err)}
	}
	return withBase(ctx, con, func(b *base) error {
		domains, err := b.store.Domains(ctx, t)
		if err != nil {
			return fmt.Errorf("domains: %w", err)
		}
		for _, domain := range domains {
			if domain.Name == d.Domain {
				return checkDomain(ctx, con, b, domain)
			}
		}
		return fmt.Errorf("%s is not a domain of %s", d.Domain, t)
	})
}

func checkDomain(ctx context.Context, con *console, b *base, domain tenant.Domain) error {
	keys, err := b.store.DKIMKeys(ctx, domain.Tenant, domain.Name)
	if err != nil {
		return fmt.Errorf("dkim keys: %w", err)
	}
	found, err := tenant.CheckDomain(ctx, b.resolver, domain, keys)
	if err != nil {
		return fmt.Errorf("check %s: %w", domain.Name, err)
	}
	if domain.State != tenant.Trusted {
		if err := b.store.SetDomainState(ctx, domain.Tenant, domain.ID, found.State, b.store.Now()); err != nil {
			return fmt.Errorf("record check: %w", err)
		}
	}
	fmt.Fprintf(con.stdout, "%s: %s\n", domain.Name, found.State)
	for _, k := range found.DKIM {
		fmt.Fprintf(con.stdout, "  DKIM  %-40s %s\n", k.Name, yesNo(k.Found))
	}
	fmt.Fprintf(con.stdout, "  SPF   %s\n  DMARC %s\n", orMissing(found.SPF), orMissing(found.DMARC))
	return nil
}

func yesNo(ok bool) string {
	if ok {
		return "found"
	}
	return "missing"
}

func orMissing(record string) string {
	if record == "" {
		return "missing"
	}
	return record
}
