package main

import (
	"slices"
	"strings"
	"testing"
)

func TestProxiesAndPreviewAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		http HTTP
		want string // key that is refused, "" for none
	}{
		"nothing":            {HTTP{}, ""},
		"proxies":            {HTTP{TrustedProxies: []string{"10.0.0.0/8", "2001:db8::1", "127.0.0.1"}, ForwardedHeader: "Forwarded"}, ""},
		"a proxy's name":     {HTTP{TrustedProxies: []string{"proxy.example"}}, "http.trusted_proxies"},
		"another field":      {HTTP{ForwardedHeader: "X-Real-IP"}, "http.forwarded_header"},
		"a preview":          {HTTP{PublicURL: "https://post.example:8443", PreviewHost: "preview.post.example"}, ""},
		"the office's host":  {HTTP{PublicURL: "https://post.example", PreviewHost: "post.example"}, "http.preview_host"},
		"not a host":         {HTTP{PublicURL: "https://post.example", PreviewHost: "x; script-src *"}, "http.preview_host"},
		"a preview and port": {HTTP{PublicURL: "https://post.example", PreviewHost: "preview.example:1"}, "http.preview_host"},
	} {
		var refused []string
		c.http.validate(func(key, _ string, _ ...any) { refused = append(refused, key) })
		if strings.Join(refused, " ") != c.want {
			t.Errorf("%s: refused %v, want %q", name, refused, c.want)
		}
	}
	h := HTTP{PublicURL: "https://post.example:8443", PreviewHost: "preview.post.example", TrustedProxies: []string{"10.1.2.3/8", "::ffff:192.0.2.1"}}
	if h.previewOrigin() != "https://preview.post.example:8443" || (HTTP{}).previewOrigin() != "" {
		t.Errorf("preview at %q", h.previewOrigin())
	}
	var got []string
	for _, p := range h.proxies() {
		got = append(got, p.String())
	}
	if !slices.Equal(got, []string{"10.0.0.0/8", "192.0.2.1/32"}) {
		t.Errorf("proxies %v", got)
	}
}

func TestCertificatesOfOwnHostsAreChecked(t *testing.T) {
	whole := Config{HTTP: HTTP{TLS: true, TrackingHosts: true}, Domains: Domains{TrackingHost: "links.platform.example"}}
	for name, c := range map[string]struct {
		acme ACME
		in   Config
		want string
	}{
		"off":          {ACME{Email: "x"}, Config{}, ""},
		"on":           {ACME{Directory: "https://acme.example/dir", Email: "a@b.example"}, whole, ""},
		"no TLS":       {ACME{Directory: "https://acme.example/dir"}, Config{HTTP: HTTP{TrackingHosts: true}, Domains: whole.Domains}, "acme.directory"},
		"not HTTPS":    {ACME{Directory: "http://acme.example/dir"}, whole, "acme.directory"},
		"no address":   {ACME{Directory: "https://acme.example/dir", Email: "me"}, whole, "acme.email"},
		"no own hosts": {ACME{Directory: "https://acme.example/dir"}, Config{HTTP: HTTP{TLS: true}}, "acme.directory"},
	} {
		var refused []string
		c.acme.validate(c.in, func(key, _ string, _ ...any) { refused = append(refused, key) })
		if strings.Join(refused, " ") != c.want {
			t.Errorf("%s: refused %v, want %q", name, refused, c.want)
		}
	}
}
