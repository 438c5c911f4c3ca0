package message

import (
	"mime"
	"net/textproto"
	"strconv"
	"strings"

	"stafette/internal/fault"
)

// Limits of a draft. They keep headers readable for every server on the way; the
// size of the whole is the caller's to limit.
const (
	maxSubject     = 2000 // bytes
	maxName        = 320
	maxFilename    = 255
	maxHeaders     = 100
	maxHeaderValue = 8000
	maxMessageID   = 250
	maxAttachments = 500
)

// checker collects the refusals of one draft, so that a caller sees all at once.
type checker struct {
	found []*fault.Error
}

func (c *checker) add(f *fault.Error) bool {
	if f != nil {
		c.found = append(c.found, f)
	}
	return f == nil
}

func (c *checker) refuse(field, code, detail string) {
	c.found = append(c.found, fault.Field(field, code, detail))
}

// text checks a header-bound text.
func (c *checker) text(field, s string, limit int) bool {
	if !c.add(checkText(field, s)) {
		return false
	}
	if len(s) > limit {
		c.refuse(field, "text_too_long", "the text is longer than "+strconv.Itoa(limit)+" bytes")
		return false
	}
	return true
}

// draft checks everything but the attachments' bytes.
func (c *checker) draft(d Draft) {
	if d.From.IsZero() {
		c.refuse("from", "address_missing", "a sender is needed")
	} else {
		c.mailbox("from", d.From)
	}
	for _, list := range []struct {
		field string
		boxes []Mailbox
	}{{"to", d.To}, {"cc", d.Cc}, {"reply_to", d.ReplyTo}} {
		for i, m := range list.boxes {
			c.mailbox(list.field+"/"+strconv.Itoa(i), m)
		}
	}
	c.text("subject", d.Subject, maxSubject)
	c.body("text", d.Text)
	c.body("html", d.HTML)
	if d.Text == "" && d.HTML == "" && len(d.Attachments) == 0 {
		c.refuse("text", "content_missing", "a message needs text, html or an attachment")
	}
	if d.Date.IsZero() {
		c.refuse("date", "date_missing", "a date is needed")
	}
	if !isMessageID(d.MessageID) {
		c.refuse("message_id", "message_id_malformed", "a Message-ID looks like left@right, without angle brackets")
	}
	c.headers(d.Headers)
	c.attachments(d.Attachments)
}

// mailbox checks the name, and the address again: a Mailbox need not have come
// from ParseMailbox.
func (c *checker) mailbox(field string, m Mailbox) {
	if !c.text(field, m.Name, maxName) {
		return
	}
	a, err := ParseAddress(m.Address.String())
	switch {
	case err != nil:
		f := *fault.As(err)
		f.Field = field
		c.add(&f)
	case a != m.Address:
		c.refuse(field, "address_malformed", "the address is not in normal form")
	}
}

// body checks a text that is encoded as a whole; only what is no text is refused.
func (c *checker) body(field, s string) {
	if !validUTF8(s) {
		c.refuse(field, "text_not_utf8", "the text is not valid UTF-8")
	}
	if strings.ContainsRune(s, 0) {
		c.refuse(field, "text_has_control", "the text holds a NUL character")
	}
}

// isMessageID reports whether s may stand between the angle brackets of Message-ID. An
// address literal on the right (RFC 5322, 3.6.4) is common enough.
func isMessageID(s string) bool {
	left, right, ok := strings.Cut(s, "@")
	if !ok || left == "" || right == "" || len(s) > maxMessageID {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`<>(),;"\`, s[i]) >= 0 {
			return false
		}
	}
	return !strings.Contains(right, "@")
}

func (c *checker) headers(list []Header) {
	if len(list) > maxHeaders {
		c.refuse("headers", "headers_too_many", "at most "+strconv.Itoa(maxHeaders)+" further header fields are allowed")
		return
	}
	seen := make(map[string]bool, len(list))
	for _, h := range list {
		field := "headers/" + pointer(h.Name)
		name := textproto.CanonicalMIMEHeaderKey(h.Name)
		switch {
		case !isFieldName(h.Name):
			if strings.ContainsAny(h.Name, "\r\n") {
				c.refuse(field, "header_has_line_break", "a field name cannot hold a line break")
				continue
			}
			c.refuse(field, "header_name_malformed", "a field name has letters, digits and hyphens only")
		case isReserved(name):
			c.refuse(field, "header_not_allowed", "the field is set by the platform or has a field of its own")
		case seen[name]:
			c.refuse(field, "header_duplicate", "the field is given twice")
		case c.text(field, h.Value, maxHeaderValue):
			if isASCII(h.Value) && longestWord(h.Value) > maxLine-len(h.Name)-2 {
				c.refuse(field, "header_too_long", "a word is too long for a line of 998 characters")
			}
		}
		seen[name] = true
	}
}

func longestWord(s string) int {
	longest := 0
	for _, word := range splitWords(s) {
		longest = max(longest, len(word))
	}
	return longest
}

// isFieldName is stricter than RFC 5322, 2.2: only the token characters that every
// reader agrees on.
func isFieldName(s string) bool {
	if s == "" || len(s) > 76 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// isReserved reports whether a field, by canonical name, is not for callers: it says
// who speaks, how the body is built or what servers did.
func isReserved(name string) bool {
	switch name {
	case "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Subject", "Date", "Message-Id",
		"Mime-Version", "Return-Path", "Received", "Received-Spf", "Delivered-To", "Envelope-To",
		"Dkim-Signature", "Domainkey-Signature", "Authentication-Results", "Apparently-To", "Errors-To":
		return true
	}
	for _, prefix := range []string{"Content-", "Resent-", "Arc-", "X-Stafette-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// pointer makes a name safe for a JSON pointer (RFC 6901, 3) and for a log line.
func pointer(name string) string {
	if plainName(name) {
		return name
	}
	quoted := strconv.QuoteToASCII(name)
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(quoted[1 : len(quoted)-1])
}

// plainName reports whether a name consists of letters, digits and hyphens, as
// nearly all do.
func plainName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

func (c *checker) attachments(list []Attachment) {
	if len(list) > maxAttachments {
		c.refuse("attachments", "attachments_too_many", "at most "+strconv.Itoa(maxAttachments)+" attachments are allowed")
		return
	}
	ids := make(map[string]bool)
	for i, a := range list {
		field := "attachments/" + strconv.Itoa(i) + "/"
		c.filename(field+"filename", a)
		c.contentType(field, a)
		switch {
		case a.ContentID == "":
		case !c.text(field+"content_id", a.ContentID, maxMessageID):
		case !isContentID(a.ContentID):
			c.refuse(field+"content_id", "content_id_malformed", "a content ID has printing ASCII characters without brackets and spaces")
		case ids[a.ContentID]:
			c.refuse(field+"content_id", "content_id_duplicate", "another attachment has the same content ID")
		}
		ids[a.ContentID] = true
	}
}

func (c *checker) filename(field string, a Attachment) {
	switch {
	case !c.text(field, a.Filename, maxFilename):
	case a.Filename == "" && a.ContentID == "":
		c.refuse(field, "filename_missing", "an attachment needs a file name")
	case strings.ContainsAny(a.Filename, `/\`) || a.Filename == "." || a.Filename == "..":
		c.refuse(field, "filename_malformed", "a file name is not a path")
	}
}

func isContentID(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`<>()[],;:"\`, s[i]) >= 0 {
			return false
		}
	}
	return true
}

// contentType checks that a leaf of that type can be written without changing it.
func (c *checker) contentType(field string, a Attachment) {
	if a.ContentType == "" || !c.text(field+"content_type", a.ContentType, maxFilename) {
		return
	}
	media, params, err := mime.ParseMediaType(a.ContentType)
	if err != nil || !strings.Contains(media, "/") {
		c.refuse(field+"content_type", "content_type_malformed", fault.Quote(a.ContentType)+" is not a media type")
		return
	}
	for key, value := range params {
		if f := checkText(field+"content_type", key+value); f != nil {
			c.add(f)
			return
		}
	}
	if mime.FormatMediaType(media, params) == "" {
		c.refuse(field+"content_type", "content_type_malformed", fault.Quote(a.ContentType)+" is not a media type")
		return
	}
	switch {
	case strings.HasPrefix(media, "multipart/"), media == "message/partial", media == "message/external-body":
		c.refuse(field+"content_type", "content_type_not_allowed", "an attachment cannot be of type "+media)
	// RFC 2046, 5.2.1: a message may not be encoded, so it must be clean as it is.
	case isMessage(media) && !isSevenBit(a.Content):
		c.refuse(field+"content", "content_not_seven_bit", "an attached message must be ASCII with CRLF line ends of at most 998 characters")
	}
}

func isMessage(media string) bool { return strings.HasPrefix(media, "message/") }
