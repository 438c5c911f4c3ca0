package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// issuer is a certificate authority.
type issuer struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{t: t}
	c := i.issue(time.Now().Add(24*time.Hour), "Pruefstelle")
	i.key, i.cert = c.PrivateKey.(*ecdsa.PrivateKey), c.Leaf
	return i
}

// issue makes a certificate for the names; the issuer's first is its own.
func (i *issuer) issue(until time.Time, names ...string) tls.Certificate {
	i.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until}
	parent, signer := i.cert, i.key
	if parent == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		i.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		i.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// pemOf is key and certificate as Postfix reads them.
func pemOf(t *testing.T, c tls.Certificate) string {
	t.Helper()
	private, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}))
}

// tlsOnlyPostfix starts a Postfix at mxAddress that takes mail for everybody, over
// encrypted sessions only.
func tlsOnlyPostfix(t *testing.T, certificate tls.Certificate) {
	t.Helper()
	needProgram(t, "/usr/sbin/postfix")
	dir, err := os.MkdirTemp("", "stafette-tls-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"queue", "lib", "mail", "postfix"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	own(t, filepath.Join(dir, "mail"), nobody)
	postfix, err := user.Lookup("postfix")
	if err != nil {
		t.Fatal(err)
	}
	id, err := strconv.Atoi(postfix.Uid)
	if err != nil {
		t.Fatal(err)
	}
	own(t, filepath.Join(dir, "lib"), id)
	// The last one of a name counts.
	main := fmt.Sprintf(postfixMain, dir) + "smtpd_tls_security_level = encrypt\nvirtual_mailbox_domains = static:all\nvirtual_mailbox_maps = static:eva/\n"
	for name, text := range map[string]string{"postfix/main.cf": main, "postfix/master.cf": postfixMaster, "mx.pem": pemOf(t, certificate)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"postfix", "postfix/main.cf", "postfix/master.cf"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config := []string{"-c", filepath.Join(dir, "postfix")}
	daemon(t, dir, "/usr/sbin/postfix", append(config, "start"), append(config, "stop"))
	listening(t, net.JoinHostPort(mxAddress, "25"))
}

func listening(t *testing.T, address string) {
	t.Helper()
	eventually(t, address+" answers", func() error {
		c, err := net.DialTimeout("tcp", address, patience)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
}

// signedZone is kunde.example: %[1]s is the digest of the right key.
const signedZone = `$ORIGIN kunde.example.
$TTL 300
@ SOA ns root 1 3600 600 86400 300
@ NS ns
ns A 127.0.0.1
@ MX 10 mx
mx A 192.0.2.25
_25._tcp.mx TLSA 3 1 1 %[1]s
falsch MX 10 mx-falsch
mx-falsch A 192.0.2.25
_25._tcp.mx-falsch TLSA 3 1 1 abababababababababababababababababababababababababababababababab
kaputt MX 10 mx-kaputt
mx-kaputt A 192.0.2.25
_25._tcp.mx-kaputt TLSA 3 1 1 cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd
klar MX 10 mx-klar
mx-klar A 127.0.0.2
_25._tcp.mx-klar TLSA 3 1 1 %[1]s
`

// openZone is example, unsigned, with a policy for every domain named sts-….
func openZone() string {
	var b strings.Builder
	b.WriteString("$ORIGIN example.\n$TTL 300\n@ SOA ns root 1 3600 600 86400 300\n@ NS ns\nns A 127.0.0.1\nohne MX 10 mx.ohne\nmx.ohne A 127.0.0.2\n")
	for domain, address := range map[string]string{"sts-gut": mxAddress, "sts-name": mxAddress, "sts-alt": "127.0.0.3", "sts-selbst": "127.0.0.4",
		"sts-klar": "127.0.0.2", "sts-probe": "127.0.0.2"} {
		fmt.Fprintf(&b, "%[1]s MX 10 mx.%[1]s\nmx.%[1]s A %[2]s\n_mta-sts.%[1]s TXT \"v=STSv1; id=1\"\nmta-sts.%[1]s A 127.0.0.1\n", domain, address)
	}
	return b.String()
}

// validatingResolver starts NSD with both zones, one of them signed, and Unbound,
// which validates it, and returns Unbound's address.
func validatingResolver(t *testing.T, digest string) string {
	t.Helper()
	for _, program := range []string{"/usr/sbin/unbound", "/usr/sbin/nsd", "ldns-keygen", "ldns-signzone"} {
		needProgram(t, program)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tool := func(program string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", program, err)
		}
		return strings.TrimSpace(string(out))
	}
	write("example.zone", openZone())
	write("kunde.zone", fmt.Sprintf(signedZone, digest))
	// Its own source of chance is one that may wait for more of it.
	key := tool("ldns-keygen", "-r", "/dev/urandom", "-a", "ECDSAP256SHA256", "-k", "kunde.example")
	tool("ldns-signzone", "-f", "kunde.signed", "kunde.zone", key)
	signed, err := os.ReadFile(filepath.Join(dir, "kunde.signed"))
	if err != nil {
		t.Fatal(err)
	}
	// One record is changed behind the signature's back.
	write("kunde.signed", strings.Replace(string(signed), strings.Repeat("cd", 32), digest, 1))
	anchor, err := os.ReadFile(filepath.Join(dir, key+".key"))
	if err != nil {
		t.Fatal(err)
	}
	write("anchor.key", string(anchor))
	authority, resolver := ownAddress(t), ownAddress(t)
	at := func(address string) string { return strings.Replace(address, ":", "@", 1) }
	write("nsd.conf", fmt.Sprintf(`server:
  ip-address: %[1]s
  username: ""
  zonesdir: %[2]q
  database: ""
  pidfile: ""
  zonelistfile: "%[2]s/zones"
  xfrdfile: ""
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: example
  zonefile: example.zone
zone:
  name: kunde.example
  zonefile: kunde.signed
`, at(authority), dir))
	write("unbound.conf", fmt.Sprintf(`server:
  directory: %[2]q
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  interface: %[1]s
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  module-config: "validator iterator"
  trust-anchor-file: "anchor.key"
stub-zone:
  name: example
  stub-addr: %[3]s
stub-zone:
  name: kunde.example
  stub-addr: %[3]s
remote-control:
  control-enable: no
`, at(resolver), dir, at(authority)))
	child(t, "/usr/sbin/nsd", "-d", "-c", filepath.Join(dir, "nsd.conf"))
	child(t, "/usr/sbin/unbound", "-d", "-c", filepath.Join(dir, "unbound.conf"))
	listening(t, authority)
	listening(t, resolver)
	return resolver
}

// child runs a program in the foreground until the test ends. What it started ends with
// it: NSD's children hold its output open, and Wait would wait for them.
func child(t *testing.T, program string, args ...string) {
	t.Helper()
	said := &journal{}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", program, said)
		}
	})
}

// policyHost serves the MTA-STS policies of the open zone and returns its port.
func policyHost(t *testing.T, certificate tls.Certificate) int {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, _ := net.SplitHostPort(r.Host)
		domain := strings.TrimPrefix(name, "mta-sts.")
		mode := "enforce"
		if strings.HasPrefix(domain, "sts-probe") {
			mode = "testing"
		}
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "version: STSv1\r\nmode: %s\r\nmx: mx.%s\r\nmax_age: 604800\r\n", mode, domain)
	})}
	go func() { _ = server.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// TestTLSPolicies sends to receivers that demand protection in every way there is,
// over a resolver that validates, and looks at what servers got to see.
func TestTLSPolicies(t *testing.T) {
	needNamespace(t)
	authority := newIssuer(t)
	soon := time.Now().Add(24 * time.Hour)
	good := authority.issue(soon, "mx.kunde.example", "mx.sts-gut.example")
	expired := authority.issue(time.Now().Add(-time.Hour), "mx.sts-alt.example")
	selfSigned := newIssuer(t).issue(soon, "mx.sts-selbst.example")
	web := authority.issue(soon, "mta-sts.sts-gut.example", "mta-sts.sts-name.example", "mta-sts.sts-alt.example", "mta-sts.sts-selbst.example",
		"mta-sts.sts-klar.example", "mta-sts.sts-probe.example")
	tlsOnlyPostfix(t, good)
	inClear, outdated, unknown := openSink(t, "127.0.0.2:25"), openTLSSink(t, "127.0.0.3:25", &expired), openTLSSink(t, "127.0.0.4:25", &selfSigned)
	resolver := validatingResolver(t, fmt.Sprintf("%x", sha256.Sum256(good.Leaf.RawSubjectPublicKeyInfo)))
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	s := install(t, fmt.Sprintf("[dns]\nserver = %q\n[egress]\nallow_private = true\n[outbound_tls]\nca_file = %q\nhttps_port = %d\n",
		resolver, ca, policyHost(t, web)))
	t.Run("deliver", func(t *testing.T) {
		for _, tt := range []struct{ domain, outcome, policy, result string }{
			{"kunde.example", "delivered", "dane", "verified"},
			{"falsch.kunde.example", "deferred", "dane", "validation-failure"},
			{"kaputt.kunde.example", "deferred", "dane", "dnssec-invalid"},
			{"klar.kunde.example", "deferred", "dane", "starttls-not-supported"},
			{"sts-gut.example", "delivered", "mta_sts", "verified"},
			{"sts-name.example", "deferred", "mta_sts", "certificate-host-mismatch"},
			{"sts-alt.example", "deferred", "mta_sts", "certificate-expired"},
			{"sts-selbst.example", "deferred", "mta_sts", "certificate-not-trusted"},
			{"sts-klar.example", "deferred", "mta_sts", "starttls-not-supported"},
			{"sts-probe.example", "delivered", "mta_sts_testing", "starttls-not-supported"},
			{"ohne.example", "delivered", "", ""},
		} {
			if !t.Run(tt.domain, func(t *testing.T) { s.guarded(t, tt.domain, tt.outcome, tt.policy, tt.result) }) {
				return // a server that keeps silent would use up the suite's time before anybody sees what it said
			}
		}
	})
	if n := len(inClear.copies()); n != 2 {
		t.Errorf("%d messages in clear, want those to sts-probe.example and ohne.example", n)
	}
	if len(outdated.copies())+len(unknown.copies()) != 0 {
		t.Error("unproven servers got mail")
	}
	t.Run("explain", func(t *testing.T) { s.explained(t) })
}

// guarded sends to a domain and looks at the first attempt.
func (s *stafette) guarded(t *testing.T, domain, outcome, policy, result string) {
	t.Helper()
	m := s.send(t, map[string]any{"from": "info@" + senderDomain, "to": []string{"eva@" + domain}, "subject": "Vertraulich", "text": "Guten Tag"})
	var first protectedAttempt
	eventually(t, "an attempt at "+domain, func() error {
		a := s.request(t, http.MethodGet, "/v1/messages/"+m.ID, nil)
		found := decode[struct {
			Deliveries []struct{ Attempts []protectedAttempt }
		}](t, a.body)
		if len(found.Deliveries[0].Attempts) == 0 {
			return fmt.Errorf("none yet: %s", a)
		}
		first = found.Deliveries[0].Attempts[0]
		return nil
	})
	if first.Outcome != outcome || first.Policy != policy || first.Result != result || result == "verified" && first.TLS != "TLS 1.3" {
		t.Errorf("%+v", first)
	}
}

type protectedAttempt struct {
	Outcome string `json:"outcome"`
	TLS     string `json:"tls"`
	Policy  string `json:"tls_policy"`
	Result  string `json:"tls_result"`
	Reply   string `json:"reply"`
}

// explained: the command sees what delivery saw.
func (s *stafette) explained(t *testing.T) {
	t.Helper()
	for domain, want := range map[string]string{"kunde.example": "TLS 1.3", "falsch.kunde.example": "FORBIDDEN", "sts-gut.example": "verified", "ohne.example": "in clear"} {
		out := s.command(t, "domain", "tls", domain, "--connect", "--config", s.config, "--output", "json")
		var x struct {
			Hosts []struct{ Session string }
		}
		if err := json.Unmarshal(out, &x); err != nil || len(x.Hosts) != 1 || !strings.Contains(x.Hosts[0].Session, want) {
			t.Errorf("%s: %s", domain, out)
		}
	}
	if text := string(s.command(t, "domain", "tls", "kaputt.kunde.example", "--config", s.config)); !strings.Contains(text, "dnssec-invalid") {
		t.Errorf("explained as\n%s", text)
	}
}
