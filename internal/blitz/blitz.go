// Package blitz brings what recipients do to the people who wrote to them: what each
// person of a tenant has read of it, which of it they want to be told of, how and when,
// and the mails and calls of webhooks that tell it.
//
// It stands behind the journey (floor 3) and reads the activities that tracking keeps.
// It does not decide what may be known of whom or who is a machine (tracking); what a
// machine did is never told. It shows no pages (web/blitz) and makes no calls (webhook).
package blitz

import (
	"context"
	"slices"
	"time"

	"stafette/internal/notice"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Topic is one of the six things a person can be told of.
type Topic string

// The topics.
const (
	Visited    Topic = "visited"    // the page of an offer
	Links      Topic = "links"      // of an offer or a mail
	Documents  Topic = "documents"  // and floor plans, downloaded
	Liked      Topic = "liked"      // units of a project
	Expose     Topic = "expose"     // downloaded
	Withdrawal Topic = "withdrawal" // the notice opened or confirmed, a contract withdrawn
)

// Topics lists them in the order of forms.
func Topics() []Topic { return []Topic{Visited, Links, Documents, Liked, Expose, Withdrawal} }

// Kinds are the activities of a topic.
func (t Topic) Kinds() []tracking.Kind {
	switch t {
	case Visited:
		return []tracking.Kind{tracking.PageVisited}
	case Links:
		return []tracking.Kind{tracking.LinkOpened, tracking.Clicked}
	case Documents:
		return []tracking.Kind{tracking.DocumentDownloaded, tracking.FloorplanDownloaded}
	case Liked:
		return []tracking.Kind{tracking.UnitLiked, tracking.UnitUnliked}
	case Expose:
		return []tracking.Kind{tracking.ExposeDownloaded}
	case Withdrawal:
		return []tracking.Kind{tracking.WithdrawalNoticeOpened, tracking.WithdrawalNoticeConfirmed, tracking.TermsConfirmed, tracking.ContractWithdrawn}
	}
	return nil
}

// TopicOf is the topic of an activity; "" for opened mail, which stands in the feed only.
func TopicOf(k tracking.Kind) Topic {
	for _, t := range Topics() {
		if slices.Contains(t.Kinds(), k) {
			return t
		}
	}
	return ""
}

// Choice is what a person wants to be told of what they sent.
type Choice struct {
	Office []Topic `json:"office"` // at once, on whatever page they are
	Mail   []Topic `json:"mail"`
	// Daily gathers the mails of a day into one in the morning; otherwise they come within
	// minutes, those of one burst together.
	Daily bool `json:"daily"`
	// Between these hours of the day no mail comes; it follows afterwards. Equal hours are
	// no quiet time. It may reach over midnight.
	QuietFrom int `json:"quiet_from"`
	QuietTo   int `json:"quiet_to"`
	// Zone is the time zone of these hours and of the mail of a day; "": the account's.
	Zone string `json:"zone,omitempty"`
}

// Clock is the person's time zone; account where they have chosen none, or none that this
// platform knows.
func (c Choice) Clock(account *time.Location) *time.Location {
	if c.Zone == "" {
		return account
	}
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return account
	}
	return zone
}

// UsualChoice is what a person gets who has chosen nothing.
func UsualChoice() Choice { return Choice{Office: Topics(), QuietFrom: 20, QuietTo: 7} }

// Quiet reports whether no mail may come now; now is in the person's time zone.
func (c Choice) Quiet(now time.Time) bool {
	h := now.Hour()
	if c.QuietFrom <= c.QuietTo {
		return c.QuietFrom <= h && h < c.QuietTo
	}
	return h >= c.QuietFrom || h < c.QuietTo
}

// kinds are the activities that the person gets mail about.
func (c Choice) kinds() (list []tracking.Kind) {
	for _, t := range c.Mail {
		list = append(list, t.Kinds()...)
	}
	return list
}

// Reader is a person with their place in the feed.
type Reader struct {
	Tenant tenant.ID
	User   tenant.UserID
	Choice Choice
	// ReadUntil: this activity and all before it are read. ToldUntil: mail was sent, or
	// was not wanted, about those up to it.
	ReadUntil, ToldUntil tracking.ActivityID
}

// Store is what the room needs of the database. Each method is one transaction.
type Store interface {
	// BlitzReader returns a person's place; ok is false for one who never had any.
	BlitzReader(ctx context.Context, t tenant.ID, u tenant.UserID) (r Reader, ok bool, err error)
	// ChooseBlitz keeps what a person wants. ToldUntil holds where the person had no mail
	// before.
	ChooseBlitz(ctx context.Context, r Reader) error
	// ReadBlitz notes that a person has read all up to an activity.
	ReadBlitz(ctx context.Context, t tenant.ID, u tenant.UserID, until tracking.ActivityID) error
	// ReadOne notes that a person has read one, and forgets such notes before oldest.
	ReadOne(ctx context.Context, t tenant.ID, u tenant.UserID, a, oldest tracking.ActivityID) error
	// ReadBeside lists those read one by one above ReadUntil.
	ReadBeside(ctx context.Context, t tenant.ID, u tenant.UserID, until tracking.ActivityID) ([]tracking.ActivityID, error)
	// UnreadBlitz counts what counts as persons' above until and is not read, up to limit.
	UnreadBlitz(ctx context.Context, t tenant.ID, u tenant.UserID, until tracking.ActivityID, limit int) (int, error)
	// BlitzMails lists the people who get mail.
	BlitzMails(ctx context.Context) ([]Reader, error)
	// TellBlitz moves a reader's ToldUntil on from where the caller saw it and keeps the
	// letter, in one transaction; false: another node was there before. A zero letter only
	// moves on.
	TellBlitz(ctx context.Context, r Reader, until tracking.ActivityID, d notice.Due) (bool, error)

	// FeedTenants lists tenants that have an active webhook; FeedPlace is up to where their
	// activities were raised, zero before the first.
	FeedTenants(ctx context.Context) ([]tenant.ID, error)
	FeedPlace(ctx context.Context, t tenant.ID) (tracking.ActivityID, error)
	SetFeedPlace(ctx context.Context, t tenant.ID, a tracking.ActivityID) error
}

// Activities reads what recipients did; tracking.Store does.
type Activities interface {
	Activities(ctx context.Context, t tenant.ID, q tracking.Query) ([]tracking.Activity, bool, error)
	Activity(ctx context.Context, t tenant.ID, a tracking.ActivityID) (tracking.Activity, error)
}

// Counted are the classes that count as persons'.
func Counted() []tracking.Class { return []tracking.Class{tracking.Person, tracking.Proxy} }
