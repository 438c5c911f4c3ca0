package diagnosis_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stafette/internal/diagnosis"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/message"
)

// proven is a delivery with umlauts, hostile text and attachments, and its proof.
func proven(t *testing.T, w *world) (diagnosis.Proof, message.DeliveryID) {
	t.Helper()
	accepted := attempt(2*time.Hour, event.OutcomeDelivered, gmx, 250, "2.0.0 OK\n\x1b[31mqueued <as> \"1\" \u202e\u2028Ende")
	m := w.put(w.a, 3*time.Hour, "Grüße aus Łódź 😀 "+strings.Repeat("lang", 60), "Jürgen Ñandú|jürgen@gmx.de",
		insight.Delivery{State: event.Delivered, Host: gmx, Attempts: 2, UpdatedAt: start.Add(-2 * time.Hour)},
		attempt(3*time.Hour, event.OutcomeDeferred, gmx, 451, "later"), accepted)
	at := &w.messages[len(w.messages)-1]
	at.Digests = []message.Digest{{Filename: "Exposé Müller.pdf", Size: 218_400, SHA256: sha256.Sum256([]byte("x"))}}
	p, err := w.Prove(t.Context(), w.a, m.Deliveries[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return p, m.Deliveries[0].ID
}

func keysOf(t *testing.T, w *world) []diagnosis.PublicKey {
	t.Helper()
	keys, err := diagnosis.ParseKeys(w.Keys())
	if err != nil || len(keys) != 1 {
		t.Fatalf("%v, %v", keys, err)
	}
	return keys
}

func TestProofIsSignedAndTellsWhenItWasChanged(t *testing.T) {
	w := newWorld(t)
	p, d := proven(t, w)
	file, err := p.JSON()
	if err != nil {
		t.Fatal(err)
	}
	keys := keysOf(t, w)
	facts, err := diagnosis.Verify(file, keys)
	sum := sha256.Sum256(w.bodies[message.Of(d)])
	if err != nil || facts.Delivery != d.String() || facts.Recipient != "jürgen@gmx.de" || len(facts.Attempts) != 2 || facts.Content != "sha256:"+hex.EncodeToString(sum[:]) {
		t.Fatalf("%+v, %v", facts, err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, file); err != nil {
		t.Fatal(err)
	}
	if _, err := diagnosis.Verify(compact.Bytes(), keys); err != nil {
		t.Errorf("other white space: %v", err)
	}
	for i, c := range [][2]string{
		{`"delivered"`, `"bounced"`}, {"jürgen@gmx.de", "j\u0075rgen@gmx.de"}, {"2026-11-19T09", "2026-11-19T08"}, {`"code": 250`, `"code": 251`}, {d.String(), strings.Replace(d.String(), "dlv_0", "dlv_1", 1)},
	} {
		changed := bytes.ReplaceAll(file, []byte(c[0]), []byte(c[1]))
		if bytes.Equal(changed, file) {
			t.Fatalf("change %d changes nothing", i)
		}
		if _, err := diagnosis.Verify(changed, keys); !errors.Is(err, diagnosis.ErrProofForged) {
			t.Errorf("change %d: %v", i, err)
		}
	}
	if _, err := diagnosis.Verify(file, []diagnosis.PublicKey{{1}}); !errors.Is(err, diagnosis.ErrProofForged) {
		t.Errorf("another key: %v", err)
	}
	again, _ := w.Prove(t.Context(), w.a, d)
	if b, _ := again.JSON(); !bytes.Equal(b, file) {
		t.Error("the same facts make other bytes")
	}
	w.bodies[message.Of(d)] = nil
	if gone, err := w.Prove(t.Context(), w.a, d); err != nil || gone.Facts.Content != "" {
		t.Errorf("without content: %+v, %v", gone.Facts, err)
	}
	if _, err := w.Prove(t.Context(), w.b, d); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant's: %v", err)
	}
}

func TestNoProofs(t *testing.T) {
	w := newWorld(t)
	p, _ := proven(t, w)
	file, _ := p.JSON()
	text := string(file)
	for name, bad := range map[string]string{
		"empty": "", "no JSON": "%PDF-1.7", "array": "[]", "no signature": `{"facts":{}}`,
		"twice":     strings.Replace(text, `"state":`, `"state": "bounced", "state":`, 1),
		"behind":    text + "{}",
		"algorithm": strings.Replace(text, "EdDSA", "none", 1),
		"format":    strings.Replace(text, "proof/1", "proof/2", 1),
		"fraction":  strings.Replace(text, `"code": 250`, `"code": 250.0`, 1),
		"not UTF-8": strings.Replace(text, "jürgen", "j\xfcrgen", 1),
		"deep":      `{"facts":` + strings.Repeat(`[`, 100000) + `,"signature":{}}`,
		"large":     text + strings.Repeat(" ", 1<<20),
	} {
		if _, err := diagnosis.Verify([]byte(bad), keysOf(t, w)); !errors.Is(err, diagnosis.ErrProofMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{"", "{}", `{"keys":[{"kty":"RSA","x":"AA"}]}`, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]}`, strings.Repeat(" ", 1<<20)} {
		if _, err := diagnosis.ParseKeys([]byte(bad)); err == nil {
			t.Errorf("%.40q is a key set", bad)
		}
	}
}

// TestProofIsVerifiedElsewhere does what docs/diagnosis.md tells people without our
// program: five lines of Python and OpenSSL.
func TestProofIsVerifiedElsewhere(t *testing.T) {
	for _, tool := range []string{"python3", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	w := newWorld(t)
	p, _ := proven(t, w)
	file, _ := p.JSON()
	dir := t.TempDir()
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("proof.json", file)
	write("keys.json", w.Keys())
	doc, err := os.ReadFile("../../docs/diagnosis.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, _ := strings.Cut(string(doc), "```sh\npython3 - <<'END'\n")
	script, rest, _ := strings.Cut(script, "END\n")
	command, _, _ := strings.Cut(rest, "```")
	for _, c := range []*exec.Cmd{exec.CommandContext(t.Context(), "python3", "-c", script), exec.CommandContext(t.Context(), "sh", "-c", command)} {
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

func TestPDF(t *testing.T) {
	w := newWorld(t)
	p, d := proven(t, w)
	german, err := w.PDF(p, i18n.German)
	if err != nil {
		t.Fatal(err)
	}
	english, err := w.PDF(p, i18n.English)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := w.Prove(t.Context(), w.a, d)
	if b, _ := w.PDF(again, i18n.German); !bytes.Equal(b, german) || bytes.Equal(english, german) {
		t.Error("the same proof makes other bytes, or two languages the same")
	}
	if dir := os.Getenv("STAFETTE_KEEP"); dir != "" {
		_ = os.WriteFile(filepath.Join(dir, "proof-de.pdf"), german, 0o600)
		_ = os.WriteFile(filepath.Join(dir, "proof-en.pdf"), english, 0o600)
	}
	said := readPDF(t, german)
	for _, want := range []string{
		"Zustellnachweis", "jürgen@gmx.de", "Grüße aus Łódź □", "19.11.2026, 10:00:00 Uhr (MEZ)", gmx, "198.51.100.25", "192.0.2.17 hk-a.mail.stafette.example", "TLS 1.3",
		"250", "queued <as> \"1\" Ende", "kann kein Absender wissen", "Exposé Müller.pdf", p.Facts.Files[0].SHA256[:24], strings.TrimPrefix(p.Facts.Content, "sha256:")[:24], p.Signature.KeyID[:24], d.String(),
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the page does not say %q:\n%s", want, said)
		}
	}
	if !strings.Contains(readPDF(t, english), "19 November 2026, 10:00:00 (CET)") {
		t.Error("no English time")
	}
}

// TestPDFsOfAllScenarios prints every state, one of them over several pages.
func TestPDFsOfAllScenarios(t *testing.T) {
	w := newWorld(t)
	list := scenarios()
	for range 40 {
		list[2].facts = append([]event.Event{attempt(3*time.Hour, event.OutcomeDeferred, gmx, 451, strings.Repeat("words of a talkative server ", 40))}, list[2].facts...)
	}
	for _, s := range list {
		m := w.put(w.a, s.age, "Besichtigung", s.to, s.delivery, s.facts...)
		p, err := w.Prove(t.Context(), w.a, m.Deliveries[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, lang := range i18n.Langs() {
			b, err := w.PDF(p, lang)
			if err != nil || !bytes.HasPrefix(b, []byte("%PDF-")) {
				t.Fatalf("%s: %v", s.want, err)
			}
			if said := readPDF(t, b); strings.Contains(said, "⟦") {
				t.Errorf("%s %s: a text has a gap: %s", s.want, lang, said)
			}
		}
	}
}

// readPDF is the text of a PDF on one line, as a foreign program reads it.
func readPDF(t *testing.T, pdf []byte) string {
	t.Helper()
	if _, err := exec.LookPath("pdftotext"); err != nil {
		t.Skip("needs pdftotext (Debian: poppler-utils)")
	}
	c := exec.CommandContext(t.Context(), "pdftotext", "-layout", "-enc", "UTF-8", "-", "-")
	c.Stdin = bytes.NewReader(pdf)
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"facts":{"format":"stafette-delivery-proof/1"},"signature":{"alg":"EdDSA","value":"AA"}}`))
	f.Add([]byte(`{"facts":{"a":[1,true,null,"\u0000\ud800"]},"signature":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := diagnosis.Verify(data, []diagnosis.PublicKey{{}}); err == nil {
			t.Error("verified with no key")
		}
		_, _ = diagnosis.ParseKeys(data)
	})
}
