package demo

import (
	"stafette/internal/lead"
	"stafette/internal/lead/leadcase"
	"stafette/internal/lead/leadform"
	"stafette/internal/lead/openimmo"
	"stafette/internal/message"
)

// Advertisers are those who receive leads through the estate agency's portal; the first
// and the last have servers of their own, see Options.Admitted.
func Advertisers() []lead.Advertiser {
	return []lead.Advertiser{
		{ID: "4711", Name: "Makler Brandt", Emails: []message.Address{{Local: "anfragen", Domain: brandtDomain}}, Profile: lead.ProfileOf("onoffice")},
		{ID: "4712", Name: "Elbufer Wohnen", Emails: []message.Address{{Local: "unbekannt", Domain: "t-online.example"}}, Profile: lead.ProfileOf("propstack")},
		{ID: "4713", Name: "Alsterblick Immobilien", Emails: []message.Address{{Local: "anfragen", Domain: alsterDomain}}, Profile: lead.ProfileOf("flowfact")},
	}
}

// Enquiries are leads to them: two that arrive, one that is refused, a test, and one that
// may be spam.
func Enquiries() []lead.Enquiry {
	house := openimmo.Object{PortalID: "P123", AdvertiserRef: "MA-1024", Title: "Haus am Fleet", City: "Hamburg", Marketing: []string{"KAUF"}}
	flat := openimmo.Object{PortalID: "P124", AdvertiserRef: "EW-7", Title: "Wohnung am Elbufer", City: "Hamburg", Marketing: []string{"MIETE_PACHT"}}
	eva := openimmo.Prospect{Salutation: "Frau", FirstName: "Eva", LastName: "Sommer", Email: "eva.sommer@gmx.example", Phone: "040 5550 1234",
		Preferred: []openimmo.Channel{openimmo.ByEmail}, Wishes: []openimmo.Wish{openimmo.Viewing}}
	karl := openimmo.Prospect{Salutation: "Herr", FirstName: "Karl", LastName: "Brandt", Email: "karl.brandt@t-online.example"}
	loft := openimmo.Object{PortalID: "P125", AdvertiserRef: "AB-3", Title: "Loft an der Alster", City: "Hamburg", Marketing: []string{"MIETE_PACHT"}}
	return []lead.Enquiry{
		{Advertiser: lead.AdvertiserRef{ID: "4711"}, Object: house, Prospect: eva, Message: "Guten Tag,\nist das Haus noch frei? Am Samstag hätte ich Zeit."},
		{Advertiser: lead.AdvertiserRef{ID: "4712"}, Object: flat, Prospect: karl, Message: "Ich suche ab März. Sind Haustiere erlaubt?"},
		{Advertiser: lead.AdvertiserRef{ID: "4713"}, Object: loft, Prospect: eva, Message: "Ab wann ist das Loft frei?"},
		{Advertiser: lead.AdvertiserRef{ID: "4711"}, Object: house, Prospect: openimmo.Prospect{FirstName: "Test", LastName: "Kontaktanfrage", Phone: "+49 30 23125000"}, Message: "Dies ist eine Test-Kontaktanfrage.", Test: true},
		{Advertiser: lead.AdvertiserRef{ID: "4711"}, Object: house, Prospect: openimmo.Prospect{LastName: "Gewinn", Email: "gewinn@gmx.example"},
			Message: "Nur heute: http://a.example http://b.example http://c.example http://d.example", Suspicion: leadform.SuspectLinks},
	}
}

// EnquiryForms are those through which prospects ask the estate agents with servers of
// their own, about the house and about the loft.
func EnquiryForms() []leadform.Form {
	form := func(advertiser, ref, title string) leadform.Form {
		return leadform.Form{
			Name: title, Active: true, Advertiser: advertiser, Object: openimmo.Object{AdvertiserRef: ref, Title: title, City: "Hamburg"},
			Fields: map[leadform.Field]leadform.Need{"salutation": leadform.Optional, "first_name": leadform.Mandatory, "last_name": leadform.Mandatory, leadform.Email: leadform.Mandatory,
				leadform.Phone: leadform.Optional, leadform.Wish: leadform.Optional, leadform.Message: leadform.Optional},
			Notice: "Verantwortlich: Hafenkontor Immobilien GmbH.\n\nWir geben Ihre Anfrage an den Anbieter des Objekts weiter (Art. 6 Abs. 1 Buchst. b DSGVO) und löschen sie nach sechs Wochen.\n\nSie können Auskunft, Berichtigung und Löschung verlangen und sich bei einer Aufsichtsbehörde beschweren.",
		}
	}
	return []leadform.Form{form("4711", "MA-1024", "Haus am Fleet"), form("4713", "AB-3", "Loft an der Alster")}
}

// Complaint is what the advertiser whose server refuses says about a lead.
func Complaint(l lead.Lead) leadcase.Report {
	return leadcase.Report{Kind: leadcase.Missing, Lead: &l, Advertiser: l.Advertiser, Text: "Laut Portal kam gestern eine Anfrage, bei uns ist nichts angekommen."}
}
