package message

import (
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/inbucket/html2text"

	"stafette/internal/fault"
)

// Composed is a message ready to be signed and sent.
type Composed struct {
	Bytes    []byte   // header, empty line, body; CRLF line ends
	Digests  []Digest // of the attachments, in order
	EightBit bool     // the body has bytes above 127; never for what Compose made
	UTF8     bool     // the header has such bytes: SMTPUTF8 is needed (RFC 6532)
}

// Compose makes an RFC 5322 message with MIME of a draft. The same draft gives the
// same bytes: boundaries come from the Message-ID. Where HTML has no text beside it,
// the text is made from it. Line ends of the texts become CRLF.
//
// Nothing is ever stripped or repaired: what cannot stand in a header is refused,
// all of it at once, by a *fault.Error whose Field names the input as the API calls
// it ("subject", "to/2", "attachments/0/filename", "headers/X-Foo").
func Compose(d Draft) (Composed, error) {
	var c checker
	c.draft(d)
	if err := fault.Join(c.found); err != nil {
		return Composed{}, err
	}
	// What it comes to as a rule; the encodings make texts a little longer.
	size := 2048 + len(d.Text)*5/4 + len(d.HTML)*5/4
	digests := make([]Digest, 0, len(d.Attachments))
	for _, a := range d.Attachments {
		size += len(a.Content)*3/2 + 1024
		media, _ := mediaType(a)
		digests = append(digests, Digest{
			Filename: a.Filename, ContentType: media,
			Size: int64(len(a.Content)), SHA256: sha256.Sum256(a.Content),
		})
	}
	w := &headerWriter{}
	w.Grow(size)
	writeHeader(w, d)
	utf8Header := !isASCII(w.String())
	body(d).write(w, newBoundaries(d.MessageID))
	return Composed{Bytes: w.Bytes(), Digests: digests, UTF8: utf8Header}, nil
}

// CheckHeader is what Compose says of a draft, without its content: whether SMTPUTF8 is needed for
// the header, and the error. The draft is one without attachments.
func CheckHeader(d Draft) (utf8Header bool, err error) {
	var c checker
	c.draft(d)
	if err := fault.Join(c.found); err != nil {
		return false, err
	}
	// All else is encoded where it is not ASCII.
	foreign := func(m Mailbox) bool { return !m.Address.IsASCII() }
	return foreign(d.From) || slices.ContainsFunc(d.To, foreign) || slices.ContainsFunc(d.Cc, foreign) || slices.ContainsFunc(d.ReplyTo, foreign), nil
}

func writeHeader(w *headerWriter, d Draft) {
	list := func(name string, boxes []Mailbox) {
		if len(boxes) > 0 {
			w.name(name)
			w.mailboxes(boxes)
			w.end()
		}
	}
	w.name("Date")
	w.token(d.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	w.end()
	list("From", []Mailbox{d.From})
	list("To", d.To)
	if len(d.To)+len(d.Cc) == 0 {
		// Some filters hold a missing To against the sender; the empty group is what
		// RFC 5322, 3.4 gives for "nobody you may see".
		w.name("To")
		w.token("undisclosed-recipients:;")
		w.end()
	}
	list("Cc", d.Cc)
	list("Reply-To", d.ReplyTo)
	w.name("Subject")
	w.text(d.Subject)
	w.end()
	w.name("Message-ID")
	w.token("<" + d.MessageID + ">")
	w.end()
	for _, h := range d.Headers {
		writeField(w, h)
	}
	w.WriteString("MIME-Version: 1.0\r\n")
}

// writeField writes a checked field. ASCII values are left as they are, since the
// field may be structured (List-Unsubscribe, References).
func writeField(w *headerWriter, h Header) {
	value := strings.TrimSpace(h.Value)
	w.name(h.Name)
	if isASCII(value) {
		w.plain(value)
	} else {
		w.encoded(value)
	}
	w.end()
}

// body arranges the parts: mixed around related around alternative, each only where
// there is more than one thing to hold.
func body(d Draft) part {
	var inline, attached []part
	for _, a := range d.Attachments {
		if a.ContentID != "" && d.HTML != "" {
			inline = append(inline, file{a, "inline"})
		} else {
			attached = append(attached, file{a, "attachment"})
		}
	}
	if d.Text == "" && d.HTML == "" {
		return container{"mixed", attached}
	}
	main := many("related", append([]part{texts(d)}, inline...))
	return many("mixed", append([]part{main}, attached...))
}

// TextOf is the text that Compose puts beside HTML which has none.
func TextOf(page string) (string, error) { return html2text.FromString(page) }

func texts(d Draft) part {
	plain, html := d.Text, d.HTML
	if html == "" {
		return text{"plain", plain}
	}
	if plain == "" {
		// A page the converter cannot read goes out without a text beside it.
		plain, _ = TextOf(html)
	}
	if plain == "" || !utf8.ValidString(plain) {
		return text{"html", html}
	}
	return many("alternative", []part{text{"plain", plain}, text{"html", html}})
}

// boundaries makes the boundaries of one message. They hold "=_", which neither
// quoted-printable nor base64 can produce, so no content needs to be searched.
type boundaries struct {
	seed string
	n    byte
}

func newBoundaries(messageID string) *boundaries {
	sum := sha256.Sum256([]byte(messageID))
	return &boundaries{seed: hex.EncodeToString(sum[:12])}
}

func (b *boundaries) next() string {
	b.n++
	return "=_" + b.seed + "_" + string('0'+b.n)
}

// mediaType returns the bare media type of an attachment and its parameters without
// the name, which is written apart.
func mediaType(a Attachment) (string, map[string]string) {
	if a.ContentType == "" {
		return "application/octet-stream", nil
	}
	media, params, err := mime.ParseMediaType(a.ContentType)
	if err != nil {
		return "application/octet-stream", nil
	}
	delete(params, "name")
	delete(params, "boundary")
	return media, params
}
