package smtpserver

import (
	"crypto/rand"
	"encoding/hex"
	"strings"

	"stafette/internal/message"
)

// trace is the Received field to put before the message (RFC 5321, 4.4). Without
// TraceClient it leaves out where the mail came from: the address of an office or a person
// at home is not the recipients' business, and the event log of the platform has it.
func (s *session) trace() ([]byte, error) {
	var id [8]byte
	_, _ = rand.Read(id[:])
	value := "by " + s.server.config.Hostname + " with " + s.protocol() + " id " + hex.EncodeToString(id[:]) +
		"; " + s.server.config.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700")
	if s.server.config.TraceClient {
		value = "from " + heloName(s.helo) + " ([" + addressLiteral(s.conn.ip.String()) + "]) " + value
	}
	return message.PrependFields(nil, message.Header{Name: "Received", Value: value})
}

// protocol names how the mail came (RFC 3848, RFC 6531, 4.3). Nobody sends here without
// authentication.
func (s *session) protocol() string {
	name := "ESMTP"
	if s.tx.announced.utf8 {
		name = "UTF8SMTP"
	}
	if s.encrypted() {
		name += "S"
	}
	return name + "A"
}

// heloName returns what the client calls itself if that can stand in a header.
func heloName(s string) string {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:[]"
	if s == "" || len(s) > 255 || strings.Trim(s, allowed) != "" {
		return "unknown"
	}
	return s
}

func addressLiteral(ip string) string {
	if strings.Contains(ip, ":") {
		return "IPv6:" + ip
	}
	return ip
}
