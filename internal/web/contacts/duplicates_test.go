package contacts_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stafette/internal/audience"
	"stafette/internal/message"
	"stafette/internal/web/webtest"
)

func TestDuplicatesAreProposed(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	webtest.Expect(t, d.Get("/contacts/duplicates"), http.StatusOK, "Keine Dubletten")
	var ids []string
	for _, text := range []string{"lena.wolf@gmail.com", "lenawolf+haus@googlemail.com"} {
		a, err := message.ParseAddress(text)
		if err != nil {
			t.Fatal(err)
		}
		c, err := d.World.Contacts().Create(t.Context(), d.World.Tenant.ID, audience.Contact{FamilyName: "Wolf <b>", Addresses: []message.Address{a}}, audience.OriginOffice, "usr_1")
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, c.ID.String())
	}
	a := d.Get("/contacts/duplicates")
	webtest.Expect(t, a, http.StatusOK, "Adressen desselben Postfachs")
	if !strings.Contains(a.Text, "/contacts/"+ids[0]+"/merge?with="+ids[1]) && !strings.Contains(a.Text, "/contacts/"+ids[1]+"/merge?with="+ids[0]) {
		t.Error("no way to compare them")
	}
	pick := ids[0] + "." + ids[1]
	if a := d.Post("/contacts/duplicates/apart", url.Values{"pick": {pick, "x"}}); a.Header.Get("Location") != "/contacts/duplicates?done=apart" {
		t.Errorf("apart: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
	webtest.Expect(t, d.Get("/contacts/duplicates?done=apart"), http.StatusOK, "Keine Dubletten", "Wieder vorschlagen", "Gemerkt")
	webtest.Expect(t, d.Get("/contacts/duplicates/merge?pick="+pick), http.StatusOK, "Nichts ausgewählt")
	if a := d.Post("/contacts/duplicates/together", url.Values{"pick": {pick}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("together: %d", a.StatusCode)
	}
	for _, query := range []string{"pick=" + pick, "all=1"} {
		webtest.Expect(t, d.Get("/contacts/duplicates/merge?"+query), http.StatusOK, "Ein Paar zusammenführen", "lenawolf+haus@googlemail.com", "lena.wolf@gmail.com")
	}
	webtest.Expect(t, d.Get("/contacts/duplicates?q=gibtsnicht"), http.StatusOK, "Keine Person gefunden")
	if a := d.Get("/contacts/duplicates.csv"); !strings.Contains(a.Text, "lena.wolf@gmail.com") {
		t.Errorf("exported: %s", a.Text)
	}
	preview := d.Get("/contacts/duplicates/merge?all=1").Text
	_, versioned, _ := strings.Cut(preview, `name="pick" value="`)
	versioned, _, _ = strings.Cut(versioned, `"`)
	if a := d.Post("/contacts/duplicates/merge", url.Values{"pick": {versioned}}); a.Header.Get("Location") != "/contacts/duplicates?done=several" {
		t.Errorf("merged: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
	webtest.Expect(t, d.Get("/contacts/duplicates"), http.StatusOK, "Keine Dubletten")
}
