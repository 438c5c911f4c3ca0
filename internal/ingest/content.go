package ingest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/message"
)

// readContent takes raw mail apart, so far as the later steps must know it, and
// checks the few things of a draft that composing does not.
func (s *Service) readContent(_ context.Context, w *parcel) error {
	if w.Draft != nil {
		w.from = w.Draft.From
		for _, h := range w.Draft.Headers {
			if isOption(h.Name) {
				return fault.Field("headers/"+h.Name, CodeOptionUnknown,
					"X-Stafette-* fields are for raw mail; use the fields of the request.")
			}
		}
		return nil
	}
	if int64(len(w.Raw)) > s.c.Limits.MaxSize {
		return s.tooLarge()
	}
	in, err := message.Inspect(w.Raw, message.Limits{})
	if err != nil {
		return fmt.Errorf("inspect message: %w", err)
	}
	w.inspected, w.from = &in, in.From
	return readOptions(in.Fields, &w.Submission)
}

func (s *Service) tooLarge() error {
	return fault.New(fault.TooLarge, CodeMessageTooLarge,
		fmt.Sprintf("A message with its attachments has at most %d bytes.", s.c.Limits.MaxSize))
}

// makeBody makes the bytes that will be sent.
func (s *Service) makeBody(_ context.Context, w *parcel) error {
	var err error
	switch {
	case w.Letter != nil && len(w.Draft.Attachments) == 0:
		err = w.address()
	case w.Draft != nil:
		err = w.compose(s.codeOf(w))
	default:
		w.prepareRaw(s.codeOf(w))
	}
	if err != nil {
		return err
	}
	if int64(len(w.body)) > s.c.Limits.MaxSize {
		return s.tooLarge()
	}
	return nil
}

// codeField is where a mail bears its code. Those of clients never get this far.
const codeField = "X-Stafette-Code"

// codeOf is the code that the mail bears; "" for none. What is passed on stays as it is.
func (s *Service) codeOf(w *parcel) string {
	if s.c.Code == nil || w.PassedOn {
		return ""
	}
	return s.c.Code(w.m.Tenant, w.m.ID)
}

// ownMessageID is the Message-ID of mail that came without: our identifier is
// unique already, and the domain is the one that signs.
func ownMessageID(m message.ID, domain string) string { return m.String() + "@" + domain }

// dated is the draft with all that its header needs.
func (w *parcel) dated() message.Draft {
	d := *w.Draft
	if d.MessageID == "" {
		d.MessageID = ownMessageID(w.m.ID, w.m.SignDomain)
	}
	if d.Date.IsZero() {
		d.Date = w.now
	}
	if w.Letter != nil {
		d.Text = "." // only the header is looked at
	}
	return d
}

// address looks at the header of a form letter, of which no mail is made here.
func (w *parcel) address() error {
	d := w.dated()
	utf8Header, err := message.CheckHeader(d)
	if err != nil {
		return fmt.Errorf("compose message: %w", err)
	}
	w.m.UTF8 = utf8Header
	w.describe(&d)
	return nil
}

func (w *parcel) compose(code string) error {
	d := w.dated()
	c, err := message.Compose(d)
	if err != nil {
		return fmt.Errorf("compose message: %w", err)
	}
	if w.body = c.Bytes; code != "" {
		w.body = slices.Concat([]byte(codeField+": "+code+"\r\n"), c.Bytes)
	}
	w.m.EightBit, w.m.UTF8, w.m.Digests = c.EightBit, c.UTF8, c.Digests
	w.describe(&d)
	return nil
}

// describe keeps what the header of a draft says.
func (w *parcel) describe(d *message.Draft) {
	w.m.MessageID, w.m.Subject = d.MessageID, d.Subject
	fields := make([]message.Field, len(d.Headers))
	for i, h := range d.Headers {
		fields[i] = message.Field{Name: h.Name, Value: h.Value}
	}
	w.m.TLS = w.tlsNeed(fields)
	w.m.To = append(append([]message.Mailbox{}, d.To...), d.Cc...)
}

// prepareRaw keeps the bytes as they came, but for fields that are not for the
// recipients (Bcc: RFC 5322, 3.6.3) and the two that every message must have.
func (w *parcel) prepareRaw(code string) {
	in := w.inspected
	var before strings.Builder
	w.m.MessageID = in.MessageID
	if in.MessageID == "" {
		w.m.MessageID = ownMessageID(w.m.ID, w.m.SignDomain)
		fmt.Fprintf(&before, "Message-ID: <%s>\r\n", w.m.MessageID)
	}
	if !in.HasDate {
		fmt.Fprintf(&before, "Date: %s\r\n", w.now.Format(time.RFC1123Z))
	}
	if code != "" {
		fmt.Fprintf(&before, "%s: %s\r\n", codeField, code)
	}
	rest := message.RemoveFields(w.Raw, func(name string) bool {
		return isOption(name) || strings.EqualFold(name, "Bcc") || strings.EqualFold(name, "Resent-Bcc")
	})
	w.body = append([]byte(before.String()), rest...)
	w.m.EightBit, w.m.UTF8, w.m.Digests = in.EightBit, in.UTF8, in.Digests
	w.m.Subject, w.m.TLS = in.Subject, w.tlsNeed(in.Fields)
	w.m.To = append(append([]message.Mailbox{}, in.To...), in.Cc...)
}

func (w *parcel) tlsNeed(fields []message.Field) message.TLSNeed {
	if w.RequireTLS {
		return message.TLSDemanded
	}
	return message.NeedOf(fields)
}

func isTrace(name string) bool {
	return strings.EqualFold(name, "Received") || strings.EqualFold(name, "Return-Path")
}
