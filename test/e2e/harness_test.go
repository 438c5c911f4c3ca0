package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/emersion/go-smtp"
)

// TestHarness proves the instruments before they judge: the recipient takes and
// shows mail that was never near the program.
func TestHarness(t *testing.T) {
	recipient(t)
	client, err := smtp.DialStartTLS(net.JoinHostPort(mxAddress, "25"), insecure())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const mail = "From: Bote <bote@anders.example>\r\nTo: eva@kunde.example\r\nSubject: =?utf-8?q?Pr=C3=BCfung?=\r\nMessage-ID: <probe@anders.example>\r\n\r\nx\r\n"
	if err := client.SendMail("bote@anders.example", []string{"eva@" + recipientDomain}, strings.NewReader(mail)); err != nil {
		t.Fatal(err)
	}
	if got := readBox(t, "eva", "probe@anders.example"); got.Subject != "Prüfung" || got.Copies != 1 {
		t.Errorf("read %+v", got)
	}
}

// TestVerifierTellsGoodFromBad: the foreign verifier accepts a foreign signature and
// rejects it once a letter has changed.
func TestVerifierTellsGoodFromBad(t *testing.T) {
	needProgram(t, "node")
	if _, err := os.Stat("node/node_modules/mailauth"); err != nil {
		t.Skip("needs mailauth: npm ci in test/e2e/node, as ./run test does")
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := json.Marshal(map[string]string{"s1._domainkey.muster.example": "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)})
	if err != nil {
		t.Fatal(err)
	}
	var signed strings.Builder
	const mail = "From: info@muster.example\r\nSubject: Hallo\r\n\r\nHallo\r\n"
	if err := dkim.Sign(&signed, strings.NewReader(mail), &dkim.SignOptions{Domain: senderDomain, Selector: "s1", Signer: private}); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		signed.String(): "pass",
		strings.Replace(signed.String(), "\r\n\r\nHallo", "\r\n\r\nServus", 1): "neutral fail",
	} {
		verdicts := decode[[]struct{ Result string }](t, foreign(t, []byte(text), "node", "node/verify.mjs", string(keys)))
		if len(verdicts) != 1 || !strings.Contains(want, verdicts[0].Result) {
			t.Errorf("verdicts %+v, want %s", verdicts, want)
		}
	}
}
