package demo

import "stafette/internal/approval"

// SignupGroup is the group that people join who sign up in the demo.
const SignupGroup = "Newsletter Neubau"

// Origin is what the estate agency says of one of its groups, and what the reviewer asks
// then, "" for nothing; ok is false for groups it has said nothing of.
func Origin(group string) (sub approval.Submission, ask string, ok bool) {
	contact := approval.Contact{Name: "Merle Lührs", Email: "m.luehrs@hafenkontor.example"}
	switch group {
	case SignupGroup:
		return approval.Submission{Read: true, Contact: contact, Sources: []approval.Source{{
			Kind: approval.DoubleOptIn, FormURL: "https://www.hafenkontor.example/neubau-brief", Count: 400,
			Description: "Formular in der Fußzeile der Website, seit 2024, mit Bestätigung per E-Mail.",
			Answers:     map[string]string{"since": "Mai 2024", "wording": "Ich möchte den Neubau-Brief erhalten.", "confirmation": "Link in einer E-Mail"},
		}}}, "", true
	case "Messekontakte 2019":
		return approval.Submission{Read: true, Contact: contact, Sources: []approval.Source{{
			Kind: approval.Written, Count: 140, Description: "Karten, die Besucher am Stand ausgefüllt haben.",
			Answers: map[string]string{"occasion": "Immobilienmesse 2019", "keeper": "Ordner im Büro"},
		}}}, "Die Karten sind von 2019. Wurde seither an diese Personen geschrieben, und was stand auf der Karte? Bitte ein Muster hochladen.", true
	}
	return approval.Submission{}, "", false
}
