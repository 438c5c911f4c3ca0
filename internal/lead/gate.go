package lead

import (
	"bytes"
	"fmt"

	"stafette/internal/fault"
	"stafette/internal/lead/openimmo"
	"stafette/internal/message"
)

// Codes of leads that must not leave.
const (
	CodeXMLMissing = "lead_xml_missing"
	CodeXMLBroken  = "lead_xml_broken"
	CodeXMLMany    = "lead_xml_many"
)

// Gate holds a mail of the stream "lead" against what its receiver's software needs:
// exactly one part that is XML, and that one a lead of a known format. Some readers
// take every part but HTML for XML and believe the last one that parses, so the names
// of parts do not matter. Errors are *fault.Error with the codes of this file.
func Gate(raw []byte) error {
	parts, err := message.Contents(raw)
	if err != nil {
		return fault.New(fault.Invalid, CodeXMLMissing, "the mail cannot be read")
	}
	var found [][]byte
	for _, p := range parts {
		if isXML(p) {
			found = append(found, p.Bytes)
		}
	}
	switch len(found) {
	case 0:
		return fault.New(fault.Invalid, CodeXMLMissing, "the mail of a lead has no XML part")
	case 1:
	default:
		return fault.New(fault.Invalid, CodeXMLMany, fmt.Sprintf("the mail of a lead has %d XML parts", len(found)))
	}
	if _, _, err := openimmo.Read(found[0]); err != nil {
		return &fault.Error{Kind: fault.Invalid, Code: CodeXMLBroken, Detail: "the XML of a lead does not validate", Err: err}
	}
	return nil
}

// isXML reports whether a reader may take the part for XML.
func isXML(p message.Content) bool {
	if p.ContentType == "text/html" {
		return false
	}
	if p.ContentType == "application/xml" || p.ContentType == "text/xml" || bytes.HasSuffix([]byte(p.ContentType), []byte("+xml")) {
		return true
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(p.Bytes, []byte("\ufeff")), " \t\r\n")
	return bytes.HasPrefix(text, []byte("<?xml")) || bytes.HasPrefix(text, []byte("<openimmo")) || bytes.HasPrefix(text, []byte("<objektanfrage"))
}
