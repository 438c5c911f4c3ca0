package lead

import (
	"fmt"
	"html"
	"strings"

	"stafette/internal/lead/openimmo"
	"stafette/internal/message"
)

// letter is everything the mail of a lead is made of.
type letter struct {
	Enquiry
	id      ID
	portal  string
	from    message.Mailbox
	to      []message.Address
	profile Profile
	xml     []byte
	code    string // of a test lead, in the body; another one is in the XML
	mark    string // of a redelivery, a line for people
	genuine string // how the reader finds out whether the mail is genuine; "" if they cannot
	link    string // where the receiver says what arrived; "" for none
}

// draft makes the mail. Subject and labels are those that readers without XML look
// for; they must not change, whatever the language of anybody.
func (l letter) draft() message.Draft {
	d := message.Draft{
		From: l.from, Subject: l.subject(),
		Headers:     []message.Header{{Name: "X-Lead-ID", Value: l.id.String()}},
		Attachments: []message.Attachment{{Filename: l.profile.FileName, ContentType: "application/xml", Content: l.xml}},
	}
	for _, a := range l.to {
		d.To = append(d.To, message.Mailbox{Name: l.Advertiser.Name, Address: a})
	}
	if a, err := message.ParseAddress(l.Prospect.Email); err == nil {
		d.ReplyTo = []message.Mailbox{{Name: strings.TrimSpace(l.Prospect.FirstName + " " + l.Prospect.LastName), Address: a}}
	}
	d.Text = l.text()
	if l.profile.Body != Lines {
		d.HTML = l.html()
	}
	return d
}

// number is what the advertiser calls the object, else what the portal does.
func (l letter) number() string {
	if l.Object.AdvertiserRef != "" {
		return l.Object.AdvertiserRef
	}
	return l.Object.PortalID
}

func (l letter) subject() string {
	about := join(", ", l.Object.Title, l.Object.City)
	s := "Objekt " + l.number()
	if about != "" {
		s += " (" + about + ")"
	}
	if l.Test {
		s += " – Test-Kontaktanfrage"
	}
	return s
}

func join(with string, parts ...string) string {
	var there []string
	for _, p := range parts {
		if p != "" {
			there = append(there, p)
		}
	}
	return strings.Join(there, with)
}

// row is a labelled value; id is Propstack's name of it.
type row struct{ label, value, id string }

func (l letter) rows() []row {
	p := l.Prospect
	return []row{
		{"Anrede", p.Salutation, "client_salutation"}, {"Vorname", p.FirstName, "client_first_name"}, {"Nachname", p.LastName, "client_last_name"},
		{"Firma", p.Company, ""}, {"Straße", p.Street, ""}, {"PLZ", p.PostalCode, ""}, {"Ort", p.City, ""},
		{"Telefon", p.Phone, "client_phone"}, {"Mobil", p.Mobile, ""}, {"Fax", p.Fax, ""}, {"E-Mail", p.Email, "client_email"},
		{"Bevorzugter Kontakt", words(p.Preferred), ""}, {"Wunsch", words(p.Wishes), ""},
	}
}

func words[S ~string](list []S) string {
	names := map[string]string{
		string(openimmo.ByEmail): "E-Mail", string(openimmo.ByPhone): "Telefon", string(openimmo.ByMobile): "Mobil", string(openimmo.ByFax): "Fax", string(openimmo.ByLetter): "Brief",
		string(openimmo.Viewing): "Besichtigung", string(openimmo.Call): "Anruf", string(openimmo.Details): "Weitere Unterlagen",
	}
	var out []string
	for _, v := range list {
		out = append(out, names[string(v)])
	}
	return strings.Join(out, ", ")
}

const remarks = "Anmerkungen/Fragen des Interessenten"

func (l letter) text() string {
	var b strings.Builder
	b.WriteString(l.markText())
	if l.profile.Body == Lines {
		fmt.Fprintf(&b, "Kontaktanfrage\n\nAnbieter-Objekt-ID: %s\n", l.number())
	} else {
		fmt.Fprintf(&b, "Kontaktanfrage zu Objekt %s\n\n", l.number())
	}
	for _, r := range l.about() {
		fmt.Fprintf(&b, "%s: %s\n", r.label, r.value)
	}
	b.WriteString("\n")
	for _, r := range l.rows() {
		if r.value == "" {
			continue
		}
		if l.profile.Body == Lines && r.label == "Telefon" {
			r.label = "Telefon-Nummer"
		}
		fmt.Fprintf(&b, "%s: %s\n", r.label, r.value)
	}
	label := remarks
	if l.profile.Body == Lines {
		label = "Anmerkungen"
	}
	fmt.Fprintf(&b, "\n%s:\n%s\n", label, l.Message)
	b.WriteString("\n-- \n" + l.foot())
	return b.String()
}

// about is the object in labelled values.
func (l letter) about() (rows []row) {
	for _, r := range []row{{"Titel", l.Object.Title, ""}, {"Ort", join(", ", l.Object.Street, l.Object.City), ""}, {"Exposé", l.Object.URL, ""}} {
		if r.value != "" {
			rows = append(rows, r)
		}
	}
	return rows
}

func (l letter) foot() string {
	s := "Diese Kontaktanfrage kam über " + l.portal + ". Die Angaben liegen als XML-Datei bei. Nummer: " + l.id.String() + "\n"
	if l.genuine != "" {
		s += "Ist diese E-Mail echt? " + l.genuine + "\n"
	}
	if l.Test {
		s += "Dies ist eine Test-Kontaktanfrage, kein:e echte:r Interessent:in. Prüfcode im Text: " + l.code + ". Ein zweiter Code steht in der XML-Datei im Feld „anfrage“.\n"
	}
	switch {
	case l.link == "":
	case l.Test:
		s += "Bitte bestätigen Sie, was angekommen ist: " + l.link + "\n"
	default:
		s += "Fehlt etwas, oder ist die XML-Datei beschädigt? Bitte hier melden: " + l.link + "\n"
	}
	return s
}

func (l letter) html() string {
	var b strings.Builder
	esc := html.EscapeString
	b.WriteString(`<!DOCTYPE html><html lang="de"><head><meta charset="utf-8"><title>` + esc(l.subject()) + `</title></head>` +
		`<body style="font-family:sans-serif;color:#1c2430;line-height:1.5">` + l.markHTML() + `<h1 style="font-size:18px">Kontaktanfrage zu Objekt ` + esc(l.number()) + `</h1>`)
	table := func(rows []row) {
		b.WriteString(`<table role="presentation" cellpadding="4">`)
		for _, r := range rows {
			if r.value == "" {
				continue
			}
			value := esc(r.value)
			if l.profile.Body == Propstack {
				value = marked(r)
			}
			b.WriteString(`<tr><td>` + r.label + `:</td><td>` + value + `</td></tr>`)
		}
		b.WriteString(`</table>`)
	}
	table(l.about())
	if l.profile.Body == Propstack {
		b.WriteString(`<div id="ps-kontaktanfrage">`)
	}
	table(l.rows())
	message := strings.ReplaceAll(esc(l.Message), "\n", "<br>\n")
	if l.profile.Body == Propstack {
		message = `<span id="body">` + message + `</span>`
	}
	b.WriteString(`<p>` + remarks + `:<br>` + message + `</p>`)
	if l.profile.Body == Propstack {
		b.WriteString(`</div>`)
	}
	foot := strings.ReplaceAll(esc(strings.TrimSpace(l.foot())), "\n", "<br>\n")
	if l.link != "" {
		foot = strings.Replace(foot, esc(l.link), `<a href="`+esc(l.link)+`">`+esc(l.link)+`</a>`, 1)
	}
	b.WriteString(`<p style="color:#5b6676;font-size:13px">` + foot + `</p></body></html>`)
	return b.String()
}

// marked is the value, escaped, in the element that Propstack reads it from. It knows
// two salutations.
func marked(r row) string {
	v := r.value
	if r.id == "client_salutation" {
		switch v {
		case "Herr":
			v = "mr"
		case "Frau":
			v = "ms"
		default:
			r.id = ""
		}
	}
	if r.id == "" {
		return html.EscapeString(v)
	}
	return `<span id="` + r.id + `">` + html.EscapeString(v) + `</span>`
}
