package demo

import (
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// readersAt are the mailboxes of a provider whose mail is read by itself.
func readersAt(domain string) []message.Address {
	var list []message.Address
	for _, local := range []string{"leserin", "gmail", "apple", "firma"} {
		list = append(list, message.Address{Local: local, Domain: domain})
	}
	return list
}

// gatewaysAt are the mailboxes of a provider that a gateway looks at. Their people agreed
// as well: mail to others has nothing in it that a gateway could be seen by.
func gatewaysAt(domain string) []message.Address {
	var list []message.Address
	for _, g := range gatewaysKnown() {
		list = append(list, message.Address{Local: string(g.who), Domain: domain})
	}
	return list
}

// trackedLetters is mail whose reading the office shows: to each kind of reader, and to two
// people at once, of whom nobody can say who it was.
func trackedLetters(from message.Mailbox) []Letter {
	var list []Letter
	letter := func(subject string, to ...message.Mailbox) {
		list = append(list, Letter{tenant.Transactional, []string{"grundriss"}, message.Draft{
			From: from, To: to, Subject: subject,
			Text: "Guten Tag,\n\nder Grundriss der Wohnung 4.2: https://hafenkontor.example/speicherblock-7/wohnung-4.2/grundriss\n\nMerle Lührs\n",
			HTML: `<!doctype html><html lang="de"><body style="font-family:Arial,sans-serif;color:#13202b"><p>Guten Tag,</p>` +
				`<p><a href="https://hafenkontor.example/speicherblock-7/wohnung-4.2/grundriss">Grundriss der Wohnung 4.2</a> und <a href="https://hafenkontor.example/speicherblock-7/umgebung">die Umgebung</a>.</p>` +
				`<p>Merle Lührs, Hafenkontor Immobilien GmbH · <a href="https://hafenkontor.example/impressum">Impressum</a></p></body></html>`,
		}})
	}
	for _, a := range readersAt("posteo.example") {
		letter("Grundriss Wohnung 4.2", message.Mailbox{Address: a})
	}
	letter("Grundriss Wohnung 4.2, für Sie beide", box("Clara Leser", "leserin", "posteo.example"), box("Mira Köhler", "mira", "posteo.example"))
	return list
}
