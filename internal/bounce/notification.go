package bounce

import (
	"encoding/json"
	"strings"
)

// notification is what Amazon SES tells of a message, in JSON in a mail's text
// (docs.aws.amazon.com/ses, "Amazon SNS notification contents"). A smarthost of that
// kind may stand behind a source.
type notification struct {
	Type   string `json:"notificationType"`
	Bounce struct {
		Type       string `json:"bounceType"`
		MTA        string `json:"reportingMTA"`
		Recipients []struct {
			Address    string `json:"emailAddress"`
			Action     string `json:"action"`
			Status     string `json:"status"`
			Diagnostic string `json:"diagnosticCode"`
		} `json:"bouncedRecipients"`
	} `json:"bounce"`
	Complaint struct {
		Feedback   string `json:"complaintFeedbackType"`
		Recipients []struct {
			Address string `json:"emailAddress"`
		} `json:"complainedRecipients"`
	} `json:"complaint"`
	Delivery struct {
		MTA        string   `json:"reportingMTA"`
		Response   string   `json:"smtpResponse"`
		Recipients []string `json:"recipients"`
	} `json:"delivery"`
	Mail struct {
		Headers []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"headers"`
	} `json:"mail"`
}

// notified reads such a notification.
func (m *mail) notified(l Limits) (Report, bool) {
	text := strings.TrimSpace(m.text)
	if !strings.HasPrefix(text, "{") || !strings.Contains(text, `ype"`) {
		return Report{}, false
	}
	// Sendmail breaks lines of over 990 bytes with "!".
	text = strings.ReplaceAll(text, "!\n ", "")
	var wrapped struct {
		Message string `json:"Message"`
	}
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&wrapped); err == nil && wrapped.Message != "" {
		text = wrapped.Message // by way of Amazon SNS
	}
	var n notification
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&n); err != nil {
		return Report{}, false
	}
	r := Report{Kind: KindDSN}
	for _, h := range n.Mail.Headers {
		r.Original = append(r.Original, Field{clean(h.Name), clean(h.Value)})
	}
	for _, b := range n.Bounce.Recipients {
		rcpt := Recipient{Final: firstAddress(b.Address), Action: action(b.Action), Status: statusCode.FindString(b.Status)}
		if rcpt.Action == "" {
			rcpt.Action = ActionFailed
		}
		rcpt.say(clean(typed(b.Diagnostic)))
		r.ReportingMTA = typed(n.Bounce.MTA)
		r.add(rcpt, l)
	}
	for _, c := range n.Complaint.Recipients {
		r.Kind, r.Feedback = KindComplaint, feedbackType(n.Complaint.Feedback)
		r.add(Recipient{Final: firstAddress(c.Address)}, l)
	}
	for _, d := range n.Delivery.Recipients {
		rcpt := Recipient{Final: firstAddress(d), Action: ActionDelivered}
		rcpt.say(clean(n.Delivery.Response))
		r.ReportingMTA = typed(n.Delivery.MTA)
		r.add(rcpt, l)
	}
	return r, len(r.Recipients) > 0
}
