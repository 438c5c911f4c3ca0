package dmarc_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"stafette/internal/dmarc"
	"stafette/internal/dns"
)

// zone is a name system of DMARC records; names with "" exist without TXT records.
type zone map[string]string

func (z zone) TXT(_ context.Context, name string) ([]string, error) {
	text, ok := z[name]
	switch {
	case text == "silent":
		return nil, dns.ErrTemporary
	case text != "":
		return strings.Split(text, "\n"), nil
	case ok:
		return nil, nil
	}
	return nil, dns.ErrNoDomain
}

func TestDiscover(t *testing.T) {
	for name, c := range map[string]struct {
		zone        zone
		from        string
		domain, org string
	}{
		"own":                {zone{"_dmarc.a.example": "v=DMARC1; p=reject"}, "a.example", "a.example", "a.example"},
		"organisation":       {zone{"_dmarc.a.example": "v=DMARC1; p=reject"}, "Mail.A.example.", "a.example", "a.example"},
		"own before above":   {zone{"_dmarc.a.example": "v=DMARC1; p=reject", "_dmarc.m.a.example": "v=DMARC1; p=none"}, "m.a.example", "m.a.example", "a.example"},
		"psd=n ends it":      {zone{"_dmarc.a.example": "v=DMARC1; p=none", "_dmarc.b.a.example": "v=DMARC1; p=none; psd=n"}, "m.b.a.example", "b.a.example", "b.a.example"},
		"psd=y is above":     {zone{"_dmarc.example": "v=DMARC1; p=reject; psd=y", "_dmarc.a.example": "v=DMARC1; p=none"}, "m.a.example", "a.example", "a.example"},
		"only the suffix":    {zone{"_dmarc.example": "v=DMARC1; p=reject; psd=y"}, "m.a.example", "example", "a.example"},
		"nothing":            {zone{}, "m.a.example", "", "m.a.example"},
		"two are none":       {zone{"_dmarc.a.example": "v=DMARC1; p=none\nv=DMARC1; p=reject"}, "a.example", "", "a.example"},
		"others beside it":   {zone{"_dmarc.a.example": "google\nv=DMARC1; p=none"}, "a.example", "a.example", "a.example"},
		"long names jump":    {zone{"_dmarc.e.f.g.h.i.j.example": "v=DMARC1; p=none"}, "a.b.c.d.e.f.g.h.i.j.example", "e.f.g.h.i.j.example", "e.f.g.h.i.j.example"},
		"middle of the jump": {zone{"_dmarc.c.d.e.f.g.h.i.j.example": "v=DMARC1; p=none"}, "a.b.c.d.e.f.g.h.i.j.example", "", "a.b.c.d.e.f.g.h.i.j.example"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := dmarc.Discover(t.Context(), c.zone, c.from)
			if err != nil || f.Domain != c.domain || f.Organisation != c.org {
				t.Errorf("%+v, %v", f, err)
			}
		})
	}
	if _, err := dmarc.Discover(t.Context(), zone{"_dmarc.example": "silent"}, "a.example"); !errors.Is(err, dns.ErrTemporary) {
		t.Errorf("silence: %v", err)
	}
}

func TestParseRecord(t *testing.T) {
	for text, want := range map[string]string{
		"v=DMARC1; p=reject":                            "reject",
		"v=DMARC1;p=Quarantine ;":                       "quarantine",
		"v=DMARC1; p=bogus; rua=mailto:x@a.example":     "none",
		"v=DMARC1; rua=mailto:x@a.example":              "none",
		"v=DMARC1; p=bogus":                             "",
		"v=DMARC1":                                      "",
		"v=dmarc1; p=none":                              "",
		"p=none; v=DMARC1":                              "",
		"v=DMARC10; p=none":                             "",
		"v=DMARC1; p=reject; pct=0; rf=afrf; ri=1; x=y": "reject",
	} {
		r, ok := dmarc.ParseRecord(text)
		if ok != (want != "") || string(r.Policy) != want {
			t.Errorf("%q: %+v, %v", text, r, ok)
		}
	}
	r, _ := dmarc.ParseRecord("v=DMARC1; p=none; rua=mailto:A@b.example!10m, https://x")
	if !r.ReportsTo("a@b.example") || r.ReportsTo("x@b.example") {
		t.Errorf("reports to %v", r.Reports)
	}
}

func TestEvaluate(t *testing.T) {
	z := zone{
		"_dmarc.a.example": "v=DMARC1; p=reject; sp=quarantine; np=none", "_dmarc.s.example": "v=DMARC1; p=reject; adkim=s; aspf=s",
		"_dmarc.t.example": "v=DMARC1; p=reject; t=y", "a.example": "", "m.a.example": "", "s.example": "", "t.example": "",
	}
	pass := func(d string) dmarc.Proof { return dmarc.Proof{Domain: d, Pass: true} }
	for name, c := range map[string]struct {
		from string
		spf  dmarc.Proof
		dkim []dmarc.Proof
		pass bool
		ask  dmarc.Policy
	}{
		"aligned SPF":          {"a.example", pass("bounces.a.example"), nil, true, dmarc.None},
		"aligned DKIM":         {"m.a.example", dmarc.Proof{}, []dmarc.Proof{{Domain: "x.example"}, pass("a.example")}, true, dmarc.None},
		"foreign proofs":       {"a.example", pass("x.example"), []dmarc.Proof{pass("aa.example")}, false, dmarc.Reject},
		"failed proofs":        {"a.example", dmarc.Proof{Domain: "a.example"}, []dmarc.Proof{{Domain: "a.example"}}, false, dmarc.Reject},
		"subdomain":            {"m.a.example", dmarc.Proof{}, nil, false, dmarc.Quarantine},
		"missing subdomain":    {"none.a.example", dmarc.Proof{}, nil, false, dmarc.None},
		"strict":               {"s.example", pass("m.s.example"), []dmarc.Proof{pass("m.s.example")}, false, dmarc.Reject},
		"strict, the same":     {"s.example", dmarc.Proof{}, []dmarc.Proof{pass("S.example.")}, true, dmarc.None},
		"testing":              {"t.example", dmarc.Proof{}, nil, false, dmarc.Quarantine},
		"nothing is asked":     {"free.example", dmarc.Proof{}, nil, false, dmarc.None},
		"the suffix is common": {"b.example", pass("example"), nil, false, dmarc.None},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := dmarc.Evaluate(t.Context(), z, c.from, c.spf, c.dkim)
			if err != nil || r.Pass != c.pass || r.Ask != c.ask {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add("v=DMARC1; p=reject; sp=none; rua=mailto:a@b.example!1m,x:y; psd=y")
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := dmarc.ParseRecord(text)
		if ok && r.Policy != dmarc.None && r.Policy != dmarc.Quarantine && r.Policy != dmarc.Reject {
			t.Errorf("policy %q", r.Policy)
		}
	})
}
