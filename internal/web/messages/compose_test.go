package messages_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/messages"
	"stafette/internal/web/webtest"
)

// letter is a form that is right; change spoils or alters it.
func letter(change map[string]string) map[string]string {
	f := map[string]string{
		"from_name": "Hafenkontor", "from_local": "post", "from_domain": "hafenkontor.example",
		"to": "Eva Sommer <eva@kunde.example>; karl@kunde.example", "cc": "", "bcc": "still@kunde.example",
		"subject": "Grüße", "body": "Guten Tag", "format": "text", "stream": "transactional", "key": "K1",
	}
	for name, value := range change {
		f[name] = value
	}
	return f
}

func write(d *webtest.Desk, fields map[string]string, files map[string]string) webtest.Answer {
	d.T.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for name, value := range fields {
		if err := m.WriteField(name, value); err != nil {
			d.T.Fatal(err)
		}
	}
	for name, value := range files {
		part, err := m.CreateFormFile("files", name)
		if err != nil {
			d.T.Fatal(err)
		}
		if _, err := part.Write([]byte(value)); err != nil {
			d.T.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		d.T.Fatal(err)
	}
	r := d.Request(http.MethodPost, "/messages", &b)
	r.Header.Set("Content-Type", m.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return d.Do(r)
}

func TestSending(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	a := write(d, letter(nil), map[string]string{"Exposé Müller.pdf": "%PDF-1.7"})
	if a.StatusCode != http.StatusSeeOther || !strings.HasSuffix(a.Header.Get("Location"), "?done=sent") {
		t.Fatalf("status %d to %q: %s", a.StatusCode, a.Header.Get("Location"), a.Text)
	}
	webtest.Expect(t, d.Get(a.Header.Get("Location")), http.StatusOK, "Angenommen und sicher gespeichert.", "An 3 Empfänger: 3 in Warteschlange.", "Blindkopie")
	sent := d.World.Accepted()
	if len(sent) != 1 {
		t.Fatalf("%d submissions", len(sent))
	}
	s := sent[0]
	box := func(name, local string) message.Mailbox {
		return message.Mailbox{Name: name, Address: message.Address{Local: local, Domain: "kunde.example"}}
	}
	if !slices.Equal(s.Draft.To, []message.Mailbox{box("Eva Sommer", "eva"), box("", "karl")}) || !slices.Equal(s.Bcc, []message.Mailbox{box("", "still")}) {
		t.Errorf("recipients %v, blind %v", s.Draft.To, s.Bcc)
	}
	if s.Draft.From.Name != "Hafenkontor" || addressOf(s.Draft.From) != "post@hafenkontor.example" || s.Draft.Text != "Guten Tag" || s.Draft.HTML != "" {
		t.Errorf("draft %+v", s.Draft)
	}
	if len(s.Draft.Attachments) != 1 || s.Draft.Attachments[0].Filename != "Exposé Müller.pdf" || string(s.Draft.Attachments[0].Content) != "%PDF-1.7" {
		t.Errorf("attachments %+v", s.Draft.Attachments)
	}
	if s.Stream != tenant.Transactional || s.RequestHash == ([32]byte{}) {
		t.Errorf("submission %+v", s)
	}
}

func addressOf(m message.Mailbox) string { return m.Local + "@" + m.Domain }

// A double click and a reload of the webtest.Answer send once; another text sends again.
func TestSendingTwiceIsSendingOnce(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	first, second := write(d, letter(nil), nil), write(d, letter(nil), nil)
	if first.Header.Get("Location") != second.Header.Get("Location") || len(d.World.Accepted()) != 1 {
		t.Errorf("sent %d times: %q, %q", len(d.World.Accepted()), first.Header.Get("Location"), second.Header.Get("Location"))
	}
	write(d, letter(map[string]string{"body": "Guten Abend"}), nil)
	if len(d.World.Accepted()) != 2 {
		t.Error("another text under the same key was not sent")
	}
	write(d, letter(map[string]string{"key": "K2"}), nil)
	if len(d.World.Accepted()) != 3 {
		t.Error("the same text from a new form was taken for a double click")
	}
}

func TestHTMLIsSentAsHTML(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	write(d, letter(map[string]string{"format": "html", "body": "<p>Guten Tag</p>"}), nil)
	if s := d.World.Accepted(); len(s) != 1 || s[0].Draft.HTML != "<p>Guten Tag</p>" || s[0].Draft.Text != "" {
		t.Errorf("submissions %+v", s)
	}
}

func TestFormKeepsWhatWasTyped(t *testing.T) {
	cases := []struct{ field, value, id, says string }{
		{"to", "eva", "to", "„eva“ ist keine E-Mail-Adresse."},
		{"to", "", "", ""}, // somebody is left in Bcc
		{"cc", "a@b.example, @@", "cc", "„@@“ ist keine E-Mail-Adresse."},
		{"subject", "  ", "subject", "Es fehlt der Betreff."},
		{"body", "", "body", "Die Nachricht ist leer."},
		{"from_local", "", "from_local", "Es fehlt die Absenderadresse"},
	}
	for _, c := range cases {
		d := webtest.Open(t).SignIn(webtest.Clerk)
		fields := letter(map[string]string{c.field: c.value, "from_name": `Firma "A" <b>`, "stream": "reminder"})
		a := write(d, fields, map[string]string{"Plan.pdf": "x"})
		if c.says == "" {
			if a.StatusCode != http.StatusSeeOther {
				t.Errorf("%s=%q: status %d", c.field, c.value, a.StatusCode)
			}
			continue
		}
		webtest.Expect(t, a, http.StatusUnprocessableEntity, "Noch nicht gesendet: eine Angabe stimmt nicht.", c.says, "Bitte noch einmal auswählen: Plan.pdf.")
		form := typed(t, a)
		for name, value := range fields {
			if form[name] != value {
				t.Errorf("%s=%q: field %s came back as %q, not %q", c.field, c.value, name, form[name], value)
			}
		}
		invalid := ""
		webtest.Each(a.Document(t), func(n *html.Node) {
			if webtest.Attribute(n, "aria-invalid") == "true" {
				invalid += webtest.Attribute(n, "id")
			}
		})
		if invalid != c.id {
			t.Errorf("%s=%q: marked wrong are %q", c.field, c.value, invalid)
		}
		if len(d.World.Accepted()) != 0 {
			t.Errorf("%s=%q was sent", c.field, c.value)
		}
	}
}

// typed reads the values of a form as a browser would send them.
func typed(t *testing.T, a webtest.Answer) map[string]string {
	t.Helper()
	form := map[string]string{}
	webtest.Each(a.Document(t), func(n *html.Node) {
		name := webtest.Attribute(n, "name")
		switch {
		case n.Data == "textarea":
			if n.FirstChild != nil {
				form[name] = n.FirstChild.Data
			}
		case n.Data == "option" && webtest.Has(n, "selected"):
			form[webtest.Attribute(n.Parent, "name")] = webtest.Attribute(n, "value")
		case webtest.Attribute(n, "type") == "radio" && webtest.Has(n, "checked"), n.Data == "input" && webtest.Attribute(n, "type") != "radio":
			form[name] = webtest.Attribute(n, "value")
		}
	})
	return form
}

func TestRefusalsStandAtTheirFields(t *testing.T) {
	cases := []struct {
		refusal error
		status  int
		says    []string
	}{
		{fault.Join([]*fault.Error{fault.Field("to/1", "domain_malformed", ""), fault.Field("attachments/0/filename", "header_has_line_break", "")}), 422,
			[]string{"Noch nicht gesendet: 2 Angaben stimmen nicht.", "Der Teil hinter dem @ in „karl@kunde.example“ ist kein Domainname.", "„Plan.pdf“ enthält einen Zeilenumbruch."}},
		{&fault.Error{Kind: fault.Forbidden, Code: "from_domain_not_yours", Field: "from"}, 403, []string{"„post@hafenkontor.example“ gehört zu keiner geprüften Domain dieses Kontos."}},
		{&fault.Error{Kind: fault.Limited, Code: "quota_spent"}, 429, []string{"Das Kontingent für heute ist aufgebraucht"}},
		{&fault.Error{Kind: fault.Unavailable, Code: "storage_full"}, 503, []string{"Im Moment kein sicherer Speicherplatz."}},
		{fault.Field("bcc/0", "never_heard_of", ""), 422, []string{"„still@kunde.example“ wurde nicht angenommen (never_heard_of)."}},
	}
	for _, c := range cases {
		d := webtest.Open(t).SignIn(webtest.Clerk)
		d.World.Refuse(c.refusal)
		a := write(d, letter(nil), map[string]string{"Plan.pdf": "x"})
		webtest.Expect(t, a, c.status, c.says...)
		if form := typed(t, a); form["body"] != "Guten Tag" || form["key"] != "K1" {
			t.Errorf("%v: form lost %v", c.refusal, form)
		}
		if strings.Contains(a.Text, "⟦") {
			t.Errorf("%v: a text is missing", c.refusal)
		}
	}
}

func TestTooLargeUpload(t *testing.T) {
	d := webtest.Open(t, func(c *web.Config) { c.Messages.MaxUpload = 64 << 10 }).SignIn(webtest.Clerk)
	a := write(d, letter(nil), map[string]string{"gross.bin": strings.Repeat("x", 128<<10)})
	webtest.Expect(t, a, http.StatusRequestEntityTooLarge, "erlaubt sind")
	if len(d.World.Accepted()) != 0 {
		t.Error("it was sent")
	}
	if a := d.Post("/messages", url.Values{"to": {"a@b.example"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a form of the wrong type: status %d", a.StatusCode)
	}
}

func TestSendingAgain(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	id := strings.TrimPrefix(d.Message(event.Bounced, "Besichtigung"), "/messages/")
	form := typed(t, d.Get("/messages/new?again="+id))
	if form["to"] != "m.voss@t-online.example" || form["from_local"] != "besichtigung" || form["subject"] != "Besichtigung am Samstag, 11 Uhr" ||
		form["format"] != "html" || !strings.Contains(form["body"], "<b>Samstag um 11 Uhr</b>") {
		t.Errorf("form %v", form)
	}
	webtest.Expect(t, d.Get("/messages/new?again="+id), http.StatusOK, "Bitte noch einmal auswählen: Anfahrt-Speicherblock-7.pdf, termin.ics.")
	if other := typed(t, d.Get("/messages/new"))["key"]; other == form["key"] || len(other) < 20 {
		t.Errorf("keys %q and %q", other, form["key"])
	}
}

func TestOnlyUsableDomainsCanBeChosen(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	var domains []string
	webtest.Each(d.Get("/messages/new").Document(t), func(n *html.Node) {
		if n.Data == "option" && webtest.Attribute(n.Parent, "name") == "from_domain" {
			domains = append(domains, webtest.Attribute(n, "value"))
		}
	})
	if !slices.Equal(domains, []string{"hafenkontor.example"}) {
		t.Errorf("domains %v", domains)
	}
}

func TestSplitAddresses(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                    nil,
		" , ;\r\n":                            nil,
		"a@b.example":                         {"a@b.example"},
		"a@b.example,c@d.example;e@f.example": {"a@b.example", "c@d.example", "e@f.example"},
		"a@b.example\r\nc@d.example":          {"a@b.example", "c@d.example"},
		`"Müller, Eva" <a@b.example>, c@d.e`:  {`"Müller, Eva" <a@b.example>`, "c@d.e"},
		`"a \" , b" <a@b.example>; x`:         {`"a \" , b" <a@b.example>`, "x"},
		"<a,b@c.example>, d":                  {"<a,b@c.example>", "d"},
		"\"open\na@b.example":                 {`"open`, "a@b.example"},
	} {
		if got := messages.SplitAddresses(text); !slices.Equal(got, want) {
			t.Errorf("%q splits into %q, want %q", text, got, want)
		}
	}
}

func FuzzSplitAddresses(f *testing.F) {
	f.Add(`"a, b" <c@d>; e`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, one := range messages.SplitAddresses(text) {
			if strings.ContainsAny(one, "\r\n") || strings.TrimSpace(one) == "" {
				t.Errorf("%q gives %q", text, one)
			}
		}
	})
}
