// Package audit is the record of who did what: every act that concerns security or
// settings leaves one entry in the chain of the tenant it concerns, in the transaction
// that carries it out.
//
// It is floor 1 and stands beside the journey. A door says with With who acts and what
// the act is called; whichever store method then changes something writes the entry in
// its own transaction, so that no act can be done without its entry, nor noted without
// having been done. Entries are chained: each bears the SHA-256 of the one before, so
// that a changed, removed or inserted entry breaks the chain where it stands.
//
// It does not decide what is allowed (tenant), and records nothing of mail: deliveries
// have facts of their own (event).
package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode"

	"stafette/internal/tenant"
)

// Act is what somebody does.
type Act struct {
	Tenant tenant.ID // whom it concerns; zero: the platform
	Actor  string    // text of a user or key; "operator" at the command line, "system" for nobody
	Door   string    // "office", "http", "cli", …
	Action string    // "domains.rotate", "session.open", …
	Target string    // text of what it was done to; "" if the action says all
	Detail string    // what changed, in words that name no secret; "" if nothing
	// Network is where it came from, as tenant.Network gives it.
	Network string
}

// Entry is an act that was done, in its place in the chain.
type Entry struct {
	Act
	Seq  int64 // 1, 2, 3, … within the tenant
	At   time.Time
	Prev [32]byte // hash of the entry before; zeros for the first
	Hash [32]byte
}

// Lengths of what is kept of an act, in bytes; longer text is cut.
const (
	maxWord   = 120
	maxDetail = 1000
)

// Clean returns the act as it is kept: text on one line, without control characters
// that could pass for other lines of a log (T37), of bounded length.
func (a Act) Clean() Act {
	a.Actor, a.Door, a.Action = clean(a.Actor, maxWord), clean(a.Door, maxWord), clean(a.Action, maxWord)
	a.Target, a.Network = clean(a.Target, maxDetail), clean(a.Network, maxWord)
	a.Detail = clean(a.Detail, maxDetail)
	return a
}

func clean(s string, most int) string {
	out := make([]rune, 0, min(len(s), most))
	size := 0
	for _, r := range s {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			r = ' '
		}
		if size += len(string(r)); size > most {
			break
		}
		out = append(out, r)
	}
	return string(out)
}

// Sum is the hash the entry must bear: over all its other fields, each with its length
// before it, so that nothing can be moved from one field into the next.
func (e Entry) Sum() [32]byte {
	h := sha256.New()
	number := func(n int64) {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], uint64(n))
		h.Write(b[:])
	}
	h.Write([]byte("stafette audit 1\n"))
	h.Write(e.Prev[:])
	h.Write(e.Tenant[:])
	number(e.Seq)
	number(e.At.UnixMilli())
	for _, s := range []string{e.Actor, e.Door, e.Action, e.Target, e.Detail, e.Network} {
		number(int64(len(s)))
		h.Write([]byte(s))
	}
	return [32]byte(h.Sum(nil))
}

// Next makes the entry that follows one with the given number and hash.
func Next(a Act, seq int64, prev [32]byte, at time.Time) Entry {
	e := Entry{Act: a.Clean(), Seq: seq + 1, At: at.UTC().Truncate(time.Millisecond), Prev: prev}
	e.Hash = e.Sum()
	return e
}

// ErrBroken is wrapped by what a Verifier finds.
var ErrBroken = errors.New("audit chain is broken")

// Verifier walks a chain from its first entry on. The zero Verifier stands before it.
type Verifier struct {
	seq  int64
	hash [32]byte
}

// Add checks the next entry. An error, which wraps ErrBroken, names the first entry
// that is not what was written.
func (v *Verifier) Add(e Entry) error {
	switch {
	case e.Seq != v.seq+1:
		return fmt.Errorf("%w: entry %d is followed by %d", ErrBroken, v.seq, e.Seq)
	case e.Prev != v.hash:
		return fmt.Errorf("%w: entry %d does not follow the one before it", ErrBroken, e.Seq)
	case e.Hash != e.Sum():
		return fmt.Errorf("%w: entry %d was changed", ErrBroken, e.Seq)
	}
	v.seq, v.hash = e.Seq, e.Hash
	return nil
}

// End checks that the chain goes as far as its head says: nothing is missing at the end.
func (v *Verifier) End(h Head) error {
	if v.seq != h.Seq || v.hash != h.Hash {
		return fmt.Errorf("%w: it ends with entry %d, %d were written", ErrBroken, v.seq, h.Seq)
	}
	return nil
}

// Head is the end of a chain. Kept elsewhere, it proves what the chain was on that day.
type Head struct {
	Seq  int64
	Hash [32]byte
}

// Filter narrows a list of entries. The zero Filter takes all.
type Filter struct {
	Before int64 // entries with a lower number; 0: from the newest on
	After  int64 // entries with a higher number
	// OldestFirst turns the order round.
	OldestFirst bool
	Action      string
	Actor       string
	From        time.Time // zero: from the beginning
	To          time.Time // before it; zero: until now
	Limit       int       // 0: 100
}

// Store is what the record needs of the database; each method is one transaction.
type Store interface {
	// Audit lists entries of a tenant (zero: of the platform), from new to old unless the
	// filter says otherwise.
	Audit(ctx context.Context, t tenant.ID, f Filter) ([]Entry, error)
	// AuditChain gives all entries of a tenant in order, in pages after a number.
	AuditChain(ctx context.Context, t tenant.ID, after int64, limit int) ([]Entry, error)
	// AuditHead returns the end of the chain; the zero Head if there is none.
	AuditHead(ctx context.Context, t tenant.ID) (Head, error)
	// PutAudit records an act that changed nothing else: a refused sign-in, an export.
	PutAudit(ctx context.Context, a Act) error
}

// Verify walks the whole chain of a tenant and returns its head. The error wraps
// ErrBroken where the chain is not what was written.
func Verify(ctx context.Context, s Store, t tenant.ID) (Head, error) {
	const page = 500
	var v Verifier
	// The head first: what is added meanwhile lies behind it.
	head, err := s.AuditHead(ctx, t)
	if err != nil {
		return Head{}, fmt.Errorf("verify audit chain: %w", err)
	}
	for v.seq < head.Seq {
		list, err := s.AuditChain(ctx, t, v.seq, int(min(page, head.Seq-v.seq)))
		if err != nil {
			return Head{}, fmt.Errorf("verify audit chain: %w", err)
		}
		if len(list) == 0 {
			break
		}
		for _, e := range list {
			if err := v.Add(e); err != nil {
				return Head{}, err
			}
		}
	}
	return head, v.End(head)
}

// jsonEntry is an entry as exports have it; the names are a contract.
type jsonEntry struct {
	Seq     int64  `json:"seq"`
	At      string `json:"at"`
	Tenant  string `json:"tenant"`
	Actor   string `json:"actor"`
	Door    string `json:"door"`
	Action  string `json:"action"`
	Target  string `json:"target"`
	Detail  string `json:"detail"`
	Network string `json:"network"`
	Prev    string `json:"prev"`
	Hash    string `json:"hash"`
}

// MarshalJSON writes the entry with all that its hash is made of.
func (e Entry) MarshalJSON() ([]byte, error) {
	of := ""
	if !e.Tenant.IsZero() {
		of = e.Tenant.String()
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(jsonEntry{
		Seq: e.Seq, At: e.At.UTC().Format("2006-01-02T15:04:05.000Z"), Tenant: of, Actor: e.Actor, Door: e.Door, Action: e.Action,
		Target: e.Target, Detail: e.Detail, Network: e.Network, Prev: fmt.Sprintf("%x", e.Prev), Hash: fmt.Sprintf("%x", e.Hash),
	})
	return b.Bytes(), err
}

type debtKey struct{}

// debt is the entry a request owes until a transaction has written it.
type debt struct {
	mu   sync.Mutex
	paid bool
}

// owed is an act with the debt that its copies share.
type owed struct {
	act  Act
	debt *debt
}

// With returns a context in which the first transaction that changes something writes
// the act. An act without Action is none.
func With(ctx context.Context, a Act) context.Context {
	return context.WithValue(ctx, debtKey{}, owed{a, &debt{}})
}

// Without returns a context whose transactions owe no entry: what they change is no
// part of the act.
func Without(ctx context.Context) context.Context {
	return context.WithValue(ctx, debtKey{}, owed{})
}

// Note completes the act of ctx: change alters a copy. It is still written once. A
// context without an act comes back as it is.
func Note(ctx context.Context, change func(*Act)) context.Context {
	o, ok := ctx.Value(debtKey{}).(owed)
	if !ok || o.debt == nil {
		return ctx
	}
	change(&o.act)
	return context.WithValue(ctx, debtKey{}, o)
}

// Claim is called by the store when a transaction is about to commit: the act to write,
// if one is owed. If the transaction fails after all, undo must be called.
func Claim(ctx context.Context) (a Act, undo func(), ok bool) {
	o, found := ctx.Value(debtKey{}).(owed)
	if !found || o.debt == nil || o.act.Action == "" {
		return Act{}, nil, false
	}
	o.debt.mu.Lock()
	defer o.debt.mu.Unlock()
	if o.debt.paid {
		return Act{}, nil, false
	}
	o.debt.paid = true
	return o.act, func() {
		o.debt.mu.Lock()
		defer o.debt.mu.Unlock()
		o.debt.paid = false
	}, true
}
