package tracking

import (
	"time"

	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// ActivityKind is the id.Kind of activities.
type ActivityKind struct{}

// Prefix implements id.Kind.
func (ActivityKind) Prefix() string { return "atv" }

// ActivityID names one activity.
type ActivityID = id.Of[ActivityKind]

// Kind is what a recipient did. The texts are those of the API.
type Kind string

// The kinds.
const (
	Opened                    Kind = "opened"
	Clicked                   Kind = "clicked"
	PageVisited               Kind = "page_visited"
	LinkOpened                Kind = "link_opened"
	DocumentDownloaded        Kind = "document_downloaded"
	FloorplanDownloaded       Kind = "floorplan_downloaded"
	UnitLiked                 Kind = "unit_liked"
	UnitUnliked               Kind = "unit_unliked"
	ExposeDownloaded          Kind = "expose_downloaded"
	WithdrawalNoticeOpened    Kind = "withdrawal_notice_opened"
	WithdrawalNoticeConfirmed Kind = "withdrawal_notice_confirmed"
	TermsConfirmed            Kind = "terms_confirmed"
	ContractWithdrawn         Kind = "contract_withdrawn"
)

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{Opened, Clicked, PageVisited, LinkOpened, DocumentDownloaded, FloorplanDownloaded, UnitLiked, UnitUnliked,
		ExposeDownloaded, WithdrawalNoticeOpened, WithdrawalNoticeConfirmed, TermsConfirmed, ContractWithdrawn}
}

// Declared reports whether the kind is a declaration that a person made by a form (POST).
// It is a proof, recorded whatever the level of tracking; all others are indications.
func (k Kind) Declared() bool {
	switch k {
	case WithdrawalNoticeConfirmed, TermsConfirmed, ContractWithdrawn:
		return true
	}
	return false
}

// Class says who was there.
type Class string

// The classes.
const (
	Person  Class = "person"
	Proxy   Class = "proxy"   // a mailbox provider's server on behalf of a person, whose time may be its own
	Scanner Class = "scanner" // a security product, a crawler, a preview
)

// Classes lists the classes.
func Classes() []Class { return []Class{Person, Proxy, Scanner} }

// Machine is the judgement whether a machine was there.
type Machine struct {
	Class      Class
	Confidence int      // percent, how sure the rules are of Class
	Rules      int      // version of the rules that judged
	Reasons    []string // names of the rules that spoke, e.g. "honeypot", "seconds_after_delivery"
}

// Counted reports whether the activity counts as a person's.
func (m Machine) Counted() bool { return m.Class != Scanner }

// Activity is one thing that was done with a mail or an offer. What is not known, or
// may not be at the level, is zero.
type Activity struct {
	ID             ActivityID
	Tenant         tenant.ID
	At             time.Time // UTC, milliseconds
	Kind           Kind
	Message        message.ID         // zero for pages that no mail led to
	Delivery       message.DeliveryID // zero when not Identified
	Recipient      *message.Address   // nil when not Identified
	Identified     bool
	Offer          string // "" or off_…
	OfferRecipient string // "" or the offer's own name for whom it went to
	Sender         string // key or user that sent the mail or the offer
	Title          string // subject of the mail or title of the offer, as it is now
	Target         string // URL or document that was opened
	Label          string // text of the link, name of the document or unit
	Version        string // hash of the document or text; "" where there is none
	Link           int    // number of the link in its message, from 1; 0: none
	Decision       Decision
	Machine        Machine
	Agent          string // class of the program, e.g. "Firefox", "Apple Mail", "Google"; never the full text
	Network        string // truncated address of the client: /24 or /48; "" where none is kept
	// Burst groups hits of one client at one moment, so that later evidence reaches
	// earlier hits; 0: none.
	Burst int64
}

// Query selects activities; fields that are zero select all.
type Query struct {
	Message   message.ID
	Offer     string
	Recipient message.Address
	// Part is a piece of the recipient's address, in whatever case; what nobody is known of
	// has none.
	Part  string
	Kinds []Kind
	// Classes selects by who was there.
	Classes []Class
	Sender  string
	Since   time.Time // at or after
	Until   time.Time // before
	// After continues a listing: older than this one, or with Forward newer.
	After   ActivityID
	Forward bool // from old to new; otherwise from new to old
	Limit   int  // 0: 50; at most MaxPage
}

// MaxPage bounds Query.Limit.
const MaxPage = 500

// Count is how often something was done.
type Count struct {
	Persons  int64 // hits that count as persons'
	Machines int64
}

// LinkCount is how often one link was followed.
type LinkCount struct {
	Link
	Number int
	Count
}

// Counts are the sums of one message.
type Counts struct {
	Level      Level
	Recipients int
	// Hidden: the level is Aggregate and the message went to fewer than MinForCounts
	// addresses; nothing is told.
	Hidden bool
	Opened Count
	Links  []LinkCount // in the order of the mail, without traps
}

// Clicked is the sum over all links.
func (c Counts) Clicked() Count {
	var sum Count
	for _, l := range c.Links {
		sum.Persons += l.Persons
		sum.Machines += l.Machines
	}
	return sum
}
