// Package blocks is a mail as people put it together: a list of blocks (text, picture,
// button, …) in the colours of a brand, written as MJML and as plain text.
//
// It stands between the editor and the compiler: package mjml makes HTML of what MJML
// returns, package template merges data into that and into Text. Words within blocks are
// plain, with a little markup (**bold**, *italic*, [link](https://…), headings, lists; a
// backslash makes their signs words); nothing a person types becomes HTML (T15). Tags of Handlebars stay as they are.
//
// It does not keep anything and draws no pages.
package blocks

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"stafette/internal/fault"
)

// Kind says what a block is.
type Kind string

// The kinds of block, in the order of the editor.
const (
	Head    Kind = "head"    // logo or name of the sender
	Text    Kind = "text"    // Title and Text
	Picture Kind = "picture" // Picture with Alt; URL makes a link of it
	Button  Kind = "button"  // Label and URL
	Columns Kind = "columns" // two or three Cells side by side
	Offer   Kind = "offer"   // Picture, Title, Price, Text (facts), Label and URL
	Product Kind = "product" // the same for goods
	Social  Kind = "social"  // Cells with Label and URL, in one line
	Divider Kind = "divider"
	Footer  Kind = "footer" // Text, imprint and the way to unsubscribe; every mail ends with one
)

// Kinds lists them in the order of the editor.
func Kinds() []Kind {
	return []Kind{Head, Text, Picture, Button, Columns, Offer, Product, Social, Divider, Footer}
}

// Limits of a document.
const (
	MaxBlocks = 60
	MaxText   = 10_000 // bytes of one text
	MaxWords  = 300    // bytes of a title, label, price or alternative text
	MaxURL    = 2000
	MaxCells  = 6
	maxAcross = 3 // cells of Columns
)

// Current is the version of documents that this package writes.
const Current = 1

// Variables that a footer puts into the mail. Whoever sends fills them.
const (
	UnsubscribeVariable = "unsubscribe_url"
	ImprintVariable     = "imprint"
)

// Codes of refusals; each is a fault.Invalid at "blocks/2/alt" and the like.
const (
	CodeVersion = "blocks_version"     // a document of a version we do not know
	CodeKind    = "block_kind_unknown" // no such kind of block
	CodeMany    = "blocks_too_many"
	CodeLong    = "block_text_long"
	CodeTag     = "block_tag_unfit"   // a tag that would be a part of the layout, or a mark
	CodeAlt     = "block_alt_missing" // a picture without words for those who do not see it
	CodeURL     = "block_url_malformed"
	CodeEmpty   = "block_empty"    // what the block is about is missing
	CodeFooter  = "footer_missing" // no footer, more than one, or something behind it
)

// Cell is a part of a block of columns or of links.
type Cell struct {
	Title   string `json:"title,omitempty"`
	Text    string `json:"text,omitempty"`
	Picture string `json:"picture,omitempty"`
	Alt     string `json:"alt,omitempty"`
	Label   string `json:"label,omitempty"`
	URL     string `json:"url,omitempty"`
}

// Block is one block. What its kind does not use is empty.
type Block struct {
	Kind Kind `json:"kind"`
	Cell
	Price string `json:"price,omitempty"`
	Cells []Cell `json:"cells,omitempty"`
}

// Document is a mail in blocks, as it is kept and as the API takes it.
type Document struct {
	Version int     `json:"version"`
	Blocks  []Block `json:"blocks"`
}

// New is the document that a new template begins with.
func New() Document {
	return Document{Version: Current, Blocks: []Block{{Kind: Head}, {Kind: Text}, {Kind: Footer}}}
}

// Check returns a *fault.Error with everything that is wrong, or nil. An address may be
// a variable ("{{link}}") or begin like an address; mailto: and tel: are taken as well.
func (d Document) Check() error {
	var wrong []*fault.Error
	add := func(field, code, detail string) { wrong = append(wrong, fault.Field("blocks"+field, code, detail)) }
	if d.Version != Current {
		add("", CodeVersion, "Documents have the version 1.")
	}
	if len(d.Blocks) > MaxBlocks {
		add("", CodeMany, fmt.Sprintf("A mail has at most %d blocks.", MaxBlocks))
		return fault.Join(wrong)
	}
	for i, b := range d.Blocks {
		at := fmt.Sprintf("/%d", i)
		if !slices.Contains(Kinds(), b.Kind) {
			add(at+"/kind", CodeKind, "There is no such kind of block.")
			continue
		}
		if len(b.Cells) > MaxCells || b.Kind == Columns && len(b.Cells) > maxAcross {
			add(at+"/cells", CodeMany, "The block has too many parts.")
		}
		b.Cell.check(at, add)
		if len(b.Price) > MaxWords {
			add(at+"/price", CodeLong, fmt.Sprintf("At most %d bytes.", MaxWords))
		}
		for j, c := range b.Cells {
			c.check(fmt.Sprintf("%s/cells/%d", at, j), add)
		}
		switch {
		case b.Kind == Picture && b.Picture == "":
			add(at+"/picture", CodeEmpty, "The address of the picture is missing.")
		case b.Kind == Button && b.Label == "":
			add(at+"/label", CodeEmpty, "The words of the button are missing.")
		case b.Kind == Button && b.URL == "":
			add(at+"/url", CodeEmpty, "The address of the button is missing.")
		}
	}
	footers := 0
	for _, b := range d.Blocks {
		if b.Kind == Footer {
			footers++
		}
	}
	if footers != 1 || d.Blocks[len(d.Blocks)-1].Kind != Footer {
		add("", CodeFooter, "A mail ends with one footer.")
	}
	return fault.Join(wrong)
}

// check adds what is wrong with a cell that stands at a place of a document.
func (c Cell) check(at string, add func(field, code, detail string)) {
	for field, text := range map[string]string{"title": c.Title, "alt": c.Alt, "label": c.Label} {
		if len(text) > MaxWords || !utf8.ValidString(text) {
			add(at+"/"+field, CodeLong, fmt.Sprintf("At most %d bytes.", MaxWords))
		}
		if unfit(text) {
			add(at+"/"+field, CodeTag, "A variable of a block has no < and no >.")
		}
	}
	if unfit(c.Text) {
		add(at+"/text", CodeTag, "A variable of a block has no < and no >.")
	}
	if len(c.Text) > MaxText || !utf8.ValidString(c.Text) {
		add(at+"/text", CodeLong, fmt.Sprintf("At most %d bytes.", MaxText))
	}
	if c.URL != "" && !usable(c.URL, "https", "http", "mailto", "tel") {
		add(at+"/url", CodeURL, "An address begins with https://.")
	}
	if c.Picture != "" && !usable(c.Picture, "https", "http") {
		add(at+"/picture", CodeURL, "The address of a picture begins with https://.")
	}
	if c.Picture != "" && strings.TrimSpace(c.Alt) == "" {
		add(at+"/alt", CodeAlt, "Say in words what the picture shows.")
	}
}

// unfit tells whether a tag in a text has signs of HTML: it would not be what it was written as.
func unfit(text string) bool {
	return slices.ContainsFunc(tags.FindAllString(text, -1), func(tag string) bool { return strings.ContainsAny(tag, "<>") })
}

// usable tells whether an address may stand in a mail.
func usable(address string, schemes ...string) bool {
	// Variables within an address take no part in its form.
	bare := tags.ReplaceAllString(address, "x")
	if len(address) > MaxURL || strings.ContainsFunc(bare, func(r rune) bool { return r <= ' ' || strings.ContainsRune("<>\"\\{}", r) }) {
		return false
	}
	if strings.HasPrefix(address, "{{") {
		return true
	}
	u, err := url.Parse(bare)
	if err != nil || !slices.Contains(schemes, strings.ToLower(u.Scheme)) {
		return false
	}
	return u.Host != "" || u.Opaque != ""
}

// tags are those of Handlebars within a text.
var tags = regexp.MustCompile(`\{\{[^{}]*\}\}`)
