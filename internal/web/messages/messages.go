// Package messages is the heart of the office: every e-mail of a tenant, how it
// fares with each recipient, what it says, and a form to write one.
//
// It is a subject of the door web (floor 4). It asks insight, queue, spool and
// ingest, and renders their answers; it decides nothing about mail itself and
// sends nothing but through ingest.
package messages

import (
	"context"
	"time"

	"stafette/internal/audience"
	"stafette/internal/dns"
	"stafette/internal/event"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/trace"
	"stafette/internal/tracking"
	"stafette/internal/web/frame"
)

// Tenants is what the pages need to know of a tenant; tenant.Store has it.
type Tenants interface {
	Domains(ctx context.Context, t tenant.ID) ([]tenant.Domain, error)
	User(ctx context.Context, t tenant.ID, u tenant.UserID) (tenant.User, error)
	Keys(ctx context.Context, t tenant.ID) ([]tenant.Key, error)
	Profile(ctx context.Context, t tenant.ID) (tenant.Profile, error)
}

// Bodies reads messages in clear; *spool.Spool does.
type Bodies interface {
	Body(ctx context.Context, h spool.Handle) ([]byte, error)
}

// Commands changes what waits; queue.Store does.
type Commands interface {
	Apply(ctx context.Context, c queue.Command, sel queue.Selection, actor string, now time.Time) ([]message.DeliveryID, error)
}

// Addresses tells of an address without asking its server; *audience.Validator does.
type Addresses interface {
	Validate(ctx context.Context, t tenant.ID, s tenant.Stream, text string) (audience.Verdict, error)
}

// Dialogues reads what was said in the attempts of a message; *trace.Tracer does.
type Dialogues interface {
	Dialogues(ctx context.Context, t tenant.ID, m message.ID, days []spool.Day) ([]trace.Dialogue, error)
}

// Config is what the pages of messages stand on. Fields without a default are needed.
type Config struct {
	Tenants  Tenants
	Acceptor ingest.Acceptor
	Insight  insight.Store
	Spool    Bodies
	Commands Commands
	Hub      *event.Hub
	Reasons  Reasons
	// ParseMailbox reads one address as a person types it, with or without a name.
	// Its refusals are *fault.Error.
	ParseMailbox func(text string) (message.Mailbox, error)
	// Addresses tells of recipients before a message is sent; nil warns of nothing.
	Addresses Addresses
	// GroupMail lets people write to a group from the compose window; nil: they cannot.
	GroupMail *GroupMail
	// Dialogues tells what was said with receiving servers; nil shows nothing of it.
	Dialogues Dialogues
	// ProviderHosts lists the ends of the host names of a provider; nil is dns.ProviderHosts.
	ProviderHosts func(provider string) []string
	// Tracking tells what recipients did with mail; nil shows nothing of it and offers no
	// choice in the compose window.
	Tracking Tracking
	// Activity tells of what recipients just did; nil: pages learn of it when they are
	// loaded again.
	Activity *tracking.Hub
	// Preview shows HTML on an origin of its own; nil shows it in an opaque origin of the
	// office's own host.
	Preview *Preview
	// MaxUpload bounds a posted message with its attachments; 0 is 32 MiB.
	MaxUpload int64
	// LiveFor ends a live stream, so that a session that was closed loses it soon;
	// the browser comes back by itself. 0 is 5 minutes.
	LiveFor time.Duration
}

// office is what the handlers of this package share.
type office struct {
	*frame.Frame
	Config
	Teller
	streams
}

// Routes are the pages of messages.
func Routes(f *frame.Frame, c Config) []frame.Route {
	if c.MaxUpload == 0 {
		c.MaxUpload = 32 << 20
	}
	if c.LiveFor == 0 {
		c.LiveFor = 5 * time.Minute
	}
	if c.ProviderHosts == nil {
		c.ProviderHosts = dns.ProviderHosts
	}
	o := &office{Frame: f, Config: c, Teller: Teller{c.Reasons}, streams: streams{open: map[tenant.UserID]int{}}}
	read, send, command, trace := tenant.MessagesRead, tenant.MessagesSend, tenant.MessagesCommand, tenant.MessagesTrace
	return []frame.Route{
		{Pattern: "GET /messages", Permission: read, Do: o.showMessages, Entry: frame.Entry{Room: "messages", Icon: "mail", Key: "m"}},
		{Pattern: "GET /messages.csv", Permission: read, WhenLocked: true, Do: o.exportMessages},
		{Pattern: "GET /messages/new", Permission: send, Do: o.showCompose, Entry: frame.Entry{Room: "compose", Icon: "pen"}},
		{Pattern: "POST /messages", Permission: send, Do: o.send},
		{Pattern: "GET /messages/bulk", Permission: command, Do: o.showBulk},
		{Pattern: "POST /messages/bulk", Permission: command, Do: o.bulk},
		{Pattern: "GET /messages/{id}", Permission: read, Do: o.showMessage},
		{Pattern: "GET /messages/{id}/again", Permission: send, Do: o.showAgain},
		{Pattern: "POST /messages/{id}/again", Permission: send, Do: o.again},
		{Pattern: "POST /messages/{id}/commands", Permission: command, Do: o.command},
		{Pattern: "GET /messages/{id}/content", Permission: read, Do: o.showContent},
		{Pattern: "GET /messages/{id}/preview", Permission: read, Do: o.preview},
		{Pattern: "GET /messages/{id}/message.eml", Permission: read, Do: o.download},
		{Pattern: "GET /messages/{id}/dialogue.txt", Permission: trace, Do: o.dialogueFile},
		{Pattern: "GET /live", Permission: read, Do: o.live},
	}
}

// TodayAddress leads to the messages accepted on one day with a delivery in a state.
func TodayAddress(state event.State, day time.Time) string {
	date := day.Format(time.DateOnly)
	return address(listPath, "state", string(state), "from", date, "to", date)
}
