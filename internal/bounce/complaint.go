package bounce

import "strings"

// complaint reads a feedback report (RFC 5965, RFC 6591) or an unsubscribe by mail
// (RFC 2369, 3.2).
func (m *mail) complaint(l Limits) (Report, bool) {
	text, ok := m.part("message/feedback-report")
	if !ok {
		return m.optOut(l)
	}
	f := parseFields(text)
	r := Report{Kind: KindComplaint, Feedback: feedbackType(f.get("Feedback-Type")), Original: m.originalFields(l),
		ReportingMTA: typed(f.get("Reporting-MTA")), EnvelopeID: f.get("Original-Envelope-Id")}
	if r.Feedback == "" {
		r.Feedback = "abuse"
	}
	original := fields(r.Original)
	values := append(f.all("Original-Rcpt-To"), f.all("Removal-Recipient")...)
	if len(values) == 0 {
		values = append(values, original.get("X-Original-To"), original.get("Delivered-To"), original.get("X-HmXmrOriginalRecipient"))
	}
	if len(addresses(strings.Join(values, " "))) == 0 {
		values = original.all("To")
	}
	for _, value := range values {
		for _, a := range addresses(value) {
			r.add(Recipient{Final: a, RemoteMTA: hostName(r.ReportingMTA)}, l)
		}
	}
	if len(r.Recipients) == 0 {
		// The person who complained is made unreadable in many reports; that
		// somebody did is still told.
		r.Recipients = []Recipient{{}}
	}
	return r, true
}

func feedbackType(value string) string {
	word, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(value)), " ")
	return strings.Trim(word, ";\"")
}

// optOut knows the mail that programs write to a List-Unsubscribe address.
func (m *mail) optOut(l Limits) (Report, bool) {
	subject := strings.ToLower(strings.TrimSpace(m.header.get("Subject")))
	byProgram := m.header.get("X-Apple-Unsubscribe") != ""
	if !byProgram && subject != "unsubscribe" && subject != "abmelden" && subject != "abmeldung" {
		return Report{}, false
	}
	if m.looksBounced() {
		return Report{}, false
	}
	return Report{Kind: KindComplaint, Feedback: "opt-out", Recipients: m.author(), Original: m.originalFields(l)}, true
}
