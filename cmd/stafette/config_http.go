package main

import (
	"net/netip"
	"net/url"
	"strings"

	"stafette/internal/forwarded"
	"stafette/internal/message"
)

// HTTP is the door for the API and the office.
type HTTP struct {
	// Listen is host:port. Default "127.0.0.1:8080".
	Listen string `toml:"listen"`
	// PublicURL is how people reach it, for links and cookies. Default: http://Listen.
	PublicURL string `toml:"public_url"`
	// TLS serves HTTPS with the certificate of [tls]. Default false: a proxy does it.
	TLS bool `toml:"tls"`
	// TrustedProxies are the networks or addresses of reverse proxies before this door.
	// Where a request comes from one, its client is the right-most address of
	// ForwardedHeader that is none of them: sign-in, limits, networks of API keys and the
	// record count and name that one. Default none: the client is who connects.
	TrustedProxies []string `toml:"trusted_proxies"`
	// ForwardedHeader is the field that the proxies set: "X-Forwarded-For" (the default) or
	// "Forwarded" (RFC 7239). The other one is not read: clients could set it.
	ForwardedHeader string `toml:"forwarded_header"`
	// PreviewHost is a host name of its own under which the HTML of mails is shown, apart
	// from the office and its cookies; it leads to this door like PublicURL's, with the
	// same scheme and port. Default none: HTML is shown in an opaque sandbox of the office's
	// own host.
	PreviewHost string `toml:"preview_host"`
	// TrackingHosts lets the links and pictures of tracked mail lead to link.<domain> of the
	// sender's domain where its record leads here ([domains] tracking_host), instead of
	// PublicURL. Certificates for these names are made where [acme] says so; otherwise
	// whoever sets it sees to them, as a proxy with automatic certificates does. Default
	// false.
	TrackingHosts bool `toml:"tracking_hosts"`
	// Components opens the page /components, which shows every part of the office, to
	// everybody; without it only staff see it. The demo sets it.
	Components bool `toml:"components"`
}

// ACME makes certificates for tenants' own hosts of links and pictures (http.tracking_hosts,
// which it needs, as it does http.tls), and renews them. Until a host has one, links lead
// to http.public_url. An authority comes by port 443 of the host (RFC 8737): it must lead
// to http.listen as it is, TLS and all.
type ACME struct {
	// Directory is the address of the authority's directory (RFC 8555), such as
	// https://acme-v02.api.letsencrypt.org/directory. Whoever sets it agrees to the
	// authority's terms. Default "": no certificates are made.
	Directory string `toml:"directory"`
	// Email is where the authority writes to when something is wrong. "": nowhere.
	Email string `toml:"email"`
	// Roots is a PEM file of whom the directory's own certificate must be from. "": whom the
	// system trusts.
	Roots string `toml:"roots"`
	// Folder keeps account, keys and certificates; several nodes need one that they share.
	// Default: certificates in DataDir.
	Folder string `toml:"folder"`
}

// validate reports what cannot work.
func (a ACME) validate(c Config, bad func(key, format string, args ...any)) {
	if a.Directory == "" {
		return
	}
	if u, err := url.Parse(a.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		bad("acme.directory", "want an https:// address, have %q", a.Directory)
	}
	if !c.HTTP.TLS || !c.HTTP.TrackingHosts || c.Domains.TrackingHost == "" {
		bad("acme.directory", "certificates of own hosts need http.tls, http.tracking_hosts and domains.tracking_host")
	}
	if _, err := message.ParseAddress(a.Email); a.Email != "" && err != nil {
		bad("acme.email", "want an address, have %q", a.Email)
	}
}

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
