// Package feed makes mailings of what appears in a feed (RSS 2.0, RSS 1.0 or Atom 1.0): a tenant names
// its address, groups and letter; at its hour the feed is read, and entries that are new become
// a mailing, as a draft or sent through the gate of every mailing (Feed, „RSS-Mailing“).
//
// It is floor 3 and stands before campaign. What was in a feed is remembered by a hash of its
// identifier, in the transaction that makes the mailing, so that nothing goes out twice
// (ADR 68). Feeds are foreign bytes: Parse takes text out of them, never markup.
//
// It decides nothing about who may receive mail (campaign.Service.Send), dials nothing itself
// (Config.Client is guarded) and shows no pages.
package feed

import (
	"context"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Identifier kinds of feeds and looks.
type (
	// Kind is the id.Kind of feeds.
	Kind struct{}
	// LookKind is the id.Kind of looks.
	LookKind struct{}
)

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "fee" }

// Prefix implements id.Kind.
func (LookKind) Prefix() string { return "lok" }

// Identifiers of feeds and looks.
type (
	// ID names a feed.
	ID = id.Of[Kind]
	// LookID names a look.
	LookID = id.Of[LookKind]
)

// Codes of refusals.
const (
	CodeNotFound = "feed_not_found"
	CodeState    = "feed_state"         // Conflict: somebody else changed it meanwhile
	CodeValue    = "feed_value"         // Invalid
	CodeMany     = "feed_many"          // Conflict: the account has MaxFeeds already
	CodePlace    = "feed_entries_place" // Invalid: the content shows no {{feed_entries}}
	CodeOften    = "feed_often"         // Limited: more previews than PreviewsMost
)

// Why a feed could not be read: Outcome of a look, and code of the Invalid fault of Preview.
const (
	CodeUnreachable = "feed_unreachable" // no answer, or another status than 200
	CodeElsewhere   = "feed_elsewhere"   // an address that is not asked: of an own or private network
	CodeLarge       = "feed_too_large"   // more than MaxBytes
	CodeMalformed   = "feed_malformed"   // neither RSS nor Atom
)

// Other outcomes of a look.
const (
	Begun   = "begun"   // the first look: what stands in the feed counts as known
	Nothing = "nothing" // nothing new
	Drafted = "drafted" // a draft was made
	Sent    = "sent"    // a mailing was made and sent
	Held    = "held"    // a mailing was made; Why says what kept it from being sent
)

// Limits of feeds.
const (
	MaxFeeds   = 20 // of a tenant
	MaxEntries = 30 // of one mail
	MaxBytes   = 2 << 20
	// KeptLooks is how many looks of a feed are kept.
	KeptLooks = 50
	// Remembered is how long an entry is known after it was last in the feed.
	Remembered = 400 * 24 * time.Hour
)

// Every is how often a feed is looked at.
type Every string

// The rhythms.
const (
	Daily   Every = "daily"
	Weekly  Every = "weekly"
	Monthly Every = "monthly"
)

// Schedule is when a feed is looked at, in the tenant's zone.
type Schedule struct {
	Every   Every        `json:"every"`
	Hour    int          `json:"hour"`
	Weekday time.Weekday `json:"weekday,omitempty"` // of Weekly
	Day     int          `json:"day,omitempty"`     // of Monthly, 1 to 28
}

// Feed is one a tenant has mailings made of.
type Feed struct {
	ID       ID                 `json:"-"`
	Tenant   tenant.ID          `json:"-"`
	Revision int64              `json:"-"` // grows with every change by a person, from 1
	Turn     int64              `json:"-"` // grows with every look; fences one process from another
	Name     string             `json:"name"`
	URL      string             `json:"url"`
	Groups   []audience.GroupID `json:"groups"`
	From     string             `json:"from"`
	ReplyTo  string             `json:"reply_to,omitempty"`
	// Subject is a template; {{feed_title}} is the title of the newest entry.
	Subject string `json:"subject"`
	// Template or HTML shows the entries at {{feed_entries}}; both "": a letter in the brand.
	Template string   `json:"template,omitempty"`
	HTML     string   `json:"html,omitempty"`
	Most     int      `json:"most"` // entries in one mail; of more the newest are taken
	Schedule Schedule `json:"schedule"`
	Send     bool     `json:"send,omitempty"` // sends by itself; else a person does
	// Tracking is that of the mailings, under what the account allows.
	Tracking tracking.Level `json:"tracking,omitempty"`
	Paused   bool           `json:"paused,omitempty"`
	Actor    string         `json:"actor"` // who changed it last, and under whose name it sends

	// Primed: a first look was taken, and what came since is new.
	Primed bool `json:"-"`
	// ETag and Modified are what the last answer said of itself.
	ETag, Modified string `json:"-"`
	// Pending is a mailing that was made and is to be sent; zero: none.
	Pending campaign.ID `json:"-"`
	// Failures is how many looks in a row could not read it; see Again.
	Failures int `json:"-"`
	// NextAt is when it is looked at next; not while it is paused.
	NextAt    time.Time `json:"-"`
	CreatedAt time.Time `json:"-"`
	UpdatedAt time.Time `json:"-"`
}

// Hash names an entry within its feed.
type Hash [32]byte

// Entry is one entry of a feed, as plain text.
type Entry struct {
	Hash    Hash
	Title   string
	Link    string // http or https; "": none
	Excerpt string
	At      time.Time // zero: the feed does not say
}

// Look is one time a feed was looked at.
type Look struct {
	ID       LookID
	At       time.Time
	Outcome  string      // one of the outcomes, or why it could not be read
	Why      string      // code of what held a mailing
	New      int         // entries that were new
	Campaign campaign.ID // what was made; zero: nothing
}

// Store is what feeds need of the database. Each method is one transaction; a feed that the
// tenant does not have is NotFound CodeNotFound.
type Store interface {
	// CreateFeed keeps a new one; Conflict CodeMany if the tenant has most already.
	CreateFeed(ctx context.Context, f Feed, most int) error
	// ChangeFeed sets everything of a feed of the revision before f's and of f's Turn; else
	// Conflict CodeState. afresh: nothing is known of its entries any more.
	ChangeFeed(ctx context.Context, f Feed, afresh bool) error
	DeleteFeed(ctx context.Context, t tenant.ID, f ID) error
	Feed(ctx context.Context, t tenant.ID, f ID) (Feed, error)
	// Feeds lists all of a tenant from new to old.
	Feeds(ctx context.Context, t tenant.ID) ([]Feed, error)
	// DueFeeds are those of all tenants that are to be looked at, at most limit.
	DueFeeds(ctx context.Context, now time.Time, limit int) ([]Feed, error)
	// KnownEntries returns which of the hashes are known.
	KnownEntries(ctx context.Context, t tenant.ID, f ID, list []Hash) (map[Hash]bool, error)
	// LastLooks is the newest look of each feed of a tenant that has one.
	LastLooks(ctx context.Context, t tenant.ID) (map[ID]Look, error)
	// PutOffFeed sets when a feed of this Revision and the Turn before is looked at next, and
	// nothing else. It is no error if there is none.
	PutOffFeed(ctx context.Context, f Feed) error
	// KeepLook writes a look down with the state of its feed, the entries that were in it (nil:
	// the feed was not read) and, unless its ID is zero, a mailing as CreateCampaign does. ok is
	// false, and nothing was written, if f is not of this Revision and the Turn before.
	KeepLook(ctx context.Context, f Feed, l Look, seen []Hash, c campaign.Campaign) (ok bool, err error)
	// FeedLooks lists the kept looks of a feed from new to old.
	FeedLooks(ctx context.Context, t tenant.ID, f ID) ([]Look, error)

	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
}

// Again is when a feed is looked at after so many looks in a row that could not read it: twice
// sooner than its hour, then at its hour.
func (s Schedule) Again(failures int, after time.Time, zone *time.Location) time.Time {
	next := s.Next(after, zone)
	for n, wait := range []time.Duration{15 * time.Minute, time.Hour} {
		if soon := after.Add(wait).UTC(); failures == n+1 && soon.Before(next) {
			return soon
		}
	}
	return next
}

// Failing reports whether a feed could not be read sooner either: somebody should look.
func (f Feed) Failing() bool { return f.Failures > 2 && !f.Paused }

// Next is the first instant after one at which the schedule is due. Where a clock is set on
// past the hour it is due as much later.
func (s Schedule) Next(after time.Time, zone *time.Location) time.Time {
	local := after.In(zone)
	year, month, day := local.Date()
	for i := 0; ; i++ {
		at := time.Date(year, month, day+i, s.Hour, 0, 0, 0, zone)
		switch {
		case !at.After(after):
		case s.Every == Weekly && at.Weekday() != s.Weekday:
		case s.Every == Monthly && at.Day() != max(s.Day, 1) && i < 62: // a day there is in every month
		default:
			return at.UTC()
		}
	}
}
