package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// sourceAddress is where the judges are told our mail comes from (RFC 5737).
const sourceAddress = "198.51.100.7"

// authorized are the records of a tenant that did all the office asks for, TXT by
// name; its return path is one of its own domain.
func (s *stafette) authorized() map[string]string {
	txt := map[string]string{
		"bounces." + senderDomain: "v=spf1 ip4:" + sourceAddress + " -all",
		"_dmarc." + senderDomain:  "v=DMARC1; p=reject; adkim=s; aspf=r",
	}
	for _, k := range s.setup.DKIM {
		txt[strings.ToLower(strings.TrimSuffix(k.RecordName, "."))] = k.RecordValue
	}
	return txt
}

// withOwnReturnPath is an installation whose return mail comes back to the tenant's
// own domain, and a tap for what it sends.
func withOwnReturnPath(t *testing.T) (*stafette, *tap) {
	t.Helper()
	peer := ownAddress(t)
	tp := openTap(t, peer, false)
	mx := "MX 10 mail.stafette.example."
	return install(t, fmt.Sprintf("[return_mail]\nlisten = %q\ndomain = %q\n[dns]\nserver = %q\n", ownAddress(t), returnDomain, nameServer(t, map[string]string{
		returnDomain + ".": mx, "bounces." + senderDomain + ".": mx, "mail.stafette.example.": "A 127.0.0.1",
	}))+towards(peer)), tp
}

func needMailauth(t *testing.T) {
	t.Helper()
	needProgram(t, "node")
	if _, err := os.Stat("node/node_modules/mailauth"); err != nil {
		t.Skip("needs mailauth: npm ci in test/e2e/node, as ./run test does")
	}
}

// TestAlignment: a foreign judge finds what we send authentic by SPF, by DKIM and, for
// both, by DMARC; and a stranger's source not.
func TestAlignment(t *testing.T) {
	t.Parallel()
	needMailauth(t)
	s, tp := withOwnReturnPath(t)
	byAPI(t, s, umlauts())
	s.settled(t, s.list(t, "")[0].ID)
	m := tp.taken()[0]
	if !strings.HasSuffix(m.from, "@bounces."+senderDomain) {
		t.Fatalf("return path %q", m.from)
	}
	records := map[string]string{}
	for name, text := range s.authorized() {
		records["TXT "+name] = text
	}
	for _, c := range []struct{ ip, spf, spfAligned string }{{sourceAddress, "pass", "bounces." + senderDomain}, {"203.0.113.66", "fail", ""}} {
		job, err := json.Marshal(map[string]any{"records": records, "ip": c.ip, "helo": "mail.stafette.example", "sender": m.from})
		if err != nil {
			t.Fatal(err)
		}
		verdict := decode[struct {
			SPF, DMARC string
			Aligned    struct{ SPF, DKIM any }
		}](t, foreign(t, m.body, "node", "node/align.mjs", string(job)))
		spf, _ := verdict.Aligned.SPF.(string)
		dkim, _ := verdict.Aligned.DKIM.(string)
		if verdict.SPF != c.spf || verdict.DMARC != "pass" || spf != c.spfAligned || dkim != senderDomain {
			t.Errorf("from %s: %+v", c.ip, verdict)
		}
	}
}

// TestAddedFields (T35): nobody adds a field that people or programs see to a mail of
// ours, or text at its end, without breaking the signatures; and they end in a week.
func TestAddedFields(t *testing.T) {
	t.Parallel()
	needMailauth(t)
	s, tp := withOwnReturnPath(t)
	byAPI(t, s, umlauts())
	s.settled(t, s.list(t, "")[0].ID)
	mail := string(tp.taken()[0].body)
	head, body, _ := strings.Cut(mail, "\r\n\r\n")

	signatures := regexp.MustCompile(`(?m)^DKIM-Signature:.*\r\n([ \t].*\r\n)*`).FindAllString(head+"\r\n", -1)
	if len(signatures) != 2 {
		t.Fatalf("%d signatures in\n%s", len(signatures), head)
	}
	for _, sig := range signatures {
		tags := map[string]string{}
		for tag := range strings.SplitSeq(regexp.MustCompile(`\s`).ReplaceAllString(strings.TrimPrefix(sig, "DKIM-Signature:"), ""), ";") {
			name, value, _ := strings.Cut(tag, "=")
			tags[name] = value
		}
		from, _ := strconv.Atoi(tags["t"])
		until, _ := strconv.Atoi(tags["x"])
		if _, partial := tags["l"]; partial || tags["d"] != senderDomain || until <= from || until-from > 7*24*3600 {
			t.Errorf("signature %v", tags)
		}
	}
	names, mails := []string{"nothing", "text"}, []string{mail, mail + "Nachtrag\r\n"}
	for _, field := range []string{"From: Chefin <chefin@bank.example>", "Subject: Ihr Konto", "To: alle@kunde.example", "Cc: alle@kunde.example",
		"Reply-To: x@evil.example", "Content-Type: text/html", "MIME-Version: 1.0", "List-Unsubscribe: <https://evil.example/>"} {
		names = append(names, field+" first", field+" last")
		mails = append(mails, field+"\r\n"+mail, head+"\r\n"+field+"\r\n\r\n"+body)
	}
	records, err := json.Marshal(s.authorized())
	if err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(mails)
	if err != nil {
		t.Fatal(err)
	}
	for i, verdicts := range decode[[][]struct{ Result string }](t, foreign(t, input, "node", "node/verify.mjs", string(records), "many")) {
		want, passes := 0, 0
		if i == 0 {
			want = 2
		}
		for _, v := range verdicts {
			if v.Result == "pass" {
				passes++
			}
		}
		if passes != want {
			t.Errorf("with %s added %d signatures pass, want %d", names[i], passes, want)
		}
	}
}
