package openimmo

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Limits of a document. The longest enquiry that a form of ours takes is a tenth of it.
const (
	maxBytes    = 1 << 20
	maxDepth    = 12
	maxElements = 10_000
)

// errForeign is a part of XML that no lead needs and parsers have been attacked with.
var errForeign = errors.New("document types and processing instructions are not read")

// parse makes a tree of a document. White space between elements is dropped, text is
// kept to the letter.
func parse(raw []byte) (*node, error) {
	if len(raw) > maxBytes {
		return nil, fmt.Errorf("read lead document: longer than %d bytes", maxBytes)
	}
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	d := xml.NewDecoder(bytes.NewReader(raw))
	d.CharsetReader = charset
	p := parser{}
	for {
		// RawToken: names with their prefixes, and no recursion anywhere.
		t, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = p.token(t)
		}
		if err != nil {
			line, _ := d.InputPos()
			return nil, fmt.Errorf("read lead document: line %d: %w", line, err)
		}
	}
	if p.root == nil || len(p.open) > 0 {
		return nil, fmt.Errorf("read lead document: %w", io.ErrUnexpectedEOF)
	}
	return p.root, nil
}

type parser struct {
	root     *node
	open     []*node
	elements int
}

func (p *parser) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		return p.start(t)
	case xml.EndElement:
		return p.end(t)
	case xml.CharData:
		return p.chars(t)
	case xml.Comment:
	case xml.ProcInst:
		if t.Target != "xml" || p.root != nil {
			return errForeign
		}
	default: // a directive
		return errForeign
	}
	return nil
}

func (p *parser) start(t xml.StartElement) error {
	n := &node{name: local(t.Name)}
	switch p.elements++; {
	case p.elements > maxElements:
		return errors.New("too many elements")
	case len(p.open) >= maxDepth:
		return errors.New("elements lie too deep")
	case len(p.open) == 0 && p.root != nil:
		return errors.New("a second root")
	case len(p.open) == 0:
		p.root = n
	default:
		above := p.open[len(p.open)-1]
		if strings.TrimSpace(above.text) != "" {
			return fmt.Errorf("text and elements in <%.40s>", above.name)
		}
		above.text = ""
		above.children = append(above.children, n)
	}
	for _, a := range t.Attr {
		// Old documents have a namespace, some writers name a schema.
		if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" && a.Name.Space != "xsi" {
			n.attributes = append(n.attributes, a.Name.Local)
		}
	}
	p.open = append(p.open, n)
	return nil
}

// local is the name of an element as the rules have it; a prefix makes another name.
func local(n xml.Name) string {
	if n.Space != "" {
		return n.Space + ":" + n.Local
	}
	return n.Local
}

func (p *parser) end(t xml.EndElement) error {
	if len(p.open) == 0 || p.open[len(p.open)-1].name != local(t.Name) {
		return fmt.Errorf("</%.40s> closes nothing", local(t.Name))
	}
	p.open = p.open[:len(p.open)-1]
	return nil
}

func (p *parser) chars(text []byte) error {
	if len(p.open) == 0 {
		if len(bytes.TrimSpace(text)) > 0 {
			return errors.New("text outside the root")
		}
		return nil
	}
	n := p.open[len(p.open)-1]
	if len(n.children) == 0 {
		n.text += string(text)
		return nil
	}
	if len(bytes.TrimSpace(text)) > 0 {
		return fmt.Errorf("text and elements in <%.40s>", n.name)
	}
	return nil
}

// charset reads the encodings that leads have been seen in.
func charset(name string, r io.Reader) (io.Reader, error) {
	switch strings.ToLower(name) {
	case "utf-8", "utf8", "us-ascii", "ascii":
		return r, nil
	case "iso-8859-1", "latin1":
		return charmap.ISO8859_1.NewDecoder().Reader(r), nil
	case "iso-8859-15":
		return charmap.ISO8859_15.NewDecoder().Reader(r), nil
	case "windows-1252":
		return charmap.Windows1252.NewDecoder().Reader(r), nil
	}
	if !utf8.ValidString(name) {
		name = "?"
	}
	return nil, fmt.Errorf("encoding %.40q is not read", name)
}
