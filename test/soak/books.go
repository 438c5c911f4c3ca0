package soak

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stafette/internal/audience"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/store"
	"stafette/internal/tenant"
	"stafette/test/load/ledger"
	"stafette/test/load/letter"
	"stafette/test/load/sink"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
	_ "modernc.org/sqlite"             // registers the driver "sqlite"
)

// States counts deliveries by their state.
type States map[string]int

// String lists the states in order.
func (s States) String() string {
	var parts []string
	for state, n := range s {
		parts = append(parts, fmt.Sprintf("%d %s", n, state))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// books reads the server's tables from beside, in its own words.
type books struct {
	db       *sql.DB
	url, dir string
}

func openBooks(ctx context.Context, databaseURL, dir string) (*books, error) {
	b := &books{url: databaseURL, dir: dir}
	var err error
	if databaseURL != "" {
		b.db, err = sql.Open("pgx", databaseURL)
	} else {
		b.db, err = sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.Join(dir, "stafette.db")}).EscapedPath()+"?_pragma=query_only(1)&_pragma=busy_timeout(10000)")
	}
	if err != nil {
		return nil, fmt.Errorf("open books: %w", err)
	}
	return b, b.db.PingContext(ctx)
}

func (b *books) close() error { return b.db.Close() }

// suppress keeps mail from an address, before the server runs.
func (b *books) suppress(ctx context.Context, address string) (err error) {
	keeper, err := seal.Load(filepath.Join(b.dir, "root.key"))
	if err != nil {
		return err
	}
	key := keeper.MACKey("suppressions")
	s, err := store.Open(ctx, store.Config{URL: b.url, DataDir: b.dir, Now: time.Now, HashKey: key})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var who tenant.ID
	if err := b.db.QueryRowContext(ctx, "SELECT id FROM tenants").Scan(&who); err != nil {
		return fmt.Errorf("read tenant: %w", err)
	}
	a, err := message.ParseAddress(address)
	if err != nil {
		return err
	}
	list, err := audience.New(audience.Config{Store: s, Key: key, Now: time.Now})
	if err != nil {
		return err
	}
	_, err = list.Suppress(ctx, who, audience.Wish{Address: a}, "soak")
	return err
}

// states counts all deliveries at one moment.
func (b *books) states(ctx context.Context) (States, error) {
	return b.count(ctx, "SELECT state, count(*) FROM deliveries GROUP BY state")
}

// facts counts all events at one moment.
func (b *books) facts(ctx context.Context) (States, error) {
	return b.count(ctx, "SELECT type, count(*) FROM events GROUP BY type")
}

func (b *books) count(ctx context.Context, query string) (States, error) {
	rows, err := b.db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("read books: %w", err)
	}
	defer rows.Close()
	counts := States{}
	for rows.Next() {
		var name string
		var n int
		if err := rows.Scan(&name, &n); err != nil {
			return nil, fmt.Errorf("read books: %w", err)
		}
		counts[name] = n
	}
	return counts, rows.Err()
}

// each calls with the token and the state of every delivery but those to the unwanted.
func (b *books) each(ctx context.Context, call func(token, state string)) error {
	rows, err := b.db.QueryContext(ctx, "SELECT recipient, state FROM deliveries")
	if err != nil {
		return fmt.Errorf("read books: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var recipient, state string
		if err := rows.Scan(&recipient, &state); err != nil {
			return fmt.Errorf("read books: %w", err)
		}
		if recipient == unwanted {
			continue // counted by balance
		}
		call(letter.TokenOf(recipient), state)
	}
	return rows.Err()
}

// known are the states a delivery may be in.
var known = [...]string{"queued", "deferred", "held", "delivered", "bounced", "expired", "suppressed", "cancelled"}

// balance holds the states of one moment against what was acknowledged, and against
// the far side as it was a little later.
func balance(states States, acknowledged int, received, refused, also int) error {
	sum := 0
	for _, state := range known {
		sum += states[state]
	}
	all := 0
	for _, n := range states {
		all += n
	}
	switch {
	case all != sum:
		return fmt.Errorf("a state that is none: %v", states)
	case sum != acknowledged+also:
		return fmt.Errorf("%d acknowledged and %d second recipients, %d in the books: %v", acknowledged, also, sum, states)
	case states["delivered"] > received:
		return fmt.Errorf("%d said to be delivered, %d received", states["delivered"], received)
	case states["bounced"] > refused:
		return fmt.Errorf("%d bounced, %d refused", states["bounced"], refused)
	case states["suppressed"] != also:
		return fmt.Errorf("%d suppressed, %d were to be", states["suppressed"], also)
	}
	return nil
}

// check balances the books while mail flows.
func (s *soaking) check(ctx context.Context) error {
	states, err := s.books.states(ctx)
	if err != nil {
		return err
	}
	s.report.States = states
	received, refused := 0, 0
	if s.sink != nil {
		got := s.sink.Receipts()
		received = len(got)
		if total, _ := s.sink.Total(); total < received {
			return fmt.Errorf("the sink lost count: %d of %d", total, received)
		}
		refused = s.refusedForGood()
	}
	s.report.Checks++
	return balance(states, s.report.Acknowledged, received, refused, s.also)
}

func (s *soaking) refusedForGood() int {
	n := 0
	for token := range s.sink.Refusals() {
		if s.taste.FateOf(token) == sink.Refused {
			n++
		}
	}
	return n
}

// audit asks of every single delivery whether it is where the ledger and the far
// side say it must be, and whether the events tell the same.
func (s *soaking) audit(ctx context.Context) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	entries, err := ledger.Read(s.ledgerPath())
	if err != nil {
		return err
	}
	missing := make(map[string]bool, len(entries))
	for _, e := range entries {
		missing[e.Token] = true
	}
	received := map[string]int{}
	if s.sink != nil {
		received = s.sink.Receipts()
		if d := s.sink.Damaged(); len(d) > 0 {
			return fmt.Errorf("%d came damaged, %s first", len(d), d[0])
		}
	}
	var wrong []error
	err = s.books.each(ctx, func(token, state string) {
		if !missing[token] {
			wrong = append(wrong, fmt.Errorf("%s is in the books twice or was not acknowledged", token))
		}
		delete(missing, token)
		if err := s.judge(token, state, received[token]); err != nil {
			wrong = append(wrong, err)
		}
	})
	if err != nil {
		return err
	}
	for token := range missing {
		wrong = append(wrong, fmt.Errorf("%s was acknowledged and is not in the books", token))
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d deliveries are wrong: %w", len(wrong), errors.Join(wrong[:min(5, len(wrong))]...))
	}
	if s.Database == "" {
		s.report.Disk = diskUse(s.books.dir) / int64(max(1, s.report.Acknowledged))
	}
	return s.auditFacts(ctx)
}

// judge holds the end of one delivery against what the far side saw of it.
func (s *soaking) judge(token, state string, received int) error {
	want, right := 0, false
	switch state {
	case "delivered":
		want, right = 1, !s.Down
	case "bounced":
		right = !s.Down && s.taste.FateOf(token) == sink.Refused
	case "cancelled", "held":
		right = s.commanded[token]
	case "queued", "deferred":
		right = s.Down
	}
	if !right || received != want {
		return fmt.Errorf("%s is %s and was received %d times", token, state, received)
	}
	return nil
}

// auditFacts compares the events with the states they lead to.
func (s *soaking) auditFacts(ctx context.Context) error {
	facts, err := s.books.facts(ctx)
	if err != nil {
		return err
	}
	for fact, n := range map[string]int{
		"accepted": s.report.Acknowledged, "delivered": s.report.States["delivered"], "bounced": s.report.States["bounced"],
		"suppressed": s.report.States["suppressed"], "expired": s.report.States["expired"],
	} {
		if facts[fact] != n {
			return fmt.Errorf("%d events say %s, %d deliveries are: %v", facts[fact], fact, n, facts)
		}
	}
	return nil
}
