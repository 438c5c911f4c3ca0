package privacy

import (
	"context"
	"fmt"
	"strings"

	"stafette/internal/tenant"
)

// Rewriter keeps sealed texts of people; *ticket.Service and *approval.Service do.
type Rewriter interface {
	// Rewrite lets change replace what stands in all texts of a tenant, each a JSON object,
	// and returns in how many places it did.
	Rewrite(ctx context.Context, t tenant.ID, change func(text string) string) (int64, error)
}

// Threads are texts that accounts and the platform write to each other and that may name a
// person by address: tickets, and the cases of approvals. Files are not looked into.
type Threads []Rewriter

// erasedMark stands where an address stood in text of others.
const erasedMark = "[…]"

// Name implements Holder.
func (Threads) Name() string { return "threads" }

// Count implements Holder.
func (l Threads) Count(ctx context.Context, p Person) (n int64, err error) {
	for _, r := range l {
		_, err := r.Rewrite(ctx, p.Tenant, func(text string) string {
			if struckFrom(text, p) != text {
				n++
			}
			return text
		})
		if err != nil {
			return 0, fmt.Errorf("count mentions in threads: %w", err)
		}
	}
	return n, nil
}

// Erase implements Holder.
func (l Threads) Erase(ctx context.Context, p Person, note func(int64) error) error {
	for _, r := range l {
		n, err := r.Rewrite(ctx, p.Tenant, func(text string) string { return struckFrom(text, p) })
		if err != nil {
			return fmt.Errorf("erase mentions in threads: %w", err)
		}
		if n > 0 {
			if err := note(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// struckFrom takes a person's addresses out of a text, in whatever case they stand.
func struckFrom(text string, p Person) string {
	for _, a := range p.Addresses {
		address := strings.ToLower(a.String())
		lower := strings.ToLower(text)
		if address == "" || !strings.Contains(lower, address) {
			continue
		}
		if len(lower) != len(text) {
			// Letters whose lower case is longer would shift the places.
			text = strings.NewReplacer(address, erasedMark, a.String(), erasedMark).Replace(text)
			continue
		}
		var b strings.Builder
		for {
			at := strings.Index(lower, address)
			if at < 0 {
				break
			}
			b.WriteString(text[:at] + erasedMark)
			text, lower = text[at+len(address):], lower[at+len(address):]
		}
		text = b.String() + text
	}
	return text
}
