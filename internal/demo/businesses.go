package demo

import (
	"context"
	"fmt"
	"slices"

	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

// Business is a sample tenant.
type Business struct {
	Name, Domain string
	OfficeTone   tenant.Tone
	CustomerTone tenant.Tone
	People       []Person
	Letters      []Letter
	// Tracks is what the business allows; the zero value leaves what every one begins with.
	// Agreed are the recipients who agreed to it, with the words of Consent.
	Tracks  tracking.Setting
	Agreed  []message.Address
	Consent string
	// Imprint and Contact are who answers for the business.
	Imprint, Contact string
}

// Person is somebody who signs in to the office of a Business.
type Person struct {
	Name, Email, Password string
	Role                  tenant.Role
}

// Letter is a message a Business has to send.
type Letter struct {
	Stream tenant.Stream
	Tags   []string
	Draft  message.Draft
}

// Record is a TXT record to publish.
type Record struct{ Name, Value string }

// Seeder is what the platform does for the sample businesses.
type Seeder interface {
	// Found creates the tenant with its people and its domain, trusted without a
	// look at the DNS, and returns the DKIM records to publish.
	Found(ctx context.Context, b Business) ([]Record, error)
	// Send submits a letter through the platform's ordinary entrance.
	Send(ctx context.Context, b Business, l Letter) error
}

// Seed founds the sample businesses, publishes their keys and sends their letters.
func (w *World) Seed(ctx context.Context, s Seeder) error {
	for _, b := range append(Businesses(), office()) {
		records, err := s.Found(ctx, b)
		if err != nil {
			return fmt.Errorf("found %s: %w", b.Name, err)
		}
		for _, r := range records {
			w.Publish(r.Name, r.Value)
		}
		for _, l := range b.Letters {
			if err := s.Send(ctx, b, l); err != nil {
				return fmt.Errorf("send %q for %s: %w", l.Draft.Subject, b.Name, err)
			}
		}
	}
	return nil
}

// OfficeAddress is where the platform of this world writes to its own people from.
const OfficeAddress = "Stafette <konto@stafette.example>"

// office is the account through which it does so. Nobody signs in to it.
func office() Business {
	return Business{Name: "Stafette", Domain: "stafette.example", OfficeTone: tenant.Sie, CustomerTone: tenant.Sie}
}

// Businesses returns the sample businesses: an estate agency that says Sie, a yoga studio
// that says du, and a wine merchant whose group is rejected. Their passwords are printed by
// the demo and protect nothing.
func Businesses() []Business { return []Business{agency(), studio(), merchant()} }

// The domains of the businesses that Samples gives groups to.
const (
	studioDomain = "yoga-am-kanal.example"
	wineDomain   = "weinkontor.example"
)

func box(name, local, domain string) message.Mailbox {
	return message.Mailbox{Name: name, Address: message.Address{Local: local, Domain: domain}}
}

func agency() Business {
	const domain = "hafenkontor.example"
	viewing := box("Hafenkontor Immobilien", "besichtigung", domain)
	office := box("Hafenkontor Immobilien", "info", domain)
	jan := box("Jan Petersen", "j.petersen", domain)
	brochure := message.Attachment{
		Filename: "Exposé Speicherblock 7.pdf", ContentType: "application/pdf",
		Content: sheet("Speicherblock 7", "4 Zimmer, 112 m2, Blick auf den Hafen", "Hafenkontor Immobilien GmbH"),
	}
	return Business{
		Name: "Hafenkontor Immobilien GmbH", Domain: domain, OfficeTone: tenant.Sie, CustomerTone: tenant.Sie,
		Imprint: "Hafenkontor Immobilien GmbH\nKaistraße 1, 20457 Hamburg\nGeschäftsführer: Jan Petersen", Contact: "040 555 0170",
		People: []Person{
			{"Jan Petersen", "j.petersen@" + domain, "hafen-und-kontor", tenant.Owner},
			{"Merle Lührs", "m.luehrs@" + domain, "speicher-block-7", tenant.Office},
		},
		Tracks: tracking.Setting{Level: tracking.Individual, Basis: tracking.BasisConsent,
			Justification: "Wir rufen zurück, wenn jemand ein Exposé geöffnet hat. Ohne die Auswertung wissen wir nicht, ob es ankam; im Formular steht dazu ein eigenes Kästchen."},
		Agreed:  slices.Concat(readersAt("posteo.example"), gatewaysAt("posteo.example"), []message.Address{{Local: "mira", Domain: "posteo.example"}}),
		Consent: "Ja, Hafenkontor darf sehen, ob und wann ich Exposés öffne. Das kann ich jederzeit beenden.",
		Letters: append([]Letter{
			{tenant.Transactional, []string{"besichtigung"}, message.Draft{
				From: viewing, ReplyTo: []message.Mailbox{jan},
				To:      []message.Mailbox{box("Eva Sommer", "eva.sommer", "gmx.example"), box("Karl Brandt", "karl.brandt", "t-online.example"), box("Miriam Voss", "m.voss", typoDomain)},
				Subject: "Besichtigung am Samstag, 11 Uhr",
				Text:    "Guten Tag,\n\nwir treffen uns am Samstag um 11 Uhr vor dem Speicherblock 7. Bitte bringen Sie festes Schuhwerk mit, im Treppenhaus wird noch gebaut.\n\nMit freundlichen Grüßen\nJan Petersen\nHafenkontor Immobilien GmbH\n",
			}},
			{tenant.Transactional, []string{"expose"}, message.Draft{
				From: office, To: []message.Mailbox{box("Mira Köhler", "mira", "posteo.example")},
				Subject:     "Ihr Exposé: Speicherblock 7, 4 Zimmer",
				Text:        "Guten Tag Frau Köhler,\n\nanbei das gewünschte Exposé.\n\nMit freundlichen Grüßen\nMerle Lührs\n",
				HTML:        letterHTML("Ihr Exposé", "Guten Tag Frau Köhler,", "anbei das gewünschte Exposé zum Speicherblock 7: vier Zimmer, 112 m², Blick auf den Hafen.", "Merle Lührs · Hafenkontor Immobilien GmbH", "#14487f"),
				Attachments: []message.Attachment{brochure},
			}},
			{tenant.Transactional, []string{"expose"}, message.Draft{
				From: office, To: []message.Mailbox{box("", "unbekannt", "gmx.example")},
				Subject: "Ihre Anfrage vom Wochenende", Text: "Guten Tag,\n\nvielen Dank für Ihre Anfrage. Das Exposé finden Sie im Anhang.\n",
				Attachments: []message.Attachment{brochure},
			}},
			{tenant.Lead, []string{"portal"}, message.Draft{
				From: office, To: []message.Mailbox{box("Team Verkauf", "spaeter", "posteo.example")},
				Subject:     "Objekt SB-7 (Speicherblock 7)",
				Text:        "Nachname: Groß\nVorname: Thomas\nTelefon: 040 5550 1234\n\nAnmerkungen/Fragen des Interessenten:\nIst ein Stellplatz dabei?\n",
				Attachments: []message.Attachment{{Filename: "kontaktanfrage.xml", ContentType: "application/xml", Content: []byte(enquiry)}},
			}},
			{tenant.Transactional, []string{"vertrag"}, message.Draft{
				From: office, To: []message.Mailbox{box("Ole Wendt", "spaeter-zurueck", "posteo.example")},
				Subject: "Reservierung Wohnung 2.4", Text: "Guten Tag Herr Wendt,\n\nwir haben die Wohnung bis Freitag für Sie reserviert.\n\nMit freundlichen Grüßen\nMerle Lührs\n",
			}},
			{tenant.Reminder, []string{"termin"}, message.Draft{
				From: viewing, To: []message.Mailbox{box("Eva Sommer", "eva.sommer", "gmx.example")},
				Subject: "Erinnerung: morgen um 11 Uhr", Text: "Guten Tag Frau Sommer,\n\nwir freuen uns auf morgen, 11 Uhr, Speicherblock 7.\n",
			}},
		}, trackedLetters(office)...),
	}
}

// enquiry is what the software of an estate agent reads; no lead leaves without.
const enquiry = `<?xml version="1.0" encoding="UTF-8"?>
<openimmo_feedback>
  <version>1.2.7</version>
  <sender><name>Hafenkontor Immobilien</name><datum>2026-11-20</datum><makler_id>1</makler_id></sender>
  <objekt>
    <oobj_id>SB-7</oobj_id><vermarktungsart>KAUF</vermarktungsart><bezeichnung>Speicherblock 7</bezeichnung><ort>Hamburg</ort>
    <interessent><int_id>L-2214</int_id><vorname>Thomas</vorname><nachname>Groß</nachname><tel>040 5550 1234</tel><anfrage>Ist ein Stellplatz dabei?</anfrage></interessent>
  </objekt>
</openimmo_feedback>
`

func studio() Business {
	const domain = studioDomain
	post := box("Yoga am Kanal", "post", domain)
	return Business{
		Name: "Yoga am Kanal", Domain: domain, OfficeTone: tenant.Du, CustomerTone: tenant.Du,
		People: []Person{{"Lea Öztürk", "lea@" + domain, "hund-und-kobra", tenant.Owner}},
		Letters: []Letter{
			{tenant.Transactional, []string{"kurs"}, message.Draft{
				From: post, To: []message.Mailbox{box("Mira", "mira", "posteo.example")},
				Subject: "Du bist dabei: Yoga für den Rücken ab 5. Januar",
				HTML:    letterHTML("Schön, dass du dabei bist", "Hallo Mira,", "dein Platz im Kurs „Yoga für den Rücken“ ist fest. Wir beginnen am 5. Januar um 18 Uhr.", "Lea · Yoga am Kanal", "#166849"),
			}},
			{tenant.Reminder, []string{"kurs"}, message.Draft{
				From: post, To: []message.Mailbox{box("Jonas", "jonas", "gmx.example")},
				Subject: "Heute Abend, 18 Uhr", Text: "Hallo Jonas,\n\nbis gleich auf der Matte!\n\nLea\n",
			}},
			{tenant.Transactional, []string{"rechnung"}, message.Draft{
				From: post, To: []message.Mailbox{box("Ayşe", "voll", "posteo.example")},
				Subject: "Deine Rechnung für November", Text: "Hallo Ayşe,\n\nanbei deine Rechnung.\n\nLea\n",
				Attachments: []message.Attachment{{Filename: "Rechnung-2026-118.pdf", ContentType: "application/pdf", Content: sheet("Rechnung 2026-118", "Zehnerkarte: 140,00 Euro", "Yoga am Kanal")}},
			}},
		},
	}
}

func merchant() Business {
	post := box("Weinkontor Ahrens", "bestellung", wineDomain)
	return Business{
		Name: "Weinkontor Ahrens", Domain: wineDomain, OfficeTone: tenant.Sie, CustomerTone: tenant.Sie,
		People: []Person{{"Ines Ahrens", "ines@" + wineDomain, "kork-und-keller", tenant.Owner}},
		Letters: []Letter{{tenant.Transactional, []string{"bestellung"}, message.Draft{
			From: post, To: []message.Mailbox{box("Karl Brandt", "karl.brandt", "t-online.example")},
			Subject: "Ihre Bestellung ist unterwegs", Text: "Guten Tag Herr Brandt,\n\nIhre sechs Flaschen Riesling sind heute abgeschickt worden.\n\nMit freundlichen Grüßen\nInes Ahrens\n",
		}}},
	}
}
