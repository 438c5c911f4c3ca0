// Package lead takes enquiries about an advertiser's object (Kontaktanfragen) and sends
// each as a mail with exactly one XML attachment, from which the advertiser's software
// reads it.
//
// It is floor 3: it feeds ingest. An enquiry is kept, sealed, before its mail is made,
// so that none is lost when the mail cannot be made or accepted: then it stops as a
// to-do with its reason. Gate holds mail of the stream "lead" at the moment of sending
// when its XML is missing or does not validate, whichever door it came by.
//
// The formats of the XML are package openimmo. What became of the mail is insight's to
// tell; sending it again is package redelivery's.
package lead

import (
	"context"
	"time"

	"stafette/internal/id"
	"stafette/internal/lead/openimmo"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Kind is the id.Kind of leads.
type Kind struct{}

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "lead" }

// ID names a lead. It is the number that stands in the XML and in the mail's header,
// the same in every redelivery.
type ID = id.Of[Kind]

// Enquiry is what a prospect asks, as a door hands it over.
type Enquiry struct {
	Advertiser AdvertiserRef
	Object     openimmo.Object
	Prospect   openimmo.Prospect
	Message    string
	// Extra are further facts, such as when the prospect wants to move in. Formats without
	// a place for them leave them out.
	Extra []openimmo.Extra
	// Test leads prove to the advertiser that leads arrive; they count nowhere.
	Test bool
	// Source is the egress.Source that a test lead must leave from; "": any. Only rooms of
	// ours set it, and it is refused with a lead that is no test.
	Source string
	// Suspicion is why the enquiry may be spam, a code; "" if it is not. A suspect one is
	// kept and waits for Release or Discard.
	Suspicion string
	// Idempotency is the client's key, "" if none; RequestHash tells a replay from a
	// misuse.
	Idempotency string
	RequestHash [32]byte
}

// AdvertiserRef names the advertiser. What is empty is taken from what is kept of him.
type AdvertiserRef struct {
	ID     string // the tenant's own number of him
	Name   string
	Emails []message.Address
	Format openimmo.Format
}

// Body is how the mail says in words what the XML says to programs.
type Body string

// The bodies. All have the labels by which receivers without an XML reader find the
// values.
const (
	Labelled  Body = "labels"    // a table: „Vorname: …“
	Propstack Body = "propstack" // the same, with the element ids Propstack looks for
	Lines     Body = "lines"     // text alone: „Anbieter-Objekt-ID: …“
)

// Valid reports whether b is a body.
func (b Body) Valid() bool { return b == Labelled || b == Propstack || b == Lines }

// Profile is how an advertiser's software wants its leads.
type Profile struct {
	Software string // "onoffice", "flowfact", "propstack", "custom"
	Format   openimmo.Format
	Encoding openimmo.Encoding
	FileName string
	Body     Body
	// VerifiedOn is the day on which a lead was seen to arrive whole in the software;
	// zero: never.
	VerifiedOn time.Time
}

// DefaultFileName is what most readers look for.
const DefaultFileName = "kontaktanfrage.xml"

// Profiles are what we know of the software that advertisers use.
func Profiles() []Profile {
	return []Profile{
		{Software: "onoffice", Format: openimmo.Feedback, Encoding: openimmo.UTF8, FileName: DefaultFileName, Body: Labelled},
		{Software: "flowfact", Format: openimmo.Feedback, Encoding: openimmo.UTF8, FileName: DefaultFileName, Body: Labelled},
		{Software: "propstack", Format: openimmo.Feedback, Encoding: openimmo.UTF8, FileName: DefaultFileName, Body: Propstack},
		{Software: "custom", Format: openimmo.Feedback, Encoding: openimmo.UTF8, FileName: DefaultFileName, Body: Labelled},
	}
}

// ProfileOf is what we know of a software, that of "custom" if nothing.
func ProfileOf(software string) Profile {
	all := Profiles()
	for _, p := range all {
		if p.Software == software {
			return p
		}
	}
	return all[len(all)-1]
}

// Advertiser is a customer of the tenant who receives leads.
type Advertiser struct {
	ID      string // the tenant's own number of him
	Name    string
	Emails  []message.Address
	Profile Profile
	SeenAt  time.Time // his last lead
}

// State says how far a lead is on its way into the queue; from then on its message
// tells.
type State string

// The states of a lead.
const (
	Taken   State = "taken"   // kept; its mail is being made
	Sent    State = "sent"    // its mail was accepted
	Stopped State = "stopped" // its mail could not be made or accepted: a to-do
	Suspect State = "suspect" // it may be spam: kept, and held for a person
	// Discarded is a suspect that a person found to be spam; its content is gone.
	Discarded State = "discarded"
)

// Lead is a kept enquiry.
type Lead struct {
	ID         ID
	Tenant     tenant.ID
	Advertiser string // ID of the advertiser
	Object     string // what the advertiser calls the object
	Title      string // of the object
	Test       bool
	State      State
	Reason     string // code, of Stopped and Suspect
	Message    message.ID
	// XML is the SHA-256 of the attachment; zero until there is one.
	XML     [32]byte
	TakenAt time.Time
	// Sealed is the enquiry; nil when its time is over or it was erased.
	Sealed []byte
	Salt   seal.Salt
}

// Filter narrows a list. Zero fields do not.
type Filter struct {
	Advertiser string
	State      State
	Tests      bool // test leads, too
	Kept       bool // only those whose content is still there
	Suspects   bool // also suspect and discarded ones, which otherwise only State finds
	From, To   time.Time
	After      ID // only older ones
	Limit      int
}

// Page is a part of a list, from new to old.
type Page struct {
	Leads []Lead
	More  bool
}

// Settings are a tenant's.
type Settings struct {
	Portal string // the tenant's name in the XML and in mails; "": the tenant's
	From   string // address leads come from; "": anfragen@ the first usable domain
}

// Store is what leads need of the database. Each method is one transaction.
type Store interface {
	// TakeLead keeps a lead in state Taken and notes its advertiser. If the idempotency
	// key was used in the last 24 hours it keeps nothing and returns the lead of then
	// and the hash of the request of then.
	TakeLead(ctx context.Context, l Lead, a Advertiser, key string, hash [32]byte) (*Lead, [32]byte, error)
	// SettleLead sets state, reason, message, XML and content of a lead.
	SettleLead(ctx context.Context, l Lead) error
	// Lead returns one; fault.NotFound "lead_not_found" if the tenant has none such.
	Lead(ctx context.Context, t tenant.ID, l ID) (Lead, error)
	Leads(ctx context.Context, t tenant.ID, f Filter) (Page, error)
	// TakenLeads returns leads of all tenants that are in state Taken since before.
	TakenLeads(ctx context.Context, before time.Time, limit int) ([]Lead, error)
	// Advertiser returns one; fault.NotFound "advertiser_not_found".
	Advertiser(ctx context.Context, t tenant.ID, number string) (Advertiser, error)
	// Advertisers lists by number, those behind after.
	Advertisers(ctx context.Context, t tenant.ID, after string, limit int) ([]Advertiser, error)
	SaveAdvertiser(ctx context.Context, t tenant.ID, a Advertiser) error
	// DropLeads erases the content of up to limit leads taken before, and says how many
	// there were.
	DropLeads(ctx context.Context, before time.Time, limit int) (int, error)
	// HasLeadLike reports whether the advertiser has a lead of the same request taken at
	// or after since.
	HasLeadLike(ctx context.Context, t tenant.ID, advertiser string, request [32]byte, since time.Time) (bool, error)
	// CountLeads counts the leads in a state whose content is kept, up to a thousand, and
	// says since when the oldest waits. It is for Stopped and Suspect, which are few.
	CountLeads(ctx context.Context, t tenant.ID, state State) (n int, since time.Time, err error)
	// ProveLead notes when parts of a test lead were seen to arrive; the first time counts.
	// Once text and XML are both proven, the advertiser is verified on that day.
	ProveLead(ctx context.Context, l Lead, parts []Part, at time.Time) error
	LeadProof(ctx context.Context, t tenant.ID, l ID) (Proven, error)
	LeadSettings(ctx context.Context, t tenant.ID) (Settings, error)
	SaveLeadSettings(ctx context.Context, t tenant.ID, s Settings) error
}
