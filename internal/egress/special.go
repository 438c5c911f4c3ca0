package egress

import "net/netip"

// block is a network that is not the public internet.
type block struct {
	prefix netip.Prefix
	why    string
}

// specials knows the networks no MX record may lead to (IANA special-purpose
// registries, RFC 6890): ours, our neighbours', and those that are nobody's.
type specials struct {
	blocks []block
	inner  []carrier
}

// carrier is an IPv6 prefix whose addresses carry an IPv4 address.
type carrier struct {
	prefix   netip.Prefix
	at       int  // byte where the IPv4 address begins
	inverted bool // each bit is flipped
}

func newSpecials() *specials {
	s := &specials{}
	add := func(why string, prefixes ...string) {
		for _, p := range prefixes {
			s.blocks = append(s.blocks, block{netip.MustParsePrefix(p), why})
		}
	}
	add("loopback", "127.0.0.0/8", "::1/128")
	add("private", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10")
	add("shared", "100.64.0.0/10")
	add("link-local", "169.254.0.0/16", "fe80::/10")
	add("unspecified", "0.0.0.0/8", "::/128")
	add("multicast", "224.0.0.0/4", "ff00::/8")
	add("reserved", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "100::/64", "2001:db8::/32", "3fff::/20", "5f00::/16")
	carry := func(prefix string, at int, inverted bool) {
		s.inner = append(s.inner, carrier{netip.MustParsePrefix(prefix), at, inverted})
	}
	carry("2002::/16", 2, false)        // 6to4 (RFC 3056)
	carry("64:ff9b::/96", 12, false)    // NAT64 (RFC 6052)
	carry("64:ff9b:1::/48", 12, false)  // NAT64 of one's own (RFC 8215)
	carry("::/96", 12, false)           // IPv4-compatible (RFC 4291)
	carry("::ffff:0:0:0/96", 12, false) // IPv4-translated (RFC 2765)
	carry("2001::/32", 12, true)        // Teredo (RFC 4380)
	return s
}

// why returns why the address is not public, or "". Addresses that carry an IPv4
// address inside are as special as that one.
func (s *specials) why(a netip.Addr) string {
	a = a.Unmap()
	for _, b := range s.blocks {
		if b.prefix.Contains(a) {
			return b.why
		}
	}
	if inner, ok := s.embedded(a); ok {
		return s.why(inner)
	}
	return ""
}

func (s *specials) embedded(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	for _, c := range s.inner {
		if !c.prefix.Contains(a) {
			continue
		}
		v4 := [4]byte(b[c.at : c.at+4])
		if c.inverted {
			for i := range v4 {
				v4[i] = ^v4[i]
			}
		}
		return netip.AddrFrom4(v4), true
	}
	// ISATAP (RFC 5214) is known by its interface identifier, under any prefix.
	if (b[8] == 0 || b[8] == 2) && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe {
		return netip.AddrFrom4([4]byte(b[12:16])), true
	}
	return netip.Addr{}, false
}

// Public reports whether others can reach the address: it has no special purpose.
func Public(a netip.Addr) bool { return a.IsValid() && newSpecials().why(a) == "" }
