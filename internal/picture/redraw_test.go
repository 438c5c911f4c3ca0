package picture

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"slices"
	"testing"

	"stafette/internal/fault"
)

// tall is a picture whose upper half is red.
func tall(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{B: 255, A: 255}
			if y < h/2 {
				c = color.NRGBA{R: 255, A: 255}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	return img
}

// photo is a JPEG with an EXIF block that says how the camera was held and where.
func photo(t testing.TB, orientation uint16) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, tall(40, 60), nil); err != nil {
		t.Fatal(err)
	}
	tiff := []byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00")
	tiff = append(binary.LittleEndian.AppendUint16(tiff, orientation), 0, 0, 0, 0, 0, 0)
	exif := append([]byte("Exif\x00\x00"), append(tiff, "GPS 53.5N 9.9E"...)...)
	head := binary.BigEndian.AppendUint16([]byte{0xff, 0xd8, 0xff, 0xe1}, uint16(len(exif)+2))
	return append(append(head, exif...), b.Bytes()[2:]...)
}

// T30: of a picture nothing but its pixels remains, upright and not too large.
func TestPicturesAreDrawnAnew(t *testing.T) {
	trailing := append(photo(t, 1), "<script>alert(1)</script>"...)
	for name, c := range map[string]struct {
		data   []byte
		w, h   int
		red    image.Point // where red must be found
		media  string
		refuse string
	}{
		"upright": {data: trailing, w: 40, h: 60, red: image.Pt(20, 10), media: "image/jpeg"},
		"turned":  {data: photo(t, 6), w: 60, h: 40, red: image.Pt(50, 20), media: "image/jpeg"},
		"over":    {data: photo(t, 3), w: 40, h: 60, red: image.Pt(20, 50), media: "image/jpeg"},
		"svg":     {data: []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>`), refuse: CodeMedia},
		"gif":     {data: []byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;"), refuse: CodeMedia},
		"cut":     {data: photo(t, 1)[:len(photo(t, 1))-60], refuse: CodeBroken},
		"bomb":    {data: bomb(), refuse: CodeLarge},
		"empty":   {refuse: CodeMedia},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Redraw(c.data, 1600, JPEG, PNG)
			if c.refuse != "" {
				if f := fault.As(err); f == nil || f.Code != c.refuse {
					t.Errorf("error %v, want %s", err, c.refuse)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, never := range []string{"GPS", "Exif", "<script"} {
				if bytes.Contains(p.Data, []byte(never)) {
					t.Errorf("%s remains", never)
				}
			}
			img, err := jpeg.Decode(bytes.NewReader(p.Data))
			if err != nil || img.Bounds().Dx() != c.w || img.Bounds().Dy() != c.h || p.Media != c.media {
				t.Fatalf("%s %v, %v", p.Media, img.Bounds(), err)
			}
			if r, _, b, _ := img.At(c.red.X, c.red.Y).RGBA(); r < b {
				t.Errorf("blue at %v", c.red)
			}
		})
	}
}

// bomb is a PNG that says it is huge.
func bomb() []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1)))
	data := b.Bytes()
	// IHDR: width and height at 16 and 20; its checksum is made to fit.
	binary.BigEndian.PutUint32(data[16:], 19_000)
	binary.BigEndian.PutUint32(data[20:], 19_000)
	binary.BigEndian.PutUint32(data[29:], crc(data[12:29]))
	return data
}

func TestLargePicturesShrink(t *testing.T) {
	var b bytes.Buffer
	if err := png.Encode(&b, tall(3200, 800)); err != nil {
		t.Fatal(err)
	}
	p, err := Redraw(b.Bytes(), 1600, JPEG, PNG)
	if err != nil || p.Width != 1600 || p.Height != 400 || p.End != ".jpg" {
		t.Errorf("%d×%d %s, %v", p.Width, p.Height, p.End, err)
	}
}

// moving is a GIF of n frames, with a comment.
func moving(t testing.TB, n, side int) []byte {
	t.Helper()
	all := gif.GIF{Config: image.Config{Width: side, Height: side}}
	for range n {
		all.Image = append(all.Image, image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.Black, color.White}))
		all.Delay = append(all.Delay, 5)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &all); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	return append(append(slices.Clone(data[:len(data)-1]), "\x21\xfe\x09GPS 53.5N\x00"...), 0x3b)
}

// What moves goes on moving; what stands still becomes a picture like any other; what would
// take too much memory is refused before it is read.
func TestGIF(t *testing.T) {
	for name, c := range map[string]struct {
		frames, side int
		media        string
		refuse       string
	}{
		"still": {1, 20, "image/png", ""},
		"moves": {3, 20, "image/gif", ""},
		"wide":  {2, 1601, "", CodeLarge},
		"many":  {40, 1200, "", CodeLarge},
	} {
		t.Run(name, func(t *testing.T) {
			data := moving(t, c.frames, c.side)
			if n, pixels := frames(data); n != c.frames || pixels != c.frames*c.side*c.side {
				t.Errorf("counted %d frames with %d pixels", n, pixels)
			}
			p, err := Redraw(data, 1600, GIF)
			if f := fault.As(err); c.refuse != "" && (f == nil || f.Code != c.refuse) || c.refuse == "" && err != nil {
				t.Fatalf("error %v, want %q", err, c.refuse)
			}
			if p.Media != c.media || bytes.Contains(p.Data, []byte("GPS")) {
				t.Errorf("drawn as %q, %q", p.Media, p.Data)
			}
		})
	}
}

// webp is a picture of one pixel.
const webp = "RIFF\x24\x00\x00\x00WEBPVP8 \x18\x00\x00\x00\x30\x01\x00\x9d\x01\x2a\x01\x00\x01\x00\x02\x00\x34\x25\xa4\x00\x03\x70\x00\xfe\xfb\x94\x00\x00"

func TestWebP(t *testing.T) {
	p, err := Redraw([]byte(webp), 1600, WebP)
	if err != nil || p.Width != 1 || p.Media != "image/png" {
		t.Errorf("drawn %+v, %v", p, err)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(moving(f, 2, 3))
	f.Fuzz(func(t *testing.T, data []byte) {
		if n, pixels := frames(data); n < 0 || pixels < 0 || n > len(data) {
			t.Errorf("%d frames, %d pixels", n, pixels)
		}
	})
}

func FuzzOrientation(f *testing.F) {
	f.Add(photo(f, 8))
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00MM\x00*\x00\x00\x00\x08"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if o := orientation(data); o < 1 || o > 8 {
			t.Errorf("orientation %d", o)
		}
	})
}

func crc(data []byte) uint32 { return crc32.ChecksumIEEE(data) }
