package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// rspamdConfig judges by what the package comes with, and asks our name server alone.
const rspamdConfig = `.include "$CONFDIR/common.conf"
options {
  pidfile = "{dir}/rspamd.pid";
  filters = "chartable,dkim,regexp";
  url_tld = "${SHAREDIR}/effective_tld_names.dat";
  cache_file = "{dir}/symbols.cache";
  hs_cache_dir = "{dir}/";
  tempdir = "{dir}";
  control_socket = "{dir}/rspamd.sock mode=0600";
  local_addrs = [];
  dns { nameserver = ["{inner.host}:{inner.port}"]; timeout = 1s; retransmits = 1; sockets = 1; }
}
logging { type = "console"; level = "error"; }
worker "normal" { bind_socket = "{listen}"; count = 1; }
lua = "$RULESDIR/rspamd.lua"
.include "$CONFDIR/metrics.conf"
.include "$CONFDIR/actions.conf"
.include "$CONFDIR/groups.conf"
.include "$CONFDIR/composites.conf"
.include "$CONFDIR/statistic.conf"
.include "$CONFDIR/modules.conf"
fuzzy_check { enabled = false; }
`

// rule is what a spam filter found.
type rule struct {
	Score       float64 `json:"metric_score"`
	Description string  `json:"description"`
}

// leadXML is the part without which no lead leaves.
const leadXML = `<?xml version="1.0" encoding="UTF-8"?>
<openimmo_feedback><version>1.2.7</version><sender><name>muster.example</name><datum>2026-11-22</datum><makler_id>1</makler_id></sender>
<objekt><oobj_id>E-7</oobj_id><interessent><int_id>1</int_id><nachname>Müller</nachname><tel>0221 5550123</tel></interessent></objekt></openimmo_feedback>`

// samples are the mails our tenants send.
func samples() map[string]map[string]any {
	paper := base64.StdEncoding.EncodeToString([]byte("%PDF-1.4\n1 0 obj <</Type /Catalog>> endobj\ntrailer <</Root 1 0 R>>\n%%EOF\n"))
	const closing = "\n\nMit freundlichen Grüßen\nIhr Team der Muster GmbH\n\nMuster GmbH, Domstraße 1, 50667 Köln"
	return map[string]map[string]any{
		"transactional": {"subject": "Ihre Bestellung 4711 ist unterwegs", "text": "Guten Tag Eva Kunde,\n\nIhre Bestellung 4711 wurde heute versandt und trifft am Montag bei Ihnen ein." + closing},
		"lead": {"stream": "lead", "reply_to": []string{"Jörg Müller <joerg@interessent.example>"}, "subject": "Anfrage zu Ihrer Wohnung in Köln-Ehrenfeld",
			"text":        "Guten Tag,\n\nfür Ihr Angebot liegt eine Anfrage vor.\n\nName: Jörg Müller\nTelefon: 0221 5550123\n\nIch möchte die Wohnung gern besichtigen." + closing,
			"attachments": []map[string]any{{"filename": "kontaktanfrage.xml", "content_type": "application/xml", "content": base64.StdEncoding.EncodeToString([]byte(leadXML))}}},
		"newsletter": {"stream": "newsletter", "subject": "Neues aus dem Juni: Termine und Öffnungszeiten",
			"headers": map[string]string{"List-Unsubscribe": "<https://muster.example/abmelden/abc>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "List-Id": "Neues <neues.muster.example>"},
			"html": `<!DOCTYPE html><html lang="de"><head><meta charset="utf-8"><title>Neues aus dem Juni</title></head><body><h1>Neues aus dem Juni</h1><p>Liebe Leserinnen und Leser, ab Juli haben wir samstags geöffnet. ` +
				strings.Repeat("Wir freuen uns auf Ihren Besuch in unserem Haus am Dom. ", 12) + `</p><p><a href="https://muster.example/termine">Alle Termine</a></p><p><a href="https://muster.example/abmelden/abc">Abmelden</a></p><p>Muster GmbH, Domstraße 1, 50667 Köln</p></body></html>`},
		"umlauts in names": {"from": "Jörg Müßig – Müller & Söhne <info@" + senderDomain + ">", "to": []string{"Änne Größe <eva@" + recipientDomain + ">"},
			"subject": "Terminbestätigung für Änne Größe", "text": "Guten Tag Frau Größe,\n\nIhr Termin am 3. August um 10 Uhr ist bestätigt." + closing},
		"text and HTML": {"subject": "Ihre Rechnung für Juni", "text": "Guten Tag,\n\nIhre Rechnung liegt im Kundenbereich bereit." + closing,
			"html": `<html lang="de"><body><p>Guten Tag,</p><p>Ihre Rechnung liegt im Kundenbereich bereit.</p><p>Mit freundlichen Grüßen<br>Ihr Team der Muster GmbH</p><p>Muster GmbH, Domstraße 1, 50667 Köln</p></body></html>`},
		"attachments": {"subject": "Ihr Exposé", "text": "Guten Tag,\n\nanbei erhalten Sie das Exposé." + closing, "attachments": []map[string]any{
			{"filename": "Exposé Müller.pdf", "content_type": "application/pdf", "content": paper},
			{"filename": "termin.ics", "content_type": "text/calendar", "content": base64.StdEncoding.EncodeToString([]byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n"))}}},
	}
}

// TestSpamFilter lets rspamd judge the mails our tenants send, composed, signed and
// sent by us: it finds them authentic, and no rule costs more than a point.
func TestSpamFilter(t *testing.T) {
	t.Parallel()
	needNamespace(t)
	needProgram(t, "/usr/bin/rspamd")
	s, tp := withOwnReturnPath(t)
	parts := strings.Split(sourceAddress, ".")
	slices.Reverse(parts)
	zone := map[string]string{
		"mail.stafette.example.":                    "A " + sourceAddress,
		strings.Join(parts, ".") + ".in-addr.arpa.": "PTR mail.stafette.example.",
		senderDomain + ".":                          "MX 10 mail.stafette.example.",
		"bounces." + senderDomain + ".":             "MX 10 mail.stafette.example.\nTXT \"v=spf1 ip4:" + sourceAddress + " -all\"",
	}
	for name, text := range s.authorized() {
		if zone[name+"."] == "" {
			zone[name+"."] = fmt.Sprintf("TXT %q", text)
		}
	}
	n := neighbours{listen: ownAddress(t), inner: nameServer(t, zone)}
	dir := lodge(t, map[string]string{"rspamd.conf": rspamdConfig}, n)
	own(t, dir, nobody)
	foreground(t, dir, "/usr/bin/rspamd", "--no-fork", "--insecure", "--user=nobody", "--group=nogroup", "--config="+dir+"/rspamd.conf",
		"--var=DBDIR="+dir, "--var=RUNDIR="+dir, "--var=LOGDIR="+dir)
	for name, fields := range samples() {
		mail := map[string]any{"from": "Muster GmbH <info@" + senderDomain + ">", "to": []string{"eva@" + recipientDomain}}
		maps.Copy(mail, fields)
		s.settled(t, s.send(t, mail).ID)
		taken := tp.taken()
		found := judge(t, n.listen, taken[len(taken)-1])
		var table strings.Builder
		for _, rule := range slices.Sorted(maps.Keys(found)) {
			r := found[rule]
			if r.Score > 1 {
				t.Errorf("%s: %s costs %.1f: %s", name, rule, r.Score, r.Description)
			}
			if r.Score != 0 {
				fmt.Fprintf(&table, "%6.2f %-28s %s\n", r.Score, rule, r.Description)
			}
		}
		t.Logf("%s\n%s", name, &table)
		for _, good := range []string{"R_DKIM_ALLOW", "R_SPF_ALLOW", "DMARC_POLICY_ALLOW"} {
			if _, ok := found[good]; !ok {
				t.Errorf("%s: no %s among %v", name, good, slices.Sorted(maps.Keys(found)))
			}
		}
	}
}

// judge asks rspamd about a mail, as a receiving server would.
func judge(t *testing.T, address string, m tapped) map[string]rule {
	t.Helper()
	var found map[string]rule
	eventually(t, "rspamd judges", func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/checkv2", bytes.NewReader(m.body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"IP": sourceAddress, "Helo": "mail.stafette.example", "Hostname": "mail.stafette.example", "From": m.from, "Rcpt": m.to} {
			req.Header.Set(name, value)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s %s %w", resp.Status, text, err)
		}
		found = decode[struct{ Symbols map[string]rule }](t, text).Symbols
		return nil
	})
	return found
}
