// Package preflight looks a mailing over before it is sent: what its content lacks, whether
// mail programs will show it, whether its sender's domain stands up for it, whether its links
// answer, for whom its variables are empty, and what a spam filter says of it.
//
// It is a part of the room campaign (floor 3) and stands beside the journey: nothing is sent
// or kept back by it. What can be told from the content alone is told at once (Findings); what
// asks strangers or looks at many contacts is done in steps by one node (Service.Turn), and its
// progress is kept. Whether a mailing may be sent, campaign decides.
package preflight

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
)

// Finding is something to look at before a mailing is sent.
type Finding struct {
	// Kind is a kind of stationery.Finding or one below; the catalogue has
	// "campaigns.check.<kind>".
	Kind string
	What string // the place: an address, a colour, a feature; "" where Kind says it all
	N    int    // how many times, or contacts
	// Grave findings must be put right before the mailing is sent.
	Grave bool
}

// The kinds of finding beside those of package stationery.
const (
	FindImprintEmpty  = "imprint_empty"  // the letter shows the account's imprint, which is empty
	FindSender        = "sender"         // the sender's domain is none of the account's
	FindSenderUnready = "sender_unready" // it may not send yet
	FindRecord        = "record"         // a DNS record of it is missing or another
	FindContrast      = "contrast_text"  // words are hard to read on their ground
	FindClient        = "client"         // a feature that a mail program does not show
	FindDead          = "link_dead"      // a link does not answer
	FindEmpty         = "empty"          // a variable is empty for contacts
	FindBroken        = "broken"         // contacts whose data break the letter
	FindSpam          = "spam"           // a spam filter would refuse it
)

// Place is where a finding is put right: a page of the office, or "" for the letter itself.
func (f Finding) Place() string {
	switch f.Kind {
	case FindImprintEmpty:
		return "/settings"
	case FindSender, FindSenderUnready, FindRecord:
		return "/domains"
	case FindEmpty, FindBroken:
		return "/contacts"
	}
	return ""
}

// Store is what checks need of the database. Each method is one transaction.
type Store interface {
	// BeginCampaignCheck keeps a new check in place of the campaign's last one.
	BeginCampaignCheck(ctx context.Context, c Check) error
	// MoveCampaignCheck keeps the next step of a check, unless it was begun anew since: false.
	MoveCampaignCheck(ctx context.Context, c Check) (bool, error)
	// CampaignCheck returns the last one; the zero Check where there is none.
	CampaignCheck(ctx context.Context, t tenant.ID, c campaign.ID) (Check, error)
	// DueCampaignChecks are those of all tenants that are not over, at most 20.
	DueCampaignChecks(ctx context.Context) ([]Check, error)

	Group(ctx context.Context, t tenant.ID, g audience.GroupID) (audience.Group, error)
	Members(ctx context.Context, t tenant.ID, g audience.GroupID, f audience.MemberFilter) (audience.MemberPage, error)
	Domains(ctx context.Context, t tenant.ID) ([]tenant.Domain, error)
	Domain(ctx context.Context, t tenant.ID, d tenant.DomainID) (tenant.Domain, error)
}

// Spam asks a filter for its verdict; *Spamd does.
type Spam interface {
	Judge(ctx context.Context, mail []byte) (Verdict, error)
}

// Client asks web servers; *http.Client does. It must go nowhere but to public addresses, and
// follow no redirection.
type Client interface {
	Do(r *http.Request) (*http.Response, error)
}

// Config is what a Service needs.
type Config struct {
	Store     Store
	Campaigns *campaign.Service
	// Find reads what is looked over in the background: mailings, and the letters of series;
	// nil: mailings alone.
	Find   func(ctx context.Context, t tenant.ID, c campaign.ID) (campaign.Campaign, error)
	Client Client // nil: links are not asked
	Spam   Spam   // nil: no filter is asked
	Now    func() time.Time
	Log    *slog.Logger // nil: discard
}

// Service checks mailings. It is safe for concurrent use.
type Service struct{ c Config }

// New makes a Service.
func New(c Config) *Service {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Find == nil {
		c.Find = c.Campaigns.Campaign
	}
	return &Service{c}
}

// Filtered reports whether a spam filter is asked.
func (s *Service) Filtered() bool { return s.c.Spam != nil }

// Findings are what can be told of a letter at once, grave ones first. A letter that cannot be
// read has none: campaign says what is wrong with it.
func (s *Service) Findings(ctx context.Context, c campaign.Campaign) ([]Finding, error) {
	mail, err := s.c.Campaigns.Show(c, nil)
	if fault.As(err) != nil {
		return nil, nil //nolint:nilerr // see above
	}
	if err != nil {
		return nil, err
	}
	list := ofContent(c.Letter, mail)
	if slices.Contains(campaign.VariablesOf(c.Letter), blocks.ImprintVariable) && c.Letter.Imprint == "" {
		list = append(list, Finding{Kind: FindImprintEmpty, Grave: true})
	}
	list = append(list, contrasts(mail.HTML)...)
	list = append(list, clients(mail.HTML)...)
	sender, err := s.sender(ctx, c)
	if err != nil {
		return nil, err
	}
	list = append(list, sender...)
	slices.SortStableFunc(list, func(a, b Finding) int {
		switch {
		case a.Grave == b.Grave:
			return 0
		case a.Grave:
			return -1
		}
		return 1
	})
	return list, nil
}

// ofContent are the findings that templates have, too.
func ofContent(l campaign.Letter, mail stationery.Rendered) (list []Finding) {
	shown := campaign.Letter{HTML: l.HTML}
	if l.HTML == "" {
		shown.Text = l.Text
	}
	v := stationery.Version{HTML: l.HTML, Text: l.Text, Variables: campaign.VariablesOf(shown), Source: stationery.Source{Mode: stationery.Mode(l.Field())}}
	if slices.Contains(v.Variables, "unsubscribe") {
		v.Variables = append(v.Variables, blocks.UnsubscribeVariable)
	}
	if l.HTML == "" {
		mail.HTML = mail.Text // an imprint in words is one
	}
	for _, f := range stationery.Check(v, mail, blocks.Brand{}) {
		list = append(list, Finding{Kind: f.Kind, What: f.What, N: 1, Grave: f.Grave})
	}
	return list
}

// sender looks at the domain of From: whether it may send, and its records for DKIM, SPF and
// DMARC as they were seen last.
func (s *Service) sender(ctx context.Context, c campaign.Campaign) (list []Finding, err error) {
	box, err := message.ParseMailbox(c.Letter.From)
	if err != nil {
		return nil, nil //nolint:nilerr // campaign says that it is no address
	}
	domains, err := s.c.Store.Domains(ctx, c.Tenant)
	if err != nil {
		return nil, fmt.Errorf("read domains: %w", err)
	}
	i := slices.IndexFunc(domains, func(d tenant.Domain) bool { return d.Name == box.Domain })
	if i < 0 {
		return []Finding{{Kind: FindSender, What: box.Domain, Grave: true}}, nil
	}
	if !domains[i].Usable() {
		list = append(list, Finding{Kind: FindSenderUnready, What: box.Domain, Grave: true})
	}
	d, err := s.c.Store.Domain(ctx, c.Tenant, domains[i].ID)
	if err != nil {
		return nil, fmt.Errorf("read domain: %w", err)
	}
	for _, f := range d.Findings {
		wanted := f.Purpose == tenant.ForDKIM || f.Purpose == tenant.ForSPF || f.Purpose == tenant.ForDMARC
		if wanted && (f.State == tenant.Missing || f.State == tenant.Different) {
			list = append(list, Finding{Kind: FindRecord, What: strings.ToUpper(string(f.Purpose)) + " " + f.Name, N: 1})
		}
	}
	return list, nil
}
