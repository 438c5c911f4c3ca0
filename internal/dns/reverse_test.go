package dns_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"stafette/internal/dns"
)

func TestPTR(t *testing.T) {
	_, c, _ := start(t, `
1.2.0.192.in-addr.arpa. PTR B.Mail.test.
1.2.0.192.in-addr.arpa. PTR a.mail.test.
2.2.0.192.in-addr.arpa. TXT "x"
`+"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR six.test.\n")
	for addr, want := range map[string][]string{
		"192.0.2.1": {"a.mail.test", "b.mail.test"}, "::ffff:192.0.2.1": {"a.mail.test", "b.mail.test"}, "192.0.2.2": nil, "2001:db8::1": {"six.test"},
	} {
		got, err := c.PTR(context.Background(), netip.MustParseAddr(addr))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", addr, got, err)
		}
	}
	if _, err := c.PTR(context.Background(), netip.MustParseAddr("192.0.2.3")); !errors.Is(err, dns.ErrNoDomain) {
		t.Errorf("no record: %v", err)
	}
}
