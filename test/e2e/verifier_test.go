package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"testing"
)

// debianPython has the modules of Debian's packages, whatever python3 is in the path.
const debianPython = "/usr/bin/python3"

// TestSecondVerifier: a second foreign implementation, in another language, finds both
// signatures sound, the source authorized, and From in line with either; and none of it
// where something was changed.
func TestSecondVerifier(t *testing.T) {
	t.Parallel()
	needProgram(t, debianPython)
	if err := exec.CommandContext(t.Context(), debianPython, "-c", "import authheaders, dkim, nacl, spf").Run(); err != nil {
		t.Skip("needs Debian's python3-authheaders, python3-nacl and python3-spf")
	}
	s, tp := withOwnReturnPath(t)
	byAPI(t, s, umlauts())
	s.settled(t, s.list(t, "")[0].ID)
	m := tp.taken()[0]
	for name, c := range map[string]struct {
		ip              string
		body            []byte
		spf, dkim       string
		bySPF, bySigner string
	}{
		"as sent":            {sourceAddress, m.body, "pass", "pass", "pass", "pass"},
		"from elsewhere":     {"203.0.113.66", m.body, "fail", "pass", "fail", "pass"},
		"with another body":  {sourceAddress, append(bytes.Clone(m.body), "Nachtrag\r\n"...), "pass", "body hash mismatch", "pass", "fail"},
		"under another From": {sourceAddress, bytes.Replace(m.body, []byte(senderDomain+">"), []byte("bank.example>"), 1), "pass", "fail", "none", "fail"},
	} {
		job, err := json.Marshal(map[string]any{"records": s.authorized(), "ip": c.ip, "helo": "mail.stafette.example", "sender": m.from})
		if err != nil {
			t.Fatal(err)
		}
		verdict := decode[struct {
			DKIM  map[string]string
			SPF   string
			DMARC struct{ SPF, DKIM string }
		}](t, foreign(t, c.body, debianPython, "python/authenticate.py", string(job)))
		if len(verdict.DKIM) != 2 || verdict.SPF != c.spf || verdict.DMARC.SPF != c.bySPF || verdict.DMARC.DKIM != c.bySigner {
			t.Errorf("%s: %+v", name, verdict)
		}
		for _, algorithm := range []string{"rsa-sha256", "ed25519-sha256"} {
			if have := verdict.DKIM[algorithm]; (have == "pass") != (c.dkim == "pass") {
				t.Errorf("%s: %s is %q, want %s", name, algorithm, have, c.dkim)
			}
		}
	}
}
