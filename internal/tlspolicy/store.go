package tlspolicy

import (
	"context"
	"time"

	"stafette/internal/tenant"
)

// Store is what this room needs of the database. Every method is one short, durable
// transaction. Policies and tallies are the platform's, about foreign domains; the
// reports that come in are a tenant's.
type Store interface {
	// STS returns the policy kept for a domain that has not run out at now, nil if
	// none. Once a day it notes that the policy is used.
	STS(ctx context.Context, domain string, now time.Time) (*STSPolicy, error)
	// SaveSTS keeps a domain's policy in place of the one before.
	SaveSTS(ctx context.Context, domain string, p STSPolicy, now time.Time) error
	// STSDue returns domains whose policy was fetched before fetched and used after
	// used, those fetched longest ago first.
	STSDue(ctx context.Context, fetched, used time.Time, limit int) ([]string, error)
	// ForgetSTS removes policies that have run out at now.
	ForgetSTS(ctx context.Context, now time.Time) error

	// AddTallies adds sessions to what is counted already.
	AddTallies(ctx context.Context, list []Tally) error
	// ReportsDue returns days and domains with tallies of days before the given one,
	// the oldest first.
	ReportsDue(ctx context.Context, before Day, limit int) ([]Due, error)
	// Tallies returns what was counted for a domain on a day.
	Tallies(ctx context.Context, d Due, limit int) ([]Tally, error)
	// ReportDone notes that a report was sent, or never will be, and removes what it
	// was made of. What is counted for it later is not due any more.
	ReportDone(ctx context.Context, d Due, now time.Time) error
	// ForgetReports removes the notes and left-over tallies of days before the given one.
	ForgetReports(ctx context.Context, before Day) error

	// DomainOwner returns the tenant whose usable domain it is; fault NotFound
	// "domain_unknown" if nobody's.
	DomainOwner(ctx context.Context, domain string) (tenant.ID, error)
	// SaveReport keeps a report about a tenant's domain. One that has come before, by
	// organisation and identifier, changes nothing.
	SaveReport(ctx context.Context, t tenant.ID, domain string, r Report, now time.Time) error
	// Reports returns the latest reports about a tenant's domain, "" for all of them,
	// by the end of their time.
	Reports(ctx context.Context, t tenant.ID, domain string, limit int) ([]Received, error)
}

// Day is a day in UTC, counted from 1970-01-01.
type Day int32

// DayOf returns the day of an instant.
func DayOf(t time.Time) Day { return Day(t.Unix() / 86400) }

// Start returns the first instant of the day.
func (d Day) Start() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// Due is one report: what was counted for one domain on one day.
type Due struct {
	Day    Day
	Domain string
}

// Tally is a number of sessions that came out alike.
type Tally struct {
	Due
	Type     PolicyType
	Policy   string // its text, lines joined by "\n"
	Result   Result
	Host     string // of the server; "" where it succeeded
	Sender   string // our address
	Receiver string // the server's address
	Reason   string // our words
	Sessions int64
}

// PolicyType is the kind of a policy in the words of RFC 8460, 4.4.
type PolicyType string

// The policy types.
const (
	TypeTLSA PolicyType = "tlsa"
	TypeSTS  PolicyType = "sts"
	TypeNone PolicyType = "no-policy-found"
)

// Received is a report that somebody sent about a tenant's domain.
type Received struct {
	Domain     string
	Report     Report
	ReceivedAt time.Time
}
