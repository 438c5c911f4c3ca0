package diagnosis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

const (
	// maxQuery bounds what is asked for, in characters.
	maxQuery = 200
	// maxCases bounds the deliveries of one answer: more than a person can tell apart.
	maxCases = 12
	// maxMessages bounds the messages whose deliveries are looked at.
	maxMessages = 8
)

// Answer is what can be told about a question.
type Answer struct {
	Query string // as it was understood: one line, trimmed, at most 200 characters
	// Address is set where the question was an address.
	Address message.Address
	// Verdicts are about the deliveries that can be meant, from new to old; if there is
	// none, the only one says that nothing was found. An empty question has none.
	Verdicts []Verdict
	More     bool // there are older deliveries
	// Near are other addresses that may be meant.
	Near []Near
}

// Found reports whether the answer is about any delivery.
func (a Answer) Found() bool { return len(a.Verdicts) > 0 && a.Verdicts[0].Query == "" }

// Ask finds out what became of the mail that q speaks of: an address, a Message-ID, the
// identifier of a message or delivery, a tag, a metadata value (an order number), a name
// or a part of a subject. Addresses, identifiers, tags and metadata values are found
// however old the mail is, names and subjects in the newest 20,000 messages
// (insight.Filter.Text).
func (s *Service) Ask(ctx context.Context, t tenant.ID, q string) (Answer, error) {
	a := Answer{Query: tidy(q)}
	if a.Query == "" {
		return a, nil
	}
	var err error
	if address, bad := message.ParseAddress(strings.Trim(a.Query, "<>")); bad == nil {
		a.Address = address
		err = s.askAddress(ctx, t, &a)
	}
	if err == nil && len(a.Verdicts) == 0 {
		err = s.askWords(ctx, t, &a)
	}
	if err != nil {
		return Answer{}, fmt.Errorf("diagnose: %w", err)
	}
	if a.Near, err = s.near(ctx, t, a); err != nil {
		return Answer{}, fmt.Errorf("diagnose: %w", err)
	}
	if len(a.Verdicts) == 0 {
		v := Verdict{Situation: NotFound, Query: a.Query}
		if !a.Address.IsZero() {
			v.Situation = Never
		}
		a.Verdicts = []Verdict{v}
	}
	return a, nil
}

// Verdict tells of one delivery. One that is not the tenant's is *fault.Error NotFound
// "delivery_not_found".
func (s *Service) Verdict(ctx context.Context, t tenant.ID, d message.DeliveryID) (Verdict, error) {
	list, err := s.verdicts(ctx, t, message.Of(d), func(_ insight.Message, one insight.Delivery) bool { return one.ID == d })
	if fault.IsKind(err, fault.NotFound) || err == nil && len(list) == 0 {
		return Verdict{}, fault.New(fault.NotFound, "delivery_not_found", "There is no such delivery.")
	}
	if err != nil {
		return Verdict{}, fmt.Errorf("diagnose: %w", err)
	}
	again, err := s.Mail.Messages(ctx, t, insight.Filter{Tag: ingest.AgainTag(message.Of(d)), Limit: maxMessages})
	if err != nil {
		return Verdict{}, fmt.Errorf("diagnose: %w", err)
	}
	list[0].Again = again.Messages
	return list[0], nil
}

// tidy makes one line of what was typed or pasted.
func tidy(q string) string {
	q = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(q, " "))
	if r := []rune(strings.TrimSpace(q)); len(r) > maxQuery {
		return strings.TrimSpace(string(r[:maxQuery]))
	}
	return strings.TrimSpace(q)
}

func (s *Service) askAddress(ctx context.Context, t tenant.ID, a *Answer) error {
	list, err := s.Store.DeliveriesTo(ctx, t, a.Address, maxMessages+1)
	if err != nil {
		return err
	}
	a.More = len(list) > maxMessages
	for _, d := range list[:min(len(list), maxMessages)] {
		found, err := s.verdicts(ctx, t, message.Of(d), func(_ insight.Message, one insight.Delivery) bool { return one.ID == d })
		if err != nil {
			return err
		}
		a.Verdicts = append(a.Verdicts, found...)
	}
	return nil
}

// askWords looks for what is no address, or an address that nothing went to: it may
// be a Message-ID.
func (s *Service) askWords(ctx context.Context, t tenant.ID, a *Answer) error {
	if d, err := id.Parse[message.DeliveryKind](a.Query); err == nil {
		v, err := s.Verdict(ctx, t, d)
		if fault.IsKind(err, fault.NotFound) {
			return nil
		}
		a.Verdicts = append(a.Verdicts, v)
		return err
	}
	ids, err := s.messagesOf(ctx, t, a.Query)
	if err != nil {
		return err
	}
	a.More = len(ids) > maxMessages
	words := strings.ToLower(a.Query)
	for _, m := range ids[:min(len(ids), maxMessages)] {
		found, err := s.verdicts(ctx, t, m, func(m insight.Message, d insight.Delivery) bool { return named(m, d, words) })
		if err == nil && len(found) == 0 {
			found, err = s.verdicts(ctx, t, m, func(insight.Message, insight.Delivery) bool { return true })
		}
		if err != nil {
			return err
		}
		if room := maxCases - len(a.Verdicts); len(found) > room {
			a.More, found = true, found[:room]
		}
		a.Verdicts = append(a.Verdicts, found...)
	}
	return nil
}

// named reports whether words speak of this recipient of the message.
func named(m insight.Message, d insight.Delivery, words string) bool {
	return strings.Contains(canonical(d.Recipient), words) || strings.Contains(strings.ToLower(nameOf(m, d.Recipient)), words)
}

// messagesOf collects messages by tag, metadata value and words, from new to old.
func (s *Service) messagesOf(ctx context.Context, t tenant.ID, q string) ([]message.ID, error) {
	ids, err := s.Store.Referring(ctx, t, q, maxMessages+1)
	if err != nil {
		return nil, err
	}
	for _, f := range []insight.Filter{{Tag: q}, {Text: q}} {
		f.Limit = maxMessages + 1
		page, err := s.Mail.Messages(ctx, t, f)
		if err != nil {
			return nil, err
		}
		for _, m := range page.Messages {
			ids = append(ids, m.ID)
		}
	}
	slices.SortFunc(ids, func(a, b message.ID) int { return slices.Compare(b[:], a[:]) })
	return slices.Compact(ids), nil
}

// verdicts judges the deliveries of a message that are wanted, at most maxCases.
func (s *Service) verdicts(ctx context.Context, t tenant.ID, m message.ID, wanted func(insight.Message, insight.Delivery) bool) ([]Verdict, error) {
	found, err := s.Mail.Message(ctx, t, m)
	if err != nil {
		return nil, err
	}
	var list []insight.Delivery
	for _, d := range found.Deliveries {
		if len(list) <= maxCases && wanted(found, d) {
			list = append(list, d)
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	facts, err := s.Mail.Events(ctx, t, m)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	verdicts := make([]Verdict, len(list))
	for i, d := range list {
		verdicts[i] = s.judge(found, d, facts, now)
	}
	return verdicts, nil
}

func canonical(a message.Address) string { return strings.ToLower(a.Local + "@" + a.Domain) }

func addressText(a message.Address) string { return a.Local + "@" + a.Domain }

// nameOf is the display name a recipient has in the header, "" if none.
func nameOf(m insight.Message, a message.Address) string {
	for _, box := range m.To {
		if canonical(box.Address) == canonical(a) {
			return strings.TrimSpace(box.Name)
		}
	}
	return ""
}

// nearFirst orders near misses: slips of the finger before the rest.
func nearFirst(a, b Near) int {
	return cmp.Or(cmp.Compare(a.Why.rank(), b.Why.rank()), slices.Compare(b.Delivery.ID[:], a.Delivery.ID[:]))
}
