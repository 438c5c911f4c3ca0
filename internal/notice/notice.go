// Package notice writes the platform's own mails to its people: invitations, lost
// passwords, a sign-in from a new device, a weekly report.
//
// It stands behind the journey (floor 3). Whoever has something to say gives a Letter
// to Send, or has Seal make a row of it that goes with a transaction of theirs, so that
// the letter is lost only if the transaction is. A Sender, on whichever node, words it,
// gives it the product's look and hands it to ingest like any other mail: stream
// "system", the platform's own From address, an idempotency key, so that a crash at any
// moment leaves exactly one.
//
// It does not decide who is told what, and writes to nobody's customers: mail about
// deliveries that failed is dsn's.
package notice

import (
	"context"
	"time"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Door is how ingest calls where these mails come from. Their content may hold links
// that let somebody in: doors do not show it.
const Door = "notice"

// Letter is one mail to one person.
type Letter struct {
	Tenant tenant.ID // whose people it is about; zero: staff of the platform
	To     message.Address
	Lang   i18n.Lang // "" is German
	Formal bool      // addressed as Sie; where the text has only one form, that
	// Kind chooses the texts "notice.<kind>.subject", ".body" and, with a Link, ".button".
	// An empty line in the body begins a paragraph.
	Kind string
	// Args are the values of the texts' placeholders. They may be foreign text: they are
	// cut to one line of 200 characters and never become a link or markup.
	Args map[string]string
	// More is further paragraphs after the body, worded by who sends the letter: reports
	// have as many as there is to tell. Each is treated as a value of Args, but may have
	// 500 characters.
	More []string
	// Link is where the button leads: a path of the office ("/invite/…") or a whole
	// address. "" leaves the button out.
	Link string
	// Leave is the whole address at which the reader ends such letters with one POST
	// (RFC 8058); the kind then has a text ".reason" of its own. "": they cannot.
	Leave string
	// Key names the letter within its tenant, 1 to 150 printable ASCII characters: the
	// same key is the same letter, sent once within 35 days.
	Key string
}

// Due is a letter that is still to be sent, as the database keeps it.
type Due struct {
	Tenant tenant.ID
	Key    string
	At     time.Time // when it was written
	Sealed []byte    // the Letter; only a Sender of the same platform reads it
}

// Claim asks for letters to send.
type Claim struct {
	Now   time.Time
	Lease time.Duration // how long the claimed letters are left alone by other claims
	Limit int
}

// Store is what notices need of the database. Each method is one transaction.
type Store interface {
	// PutNotice keeps a letter to be sent, unless one of its key was kept before.
	PutNotice(ctx context.Context, d Due) error
	// ClaimNotices takes letters that are due and claimed by nobody, the oldest first.
	// A claim that is not ended runs out with its lease.
	ClaimNotices(ctx context.Context, c Claim) ([]Due, error)
	// EndNotice forgets a letter's content and remembers its key.
	EndNotice(ctx context.Context, t tenant.ID, key string, at time.Time) error
	// SenderOf returns the tenant that may send as a domain, in any usable state, or
	// NotFound "domain_not_found".
	SenderOf(ctx context.Context, domain string) (tenant.ID, error)
}

// KeysLast is for how long a key is remembered after its letter.
const KeysLast = 35 * 24 * time.Hour

const maxKey = 150

// check refuses letters that no text or no way could be found for; it is the caller's
// mistake, not a person's.
func (l Letter) check(c *i18n.Catalog) error {
	if l.Key == "" || len(l.Key) > maxKey {
		return fault.Field("key", "notice_key_malformed", "A notice needs a key of at most 150 characters.")
	}
	for i := range len(l.Key) {
		if l.Key[i] <= ' ' || l.Key[i] >= 0x7f {
			return fault.Field("key", "notice_key_malformed", "A notice's key is printable ASCII without spaces.")
		}
	}
	if l.To.IsZero() {
		return fault.Field("to", "address_missing", "A notice needs a recipient.")
	}
	for _, part := range []string{".subject", ".body"} {
		if !c.Has(textPrefix + l.Kind + part) {
			return fault.Field("kind", "notice_kind_unknown", "There are no texts for a notice of the kind "+l.Kind+".")
		}
	}
	if l.Link != "" && !c.Has(textPrefix+l.Kind+".button") {
		return fault.Field("kind", "notice_kind_unknown", "There is no button for a notice of the kind "+l.Kind+".")
	}
	return nil
}
