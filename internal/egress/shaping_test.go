package egress_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"stafette/internal/dns"
	"stafette/internal/egress"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
)

func newShaping(t testing.TB, text string) *egress.Shaping {
	t.Helper()
	f, err := egress.ParseShaping([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := egress.NewShaping(egress.Limits{}, f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLimitsMergeByLayer(t *testing.T) {
	s := newShaping(t, `
[default]
connections = 11
idle = "1s"
[provider.gmx]
connections = 12
per_minute = 7
[site."mx.gmx.net"]
connections = 13
[domain."kunde.example"]
connections = 14
retry = ["1m", "2m"]
[source.neu]
connections = 15
`)
	for _, tt := range []struct {
		path egress.Path
		want egress.Effective
	}{
		{egress.Path{}, egress.Effective{Limit: "connections", Value: "11", Layer: egress.LayerDefault, From: "override default"}},
		{egress.Path{Provider: "tonline"}, egress.Effective{Limit: "connections", Value: "3", Layer: egress.LayerProvider, From: "provider.tonline"}},
		{egress.Path{Provider: "gmx"}, egress.Effective{Limit: "connections", Value: "12", Layer: egress.LayerProvider, From: "override provider.gmx"}},
		{egress.Path{Provider: "gmx", Site: "mx.gmx.net"}, egress.Effective{Limit: "connections", Value: "13", Layer: egress.LayerSite, From: "override site.mx.gmx.net"}},
		{egress.Path{Provider: "gmx", Site: "mx.gmx.net", Domain: "kunde.example"}, egress.Effective{Limit: "connections", Value: "14", Layer: egress.LayerDomain, From: "override domain.kunde.example"}},
		{egress.Path{Provider: "gmx", Domain: "kunde.example", Source: "neu"}, egress.Effective{Limit: "connections", Value: "15", Layer: egress.LayerSource, From: "override source.neu"}},
	} {
		if diff := cmp.Diff(tt.want, s.Explain(tt.path)[0]); diff != "" {
			t.Errorf("%+v: %s", tt.path, diff)
		}
		if l := s.Limits(tt.path); egress.Number(int64(l.Connections)) != tt.want.Value {
			t.Errorf("%+v: %d connections", tt.path, l.Connections)
		}
	}
	l := s.Limits(egress.Path{Provider: "gmx", Domain: "kunde.example"})
	want := egress.Limits{Connections: 14, ProviderConnections: 10, Messages: 50, PerMinute: 7, SlowStart: 2, Idle: time.Second,
		Rest: time.Minute, Retry: []time.Duration{time.Minute, 2 * time.Minute}, TLS: "expected"}
	if diff := cmp.Diff(want, l); diff != "" {
		t.Error(diff)
	}
	if !s.Apart("kunde.example") || s.Apart("gmx.net") {
		t.Error("domains with a lane of their own")
	}
}

func TestShapingRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"unknown key":      {"[provider.gmx]\nconections = 3", "provider.gmx.conections (line 2)"},
		"unknown section":  {"[providers.gmx]\nconnections = 3", "providers"},
		"not a number":     {"[default]\nconnections = \"3\"", "line 2"},
		"no connection":    {"[default]\nconnections = 0", "connections"},
		"negative rate":    {"[default]\nper_minute = -1", "per_minute"},
		"no duration":      {"[default]\nidle = \"bald\"", "line 2"},
		"tls":              {"[default]\ntls = \"ja\"", "tls"},
		"mx of a site":     {"[site.x]\nmx = [\"x.example\"]", "mx"},
		"pattern as mx":    {"[provider.x]\nmx = [\"*.x.example\"]", "mx"},
		"warm-up":          {"[default]\nwarm_up = [0]", "warm_up"},
		"rule without for": {"[[rule]]\nname = \"r\"\ncodes = [\"421\"]\naction = \"suspend\"", "for"},
		"rule for all":     {"[[rule]]\nname = \"r\"\nfor = \"1h\"\naction = \"suspend\"", "every reply"},
		"rule's code":      {"[[rule]]\nname = \"r\"\nfor = \"1h\"\ncodes = [\"250\"]\naction = \"suspend\"", "codes"},
		"rule's action":    {"[[rule]]\nname = \"r\"\nfor = \"1h\"\ncodes = [\"4\"]\naction = \"weinen\"", "action"},
		"rule's factor":    {"[[rule]]\nname = \"r\"\nfor = \"1h\"\ncodes = [\"4\"]\naction = \"slow\"\nfactor = 2.0", "factor"},
		"rule's threshold": {"[[rule]]\nname = \"r\"\nfor = \"1h\"\ncodes = [\"4\"]\naction = \"slow\"\nthreshold = \"viele\"", "threshold"},
		"rule's pattern":   {"[[rule]]\nname = \"r\"\nfor = \"1h\"\npattern = \"(\"\naction = \"slow\"", "pattern"},
		"rule twice":       {strings.Repeat("[[rule]]\nname = \"r\"\nfor = \"1h\"\ncodes = [\"4\"]\naction = \"slow\"\n", 2), "twice"},
		"too large":        {strings.Repeat("# x\n", 300_000), "larger"},
	} {
		if _, err := egress.ParseShaping([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one about %s", name, err, tt.want)
		}
	}
	f, err := egress.ParseShaping([]byte(`drop_rules = ["keine"]`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := egress.NewShaping(egress.Limits{}, f); err == nil {
		t.Error("a rule that is not there was dropped")
	}
}

// TestShippedProfiles: names are those by which replies are judged, every provider
// explains itself, and operators can drop a rule.
func TestShippedProfiles(t *testing.T) {
	s := newShaping(t, "drop_rules = [\"gmx-rate\"]")
	text, err := os.ReadFile("profiles.toml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Provider map[string]struct{ MX []string }
	}
	if err := toml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for name, p := range file.Provider {
		for _, end := range p.MX {
			hosts := []dns.MX{{Host: "mx1." + end}}
			known := dns.Provider(hosts)
			if name == "msconsumer" {
				known = "msconsumer" // to package dns all of Microsoft is one
			}
			if got := s.Provider(hosts); got != name || known != name {
				t.Errorf("%s belongs to %s, and for package dns to %s; want %s", end, got, known, name)
			}
		}
		if len(s.Notes(name)) == 0 || len(p.MX) == 0 {
			t.Errorf("provider %s has no notes or no hosts", name)
		}
	}
	for _, name := range []string{"gmx", "webde", "tonline", "freenet", "ionos", "strato", "vodafone", "mailboxorg", "posteo", "bluewin", "a1", "gmail", "yahoo", "ms", "msconsumer", "icloud"} {
		if _, ok := file.Provider[name]; !ok {
			t.Errorf("no profile of %s", name)
		}
	}
	for _, r := range s.Rules() {
		if r.Name == "gmx-rate" {
			t.Error("a dropped rule applies")
		}
	}
	if s.Provider(nil) != "" || s.Provider([]dns.MX{{Host: "mx.kunde.example"}}) != "" {
		t.Error("a provider was made up")
	}
}

func TestLimitsShared(t *testing.T) {
	l := egress.Limits{Connections: 10, ProviderConnections: 20, TotalConnections: 30, PerMinute: 5, PerHour: 2}
	want := egress.Limits{Connections: 3, ProviderConnections: 6, TotalConnections: 30, PerMinute: 1, PerHour: 1}
	if diff := cmp.Diff(want, l.Shared(3)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(l, l.Shared(1)); diff != "" {
		t.Error(diff)
	}
}

func TestRulesWatchReplies(t *testing.T) {
	s := newShaping(t, `
drop_rules = ["gmx-rate"]
[[rule]]
name = "limit"
provider = ["gmx"]
codes = ["42"]
enhanced = ["4.7."]
pattern = "rate limit"
threshold = "2/10m"
action = "suspend"
for = "1h"
[[rule]]
name = "tenant"
class = ["content_spam"]
threshold = "2/10m"
action = "suspend_tenant"
for = "1h"
`)
	now := time.Unix(1_700_000_000, 0)
	a, b := newTenant(1), newTenant(2)
	limited := egress.Reply{Pair: egress.Pair{Source: "s", Provider: "gmx"}, Tenant: a, Blame: egress.Blame{Code: 421, Enhanced: "4.7.28", Text: "Rate LIMIT reached"}}
	change := func(f func(*egress.Reply)) egress.Reply { r := limited; f(&r); return r }
	spam := func(r *egress.Reply) { r.Class, r.Code, r.Enhanced = "content_spam", 550, "" }
	var w egress.Watch
	for i, tt := range []struct {
		in    egress.Reply
		after time.Duration
		want  string
	}{
		{limited, 0, ""},
		{change(func(r *egress.Reply) { r.Provider = "gmail" }), 0, ""},
		{change(func(r *egress.Reply) { r.Code = 450 }), 0, ""},
		{change(func(r *egress.Reply) { r.Enhanced = "4.2.1" }), 0, ""},
		{change(func(r *egress.Reply) { r.Text = "busy" }), 0, ""},
		{change(func(r *egress.Reply) { r.Source = "t" }), 0, ""}, // counted apart
		{limited, 11 * time.Minute, ""},                           // the first is out of the window
		{limited, time.Minute, "limit"},
		{limited, 0, ""}, // counts anew
		{change(spam), 0, ""},
		{change(func(r *egress.Reply) { spam(r); r.Tenant = b }), 0, ""},
		{change(func(r *egress.Reply) { spam(r); r.Tenant = b }), 0, "tenant"},
	} {
		now = now.Add(tt.after)
		got := ""
		for _, c := range w.Observe(s.Rules(), tt.in, now) {
			got += c.Rule.Name
			if c.Reason.Reply != tt.in.Text || !c.Until.Equal(now.Add(time.Hour)) {
				t.Errorf("reply %d: consequence %+v", i, c)
			}
		}
		if got != tt.want {
			t.Errorf("reply %d led to %q, want %q", i, got, tt.want)
		}
	}
}

func FuzzParseShaping(f *testing.F) {
	shipped, err := os.ReadFile("profiles.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(shipped))
	f.Add("[[rule]]\nname=\"r\"\nfor=\"1h\"\ncodes=[\"4\"]\naction=\"slow\"\nthreshold=\"3/1m\"")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := egress.ParseShaping([]byte(text))
		if err != nil {
			return
		}
		s, err := egress.NewShaping(egress.Limits{}, file)
		if err != nil {
			return
		}
		if l := s.Limits(egress.Path{Provider: "gmx"}); l.Connections < 1 || l.Messages < 1 || l.Idle <= 0 || l.PerMinute < 0 {
			t.Errorf("limits %+v of a file that was taken", l)
		}
		var w egress.Watch
		w.Observe(s.Rules(), egress.Reply{Blame: egress.Blame{Code: 421, Text: text}}, time.Unix(0, 0))
	})
}
