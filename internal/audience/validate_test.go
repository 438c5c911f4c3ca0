package audience_test

import (
	"context"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/dns"
	"stafette/internal/tenant"
)

// zone answers from a map; what is not in it takes mail.
type zone map[string]error

func (z zone) MX(_ context.Context, domain string) ([]dns.MX, error) {
	return []dns.MX{{Host: "mx." + domain, Implicit: domain == "alt.example"}}, z[domain]
}

func TestValidate(t *testing.T) {
	store, owner := &audiencetest.Store{}, newTenant()
	s := newService(t, store, func(c *audience.Config) { c.Now = func() time.Time { return start } })
	if _, err := s.Suppress(context.Background(), owner, audience.Wish{Address: address("weg@kunde.example"), Stream: tenant.Newsletter, Reason: audience.Unsubscribed}, "x"); err != nil {
		t.Fatal(err)
	}
	v, err := audience.NewValidator(zone{
		"gibtsnicht.example": dns.ErrNoDomain, "zu.example": dns.ErrNoMail, "leer.example": dns.ErrNoHost, "stumm.example": dns.ErrTemporary,
		"gmxx.de": dns.ErrNoDomain, "wbe.de": dns.ErrNoHost, "firma.con": dns.ErrNoDomain,
	}, s)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"eva@kunde.example":             "ok",
		" eva@kunde.example ":           "ok",
		"eva@bücher.example":            "ok",
		"evä@kunde.example":             "risky utf8",
		"eva":                           "bad syntax",
		"eva@kunde.example\nBcc: x@y.z": "bad syntax",
		"eva@gibtsnicht.example":        "bad domain_absent",
		"eva@zu.example":                "bad domain_closed",
		"eva@leer.example":              "bad domain_empty",
		"eva@stumm.example":             "risky domain_silent",
		"eva@alt.example":               "risky mx_missing",
		"eva@gmial.com":                 "risky typo → eva@gmail.com",
		"eva@gmail.con":                 "risky typo → eva@gmail.com",
		"eva@t-onlin.de":                "risky typo → eva@t-online.de",
		"eva@hotmial.de":                "risky typo → eva@hotmail.de",
		"eva@gmxx.de":                   "bad domain_absent typo → eva@gmx.de",
		"eva@wbe.de":                    "bad domain_empty typo → eva@web.de",
		"eva@gmy.de":                    "ok", // takes mail: somebody else
		"eva@gmx.de":                    "ok",
		"eva@firma.con":                 "bad domain_absent typo → eva@firma.com",
		"info@kunde.example":            "risky role",
		"Support+x@kunde.example":       "risky role",
		"eva@sub.mailinator.com":        "risky disposable",
		"weg@kunde.example":             "bad suppressed unsubscribed",
	} {
		got, err := v.Validate(context.Background(), owner, tenant.Newsletter, text)
		if err != nil {
			t.Fatal(err)
		}
		have := string(got.Rating)
		for _, f := range got.Findings {
			have += " " + f.Code
			if f.Detail != "" {
				have += " " + f.Detail
			}
		}
		if got.Suggestion != "" {
			have += " → " + got.Suggestion
		}
		if have != want {
			t.Errorf("%q: %s, want %s", text, have, want)
		}
	}
	if got, _ := v.Validate(context.Background(), owner, "", "weg@kunde.example"); got.Rating != audience.Fine {
		t.Errorf("other stream: %+v", got)
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if _, err := v.Validate(ctx, owner, "", "eva@kunde.example"); err == nil {
		t.Error("nobody waits any more, and no error")
	}
}
