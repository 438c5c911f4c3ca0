package demo

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"

	"stafette/internal/message"
	"stafette/internal/offer"
)

// Offer is the estate agency's offer of a building with four flats.
func Offer() offer.Content {
	return offer.Content{
		Title: "Neubauprojekt Speicherblock 7", Lead: "Vier Wohnungen im umgebauten Speicher, Baujahr 1896, bezugsfrei ab Mai 2027. Hamburg, Speicherstadt.",
		Text:    "Backstein, hohe Decken und der Blick auf das Fleet: Der Speicherblock 7 wird bis Mai 2027 zu vier Wohnungen umgebaut.\n\nJede Wohnung hat einen Balkon zum Wasser. Der Aufzug fährt in alle Geschosse.",
		From:    "Hafenkontor Immobilien <info@hafenkontor.example>",
		Figures: []offer.Figure{{Label: "Wohnfläche", Value: "61–124 m²"}, {Label: "Preis ab", Value: "412.000 €"}, {Label: "Provision", Value: "2,38 %"}},
		Units: []offer.Unit{
			{Name: "Wohnung 4.1", Area: "2 Zi · 61 m²", Price: "412.000 €"}, {Name: "Wohnung 4.2", Area: "3 Zi · 88 m²", Price: "598.000 €"},
			{Name: "Wohnung 4.3", Area: "3 Zi · 91 m²", Price: "621.000 €", State: offer.Reserved}, {Name: "Wohnung 5.1", Area: "4 Zi · 124 m²", Price: "899.000 €"},
		},
		Links:   []offer.Link{{Label: "Rundgang am Fleet", URL: "https://rundgang.example/speicherblock-7"}},
		Contact: offer.Contact{Name: "Jan Petersen", Phone: "040 555 0170", Email: "j.petersen@hafenkontor.example"},
		Legal: offer.Legal{Gate: true, Notice: withdrawalNotice, Boxes: []offer.Box{
			{Kind: offer.BoxNotice, Text: "Ich habe die Widerrufsbelehrung erhalten und gelesen.", Needed: true},
			{Kind: offer.BoxEarlyStart, Text: "Sie sollen schon vor Ablauf der Widerrufsfrist tätig werden. Ich weiß, dass mein Widerrufsrecht mit vollständiger Erfüllung erlischt.", Needed: true},
			{Kind: offer.BoxCommission, Text: "Ich weiß: Bei Kauf wird eine Provision von 2,38 % fällig.", Needed: true},
			{Kind: offer.BoxPermission, Text: "Sie dürfen mir ähnliche Angebote per E-Mail senden."},
		}},
	}
}

// withdrawalNotice is the model of the law for services (EGBGB, Art. 246a § 1, Anlage 1),
// for people who do not exist.
const withdrawalNotice = `Widerrufsrecht

Sie haben das Recht, binnen vierzehn Tagen ohne Angabe von Gründen diesen Vertrag zu widerrufen. Die Widerrufsfrist beträgt vierzehn Tage ab dem Tag des Vertragsabschlusses.

Um Ihr Widerrufsrecht auszuüben, müssen Sie uns (Hafenkontor Immobilien GmbH, Am Fleet 7, 20457 Hamburg, info@hafenkontor.example, Telefon 040 555 0170) mittels einer eindeutigen Erklärung über Ihren Entschluss, diesen Vertrag zu widerrufen, informieren. Sie können dafür auch die Funktion „Vertrag widerrufen“ auf dieser Seite benutzen.

Zur Wahrung der Widerrufsfrist reicht es aus, dass Sie die Mitteilung über die Ausübung des Widerrufsrechts vor Ablauf der Widerrufsfrist absenden.

Folgen des Widerrufs

Wenn Sie diesen Vertrag widerrufen, haben wir Ihnen alle Zahlungen, die wir von Ihnen erhalten haben, unverzüglich und spätestens binnen vierzehn Tagen zurückzuzahlen. Haben Sie verlangt, dass die Dienstleistungen während der Widerrufsfrist beginnen sollen, so haben Sie uns einen angemessenen Betrag zu zahlen, der dem Anteil der bis dahin erbrachten Dienstleistungen entspricht.`

// OfferFiles are its pictures and papers.
func OfferFiles() []offer.Upload {
	const foot = "Hafenkontor Immobilien GmbH"
	return []offer.Upload{
		{Kind: offer.Picture, Title: "Ansicht des Speicherblocks: fünf Geschosse aus Backstein am Fleet", Name: "ansicht.png", Data: elevation()},
		{Kind: offer.Expose, Title: "Exposé Speicherblock 7", Name: "Exposé Speicherblock 7.pdf", Data: sheet("Speicherblock 7", "Vier Wohnungen am Fleet", foot)},
		{Kind: offer.FloorPlan, Title: "Grundriss Wohnung 4.2", Name: "Grundriss 4.2.pdf", Data: sheet("Grundriss 4.2", "3 Zimmer, 88 m2", foot)},
		{Kind: offer.Document, Title: "Baubeschreibung", Name: "Baubeschreibung.pdf", Data: sheet("Baubeschreibung", "Speicherblock 7", foot)},
	}
}

// OfferTo are those it is made to.
func OfferTo() []message.Mailbox {
	return []message.Mailbox{box("Eva Sommer", "eva.sommer", "gmx.example"), box("Mira Köhler", "mira", "posteo.example")}
}

// elevation draws the building: sky, brick, windows and water.
func elevation() []byte {
	img := image.NewNRGBA(image.Rect(0, 0, 1280, 600))
	fill := func(x0, y0, x1, y1 int, c color.NRGBA) {
		draw.Draw(img, image.Rect(x0, y0, x1, y1), image.NewUniform(c), image.Point{}, draw.Src)
	}
	fill(0, 0, 1280, 600, color.NRGBA{R: 214, G: 226, B: 234, A: 255})
	fill(240, 124, 1040, 540, color.NRGBA{R: 150, G: 72, B: 54, A: 255})
	for y := range 60 { // the roof
		fill(216+y*2, 124-y, 1064-y*2, 125-y, color.NRGBA{R: 64, G: 74, B: 82, A: 255})
	}
	for row := range 5 {
		for column := range 7 {
			x, y := 290+column*104, 160+row*74
			fill(x, y, x+56, y+46, color.NRGBA{R: 242, G: 236, B: 214, A: 255})
			fill(x+27, y, x+30, y+46, color.NRGBA{R: 64, G: 74, B: 82, A: 255})
		}
	}
	fill(0, 540, 1280, 600, color.NRGBA{R: 74, G: 112, B: 138, A: 255})
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return nil // a picture in memory always encodes
	}
	return b.Bytes()
}
