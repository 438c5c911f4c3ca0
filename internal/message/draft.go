package message

import "time"

// Draft is a message described by its parts; Compose makes its bytes.
type Draft struct {
	From        Mailbox
	To, Cc      []Mailbox
	ReplyTo     []Mailbox
	Subject     string
	Text, HTML  string
	Attachments []Attachment
	Headers     []Header // further fields, in order
	Date        time.Time
	MessageID   string // without angle brackets
}

// Attachment is a file that goes with a message.
type Attachment struct {
	Filename    string
	ContentType string // "" is application/octet-stream
	Content     []byte
	ContentID   string // without angle brackets; set: shown inline in the HTML
}

// Header is one header field.
type Header struct {
	Name, Value string
}
