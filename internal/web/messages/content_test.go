package messages_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"stafette/internal/event"
	"stafette/internal/web/messages"
	"stafette/internal/web/webtest"
)

func TestContentViews(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	path := d.Message(event.Bounced, "Besichtigung") + "/content"
	page := d.Get(path)
	frame := webtest.Find(page.Document(t), "iframe")
	if frame == nil || !webtest.Has(frame, "sandbox") || webtest.Attribute(frame, "sandbox") != "" || webtest.Attribute(frame, "title") == "" {
		t.Fatalf("the preview is not held in an empty sandbox: %s", page.Text)
	}
	webtest.Expect(t, d.Get(path+"?view=text"), http.StatusOK, "wir treffen uns am Samstag um 11 Uhr vor dem Haus.")
	webtest.Expect(t, d.Get(path+"?view=headers"), http.StatusOK, "Subject Besichtigung am Samstag, 11 Uhr")
	webtest.Expect(t, d.Get(path+"?view=source"), http.StatusOK, "Content-Type: multipart/alternative; boundary=rand", "<b>Samstag um 11 Uhr</b>")
	plain := d.Get(d.Message(event.Held, "") + "/content")
	webtest.Expect(t, plain, http.StatusOK, "anbei wie besprochen.")
	if webtest.Find(plain.Document(t), "iframe") != nil {
		t.Error("a message without HTML has a preview")
	}
	webtest.Expect(t, d.Get(d.Message(event.Delivered, "Zusage")+"/content"), http.StatusOK, "Inhalt gelöscht")
}

func TestPreviewIsHeld(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	a := d.Get(d.Message(event.Bounced, "Besichtigung") + "/preview")
	policy := a.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "img-src data:;", "frame-ancestors 'self'", "sandbox"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy lacks %s: %s", want, policy)
		}
	}
	if strings.Contains(policy, "allow-") || strings.Contains(policy, "script-src") || a.Header.Get("X-Frame-Options") != "SAMEORIGIN" {
		t.Errorf("policy is too wide: %s", policy)
	}
	if strings.Contains(a.Text, "verfolger") || !strings.Contains(a.Text, "<b>Samstag um 11 Uhr</b>") {
		t.Errorf("preview: %s", a.Text)
	}
	for _, path := range []string{"/preview", "/message.eml"} {
		if a := d.Get(d.Message(event.Delivered, "Zusage") + path); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s of an erased message: status %d", path, a.StatusCode)
		}
	}
}

func TestDownloadIsTheMessageItself(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	a := d.Get(d.Message(event.Bounced, "Besichtigung") + "/message.eml")
	if a.Header.Get("Content-Type") != "message/rfc822" || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("headers %v", a.Header)
	}
	if !strings.HasPrefix(a.Text, "From: Hafenkontor <besichtigung@") || !strings.HasSuffix(a.Text, "--rand--\r\n") {
		t.Errorf("download: %q", a.Text)
	}
}

// forbidden reports what must never be in a preview.
func forbidden(t *testing.T, source string, out []byte) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	webtest.Each(doc, func(n *html.Node) {
		switch n.Data {
		case "script", "base", "meta", "link", "iframe", "object", "embed", "svg", "math", "input", "button", "video", "audio", "template", "noscript":
			t.Errorf("<%s> survived in %q from %q", n.Data, out, source)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "href" || a.Key == "srcset" || a.Key == "action" ||
				a.Key == "src" && !strings.HasPrefix(a.Val, "data:image/") {
				t.Errorf("<%s %s=%q> survived in %q from %q", n.Data, a.Key, a.Val, out, source)
			}
		}
	})
}

func TestTame(t *testing.T) {
	pictures := map[string]string{"logo@x": "data:image/png;base64,AAAA"}
	data, err := os.ReadFile(filepath.Join("testdata", "payloads.txt"))
	if err != nil {
		t.Fatal(err)
	}
	payloads := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(payloads) < 40 {
		t.Fatalf("only %d payloads", len(payloads))
	}
	for _, payload := range payloads {
		out, err := messages.Tame(payload, pictures)
		if err != nil {
			t.Errorf("%q: %v", payload, err)
		}
		forbidden(t, payload, out)
	}
}

func TestTameKeepsTheLetter(t *testing.T) {
	pictures := map[string]string{"logo@x": "data:image/png;base64,AAAA"}
	for source, want := range map[string]string{
		`<p style="color:red">Hallo <b>Eva</b></p>`:         `<p style="color:red">Hallo <b>Eva</b></p>`,
		`<img src="cid:logo@x" alt="Logo" width="40">`:      `<img src="data:image/png;base64,AAAA" alt="Logo" width="40"/>`,
		`<img src="cid:other" alt="x">`:                     `<img alt="x"/>`,
		`<a href="https://x.example/">Link</a>`:             `<a title="https://x.example/">Link</a>`,
		`<table bgcolor="#fff"><tr><td>1</td></tr></table>`: `<table bgcolor="#fff"><tbody><tr><td>1</td></tr></tbody></table>`,
		`<style>p{margin:0}</style><p>x</p>`:                `<style>p{margin:0}</style>`,
	} {
		out, err := messages.Tame(source, pictures)
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%q became %q, %v", source, out, err)
		}
	}
}

func FuzzTame(f *testing.F) {
	f.Add(`<p onclick=x>a<svg><a href=javascript:x>`)
	f.Add(`<noscript><p title="</noscript><img src=x onerror=alert(1)>">`)
	f.Add(`<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">`)
	f.Fuzz(func(t *testing.T, source string) {
		out, err := messages.Tame(source, nil)
		if err != nil {
			return
		}
		forbidden(t, source, out)
	})
}

func TestHeaderFields(t *testing.T) {
	got := messages.HeaderFields([]byte("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n aus Hamburg\r\nX-Bad: =?nonsense?q?x?=\r\nno colon\r\nEmpty:\r\n\r\nSubject: body"))
	for name, want := range map[string]string{"Subject": "Grüße aus Hamburg", "X-Bad": "=?nonsense?q?x?=", "no colon": "", "Empty": ""} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
}
