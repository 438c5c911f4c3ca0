package tenant

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"stafette/internal/fault"
)

// Try is a name whose failures are counted, and when all of them are forgiven. The name
// is a hash: who tried what is nobody's business.
type Try struct {
	Name  [32]byte
	Clear time.Time
}

// TryStore keeps failed tries for all nodes. Each method is one transaction.
type TryStore interface {
	// Tries returns those of the names that are not forgiven yet.
	Tries(ctx context.Context, names [][32]byte, now time.Time) ([]Try, error)
	// KeepTries raises each to its Clear, and never lowers one.
	KeepTries(ctx context.Context, list []Try) error
	// ForgetTries forgives names at once.
	ForgetTries(ctx context.Context, names [][32]byte) error
}

// counter is a name in one of the throttles.
type counter struct {
	in   *throttle
	kind string
	name string
}

func (c counter) hash() [32]byte { return sha256.Sum256([]byte(c.kind + "\x00" + c.name)) }

// counters are those of a try from a remote address; the account's pair comes first.
func (a *Accounts) counters(email, remote string) []counter {
	net := network(remote)
	return []counter{{a.pairs, "pair", email + " " + net}, {a.accounts, "account", email}, {a.networks, "network", net}}
}

// TakeTry counts a failure in advance, so that a thousand tries at the same instant
// cannot all pass before the first is found wrong; ForgiveTry takes it back. What names
// the try is an account's address, or whatever else is guessed at. Error: Limited
// "too_many_tries".
func (a *Accounts) TakeTry(ctx context.Context, email, remote string) error {
	now := a.now()
	if err := a.recall(ctx, a.counters(email, remote), now); err != nil {
		return err
	}
	if wait := a.takeTry(email, remote, now); wait > 0 {
		return errTooMany(wait)
	}
	return nil
}

// FailTry makes the failure that TakeTry counted durable.
func (a *Accounts) FailTry(ctx context.Context, email, remote string) error {
	return a.keepTries(ctx, email, remote)
}

// ForgiveTry takes back what TakeTry counted: the try was right.
func (a *Accounts) ForgiveTry(ctx context.Context, email, remote string) error {
	list := a.counters(email, remote)
	had := !list[0].in.clear(list[0].name).IsZero()
	a.forgiveTry(email, remote)
	if a.tries == nil || !had {
		return nil
	}
	if err := a.tries.ForgetTries(ctx, [][32]byte{list[0].hash()}); err != nil {
		return fmt.Errorf("forget tries: %w", err)
	}
	return nil
}

// recall learns what other nodes, and this one before its start, have counted.
func (a *Accounts) recall(ctx context.Context, list []counter, now time.Time) error {
	if a.tries == nil {
		return nil
	}
	names := make([][32]byte, len(list))
	for i, c := range list {
		names[i] = c.hash()
	}
	found, err := a.tries.Tries(ctx, names, now)
	if err != nil {
		return fmt.Errorf("recall tries: %w", err)
	}
	for _, t := range found {
		for i, c := range list {
			if names[i] == t.Name {
				c.in.raise(c.name, c.in.earlier(t.Clear, now), now)
			}
		}
	}
	return nil
}

func (a *Accounts) keepTries(ctx context.Context, email, remote string) error {
	return a.keep(ctx, a.counters(email, remote))
}

// keepKeyTry makes a wrong key's failure durable, and learns what others counted.
func (a *Accounts) keepKeyTry(ctx context.Context, net string, now time.Time) error {
	list := []counter{{a.networks, "network", net}}
	if err := a.recall(ctx, list, now); err != nil {
		return err
	}
	return a.keep(ctx, list)
}

func (a *Accounts) keep(ctx context.Context, list []counter) error {
	if a.tries == nil {
		return nil
	}
	rows := make([]Try, 0, len(list))
	for _, c := range list {
		rows = append(rows, Try{Name: c.hash(), Clear: c.in.clear(c.name)})
	}
	err := a.tries.KeepTries(ctx, rows)
	if err != nil && !fault.IsKind(err, fault.Unavailable) {
		return fmt.Errorf("keep tries: %w", err)
	}
	return err
}

// takeTry counts the try against pair, account and network at once.
func (a *Accounts) takeTry(email, remote string, now time.Time) time.Duration {
	net := network(remote)
	if wait := a.networks.take(net, now); wait > 0 {
		return wait
	}
	if wait := a.pairs.take(email+" "+net, now); wait > 0 {
		return wait
	}
	return a.accounts.take(email, now)
}

func (a *Accounts) forgiveTry(email, remote string) {
	net := network(remote)
	a.networks.refund(net)
	a.pairs.forget(email + " " + net)
	a.accounts.refund(email)
}
