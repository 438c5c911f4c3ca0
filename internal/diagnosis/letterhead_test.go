package diagnosis

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"
)

// Paper bears whatever logo the room of pictures writes, opaque or not, and the same paper
// is the same bytes; what is no colour draws no line.
func TestLetterhead(t *testing.T) {
	t.Parallel()
	print := func(l Letterhead) []byte {
		t.Helper()
		p := NewPrintOn(l, "Nachweis", "Speicherblock 7")
		p.Row("An", "eva@kunde.example")
		out, err := p.Bytes(func(int, int) string { return "1" })
		if err != nil {
			t.Fatalf("%d × %d: %v", l.Width, l.Height, err)
		}
		return out
	}
	plain := print(Letterhead{})
	if none := print(Letterhead{Colour: "red; evil"}); !bytes.Equal(none, plain) {
		t.Error("what is no colour changed the paper")
	}
	for name, l := range map[string]Letterhead{
		"name": {Name: "Hafenkontor 'Süd' ☃"}, "colour": {Colour: "#9a1b2f"},
		"opaque": {Logo: drawn(t, "png", 255), Width: 64, Height: 20}, "transparent": {Logo: drawn(t, "png", 90), Width: 64, Height: 20, Colour: "#9A1B2F"},
		"jpeg": {Logo: drawn(t, "jpeg", 255), Width: 64, Height: 20},
	} {
		one := print(l)
		if bytes.Equal(one, plain) || !bytes.Equal(one, print(l)) {
			t.Errorf("%s: changes nothing, or every time", name)
		}
		if l.Logo != nil && !bytes.Contains(one, []byte("/Subtype /Image")) {
			t.Errorf("%s: no picture on the paper", name)
		}
	}
}

func drawn(t *testing.T, format string, alpha uint8) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 64, 20))
	for i := range 64 * 20 {
		img.SetNRGBA(i%64, i/64, color.NRGBA{R: uint8(i), G: 80, B: 120, A: alpha})
	}
	var b bytes.Buffer
	err := png.Encode(&b, img)
	if format == "jpeg" {
		b.Reset()
		err = jpeg.Encode(&b, img, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
