package diagnosis

import (
	"encoding/hex"

	"github.com/signintech/gopdf"
)

// The room of a sender's logo at the top of a page, in points.
const (
	logoWidth  = 150.0
	logoHeight = 30.0
)

// owner draws whose paper it is to the right margin, without changing where text goes on. A
// logo is on white, as the page is, and never drawn larger than it is at 96 dots per inch.
func (s *sheet) owner(l Letterhead, y float64) {
	if s.err != nil || len(l.Logo) == 0 && l.Name == "" {
		return
	}
	if len(l.Logo) == 0 || l.Width <= 0 || l.Height <= 0 {
		s.face(bold, 10, black())
		name := s.fitting(printable(l.Name), textWidth/2)
		s.y = y + 2
		s.line(marginLeft+textWidth-s.width(name), name)
		return
	}
	const perPixel = 72.0 / 96
	scale := min(perPixel, logoWidth/float64(l.Width), logoHeight/float64(l.Height))
	size := &gopdf.Rect{W: float64(l.Width) * scale, H: float64(l.Height) * scale}
	picture, err := gopdf.ImageHolderByBytes(l.Logo)
	if err == nil {
		err = s.pdf.ImageByHolder(picture, marginLeft+textWidth-size.W, y-6, size)
	}
	s.err = err
}

// stripe draws a line in a sender's colour across the text, above where it goes on.
func (s *sheet) stripe(colour string) {
	if len(colour) != len("#rrggbb") || colour[0] != '#' {
		return
	}
	c, err := hex.DecodeString(colour[1:])
	if err != nil {
		return
	}
	s.pdf.SetStrokeColor(c[0], c[1], c[2])
	s.pdf.SetLineWidth(2)
	s.pdf.Line(marginLeft, s.y-6, marginLeft+textWidth, s.y-6)
}
