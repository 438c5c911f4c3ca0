// Package trace keeps and shows what is said with receiving servers: the whole SMTP
// dialogue of an attempt, for people who want to know why a mail did not go, and live,
// while it happens.
//
// It stands beside the fifth station of the journey. Package smtp tells every line
// (smtp.Listener), delivery gives each connection a Recorder and hands over what is to
// be kept with the verdict; store keeps it, sealed, for a set time. Neither content of
// mails nor secrets of sessions ever come here. The package decides nothing about mail:
// without it everything goes the same way.
package trace

import (
	"fmt"
	"strings"
	"time"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/smtp"
	"stafette/internal/tenant"
)

// Mode says of which attempts the dialogue is kept.
type Mode string

// The modes.
const (
	Failures Mode = "failures" // those that were not accepted by the first server asked
	All      Mode = "all"
	Off      Mode = "off" // of none; watching live still works
)

// Valid reports whether the mode is one of the above.
func (m Mode) Valid() bool { return m == Failures || m == All || m == Off }

// About says whose attempt a dialogue belongs to.
type About struct {
	Tenant   tenant.ID          `json:"tenant,omitzero"`
	Delivery message.DeliveryID `json:"delivery,omitzero"`
	Number   int                `json:"number"` // of the attempt, from 1
	Domain   string             `json:"domain"` // of the recipient
	Site     string             `json:"site"`   // as lanes name it
	Source   string             `json:"source"` // as lanes name it
}

// Line is one line of a dialogue.
type Line struct {
	After time.Duration `json:"after_ns"` // since the dialogue began
	From  smtp.Speaker  `json:"from"`
	Stage smtp.Stage    `json:"stage"`
	Text  string        `json:"text"` // valid UTF-8 without control characters, at most 1 KiB
	Cut   int           `json:"cut,omitempty"`
}

// String is the line as people read it: seconds, speaker, words.
func (l Line) String() string {
	s := fmt.Sprintf("%9.3f %s %s", l.After.Seconds(), l.From, l.Text)
	if l.Cut > 0 {
		s += fmt.Sprintf(" … %d bytes more", l.Cut)
	}
	return s
}

// Dialogue is what was said in one attempt, over one or more sessions.
type Dialogue struct {
	About   `json:"about"`
	Began   time.Time     `json:"began"`
	Host    string        `json:"host,omitempty"`    // the server that spoke last
	Address string        `json:"address,omitempty"` // its IP and port
	Outcome event.Outcome `json:"outcome"`
	Lines   []Line        `json:"lines"`
	// Left is how many lines were left out before Lines[Gap], because there were too many.
	Left int `json:"left,omitempty"`
	Gap  int `json:"gap,omitempty"`
}

// Text is the dialogue as a file: some lines about the attempt, then what was said.
func (d Dialogue) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s attempt %d, %s UTC: %s\n", d.Delivery, d.Number, d.Began.UTC().Format("2006-01-02 15:04:05.000"), d.Outcome)
	fmt.Fprintf(&b, "from %s to %s", d.Source, d.Site)
	if d.Host != "" {
		fmt.Fprintf(&b, ", last %s [%s]", d.Host, d.Address)
	}
	b.WriteString("\nseconds, then C client, S server, * found by the client\n\n")
	for i, l := range d.Lines {
		if d.Left > 0 && i == d.Gap {
			fmt.Fprintf(&b, "          … %d lines left out\n", d.Left)
		}
		b.WriteString(l.String())
		b.WriteByte('\n')
	}
	return b.String()
}
