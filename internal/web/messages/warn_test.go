package messages_test

import (
	"net/http"
	"testing"

	"stafette/internal/web/webtest"
)

// A slip in an address is told before the mail leaves, once; who knows better sends it.
func TestWritersAreWarnedOnce(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	slip := letter(map[string]string{"to": "Eva <eva@gmial.com>", "cc": "m.voss@t-onlin.example"})
	a := write(d, slip, nil)
	webtest.Expect(t, a, http.StatusUnprocessableEntity, "Gemeint war vielleicht eva@gmail.com.", "Die Domain gibt es nicht.", "geht die E-Mail so hinaus")
	if len(d.World.Accepted()) != 0 {
		t.Fatal("sent without a warning")
	}
	slip["seen"] = webtest.Hidden(a.Document(t), "seen")
	slip["bcc"] = "neu@t-onlin.example"
	webtest.Expect(t, write(d, slip, nil), http.StatusUnprocessableEntity, "neu@t-onlin.example: Die Domain gibt es nicht.")
	slip["bcc"] = letter(nil)["bcc"]
	if a := write(d, slip, nil); a.StatusCode != http.StatusSeeOther {
		t.Errorf("confirmed, but %d", a.StatusCode)
	}
	if len(d.World.Accepted()) != 1 {
		t.Error("not sent")
	}
}
