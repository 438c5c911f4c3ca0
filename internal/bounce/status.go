package bounce

import (
	"regexp"
	"strconv"
	"strings"
)

// deliveryStatus reads the machine-readable part of a DSN (RFC 3464, RFC 6533), also
// where servers put its fields into the text.
func (m *mail) deliveryStatus(l Limits) (Report, bool) {
	text, ok := m.part("message/delivery-status", "message/global-delivery-status")
	if !ok || !strings.Contains(strings.ToLower(text), "-recipient") {
		text, _ = cutOriginal(m.text)
	}
	r := Report{Kind: KindDSN}
	for _, block := range statusBlocks(text) {
		r.take(parseFields(block), l)
	}
	if len(r.Recipients) == 0 {
		return Report{}, false
	}
	r.Original = m.originalFields(l)
	m.retell(&r, l)
	return r, true
}

// passedOn reads the delivery status of a report that somebody passed on inside of
// another message, as a part or in its text.
func (m *mail) passedOn(l Limits) (Report, bool) {
	r := Report{Kind: KindDSN}
	for _, p := range m.parts {
		if !strings.Contains(p.text, "ecipient:") || !isOriginal(p.media) && p.media != "text/plain" {
			continue
		}
		for _, block := range statusBlocks(p.text) {
			r.take(parseFields(block), l)
		}
	}
	return r, len(r.Recipients) > 0
}

// statusBlocks parts the fields of a delivery status into blocks: at empty lines
// (RFC 3464, 2.1), and where a server forgot them, at the second field of a name
// that each recipient has once.
func statusBlocks(text string) []string {
	var blocks []string
	var block strings.Builder
	seen := map[string]bool{}
	flush := func() {
		if block.Len() > 0 {
			blocks = append(blocks, block.String())
		}
		block.Reset()
		clear(seen)
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\n")
		if line == "" {
			// A recipient's fields may be torn apart; they end when the next begins.
			if !seen["final-recipient"] && !seen["original-recipient"] || seen["action"] {
				flush()
			}
			continue
		}
		if name, _, ok := cutField(line); ok {
			name = strings.ToLower(name)
			if (name == "final-recipient" || name == "original-recipient" || name == "action") && seen[name] {
				flush()
			}
			seen[name] = true
		}
		block.WriteString(line + "\n")
	}
	flush()
	return blocks
}

// take adds what a block of fields says: of the message or of one recipient.
func (r *Report) take(f fields, l Limits) {
	if mta := typed(f.get("Reporting-MTA")); mta != "" && r.ReportingMTA == "" {
		r.ReportingMTA = mta
	}
	if id := f.get("Original-Envelope-Id"); id != "" && r.EnvelopeID == "" {
		r.EnvelopeID = id
	}
	rcpt := Recipient{Final: recipientAddress(f.get("Final-Recipient")), Original: recipientAddress(f.get("Original-Recipient"))}
	if rcpt.Final == "" {
		// Sendmail's name for the address it tried when the mailer changed it.
		rcpt.Final = recipientAddress(f.get("X-Actual-Recipient"))
	}
	if rcpt.Address() == "" {
		return
	}
	rcpt.Action = action(f.get("Action"))
	rcpt.Status = firstMatch(statusCode, f.get("Status"))
	rcpt.RemoteMTA = hostName(typed(f.get("Remote-MTA")))
	rcpt.say(typed(f.get("Diagnostic-Code")))
	if _, why, ok := strings.Cut(f.get("Status"), "("); ok && rcpt.Reply == "" {
		rcpt.say(strings.TrimSuffix(why, ")"))
	}
	if rcpt.Action == "" {
		rcpt.Action = ActionFailed
		if strings.HasPrefix(rcpt.Status, "2.") {
			rcpt.Action = ActionDelivered
		}
	}
	r.add(rcpt, l)
}

// add keeps one entry of each address, the first.
func (r *Report) add(rcpt Recipient, l Limits) {
	if len(r.Recipients) == l.Recipients {
		return
	}
	for i := range r.Recipients {
		if have := &r.Recipients[i]; strings.EqualFold(have.Address(), rcpt.Address()) && strings.EqualFold(have.Final, rcpt.Final) {
			if have.Code == 0 && rcpt.Code != 0 {
				*have = rcpt
			}
			return
		}
	}
	r.Recipients = append(r.Recipients, rcpt)
}

// statusCode is an enhanced code (RFC 3463, 2).
var statusCode = regexp.MustCompile(`\b[245]\.\d{1,3}\.\d{1,3}\b`)

func firstMatch(re *regexp.Regexp, s string) string { return re.FindString(s) }

// action reads the first word; "failed (expired)" has been seen.
func action(value string) Action {
	word, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(value)), " ")
	switch a := Action(strings.Trim(word, "()<>;,.")); a {
	case ActionFailed, ActionDelayed, ActionDelivered, ActionRelayed, ActionExpanded:
		return a
	case "failure", "fail", "expired", "error":
		return ActionFailed
	case "deliverable":
		return ActionDelivered // Postfix, asked to verify
	case "undeliverable":
		return ActionFailed
	case "delay", "deferred":
		return ActionDelayed
	}
	return ""
}

// typed takes the type off a typed value: "smtp; 550 no" (RFC 3464, 2.1.2).
func typed(value string) string {
	kind, rest, ok := strings.Cut(value, ";")
	if !ok || len(kind) > 30 || strings.ContainsAny(strings.TrimSpace(kind), " \t@") {
		return strings.TrimSpace(value)
	}
	return strings.TrimSpace(rest)
}

// recipientAddress reads "rfc822; a@b" and "utf-8; a\x{fc}@b" (RFC 6533, 3).
func recipientAddress(value string) string {
	address := typed(value)
	if strings.Contains(address, `\x{`) {
		address = unescapeUTF8(address)
	}
	if found := firstAddress(address); found != "" {
		return found
	}
	// An address of another kind, as a mailbox on the host itself.
	address = strings.Trim(address, "<> \t")
	if len(address) > maxAddressText || strings.ContainsAny(address, " \t") {
		return ""
	}
	return address
}

var escapedRune = regexp.MustCompile(`\\x\{([0-9A-Fa-f]{2,6})\}`)

// unescapeUTF8 undoes utf-8-addr-xtext and utf-8-addr-unitext (RFC 6533, 3).
func unescapeUTF8(s string) string {
	return clean(escapedRune.ReplaceAllStringFunc(s, func(e string) string {
		n, err := strconv.ParseInt(e[3:len(e)-1], 16, 32)
		if err != nil {
			return e
		}
		return string(rune(n))
	}))
}

// retell fills in from the prose what the fields leave out: many servers put
// "5.0.0" into the fields and the server's words into the text.
func (m *mail) retell(r *Report, l Limits) {
	told, ok := m.prose(l)
	if !ok {
		return
	}
	for i := range r.Recipients {
		rcpt := &r.Recipients[i]
		if rcpt.Action == ActionDelivered || rcpt.Action == ActionRelayed || rcpt.Action == ActionExpanded {
			continue
		}
		said := told.of(*rcpt)
		if said == nil && len(r.Recipients) == 1 && len(told.Recipients) == 1 {
			said = &told.Recipients[0]
		}
		if said == nil {
			continue
		}
		if rcpt.Stage == "" {
			rcpt.Stage = said.Stage
		}
		if rcpt.RemoteMTA == "" {
			rcpt.RemoteMTA = said.RemoteMTA
		}
		if rcpt.Reply == "" {
			status := rcpt.Status
			rcpt.say(said.Reply)
			if status != "" {
				rcpt.Status = status
			}
		} else if said.Reply != rcpt.Reply {
			rcpt.context = said.Reply
		}
	}
}

// of finds the entry of the same recipient.
func (r *Report) of(want Recipient) *Recipient {
	for i := range r.Recipients {
		if a := r.Recipients[i].Final; strings.EqualFold(a, want.Final) || strings.EqualFold(a, want.Original) {
			return &r.Recipients[i]
		}
	}
	return nil
}
