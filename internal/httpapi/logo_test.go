package httpapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"

	"stafette/internal/httpapi"
	"stafette/internal/stationery"
)

// TestLogoOverTheAPI: what is uploaded is drawn anew and shown, one step leads back, from a
// deletion too, and nobody else sees or changes it.
func TestLogoOverTheAPI(t *testing.T) {
	const at = "/v1/settings/logo"
	w := newWorld(t)
	put := func(key string, data []byte) answer {
		return w.ask(http.MethodPut, at, key, bytes.NewReader(data), "Content-Type", "image/png")
	}
	if got := read[httpapi.LogoSetting](w, w.get(at), 200); got != (httpapi.LogoSetting{}) {
		t.Errorf("at first: %+v", got)
	}
	first := read[httpapi.LogoSetting](w, put(w.key, dots(t, 700)), 200)
	if l := first.Shown; l == nil || first.Former != nil || l.Width != 640 || l.Height != 640 || l.Media != "image/jpeg" || l.Size == 0 || l.At.IsZero() {
		t.Fatalf("uploaded: %+v", first.Shown)
	}
	if sum := sha256.Sum256(dots(t, 700)); hex.EncodeToString(sum[:]) == first.Shown.SHA256 {
		t.Error("the logo is kept as it came")
	}

	second := read[httpapi.LogoSetting](w, put(w.key, dots(t, 3)), 200)
	if second.Shown == nil || second.Shown.Width != 3 || second.Former == nil || *second.Former != *first.Shown {
		t.Errorf("another: %+v", second)
	}
	back := read[httpapi.LogoSetting](w, w.ask(http.MethodPost, at+"/restore", w.key, nil), 200)
	if back.Shown == nil || *back.Shown != *first.Shown || back.Former == nil || *back.Former != *second.Shown {
		t.Errorf("restored: %+v", back)
	}
	if a := w.ask(http.MethodDelete, at, w.key, nil); a.status != 204 {
		t.Errorf("deleted: %d %s", a.status, a.body)
	}
	if got := read[httpapi.LogoSetting](w, w.get(at), 200); got.Shown != nil || got.Former == nil {
		t.Errorf("after the deletion: %+v", got)
	}
	if got := read[httpapi.LogoSetting](w, w.ask(http.MethodPost, at+"/restore", w.key, nil), 200); got.Shown == nil || *got.Shown != *first.Shown {
		t.Errorf("the deletion undone: %+v", got)
	}

	if got := read[httpapi.LogoSetting](w, w.ask(http.MethodGet, at, w.other, nil), 200); got != (httpapi.LogoSetting{}) {
		t.Errorf("another tenant sees %+v", got)
	}
	w.wantProblem(put(w.sendOnly, dots(t, 3)), 403, "scope_missing", "")

	before := read[httpapi.LogoSetting](w, w.get(at), 200)
	w.wantProblem(put(w.key, nil), 422, "logo_missing", "/file")
	w.wantProblem(put(w.key, []byte("<svg>")), 422, stationery.CodeLogoMedia, "/file")
	w.wantProblem(put(w.key, dots(t, 40)[:60]), 422, stationery.CodeLogoBroke, "/file")
	w.wantProblem(put(w.key, make([]byte, stationery.MaxLogo+1)), 413, "request_too_large", "")
	if got := read[httpapi.LogoSetting](w, w.get(at), 200); got.Shown == nil || *got.Shown != *before.Shown || got.Former != nil {
		t.Errorf("a refused logo changed something: %+v", got)
	}
}
