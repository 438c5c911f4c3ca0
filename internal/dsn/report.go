package dsn

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/message"
)

// Report is everything a delivery status notification says (RFC 3464). What is empty
// is left out.
type Report struct {
	From    message.Mailbox // its name must be plain ASCII words
	To      message.Address
	Subject string // any text
	Text    string // what people read; lines end with \n
	Date    time.Time
	// About is the Message-ID of the message reported on, without angle brackets.
	About string

	ReportingMTA string // host name
	EnvelopeID   string // ENVID of the message, decoded
	Arrived      time.Time
	Recipients   []Recipient

	// Original is the message reported on, as it was sent; nil if it is not at hand.
	// Of it the header comes back, or with Full, and of at most MaxReturned bytes, all.
	Original []byte
	Full     bool
}

// Recipient is what a report says of one recipient.
type Recipient struct {
	Original    message.OriginalRecipient
	Final       message.Address
	Action      bounce.Action
	Status      string // RFC 3463
	RemoteMTA   string // host name
	Diagnostic  string // the server's reply, codes included
	Finding     string // our own words, where no server spoke
	LastAttempt time.Time
	LogID       string // how we call the delivery
	RetryUntil  time.Time
}

// Limits of what a report brings back of the original message.
const (
	MaxReturned       = 1 << 20 // bytes of a whole message; of a larger one the header is returned
	maxReturnedHeader = 64 << 10
)

// maxSubject bounds the words of the original subject that are repeated.
const maxSubject = 150

// dateForm is that of RFC 5322, 3.3.
const dateForm = "Mon, 02 Jan 2006 15:04:05 -0700"

// Compose makes the message: a multipart/report of RFC 6522 with the text, the fields
// of RFC 3464, or 6533 where an address is not ASCII, and what comes back of the
// original. It bears neither Message-ID nor signature, which ingest and delivery add.
//
// Whatever a server said and a client wrote, every field stays one field: control
// characters are taken out and long lines folded. The same Report gives the same bytes.
func Compose(r Report) []byte {
	parts := []part{prose(r.Text), status(r)}
	if p, ok := returned(r); ok {
		parts = append(parts, p)
	}
	boundary := boundaryFor(parts)
	var w fields
	w.add("Date", r.Date.Format(dateForm))
	w.add("From", r.From.Name+" <"+r.From.Address.String()+">")
	w.add("To", "<"+r.To.String()+">")
	// What looks like an encoded word would be decoded to something else.
	subject := strings.ReplaceAll(shorten(oneLine(r.Subject), maxSubject), "=?", "= ?")
	w.add("Subject", mime.QEncoding.Encode("utf-8", subject))
	if r.About != "" {
		w.add("In-Reply-To", "<"+r.About+">")
		w.add("References", "<"+r.About+">")
	}
	// RFC 3834, 5: vacation programs must not answer.
	w.add("Auto-Submitted", "auto-replied")
	w.add("MIME-Version", "1.0")
	w.add("Content-Type", `multipart/report; report-type=delivery-status; boundary="`+boundary+`"`)
	w.WriteString("\r\n")
	for _, p := range parts {
		w.WriteString("--" + boundary + "\r\n")
		w.add("Content-Type", p.media)
		w.add("Content-Transfer-Encoding", p.encoding)
		w.WriteString("\r\n")
		w.Write(p.content)
		w.WriteString("\r\n")
	}
	w.WriteString("--" + boundary + "--\r\n")
	return w.Bytes()
}

// part is one part of the report.
type part struct {
	media, encoding string
	content         []byte
}

// prose is the part for people.
func prose(text string) part {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b) // a buffer takes everything
	_, _ = w.Write([]byte(strings.ToValidUTF8(text, "\uFFFD")))
	_ = w.Close()
	return part{"text/plain; charset=utf-8", "quoted-printable", b.Bytes()}
}

// boundaryFor makes a boundary that stands in none of the parts: the original may have
// been written by somebody who would like to choose what the report says.
func boundaryFor(parts []part) string {
	for n := 0; ; n++ {
		h := sha256.New()
		_, _ = fmt.Fprintf(h, "%d\n", n)
		for _, p := range parts {
			h.Write(p.content)
		}
		boundary := "=_report_" + hex.EncodeToString(h.Sum(nil)[:16])
		free := true
		for _, p := range parts {
			free = free && !bytes.Contains(p.content, []byte(boundary))
		}
		if free {
			return boundary
		}
	}
}

// returned is the third part: the original, or its header (RFC 3461, 6.2).
func returned(r Report) (part, bool) {
	list, body, err := message.Fields(r.Original, message.Limits{})
	if err != nil || len(list) == 0 {
		return part{}, false
	}
	header := r.Original[:body]
	if r.Full && len(r.Original) <= MaxReturned {
		p := part{"message/rfc822", encodingOf(r.Original), r.Original}
		if !ascii(header) {
			p.media = "message/global" // RFC 6532, 3.7
		}
		return p, true
	}
	if len(header) > maxReturnedHeader {
		end := 0
		for _, f := range list {
			if f.End <= maxReturnedHeader {
				end = f.End
			}
		}
		header = header[:end]
	}
	p := part{"text/rfc822-headers", encodingOf(header), header}
	if !ascii(header) {
		p.media = "message/global-headers" // RFC 6533, 6
	}
	return p, true
}

func encodingOf(b []byte) string {
	if ascii(b) {
		return "7bit"
	}
	return "8bit"
}

func ascii[T string | []byte](b T) bool {
	for i := range len(b) {
		if b[i] >= 0x80 {
			return false
		}
	}
	return true
}
