package egress_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"stafette/internal/dns"
	"stafette/internal/egress"
	"stafette/internal/i18n"

	"github.com/google/go-cmp/cmp"
)

// zone answers Lookup from a table; "!" is no answer now.
type zone map[string]string

func (z zone) ask(name string) ([]string, error) {
	switch v, ok := z[name]; {
	case !ok:
		return nil, dns.ErrNoDomain
	case v == "!":
		return nil, dns.ErrTemporary
	default:
		return strings.Fields(v), nil
	}
}

func (z zone) PTR(_ context.Context, a netip.Addr) ([]string, error) { return z.ask(a.String()) }
func (z zone) TXT(_ context.Context, name string) ([]string, error)  { return z.ask("TXT " + name) }
func (z zone) Addrs(_ context.Context, host string) (list []netip.Addr, err error) {
	texts, err := z.ask(host)
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list, err
}

func TestCheckerFindsWhatIsWrong(t *testing.T) {
	const ip, four, six = "185.1.2.3", "3.2.1.185.bl.example", "2a00:1:2::3"
	good := zone{ip: "mail.example", "mail.example": ip}
	for name, tt := range map[string]struct {
		ip   string
		zone zone // over good
		want string
	}{
		"all well":             {ip, nil, ""},
		"no reverse record":    {ip, zone{ip: ""}, "ptr.missing"},
		"leads elsewhere":      {ip, zone{ip: "andere.example", "andere.example": "185.1.2.4"}, "ptr.mismatch"},
		"leads nowhere":        {ip, zone{ip: "weg.example"}, "ptr.mismatch"},
		"of a dial-up line":    {ip, zone{ip: "185-1-2-3.netz.example", "185-1-2-3.netz.example": ip}, "ptr.generic"},
		"called dynamic":       {ip, zone{ip: "dynamic7.netz.example", "dynamic7.netz.example": ip}, "ptr.generic"},
		"one of two names":     {ip, zone{ip: "weg.example mail.example"}, ""},
		"no answer":            {ip, zone{ip: "!"}, "ptr.unknown"},
		"EHLO leads elsewhere": {ip, zone{"mail.example": "185.1.2.4"}, "ptr.mismatch ehlo.mismatch"},
		"no EHLO":              {ip, zone{"mail.example": "", ip: "x.example", "x.example": ip}, "ehlo.missing"},
		"listed":               {ip, zone{four: "127.0.0.2", "TXT " + four: "spam\x1b[0m"}, "dnsbl.listed"},
		"list does not serve":  {ip, zone{four: "127.255.255.254"}, "dnsbl.unknown"},
		"answer of a portal":   {ip, zone{four: "93.184.216.34"}, ""},
		"IPv6":                 {six, zone{six: "mail.example", "mail.example": six, "3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.0.0.1.0.0.0.0.0.a.2.bl.example": "127.0.0.4"}, "dnsbl.listed"},
		"private":              {"10.0.0.1", nil, "nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			z := zone{}
			for _, from := range []zone{good, tt.zone} {
				for k, v := range from {
					z[k] = v
				}
			}
			now := time.Unix(1_700_000_000, 0)
			c := egress.Checker{Lookup: z, DNSBL: []string{"bl.example"}, Now: func() time.Time { return now }}
			source := egress.Source{Name: "s", IP: netip.MustParseAddr(tt.ip), EHLO: "mail.example"}
			list := c.Check(t.Context(), []egress.Source{source, {Name: "any", EHLO: "x"}, {Name: "alt", IP: source.IP, State: egress.StateRetired}})
			var got []string
			for _, f := range list {
				if f.Problem != egress.ProblemNone {
					got = append(got, string(f.Check)+"."+string(f.Problem))
				}
				if strings.Contains(f.Have, "\x1b") || !f.CheckedAt.Equal(now) {
					t.Errorf("finding %+v", f)
				}
			}
			if len(list) == 0 {
				got = []string{"nothing"}
			}
			if have := strings.Join(got, " "); have != tt.want {
				t.Errorf("found %q, want %q", have, tt.want)
			}
		})
	}
}

// TestEveryTodoAndHindranceHasItsTexts: pages find their keys.
func TestEveryTodoAndHindranceHasItsTexts(t *testing.T) {
	catalog, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, check := range []string{"ptr.missing", "ptr.mismatch", "ptr.generic", "ehlo.missing", "ehlo.mismatch", "dnsbl.listed"} {
		keys = append(keys, "egress.check."+check+".title", "egress.check."+check+".way")
	}
	for _, provider := range append(newShaping(t, "").Providers(), "mx.kunde.example") {
		todo := egress.Todos(nil, nil, []egress.Alarm{{Pair: egress.Pair{Provider: provider}}})[0]
		keys = append(keys, todo.Key+".title", todo.Key+".way")
	}
	for _, h := range []egress.Hindrance{
		egress.HinderedRetired, egress.HinderedNotYet, egress.HinderedOver, egress.HinderedNode, egress.HinderedWeight, egress.HinderedAlarm,
		egress.HinderedProbe, egress.HinderedWarmUp, egress.HinderedDay, egress.HinderedRate, egress.HinderedTried, egress.HinderedRest,
		egress.HinderedRule, egress.HinderedBusy, egress.HinderedSchedule, egress.HinderedNoRoute, egress.HinderedNoSource,
	} {
		keys = append(keys, "egress.hindrance."+string(h))
	}
	known := catalog.Keys(i18n.German)
	for _, key := range keys {
		if !slices.Contains(known, key) {
			t.Errorf("no text for %s", key)
		}
	}
}

func TestTodos(t *testing.T) {
	at := func(n int64) time.Time { return time.Unix(n, 0) }
	source := egress.Source{Name: "s", IP: netip.MustParseAddr("185.1.2.3"), EHLO: "mail.example"}
	alarm := func(provider string, first int64, cleared bool) egress.Alarm {
		a := egress.Alarm{Pair: egress.Pair{Source: "s", Provider: provider}, Blame: egress.Blame{Text: "no"}, First: at(first)}
		if cleared {
			a.ClearedAt = at(9)
		}
		return a
	}
	got := egress.Todos([]egress.Source{source},
		[]egress.Finding{
			{Source: "s", Check: egress.CheckPTR, Problem: egress.ProblemMissing, Since: at(3)},
			{Source: "s", Check: egress.CheckEHLO, Problem: egress.ProblemUnknown}, {Source: "s", Check: egress.CheckDNSBL},
		},
		[]egress.Alarm{alarm("tonline", 1, false), alarm("mx.kunde.example", 2, false), alarm("gmx", 2, true)})
	base := egress.Todo{Source: "s", IP: "185.1.2.3", EHLO: "mail.example"}
	want := []egress.Todo{base, base, base}
	want[0].Key, want[0].Provider, want[0].Have, want[0].Since = "egress.alarm.tonline", "tonline", "no", at(1)
	want[0].Link = "https://postmaster.t-online.de/"
	want[1].Key, want[1].Provider, want[1].Have, want[1].Since = "egress.alarm.other", "mx.kunde.example", "no", at(2)
	want[2].Key, want[2].Since = "egress.check.ptr.missing", at(3)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
