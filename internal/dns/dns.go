// Package dns answers the questions mail asks of the domain name system: which
// hosts take mail for a domain, in which order, at which addresses.
//
// It is floor 0. It caches answers and keeps apart "no", "never" and "not now". It
// asks a recursive name server and believes it. It does not validate DNSSEC by
// itself: where the name server is trusted to (Config.TrustAD), an answer is secure
// if the server says that it has proven it. It decides neither which host is tried
// nor when to ask again.
package dns

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// What a look-up can end in besides an answer.
var (
	// ErrNoDomain: the domain does not exist (NXDOMAIN).
	ErrNoDomain = errors.New("domain does not exist")
	// ErrNoMail: the domain says it takes no mail (null MX, RFC 7505).
	ErrNoMail = errors.New("domain accepts no mail")
	// ErrNoHost: the domain exists but has neither MX nor address.
	ErrNoHost = errors.New("domain has no mail host")
	// ErrTemporary: no answer now; ask again later.
	ErrTemporary = errors.New("name server gives no answer")
)

// MX is one host that takes mail for a domain.
type MX struct {
	Host       string // lower case, no final dot
	Preference uint16
	Implicit   bool // the domain itself, for want of an MX record (RFC 5321, 5.1)
	// Secure: DNSSEC proves that the domain names this host.
	Secure bool
}

// TLSA is one association of a server's name with its certificate (RFC 6698, 2.1).
type TLSA struct {
	Usage, Selector, Matching uint8
	Association               []byte
}

// TLSAs is what is published at one name.
type TLSAs struct {
	Records []TLSA // none is no error
	Secure  bool   // DNSSEC proves the records, or that there are none
}

// Alias is where a host's name leads.
type Alias struct {
	Name string // the end of the CNAMEs; the host itself if there are none
	// Secure: DNSSEC proves the way to the addresses, and them.
	Secure bool
	// FirstSecure: DNSSEC proves at least the first CNAME, or that there is none.
	FirstSecure bool
}

// Resolver asks. Implementations cache by TTL and are safe for concurrent use.
type Resolver interface {
	// MX returns the hosts of a domain by preference, equal ones in random order.
	// Errors: ErrNoDomain, ErrNoMail, ErrNoHost, ErrTemporary.
	MX(ctx context.Context, domain string) ([]MX, error)
	// Addrs returns IPv6 and IPv4 addresses of a host.
	Addrs(ctx context.Context, host string) ([]netip.Addr, error)
	// TXT returns the TXT records of a name, each with its strings joined.
	TXT(ctx context.Context, name string) ([]string, error)
}

// Config of a Client.
type Config struct {
	Server  string        // "127.0.0.1:53"; "" takes /etc/resolv.conf
	Timeout time.Duration // of one question over all tries; 0: 10 s
	Entries int           // answers kept at most; 0: 20,000
	// TrustAD believes the server when it says that DNSSEC proves an answer (RFC 6840,
	// 5.7). Only for one that validates and is reached over a way nobody else is on:
	// on this machine, or over a protected network. Without it nothing is secure.
	TrustAD bool
	Now     func() time.Time
	// Shuffle orders hosts of equal preference, as rand.Shuffle does, which it is
	// if nil. It is called from many goroutines.
	Shuffle func(n int, swap func(i, j int))
}
