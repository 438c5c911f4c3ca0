// Package campaign sends one form letter to the members of approved groups (a Mailing): who
// gets it, who does not and why, when and how fast, and what became of each mail.
//
// It is floor 3 and stands behind the journey. A campaign is a row; its recipients are rows
// that are written in steps of some hundreds, each with the identifier of its mail, before
// that mail is handed to ingest, so that a process that dies loses nothing and sends nothing
// twice. What is handed over bears no body but a spool.Record: which campaign, and what of
// the contact goes in. The mail is made of it by Merger when it is read or sent (ADR 43).
//
// It decides nothing about who may receive mail (ingest, audience, approval), does
// not know how templates are read (template) and shows no pages.
package campaign

import (
	"context"
	"time"

	"stafette/internal/audience"
	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Kind is the id.Kind of campaigns.
type Kind struct{}

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "cmp" }

// ID names a campaign.
type ID = id.Of[Kind]

// Tag is the tag that all mail of a campaign bears.
func Tag(c ID) string { return queue.CampaignTag + c.String() }

// State is how far a campaign is.
type State string

// The states of a campaign.
const (
	Draft     State = "draft"     // may be changed; nobody gets it
	Scheduled State = "scheduled" // begins at StartAt
	Sending   State = "sending"
	Paused    State = "paused" // by a person, or by what Reason says
	Sent      State = "sent"   // everybody's mail was handed over; deliveries may still be under way
	Cancelled State = "cancelled"
)

// States lists them in their order.
func States() []State { return []State{Draft, Scheduled, Sending, Paused, Sent, Cancelled} }

// Over reports whether nothing more will be handed over.
func (s State) Over() bool { return s == Sent || s == Cancelled }

// Letter is what everybody gets in their own words. Subject, HTML and Text are templates.
type Letter struct {
	From     string         `json:"from"`               // a mailbox of a domain of the tenant
	ReplyTo  string         `json:"reply_to,omitempty"` // "": From
	Subject  string         `json:"subject"`
	HTML     string         `json:"html,omitempty"`
	Text     string         `json:"text,omitempty"` // "": made of the HTML
	Tracking tracking.Level `json:"tracking,omitempty"`
	Other    Other          `json:"other,omitzero"` // what is another one in version B of a trial
	// Made says what HTML and Text were compiled of; nil: they are as they were written.
	Made *Made `json:"made,omitempty"`
	// Imprint is what {{imprint}} shows, on one line: the account's, of when the letter was
	// saved or sent.
	Imprint string `json:"imprint,omitempty"`
}

// Campaign is one mailing of a tenant.
type Campaign struct {
	ID     ID
	Tenant tenant.ID
	// Revision grows with every change by a person, from 1.
	Revision int64
	Name     string
	Groups   []audience.GroupID // each static or dynamic; whoever is in several gets one mail
	Letter   Letter
	Trial    Trial
	// Events: the letter may ask for what an event brought ({{event.…}}); of series alone.
	Events  bool
	PerHour int // how many are handed over in an hour at most; 0: as fast as may be
	// PerProvider bounds single mailbox providers besides, each once.
	PerProvider []Rate
	// Local is the local time of each recipient at which it goes out.
	Local  Local
	State  State
	Reason string // code of what paused it or holds it up, "" for a person
	Actor  string // who made it, and under whose name it is sent
	// StartAt is when it begins, or began; zero for a draft. With Local it is the first of the
	// instants.
	StartAt    time.Time
	FinishedAt time.Time // everything handed over, or cancelled
	CreatedAt  time.Time
	UpdatedAt  time.Time

	// Accepted and Excluded count recipients that have their answer. Total is how many were
	// found so far, Listed whether that is all of them.
	Total, Accepted, Excluded int64
	Listed                    bool

	// Where the expansion stands: index in Groups, the last contact looked at, and the number
	// of the step, which fences one process from another.
	At    int
	After audience.ContactID
	Step  int64
	DueAt time.Time // when the next step is due
	// WaveAt is when the local time comes of the first of those who were seen and whose time
	// had not come; zero: there is nobody.
	WaveAt time.Time
	// Pace is before when nobody of a provider of PerProvider is handed over; under "", when
	// somebody of all others was last.
	Pace map[string]time.Time
	// Task is what remains to be done to deliveries that were handed over, see Task….
	Task string
	// Order suspends them while the campaign is paused; zero: none holds.
	Order queue.OrderID

	// bounds are the limits of providers that a draft had before it was changed: one that we do
	// not know any more may stay.
	bounds []Rate
	// settled: this process has just had an answer for everybody it wrote down, so nobody
	// need be looked for who waits.
	settled bool
}

// What remains to be done to deliveries.
const (
	TaskNone   = ""
	TaskDue    = "due"    // what the pause put off falls due
	TaskCancel = "cancel" // what has not left is cancelled
)

// RecipientState is what a campaign did about one contact.
type RecipientState string

// The states of a recipient.
const (
	Waiting  RecipientState = "waiting"  // written down; its mail may have been handed over
	Accepted RecipientState = "accepted" // its mail is on its way, or arrived, or failed: see the delivery
	Excluded RecipientState = "excluded" // gets none, for Reason
)

// Why a recipient is excluded, beside the reasons of suppressions (audience.Reason) and the
// codes of ingest's refusals.
const (
	ExcludedFrequency = "frequency"  // got as many campaigns lately as the tenant allows
	ExcludedLeft      = "left_group" // left the group meanwhile
	ExcludedTwice     = "in_several" // is in several groups: told in previews only
	ExcludedGone      = "contact_gone"
)

// Recipient is a contact of a campaign.
type Recipient struct {
	Contact  audience.ContactID
	Group    audience.GroupID
	Delivery message.DeliveryID // of its mail; zero for who is excluded from the start
	Version  Version            // of the letter, where there is a trial
	Provider string             // whose mailbox it is, if the campaign bounds that provider
	Zone     string             // of a campaign at local times: that of the contact; "": not known
	State    RecipientState
	Reason   string
	At       time.Time
	// Known: the mail was accepted. Waiting recipients only.
	Known bool
}

// Line is a recipient as the report tells of it.
type Line struct {
	Recipient
	Address  message.Address // of the mail; else the contact's main one; zero if both are gone
	Fate     event.State     // of the delivery; "" if there is none, or no longer
	FateWhy  string
	Marks    []event.Mark
	Updated  time.Time // of the delivery
	Attempts int
}

// LineFilter narrows a list of recipients.
type LineFilter struct {
	// Fate is a state of deliveries, or "waiting" or "excluded"; "": all.
	Fate  string
	After audience.ContactID
	Limit int
}

// Report is what became of a campaign.
type Report struct {
	// Fates counts deliveries by state, Excluded recipients by reason, Bounces deliveries
	// that failed or wait by reason.
	Fates    map[event.State]int64
	Excluded map[string]int64
	Bounces  map[string]int64
	// Persons and Machines tell of activities: mails that were opened or clicked in.
	Persons, Machines Activity
	Unsubscribed      int64
	Complained        int64
	Domains           []Domain // of recipients, most first, at most 20
	// Telling counts the mails that may tell of their recipients, of which Persons and
	// Machines are, Links where they lead.
	Telling int64
	Links   []LinkCount
	// Paces counts, by provider that the campaign bounds and "" for all others, who waits and
	// who was handed over since Measured.
	Paces    []PaceCount
	Measured time.Time
	// Waves are those of a campaign at local times, in their order.
	Waves []Wave
	At    time.Time
}

// Activity counts mails in which something was done at least once.
type Activity struct{ Opened, Clicked int64 }

// LinkCount counts the mails in which a link was followed.
type LinkCount struct {
	Version Version // of a trial; "": there is none
	Number  int     // in the order of the letter, from 1; own pages and others that are not counted have none
	// Target and Label are those of the letter; of links that differ by recipient (Varies)
	// those of one of them.
	Target, Label     string
	Varies            bool
	Persons, Machines int64
}

// Domain is what became of mail to one recipient domain.
type Domain struct {
	Name                       string
	Total, Delivered, Rejected int64
}

// Cap is how many campaigns a contact gets at most in some days. The zero Cap bounds nothing.
type Cap struct {
	Count int `json:"count"`
	Days  int `json:"days"`
}

// Store is what campaigns need of the database. Each method is one transaction, and a
// campaign that the tenant does not have is NotFound "campaign_not_found".
type Store interface {
	CreateCampaign(ctx context.Context, c Campaign) error
	// ChangeCampaign sets everything but the counters and the place of the expansion of a
	// campaign that is still in state from and of the revision before c's; else Conflict
	// "campaign_state".
	ChangeCampaign(ctx context.Context, c Campaign, from State) error
	// DeleteCampaign takes a draft away; in another state it is Conflict "campaign_state".
	DeleteCampaign(ctx context.Context, t tenant.ID, c ID) error
	Campaign(ctx context.Context, t tenant.ID, c ID) (Campaign, error)
	// Campaigns lists from new to old, below after if it is not zero.
	Campaigns(ctx context.Context, t tenant.ID, after ID, limit int) (list []Campaign, more bool, err error)
	// OpenCampaigns are those of all tenants that have a step or task due, at most 100.
	OpenCampaigns(ctx context.Context, now time.Time) ([]Campaign, error)

	// TakeRecipients writes a step of the expansion down, unless it was taken by somebody
	// else or the campaign does not send any more (ok is false then): c bears the place
	// after the step. It returns which of the waiting ones are new.
	TakeRecipients(ctx context.Context, c Campaign, list []Recipient) (fresh []audience.ContactID, ok bool, err error)
	// SettleRecipients writes the answers of recipients that wait, and counts them. Where At is
	// zero, that of the row stays.
	SettleRecipients(ctx context.Context, t tenant.ID, c ID, list []Recipient) error
	// WaitingRecipients returns recipients of a provider, or of none that is bounded (""), that
	// wait, with whether their mail is there.
	WaitingRecipients(ctx context.Context, t tenant.ID, c ID, provider string, limit int) ([]Recipient, error)
	// MoveCampaign sets state, reason, due time, pace, task and end of a campaign in state from,
	// as a step of the worker; false if it is in another one.
	MoveCampaign(ctx context.Context, c Campaign, from State) (bool, error)

	// PutTrial writes a step of a trial down: what was decided, the place of the expansion,
	// reason and due time. ok is false if the step was taken by somebody else or the campaign
	// does not send any more.
	PutTrial(ctx context.Context, c Campaign) (ok bool, err error)
	// TrialCounts counts mail of both versions, and what people did with it.
	TrialCounts(ctx context.Context, t tenant.ID, c ID) (a, b TrialCount, err error)

	CampaignLines(ctx context.Context, t tenant.ID, c ID, f LineFilter) (list []Line, more bool, err error)
	// CampaignReport tells of now, but for At; Measured is that of Campaign.MeasuredFrom, and
	// Waves have counts of those alone who were taken.
	CampaignReport(ctx context.Context, t tenant.ID, c ID, now time.Time) (Report, error)
	// RecentCampaigns counts the mail of campaigns and series that contacts were sent since an
	// instant.
	RecentCampaigns(ctx context.Context, t tenant.ID, list []audience.ContactID, since time.Time) (map[audience.ContactID]int, error)
	CampaignCap(ctx context.Context, t tenant.ID) (Cap, error)
	PutCampaignCap(ctx context.Context, t tenant.ID, v Cap) error

	Group(ctx context.Context, t tenant.ID, g audience.GroupID) (audience.Group, error)
	Members(ctx context.Context, t tenant.ID, g audience.GroupID, f audience.MemberFilter) (audience.MemberPage, error)
	// MemberZones counts the members of a group by what stands in one of their fields, the most
	// frequent 1,000.
	MemberZones(ctx context.Context, t tenant.ID, g audience.GroupID, key string) (map[string]int64, error)
	Contact(ctx context.Context, t tenant.ID, c audience.ContactID) (audience.Contact, error)
	Fields(ctx context.Context, t tenant.ID) ([]audience.Field, error)
	Suppressed(ctx context.Context, t tenant.ID, s tenant.Stream, addrs []message.Address, now time.Time) (map[message.Address]string, error)
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)

	// AskReview keeps a new review; Conflict CodeValue if the campaign has most already.
	AskReview(ctx context.Context, r Review, most int) error
	// AnswerReview sets state, answer and who gave it of a review that is open; else Conflict
	// CodeReviewClosed.
	AnswerReview(ctx context.Context, r Review) error
	// CampaignReview returns one; NotFound CodeReviewUnknown.
	CampaignReview(ctx context.Context, t tenant.ID, r ReviewID) (Review, error)
	// CampaignReviews lists those of a campaign from new to old, at most MaxReviews.
	CampaignReviews(ctx context.Context, t tenant.ID, c ID) ([]Review, error)
	// AddCampaignComment keeps a new one; Conflict CodeValue if the campaign has most already.
	AddCampaignComment(ctx context.Context, c Comment, most int) error
	// ResolveCampaignComment sets when and by whom it was settled; NotFound CodeComment.
	ResolveCampaignComment(ctx context.Context, c Comment) error
	// CampaignComments lists those of a campaign from old to new.
	CampaignComments(ctx context.Context, t tenant.ID, c ID) ([]Comment, error)
	// ReadCampaignComments notes up to which one somebody has read them, CampaignCommentsRead
	// tells; zero: none.
	ReadCampaignComments(ctx context.Context, t tenant.ID, c ID, reader string, to CommentID) error
	CampaignCommentsRead(ctx context.Context, t tenant.ID, c ID, reader string) (CommentID, error)
	// PutCampaignPublication keeps whether a campaign is public, CampaignPublication tells, the
	// zero value for what never was; PublicCampaigns lists those that are and have begun, with
	// their letters, from new to old.
	PutCampaignPublication(ctx context.Context, t tenant.ID, c ID, v Publication) error
	CampaignPublication(ctx context.Context, t tenant.ID, c ID) (Publication, error)
	PublicCampaigns(ctx context.Context, t tenant.ID, limit int) ([]Campaign, error)
	CampaignSettings(ctx context.Context, t tenant.ID) (Settings, error)
	PutCampaignSettings(ctx context.Context, t tenant.ID, v Settings) error
	// TakeTests counts n test mails on a day, unless they would be more than most.
	TakeTests(ctx context.Context, t tenant.ID, day string, n, most int) (bool, error)
	OwnAddresses(ctx context.Context, t tenant.ID) (Own, error)

	// Orders about deliveries that were handed over; see queue.OperatorStore.
	PutOrder(ctx context.Context, o queue.Order) error
	EndOrder(ctx context.Context, giver tenant.ID, o queue.OrderID, by string, now time.Time) (queue.Order, error)
	ApplyNoted(ctx context.Context, c queue.Command, sel queue.Selection, actor, note string, now time.Time) ([]queue.Listed, error)
}

// Told is the state of a recipient in one word: that of the delivery, else of the recipient.
func (l Line) Told() string {
	if l.Fate != "" {
		return string(l.Fate)
	}
	return string(l.State)
}

// Why is the reason of that state, "" if there is none.
func (l Line) Why() string {
	if l.Fate != "" {
		return l.FateWhy
	}
	return l.Reason
}
