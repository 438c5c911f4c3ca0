package diagnosis

// Print is a printed report in the look of the proofs: title, paragraphs, headings and
// rows down an A4 page and on to the next. The same words make the same bytes. Its
// methods are not safe for concurrent use.
type Print struct{ sheet *sheet }

// Letterhead is whose paper a report is on. The zero value is nobody's but ours.
type Letterhead struct {
	Name   string // of who stands there; "": only Logo
	Logo   []byte // PNG or JPEG; nil: Name stands there
	Width  int    // of Logo, pixels
	Height int    // of Logo, pixels
	Colour string // "#rrggbb" of the line below the title; "" and what is no colour: none
}

// NewPrintOn begins a report as NewPrint does, with the sender's logo or name at the right of
// our mark and a line in the sender's colour below the title.
func NewPrintOn(l Letterhead, title, under string) *Print {
	p := &Print{sheet: newSheet(title)}
	p.sheet.brand(marginLeft, marginTop)
	p.sheet.owner(l, marginTop)
	p.head(title, under)
	p.sheet.stripe(l.Colour)
	return p
}

// NewOwnPrint is NewPrintOn without our mark: a paper that an account gives to its own
// customers.
func NewOwnPrint(l Letterhead, title, under string) *Print {
	p := &Print{sheet: newSheet(title)}
	p.sheet.owner(l, marginTop)
	p.head(title, under)
	p.sheet.stripe(l.Colour)
	return p
}

// NewPrint begins a report; title stands on top and in the properties of the file.
func NewPrint(title, under string) *Print {
	p := &Print{sheet: newSheet(title)}
	p.sheet.brand(marginLeft, marginTop)
	p.head(title, under)
	return p
}

func (p *Print) head(title, under string) {
	p.sheet.y = marginTop + 34
	p.sheet.paragraph(marginLeft, textWidth, bold, 20, black(), title)
	p.sheet.paragraph(marginLeft, textWidth, regular, 9.5, grey(), under)
	p.sheet.space(14)
}

// Heading begins a part.
func (p *Print) Heading(text string) {
	p.sheet.space(10)
	p.sheet.need(40)
	p.sheet.paragraph(marginLeft, textWidth, bold, 11, black(), text)
	p.sheet.space(3)
}

// Paragraph is running text.
func (p *Print) Paragraph(text string) {
	p.sheet.paragraph(marginLeft, textWidth, regular, 9.5, black(), text)
	p.sheet.space(4)
}

// Row is a label with a value beside it; one without a value is left out.
func (p *Print) Row(label, value string) { p.sheet.row(label, value, regular) }

// Reply is a server's words, as it sent them, under a label.
func (p *Print) Reply(label, words string) { p.sheet.row(label, words, mono) }

// Bytes ends the report with the number of each page, which number words, and returns the PDF.
func (p *Print) Bytes(number func(page, pages int) string) ([]byte, error) {
	p.sheet.number(number)
	return p.sheet.bytes()
}
