package dns_test

import (
	"fmt"
	"strings"
	"testing"

	"stafette/internal/dns"
)

func hosts(names ...string) []dns.MX {
	var list []dns.MX
	for i, n := range names {
		list = append(list, dns.MX{Host: n, Preference: uint16(i)})
	}
	return list
}

func TestSite(t *testing.T) {
	tests := []struct {
		hosts []dns.MX
		want  string
	}{
		{nil, ""},
		{hosts("mx.example.de"), "mx.example.de"},
		{hosts("MX.Example.de.", "mx.example.de"), "mx.example.de"},
		{hosts("mx01.gmx.net", "mx00.gmx.net"), "(mx00|mx01).gmx.net"},
		{
			hosts("gmail-smtp-in.l.google.com", "alt1.gmail-smtp-in.l.google.com", "alt2.gmail-smtp-in.l.google.com"),
			"(alt1|alt2|).gmail-smtp-in.l.google.com",
		},
		{hosts("mx.a.de", "mx.b.at"), "mx.a.de|mx.b.at"},
		{hosts("mx.a.de", "xmx.a.de"), "(mx|xmx).a.de"},
	}
	for _, tt := range tests {
		if got := dns.Site(tt.hosts); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestSiteIsBounded(t *testing.T) {
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprintf("%s%d.example.net", strings.Repeat("x", 50), i))
	}
	one := dns.Site(hosts(names...))
	two := dns.Site(hosts(names[1:]...))
	if len(one) > 200 || one == two || !strings.HasPrefix(one, "(20 hosts ") || !strings.HasSuffix(one, ").example.net") {
		t.Errorf("got %q and %q", one, two)
	}
}

func TestProvider(t *testing.T) {
	for host, want := range map[string]string{
		"mx00.emig.gmx.net":                      "gmx",
		"mx-ha02.web.de":                         "webde",
		"mx00.t-online.de":                       "tonline",
		"gmail-smtp-in.l.google.com":             "gmail",
		"ASPMX.L.Google.com.":                    "gmail",
		"outlook-com.olc.protection.outlook.com": "ms",
		"mta5.am0.yahoodns.net":                  "yahoo",
		"mx01.mail.icloud.com":                   "icloud",
		"emig.freenet.de":                        "freenet",
		"mx00.ionos.de":                          "ionos",
		"smtpin.rzone.de":                        "strato",
		"mx01.posteo.de":                         "posteo",
		"mxext1.mailbox.org":                     "mailboxorg",
		"mx.example.de":                          "",
		"notgmx.net":                             "",
		"gmx.net.example.com":                    "",
		"":                                       "",
	} {
		if got := dns.Provider(hosts(host)); got != want {
			t.Errorf("%s: got %q, want %q", host, got, want)
		}
	}
	if got := dns.Provider(nil); got != "" {
		t.Errorf("no hosts: %q", got)
	}
}

func TestProviderHostsAreTheProviders(t *testing.T) {
	list := dns.Providers()
	for _, p := range list {
		ends := dns.ProviderHosts(p)
		for _, end := range ends {
			if got := dns.Provider(hosts("mx." + end)); got != p {
				t.Errorf("%s is of %q, not %q", end, got, p)
			}
		}
		if len(ends) == 0 {
			t.Errorf("%s has no hosts", p)
		}
	}
	if len(list) < 20 || dns.ProviderHosts("unknown") != nil {
		t.Errorf("%d providers", len(list))
	}
}
