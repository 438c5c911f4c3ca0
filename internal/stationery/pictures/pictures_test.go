package pictures_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/picture"
	"stafette/internal/seal"
	"stafette/internal/stationery/pictures"
	"stafette/internal/stationery/pictures/picturestest"
	"stafette/internal/tenant"
)

// dots is a PNG of side by side pixels.
func dots(t testing.TB, side int, c color.Color) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	img.Set(0, 0, c)
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func library(t testing.TB, store *picturestest.Store) *pictures.Service {
	t.Helper()
	k, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return pictures.New(pictures.Config{Store: store, Keeper: k, PublicURL: "https://post.example", Now: func() time.Time { return time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC) }})
}

var mine, other = tenant.ID{1}, tenant.ID{2}

func TestFromUploadToMail(t *testing.T) {
	ctx, store := t.Context(), &picturestest.Store{}
	s := library(t, store)
	p, err := s.Add(ctx, mine, "usr_1", pictures.Upload{Name: `C:\Bilder\Haus am Fleet.PNG`, Alt: " Ein Haus ", Data: dots(t, 4, color.White)})
	if err != nil || p.Name != "Haus am Fleet" || p.Alt != "Ein Haus" || p.Width != 4 || p.Media != "image/png" || p.Creator != "usr_1" {
		t.Fatalf("added %+v, %v", p, err)
	}
	again, err := s.Add(ctx, mine, "usr_2", pictures.Upload{Name: "x", Alt: "x", Data: dots(t, 4, color.White)})
	if f := fault.As(err); f == nil || f.Code != pictures.CodeTwice || again.ID != p.ID {
		t.Errorf("added again: %+v, %v", again, err)
	}
	if _, err := s.Add(ctx, other, "usr_9", pictures.Upload{Alt: "x", Data: dots(t, 4, color.White)}); err != nil {
		t.Errorf("another tenant's: %v", err)
	}

	address := s.Address(p)
	file, ok := strings.CutPrefix(address, "https://post.example"+pictures.Path)
	if !ok || !strings.HasSuffix(file, ".png") {
		t.Fatalf("address %q", address)
	}
	got, data, err := s.Open(ctx, file)
	if err != nil || got.ID != p.ID || !bytes.HasPrefix(data, []byte("\x89PNG")) || int64(len(data)) != p.Size {
		t.Errorf("opened %+v, %d bytes, %v", got, len(data), err)
	}
	for _, bad := range []string{"", "x.png", strings.TrimSuffix(file, ".png"), strings.TrimSuffix(file, "png") + "jpg", "B" + file[1:], file + "/", strings.ToUpper(file)} {
		if _, _, err := s.Open(ctx, bad); !fault.IsKind(err, fault.NotFound) {
			t.Errorf("%q: %v", bad, err)
		}
	}

	if _, err := s.Change(ctx, other, p.ID, "x", "x"); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant changes it: %v", err)
	}
	changed, err := s.Change(ctx, mine, p.ID, "Haus", "Ein Haus am Wasser")
	if err != nil || s.Address(changed) != address {
		t.Errorf("changed %+v, %v", changed, err)
	}
	store.Used = func(of tenant.ID, text string) []pictures.Use {
		if of == mine && strings.Contains(address, text) {
			return []pictures.Use{{Kind: "campaign", ID: "cmp_1", Name: "Mai"}}
		}
		return nil
	}
	if f := fault.As(s.Drop(ctx, mine, p.ID)); f == nil || f.Code != pictures.CodeUsed {
		t.Errorf("dropped while used: %v", f)
	}
	if uses, err := s.Uses(ctx, p); err != nil || len(uses) != 1 {
		t.Errorf("uses %v, %v", uses, err)
	}
	store.Used = nil
	if err := s.Drop(ctx, other, p.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant drops it: %v", err)
	}
	if err := s.Drop(ctx, mine, p.ID); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Open(ctx, file); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("opened after it went: %v", err)
	}
}

func TestUploadsRefused(t *testing.T) {
	s := library(t, &picturestest.Store{})
	good := dots(t, 2, color.White)
	for name, c := range map[string]struct {
		upload      pictures.Upload
		code, field string
	}{
		"no words":      {pictures.Upload{Name: "a", Data: good}, pictures.CodeAlt, "alt"},
		"words on two":  {pictures.Upload{Alt: "a\nb", Data: good}, pictures.CodeAlt, "alt"},
		"many words":    {pictures.Upload{Alt: strings.Repeat("a", 301), Data: good}, pictures.CodeAlt, "alt"},
		"name on two":   {pictures.Upload{Name: "a\r\nb", Alt: "a", Data: good}, pictures.CodeName, "name"},
		"drawing":       {pictures.Upload{Alt: "a", Data: []byte("<svg onload=alert(1)>")}, picture.CodeMedia, "file"},
		"page":          {pictures.Upload{Alt: "a", Data: []byte("<!doctype html><script>")}, picture.CodeMedia, "file"},
		"nothing":       {pictures.Upload{Alt: "a"}, picture.CodeMedia, "file"},
		"half":          {pictures.Upload{Alt: "a", Data: good[:len(good)-20]}, picture.CodeBroken, "file"},
		"heavy as sent": {pictures.Upload{Alt: "a", Data: make([]byte, pictures.MaxUpload+1)}, pictures.CodeHeavy, "file"},
	} {
		_, err := s.Add(t.Context(), mine, "usr_1", c.upload)
		if f := fault.As(err); f == nil || f.Code != c.code || f.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}
