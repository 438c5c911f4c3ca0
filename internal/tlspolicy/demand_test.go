package tlspolicy_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"stafette/internal/dns"
	"stafette/internal/dns/dnstest"
	"stafette/internal/message"
	"stafette/internal/smtp"
	"stafette/internal/tenant"
	"stafette/internal/tlspolicy"
)

// record is a TLSA record about a certificate.
func record(usage, selector, matching int, c *x509.Certificate) string {
	content := c.Raw
	if selector == 1 {
		content = c.RawSubjectPublicKeyInfo
	}
	switch matching {
	case 1:
		sum := sha256.Sum256(content)
		content = sum[:]
	case 2:
		sum := sha512.Sum512(content)
		content = sum[:]
	}
	return fmt.Sprintf("%d %d %d %x", usage, selector, matching, content)
}

// shown is a session in which the server showed the certificate.
func shown(t *testing.T, c tls.Certificate) *tls.ConnectionState {
	t.Helper()
	s := &tls.ConnectionState{Version: tls.VersionTLS13}
	for _, der := range c.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		s.PeerCertificates = append(s.PeerCertificates, cert)
	}
	return s
}

const secureZone = `
secure.test. MX 10 mx.secure.test.
mx.secure.test. A 127.0.0.1
`

// TestDANE asks of each set of TLSA records which servers may have mail
// (RFC 7672, 3).
func TestDANE(t *testing.T) {
	ca, foreign := newAuthority(t, "Test CA"), newAuthority(t, "Foreign CA")
	good := ca.issue(year, "mx.secure.test")
	outdated := ca.issue(-time.Hour, "mx.secure.test")
	misnamed := ca.issue(year, "mx.other.test")
	ofDomain := ca.issue(year, "secure.test")
	selfMade := foreign.issue(year, "mx.secure.test")
	bare := good
	bare.Certificate = good.Certificate[:1] // without the authority's behind it
	wrong := strings.Repeat("ab", 32)
	for name, tt := range map[string]struct {
		records []string
		shows   tls.Certificate
		want    tlspolicy.Result
	}{
		"3 1 1":                          {[]string{record(3, 1, 1, good.Leaf)}, good, ""},
		"3 0 1":                          {[]string{record(3, 0, 1, good.Leaf)}, good, ""},
		"3 1 2":                          {[]string{record(3, 1, 2, good.Leaf)}, good, ""},
		"3 0 0":                          {[]string{record(3, 0, 0, good.Leaf)}, good, ""},
		"3 1 0":                          {[]string{record(3, 1, 0, good.Leaf)}, good, ""},
		"3 1 1 wrong":                    {[]string{"3 1 1 " + wrong}, good, tlspolicy.ResultValidation},
		"3 1 1 one of two":               {[]string{"3 1 1 " + wrong, record(3, 1, 1, good.Leaf)}, good, ""},
		"3: dates do not count":          {[]string{record(3, 1, 1, outdated.Leaf)}, outdated, ""},
		"3: names do not count":          {[]string{record(3, 1, 1, misnamed.Leaf)}, misnamed, ""},
		"3: the anchor is not the leaf":  {[]string{record(3, 1, 1, ca.cert)}, good, tlspolicy.ResultValidation},
		"2 0 1":                          {[]string{record(2, 0, 1, ca.cert)}, good, ""},
		"2 1 1":                          {[]string{record(2, 1, 1, ca.cert)}, good, ""},
		"2 1 1 of the domain's name":     {[]string{record(2, 1, 1, ca.cert)}, ofDomain, ""},
		"2: dates count":                 {[]string{record(2, 0, 1, ca.cert)}, outdated, tlspolicy.ResultValidation},
		"2: names count":                 {[]string{record(2, 0, 1, ca.cert)}, misnamed, tlspolicy.ResultValidation},
		"2: another authority":           {[]string{record(2, 0, 1, ca.cert)}, selfMade, tlspolicy.ResultValidation},
		"2 0 1: anchor is not shown":     {[]string{record(2, 0, 1, ca.cert)}, bare, tlspolicy.ResultValidation},
		"2 0 0: anchor is in the record": {[]string{record(2, 0, 0, ca.cert)}, bare, ""},
		"stronger digest counts":         {[]string{record(3, 1, 1, good.Leaf), "3 1 2 " + wrong + wrong}, good, tlspolicy.ResultValidation},
		"0 and 1 mean nothing":           {[]string{record(1, 1, 1, misnamed.Leaf), record(0, 0, 1, foreign.cert)}, good, ""},
		"1 does not stand beside 3":      {[]string{record(1, 1, 1, good.Leaf), "3 1 1 " + wrong}, good, tlspolicy.ResultValidation},
		"a digest too short":             {[]string{"3 1 1 abcd"}, good, ""},
		"unknown matching":               {[]string{"3 1 9 abcd"}, good, ""},
	} {
		t.Run(name, func(t *testing.T) {
			zone := secureZone
			for _, r := range tt.records {
				zone += "_25._tcp.mx.secure.test. TLSA " + r + "\n"
			}
			w := newWorld(t, zone, nil, nil)
			d, err := w.Host(t.Context(), w.Domain(t.Context(), "secure.test", ""), w.hosts("secure.test")[0], tlspolicy.Ask{})
			if err != nil || d.Kind != tlspolicy.DANE || !d.Mandatory {
				t.Fatalf("%+v, %v", d, err)
			}
			if have := failureOf(d.Admits(shown(t, tt.shows))); have != tt.want {
				t.Errorf("result %q, want %q", have, tt.want)
			}
			if have := failureOf(d.Admits(nil)); have != tlspolicy.ResultNoTLS {
				t.Errorf("in clear: %q", have)
			}
		})
	}
}

// TestDANEAppliesWhereDNSSECProves: which names lead to TLSA records, and what a
// look-up that fails means (RFC 7672, 2).
func TestDANEAppliesWhereDNSSECProves(t *testing.T) {
	const tlsa = " TLSA 3 1 1 " + "abababababababababababababababababababababababababababababababab\n"
	for name, tt := range map[string]struct {
		domain, zone string
		fail         string
		want         tlspolicy.Kind
		result       tlspolicy.Result
	}{
		"all signed":                       {"secure.test", secureZone + "_25._tcp.mx.secure.test." + tlsa, "", tlspolicy.DANE, ""},
		"no records":                       {"secure.test", secureZone, "", tlspolicy.Opportunistic, ""},
		"no MX record":                     {"mx.secure.test", secureZone + "_25._tcp.mx.secure.test." + tlsa, "", tlspolicy.DANE, ""},
		"MX record is not signed":          {"plain.test", secureZone + "plain.test. MX 10 mx.secure.test.\n_25._tcp.mx.secure.test." + tlsa, "", tlspolicy.Opportunistic, ""},
		"host is not signed":               {"secure.test", "secure.test. MX 10 mx.plain.test.\nmx.plain.test. A 127.0.0.1\n_25._tcp.mx.plain.test." + tlsa, "", tlspolicy.Opportunistic, ""},
		"records are not signed":           {"secure.test", secureZone + "_25._tcp.mx.secure.test. CNAME _dane.plain.test.\n_dane.plain.test." + tlsa, "", tlspolicy.Opportunistic, ""},
		"records are bogus":                {"secure.test", secureZone + "_25._tcp.mx.secure.test." + tlsa, "_25._tcp.mx.secure.test", tlspolicy.DANE, tlspolicy.ResultDNSSEC},
		"records of an unsigned host lost": {"secure.test", "secure.test. MX 10 mx.plain.test.\nmx.plain.test. A 127.0.0.1\n", "_25._tcp.mx.plain.test", tlspolicy.Opportunistic, ""},
		"address is bogus":                 {"secure.test", secureZone, "mx.secure.test", tlspolicy.DANE, tlspolicy.ResultDNSSEC},
		"alias, record at its end":         {"secure.test", "secure.test. MX 10 a.secure.test.\na.secure.test. CNAME mx.secure.test.\nmx.secure.test. A 127.0.0.1\n_25._tcp.mx.secure.test." + tlsa, "", tlspolicy.DANE, ""},
		"alias, record at its start":       {"secure.test", "secure.test. MX 10 a.secure.test.\na.secure.test. CNAME mx.secure.test.\nmx.secure.test. A 127.0.0.1\n_25._tcp.a.secure.test." + tlsa, "", tlspolicy.DANE, ""},
		"alias out of the signed world":    {"secure.test", "secure.test. MX 10 a.secure.test.\na.secure.test. CNAME mx.plain.test.\nmx.plain.test. A 127.0.0.1\n_25._tcp.a.secure.test." + tlsa, "", tlspolicy.DANE, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tt.zone, nil, nil)
			hosts := w.hosts(tt.domain)
			if tt.fail != "" {
				w.names.Fail(tt.fail, dnstest.ServFail)
				w.pass(25 * time.Hour)
			}
			d, err := w.Host(t.Context(), w.Domain(t.Context(), tt.domain, ""), hosts[0], tlspolicy.Ask{})
			if d.Kind != tt.want || failureOf(err) != tt.result {
				t.Errorf("%s, %v; want %s, %q", d.Kind, err, tt.want, tt.result)
			}
		})
	}
}

// TestUntrustedResolverProvesNothing: without TrustAD the AD bit is anybody's word.
func TestUntrustedResolverProvesNothing(t *testing.T) {
	w := newWorld(t, secureZone+"_25._tcp.mx.secure.test. TLSA 3 1 1 "+strings.Repeat("ab", 32), nil, nil)
	w.cfg.Names = dns.New(dns.Config{Server: w.names.Addr(), Timeout: 20 * time.Second, Now: w.Now})
	w.restart()
	d, err := w.Host(t.Context(), w.Domain(t.Context(), "secure.test", ""), w.hosts("secure.test")[0], tlspolicy.Ask{})
	if err != nil || d.Kind != tlspolicy.Opportunistic {
		t.Errorf("%s, %v", d.Kind, err)
	}
}

// TestWhatDecides: the strongest reason wins and none weakens another.
func TestWhatDecides(t *testing.T) {
	const zone = secureZone + stsZone + `
_mta-sts.secure.test. TXT "v=STSv1; id=1"
mta-sts.secure.test. A 127.0.0.1
bare.test. MX 10 mx.plain.test.
mx.plain.test. A 127.0.0.1
odd.secure.test. MX 10 odd.plain.test.
`
	ca := newAuthority(t, "Test CA")
	dane := "_25._tcp.mx.secure.test. TLSA " + record(2, 1, 1, ca.cert) + "\n"
	unusable := "_25._tcp.mx.secure.test. TLSA 1 1 1 " + strings.Repeat("ab", 32) + "\n"
	mine, theirs := tenant.ID{1}, tenant.ID{2}
	rules := []tlspolicy.Rule{{Domain: "bare.test"}, {Domain: "*.below.test", MX: []string{"*.below.test"}}, {Tenant: mine}, {Hop: "relay.test:25"}}
	demanded, waived := message.TLSDemanded, message.TLSWaived
	const both = "version: STSv1\nmode: enforce\nmx: mx.plain.test\nmx: mx.secure.test\nmax_age: 604800\n"
	for name, tt := range map[string]struct {
		zone, policy, domain, hop, host string
		ask                             tlspolicy.Ask
		want                            tlspolicy.Kind
		result                          tlspolicy.Result // of asking
		good, foreign, misnamed         tlspolicy.Result // of what servers show
	}{
		"nothing":                 {domain: "plain.test", host: "mx.plain.test", want: tlspolicy.Opportunistic},
		"MTA-STS":                 {policy: both, domain: "plain.test", host: "mx.plain.test", want: tlspolicy.STS, foreign: tlspolicy.ResultUntrusted, misnamed: tlspolicy.ResultHostname},
		"MTA-STS, other server":   {policy: both, domain: "plain.test", host: "mx.evil.test", want: tlspolicy.STS, result: tlspolicy.ResultValidation},
		"MTA-STS testing":         {policy: strings.Replace(both, "enforce", "testing", 1), domain: "plain.test", host: "mx.plain.test", want: tlspolicy.STSTesting},
		"testing, other server":   {policy: strings.Replace(both, "enforce", "testing", 1), domain: "plain.test", host: "mx.evil.test", want: tlspolicy.STSTesting},
		"DANE before MTA-STS":     {zone: dane, policy: strings.Replace(both, "mx.secure", "mx.other", 1), domain: "secure.test", host: "mx.secure.test", want: tlspolicy.DANE, foreign: tlspolicy.ResultValidation, misnamed: tlspolicy.ResultValidation},
		"DANE unusable":           {zone: unusable, domain: "secure.test", host: "mx.secure.test", want: tlspolicy.DANE},
		"DANE unusable, MTA-STS":  {zone: unusable, policy: both, domain: "secure.test", host: "mx.secure.test", want: tlspolicy.STS, foreign: tlspolicy.ResultUntrusted, misnamed: tlspolicy.ResultHostname},
		"rule of a domain":        {domain: "bare.test", host: "mx.plain.test", want: tlspolicy.Required, foreign: tlspolicy.ResultUntrusted, misnamed: tlspolicy.ResultHostname},
		"rule below a domain":     {domain: "a.below.test", host: "mx.below.test", want: tlspolicy.Required, good: tlspolicy.ResultHostname, foreign: tlspolicy.ResultUntrusted, misnamed: tlspolicy.ResultHostname},
		"rule names servers":      {domain: "a.below.test", host: "mx.plain.test", want: tlspolicy.Required, result: tlspolicy.ResultValidation},
		"rule beats testing":      {policy: strings.Replace(both, "enforce", "testing", 1), domain: "plain.test", host: "mx.plain.test", ask: tlspolicy.Ask{Tenant: mine}, want: tlspolicy.Required, foreign: tlspolicy.ResultUntrusted, misnamed: tlspolicy.ResultHostname},
		"rule of another tenant":  {domain: "plain.test", host: "mx.plain.test", ask: tlspolicy.Ask{Tenant: theirs}, want: tlspolicy.Opportunistic},
		"rule of a route":         {domain: "plain.test", hop: "relay.test:25", host: "mx.plain.test", want: tlspolicy.Required, foreign: tlspolicy.ResultUntrusted, misnamed: tlspolicy.ResultHostname},
		"a route has no MTA-STS":  {policy: both, domain: "plain.test", hop: "other.test:25", host: "other.test", want: tlspolicy.Opportunistic},
		"rule beside DANE":        {zone: dane, domain: "secure.test", host: "mx.secure.test", ask: tlspolicy.Ask{Tenant: mine}, want: tlspolicy.Required, foreign: tlspolicy.ResultValidation, misnamed: tlspolicy.ResultValidation},
		"waived":                  {policy: both, domain: "plain.test", host: "mx.plain.test", ask: tlspolicy.Ask{Need: waived}, want: tlspolicy.Waived},
		"waived DANE":             {zone: dane, domain: "secure.test", host: "mx.secure.test", ask: tlspolicy.Ask{Need: waived}, want: tlspolicy.Waived},
		"a rule is not waived":    {domain: "bare.test", host: "mx.plain.test", ask: tlspolicy.Ask{Need: waived}, want: tlspolicy.Required, foreign: tlspolicy.ResultUntrusted, misnamed: tlspolicy.ResultHostname},
		"REQUIRETLS unproven":     {domain: "plain.test", host: "mx.plain.test", ask: tlspolicy.Ask{Need: demanded}, want: tlspolicy.RequireTLS, result: tlspolicy.ResultValidation},
		"REQUIRETLS with MTA-STS": {policy: strings.Replace(both, "enforce", "testing", 1), domain: "plain.test", host: "mx.plain.test", ask: tlspolicy.Ask{Need: demanded}, want: tlspolicy.RequireTLS, foreign: tlspolicy.ResultUntrusted, misnamed: tlspolicy.ResultHostname},
		"REQUIRETLS with DNSSEC":  {domain: "secure.test", host: "mx.secure.test", ask: tlspolicy.Ask{Need: demanded}, want: tlspolicy.RequireTLS, foreign: tlspolicy.ResultUntrusted, misnamed: tlspolicy.ResultHostname},
		"REQUIRETLS with DANE":    {zone: dane, domain: "secure.test", host: "mx.secure.test", ask: tlspolicy.Ask{Need: demanded}, want: tlspolicy.RequireTLS, foreign: tlspolicy.ResultValidation, misnamed: tlspolicy.ResultValidation},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, zone+tt.zone, nil, func(c *tlspolicy.Config) { c.Rules = rules })
			// The web server's certificate is of the world's authority, the mail servers' of ours.
			w.cfg.Roots.AddCert(ca.cert)
			if tt.policy != "" {
				w.publish(tt.policy)
			}
			mx := dns.MX{Host: tt.host, Secure: strings.HasSuffix(tt.domain, "secure.test")}
			d, err := w.Host(t.Context(), w.Domain(t.Context(), tt.domain, tt.hop), mx, tt.ask)
			if d.Kind != tt.want || failureOf(err) != tt.result || err != nil && tt.result == "" {
				t.Fatalf("%s, %v; want %s, %q", d.Kind, err, tt.want, tt.result)
			}
			if err != nil {
				return
			}
			for who, check := range map[string]struct {
				shows tls.Certificate
				want  tlspolicy.Result
			}{
				"good":     {ca.issue(year, "mx.plain.test", "mx.secure.test"), tt.good},
				"foreign":  {newAuthority(t, "F").issue(year, tt.host), tt.foreign},
				"misnamed": {ca.issue(year, "mx.other.test"), tt.misnamed},
			} {
				if have := failureOf(d.Admits(shown(t, check.shows))); have != check.want {
					t.Errorf("%s server: %q, want %q", who, have, check.want)
				}
			}
		})
	}
}

// TestMinimumVersion holds for sessions something is demanded of, and for no others:
// an old version is better than none.
func TestMinimumVersion(t *testing.T) {
	w := newWorld(t, stsZone, nil, func(c *tlspolicy.Config) {
		c.MinVersion = tls.VersionTLS13
		c.Rules = []tlspolicy.Rule{{Tenant: tenant.ID{1}}}
	})
	for _, who := range []tenant.ID{{}, {1}} {
		d, err := w.Host(t.Context(), w.Domain(t.Context(), "plain.test", ""), dns.MX{Host: "mx.plain.test"}, tlspolicy.Ask{Tenant: who})
		if err != nil {
			t.Fatal(err)
		}
		old := shown(t, w.ca.issue(year, "mx.plain.test"))
		old.Version = tls.VersionTLS12
		_, config := d.Mode(nil)
		strict := config != nil && config.MinVersion == tls.VersionTLS13
		if strict != d.Mandatory || (d.Admits(old) == nil) == d.Mandatory {
			t.Errorf("tenant %v: strict %t, %v", who, strict, d.Admits(old))
		}
	}
}

// TestBlame tells a policy's failures from others.
func TestBlame(t *testing.T) {
	w := newWorld(t, stsZone, nil, func(c *tlspolicy.Config) { c.Rules = []tlspolicy.Rule{{Domain: "*"}} })
	strict, err := w.Host(t.Context(), w.Domain(t.Context(), "plain.test", ""), dns.MX{Host: "mx.plain.test"}, tlspolicy.Ask{})
	if err != nil {
		t.Fatal(err)
	}
	refused := &smtp.Error{Stage: smtp.StageSTARTTLS, Reply: &smtp.Reply{Code: 502}}
	lost := &smtp.Error{Stage: smtp.StageSTARTTLS, Err: errors.New("reset")}
	for _, tt := range []struct {
		err  error
		want tlspolicy.Result
	}{
		{&smtp.Error{Stage: smtp.StageSTARTTLS, Err: smtp.ErrNoTLS}, tlspolicy.ResultNoTLS}, {refused, tlspolicy.ResultNoTLS},
		{lost, tlspolicy.ResultValidation}, {&smtp.Error{Stage: smtp.StageSTARTTLS, Err: smtp.ErrInjected}, tlspolicy.ResultValidation},
		{&smtp.Error{Stage: smtp.StageConnect, Err: errors.New("refused")}, ""},
		{&smtp.Error{Stage: smtp.StageGreeting, Reply: &smtp.Reply{Code: 554}}, ""},
	} {
		have := tlspolicy.Result("")
		if f := strict.Blame(tt.err); f != nil {
			have = f.Result
		}
		if have != tt.want {
			t.Errorf("%v: %q, want %q", tt.err, have, tt.want)
		}
		if f := new(tlspolicy.Demand).Blame(tt.err); f != nil {
			t.Errorf("%v: blamed on nothing: %v", tt.err, f)
		}
	}
}
