package main

import (
	"context"
	"fmt"

	"stafette/internal/audit"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

type tenantCmd struct {
	FailureReports failureReportsCmd `cmd:"" help:"Say whether SMTP senders who ask for nothing are told of failures by mail."`
	ReleaseBulk    releaseBulkCmd    `cmd:"" help:"Let the newsletters and reminders of a tenant go on that were halted for complaints or bounces."`
}

type releaseBulkCmd struct {
	Tenant string `required:"" help:"Identifier of the tenant (ten_…)."`
	Reason string `required:"" help:"Why they may go on; it stays on record."`
}

// Run releases the tenant's bulk mail; serving nodes let held mail go on within moments.
func (c releaseBulkCmd) Run(ctx context.Context, con *console) error {
	t, err := id.Parse[tenant.Kind](c.Tenant)
	if err != nil {
		return usageError{fmt.Errorf("--tenant: %w", err)}
	}
	ctx = ofTenant(ctx, t)
	return withBase(ctx, con, func(b *base) error {
		if err := b.audience.ReleaseBulk(ctx, t, "operator", c.Reason); err != nil {
			return err
		}
		fmt.Fprintf(con.stdout, "bulk mail of %s released\n", t)
		return nil
	})
}

type failureReportsCmd struct {
	Tenant string `required:"" help:"Identifier of the tenant (ten_…)."`
	Switch string `arg:"" enum:"on,off" help:"on or off."`
}

// Run sets the switch. Mail that was accepted before keeps what it was accepted with.
func (c failureReportsCmd) Run(ctx context.Context, con *console) error {
	t, err := id.Parse[tenant.Kind](c.Tenant)
	if err != nil {
		return usageError{fmt.Errorf("--tenant: %w", err)}
	}
	ctx = ofTenant(ctx, t)
	return withBase(ctx, con, func(b *base) error {
		if err := b.store.SetFailureReports(ctx, t, c.Switch == "on"); err != nil {
			return err
		}
		fmt.Fprintf(con.stdout, "failure reports of %s: %s\n", t, c.Switch)
		return nil
	})
}

// ofTenant says whose record the command goes into.
func ofTenant(ctx context.Context, t tenant.ID) context.Context {
	return audit.Note(ctx, func(a *audit.Act) { a.Tenant = t })
}
