// Package returns takes in what comes back: bounces after a 250, complaints, automatic
// answers, requests to unsubscribe and people's replies. It ties each to the delivery it
// speaks of and leaves the fact there.
//
// It closes the journey of a message: the door for return mail (smtpserver) asks it which
// addresses are ours (Addresses) and hands it the bytes (Intake), which are durable
// before the door says 250; later the Sorter reads them. It believes a report only where
// an address with our MAC stands in it: whoever has such an address has seen the mail it
// was made for, and can speak of that one delivery and no other. What a report means is
// judged by bounce; who may still be written to is decided by the Suppressor.
package returns

import (
	"context"
	"net/netip"
	"time"

	"stafette/internal/audience"
	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// Kind is the id.Kind of return mail.
type Kind struct{}

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "ret" }

// ID names one return mail.
type ID = id.Of[Kind]

// Purpose is what the address was made for that a mail came to.
type Purpose string

// The purposes. Addresses of deliveries carry a MAC, those of the platform do not.
const (
	ForDelivery    Purpose = "delivery"    // the return path of one delivery
	ForUnsubscribe Purpose = "unsubscribe" // its List-Unsubscribe address
	ForReports     Purpose = "reports"     // abuse and fbl: complaints that go to an address registered once
	ForPostmaster  Purpose = "postmaster"  // a person reads it (RFC 5321, 4.5.1)
	ForDomain      Purpose = "domain"      // aggregate reports about a sending domain (RFC 9990, RFC 8460)
)

// State is how far the reading of a mail is.
type State string

// The states. Pending is the first; the others are final.
const (
	Pending   State = "pending"   // stored, not read yet
	Matched   State = "matched"   // it speaks of a delivery and left its fact there
	Unmatched State = "unmatched" // it changed nothing; Mail.Why says why
)

// The reasons why a mail changed nothing. Codes of bounce.ParseReport's errors may
// stand in their place.
const (
	WhyNoAggregate  = "no_aggregate"      // nothing at the address of a domain that reports about it
	WhyForPeople    = "for_people"        // no report; somebody writes to the postmaster
	WhyNoProof      = "no_proof"          // no address of ours with a MAC stands in it
	WhyNoDelivery   = "delivery_unknown"  // the delivery was deleted
	WhyOtherMessage = "other_message"     // it speaks of a message that is not the delivery's
	WhyTooMany      = "too_many_reports"  // more reports on one delivery than servers send
	WhyNoComplaint  = "no_complaint"      // a feedback report that complains of nothing (not-spam, auth-failure)
	WhyUnexpected   = "unexpected_kind"   // a bounce at an address to unsubscribe at, and the like
	WhyNobody       = "nobody_to_forward" // a reply, but the message had a null sender
	WhyForged       = "author_forged"     // a reply that its author's domain disowns (DMARC)
	WhyLoop         = "loop"              // a reply that comes from where it would go
	WhyRefused      = "reply_refused"     // a reply that may not be passed on as it is
	WhyUnreadable   = "unreadable"        // reading it failed again and again
)

// Mail is one return mail for one address.
type Mail struct {
	ID ID
	// Tenant whose delivery the address was made for; zero for the platform's own.
	Tenant    tenant.ID
	Purpose   Purpose
	Recipient message.Address // of the envelope
	// Sender is the envelope's as given, "" for the null reverse path.
	Sender     string
	Peer       netip.Addr // who handed it in
	HELO       string
	Size       int64     // of the mail with our Received field, bytes
	Salt       seal.Salt // zero: the content was dropped
	ReceivedAt time.Time

	State State
	Tries int // how often reading it was begun
	Verdict
}

// Erased reports whether the content is gone for good.
func (m Mail) Erased() bool { return m.Salt == seal.Salt{} }

// Verdict is what reading a mail found out.
type Verdict struct {
	Kind bounce.Kind // "" before it was read
	// Account and Delivery are those it speaks of; before reading, those its address
	// names.
	Account  tenant.ID
	Delivery message.DeliveryID
	Why      string // why it changed nothing, "" if it did not
	Author   string // who wrote it, as it says itself, at most 200 bytes
	Subject  string // decoded, at most 200 bytes
	Auth     Auth
}

// Kept is a mail with its content, sealed with Mail.Salt.
type Kept struct {
	Mail
	Sealed []byte
}

// Origin is what matching must know of a delivery and its message.
type Origin struct {
	Tenant    tenant.ID
	Delivery  message.DeliveryID
	Stream    tenant.Stream
	Recipient message.Address
	Sender    string // envelope sender as it was submitted, "" for the null reverse path
	MessageID string // header, without angle brackets
	Reports   int    // facts from return mail so far
}

// Listing narrows the list of return mail. Empty fields match everything.
type Listing struct {
	State State
	Kind  bounce.Kind
	After ID  // continue below it: lists run from new to old
	Limit int // 0: 50; at most 500
}

// Store keeps return mail. Every method is one whole, durable transaction.
type Store interface {
	// OwnerOf returns the tenant of the delivery that a return path names; ok is false if
	// there is none.
	OwnerOf(ctx context.Context, p bounce.Path) (t tenant.ID, ok bool, err error)
	// KeepReturns stores mails with their content, all or none. When it returns they
	// survive the loss of power.
	KeepReturns(ctx context.Context, list []Kept) error
	// TakeReturns gives out pending mail that is due, oldest first, and makes it due
	// again at until, or as soon as the epoch that takes it is dead, so that another
	// takes it if it is not concluded by then. Epoch 0 is none.
	TakeReturns(ctx context.Context, e queue.Epoch, now, until time.Time, limit int) ([]Mail, error)
	// ReturnBody returns the sealed content; NotFound "return_erased" if it was dropped.
	ReturnBody(ctx context.Context, t tenant.ID, r ID) ([]byte, error)
	// OriginOf returns the delivery and its message; ok is false if there is none.
	OriginOf(ctx context.Context, t tenant.ID, d message.DeliveryID) (o Origin, ok bool, err error)
	// ConcludeReturn records the verdict with its facts and their marks, unless the
	// mail was concluded before: then nothing changes and it reports false.
	ConcludeReturn(ctx context.Context, m Mail, facts []event.Event) (bool, error)
}

// Archive is what those who look at return mail need, staff of the platform only.
type Archive interface {
	// Returns lists from new to old. More follows if more is true.
	Returns(ctx context.Context, l Listing) (list []Mail, more bool, err error)
	// Return returns one mail, or NotFound "return_not_found".
	Return(ctx context.Context, r ID) (Mail, error)
}

// Aggregates takes in reports about sending domains.
type Aggregates interface {
	// Take reads the mail that came to the address of a domain; signed says that a DKIM
	// signature of the mail holds. A *fault.Error says that it holds no such report;
	// one that came before is no error.
	Take(ctx context.Context, d tenant.DomainID, raw []byte, signed bool) error
}

// Suppressor decides, by its own rules, whether an address may still be written to, and
// reports whether it may not because of this. It may be told the same fact twice.
type Suppressor interface {
	// Bounced: a server refused the address after it had taken the mail.
	Bounced(ctx context.Context, r audience.Report) (bool, error)
	// Complained: the recipient reported the mail as spam.
	Complained(ctx context.Context, r audience.Report) (bool, error)
	// Unsubscribed: the recipient wants no more mail of the stream.
	Unsubscribed(ctx context.Context, r audience.Report) (bool, error)
}
