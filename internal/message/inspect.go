package message

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"stafette/internal/fault"
)

// Inspection is what a raw message says of itself.
type Inspection struct {
	From      Mailbox
	Sender    *Mailbox // nil if the field is missing
	To        []Mailbox
	Cc        []Mailbox
	Bcc       []Mailbox // their fields must be removed before sending, see RemoveFields
	Subject   string    // decoded
	MessageID string    // without angle brackets; "" if missing
	HasDate   bool
	EightBit  bool // the body has bytes above 127: 8BITMIME is needed
	// UTF8: the header has bytes above 127, so SMTPUTF8 is needed. Headers of parts
	// are not counted: many programs write file names raw, and no server minds.
	UTF8    bool
	Fields  []Field // the header in order
	Body    int     // where the body begins
	Digests []Digest
}

// Inspect reads a message that came from outside. It is strict with lines and header,
// where readers that disagree are dangerous, and tolerant with the body. The bytes are
// not changed and not kept.
//
// Errors are *fault.Error; Field is "headers/<name>" where one is at fault:
// "line_end_bare", "line_too_long", "message_has_nul", "header_malformed",
// "header_too_large", "header_duplicate", "from_missing", "from_many",
// "message_id_malformed", "mime_too_deep", "mime_too_many_parts" and those of
// ParseAddress.
func Inspect(raw []byte, limits Limits) (Inspection, error) {
	l := limits.withDefaults()
	if f := scanLines(raw, l.LineBytes); f != nil {
		return Inspection{}, f
	}
	fields, at, f := readFields(raw, l)
	if f != nil {
		return Inspection{}, f
	}
	if !bytes.HasSuffix(raw[:at], []byte("\r\n\r\n")) {
		// Legal without a body (RFC 5322, 3.5), but readers and verifiers stumble.
		return Inspection{}, fault.New(fault.Invalid, "header_malformed", "no empty line ends the header")
	}
	in := Inspection{Fields: fields, Body: at, UTF8: !isSeven(raw[:at]), EightBit: !isSeven(raw[at:])}
	if in.UTF8 && !utf8.Valid(raw[:at]) {
		return Inspection{}, fault.New(fault.Invalid, "text_not_utf8", "the header is neither ASCII nor UTF-8")
	}
	if f := in.readHeader(); f != nil {
		return Inspection{}, f
	}
	w := walker{limits: l}
	if f := w.walk(raw, fields, at); f != nil {
		return Inspection{}, f
	}
	in.Digests = w.digests
	return in, nil
}

// singular lists the fields that may stand once (RFC 5322, 3.6; RFC 2045, 3). A
// second one lets a filter see another message than the reader.
func singular(name string) bool {
	switch strings.ToLower(name) {
	case "from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id", "in-reply-to",
		"references", "mime-version", "content-type", "content-transfer-encoding":
		return true
	}
	return false
}

func (in *Inspection) readHeader() *fault.Error {
	seen := make(map[string]bool, len(in.Fields))
	for _, field := range in.Fields {
		name := strings.ToLower(field.Name)
		at := "headers/" + pointer(field.Name)
		if singular(name) && seen[name] {
			return fault.Field(at, "header_duplicate", "the field stands in the header twice")
		}
		seen[name] = true
		if f := in.readField(name, field.Value); f != nil {
			placed := *f
			placed.Field = at
			return &placed
		}
	}
	if !seen["from"] {
		return fault.Field("headers/From", "from_missing", "the message has no From field")
	}
	return nil
}

func (in *Inspection) readField(name, value string) *fault.Error {
	switch name {
	case "from":
		return in.readFrom(value)
	case "sender":
		m, err := ParseMailbox(value)
		in.Sender = &m
		return fault.As(err)
	case "to":
		return appendBoxes(&in.To, value)
	case "cc":
		return appendBoxes(&in.Cc, value)
	case "bcc":
		return appendBoxes(&in.Bcc, value)
	case "subject":
		in.Subject = strings.ReplaceAll(decodeWords(value), "\t", " ")
		return checkText("", in.Subject)
	case "message-id":
		in.MessageID = strings.TrimSuffix(strings.TrimPrefix(value, "<"), ">")
		if len(value) != len(in.MessageID)+2 || !isMessageID(in.MessageID) {
			return fault.New(fault.Invalid, "message_id_malformed", "a Message-ID looks like <left@right>")
		}
	case "date":
		in.HasDate = true
	}
	return nil
}

func (in *Inspection) readFrom(value string) *fault.Error {
	list, err := parseList(value, false)
	if err != nil {
		return fault.As(err)
	}
	if len(list) != 1 {
		return fault.New(fault.Invalid, "from_many", "From must name exactly one mailbox")
	}
	in.From = list[0]
	return nil
}

func appendBoxes(list *[]Mailbox, value string) *fault.Error {
	boxes, err := ParseMailboxes(value)
	*list = append(*list, boxes...)
	return fault.As(err)
}

// Verify checks that the attachments with these digests are all still in the message,
// each as often as listed, in any order. Errors are *fault.Error "attachment_missing"
// or "attachment_changed", Field "attachments/<n>" by the place in want.
func Verify(raw []byte, want []Digest) error {
	if len(want) == 0 {
		return nil
	}
	l := Limits{}.withDefaults()
	fields, at, f := readFields(raw, l)
	if f != nil {
		return f
	}
	w := walker{limits: l}
	if f := w.walk(raw, fields, at); f != nil {
		return f
	}
	left := make(map[Digest]int, len(w.digests))
	names := make(map[string]bool, len(w.digests))
	for _, d := range w.digests {
		left[d]++
		names[d.Filename] = true
	}
	for i, d := range want {
		if left[d] > 0 {
			left[d]--
			continue
		}
		field := "attachments/" + decimal(i)
		if names[d.Filename] {
			return fault.Field(field, "attachment_changed", "the attachment "+fault.Quote(d.Filename)+" is not what was accepted")
		}
		return fault.Field(field, "attachment_missing", "the attachment "+fault.Quote(d.Filename)+" is no longer in the message")
	}
	return nil
}
