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
	if own := r.fields(e, []byte("Subject: x\r\nLIST-Unsubscribe: <https://x.example>\r\n\r\n")); len(own) > 0 {
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
	if other := r.fields(e, []byte("\r\n")); len(other) > 0 {
		t.Errorf("on other mail: %q", other)
	}
}

// Mailings say where a complaint goes only where providers heed it: the address lies in
// From's own domain or below it, and it is the return path, which ties a report to its
// delivery.
func TestComplaintAddress(t *testing.T) {
	key := make([]byte, 32)
	paths, err := bounce.NewReturnPaths(key)
	if err != nil {
		t.Fatal(err)
	}
	leave, err := bounce.NewUnsubscribePaths(key)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	mine := queue.Entry{Tenant: id.New[tenant.Kind](at), Delivery: message.Delivery(message.NewID(at), 1), Stream: tenant.Newsletter, SignDomain: "muster.example"}
	with := func(change func(*queue.Entry)) queue.Entry {
		e := mine
		change(&e)
		return e
	}
	for name, c := range map[string]struct {
		domain string // of return mail
		e      queue.Entry
		header string
		want   bool
	}{
		"a host below From":         {domain: "rueck.muster.example", e: mine, want: true},
		"From itself":               {domain: "muster.example", e: mine, want: true},
		"beside an own unsubscribe": {domain: "rueck.muster.example", e: mine, header: "List-Unsubscribe: <https://x.example>\r\n", want: true},
		"the platform's":            {domain: "rueck.example", e: mine},
		"a like ending":             {domain: "rueckmuster.example", e: mine},
		"no return mail":            {e: mine},
		"unsigned":                  {domain: "rueck.muster.example", e: with(func(e *queue.Entry) { e.SignDomain = "" })},
		"no mailing":                {domain: "rueck.muster.example", e: with(func(e *queue.Entry) { e.Stream = tenant.Transactional })},
		"says so itself":            {domain: "rueck.muster.example", e: mine, header: "cfbl-address: fbl@muster.example\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &returnMail{domain: c.domain, paths: paths, leave: leave, lists: []tenant.Stream{tenant.Newsletter},
				addresses: returns.NewAddresses(paths, leave, c.domain), hosts: returns.NewHosts(returns.HostsConfig{Domain: c.domain, Resolver: &dns.Client{}})}
			_, field, found := strings.Cut(string(r.fields(c.e, []byte(c.header+"Subject: x\r\n\r\n"))), "CFBL-Address:\r\n ")
			if found != c.want {
				t.Fatalf("there: %v, want %v", found, c.want)
			}
			if !c.want {
				return
			}
			text, ok := strings.CutSuffix(field, "; report=arf\r\n")
			to, err := message.ParseAddress(text)
			if err != nil || !ok {
				t.Fatalf("%q: %v", field, err)
			}
			if purpose, path, ok := r.addresses.Purpose(to); !ok || purpose != returns.ForDelivery || path != returns.PathOf(c.e.Tenant, c.e.Delivery) {
				t.Errorf("%s leads to %s %v %v", to, purpose, path, ok)
			}
		})
	}
}
