package httpapi_test

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"stafette/internal/httpapi"
	"stafette/internal/picture"
	"stafette/internal/stationery/pictures"
)

// dots is a PNG of side by side pixels.
func dots(t testing.TB, side int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, side, side))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// picture is a new one of w.tenant.
func (w *world) picture() httpapi.Picture {
	w.Helper()
	n := len(read[listedPictures](w, w.get("/v1/pictures"), 200).Data)
	return read[httpapi.Picture](w, w.upload("/v1/pictures?alt=Haus&name=a.png", dots(w, n+2)), 201)
}

type listedPictures struct{ Data []httpapi.Picture }

func (w *world) upload(path string, data []byte) answer {
	w.Helper()
	return w.ask(http.MethodPost, path, w.key, bytes.NewReader(data), "Content-Type", "image/png")
}

func TestPicturesOverTheAPI(t *testing.T) {
	w := newWorld(t)
	p := w.picture()
	if p.Name != "a" || p.Alt != "Haus" || p.Width != 2 || p.Media != "image/png" || !strings.HasPrefix(p.URL, "https://post.example"+pictures.Path) {
		t.Errorf("uploaded %+v", p)
	}
	w.wantProblem(w.upload("/v1/pictures?alt=Haus", dots(t, 2)), 409, pictures.CodeTwice, "")
	w.wantProblem(w.upload("/v1/pictures", dots(t, 3)), 422, pictures.CodeAlt, "/alt")
	w.wantProblem(w.upload("/v1/pictures?alt=x", []byte("<svg>")), 422, picture.CodeMedia, "/file")
	one := "/v1/pictures/" + p.ID.String()
	if got := read[httpapi.Picture](w, w.get(one), 200); got.URL != p.URL || len(got.Uses) > 0 {
		t.Errorf("read %+v", got)
	}
	if l := read[listedPictures](w, w.ask(http.MethodGet, "/v1/pictures", w.other, nil), 200); len(l.Data) != 0 {
		t.Errorf("another tenant sees %+v", l)
	}
	if a := w.ask(http.MethodDelete, one, w.key, nil); a.status != 204 {
		t.Errorf("deleted: %d %s", a.status, a.body)
	}
	w.wantProblem(w.get(one), 404, pictures.CodeUnknown, "")
}
