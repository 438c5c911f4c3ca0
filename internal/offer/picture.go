package offer

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"stafette/internal/fault"
)

const (
	// maxPixels bounds what a picture takes in memory: 40 megapixels are 160 MB at most.
	maxPixels = 40_000_000
	maxSide   = 20_000
	// shownSide is the longest side of a picture as it is kept.
	shownSide   = 1600
	jpegQuality = 82
)

// picture is one as it is kept.
type picture struct {
	data          []byte
	media, end    string
	width, height int
}

// redraw decodes a JPEG or PNG and writes it anew, made smaller if it is large: no
// metadata (place, camera), no second file behind it, nothing but pixels remains (T30).
// How a camera was held is heeded, as nobody could tell it any more afterwards.
func redraw(data []byte) (picture, error) {
	head, format, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil || format != "jpeg" && format != "png" {
		return picture{}, fault.Field("file", CodeFileMedia, "Pictures are JPEG or PNG.")
	}
	if head.Width <= 0 || head.Height <= 0 || head.Width > maxSide || head.Height > maxSide || head.Width*head.Height > maxPixels {
		return picture{}, &fault.Error{Kind: fault.TooLarge, Code: CodeFileLarge, Field: "file", Detail: fmt.Sprintf("A picture has at most %d pixels.", maxPixels)}
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return picture{}, fault.Field("file", CodeFileBroke, "The picture cannot be read to its end.")
	}
	small := shrink(img, shownSide)
	if format == "jpeg" {
		small = upright(small, orientation(data))
	}
	p := picture{media: "image/jpeg", end: ".jpg", width: small.Bounds().Dx(), height: small.Bounds().Dy()}
	var out bytes.Buffer
	// Drawings with clear parts stay PNG; photographs would be ten times as large.
	if format == "png" && !small.Opaque() || format == "png" && small.Bounds().Dx()*small.Bounds().Dy() < 250_000 {
		p.media, p.end = "image/png", ".png"
		err = png.Encode(&out, small)
	} else {
		err = jpeg.Encode(&out, small, &jpeg.Options{Quality: jpegQuality})
	}
	if err != nil {
		return picture{}, fmt.Errorf("write picture: %w", err)
	}
	p.data = out.Bytes()
	return p, nil
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
	c := color.RGBA64{R: uint16(r / n), G: uint16(g / n), B: uint16(b / n), A: uint16(a / n)} //nolint:gosec // G115: an average of 16 bits
	return color.NRGBAModel.Convert(c).(color.NRGBA)                                          //nolint:errcheck,forcetypeassert // what this model makes
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
