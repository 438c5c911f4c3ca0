package diagnosis

import (
	_ "embed"
	"fmt"
	"math"
	"strings"
	"unicode"

	"github.com/signintech/gopdf"
)

// The fonts of the printed proof, DejaVu 2.37; fonts/LICENSE.
var (
	//go:embed fonts/DejaVuSansCondensed.ttf
	regularFont []byte
	//go:embed fonts/DejaVuSansCondensed-Bold.ttf
	boldFont []byte
	//go:embed fonts/DejaVuSansMono.ttf
	monoFont []byte
)

// Faces of a sheet.
const (
	regular = "regular"
	bold    = "bold"
	mono    = "mono"
)

// Measures in points; the page is A4.
const (
	pageWidth  = 595.28
	pageHeight = 841.89
	marginLeft = 62.0
	marginTop  = 56.0
	textWidth  = pageWidth - 2*marginLeft
	textBottom = pageHeight - 64.0
	labelWidth = 118.0
	leading    = 1.42 // line height by font size
)

// ink is a colour of the printed page.
type ink struct{ r, g, b uint8 }

func black() ink { return ink{19, 32, 43} }
func grey() ink  { return ink{86, 99, 112} }
func green() ink { return ink{22, 104, 73} }

// sheet writes lines down a page and goes on to the next one when it is full. The first
// error stays and stops all further writing.
type sheet struct {
	pdf *gopdf.GoPdf
	y   float64
	err error
}

func newSheet(title string) *sheet {
	s := &sheet{pdf: &gopdf.GoPdf{}}
	// No date and no identifier: the same facts make the same bytes.
	s.pdf.Start(gopdf.Config{PageSize: *gopdf.PageSizeA4})
	s.pdf.SetInfo(gopdf.PdfInfo{Title: printable(title), Creator: "Stafette", Producer: "Stafette"})
	missing := gopdf.TtfOption{OnGlyphNotFoundSubstitute: func(rune) rune { return '□' }}
	for _, f := range []struct {
		face string
		font []byte
	}{{regular, regularFont}, {bold, boldFont}, {mono, monoFont}} {
		if s.err == nil {
			s.err = s.pdf.AddTTFFontDataWithOption(f.face, f.font, missing)
		}
	}
	s.page()
	return s
}

func (s *sheet) page() {
	s.pdf.AddPage()
	s.y = marginTop
}

// face chooses font, size and colour.
func (s *sheet) face(name string, size float64, c ink) {
	if s.err == nil {
		s.err = s.pdf.SetFont(name, "", size)
	}
	s.pdf.SetTextColor(c.r, c.g, c.b)
}

// line writes one line at x, without looking at the edge.
func (s *sheet) line(x float64, text string) {
	s.pdf.SetXY(x, s.y)
	if s.err == nil && text != "" {
		s.err = s.pdf.Cell(nil, text)
	}
}

// paragraph writes text from x on within a width, line below line.
func (s *sheet) paragraph(x, width float64, face string, size float64, c ink, text string) {
	s.face(face, size, c)
	for _, one := range s.wrap(printable(text), width) {
		s.need(size * leading)
		s.face(face, size, c)
		s.line(x, one)
		s.y += size * leading
	}
}

// need begins a new page unless there is room for height.
func (s *sheet) need(height float64) {
	if s.y+height > textBottom {
		s.page()
	}
}

func (s *sheet) space(height float64) { s.y += height }

// row writes a label and, beside it, a value in as many lines as it takes.
func (s *sheet) row(label, value, face string) {
	const size = 9.5
	if value == "" {
		return
	}
	s.need(2 * size * leading)
	top := s.y
	page := s.pdf.GetNumberOfPages()
	s.paragraph(marginLeft, labelWidth-8, regular, size, grey(), label)
	bottom := s.y
	s.y = top
	if face == mono {
		s.paragraph(marginLeft+labelWidth, textWidth-labelWidth, face, size-1.4, black(), value)
	} else {
		s.paragraph(marginLeft+labelWidth, textWidth-labelWidth, face, size, black(), value)
	}
	if s.pdf.GetNumberOfPages() == page {
		s.y = max(s.y, bottom)
	}
	s.y += 3.5
}

// rule draws a line across the sheet; dashed is the perforation.
func (s *sheet) rule(dashed bool) {
	s.pdf.SetStrokeColor(191, 201, 208)
	s.pdf.SetLineWidth(0.75)
	s.pdf.SetLineType("solid")
	if dashed {
		s.pdf.SetLineType("dashed")
	}
	s.pdf.Line(marginLeft, s.y, marginLeft+textWidth, s.y)
	s.pdf.SetLineType("solid")
}

// wrap breaks text into lines of at most width, at blanks where there are any.
func (s *sheet) wrap(text string, width float64) []string {
	var lines []string
	for _, given := range strings.Split(text, "\n") {
		line := ""
		for _, word := range strings.Fields(given) {
			candidate := strings.TrimSpace(line + " " + word)
			if s.width(candidate) <= width {
				line = candidate
				continue
			}
			if line != "" {
				lines = append(lines, line)
			}
			for s.width(word) > width {
				head := s.fitting(word, width)
				lines, word = append(lines, head), word[len(head):]
			}
			line = word
		}
		lines = append(lines, line)
	}
	return lines
}

// fitting is the longest beginning of a word that fits, at least one character.
func (s *sheet) fitting(word string, width float64) string {
	end := 0
	for i, r := range word {
		next := i + len(string(r))
		if end > 0 && s.width(word[:next]) > width {
			break
		}
		end = next
	}
	return word[:end]
}

func (s *sheet) width(text string) float64 {
	if s.err != nil || text == "" {
		return 0
	}
	w, err := s.pdf.MeasureTextWidth(text)
	s.err = err
	return w
}

// centred writes text around x.
func (s *sheet) centred(x, y float64, text string) {
	w := s.width(text)
	s.pdf.SetXY(x-w/2, y)
	if s.err == nil {
		s.err = s.pdf.Cell(nil, text)
	}
}

// postmark stamps the page: only where a server took responsibility.
func (s *sheet) postmark(x, y float64, word, date, clock, host string) {
	c := green()
	s.pdf.SetStrokeColor(c.r, c.g, c.b)
	const outer, inner = 46.0, 41.0
	for _, ring := range []struct{ radius, width float64 }{{outer, 1.6}, {inner, 0.8}} {
		s.pdf.SetLineWidth(ring.width)
		s.pdf.Oval(x-ring.radius, y-ring.radius, x+ring.radius, y+ring.radius)
	}
	half := math.Sqrt(inner*inner - 9*9)
	s.pdf.SetLineWidth(0.8)
	s.pdf.Line(x-half, y-9, x+half, y-9)
	s.pdf.Line(x-half, y+9, x+half, y+9)
	s.face(bold, 7.2, c)
	s.centred(x, y-26, printable(word))
	s.face(bold, 10.5, c)
	s.centred(x, y-5.5, date)
	s.face(regular, 8, c)
	s.centred(x, y+12, clock)
	s.face(regular, 4.8, c)
	name := printable(host)
	for s.width(name) > 2*inner-22 && len(name) > 4 {
		name = strings.TrimSuffix(name, "…")
		name = name[:len(name)-1] + "…"
	}
	s.centred(x, y+24, name)
}

// brand draws the mark and the name.
func (s *sheet) brand(x, y float64) {
	c := ink{18, 63, 112}
	s.pdf.SetFillColor(c.r, c.g, c.b)
	bar := func(points ...gopdf.Point) { s.pdf.Polygon(points, "F") }
	const u = 0.8
	at := func(px, py float64) gopdf.Point { return gopdf.Point{X: x + px*u, Y: y + py*u} }
	bar(at(1, 16), at(4.2, 6), at(7.2, 6), at(4, 16))
	bar(at(8.3, 13), at(11.5, 3), at(14.5, 3), at(11.3, 13))
	s.pdf.SetFillColor(196, 58, 21)
	bar(at(15.8, 12), at(19.6, 0), at(22.6, 0), at(18.8, 12))
	s.face(bold, 12, c)
	s.y = y
	s.line(x+24*u+5, "Stafette")
}

// number writes a line at the foot of every page.
func (s *sheet) number(line func(page, pages int) string) {
	pages := s.pdf.GetNumberOfPages()
	for page := 1; page <= pages && s.err == nil; page++ {
		if s.err = s.pdf.SetPage(page); s.err != nil {
			return
		}
		s.face(regular, 8, grey())
		s.y = pageHeight - 44
		s.line(marginLeft, line(page, pages))
	}
}

// bytes ends the document.
func (s *sheet) bytes() ([]byte, error) {
	if s.err != nil {
		return nil, fmt.Errorf("write PDF: %w", s.err)
	}
	b, err := s.pdf.GetBytesPdfReturnErr()
	if err != nil {
		return nil, fmt.Errorf("write PDF: %w", err)
	}
	return b, nil
}

// printable is foreign text as a page can bear it: harmless, and nothing beyond the plane
// the fonts cover.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r > 0xffff {
			return '□'
		}
		return r
	}, harmless(s))
}

// harmless is foreign text without control and direction marks, which could make it read
// as something else; line feeds stay.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t' || unicode.Is(unicode.Zs, r):
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "□"))
}
