package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"stafette/internal/audit"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Check that no entry was changed, removed or added, and print where each chain ends."`
	List   auditListCmd   `cmd:"" help:"Print the entries of a tenant, or of the platform, as JSON lines from the first on."`
}

type auditVerifyCmd struct {
	Tenant string `help:"Identifier of one tenant (ten_…); without it, all chains and the platform's."`
}

// Run verifies chains. The printed ends, kept elsewhere, prove later what the chains
// were today.
func (v auditVerifyCmd) Run(ctx context.Context, con *console) error {
	return withBase(ctx, con, func(b *base) error {
		list, err := chains(ctx, b, v.Tenant)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(con.stdout, 0, 0, 2, ' ', 0)
		broken := 0
		for _, t := range list {
			head, err := audit.Verify(ctx, b.store, t)
			if err != nil {
				broken++
				fmt.Fprintf(w, "%s\tBROKEN\t%v\n", chainName(t), err)
				continue
			}
			fmt.Fprintf(w, "%s\tok\t%d entries\t%x\n", chainName(t), head.Seq, head.Hash)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if broken > 0 {
			return fmt.Errorf("%d of %d audit chains are broken", broken, len(list))
		}
		return nil
	})
}

func chainName(t tenant.ID) string {
	if t.IsZero() {
		return "platform"
	}
	return t.String()
}

// chains are the one named, or all.
func chains(ctx context.Context, b *base, name string) ([]tenant.ID, error) {
	const page = 500
	if name != "" {
		t, err := id.Parse[tenant.Kind](name)
		if err != nil {
			return nil, usageError{fmt.Errorf("--tenant: %w", err)}
		}
		return []tenant.ID{t}, nil
	}
	list := []tenant.ID{{}}
	for {
		found, err := b.store.Tenants(ctx, list[len(list)-1], page)
		if err != nil {
			return nil, err
		}
		for _, t := range found {
			list = append(list, t.ID)
		}
		if len(found) < page {
			return list, nil
		}
	}
}

type auditListCmd struct {
	Tenant string `help:"Identifier of the tenant (ten_…); without it, the platform."`
}

// Run prints entries with all that their hashes are made of.
func (l auditListCmd) Run(ctx context.Context, con *console) error {
	var t tenant.ID
	if l.Tenant != "" {
		var err error
		if t, err = id.Parse[tenant.Kind](l.Tenant); err != nil {
			return usageError{fmt.Errorf("--tenant: %w", err)}
		}
	}
	return withBase(ctx, con, func(b *base) error { return printChain(ctx, b, t, con.stdout) })
}

func printChain(ctx context.Context, b *base, t tenant.ID, w io.Writer) error {
	const page = 500
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for after := int64(0); ; {
		list, err := b.store.AuditChain(ctx, t, after, page)
		if err != nil {
			return err
		}
		for _, e := range list {
			if err := out.Encode(e); err != nil {
				return err
			}
			after = e.Seq
		}
		if len(list) < page {
			return nil
		}
	}
}
