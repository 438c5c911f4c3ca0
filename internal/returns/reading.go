package returns

import (
	"context"
	"mime"
	"strings"
	"unicode/utf8"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
)

// reading is one mail on its way through the questions.
type reading struct {
	Mail
	raw    []byte
	fields []message.Field // of its header; nil if it has none that can be read
	report bounce.Report
	origin Origin
	author message.Address // of From, if it can be read
}

// Why ends the reading: the mail changes nothing.
func (r *reading) because(why string) { r.Why = why }

// open takes the mail apart. What cannot be read has Why set.
func (s *Sorter) open(ctx context.Context, m Mail, raw []byte) *reading {
	r := &reading{Mail: m, raw: raw}
	r.fields, _, _ = message.Fields(raw, message.Limits{}) // a broken header is ParseReport's to judge
	r.Subject = decoded(r.value("Subject"))
	r.Author = decoded(r.value("From"))
	if box, err := message.ParseMailbox(r.value("From")); err == nil {
		r.author = box.Address
	}
	r.Auth = s.proof.prove(ctx, r)
	var err error
	if r.report, err = bounce.ParseReport(raw, bounce.Limits{}); err != nil {
		r.because(WhyUnreadable)
		if f := fault.As(err); f != nil {
			r.because(f.Code)
		}
	}
	r.Kind = r.report.Kind
	return r
}

func (r *reading) value(name string) string {
	for _, f := range r.fields {
		if f.Is(name) {
			return f.Value
		}
	}
	return ""
}

// maxShown is how much of a header field is kept for lists.
const maxShown = 200

// decoded makes a header field fit to be shown.
func decoded(value string) string {
	if text, err := new(mime.WordDecoder).DecodeHeader(value); err == nil {
		value = text
	}
	value = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == utf8.RuneError {
			return -1
		}
		return c
	}, value)
	for len(value) > maxShown {
		_, n := utf8.DecodeLastRuneInString(value)
		value = value[:len(value)-n]
	}
	return value
}

// interpret finds the delivery and says what became known of it. Why is set in r where
// that is nothing.
func (s *Sorter) interpret(ctx context.Context, r *reading) ([]event.Event, error) {
	if r.Why != "" {
		return nil, nil
	}
	if err := s.match(ctx, r); err != nil || r.Why != "" {
		return nil, err
	}
	if r.Purpose == ForUnsubscribe {
		return r.unsubscribed(), nil
	}
	switch r.Kind {
	case bounce.KindDSN:
		return s.reported(r), nil
	case bounce.KindComplaint:
		return r.complained(), nil
	case bounce.KindAutoReply:
		return r.answered(event.AutoReplied), nil
	}
	if r.bulk() {
		return r.answered(event.AutoReplied), nil
	}
	if err := s.forward(ctx, r); err != nil || r.Why != "" {
		return nil, err
	}
	return r.answered(event.Replied), nil
}

// match finds the delivery that the mail proves to speak of.
func (s *Sorter) match(ctx context.Context, r *reading) error {
	if r.Purpose == ForReports || r.Purpose == ForPostmaster {
		if r.Kind != bounce.KindDSN && r.Kind != bounce.KindComplaint {
			r.because(WhyForPeople)
			return nil
		}
		path, ok := s.c.Addresses.Proven(r.report)
		if !ok {
			r.because(WhyNoProof)
			return nil
		}
		owner, known, err := s.c.Store.OwnerOf(ctx, path)
		if err != nil {
			return err
		}
		if known {
			r.Account, r.Delivery = owner, path.Delivery
		}
	}
	if r.Delivery.IsZero() {
		r.because(WhyNoDelivery)
		return nil
	}
	o, known, err := s.c.Store.OriginOf(ctx, r.Account, r.Delivery)
	if err != nil {
		return err
	}
	r.origin = o
	switch {
	case !known:
		r.because(WhyNoDelivery)
	case r.othersMessage():
		r.because(WhyOtherMessage)
	case o.Reports >= maxReports:
		r.because(WhyTooMany)
	}
	return nil
}

// othersMessage reports whether the report brings the header of a message that is not
// the delivery's. Most reports do bring one; a forger who has a return path but not the
// message, or has another's, is caught by it.
func (r *reading) othersMessage() bool {
	for _, f := range r.report.Original {
		if strings.EqualFold(f.Name, "Message-ID") {
			return r.report.MessageID != "" && r.report.MessageID != r.origin.MessageID
		}
	}
	return false
}

// fact makes an event about the delivery.
func (r *reading) fact(t event.Type, reason string, rep event.Report) event.Event {
	rep.Return, rep.Unproven = r.ID.String(), r.Auth.Unproven()
	if rep.From == "" {
		rep.From = r.author.String()
	}
	return event.Event{ID: id.New[event.Kind](r.ReceivedAt), Message: message.Of(r.Delivery), Delivery: r.Delivery, Type: t,
		At: r.ReceivedAt, Actor: "system", Reason: reason, Report: &rep}
}

func (r *reading) answered(t event.Type) []event.Event {
	return []event.Event{r.fact(t, "", event.Report{})}
}

// unsubscribed: whoever writes to the address wants out, whatever they write, unless
// it is a server that writes.
func (r *reading) unsubscribed() []event.Event {
	if r.Sender == "" || r.Kind == bounce.KindDSN || r.Kind == bounce.KindAutoReply {
		r.because(WhyUnexpected)
		return nil
	}
	return r.answered(event.Unsubscribed)
}

func (r *reading) complained() []event.Event {
	switch r.report.Feedback {
	case "opt-out", "opt-out-list":
		return []event.Event{r.fact(event.Unsubscribed, "", event.Report{Feedback: r.report.Feedback})}
	case "not-spam", "auth-failure", "dkim", "miscategorized":
		r.because(WhyNoComplaint)
		return nil
	}
	return []event.Event{r.fact(event.Complained, string(bounce.Complaint), event.Report{From: r.report.ReportingMTA, Feedback: r.report.Feedback})}
}

// bulk reports whether a program or a list wrote the mail, though it does not say so in
// the words of RFC 3834: passing such mail on is what loops are made of.
func (r *reading) bulk() bool {
	switch strings.ToLower(strings.TrimSpace(r.value("Precedence"))) {
	case "bulk", "list", "junk":
		return true
	}
	return r.Sender == "" || r.value("List-Id") != "" || r.value("List-Unsubscribe") != ""
}
