package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"stafette/internal/id"
	"stafette/internal/tenant"
)

type domainCmd struct {
	Check  domainCheckCmd  `cmd:"" help:"Look the DNS records up and record the outcome."`
	Report domainReportCmd `cmd:"" help:"Read in a DMARC aggregate report, as a mail server can pipe it."`
	TLS    domainTLSCmd    `cmd:"" name:"tls" help:"Explain how sessions to a recipient domain must be protected."`
}

type domainReportCmd struct {
	Domain string `arg:"" help:"Identifier of the domain (dom_…), or the address the report came to (dmarc+dom_…@…)."`
	File   string `arg:"" placeholder:"FILE" help:"The mail, or the report in XML, .gz or .zip; - for standard input."`
}

// maxReport is more than any report may have.
const maxReport = 16 << 20

// Run counts one report. One that was counted before is no error, so that a mail
// server may deliver it twice.
func (d domainReportCmd) Run(ctx context.Context, con *console) error {
	name := d.Domain
	if local, _, ok := strings.Cut(name, "@"); ok {
		name = local[strings.LastIndexByte(local, '+')+1:]
	}
	domain, err := id.Parse[tenant.DomainKind](name)
	if err != nil {
		return usageError{fmt.Errorf("domain: %w", err)}
	}
	input := con.stdin
	if d.File != "-" {
		file, err := os.Open(d.File)
		if err != nil {
			return fmt.Errorf("read report: %w", err)
		}
		defer file.Close()
		input = file
	}
	raw, err := io.ReadAll(io.LimitReader(input, maxReport))
	if err != nil {
		return fmt.Errorf("read report: %w", err)
	}
	return withBase(ctx, con, func(b *base) error {
		return b.registry().AcceptReport(ctx, domain, raw)
	})
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
				setup, err := b.registry().Check(ctx, t, domain.ID, "cli")
				if err != nil {
					return fmt.Errorf("check %s: %w", domain.Name, err)
				}
				printSetup(con.stdout, setup)
				return nil
			}
		}
		return fmt.Errorf("%s is not a domain of %s", d.Domain, t)
	})
}

// printSetup tells a domain's state and, of each record, what DNS says of it.
func printSetup(w io.Writer, s tenant.DomainSetup) {
	fmt.Fprintf(w, "%s: %s\n", s.Name, s.State)
	if !s.GraceUntil.IsZero() {
		fmt.Fprintf(w, "  may be used until %s\n", s.GraceUntil.Format(time.RFC3339))
	}
	for _, f := range s.Records {
		if f.Value == "" && f.State == tenant.Missing {
			continue // nobody asks for it
		}
		fmt.Fprintf(w, "  %-9s %-5s %-40s %s\n", f.State, f.Type, f.Name, f.Purpose)
		if f.State != tenant.Found && f.Value != "" {
			fmt.Fprintf(w, "            publish %s\n", f.Value)
		}
		for _, seen := range f.Seen {
			fmt.Fprintf(w, "            there is %s\n", seen)
		}
	}
}
