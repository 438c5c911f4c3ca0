package dkim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Validity is how long a signature may be used (x=). It covers five days of retries
// and keeps a stolen mail from being replayed for ever.
const Validity = 7 * 24 * time.Hour

// Key is a signer and the name it is published under.
type Key struct {
	Selector string
	Signer   Signer
}

// Options say how a message is signed.
type Options struct {
	Domain string // d=, A-labels
	Keys   []Key  // one signature each, in order
	// Fields are the header fields to sign; nil means DefaultFields. Each is signed as
	// often as it stands in the header and once more, so that a further one of the name
	// breaks the signature (RFC 6376, 8.15).
	Fields []string
}

// DefaultFields returns the fields that tell the reader who writes what, and those that
// tell programs how to read it. List-Unsubscribe must be signed by RFC 8058, 4, and
// CFBL-Address by RFC 9477, 3.1.
func DefaultFields() []string {
	return []string{
		"From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To",
		"References", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
		"List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "CFBL-Address",
	}
}

// Sign returns the DKIM-Signature fields to put before message, which must have CRLF
// line ends and must not be changed afterwards. Times are taken from now, to the
// second. Without keys it returns nothing. It is safe for concurrent use.
func Sign(now time.Time, message []byte, o Options) ([]byte, error) {
	if len(o.Keys) == 0 {
		return nil, nil
	}
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("sign message: %w", err)
	}
	wanted := o.Fields
	if wanted == nil {
		wanted = DefaultFields()
	}
	fields, body := splitHeader(message)
	signed, names := collect(fields, wanted)
	bodyHash := hashBody(body)
	out := make([]byte, 0, 2048)
	for _, key := range o.Keys {
		start := len(out)
		out = appendUnsigned(out, now, o.Domain, key, names, bodyHash)
		// RFC 6376, 3.7: the signature's own field comes last, b= empty, without CRLF.
		input := appendRelaxedField(signed, out[start:])
		signature, err := key.Signer.sign(sha256.Sum256(input[:len(input)-len(crlf)]))
		if err != nil {
			return nil, fmt.Errorf("sign message with selector %s: %w", key.Selector, err)
		}
		out = appendFolded(out, base64.StdEncoding.AppendEncode(nil, signature))
		out = append(out, crlf...)
	}
	return out, nil
}

// check keeps names that could not stand in the field out of it.
func (o Options) check() error {
	if !isName(o.Domain) {
		return errors.New("the domain is not a name")
	}
	hasFrom := o.Fields == nil
	for _, f := range o.Fields {
		if !isName(f) {
			return errors.New("a field to sign is not a name")
		}
		hasFrom = hasFrom || strings.EqualFold(f, "From")
	}
	if !hasFrom {
		return errors.New("the field From must be signed")
	}
	for _, k := range o.Keys {
		if !isName(k.Selector) {
			return errors.New("the selector is not a name")
		}
	}
	return nil
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return s != ""
}

// splitHeader cuts a message into its fields, with continuation lines, and its body.
func splitHeader(message []byte) (fields [][]byte, body []byte) {
	fields = make([][]byte, 0, 32)
	start := 0
	for at := 0; at < len(message); {
		if bytes.HasPrefix(message[at:], []byte(crlf)) {
			return fields, message[at+len(crlf):]
		}
		next := len(message)
		if i := bytes.IndexByte(message[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		at = next
		if at == len(message) || message[at] != ' ' && message[at] != '\t' {
			fields = append(fields, message[start:at])
			start = at
		}
	}
	return fields, nil
}

// collect returns the relaxed form of the wanted fields that exist and the list of names
// for h=. Fields of one name are taken from the last to the first (RFC 6376, 5.4.2).
func collect(fields [][]byte, wanted []string) (signed []byte, names []string) {
	signed = make([]byte, 0, 4096)
	names = make([]string, 0, 2*len(wanted))
	for _, name := range wanted {
		for i := len(fields) - 1; i >= 0; i-- {
			if hasName(fields[i], name) {
				signed = appendRelaxedField(signed, fields[i])
				names = append(names, name)
			}
		}
		names = append(names, name)
	}
	return signed, names
}

func hasName(field []byte, name string) bool {
	return len(field) > len(name) && field[len(name)] == ':' && strings.EqualFold(string(field[:len(name)]), name)
}

// Columns a line of the field may have.
const lineLength = 76

// appendUnsigned appends the field up to and including "b=".
func appendUnsigned(dst []byte, now time.Time, domain string, key Key, names []string, bodyHash [sha256.Size]byte) []byte {
	seconds := now.Unix()
	dst = append(dst, "DKIM-Signature: v=1; a="+key.Signer.Algorithm()+"-sha256; c=relaxed/relaxed;\r\n d="...)
	dst = append(dst, domain...)
	dst = append(dst, ";\r\n s="...)
	dst = append(dst, key.Selector...)
	dst = strconv.AppendInt(append(dst, "; t="...), seconds, 10)
	dst = strconv.AppendInt(append(dst, "; x="...), seconds+int64(Validity/time.Second), 10)
	dst = appendNames(append(dst, ";\r\n h="...), names)
	dst = append(dst, ";\r\n bh="...)
	dst = base64.StdEncoding.AppendEncode(dst, bodyHash[:])
	return append(dst, ";\r\n b="...)
}

// appendNames appends the list behind " h=", folded.
func appendNames(dst []byte, names []string) []byte {
	column := len(" h=")
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ':')
			column++
		}
		if column+len(name)+1 > lineLength {
			dst = append(dst, crlf+" "...)
			column = 1
		}
		dst = append(dst, name...)
		column += len(name)
	}
	return dst
}

// appendFolded appends a signature behind " b=", folded.
func appendFolded(dst, signature []byte) []byte {
	room := lineLength - len(" b=")
	for len(signature) > room {
		dst = append(dst, signature[:room]...)
		dst = append(dst, crlf+" "...)
		signature = signature[room:]
		room = lineLength - 1
	}
	return append(dst, signature...)
}
