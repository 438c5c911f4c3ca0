// Package announce tells the customers of a tenant about a changeover and hears what
// they say: one mail in German and English that can be forwarded as it is, a page behind
// a link that needs no account, test leads from each new source, and reminders for those
// who did not answer.
//
// It is part of floor 3 beside package changeover and feeds ingest like any other room:
// the mails are the tenant's own, on the stream "system", so that its customers know the
// sender and its archive can vouch for them. Who is affected is found by package
// affected; what the mail and the page say about dates and addresses is read from the
// plan each time, never copied.
package announce

import (
	"context"
	"time"

	"stafette/internal/changeover"
	"stafette/internal/tenant"
)

// Door is how ingest calls where these mails come from.
const Door = "changeover"

// Scope says who is to be told.
type Scope string

// The scopes.
const (
	Nobody       Scope = ""
	OnlyAffected Scope = "affected"
	Everybody    Scope = "all"
)

// Valid reports whether s names somebody.
func (s Scope) Valid() bool { return s == OnlyAffected || s == Everybody }

// Announcement is what a tenant says about a changeover beyond its plan. The zero value
// says nothing and is sent to nobody. The plan says the rest.
type Announcement struct {
	Tenant     tenant.ID     `json:"-"`
	Changeover changeover.ID `json:"-"`
	// ReasonDE and ReasonEN end the sentence "because …"; "" leaves the reason out.
	ReasonDE string `json:"reason_de,omitempty"`
	ReasonEN string `json:"reason_en,omitempty"`
	// Contact is whom to ask: an address or a telephone number.
	Contact string `json:"contact,omitempty"`
	// Unconcerned is software whose makers said that their customers need do nothing;
	// Concerned is software whose makers must act. Nothing is claimed of any other.
	Unconcerned []string `json:"unconcerned,omitempty"`
	Concerned   []string `json:"concerned,omitempty"`
	// Remind sends reminders by the plan's dates.
	Remind bool `json:"remind,omitempty"`
	// Scope is who is to be told since AskedAt, by whose order.
	Scope   Scope     `json:"scope,omitempty"`
	AskedAt time.Time `json:"asked_at,omitzero"`
	AskedBy string    `json:"asked_by,omitempty"`
}

// Published reports whether strangers may read about the changeover: it was announced.
func (a Announcement) Published() bool { return !a.AskedAt.IsZero() }

// Store is what announcements need of the database. Each method is one transaction.
type Store interface {
	// Announcement returns that of a tenant; the zero one with its keys if there is none.
	Announcement(ctx context.Context, t tenant.ID, c changeover.ID) (Announcement, error)
	PutAnnouncement(ctx context.Context, a Announcement) error
	// Announcements returns those that were asked for, of all tenants.
	Announcements(ctx context.Context) ([]Announcement, error)
}

// Limits of what people write.
const (
	maxReason   = 300 // characters
	maxContact  = 200
	maxSoftware = 60
	maxNames    = 20
)
