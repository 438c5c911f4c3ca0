package egress_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"stafette/internal/egress"
)

func at(addr string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(addr), port)
}

func TestGuardKnowsEverySpecialAddress(t *testing.T) {
	guard := egress.NewGuard(egress.Rules{Sources: []egress.Source{
		{IP: netip.MustParseAddr("185.1.2.3"), EHLO: "out.example"},
		{IP: netip.MustParseAddr("2a00:1:2::3"), EHLO: "out.example"},
	}})
	tests := []struct{ addr, why string }{
		{"127.0.0.1", "loopback"}, {"127.255.255.254", "loopback"}, {"::1", "loopback"},
		{"10.0.0.1", "private"}, {"172.16.0.1", "private"}, {"172.31.255.255", "private"}, {"192.168.1.1", "private"},
		{"fc00::1", "private"}, {"fdff::1", "private"}, {"fec0::1", "private"},
		{"100.64.0.1", "shared"}, {"100.127.255.255", "shared"},
		{"169.254.169.254", "link-local"}, {"fe80::1", "link-local"}, {"fe80::1%eth0", "link-local"},
		{"0.0.0.0", "unspecified"}, {"0.1.2.3", "unspecified"}, {"::", "unspecified"},
		{"224.0.0.1", "multicast"}, {"239.255.255.255", "multicast"}, {"ff02::1", "multicast"},
		{"255.255.255.255", "reserved"}, {"240.0.0.1", "reserved"}, {"198.18.0.1", "reserved"}, {"192.0.2.1", "reserved"},
		{"2001:db8::1", "reserved"}, {"100::1", "reserved"},
		// IPv4 hidden in IPv6.
		{"::ffff:127.0.0.1", "loopback"}, {"::ffff:10.1.2.3", "private"}, {"::ffff:169.254.169.254", "link-local"},
		{"::ffff:0.0.0.0", "unspecified"}, {"::ffff:224.0.0.1", "multicast"}, {"::127.0.0.1", "loopback"},
		{"64:ff9b::7f00:1", "loopback"}, {"64:ff9b::a00:1", "private"}, {"64:ff9b:1::c0a8:1", "private"},
		{"2002:7f00:1::", "loopback"}, {"2002:a00:1::1", "private"}, {"2002:a9fe:a9fe::", "link-local"},
		{"::ffff:0:127.0.0.1", "loopback"}, {"2001:0:1:2:3:4:80ff:fffe", "loopback"}, // Teredo: ^127.0.0.1
		{"2a00:1::5efe:10.0.0.1", "private"}, {"2a00:1::200:5efe:127.0.0.1", "loopback"},
		// Our own.
		{"185.1.2.3", "own address"}, {"::ffff:185.1.2.3", "own address"}, {"2a00:1:2::3", "own address"},
	}
	for _, tt := range tests {
		var refused *egress.RefusedError
		if err := guard.Check(at(tt.addr, 25), false); !errors.As(err, &refused) || refused.Why != tt.why {
			t.Errorf("%s: %v, want refusal %q", tt.addr, err, tt.why)
		}
	}
	for _, addr := range []string{"185.1.2.4", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2a00:1450::1", "64:ff9b::808:808", "2002:808:808::1"} {
		if err := guard.Check(at(addr, 25), false); err != nil {
			t.Errorf("%s: %v, want none", addr, err)
		}
	}
}

func TestGuardFollowsOurAddresses(t *testing.T) {
	guard := egress.NewGuard(egress.Rules{})
	ours := netip.MustParseAddr("185.1.2.3")
	for _, tt := range []struct {
		sources []egress.Source
		own     bool
	}{{nil, false}, {[]egress.Source{{IP: ours}}, true}, {nil, false}} {
		guard.Follow(tt.sources)
		if err := guard.Check(netip.AddrPortFrom(ours, 25), false); guard.Own(ours) != tt.own || (err != nil) != tt.own {
			t.Errorf("sources %v: own %t, %v", tt.sources, guard.Own(ours), err)
		}
	}
}

func TestGuardRules(t *testing.T) {
	private := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	everywhere := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	own := []egress.Source{{IP: netip.MustParseAddr("10.1.0.9"), EHLO: "out.example"}}
	tests := []struct {
		name   string
		rules  egress.Rules
		addr   string
		port   uint16
		routed bool
		ok     bool
	}{
		{"public", egress.Rules{}, "8.8.8.8", 25, false, true},
		{"other port", egress.Rules{}, "8.8.8.8", 587, false, false},
		{"chosen port", egress.Rules{Port: 2525}, "8.8.8.8", 2525, false, true},
		{"25 where another port was chosen", egress.Rules{Port: 2525}, "8.8.8.8", 25, false, false},
		{"allowed network", egress.Rules{AllowPrivate: private}, "10.1.2.3", 25, false, true},
		{"allowed network mapped", egress.Rules{AllowPrivate: private}, "::ffff:10.1.2.3", 25, false, true},
		{"beside the allowed network", egress.Rules{AllowPrivate: private}, "10.2.0.1", 25, false, false},
		{"all allowed", egress.Rules{AllowPrivate: everywhere}, "127.0.0.1", 25, false, true},
		{"all allowed but unspecified", egress.Rules{AllowPrivate: everywhere}, "0.0.0.0", 25, false, false},
		{"all allowed but multicast", egress.Rules{AllowPrivate: everywhere}, "ff02::1", 25, false, false},
		{"own in an allowed network", egress.Rules{AllowPrivate: private, Sources: own}, "10.1.0.9", 25, false, false},
		{"routed to loopback", egress.Rules{}, "127.0.0.1", 2525, true, true},
		{"routed to private", egress.Rules{}, "192.168.7.7", 25, true, true},
		{"routed to unspecified", egress.Rules{}, "0.0.0.0", 25, true, false},
		{"routed to multicast", egress.Rules{}, "224.0.0.1", 25, true, false},
		{"loopback only: loopback", egress.Rules{LoopbackOnly: true}, "127.0.0.2", 25, false, true},
		{"loopback only: mapped loopback", egress.Rules{LoopbackOnly: true}, "::ffff:127.0.0.2", 25, false, true},
		{"loopback only: public", egress.Rules{LoopbackOnly: true}, "8.8.8.8", 25, false, false},
		{"loopback only: routed public", egress.Rules{LoopbackOnly: true}, "8.8.8.8", 25, true, false},
		{"loopback only: allowed private", egress.Rules{LoopbackOnly: true, AllowPrivate: private}, "10.1.2.3", 25, false, false},
		{"loopback only: NAT64 loopback is not loopback", egress.Rules{LoopbackOnly: true}, "64:ff9b::7f00:1", 25, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := egress.NewGuard(tt.rules).Check(at(tt.addr, tt.port), tt.routed)
			if (err == nil) != tt.ok {
				t.Errorf("%s:%d routed %t: %v", tt.addr, tt.port, tt.routed, err)
			}
		})
	}
}

func TestDialerConnectsWhatWasChecked(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address := listener.Addr().String()
	source := egress.Source{IP: netip.MustParseAddr("127.0.0.1"), EHLO: "out.example"}

	conn, err := egress.NewGuard(egress.Rules{}).Dialer(source, true)(context.Background(), "tcp", address)
	if err != nil {
		t.Fatalf("routed: %v", err)
	}
	if host, _, _ := net.SplitHostPort(conn.LocalAddr().String()); host != "127.0.0.1" {
		t.Errorf("local address %s, want the source", host)
	}
	conn.Close()

	var refused *egress.RefusedError
	if _, err := egress.NewGuard(egress.Rules{}).Dialer(source, false)(context.Background(), "tcp", address); !errors.As(err, &refused) {
		t.Errorf("not routed: %v, want a refusal", err)
	}
	if _, err := egress.NewGuard(egress.Rules{}).Dialer(source, true)(context.Background(), "tcp", "localhost:25"); err == nil {
		t.Error("a name was dialled")
	}
}
