package main

import (
	"strings"
	"testing"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/dns"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/preference"
	"stafette/internal/queue"
	"stafette/internal/returns"
	"stafette/internal/tenant"
)

// Mailings name an address to unsubscribe at that leads back to their delivery; other
// mail does not, nor mail that names one itself.
func TestListUnsubscribe(t *testing.T) {
	key := make([]byte, 32)
	paths, err := bounce.NewReturnPaths(key)
	if err != nil {
		t.Fatal(err)
	}
	leave, err := bounce.NewUnsubscribePaths(key)
	if err != nil {
		t.Fatal(err)
	}
	r := &returnMail{domain: "rueck.example", paths: paths, leave: leave, lists: []tenant.Stream{tenant.Newsletter},
		addresses: returns.NewAddresses(paths, leave, "rueck.example"), hosts: returns.NewHosts(returns.HostsConfig{Domain: "rueck.example", Resolver: &dns.Client{}})}
	at := time.Now()
	e := queue.Entry{Tenant: id.New[tenant.Kind](at), Delivery: message.Delivery(message.NewID(at), 1), Stream: tenant.Newsletter}
	field := string(r.fields(e, []byte("Subject: x\r\n\r\nlist-unsubscribe: no field\r\n")))
	to, ok := strings.CutPrefix(strings.TrimSuffix(field, "?subject=unsubscribe>\r\n"), "List-Unsubscribe:\r\n <mailto:")
	if !ok {
		t.Fatalf("%q", field)
	}
	a, err := message.ParseAddress(to)
	if err != nil {
		t.Fatal(err)
	}
	if purpose, path, ok := r.addresses.Purpose(a); !ok || purpose != returns.ForUnsubscribe || path != returns.PathOf(e.Tenant, e.Delivery) {
		t.Errorf("%s %v %v", purpose, path, ok)
	}
	if own := r.fields(e, []byte("Subject: x\r\nLIST-Unsubscribe: <https://x.example>\r\n\r\n")); own != nil {
		t.Errorf("a second one: %q", own)
	}
	r.preference = preference.New(preference.Config{Key: key, PublicURL: "https://post.example"})
	want := "List-Unsubscribe:\r\n <" + r.preference.Link(e.Tenant, e.Delivery) + ">,\r\n <mailto:" + to + "?subject=unsubscribe>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
	if both := string(r.fields(e, []byte("Subject: x\r\n\r\n"))); both != want {
		t.Errorf("%q, want %q", both, want)
	}
	r.domain = ""
	if one := string(r.fields(e, []byte("\r\n"))); strings.Contains(one, "mailto") || !strings.Contains(one, "https://post.example/abmelden/") {
		t.Errorf("without return mail: %q", one)
	}
	e.Stream = tenant.Transactional
	if other := r.fields(e, []byte("\r\n")); other != nil {
		t.Errorf("on other mail: %q", other)
	}
}
