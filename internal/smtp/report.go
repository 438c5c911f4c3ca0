package smtp

import "stafette/internal/message"

// reportsOf queues the parameters of MAIL that speak of reports (RFC 3461, 4.3, 4.4).
// What no server should see is left out: it is the mail that counts.
func (w *wire) reportsOf(m *Mail) {
	if m.Return.Valid() && m.Return != "" {
		w.text(" RET=")
		w.text(string(m.Return))
	}
	if m.EnvelopeID != "" && message.CheckEnvelopeID(m.EnvelopeID) == nil {
		w.text(" ENVID=")
		w.text(message.XText(m.EnvelopeID))
	}
}

// reportsTo queues those of RCPT (RFC 3461, 4.1, 4.2). A client that said nothing is
// not spoken for: the server then does as it would without us.
func (w *wire) reportsTo(m *Mail) {
	if m.Notify.Asked() && m.Notify.Valid() {
		w.text(" NOTIFY=")
		w.text(m.Notify.String())
	}
	if !m.OriginalRecipient.IsZero() {
		w.text(" ORCPT=")
		w.text(m.OriginalRecipient.Parameter())
	}
}
