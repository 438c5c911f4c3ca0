package demo

import (
	"fmt"

	"stafette/internal/approval"
	"stafette/internal/audience"
)

// ListsPath is where the mailbox page hands out sample lists, as files to import. The files
// stand in the folder assets/lists.
const ListsPath = "/assets/lists/"

// Sample is a group of a business with what the business says of it and what the reviewer
// decides. The groups of the estate agency stand in Lists and Origin.
type Sample struct {
	Domain string // of the Business
	List
	Said     approval.Submission
	Decision approval.Decision
	Reason   string // of the decision, read by the account
}

// Samples are a group of the studio with an open question and one of the wine merchant that
// is rejected.
func Samples() ([]Sample, error) {
	list := []Sample{{
		Domain: studioDomain, List: List{Group: audience.Group{Name: "Kurswünsche", Description: "Wer über neue Kurse lesen möchte", Kind: audience.Static},
			File: "kurswuensche.csv", Source: "Karten im Studio, am Empfang ausgefüllt"},
		Said: approval.Submission{Read: true, Contact: approval.Contact{Name: "Lea Öztürk", Email: "lea@" + studioDomain}, Sources: []approval.Source{{
			Kind: approval.Written, Count: 24, Description: "Karten, die Teilnehmende nach der Probestunde ausfüllen und unterschreiben.",
			Answers: map[string]string{"occasion": "Probestunden im Herbst 2026", "keeper": "Ordner am Empfang"},
		}}},
		Decision: approval.DecideQuestion, Reason: "Welchem Text haben die Personen zugestimmt? Bitte den Wortlaut und den Zeitraum, in dem er galt.",
	}, {
		Domain: wineDomain, List: List{Group: audience.Group{Name: "Gastronomie Hamburg", Description: "Restaurants, denen wir schreiben wollten", Kind: audience.Static},
			File: "gastronomie-hamburg.csv", Source: "Bei einem Adresshändler gekauft"},
		Said: approval.Submission{Read: true, Contact: approval.Contact{Name: "Ines Ahrens", Email: "ines@" + wineDomain}, Sources: []approval.Source{{
			Kind: approval.Written, Count: 30, Description: "Eine Liste von Restaurants, im Oktober 2026 bei einem Adresshändler gekauft.",
			Answers: map[string]string{"occasion": "Kauf im Oktober 2026", "keeper": "Der Händler"},
		}}},
		Decision: approval.DecideReject, Reason: "Die Adressen stammen von einem Dritten. Nächster Schritt: eigenes Anmeldeformular; wir richten es gern mit Ihnen ein.",
	}}
	for i := range list {
		text, err := assets.ReadFile("assets/lists/" + list[i].File)
		if err != nil {
			return nil, fmt.Errorf("sample list: %w", err)
		}
		list[i].Rows = string(text)
	}
	return list, nil
}
