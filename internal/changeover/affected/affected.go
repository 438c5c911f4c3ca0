// Package affected finds the customers of a tenant to whom a changeover makes a
// difference, with evidence: what their mail servers said over old and new sources,
// side by side; refusals that blame a new source; reports of missing XML; test leads
// that nobody confirmed; and what people know of their lists of admitted addresses.
//
// It is part of floor 3 beside package changeover and behind the journey: it reads the
// facts that deliveries left and keeps what it concluded. It guesses nothing: below a
// minimum of mails on both sides it shows the counts and gives no verdict. Telling
// customers is package announce's.
package affected

import (
	"context"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/lead"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// CustomerKind is the id.Kind of customers.
type CustomerKind struct{}

// Prefix implements id.Kind.
func (CustomerKind) Prefix() string { return "cus" }

// ID names a customer of one changeover.
type ID = id.Of[CustomerKind]

// Kind says what a customer is known by.
type Kind string

// The kinds.
const (
	Advertiser Kind = "advertiser" // a lead.Advertiser; Key is its number
	Domain     Kind = "domain"     // a recipient domain; Key is its name in A-labels
)

// Answer is what a customer said to an announcement.
type Answer string

// The answers.
const (
	NoAnswer     Answer = ""
	Added        Answer = "added"         // the new addresses are in their lists
	NotConcerned Answer = "not_concerned" // they admit no senders by address
)

// Valid reports whether a is something a customer can say.
func (a Answer) Valid() bool { return a == Added || a == NotConcerned }

// Customer is one customer in one changeover. Times are UTC; zero: never.
type Customer struct {
	ID         ID
	Tenant     tenant.ID
	Changeover changeover.ID
	Kind       Kind
	Key        string
	Name       string // as people know them; may be empty
	Software   string // lead.Profile.Software of an advertiser, otherwise ""
	// Emails are where announcements go; none: nobody can be told.
	Emails  []message.Address
	Finding Finding

	// Lists says that the customer is known to admit senders by address; Note is where
	// that is known from.
	Lists bool
	Note  string
	// NeedsOld says that the old sources must stay until this customer has moved.
	NeedsOld bool
	// Settled is when a person closed the case.
	Settled time.Time

	InformedAt time.Time
	Informed   message.ID // the announcement
	Answer     Answer
	AnsweredAt time.Time
	Reminders  int
	RemindedAt time.Time

	// Tests are the newest test leads, one for each source.
	Tests []Test
}

// Title is the name people know the customer by.
func (c Customer) Title() string {
	if c.Name != "" {
		return c.Name
	}
	return c.Key
}

// Test is a test lead from one source.
type Test struct {
	Source string
	Lead   lead.ID
	SentAt time.Time
	// BodyAt and XMLAt are when the codes in the text and in the XML were entered.
	BodyAt, XMLAt time.Time
}

// Found is what a survey learnt of one customer.
type Found struct {
	Kind     Kind
	Key      string
	Name     string
	Software string
	Emails   []message.Address // of an advertiser; a domain's are kept as they are
	Finding  Finding
}

// Step is an attempt that a receiving server answered.
type Step struct {
	Delivery  message.DeliveryID
	Recipient message.Address
	At        time.Time
	Attempt   event.Attempt
}

// Query asks for attempts at deliveries of mail accepted in [From, To).
type Query struct {
	Recipient message.Address // zero: everybody
	From, To  time.Time
	Before    message.DeliveryID // only older ones
	Limit     int                // of deliveries, at most 500
}

// Steps is a part of the attempts, those of newer deliveries first; of one delivery in
// order.
type Steps struct {
	List []Step
	// Deliveries counts those that were looked at, with or without attempts; Last is the
	// oldest of them.
	Deliveries int
	Last       message.DeliveryID
}

// Store is what surveys need of the database. Each method is one transaction.
type Store interface {
	// Attempts reads what deliveries left. It walks an index and takes no locks.
	Attempts(ctx context.Context, t tenant.ID, q Query) (Steps, error)
	// PutFound adds customers or renews what is found of them; what people and customers
	// said of themselves stays.
	PutFound(ctx context.Context, t tenant.ID, c changeover.ID, list []Found, now time.Time) error
	// FadeFindings empties what was found before a time: it is not so any more.
	FadeFindings(ctx context.Context, t tenant.ID, c changeover.ID, before time.Time) error
	// Customers lists by name, with their tests, at most 10,000.
	Customers(ctx context.Context, t tenant.ID, c changeover.ID) ([]Customer, error)
	// Customer returns one with its tests; NotFound "customer_unknown".
	Customer(ctx context.Context, t tenant.ID, n ID) (Customer, error)
	// CustomerOf finds one by what it is known by; NotFound "customer_unknown".
	CustomerOf(ctx context.Context, t tenant.ID, c changeover.ID, k Kind, key string) (Customer, error)
	// PutCustomer keeps what people and customers said: all fields but those of Found,
	// save the Emails of a Domain. NotFound "customer_unknown".
	PutCustomer(ctx context.Context, c Customer) error
	// SilentCustomers counts the customers who were told and did not answer, and tells since when
	// the first of them was.
	SilentCustomers(ctx context.Context, t tenant.ID, c changeover.ID) (n int, since time.Time, err error)
	// PutTest keeps the newest test lead of a source.
	PutTest(ctx context.Context, t tenant.ID, n ID, v Test) error
	// DropCustomers forgets the customers of a changeover and reports how many.
	DropCustomers(ctx context.Context, t tenant.ID, c changeover.ID) (int, error)
}

// Cases tells of reports that a lead came without its XML; the room that keeps such
// cases implements it.
type Cases interface {
	// MissingXML counts an advertiser's reports since a time and tells when the newest
	// came in.
	MissingXML(ctx context.Context, t tenant.ID, advertiser string, since time.Time) (n int, last time.Time, err error)
}
