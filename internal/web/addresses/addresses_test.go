package addresses_test

import (
	"net/http"
	"net/url"
	"testing"

	"stafette/internal/web/webtest"
)

func TestVerdicts(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	webtest.Expect(t, d.Get("/addresses"), http.StatusOK, "Adressprüfung")
	for address, says := range map[string][]string{
		"eva@kunde.example":               {"In Ordnung", "An diese Adresse schreiben"},
		"info@gmial.com":                  {"Mit Vorsicht", "Tippfehler", "Gemeint war vielleicht info@gmail.com", "Funktion"},
		"m.voss@t-onlin.example":          {"Nicht verwendbar", "Die Domain gibt es nicht."},
		"j.reuter@web.example":            {"Nicht verwendbar", "auf der Sperrliste. Die Person hat sich von dieser Kategorie abgemeldet.", "Sperre ansehen"},
		`"><script>alert(1)</script>@x.y`: {"Nicht verwendbar", "keine E-Mail-Adresse"},
	} {
		webtest.Expect(t, d.Post("/addresses", url.Values{"address": {address}, "stream": {"newsletter"}}), http.StatusOK, says...)
	}
	webtest.Expect(t, d.Post("/addresses", url.Values{"address": {"j.reuter@web.example"}, "stream": {"nonsense"}}), http.StatusOK, "In Ordnung")
}
