// Package picture draws pictures of strangers anew, so that nothing but their pixels remains:
// no place, no camera, no second file behind them (T30).
//
// It is floor 0. Rooms that take pictures bound their bytes, and keep what comes out. Memory is
// bounded by the number of pixels, which is read before anything is decoded; how many pictures
// are drawn at a time is the caller's to bound. It keeps nothing and reads no files.
package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"slices"

	_ "golang.org/x/image/webp" // image.Decode reads it

	"stafette/internal/fault"
)

// Format is how a picture is written, as package image names it.
type Format string

// The formats that can be read.
const (
	JPEG Format = "jpeg"
	PNG  Format = "png"
	GIF  Format = "gif"
	WebP Format = "webp"
)

// Codes of refusals, all at the field "file".
const (
	CodeMedia  = "picture_media"  // Invalid: none of the formats asked for
	CodeLarge  = "picture_large"  // TooLarge: too many pixels
	CodeBroken = "picture_broken" // Invalid: cannot be read to its end
)

const (
	// maxPixels bounds what a picture takes in memory: 40 megapixels are 160 MB at most. Of a
	// picture that moves, all its frames count.
	maxPixels   = 40_000_000
	maxSide     = 20_000
	jpegQuality = 82
)

// Drawn is a picture as it is kept.
type Drawn struct {
	Data          []byte
	Media         string // "image/jpeg"
	End           string // of file names, ".jpg"
	Width, Height int
}

// Redraw decodes a picture of one of the formats and writes it anew, its longer edge side
// pixels at most. How a camera was held is heeded, as nobody could tell it any more afterwards.
// A GIF that moves stays one, and must not be larger than side.
func Redraw(data []byte, side int, formats ...Format) (Drawn, error) {
	head, name, err := image.DecodeConfig(bytes.NewReader(data))
	format := Format(name)
	if err != nil || !slices.Contains(formats, format) {
		return Drawn{}, fault.Field("file", CodeMedia, "Pictures of this kind are not taken.")
	}
	if head.Width <= 0 || head.Height <= 0 || head.Width > maxSide || head.Height > maxSide || head.Width*head.Height > maxPixels {
		return Drawn{}, large(fmt.Sprintf("A picture has at most %d pixels.", maxPixels))
	}
	if format == GIF {
		if moves, err := motion(data, side, head); err != nil || moves {
			if err != nil {
				return Drawn{}, err
			}
			return again(data)
		}
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return Drawn{}, broken()
	}
	small := shrink(img, side)
	if format == JPEG {
		small = upright(small, orientation(data))
	}
	return written(small, format)
}

// Small is a copy of a picture that Redraw wrote, its longer edge side pixels at most; of one
// that moves the first frame.
func Small(data []byte, side int) (Drawn, error) {
	img, name, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return Drawn{}, broken()
	}
	return written(shrink(img, side), Format(name))
}

func large(detail string) error {
	return &fault.Error{Kind: fault.TooLarge, Code: CodeLarge, Field: "file", Detail: detail}
}

func broken() error {
	return fault.Field("file", CodeBroken, "The picture cannot be read to its end.")
}

func written(img *image.NRGBA, from Format) (Drawn, error) {
	p := Drawn{Media: "image/jpeg", End: ".jpg", Width: img.Bounds().Dx(), Height: img.Bounds().Dy()}
	var out bytes.Buffer
	var err error
	// Drawings with clear parts stay PNG; photographs would be ten times as large.
	if from != JPEG && !img.Opaque() || from != JPEG && p.Width*p.Height < 250_000 {
		p.Media, p.End = "image/png", ".png"
		err = png.Encode(&out, img)
	} else {
		err = jpeg.Encode(&out, img, &jpeg.Options{Quality: jpegQuality})
	}
	if err != nil {
		return Drawn{}, fmt.Errorf("write picture: %w", err)
	}
	p.Data = out.Bytes()
	return p, nil
}

// motion tells whether a GIF moves, and refuses one that is too much to be read.
func motion(data []byte, side int, head image.Config) (bool, error) {
	frames, pixels := frames(data)
	switch {
	case pixels > maxPixels || frames*head.Width*head.Height > maxPixels:
		return false, large(fmt.Sprintf("All frames of a picture together have at most %d pixels.", maxPixels))
	case frames > 1 && max(head.Width, head.Height) > side:
		return false, large(fmt.Sprintf("A picture that moves has at most %d pixels on each side.", side))
	}
	return frames > 1, nil
}

// again writes all frames of a GIF anew; comments and what programs left in it are gone.
func again(data []byte) (Drawn, error) {
	all, err := gif.DecodeAll(bytes.NewReader(data))
	if err != nil {
		return Drawn{}, broken()
	}
	var out bytes.Buffer
	if err := gif.EncodeAll(&out, all); err != nil {
		return Drawn{}, broken()
	}
	return Drawn{Data: out.Bytes(), Media: "image/gif", End: ".gif", Width: all.Config.Width, Height: all.Config.Height}, nil
}

// frames counts those of a GIF, with their pixels, by its blocks (GIF89a, 17 to 26), without
// decoding any of them.
func frames(data []byte) (n, pixels int) {
	const head = 13
	if len(data) < head {
		return 0, 0
	}
	rest := data[head:]
	if flags := data[10]; flags&0x80 != 0 {
		rest = rest[min(len(rest), 3<<(flags&7+1)):]
	}
	for len(rest) > 0 {
		switch rest[0] {
		case 0x21: // an extension: its label, then blocks
			rest = behind(rest[min(len(rest), 2):])
		case 0x2c:
			if len(rest) < 11 {
				return n, pixels
			}
			n++
			pixels += (int(rest[5]) | int(rest[6])<<8) * (int(rest[7]) | int(rest[8])<<8)
			skip := 11 // with the size of LZW codes
			if flags := rest[9]; flags&0x80 != 0 {
				skip += 3 << (flags&7 + 1)
			}
			rest = behind(rest[min(len(rest), skip):])
		default:
			return n, pixels
		}
	}
	return n, pixels
}

// behind is what follows a run of blocks.
func behind(data []byte) []byte {
	for len(data) > 0 && data[0] != 0 {
		data = data[min(len(data), 1+int(data[0])):]
	}
	return data[min(len(data), 1):]
}

// shrink averages the pixels of a picture into one whose longer side is at most most.
func shrink(img image.Image, most int) *image.NRGBA {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	tw, th := w, h
	if longest := max(w, h); longest > most {
		tw, th = max(1, w*most/longest), max(1, h*most/longest)
	}
	out := image.NewNRGBA(image.Rect(0, 0, tw, th))
	for y := range th {
		y0, y1 := b.Min.Y+y*h/th, b.Min.Y+max((y+1)*h/th, y*h/th+1)
		for x := range tw {
			x0, x1 := b.Min.X+x*w/tw, b.Min.X+max((x+1)*w/tw, x*w/tw+1)
			out.SetNRGBA(x, y, average(img, x0, y0, x1, y1))
		}
	}
	return out
}

func average(img image.Image, x0, y0, x1, y1 int) color.NRGBA {
	var r, g, b, a uint64
	for y := y0; y < y1; y++ {
		for x := x0; x < x1; x++ {
			pr, pg, pb, pa := img.At(x, y).RGBA()
			r, g, b, a = r+uint64(pr), g+uint64(pg), b+uint64(pb), a+uint64(pa)
		}
	}
	n := uint64(x1-x0) * uint64(y1-y0)
	c := color.RGBA64{R: uint16(r / n), G: uint16(g / n), B: uint16(b / n), A: uint16(a / n)}
	return color.NRGBAModel.Convert(c).(color.NRGBA) //nolint:forcetypeassert // what this model makes
}

// upright turns and mirrors a picture by its EXIF orientation, 1 to 8.
func upright(img *image.NRGBA, o int) *image.NRGBA {
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	at := map[int]func(x, y int) (int, int){
		2: func(x, y int) (int, int) { return w - 1 - x, y },
		3: func(x, y int) (int, int) { return w - 1 - x, h - 1 - y },
		4: func(x, y int) (int, int) { return x, h - 1 - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return y, h - 1 - x },
		7: func(x, y int) (int, int) { return w - 1 - y, h - 1 - x },
		8: func(x, y int) (int, int) { return w - 1 - y, x },
	}[o]
	if at == nil {
		return img
	}
	tw, th := w, h
	if o >= 5 {
		tw, th = h, w
	}
	out := image.NewNRGBA(image.Rect(0, 0, tw, th))
	for y := range th {
		for x := range tw {
			sx, sy := at(x, y)
			out.SetNRGBA(x, y, img.NRGBAAt(sx, sy))
		}
	}
	return out
}
