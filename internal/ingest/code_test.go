package ingest_test

import (
	"strings"
	"testing"

	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// Every mail bears its own code and no other, whether it is composed here, comes as bytes,
// or is sent once more with the code of the first time; what is passed on bears none.
func TestMailBearsItsCode(t *testing.T) {
	w := newWorld(t, func(c *ingest.Config, _ *tenant.Tenant) {
		c.Code = func(_ tenant.ID, m message.ID) string { return "CODE-" + m.String() }
	})
	named := message.NewID(start)
	draft := message.Draft{From: mailbox("info@muster.example"), To: []message.Mailbox{mailbox("eva@kunde.example")}, Subject: "Hallo", Text: "x"}
	raw := []byte("X-Stafette-Code: CODE-old\r\nFrom: info@muster.example\r\nTo: eva@kunde.example\r\n\r\nText\r\n")
	for i, s := range []ingest.Submission{{ID: named, Draft: &draft}, {Draft: &draft}, {Raw: raw}} {
		r := w.mustAccept(s)
		if i == 0 && r.ID != named || i > 0 && r.ID == named {
			t.Errorf("submission %d became %s", i, r.ID)
		}
		if body := w.body(i); strings.Count(body, "X-Stafette-Code") != 1 || !strings.Contains(body, "X-Stafette-Code: CODE-"+r.ID.String()+"\r\n") {
			t.Errorf("submission %d: %s", i, body)
		}
	}
	if len(draft.Headers) != 0 {
		t.Error("the caller's draft was changed")
	}
}
