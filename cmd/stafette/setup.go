package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"stafette/internal/tenant"
)

type setupCmd struct {
	Tenant      string `required:"" help:"Name of the business."`
	Domain      string `required:"" help:"Its sending domain."`
	TrustDomain bool   `help:"Use the domain without checking its DNS records."`
	Email       string `help:"Address the owner signs in with (default admin@DOMAIN)."`
	Locale      string `enum:"de,en" default:"de" help:"Language of the office: de or en."`
	Quota       int64  `help:"Deliveries per UTC day; 0 means no limit."`
	Output      string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Run creates the tenant and prints its secrets, which are kept nowhere else.
func (s setupCmd) Run(ctx context.Context, con *console) error {
	return withBase(ctx, con, func(b *base) error {
		founded, err := b.founder().Found(ctx, tenant.FoundRequest{
			Name: s.Tenant, Domain: s.Domain, TrustDomain: s.TrustDomain, AdminEmail: s.Email, Locale: s.Locale, DailyQuota: s.Quota,
		})
		if err != nil {
			err = fmt.Errorf("set up tenant: %w", err)
		}
		// A tenant that is stored must be told its secrets even if the operator's
		// account is not: they exist nowhere else.
		if founded.Tenant.IsZero() {
			return err
		}
		return errors.Join(err, s.print(con, b.config, newSetupOutput(founded)))
	})
}

func (s setupCmd) print(con *console, c Config, out setupOutput) error {
	if s.Output == "json" {
		enc := json.NewEncoder(con.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(out) //nolint:gosec // G117: to show the new secrets, once, is what the command is for
	}
	out.text(con.stdout, c.HTTP.PublicURL)
	return nil
}

// setupOutput is the JSON form; its field names are a contract.
type setupOutput struct {
	TenantID string `json:"tenant_id"`
	Admin    struct {
		Email    string `json:"email"`
		Password string `json:"password"`
	} `json:"admin"`
	APIKey      string        `json:"api_key"`
	PlatformKey string        `json:"platform_key,omitempty"` // on the first run only
	Operator    *operatorJSON `json:"operator,omitempty"`     // on the first run only
	SMTP        struct {
		Username string `json:"username"`
		Password string `json:"password"`
	} `json:"smtp"`
	DKIM []dkimJSON `json:"dkim"`
}

type operatorJSON struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

type dkimJSON struct {
	Selector    string `json:"selector"`
	RecordName  string `json:"record_name"`
	RecordValue string `json:"record_value"`
}

func newSetupOutput(f tenant.Founded) setupOutput {
	o := setupOutput{TenantID: f.Tenant.String(), APIKey: f.KeyText, PlatformKey: f.PlatformKey, DKIM: []dkimJSON{}}
	o.Admin.Email, o.Admin.Password = f.AdminEmail, f.AdminPassword
	o.SMTP.Username, o.SMTP.Password = f.Key.String(), f.KeyText
	if f.OperatorPassword != "" {
		o.Operator = &operatorJSON{Email: tenant.OperatorEmail, Password: f.OperatorPassword}
	}
	for _, k := range f.DKIM {
		o.DKIM = append(o.DKIM, dkimJSON{Selector: k.Selector, RecordName: k.RecordName(), RecordValue: k.Record})
	}
	return o
}

func (o setupOutput) text(w io.Writer, url string) {
	fmt.Fprintf(w, "Tenant      %s\nOffice      %s\n  sign in   %s\n  password  %s\n", o.TenantID, url, o.Admin.Email, o.Admin.Password)
	fmt.Fprintf(w, "API key     %s\nSMTP        user %s, password: the API key\n", o.APIKey, o.SMTP.Username)
	if o.Operator != nil {
		fmt.Fprintf(w, "Operator    %s\n  password  %s\n  API key   %s\n", o.Operator.Email, o.Operator.Password, o.PlatformKey)
	}
	fmt.Fprintln(w, "\nNone of these secrets can be shown again. Publish these TXT records:")
	for _, k := range o.DKIM {
		fmt.Fprintf(w, "\n%s\n  %s\n", k.RecordName, k.RecordValue)
	}
}
