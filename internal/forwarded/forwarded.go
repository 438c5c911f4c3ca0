// Package forwarded finds out who a request came from where reverse proxies stand before
// the HTTP door: the right-most address of X-Forwarded-For or Forwarded (RFC 7239) that is
// none of the operator's own proxies.
//
// It is floor 0 and stands before the doors: what they count, limit and write down is the
// address this package puts in place of the peer's. It believes nobody who was not named
// as trusted, and only the one field that the proxies are said to set: the other one is
// the client's to invent.
package forwarded

import (
	"net/http"
	"net/netip"
	"strings"
)

// The fields that proxies set.
const (
	XForwardedFor = "X-Forwarded-For"
	Forwarded     = "Forwarded"
)

// maxHops bounds how many proxies are walked through.
const maxHops = 32

// Handler hands requests on with RemoteAddr set to who they came from, "address:0", where
// the peer is one of the trusted proxies; field is XForwardedFor or Forwarded. Without
// trusted proxies it is next itself.
func Handler(next http.Handler, field string, trusted []netip.Prefix) http.Handler {
	if len(trusted) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if from, ok := Client(r, field, trusted); ok {
			r = r.WithContext(r.Context()) // a copy: the server's own request stays as it is
			r.RemoteAddr = netip.AddrPortFrom(from, 0).String()
		}
		next.ServeHTTP(w, r)
	})
}

// Client is who a request came from; false where the peer is no trusted proxy, or said of
// nobody. What cannot be read ends the walk: then it is the last proxy that could.
func Client(r *http.Request, field string, trusted []netip.Prefix) (netip.Addr, bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !isTrusted(peer.Addr().Unmap(), trusted) {
		return netip.Addr{}, false
	}
	hops := hopsOf(strings.Join(r.Header.Values(field), ","), field == Forwarded)
	var from netip.Addr
	for i := len(hops) - 1; i >= max(0, len(hops)-maxHops); i-- {
		a, ok := address(hops[i])
		if !ok {
			break
		}
		if from = a; !isTrusted(a, trusted) {
			break
		}
	}
	return from, from.IsValid()
}

func isTrusted(a netip.Addr, trusted []netip.Prefix) bool {
	for _, p := range trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// hopsOf lists the hops of a field's value from the client to us.
func hopsOf(value string, pairs bool) []string {
	if !pairs {
		return strings.Split(value, ",")
	}
	elements := split(value, ',')
	for i, e := range elements {
		elements[i] = forOf(e)
	}
	return elements
}

// forOf is the "for" parameter of an element of Forwarded, "" where it has none or several.
func forOf(element string) string {
	found, n := "", 0
	for _, pair := range split(element, ';') {
		name, value, _ := strings.Cut(pair, "=")
		if strings.EqualFold(strings.TrimSpace(name), "for") {
			found = unquote(strings.TrimSpace(value))
			n++
		}
	}
	if n != 1 {
		return ""
	}
	return found
}

// split cuts at a separator that stands in no quoted string (RFC 9110, 5.6.4).
func split(s string, at byte) []string {
	var list []string
	quoted, begin := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == at && !quoted:
			list = append(list, s[begin:i])
			begin = i + 1
		}
	}
	return append(list, s[begin:])
}

func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	return s[1 : len(s)-1]
}

// address reads a hop: an address, of IPv6 with or without brackets, with or without a
// port. Names and obfuscated identifiers (RFC 7239, 6.3) are none.
func address(hop string) (netip.Addr, bool) {
	hop = strings.TrimSpace(hop)
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(hop, "["), "]"))
	if err != nil {
		with, err := netip.ParseAddrPort(hop)
		if err != nil {
			return netip.Addr{}, false
		}
		a = with.Addr()
	}
	return a.WithZone("").Unmap(), true
}
