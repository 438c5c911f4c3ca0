package dns

import (
	"context"
	"errors"
	"net"
)

// Standard answers in the words of net.Resolver, in which libraries ask (SPF, DKIM). "No"
// is a net.DNSError with IsNotFound, "not now" one with IsTemporary.
type Standard struct{ Resolver }

// failed translates what a look-up ended in.
func failed(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNoDomain), errors.Is(err, ErrNoHost), errors.Is(err, ErrNoMail):
		return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return &net.DNSError{Err: "server gives no answer", Name: name, IsTemporary: true}
}

// LookupTXT is net.Resolver's.
func (s Standard) LookupTXT(ctx context.Context, name string) ([]string, error) {
	list, err := s.TXT(ctx, name)
	return list, failed(name, err)
}

// LookupMX is net.Resolver's. An implicit MX is none to SPF.
func (s Standard) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	hosts, err := s.MX(ctx, name)
	var list []*net.MX
	for _, h := range hosts {
		if !h.Implicit {
			list = append(list, &net.MX{Host: h.Host, Pref: h.Preference})
		}
	}
	return list, failed(name, err)
}

// LookupIPAddr is net.Resolver's.
func (s Standard) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	addrs, err := s.Addrs(ctx, host)
	list := make([]net.IPAddr, len(addrs))
	for i, ip := range addrs {
		list[i] = net.IPAddr{IP: net.IP(ip.AsSlice())}
	}
	return list, failed(host, err)
}

// LookupAddr is net.Resolver's. The mechanism of SPF that needs it, ptr, should not be
// used (RFC 7208, 5.5) and finds nothing here.
func (s Standard) LookupAddr(_ context.Context, addr string) ([]string, error) {
	return nil, &net.DNSError{Err: "no such host", Name: addr, IsNotFound: true}
}
