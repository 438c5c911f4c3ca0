package dns

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// maxReverse bounds the names that are told of one address.
const maxReverse = 20

// PTR returns the names that an address's reverse record gives, in order; none is
// no error. Errors: ErrNoDomain, ErrTemporary.
func (c *Client) PTR(ctx context.Context, addr netip.Addr) ([]string, error) {
	name, err := dns.ReverseAddr(addr.Unmap().WithZone("").String())
	if err != nil {
		return nil, fmt.Errorf("look up PTR of %s: %w", addr, err)
	}
	a, err := c.lookup(ctx, canonical(name), dns.TypePTR)
	if err != nil {
		return nil, fmt.Errorf("look up PTR of %s: %w", addr, err)
	}
	var list []string
	for _, rr := range a.records[:min(len(a.records), maxReverse)] {
		if ptr, ok := rr.(*dns.PTR); ok {
			list = append(list, canonical(ptr.Ptr))
		}
	}
	slices.Sort(list)
	return list, nil
}
