package tracking_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

const head = "From: info@a.example\r\nTo: eva@x.example\r\nSubject: Ihr Exposé\r\nMIME-Version: 1.0\r\n"

// htmlMail is a mail with nothing but HTML.
func htmlMail(html string) string {
	return head + "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + html
}

var (
	tokenText = regexp.MustCompile(`https://mail\.example/([il])/([A-Za-z0-9_-]{70})`)
	ending    = regexp.MustCompile(`\r\n(?:<a href="L" rel="nofollow" aria-hidden="true" tabindex="-1" style="display:none"></a>\r\n)?<img src="P" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">\r\n`)
)

// shape names tokens by what they are for.
func shape(s string) string {
	s = tokenText.ReplaceAllStringFunc(s, func(t string) string {
		if strings.Contains(t, "/i/") {
			return "P"
		}
		return "L"
	})
	return s
}

func TestWeaveHTML(t *testing.T) {
	const end = "<TRACK>"
	for name, c := range map[string]struct{ in, want string }{
		"link":               {`<html><body><a href="https://a.example/x?a=1&amp;b=2">Exposé</a></body></html>`, `<html><body><a href="L">Exposé</a>` + end + `</body></html>`},
		"single quotes":      {`<a href='https://a.example/x'>x</a>`, `<a href='L'>x</a>` + end},
		"no quotes":          {`<a href=https://a.example/x class=c>x</a>`, `<a href="L" class=c>x</a>` + end},
		"odd spelling":       {"<A\r\n\tID=1 HREF = \"HTTPS://a.example/\" >x</A >", "<A\r\n\tID=1 HREF = \"L\" >x</A >" + end},
		"space in value":     {`<a href=" https://a.example/x ">x</a>`, `<a href="L">x</a>` + end},
		"image map":          {`<map><area href="https://a.example/1"></map>`, `<map><area href="L"></map>` + end},
		"second href":        {`<a href="https://a.example/1" href="https://b.example/2">x</a>`, `<a href="https://a.example/1" href="https://b.example/2">x</a>` + end},
		"opted out":          {`<a data-stafette-track="off" href="https://a.example/">x</a>`, `<a href="https://a.example/">x</a>` + end},
		"opted out behind":   {`<a href="https://a.example/" data-stafette-track=off>x</a>`, `<a href="https://a.example/">x</a>` + end},
		"opt-out without":    {`<a data-stafette-track="off">x</a>`, `<a>x</a>` + end},
		"opted in":           {`<a data-stafette-track="on" href="https://a.example/">x</a>`, `<a href="L">x</a>` + end},
		"mail and telephone": {`<a href="mailto:a@a.example">a</a><a href="tel:+49">b</a><a href="cid:1">c</a><a href="#x">d</a>`, `<a href="mailto:a@a.example">a</a><a href="tel:+49">b</a><a href="cid:1">c</a><a href="#x">d</a>` + end},
		"script":             {`<a href="javascript:alert(1)">x</a><a href="data:text/html,x">y</a>`, `<a href="javascript:alert(1)">x</a><a href="data:text/html,x">y</a>` + end},
		"no host":            {`<a href="https:///x">x</a><a href="//a.example/">y</a><a href="/x">z</a><a href="https:\\a.example">w</a>`, `<a href="https:///x">x</a><a href="//a.example/">y</a><a href="/x">z</a><a href="https:\\a.example">w</a>` + end},
		"user and password":  {`<a href="https://bank.example@evil.example/">x</a>`, `<a href="https://bank.example@evil.example/">x</a>` + end},
		"duties":             {`<a href="https://a.example/impressum">I</a><a href="https://a.example/1">Newsletter abmelden</a><a href="https://a.example/2?unsubscribe=1">x</a><a href="https://a.example/3">Daten<b>schutz</b></a>`, `<a href="https://a.example/impressum">I</a><a href="https://a.example/1">Newsletter abmelden</a><a href="https://a.example/2?unsubscribe=1">x</a><a href="https://a.example/3">Daten<b>schutz</b></a>` + end},
		"comment":            {`<!--[if mso]><a href="https://a.example/">x</a><![endif]--><p>`, `<!--[if mso]><a href="https://a.example/">x</a><![endif]--><p>` + end},
		"style and script":   {`<style>a[href="https://a.example"]{}</style><script>"<a href='https://a.example'>"</script>`, `<style>a[href="https://a.example"]{}</style><script>"<a href='https://a.example'>"</script>` + end},
		"placeholders":       {`<table>{{#each x}}<tr><td><a href="{{link}}">x</a></td></tr>{{/each}}</table>`, `<table>{{#each x}}<tr><td><a href="{{link}}">x</a></td></tr>{{/each}}</table>` + end},
		"broken":             {`<p><b><a href="https://a.example/1">x<table></p></body><td>&nbsp;<a href="https://a.example/2`, `<p><b><a href="L">x<table></p>` + end + `</body><td>&nbsp;<a href="https://a.example/2`},
		"two ends":           {`<body>x</body><body>y</body></html>`, `<body>x</body><body>y` + end + `</body></html>`},
		"no body":            {`<html><p>x</html>`, `<html><p>x` + end + `</html>`},
		"nothing":            {``, end},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.allow(tracking.Individual, tracking.BasisContract)
			body, kept := w.send(htmlMail(c.in), "eva@x.example")
			if kept == nil || kept.Decision.Level != tracking.Individual {
				t.Fatalf("kept %+v", kept)
			}
			have := ending.ReplaceAllString(shape(strings.TrimPrefix(body, htmlMail(""))), end)
			if have != c.want {
				t.Errorf("have %s\nwant %s", have, c.want)
			}
			if !strings.HasPrefix(body, htmlMail("")) {
				t.Error("the header was changed")
			}
		})
	}
}

func TestWeaveKeepsTargets(t *testing.T) {
	w := newWorld(t)
	w.allow(tracking.Pseudonymous, tracking.BasisContract)
	body, kept := w.send(htmlMail(`<a href="https://a.example/?a=1&amp;b=ü">  Zum  <b>Exposé</b> &amp; mehr</a><a href="http://b.example"><img src=x></a>`), "eva@x.example")
	want := []tracking.Link{{Target: "https://a.example/?a=1&b=ü", Label: "Zum Exposé & mehr"}, {Target: "http://b.example"}, {Trap: true}}
	if len(kept.Links) != len(want) {
		t.Fatalf("links %+v", kept.Links)
	}
	for i, m := range tokenText.FindAllStringSubmatch(body, -1) {
		if i == len(want) {
			if tok, err := w.tokens.Parse(tracking.ForPixel, m[2]); err != nil || tok.Message != kept.Message || tok.Tenant != w.tenant {
				t.Errorf("pixel %+v, %v", tok, err)
			}
			continue
		}
		tok, err := w.tokens.Parse(tracking.ForLink, m[2])
		if err != nil || int(tok.Number) != i+1 || kept.Links[i] != want[i] {
			t.Errorf("link %d: %+v leads to %+v, %v", i, tok, kept.Links[i], err)
		}
	}
}

// What is left as it is, and the rule that is told.
func TestWeaveLeavesAlone(t *testing.T) {
	const page = "<a href=\"https://a.example/\">x</a>"
	html := "Content-Type: text/html; charset=utf-8\r\n\r\n" + page + "\r\n"
	multi := func(kind, second string) string {
		return head + "Content-Type: multipart/" + kind + "; boundary=b\r\n\r\n--b\r\n" + html + "--b\r\n" + second + "\r\n--b--\r\n"
	}
	for name, c := range map[string]struct {
		body string
		rule tracking.Rule
	}{
		"plain text":       {head + "Content-Type: text/plain\r\n\r\nhttps://a.example\r\n", tracking.RuleNoHTML},
		"attached HTML":    {multi("mixed", "Content-Type: text/plain\r\n\r\nx")[:0] + head + "Content-Type: text/html; name=a.html\r\nContent-Disposition: attachment; filename=a.html\r\n\r\n" + page, tracking.RuleNoHTML},
		"S/MIME signed":    {multi("signed", "Content-Type: application/pkcs7-signature; name=smime.p7s\r\n\r\nx"), tracking.RuleSignedContent},
		"S/MIME encrypted": {head + "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\nx", tracking.RuleSignedContent},
		"PGP signed":       {multi("signed", "Content-Type: application/pgp-signature\r\n\r\nx"), tracking.RuleSignedContent},
		"PGP inside":       {multi("mixed", "Content-Type: multipart/signed; boundary=c\r\n\r\n--c\r\n"+html+"--c\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--c--"), tracking.RuleSignedContent},
		"PGP inline":       {head + html + "-----BEGIN PGP SIGNED MESSAGE-----", tracking.RuleSignedContent},
		"signed by DKIM":   {"DKIM-Signature: v=1; a=rsa-sha256\r\n" + head + html, tracking.RuleSignedContent},
		"UTF-16":           {head + "Content-Type: text/html; charset=utf-16\r\n\r\n" + page, tracking.RuleUnreadable},
		"bad base64":       {head + "Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!", tracking.RuleUnreadable},
		"odd encoding":     {head + "Content-Type: text/html\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin", tracking.RuleUnreadable},
		"no room in line":  {head + "Content-Type: text/html\r\n\r\n" + strings.Repeat("x", 950) + page + "\r\n", tracking.RuleUnreadable},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.allow(tracking.Individual, tracking.BasisContract)
			body, kept := w.send(c.body, "eva@x.example")
			if body != c.body {
				t.Errorf("changed to %q", body)
			}
			if kept == nil || kept.Decision != (tracking.Decision{Level: tracking.None, Rule: c.rule}) || len(kept.Links) > 0 {
				t.Errorf("kept %+v, want rule %s", kept, c.rule)
			}
		})
	}
}

func TestWeaveNothingWithoutBasis(t *testing.T) {
	w := newWorld(t)
	in := htmlMail(`<a data-stafette-track="off" href="https://a.example/">x</a>`)
	if body, kept := w.send(in, "eva@x.example"); body != in || kept != nil {
		t.Errorf("kept %+v of %s", kept, body)
	}
	m := tracking.Mail{Tenant: w.tenant, Message: message.NewID(w.now), Stream: tenant.Transactional, Recipients: mails("eva@x.example"), Body: []byte(in), Wish: tracking.Individual}
	if _, kept, err := w.weaver.Weave(t.Context(), m); err != nil || kept == nil || kept.Decision.Rule != tracking.RuleBasis {
		t.Errorf("who asks is told why: %+v, %v", kept, err)
	}
	w.allow(tracking.Individual, tracking.BasisContract)
	m.Foreign = true
	if body, kept, err := w.weaver.Weave(t.Context(), m); err != nil || kept.Decision.Rule != tracking.RuleForeign || string(body) != in {
		t.Errorf("passed on: %+v, %v", kept, err)
	}
}

// Mail that is sent once more has its tokens already.
func TestWeaveOnce(t *testing.T) {
	w := newWorld(t)
	w.allow(tracking.Individual, tracking.BasisContract)
	first, _ := w.send(htmlMail(`<a href="https://a.example/">x</a>`), "eva@x.example")
	again, kept := w.send(first, "eva@x.example")
	if again != first || kept.Decision.Rule != tracking.RuleForeign {
		t.Errorf("woven twice: %+v\n%s", kept, again)
	}
}

// Links in the header that let people leave stay the same in the body.
func TestWeaveKeepsListLinks(t *testing.T) {
	w := newWorld(t)
	w.allow(tracking.Individual, tracking.BasisContract)
	in := "List-Unsubscribe: <mailto:u@a.example>, <https://a.example/u/1>\r\n" + htmlMail(`<a href="https://a.example/u/1">hier</a>`)
	if body, _ := w.send(in, "eva@x.example"); !strings.Contains(body, `<a href="https://a.example/u/1">hier</a>`) {
		t.Error(body)
	}
}

// Transfer encodings stay what they were, and decode to what 8bit would be.
func TestWeaveEncodings(t *testing.T) {
	const html = "<p>Grüße, Schöner Wohnen: <a href=\"https://a.example/ü=1\">hier</a> =\r\n" + "lange Zeile lange Zeile lange Zeile lange Zeile lange Zeile lange Zeile\r\n</body>\r\n"
	for name, encode := range map[string]func(string) string{
		"base64": func(s string) string {
			text := base64.StdEncoding.EncodeToString([]byte(s))
			var b strings.Builder
			for len(text) > 76 {
				b.WriteString(text[:76] + "\r\n")
				text = text[76:]
			}
			return b.String() + text + "\r\n"
		},
		"quoted-printable": func(s string) string {
			var b bytes.Buffer
			q := quotedprintable.NewWriter(&b)
			_, _ = q.Write([]byte(s))
			_ = q.Close()
			return b.String()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.allow(tracking.Pseudonymous, tracking.BasisContract)
			before := head + "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhttps://a.example\r\n--b\r\n" +
				"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: " + name + "\r\n\r\n"
			const after = "\r\n--b--\r\n"
			body, kept := w.send(before+encode(html)+after, "eva@x.example")
			if kept.Decision.Level != tracking.Pseudonymous || !strings.HasPrefix(body, before) || !strings.HasSuffix(body, "--b--\r\n") {
				t.Fatalf("%+v\n%s", kept, body)
			}
			leaves, err := message.Contents([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			have := ending.ReplaceAllString(shape(string(leaves[1].Bytes)), "E")
			want := strings.Replace(strings.Replace(html, "https://a.example/ü=1", "L", 1), "</body>", "E</body>", 1)
			if strings.TrimSpace(have) != strings.TrimSpace(want) {
				t.Errorf("have %q\nwant %q", have, want)
			}
			for line := range strings.SplitSeq(body, "\r\n") {
				if len(line) > 76 && !strings.HasPrefix(line, "Content-") {
					t.Errorf("line of %d", len(line))
				}
			}
		})
	}
}

// TestWeaveCorpus weaves what many servers and programs wrote, which is what
// their bounces bring back: whatever comes of it, nothing but the tokens is new.
func TestWeaveCorpus(t *testing.T) {
	files, err := filepath.Glob("../bounce/testdata/bounces/*.eml")
	if err != nil {
		t.Fatal(err)
	}
	woven := 0
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		raw = bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
		w := newWorld(t)
		w.allow(tracking.Individual, tracking.BasisContract)
		body, kept := w.send(string(raw), "eva@x.example")
		switch {
		case kept.Decision.Level == tracking.Individual:
			woven++
			unweave(t, filepath.Base(name), string(raw), body, kept)
		case body != string(raw):
			t.Errorf("%s: left alone and changed", name)
		}
	}
	if woven < 4 {
		t.Errorf("only %d of %d were woven", woven, len(files))
	}
}

// unweave takes the tokens out again and expects what was there before.
func unweave(t *testing.T, name, raw, woven string, kept *tracking.Tracked) {
	t.Helper()
	before, err1 := message.Contents([]byte(raw))
	after, err2 := message.Contents([]byte(woven))
	if err1 != nil || err2 != nil || len(before) != len(after) {
		t.Fatalf("%s: %v, %v, %d and %d parts", name, err1, err2, len(before), len(after))
	}
	for i := range before {
		text := after[i].Bytes
		if end := endingOf.Find(text); end != nil {
			text = bytes.Replace(text, end, nil, 1)
		}
		rest := tokenText.ReplaceAllString(string(text), "")
		if !subsequence(rest, string(before[i].Bytes)) {
			t.Errorf("%s: part %d has new text", name, i)
		}
		if !tokenText.Match(text) && !bytes.Equal(bytes.TrimSpace(text), bytes.TrimSpace(before[i].Bytes)) {
			t.Errorf("%s: part %d changed without a link in it", name, i)
		}
	}
	for _, l := range kept.Links {
		if l.Trap != (l.Target == "") {
			t.Errorf("%s: link %+v", name, l)
		}
	}
}

// FuzzWeave holds to what weaving promises of any HTML: it never fails in a way that
// changes anything, and all that is new are tokens.
func FuzzWeave(f *testing.F) {
	for _, s := range []string{`<a href="https://a.example/">x</a></body>`, `<a href=https://a.example/ data-stafette-track=off>`, `<a href='https://a.example/`,
		"<!--<a href=https://a.example>-->", "<a/href=https://a.example/>", "<a ='x' href=\"http://a\">", "<A HREF=\"https://a.example\x00\">\xff"} {
		f.Add(s)
	}
	tokens, err := tracking.NewTokens([]byte(strings.Repeat("k", 32)))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, html string) {
		if len(html) > 64<<10 {
			return
		}
		store := newMemory()
		store.settings = []tracking.Setting{{Level: tracking.Individual, Basis: tracking.BasisContract, At: start()}}
		weaver := tracking.NewWeaver(tracking.WeaverConfig{Decider: tracking.NewDecider(tracking.DeciderConfig{Store: store, Now: start}), Tokens: tokens, PublicURL: public})
		const before = head + "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
		raw := before + base64.StdEncoding.EncodeToString([]byte(html))
		body, kept, err := weaver.Weave(t.Context(), tracking.Mail{Tenant: tenant.ID{1}, Message: message.NewID(start()), Stream: tenant.Transactional,
			Recipients: mails("eva@x.example"), Body: []byte(raw)})
		if err != nil {
			t.Fatal(err)
		}
		if kept.Decision.Level == tracking.None {
			if string(body) != raw {
				t.Error("left alone and changed")
			}
			return
		}
		woven, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(body[len(before):])))
		if err != nil {
			t.Fatal(err)
		}
		// What is new are the ending and the tokens, in the places of the targets.
		end := endingOf.Find(woven)
		if end == nil {
			t.Fatalf("no ending in %q", woven)
		}
		text := strings.Replace(string(woven), string(end), "", 1)
		if rest := tokenText.ReplaceAllString(text, ""); !subsequence(strings.ReplaceAll(rest, `"`, ""), strings.ReplaceAll(html, `"`, "")) {
			t.Errorf("new text in %q, made of %q", rest, html)
		}
		if n := len(tokenText.FindAllString(text, -1)); n != len(kept.Links)-1 {
			t.Errorf("%d links, %d tokens", len(kept.Links), n)
		}
	})
}

// endingOf is the ending as it is in a mail.
var endingOf = regexp.MustCompile(`\r\n<a href="https://mail\.example/l/[A-Za-z0-9_-]{70}" rel="nofollow" aria-hidden="true" tabindex="-1" style="display:none"></a>\r\n<img src="https://mail\.example/i/[A-Za-z0-9_-]{70}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">\r\n`)

// subsequence reports whether all bytes of p come in s in this order.
func subsequence(p, s string) bool {
	for i := range len(p) {
		at := strings.IndexByte(s, p[i])
		if at < 0 {
			return false
		}
		s = s[at+1:]
	}
	return true
}
