package contacts_test

import (
	"net/http"
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
	webtest.Expect(t, d.Get("/contacts/duplicates?q=gibtsnicht"), http.StatusOK, "Keine Person gefunden")
	if a := d.Get("/contacts/duplicates.csv"); !strings.Contains(a.Text, "lena.wolf@gmail.com") {
		t.Errorf("exported: %s", a.Text)
	}
}
