package demo

import (
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/text/language"
)

// words are the texts of the mailbox page, German and English.
var words = map[string][2]string{
	"title":           {"Postfächer", "Mailboxes"},
	"lead":            {"So sieht es beim Empfänger aus. Simulierte Anbieter, alles auf diesem Rechner.", "What recipients see. Simulated providers, all on this machine."},
	"all":             {"Alle Postfächer", "All mailboxes"},
	"none":            {"Noch keine E-Mail", "No mail yet"},
	"none.hint":       {"Senden Sie etwas an eine Adresse dieser Anbieter. Die E-Mail erscheint hier von selbst.", "Send something to an address at one of these providers. It appears here by itself."},
	"box.none":        {"noch leer", "still empty"},
	"from":            {"Von", "From"},
	"subject":         {"Betreff", "Subject"},
	"to":              {"Postfach", "Mailbox"},
	"at":              {"Eingang", "Received"},
	"nosubject":       {"(kein Betreff)", "(no subject)"},
	"gone":            {"Diese E-Mail gibt es nicht mehr.", "This e-mail is gone."},
	"dkim":            {"Signatur (DKIM)", "Signature (DKIM)"},
	"dkim.none":       {"Nicht signiert", "Not signed"},
	"pass":            {"gültig", "valid"},
	"fail":            {"ungültig", "invalid"},
	"temperror":       {"nicht prüfbar", "cannot be checked"},
	"permerror":       {"fehlerhaft", "broken"},
	"transport":       {"Übertragung", "Transport"},
	"plain":           {"unverschlüsselt", "not encrypted"},
	"sender":          {"Umschlag-Absender", "Envelope sender"},
	"server":          {"Eingeliefert von", "Delivered by"},
	"files":           {"Anhänge", "Attachments"},
	"view.html":       {"Ansicht", "View"},
	"view.text":       {"Nur Text", "Text only"},
	"headers":         {"Kopfzeilen", "Headers"},
	"source":          {"Quelltext", "Source"},
	"problems":        {"Auffälligkeiten", "Oddities"},
	"back":            {"Zurück zur Liste", "Back to the list"},
	"servers":         {"Mailserver der Makler", "Estate agents' servers"},
	"servers.lead":    {"Hier sind Sie die IT der Makler: Wer auf der Liste steht, wird eingelassen wie bisher.", "Here you are the estate agents' IT: whoever is on the list is let in as ever."},
	"servers.refuses": {"Weist E-Mails von allen anderen Adressen ab.", "Refuses mail from all other addresses."},
	"servers.strips":  {"Entfernt aus E-Mails von allen anderen Adressen die XML-Datei.", "Takes the XML file out of mail from all other addresses."},
	"servers.none":    {"Keine Adresse eingetragen.", "No address entered."},
	"servers.address": {"Absender-IP-Adresse", "Sending address"},
	"servers.admit":   {"Eintragen", "Add"},
	"servers.forget":  {"Entfernen", "Remove"},
	"servers.wrong":   {"Das ist keine IP-Adresse.", "This is not an IP address."},
	"skip":            {"Zum Inhalt", "Skip to content"},
	"other":           {"English", "Deutsch"},
	"other.code":      {"en", "de"},
	"provider.of":     {"Anbieter", "Provider"},
	"read":            {"Diese E-Mail lesen als", "Read this e-mail as"},
	"read.person":     {"Mensch (öffnet und klickt)", "a person (opens and clicks)"},
	"read.gmail":      {"Gmail-Bilderdienst", "Gmail's image proxy"},
	"read.apple":      {"Apple Mail (lädt vor)", "Apple Mail (prefetch)"},
	"read.scanner":    {"Schutzprogramm (folgt jedem Link)", "a scanner (follows every link)"},
	"read.safelinks":  {"Microsoft SafeLinks (nennt sich Browser)", "Microsoft SafeLinks (calls itself a browser)"},
	"read.proofpoint": {"Proofpoint", "Proofpoint"},
	"read.mimecast":   {"Mimecast (lädt auch Bilder)", "Mimecast (loads pictures too)"},
	"read.barracuda":  {"Barracuda (fragt erst, ob es den Link gibt)", "Barracuda (asks first whether the link is there)"},
	"read.cisco":      {"Cisco", "Cisco"},
	"read.done":       {"Gelesen. Im Büro steht, was davon zu sehen ist.", "Read. The office shows what can be seen of it."},
	"read.open":       {"Mit Bildern öffnen", "Open with pictures"},
}

// translate returns a text in "de" or "en"; an unknown key shows itself.
func translate(lang, key string) string {
	w, ok := words[key]
	switch {
	case !ok:
		return key
	case lang == "en":
		return w[1]
	}
	return w[0]
}

// languageOf picks German unless the reader prefers English; ?lang= decides first.
func languageOf(query, accept string) string {
	if query == "de" || query == "en" {
		return query
	}
	tags, _, err := language.ParseAcceptLanguage(accept)
	if err != nil || len(tags) == 0 {
		return "de"
	}
	_, i, _ := language.NewMatcher([]language.Tag{language.German, language.English}).Match(tags...)
	return []string{"de", "en"}[i]
}

// requestLanguage remembers an answer to ?lang= in the page's links only.
func requestLanguage(r *http.Request) string {
	return languageOf(r.URL.Query().Get("lang"), r.Header.Get("Accept-Language"))
}

// size writes a number of bytes for people.
func size(lang string, n int) string {
	unit, v := "kB", float64(n)/1000
	if v >= 1000 {
		unit, v = "MB", v/1000
	}
	text := fmt.Sprintf("%.1f", v)
	if lang != "en" {
		text = strings.Replace(text, ".", ",", 1)
	}
	return text + " " + unit
}
