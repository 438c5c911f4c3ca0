package queue

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"stafette/internal/fault"
)

const (
	// siteLookups is how many domains one command asks the site of, those with most mail
	// first, and siteAtOnce how many at the same time.
	siteLookups = 2000
	siteAtOnce  = 16
	// siteDomains is how many domains one command by site may touch.
	siteDomains = 100
)

// bindSite turns the site of a command on waiting mail into the domains whose mail goes
// there now: what waits knows its recipient alone, and a site is what name servers say at
// the moment. The preview shows the domains, and its token is about them.
func (o *Operator) bindSite(ctx context.Context, a *Act) error {
	if o.c.SiteOf == nil {
		return fault.Field("site", "site_not_known", "Sites cannot be told apart here; name the domain.")
	}
	found, err := o.c.Store.WaitingDomains(ctx, a.Selection, a.Command.From())
	if err != nil {
		return fmt.Errorf("find domains of site: %w", err)
	}
	found = found[:min(len(found), siteLookups)]
	sites := make([]string, len(found))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(siteAtOnce)
	for i, d := range found {
		group.Go(func() error {
			sites[i] = o.c.SiteOf(ctx, d.Name)
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("find domains of site: %w", err)
	}
	a.Selection.Domains = nil
	for i, d := range found {
		if sites[i] == a.Site {
			a.Selection.Domains = append(a.Selection.Domains, d.Name)
		}
	}
	switch n := len(a.Selection.Domains); {
	case n == 0:
		return fault.Field("site", "site_without_mail", "No mail that the command could touch goes to this site.")
	case n > siteDomains:
		return fault.Field("site", "site_too_wide", fmt.Sprintf("Mail for more than %d domains goes to this site: suspend it instead.", siteDomains))
	}
	slices.Sort(a.Selection.Domains)
	return nil
}
