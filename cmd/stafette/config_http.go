package main

import (
	"net/netip"
	"net/url"
	"strings"

	"stafette/internal/forwarded"
)

// validate reports what cannot work.
func (h HTTP) validate(bad func(key, format string, args ...any)) {
	for _, text := range h.TrustedProxies {
		if _, ok := network(text); !ok {
			bad("http.trusted_proxies", "want networks such as 10.0.0.0/8 or addresses, have %q", text)
		}
	}
	switch h.ForwardedHeader {
	case "", forwarded.XForwardedFor, forwarded.Forwarded:
	default:
		bad("http.forwarded_header", "want %q or %q, have %q", forwarded.XForwardedFor, forwarded.Forwarded, h.ForwardedHeader)
	}
	if h.PreviewHost == "" {
		return
	}
	public, err := url.Parse(h.PublicURL)
	if strings.Trim(h.PreviewHost, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" || err == nil && strings.EqualFold(public.Hostname(), h.PreviewHost) {
		bad("http.preview_host", "want a host name in lower case other than public_url's, have %q", h.PreviewHost)
	}
}

// network reads a network, or an address as a network of one.
func network(text string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), true
}

// proxies are the trusted ones.
func (h HTTP) proxies() []netip.Prefix {
	var list []netip.Prefix
	for _, text := range h.TrustedProxies {
		if p, ok := network(text); ok { // validate has refused what is none
			list = append(list, p)
		}
	}
	return list
}

// forwardedHeader is the field that the proxies set.
func (h HTTP) forwardedHeader() string {
	if h.ForwardedHeader == "" {
		return forwarded.XForwardedFor
	}
	return h.ForwardedHeader
}

// previewOrigin is where the HTML of mails is shown; "" where that is the office.
func (h HTTP) previewOrigin() string {
	public, err := url.Parse(h.PublicURL)
	if h.PreviewHost == "" || err != nil {
		return ""
	}
	origin := public.Scheme + "://" + h.PreviewHost
	if port := public.Port(); port != "" {
		origin += ":" + port
	}
	return origin
}
