package demo

import (
	"fmt"
	"strings"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/message"
)

// Viewings is the group of the estate agency that is approved in the demo, the people in it
// and what is said of them.
func Viewings() (audience.Group, []audience.Contact, approval.Submission) {
	given := strings.Fields("Anna Ben Clara David Emma Felix Greta Hans Ida Jonas Karla Jürgen")
	domains := strings.Fields("gmx.example t-online.example posteo.example")
	var people []audience.Contact
	for i, name := range given {
		people = append(people, audience.Contact{GivenName: name, FamilyName: "Beispiel", Salutation: "Guten Tag", Locale: "de",
			Addresses: []message.Address{{Local: fmt.Sprintf("besichtigung.%d", i+1), Domain: domains[i%len(domains)]}}})
	}
	return audience.Group{Name: "Besichtigungen", Description: "Wer eine Wohnung besichtigt und der Rundmail zugestimmt hat", Kind: audience.Static}, people,
		approval.Submission{Read: true, Contact: approval.Contact{Name: "Merle Lührs", Email: "m.luehrs@hafenkontor.example"}, Sources: []approval.Source{{
			Kind: approval.Written, Count: len(people), Description: "Karten, die bei der Besichtigung ausgefüllt und unterschrieben werden.",
			Answers: map[string]string{"occasion": "Besichtigungen im Oktober 2026", "keeper": "Ordner im Büro"},
		}}}
}

// Willing are those of Viewings who agreed to be told of, with the words they agreed to. Each
// is read by somebody, or something (readerOf); what the others do is counted alone.
func Willing() ([]message.Address, string) {
	_, people, _ := Viewings()
	var list []message.Address
	for _, one := range people {
		if a := one.Main(); readerOf(a.String()) != "" {
			list = append(list, a)
		}
	}
	return list, "Ja, Hafenkontor darf sehen, ob ich die Rundmail lese und was mich darin interessiert. Das kann ich jederzeit beenden."
}

// Abroad is the estate agency's mailing that goes out at a local time of each recipient.
func Abroad() campaign.Campaign {
	return campaign.Campaign{Name: "Videorundgang zur Ortszeit", Letter: agencyLetter("{{given_name}}, der Rundgang von zu Hause aus", "durch die Musterwohnung können Sie jetzt auch im Video gehen, wo immer Sie gerade wohnen.")}
}

// agencyLetter is one of the estate agency's, with its foot.
func agencyLetter(subject, text string) campaign.Letter {
	return campaign.Letter{From: "Hafenkontor Immobilien <brief@hafenkontor.example>", Subject: subject,
		HTML: "<p>{{salutation}} {{given_name}},</p><p>" + text + "</p><p><a href=\"https://www.hafenkontor.example/speicherstadt\">Zum Projekt</a></p>" +
			"<p style=\"color:#555\">Hafenkontor Immobilien GmbH, Am Sandtorkai 1, 20457 Hamburg · <a href=\"{{unsubscribe_url}}\">Abmelden</a></p>"}
}

// Mailings are the estate agency's: the first one is sent, the others are drafts.
func Mailings() []campaign.Campaign {
	open := agencyLetter("Einladung für {{given_name}}", "am 6. Dezember zeigen wir die Musterwohnung, von 11 bis 16 Uhr.")
	open.Other.Subject = "{{given_name}}, die Musterwohnung ist offen"
	return []campaign.Campaign{
		{Name: "Speicherstadt: Baubeginn", Letter: agencyLetter("{{given_name}}, in der Speicherstadt wird gebaut", "der erste Bauabschnitt hat begonnen. Die Grundrisse der Wohnungen stehen jetzt im Netz.")},
		{Name: "Tag der offenen Tür", Letter: open, Trial: campaign.Trial{Share: 50, Hours: 4}},
	}
}
