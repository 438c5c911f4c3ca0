package dmarc

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
)

// Limits of the mail around a report.
const (
	maxMail      = 15 << 20
	maxParts     = 20
	maxMailDepth = 4
)

var errNoPart = errors.New("the mail holds no report")

// ReadMail reads a report out of the mail it came in, or as it is: whatever is
// attached and looks like a report is taken for one, whatever its name and type say.
func ReadMail(raw []byte) (Report, error) {
	if looksPacked(raw) || looksXML(raw) {
		return ParseReport(raw)
	}
	if len(raw) > maxMail {
		return Report{}, fmt.Errorf("%w: mail of more than %d bytes", errReport, maxMail)
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Report{}, fmt.Errorf("%w: %w", errReport, err)
	}
	parts := maxParts
	found, err := attachment(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body, 0, &parts)
	if err != nil {
		return Report{}, fmt.Errorf("%w: %w", errReport, err)
	}
	return ParseReport(found)
}

func attachment(kind, encoding string, body io.Reader, depth int, parts *int) ([]byte, error) {
	if *parts--; *parts < 0 || depth > maxMailDepth {
		return nil, errNoPart
	}
	media, params, err := mime.ParseMediaType(kind)
	if err == nil && strings.HasPrefix(media, "multipart/") {
		return among(multipart.NewReader(body, params["boundary"]), depth, parts)
	}
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	content, err := io.ReadAll(io.LimitReader(body, maxPacked+1))
	if err != nil {
		return nil, err
	}
	if looksPacked(content) || looksXML(content) {
		return content, nil
	}
	return nil, errNoPart
}

func among(r *multipart.Reader, depth int, parts *int) ([]byte, error) {
	for *parts > 0 {
		part, err := r.NextRawPart()
		if err != nil {
			break
		}
		found, err := attachment(part.Header.Get("Content-Type"), part.Header.Get("Content-Transfer-Encoding"), part, depth+1, parts)
		if err == nil {
			return found, nil
		}
	}
	return nil, errNoPart
}

func looksPacked(b []byte) bool {
	return bytes.HasPrefix(b, []byte{0x1f, 0x8b}) || bytes.HasPrefix(b, []byte("PK\x03\x04"))
}

func looksXML(b []byte) bool {
	b = bytes.TrimLeft(bytes.TrimPrefix(b[:min(len(b), 512)], []byte("\xef\xbb\xbf")), " \t\r\n")
	return bytes.HasPrefix(b, []byte("<?xml")) || bytes.HasPrefix(b, []byte("<feedback"))
}
