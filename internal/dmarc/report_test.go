package dmarc_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"stafette/internal/dmarc"
)

// old is a report as RFC 7489 has them, with what providers add.
const old = `<?xml version="1.0" encoding="UTF-8" ?>
<feedback>
  <report_metadata><org_name>google.com</org_name><email>noreply@google.com</email><report_id>1234</report_id>
    <date_range><begin>1763769600</begin><end>1763855999</end></date_range></report_metadata>
  <policy_published><domain>Muster.example</domain><adkim>r</adkim><p>quarantine</p><sp>none</sp><pct>100</pct></policy_published>
  <record><row><source_ip>192.0.2.1</source_ip><count>42</count>
      <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
    <identifiers><header_from>muster.example</header_from></identifiers>
    <auth_results><dkim><domain>x.example</domain><result>fail</result></dkim><dkim><domain>muster.example</domain><result>pass</result><selector>stf1r</selector></dkim>
      <spf><domain>bounces.muster.example</domain><result>softfail</result></spf></auth_results></record>
  <record><row><source_ip>2001:db8::1</source_ip><count>1</count>
      <policy_evaluated><disposition>quarantine</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>
    <identifiers><header_from>muster.example</header_from></identifiers></record>
</feedback>`

// recent is RFC 9990: a namespace, a version, no pct, extensions.
const recent = `<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"><version>1.0</version>
  <report_metadata><org_name>T-Online</org_name><report_id>a&amp;b</report_id><date_range><begin>1763769600</begin><end>1763855999</end></date_range></report_metadata>
  <policy_published><domain>muster.example</domain><discovery_method>treewalk</discovery_method><p>reject</p><np>reject</np><testing>n</testing></policy_published>
  <extension><x:y xmlns:x="urn:x"><z/></x:y></extension>
  <record><row><source_ip>::ffff:192.0.2.9</source_ip><count>7</count><policy_evaluated><disposition>pass</disposition><dkim>pass</dkim><spf>pass</spf></policy_evaluated></row>
    <identifiers><header_from>muster.example</header_from><envelope_from>muster.example</envelope_from></identifiers>
    <auth_results><spf><domain>muster.example</domain><result>pass</result></spf></auth_results></record></feedback>`

func gzipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.Bytes()
}

func zipped(files ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i, text := range files {
		w, _ := z.Create(fmt.Sprintf("report%d.xml", i))
		_, _ = w.Write([]byte(text))
	}
	_ = z.Close()
	return b.Bytes()
}

// mailed is a report in a mail as most reporters send it.
func mailed(kind string, content []byte) []byte {
	return []byte("From: noreply@google.com\r\nSubject: Report domain: muster.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\nThis is a report.\r\n--b\r\nContent-Type: " + kind + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString(content) + "\r\n--b--\r\n")
}

func TestReadMail(t *testing.T) {
	for name, raw := range map[string][]byte{
		"plain": []byte(old), "gzip": gzipped(old), "zip": zipped(old), "mail with gzip": mailed("application/gzip", gzipped(old)),
		"mail with zip under a wrong type": mailed("application/octet-stream", zipped(old)), "mail with xml": mailed("text/xml", []byte(old)),
		"mark": append([]byte("\xef\xbb\xbf"), old...), "latin 1": []byte(strings.Replace(old, "UTF-8", "ISO-8859-1", 1)),
	} {
		t.Run(name, func(t *testing.T) {
			r, err := dmarc.ReadMail(raw)
			if err != nil {
				t.Fatal(err)
			}
			first := r.Records[0]
			if r.Reporter != "google.com" || r.ID != "1234" || r.Domain != "muster.example" || r.Policy != dmarc.Quarantine || r.Messages() != 43 || r.Begin.Unix() != 1763769600 {
				t.Errorf("%+v", r)
			}
			if first.Source.String() != "192.0.2.1" || !first.DKIM || first.SPF || first.Signer != "muster.example" || first.Sender != "bounces.muster.example" ||
				r.Records[1].Disposition != dmarc.Quarantine {
				t.Errorf("%+v", r.Records)
			}
		})
	}
	r, err := dmarc.ReadMail([]byte(recent))
	if err != nil || r.ID != "a&b" || r.Policy != dmarc.Reject || r.Records[0].Source.String() != "192.0.2.9" || r.Records[0].Disposition != dmarc.None {
		t.Errorf("RFC 9990: %+v, %v", r, err)
	}
}

// Threat T9: bombs, and what is no report.
func TestReadMailRefuses(t *testing.T) {
	record := old[strings.Index(old, "<record>") : strings.Index(old, "</record>")+9]
	const short = "<record><row><source_ip>192.0.2.1</source_ip><count>1</count></row></record>"
	many := make([]string, 50)
	for name, raw := range map[string][]byte{
		"nothing":            nil,
		"another mail":       mailed("text/html", []byte("<html>")),
		"gzip bomb":          gzipped(strings.Repeat(" ", 20<<20)),
		"zip bomb":           zipped(strings.Repeat(" ", 20<<20)),
		"many files":         zipped(many...),
		"two files":          zipped(old, old),
		"entities":           []byte(`<?xml version="1.0"?><!DOCTYPE f [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>` + strings.Replace(old[strings.Index(old, "<feedback"):], "1234", "&b;", 1)),
		"deep":               []byte("<feedback>" + strings.Repeat("<a>", 100_000)),
		"many records":       []byte(strings.Replace(old, record, strings.Repeat(short, 50_001), 1)),
		"no records":         []byte(strings.NewReplacer("<record>", "<rec>", "</record>", "</rec>").Replace(old)),
		"negative count":     []byte(strings.Replace(old, "<count>42", "<count>-42", 1)),
		"huge count":         []byte(strings.Replace(old, "<count>42", "<count>99999999999999", 1)),
		"no address":         []byte(strings.Replace(old, "192.0.2.1", "host", 1)),
		"time before mail":   []byte(strings.Replace(old, "1763769600", "17", 1)),
		"ends before begins": []byte(strings.Replace(old, "1763855999", "1763760000", 1)),
		"no domain":          []byte(strings.Replace(old, "Muster.example", " ", 1)),
		"cut off":            []byte(old[:len(old)-20]),
		"another encoding":   []byte(strings.Replace(old, "UTF-8", "EBCDIC", 1)),
		"endless parts":      []byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 1000)),
	} {
		t.Run(name, func(t *testing.T) {
			if r, err := dmarc.ReadMail(raw); err == nil {
				t.Errorf("taken: %d records", len(r.Records))
			}
		})
	}
}

func FuzzReadMail(f *testing.F) {
	for _, raw := range [][]byte{[]byte(old), []byte(recent), gzipped(old), zipped(old), mailed("application/gzip", gzipped(old))} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := dmarc.ReadMail(raw)
		if err != nil {
			return
		}
		for _, text := range []string{r.Reporter, r.ID, r.Domain, r.Records[0].From, r.Records[0].Signer, r.Records[0].Sender} {
			if !utf8.ValidString(text) || strings.ContainsAny(text, "\r\n\x00") || utf8.RuneCountInString(text) > 255 {
				t.Errorf("text %q", text)
			}
		}
		if r.Messages() < 0 || r.End.Before(r.Begin) || r.Begin.Year() < 2000 {
			t.Errorf("%+v", r)
		}
	})
}
