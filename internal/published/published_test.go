package published_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stafette/internal/diagnosis"
	"stafette/internal/dns"
	"stafette/internal/dns/dnstest"
	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/notice"
	"stafette/internal/published"
	"stafette/internal/published/publishedtest"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

var start = time.Date(2026, 11, 19, 9, 42, 0, 0, time.UTC)

// world is the service over a plan that the test changes.
type world struct {
	*testing.T
	*published.Service
	store   *publishedtest.Store
	signer  *diagnosis.Service
	keeper  *seal.Keeper
	names   *dnstest.Server
	plan    egress.Plan
	finds   []egress.Finding
	letters []notice.Letter
	account tenant.Tenant
	now     time.Time
	off     bool
}

func (w *world) Plan(context.Context) (egress.Plan, error)          { return w.plan, nil }
func (w *world) Findings(context.Context) ([]egress.Finding, error) { return w.finds, nil }
func (w *world) On() bool                                           { return !w.off }

func (w *world) Send(_ context.Context, l notice.Letter) error {
	if !slices.ContainsFunc(w.letters, func(have notice.Letter) bool { return have.Key == l.Key }) {
		w.letters = append(w.letters, l)
	}
	return nil
}

func (w *world) Tenant(_ context.Context, t tenant.ID) (tenant.Tenant, error) {
	if t != w.account.ID {
		return tenant.Tenant{}, fault.New(fault.NotFound, "tenant_not_found", "")
	}
	return w.account, nil
}

func (w *world) Domains(context.Context, tenant.ID) ([]tenant.Domain, error) {
	return []tenant.Domain{{Name: "wartet.example", State: tenant.Pending}, {Name: "muster.example", State: tenant.Verified}}, nil
}

func newWorld(t *testing.T, change ...func(*published.Config)) *world {
	t.Helper()
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, store: &publishedtest.Store{}, now: start, account: tenant.Tenant{ID: tenant.ID{15: 7}, Name: "Hafenkontor\n# 6.6.6.6", State: tenant.Active}}
	if w.keeper, err = seal.New(bytes.Repeat([]byte{7}, seal.KeySize)); err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return w.now }
	if w.signer, err = diagnosis.New(diagnosis.Config{Keeper: w.keeper, Catalog: catalog, PublicURL: "https://post.example", Now: now}); err != nil {
		t.Fatal(err)
	}
	if w.names, err = dnstest.New(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.names.Close() })
	w.plan = egress.EqualPlan(source("a", "192.0.2.17", egress.StateActive), source("b", "2001:db8::24", egress.StateNew), source("any", "", egress.StateActive))
	c := published.Config{
		Store: w.store, Sources: w, Tenants: w, Mails: w, Catalog: catalog, Signer: w.signer, Keeper: w.keeper,
		Resolver: dns.New(dns.Config{Server: w.names.Addr(), Now: now}), Dial: egress.NewGuard(egress.Rules{Port: 443}).Dialer(egress.Source{}, false),
		Name: "post.example", Domain: "post.example", SPFName: "_spf.post.example", Now: now,
	}
	for _, f := range change {
		f(&c)
	}
	if w.Service, err = published.New(c); err != nil {
		t.Fatal(err)
	}
	return w
}

func source(name, ip string, s egress.SourceState) egress.Source {
	v := egress.Source{Name: name, EHLO: name + ".mail.example", State: s}
	if ip != "" {
		v.IP = netip.MustParseAddr(ip)
	}
	return v
}

func (w *world) turn() {
	w.Helper()
	if err := w.Turn(w.Context()); err != nil {
		w.Fatal(err)
	}
}

func (w *world) list(of tenant.ID) published.List {
	w.Helper()
	l, err := w.List(w.Context(), of)
	if err != nil {
		w.Fatal(err)
	}
	return l
}

// summary writes entries shortly: "192.0.2.17 active".
func summary(list []published.Entry) string {
	var out []string
	for _, e := range list {
		out = append(out, e.Address.String()+" "+string(e.Role))
	}
	return strings.Join(out, ", ")
}

func kinds(list []published.Change) string {
	var out []string
	for _, c := range list {
		out = append(out, string(c.Kind)+" "+c.Entry.Address.String())
	}
	return strings.Join(out, ", ")
}

// The story of a changeover, told by the sources alone: announced, in use, the old one on
// its way out, gone, and forgotten 90 days later. Each step is one edition.
func TestListFollowsTheSources(t *testing.T) {
	w := newWorld(t)
	cut, end := start.AddDate(0, 0, 6), start.AddDate(0, 0, 48)
	for i, step := range []struct {
		do                func()
		list, what, topic string
	}{
		{func() {}, "192.0.2.17 active, 2001:db8::24 new", "", "the first list"},
		{func() {}, "192.0.2.17 active, 2001:db8::24 new", "", "nothing new"},
		{func() { w.plan.Sources[1].ValidFrom = cut }, "192.0.2.17 active, 2001:db8::24 new", "dates 2001:db8::24", "the date of the cut"},
		{func() { w.now, w.plan.Sources[1].State = cut, egress.StateActive }, "192.0.2.17 active, 2001:db8::24 active", "role 2001:db8::24", "the cut"},
		{func() { w.plan.Sources[0].State, w.plan.Sources[0].ValidUntil = egress.StateRetiring, end }, "2001:db8::24 active, 192.0.2.17 retiring", "role 192.0.2.17", "the overlap"},
		{func() { w.now = end }, "2001:db8::24 active, 192.0.2.17 retired", "role 192.0.2.17", "its end, without anybody's doing"},
		{func() { w.plan.Sources[0].State = egress.StateRetired }, "2001:db8::24 active, 192.0.2.17 retired", "", "set to retired"},
		{func() { w.plan.Pools[0].Members = w.plan.Pools[0].Members[1:] }, "2001:db8::24 active, 192.0.2.17 retired", "", "out of the pool"},
		{func() { w.now = end.AddDate(0, 0, 91) }, "2001:db8::24 active", "dropped 192.0.2.17", "forgotten"},
		{func() { w.plan.Sources[1].EHLO = "neu.mail.example" }, "2001:db8::24 active", "names 2001:db8::24", "another name"},
		{func() {
			w.plan.Pools = append(w.plan.Pools, egress.Pool{Name: "none"})
			w.plan.Assignments = []egress.Assignment{{Stream: tenant.Newsletter, Pool: "none"}}
		}, "2001:db8::24 active", "streams 2001:db8::24", "another stream"},
	} {
		before := w.list(tenant.ID{}).Version
		step.do()
		w.turn()
		l := w.list(tenant.ID{})
		if summary(l.Entries) != step.list || kinds(l.Changes) != step.what && l.Version != before || (l.Version != before) != (i == 0 || step.what != "") {
			t.Errorf("%s: version %d after %d: %s; changed %s", step.topic, l.Version, before, summary(l.Entries), kinds(l.Changes))
		}
		for _, lang := range i18n.Langs() {
			for _, c := range l.Changes {
				if text := w.Sentence(lang, c); strings.Contains(text, "⟦") || !strings.Contains(text, c.Entry.Address.String()) {
					t.Errorf("%s: %s", step.topic, text)
				}
			}
		}
	}
}

// An account with a pool of its own has a list of its own; the others', and the platform's,
// know nothing of it.
func TestAccountsWithPoolsHaveListsOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	w.turn()
	if l := w.list(w.account.ID); l.Owner != (tenant.ID{}) || summary(l.Entries) != "192.0.2.17 active, 2001:db8::24 new" {
		t.Errorf("without a pool: %+v", l.Edition)
	}
	w.plan.Sources = append(w.plan.Sources, source("own", "192.0.2.99", egress.StateActive), source("lost", "192.0.2.98", egress.StateRetired))
	w.plan.Pools = append(w.plan.Pools, egress.Pool{Name: "own", Members: []egress.Member{{Source: "own"}, {Source: "lost"}}})
	w.plan.Assignments = []egress.Assignment{{Tenant: w.account.ID, Stream: tenant.Lead, Pool: "own"}}
	w.finds = []egress.Finding{{Source: "own", Check: egress.CheckPTR, Have: "own.ptr.example, other.example"}, {Source: "a", Check: egress.CheckPTR, Problem: egress.ProblemMissing}}
	w.turn()
	l := w.list(w.account.ID)
	if l.Owner != w.account.ID || summary(l.Entries) != "192.0.2.17 active, 192.0.2.99 active, 2001:db8::24 new" || l.Entries[1].PTR != "own.ptr.example" {
		t.Errorf("its own: %s", summary(l.Entries))
	}
	if own := l.Entries[1].Streams; !slices.Equal(own, []tenant.Stream{tenant.Lead}) || l.DNS[0].Name != "_sending.muster.example" || l.SPF[0].Name != "_spf.muster.example" {
		t.Errorf("streams %v, records at %s and %s", own, l.DNS[0].Name, l.SPF[0].Name)
	}
	if summary(w.list(tenant.ID{}).Entries) != "192.0.2.17 active, 2001:db8::24 new" {
		t.Error("the platform's list names an account's address")
	}
	// A reverse record that cannot be asked for now is no change.
	w.finds = nil
	w.turn()
	if again := w.list(w.account.ID); again.Version != l.Version {
		t.Errorf("version %d: %s", again.Version, kinds(again.Changes))
	}
	w.plan.Assignments = nil
	w.turn()
	if l := w.list(w.account.ID); l.Owner != w.account.ID || summary(l.Entries) != "192.0.2.17 active, 2001:db8::24 new, 192.0.2.99 retired" {
		t.Errorf("without the pool again: %s", summary(l.Entries))
	}
	if lists, err := w.Lists(t.Context()); err != nil || len(lists) != 2 {
		t.Errorf("%d lists, %v", len(lists), err)
	}
	if _, err := w.List(t.Context(), tenant.ID{1}); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("of nobody: %v", err)
	}
}

// What a changeover brings in is told from its start on, before any mail leaves from it
// and whether or not a pool has it: receivers must be able to add it in time.
func TestAChangeoversNewAddressesAreListed(t *testing.T) {
	w := newWorld(t)
	w.plan.Sources = append(w.plan.Sources, source("next", "192.0.2.77", egress.StateActive))
	w.turn()
	if got := summary(w.list(tenant.ID{}).Entries); strings.Contains(got, "192.0.2.77") {
		t.Fatalf("nobody moved there yet: %s", got)
	}
	shift := egress.Shift{Name: "chg_1", Old: []string{"a"}, New: []string{"next"}}
	w.plan.Shifts = []egress.Shift{shift}
	w.turn()
	if got := summary(w.list(tenant.ID{}).Entries); !strings.Contains(got, "192.0.2.77 new") || !strings.Contains(got, "192.0.2.17 active") {
		t.Errorf("the platform's: %s", got)
	}
	shift.Tenant = w.account.ID
	w.plan.Shifts = []egress.Shift{shift}
	w.turn()
	if l := w.list(w.account.ID); l.Owner != w.account.ID || !strings.Contains(summary(l.Entries), "192.0.2.77 new") {
		t.Errorf("of one account's changeover: %s", summary(l.Entries))
	}
	if got := summary(w.list(tenant.ID{}).Entries); strings.Contains(got, "192.0.2.77 new") {
		t.Errorf("the platform's names what only one account moves to: %s", got)
	}
}

func TestSPFRecordsStaySmall(t *testing.T) {
	var list []published.Entry
	for i := range 40 {
		list = append(list, published.Entry{Address: netip.AddrFrom4([4]byte{203, 0, 113, byte(100 + i)}), Role: egress.StateActive})
	}
	list = append(list, published.Entry{Address: netip.MustParseAddr("192.0.2.1"), Role: egress.StateRetired})
	records := published.SPFRecords("_spf.post.example", list)
	all := ""
	for _, r := range records {
		all += r.Value
		if len(r.Value) > 450 {
			t.Errorf("%d bytes at %s", len(r.Value), r.Name)
		}
	}
	if len(records) != 3 || records[0].Value != "v=spf1 include:_1._spf.post.example include:_2._spf.post.example -all" || strings.Count(all, "ip4:") != 40 || strings.Contains(all, "192.0.2.1") {
		t.Errorf("%+v", records)
	}
	none := published.SPFRecords("x.example", nil)
	if diff := cmp.Diff(none, []published.Record{{Name: "x.example", Value: "v=spf1 -all"}}, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

// Signatures are checked with what people have: openssl on the text, and on the JSON with
// the canonical form that docs/sending-addresses.md tells how to make in Python.
func TestSignaturesAreVerifiedElsewhere(t *testing.T) {
	for _, tool := range []string{"openssl", "python3"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	w := newWorld(t)
	w.turn()
	l := w.list(w.account.ID)
	text, signature, err := w.Text(l)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := w.JSON(l)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(name string, args ...string) error {
		c := exec.CommandContext(t.Context(), name, args...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	verify := func(in, sig string) error {
		return run("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-in", in, "-sigfile", sig)
	}
	write("key.pem", w.PublicKey())
	write("list.txt", text)
	write("list.sig", signature)
	write("list.json", signed)
	if err := verify("list.txt", "list.sig"); err != nil {
		t.Error(err)
	}
	write("changed.txt", bytes.Replace(text, []byte("192.0.2.17"), []byte("192.0.2.18"), 1))
	if verify("changed.txt", "list.sig") == nil {
		t.Error("a changed list is verified")
	}
	err = run("python3", "-c", `import json,base64
d=json.load(open("list.json",encoding="utf-8"))
open("list.canonical","wb").write(json.dumps(d["list"],sort_keys=True,separators=(",",":"),ensure_ascii=False).encode())
s=d["signature"]["value"]
open("json.sig","wb").write(base64.urlsafe_b64decode(s+"="*(-len(s)%4)))`)
	if err == nil {
		err = verify("list.canonical", "json.sig")
	}
	if err != nil {
		t.Error(err)
	}
	keys := []diagnosis.PublicKey{diagnosis.KeyOf(w.keeper)}
	d, err := published.Verify(signed, keys)
	if err != nil || d.Version != 1 || len(d.Addresses) != 2 || d.ValidFrom != "2026-11-19T09:42:00Z" || d.ValidUntil != "2026-11-26T00:00:00Z" {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := published.Verify(bytes.Replace(signed, []byte("192.0.2.17"), []byte("192.0.2.18"), 1), keys); !errors.Is(err, diagnosis.ErrProofForged) {
		t.Errorf("changed: %v", err)
	}
	if _, err := diagnosis.Verify(signed, keys); !errors.Is(err, diagnosis.ErrProofMalformed) {
		t.Errorf("a list passes for a delivery proof: %v", err)
	}
	// The name of an account is foreign text: no line of it becomes an address.
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "6.6.6.6") || strings.HasPrefix(line, "# 6.6.6.6") {
			t.Errorf("a line of the name: %q", line)
		}
	}
	again, _ := w.JSON(l)
	if w.now = w.now.Add(time.Hour); !bytes.Equal(again, signed) {
		t.Error("the same list makes other bytes")
	}
}

// What stands in DNS is compared with what should.
func TestCheckComparesWithDNS(t *testing.T) {
	w := newWorld(t)
	w.turn()
	spf := func() published.Compared {
		t.Helper()
		list, err := w.Check(t.Context(), tenant.ID{})
		if err != nil || len(list) != 2 {
			t.Fatalf("%v, %v", list, err)
		}
		return list[0]
	}
	for name, c := range map[string]struct {
		record             string
		state              published.State
		uncovered, surplus string
	}{
		"as it should be": {"v=spf1 ip4:192.0.2.17 ip6:2001:db8::24 -all", published.Found, "[]", "[]"},
		"in other words":  {"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/64 -all", published.Found, "[]", "[]"},
		"one is lacking":  {"v=spf1 ip4:192.0.2.17 -all", published.Different, "[2001:db8::24]", "[]"},
		"one too many":    {"v=spf1 ip4:192.0.2.17 ip4:192.0.2.66 ip6:2001:db8::24 -all", published.Different, "[]", "[192.0.2.66]"},
		"no SPF":          {"google-site-verification=x", published.Missing, "[192.0.2.17 2001:db8::24]", "[]"},
	} {
		w.names.Remove("_spf.post.example.")
		if err := w.names.Add(fmt.Sprintf("_spf.post.example. TXT %q", c.record)); err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(time.Hour) // past every cache
		got := spf()
		if got.State != c.state || fmt.Sprint(got.Uncovered) != c.uncovered || fmt.Sprint(got.Surplus) != c.surplus {
			t.Errorf("%s: %s", name, got)
		}
	}
	l := w.list(tenant.ID{})
	for _, r := range l.DNS {
		if err := w.names.Add(fmt.Sprintf("%s. TXT %q", r.Name, r.Value)); err != nil {
			t.Fatal(err)
		}
	}
	w.now = w.now.Add(time.Hour)
	list, err := w.Check(t.Context(), tenant.ID{})
	if err != nil || list[1].State != published.Found || list[1].Name != "_sending.post.example" {
		t.Errorf("%+v, %v", list, err)
	}
	var asJSON bytes.Buffer
	if err := json.NewEncoder(&asJSON).Encode(list); err != nil {
		t.Error(err)
	}
}
