package offer

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
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
		"svg":     {data: []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>`), refuse: CodeFileMedia},
		"gif":     {data: []byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;"), refuse: CodeFileMedia},
		"cut":     {data: photo(t, 1)[:len(photo(t, 1))-60], refuse: CodeFileBroke},
		"bomb":    {data: bomb(), refuse: CodeFileLarge},
		"empty":   {refuse: CodeFileMedia},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := redraw(c.data)
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
				if bytes.Contains(p.data, []byte(never)) {
					t.Errorf("%s remains", never)
				}
			}
			img, err := jpeg.Decode(bytes.NewReader(p.data))
			if err != nil || img.Bounds().Dx() != c.w || img.Bounds().Dy() != c.h || p.media != c.media {
				t.Fatalf("%s %v, %v", p.media, img.Bounds(), err)
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
	p, err := redraw(b.Bytes())
	if err != nil || p.width != 1600 || p.height != 400 || p.end != ".jpg" {
		t.Errorf("%d×%d %s, %v", p.width, p.height, p.end, err)
	}
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

func FuzzUpload(f *testing.F) {
	f.Add("a.pdf", []byte("%PDF-1.4\n%%EOF"))
	f.Add("../../x\r\n\"; filename=evil.html", []byte("%PDF-2.0 <script>"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		clean := fileName(name)
		if clean == "" || bytes.ContainsAny([]byte(clean), "/\\\r\n\"\x00;") || clean == ".." {
			t.Errorf("name %q", clean)
		}
		if checkPDF(data) == nil && !bytes.HasPrefix(data, []byte("%PDF-")) {
			t.Error("taken for a PDF")
		}
	})
}

func crc(data []byte) uint32 { return crc32.ChecksumIEEE(data) }
