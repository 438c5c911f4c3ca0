package bounce

import (
	"bytes"
	"regexp"
	"strings"

	"stafette/internal/fault"
)

// Kind is what a message that came back turned out to be.
type Kind string

// The kinds of messages that come back.
const (
	KindDSN       Kind = "dsn"        // a bounce, delay or receipt, by RFC 3464 or in prose
	KindComplaint Kind = "complaint"  // a feedback report (RFC 5965), or an unsubscribe by mail
	KindAutoReply Kind = "auto_reply" // a person's program answers (RFC 3834)
	KindUnknown   Kind = "unknown"    // none of these, as a person's answer
)

// Action is what became of one recipient (RFC 3464, 2.3.3).
type Action string

// The actions; "" where a report tells none, as a complaint does.
const (
	ActionFailed    Action = "failed"
	ActionDelayed   Action = "delayed"
	ActionDelivered Action = "delivered"
	ActionRelayed   Action = "relayed"
	ActionExpanded  Action = "expanded"
)

// Report is what ParseReport finds in a message. Nothing in it is proven: whoever
// acts on it must first tie it to a delivery by the MAC of its return path.
// All text is valid UTF-8 without control characters but line feeds in replies.
type Report struct {
	Kind       Kind
	Recipients []Recipient // in the order of the report, each address once; may be empty
	// MessageID of the message reported on, without angle brackets; "" if unknown.
	MessageID string
	// Original is the header of that message in order, as far as it was attached.
	Original []Field
	// Feedback is the type of a complaint (RFC 5965, 3.1: abuse, fraud, …; RFC 6591
	// auth-failure), lower case; "opt-out" for an unsubscribe. "" for other kinds.
	Feedback string
	// ReportingMTA is the host that wrote the report, "" if it does not say.
	ReportingMTA string
	// EnvelopeID is the ENVID the message was sent with (RFC 3461, 4.4), or "".
	EnvelopeID string
	// ReturnedTo lists the addresses the report itself came to, best first: the
	// envelope's as noted by servers on the way, then To. One of them may be a
	// return path of ours.
	ReturnedTo []string
}

// Recipient is what a report says of one recipient.
type Recipient struct {
	// Final is the address that failed, Original the one the message was sent to
	// before forwarding (RFC 3464, 2.3.1); "" where not told. One is always set but
	// for complaints that hide who complained and in what ParseReplies finds.
	Final, Original string
	Action          Action
	// Status is the enhanced code of the report (RFC 3463), or that of the reply
	// where the report has none; "".
	Status string
	// Reply is what the receiving server, or the reporting one in its place, said,
	// codes included: its lines joined by \n, at most 4 KiB.
	Reply string
	// Code and Enhanced are read from Reply; 0 and "".
	Code     int
	Enhanced string
	// Stage is the command answered, as in Input; "" if unknown.
	Stage string
	// RemoteMTA is the host that replied, "" if unknown.
	RemoteMTA string

	// context is what the prose of a report says beside Reply.
	context string
}

// Address returns the address to show: the original one if it is known.
func (r Recipient) Address() string {
	if r.Original != "" {
		return r.Original
	}
	return r.Final
}

// Field is one header field of a message reported on.
type Field struct {
	Name  string // as written
	Value string // unfolded, not decoded
}

// Limits bound what ParseReport reads. The zero value of each field is its default.
type Limits struct {
	Bytes      int // read of the message, the rest is not looked at: 1 MiB
	Parts      int // of all multiparts together: 200
	Depth      int // of nested multiparts: 20
	Recipients int // kept: 1,000
	Fields     int // header fields kept of the original message: 200
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	set(&l.Bytes, 1<<20)
	set(&l.Parts, 200)
	set(&l.Depth, 20)
	set(&l.Recipients, 1000)
	set(&l.Fields, 200)
	return l
}

// ParseReport reads a message that came back, as it arrived. It takes every form of
// report it knows: RFC 3464 and 6533, RFC 5965, RFC 3834 and the prose of mail
// servers. Foreign bytes never make it panic; work is linear in what Limits allow.
//
// Errors are *fault.Error "report_too_complex" (over Limits.Parts or Depth) and
// "report_malformed" (no header). A message that is merely no report is KindUnknown.
func ParseReport(raw []byte, limits Limits) (Report, error) {
	l := limits.withDefaults()
	raw = raw[:min(len(raw), l.Bytes)]
	m, err := openMail(raw, l)
	if err != nil {
		return Report{}, err
	}
	r := m.report(l)
	r.ReturnedTo = m.returnedTo()
	if len(r.Original) > l.Fields {
		r.Original = r.Original[:l.Fields]
	}
	for _, f := range r.Original {
		if r.MessageID == "" && strings.EqualFold(f.Name, "Message-ID") {
			r.MessageID = messageID(f.Value)
		}
	}
	if r.MessageID == "" && r.Kind != KindUnknown {
		// Exchange and Gmail name the message they report on in the header, too.
		r.MessageID = messageID(m.header.get("In-Reply-To"))
	}
	return r, nil
}

// Messages parts a mailbox file (RFC 4155) into its messages; any other text is one
// message.
func Messages(raw []byte) [][]byte {
	if !bytes.HasPrefix(raw, []byte("From ")) {
		return [][]byte{raw}
	}
	var list [][]byte
	start := 0
	for _, at := range mailboxLine.FindAllIndex(raw, -1) {
		list = append(list, raw[start:at[0]])
		start = at[0] + bytes.Index(raw[at[0]:at[1]], []byte("From "))
	}
	return append(list, raw[start:])
}

// mailboxLine is where the next message of a mailbox file begins.
var mailboxLine = regexp.MustCompile(`\n\r?\nFrom [^\n]*\d\d:\d\d[^\n]*\n[A-Za-z][A-Za-z-]*:`)

// report tries the forms, the most exact first.
func (m *mail) report(l Limits) Report {
	if r, ok := m.complaint(l); ok {
		return r
	}
	if r, ok := m.deliveryStatus(l); ok {
		return r
	}
	if r, ok := m.notified(l); ok {
		return r
	}
	bounced, answered := m.looksBounced(), m.looksAutomatic()
	if bounced || !answered {
		r, ok := m.prose(l)
		if ok && r.told() {
			return r
		}
		if inner, found := m.passedOn(l); found {
			return inner
		}
		if ok && m.fromServer() {
			return r
		}
	}
	if answered {
		return Report{Kind: KindAutoReply, Recipients: m.author(), Original: m.originalFields(l)}
	}
	return Report{Kind: KindUnknown, Original: m.originalFields(l)}
}

// told reports whether a server's reply stands in r: prose with none that nothing
// else marks as a bounce may be anything.
func (r Report) told() bool {
	for _, rcpt := range r.Recipients {
		if rcpt.Code >= 400 || rcpt.Enhanced != "" {
			return true
		}
	}
	return false
}

// author is who wrote the message, as its recipients are asked about an automatic
// answer or an unsubscribe.
func (m *mail) author() []Recipient {
	for _, name := range []string{"From", "Reply-To", "Return-Path", "Sender"} {
		if a := firstAddress(m.header.get(name)); a != "" {
			return []Recipient{{Final: a}}
		}
	}
	return nil
}

func messageID(value string) string {
	_, rest, ok := strings.Cut(value, "<")
	if !ok {
		rest = value
	}
	id, _, _ := strings.Cut(rest, ">")
	id = strings.TrimSpace(id)
	if len(id) > maxAddressText || strings.ContainsAny(id, " \t") {
		return ""
	}
	return id
}

func tooComplex(what string) error {
	return fault.New(fault.TooLarge, "report_too_complex", "the report has too many "+what)
}
