// Package queue schedules deliveries: what is due, who holds it, when to try
// again, when to give up, and in which fair order.
//
// It is the third station of the journey. The durable queue is the deliveries
// table behind Store; this package keeps the part of it that is in memory under
// this process's epoch. It does not choose routes (egress) or speak SMTP
// (delivery).
package queue

import (
	"context"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// Epoch is the fencing generation of one process on the queue: a number greater
// than all before it, given at start. A delivery belongs to the epoch that claimed
// it; a settlement under another epoch changes nothing. Zero means nobody.
type Epoch int64

// Entry is one delivery with all it takes to attempt it.
type Entry struct {
	Tenant    tenant.ID
	Delivery  message.DeliveryID
	Stream    tenant.Stream
	Sender    string // envelope sender, "" for the null reverse path
	Recipient message.Address
	// SignDomain is the domain whose DKIM keys sign, that of the From header.
	SignDomain string
	Body       spool.Handle
	Size       int64 // of the body in clear, bytes
	// EightBit and UTF8 say what the receiving server must support (RFC 6152, RFC 6531).
	EightBit, UTF8 bool
	// TLS is what the sender says of encryption (RFC 8689).
	TLS message.TLSNeed
	// Digests of the attachments, checked again before the message leaves.
	Digests []message.Digest
	Tags    []string // of the message, for orders about them; see SourceTag
	// Signature holds the DKIM header fields made at an earlier attempt, if kept.
	Signature                    []byte
	Attempts                     int // so far
	AcceptedAt, DueAt, ExpiresAt time.Time
	// SendAt is before when its sender wants nothing to leave; zero: at once.
	SendAt time.Time

	// What the sender is told of, by us or by whom the message is handed to (RFC 3461).
	Notify            message.Notify
	OriginalRecipient message.OriginalRecipient
	Return            message.Return
	EnvelopeID        string
}

// SourceTag begins the tag of a message that must leave from one source, whose name
// follows. It is set by the platform alone.
const SourceTag = "stafette-source:"

// Source is the name of the only source the delivery may leave from; "": any.
func (e *Entry) Source() string {
	for _, t := range e.Tags {
		if name, ok := strings.CutPrefix(t, SourceTag); ok {
			return name
		}
	}
	return ""
}

// CampaignTag begins the first tag of mail of a campaign, whose identifier follows. Clients
// cannot set such a tag.
const CampaignTag = "stafette-campaign:"

// GroupTag begins the tag of a message that is written to a group, whose identifier
// follows. It is set by the platform alone.
const GroupTag = "stafette-group:"

// Group is the text of the identifier of the group the message is written to; "": none.
func (e *Entry) Group() string {
	for _, t := range e.Tags {
		if name, ok := strings.CutPrefix(t, GroupTag); ok {
			return name
		}
	}
	return ""
}

// ReadyAt is since when the delivery might leave.
func (e *Entry) ReadyAt() time.Time {
	if e.SendAt.After(e.AcceptedAt) {
		return e.SendAt
	}
	return e.AcceptedAt
}

// Settlement ends one claim with a verdict.
type Settlement struct {
	Tenant    tenant.ID
	Delivery  message.DeliveryID
	Epoch     Epoch
	State     event.State
	DueAt     time.Time // when Deferred: the next attempt
	Attempts  int       // including this one
	Signature []byte    // kept when Deferred, so that a retry need not sign again
	Host      string    // the server that spoke last
	Event     event.Event
	Stream    tenant.Stream
	// Group is the text of the identifier of the group that was written to; "": none.
	Group string
	// ReadyAt is since when the mail might leave: its acceptance, or the time its sender
	// set; zero is the acceptance. The time to delivery counts from it.
	ReadyAt time.Time
	// Strike is what the outcome counts against the recipient; nil for nothing. It
	// takes effect together with the settlement, or not at all.
	Strike *audience.Strike
	Report Report // to the sender; zero: none
	// Earlier are facts of the same taking that came before Event: the attempt over a new
	// source that a changeover repeated over an old one. Most settlements have none.
	Earlier []event.Event
	// Fallback marks the customer whose server refused the new source and took the mail
	// over the old one; nil: nothing. It takes effect together with the settlement.
	Fallback *Fallback
	// Dialogue is what was said in the attempt, sealed (package trace); nil: nothing is kept.
	Dialogue []byte
}

// Notable reports whether the settlement may be noted (Store.Note): that a server took the
// mail, and nothing that concerns others. A note lost would send the mail again; all other
// verdicts can be found out anew.
func (s *Settlement) Notable() bool {
	return s.State == event.Delivered && s.Event.Attempt != nil && s.Event.Report == nil &&
		s.Strike == nil && s.Fallback == nil && len(s.Earlier) == 0
}

// Fallback is what a changeover's overlap caught.
type Fallback struct {
	Shift  string // name of the egress.Shift: the changeover
	Source string // the new source that was refused
	Domain string // of the recipient
	Site   string
	Reply  string // the refusal; the server's words without the recipient's address
}

// Report is a delivery report (RFC 3464) that a settlement makes due. The fact is
// written with the settlement; package dsn sees to the rest.
type Report struct {
	Action bounce.Action // "" for no report
	// DueAt is when to look whether it is still true: for a delay some hours ahead.
	DueAt time.Time
}

// Claim asks for due deliveries of one tenant.
type Claim struct {
	Epoch  Epoch
	Tenant tenant.ID
	Now    time.Time
	Limit  int
}

// Selection picks deliveries for a person's or the API's command. Empty fields
// match everything; Tenant is demanded unless Platform is set.
type Selection struct {
	Tenant   tenant.ID `json:",omitzero"`
	Platform bool
	Message  message.ID         `json:",omitzero"`
	Delivery message.DeliveryID `json:",omitzero"`
	Stream   tenant.Stream
	Domain   string // of the recipient
	// Domains are several of them: a recipient's is one of these; empty: any. For Domain
	// alone there is Domain.
	Domains []string `json:",omitempty"`
	Tag     string   // of the message
	States  []event.State
	Limit   int // 0: 1000
	// Before leaves out what was accepted at this instant or later; zero: nothing.
	Before time.Time
	// After goes on behind the last delivery that was found, with the one state it had in
	// States, so that a long list can be gone through in parts. Of what is queued it may
	// leave out deliveries that a process gave back meanwhile.
	After message.DeliveryID `json:",omitzero"`
	// AfterDue is when After fell due as it was found, where finding it changed that; zero:
	// it still falls due then.
	AfterDue time.Time `json:",omitzero"`
	// Unless leaves out deliveries that are held for this reason; "": none.
	Unless string `json:"-"`
}

// Command is what a person or the API does to selected deliveries.
type Command string

// The commands and the states they apply to.
const (
	Hold   Command = "hold"   // queued, deferred → held
	Resume Command = "resume" // held → queued
	Cancel Command = "cancel" // queued, deferred, held → cancelled
	Retry  Command = "retry"  // deferred → due now
	// Due makes due now what was put off, without an event: an order that put it off
	// has ended. What is to be sent later by its sender's wish is left alone.
	Due Command = "due"
)

// Suspend and Reroute are not done to deliveries: they begin an Order.
const (
	Suspend Command = "suspend"
	Reroute Command = "reroute"
)

// Listed is one row of the queue as an operator sees it.
type Listed struct {
	Tenant    tenant.ID
	Delivery  message.DeliveryID
	Stream    tenant.Stream
	Recipient message.Address
	State     event.State
	Attempts  int
	DueAt     time.Time
	ExpiresAt time.Time
	Reason    string // class of the last attempt
	Host      string
}

// Node is one process that works on the queue.
type Node struct {
	Name  string
	Epoch Epoch
	Alive bool // not declared dead
}

// Store is the durable queue. Every method is one whole, durable transaction.
type Store interface {
	// StartEpoch registers this process under a node name and returns its epoch.
	// The node is alive until the given time; Beat prolongs it.
	StartEpoch(ctx context.Context, node string, now, aliveUntil time.Time) (Epoch, error)
	// Beat keeps the epoch alive. If others have declared it dead it returns
	// ErrFenced and the process must stop sending at once.
	Beat(ctx context.Context, e Epoch, now, aliveUntil time.Time) error
	// EndEpoch gives up everything the epoch holds, at an orderly stop.
	EndEpoch(ctx context.Context, e Epoch, now time.Time) error

	// DueTenants returns tenants above after, in order, that have unheld
	// deliveries due at now which no live epoch holds.
	DueTenants(ctx context.Context, now time.Time, after tenant.ID, limit int) ([]tenant.ID, error)
	// Claim takes due deliveries of one tenant, urgent ones first, then the
	// longest due, which nobody or only a dead epoch holds.
	Claim(ctx context.Context, c Claim) ([]Entry, error)
	// NextDue returns when the next unclaimed delivery falls due that does so after
	// the one instant and not after the other; ok is false if none does.
	NextDue(ctx context.Context, after, until time.Time) (at time.Time, ok bool, err error)
	// Settle records verdicts with their events. It waits for the group commit and
	// returns the deliveries it did not change because the epoch no longer holds them.
	Settle(ctx context.Context, s []Settlement) (fenced []message.DeliveryID, err error)
	// Note makes settlements durable at once that Settle is still to make rows of, where
	// that is quicker, and returns their numbers for Drop; nil: nothing is noted here. All
	// must be Notable. What was noted and not settled when the process ended is settled
	// before StartEpoch returns, so that it is not sent again.
	Note(list []*Settlement) (numbers []uint64, err error)
	// Drop gives up notes of settlements that Settle has returned for.
	Drop(numbers []uint64) error
	// Release gives claims back without an attempt, due again at their DueAt. No
	// event is written.
	Release(ctx context.Context, e Epoch, entries []Entry) error

	// Apply runs a command and returns the deliveries it changed. A delivery that
	// is in an attempt right now is changed too: its settlement will then be fenced
	// unless the attempt delivered, which wins.
	Apply(ctx context.Context, c Command, sel Selection, actor string, now time.Time) ([]message.DeliveryID, error)
	// List shows what waits.
	List(ctx context.Context, sel Selection) ([]Listed, error)
	// Depth counts deliveries by state over all tenants: queued, deferred, held.
	Depth(ctx context.Context) (map[event.State]int64, error)
}
