package lead

import (
	"context"
	"crypto/sha256"
	"fmt"
	"html"
	"time"

	"stafette/internal/fault"
	"stafette/internal/message"
)

// Redelivery says how the mail of a lead is made once more.
type Redelivery struct {
	// ID will be that of the message; the foot of the mail has its code. Zero: it has none.
	ID   message.ID
	To   message.Address // the one it goes to
	Mark string          // stands before the subject
	// Origin names the mail that is repeated, in a header; References names it, too.
	Origin message.Header
	// First is when the lead was taken, on the clock that people read.
	First time.Time
}

// CodeXMLChanged is a lead whose XML can no longer be made as it was sent.
const CodeXMLChanged = "lead_xml_changed"

// Rewrite makes the mail of a lead once more: with the same number and the same XML, to
// the byte, and with a mark that people see. A lead whose content is gone is NotFound
// "lead_gone".
func (s *Service) Rewrite(ctx context.Context, l Lead, r Redelivery) (message.Draft, error) {
	k, err := s.open(l)
	if err != nil {
		return message.Draft{}, err
	}
	w, err := s.write(ctx, l, k)
	if err != nil {
		return message.Draft{}, err
	}
	if l.XML != ([32]byte{}) && sha256.Sum256(w.xml) != l.XML {
		return message.Draft{}, fault.New(fault.Conflict, CodeXMLChanged, "The XML is not the one that was sent.")
	}
	if s.c.Genuine != nil && !r.ID.IsZero() {
		w.genuine = s.c.Genuine(l.Tenant, r.ID)
	}
	w.to = []message.Address{r.To}
	w.mark = fmt.Sprintf("Nachlieferung: ursprünglich vom %s, %s Uhr. Nummer %s. Ist sie schon im CRM, bitte übergehen.",
		r.First.Format("02.01.2006"), r.First.Format("15:04"), l.ID)
	d := w.draft()
	d.Subject = r.Mark + d.Subject
	d.Headers = append(d.Headers, r.Origin, message.Header{Name: "References", Value: r.Origin.Value})
	return d, nil
}

// markText is the line of a redelivery at the head of the text, "" of a first sending.
func (l letter) markText() string {
	if l.mark == "" {
		return ""
	}
	return l.mark + "\n\n"
}

func (l letter) markHTML() string {
	if l.mark == "" {
		return ""
	}
	return `<p><strong>` + html.EscapeString(l.mark) + `</strong></p>`
}
