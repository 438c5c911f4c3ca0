package reports_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"stafette/internal/web/webtest"
)

func upload(d *webtest.Desk, path, content string) webtest.Answer {
	d.T.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	part, err := m.CreateFormFile("report", "report.xml")
	if err != nil {
		d.T.Fatal(err)
	}
	_, _ = part.Write([]byte(content))
	_ = m.Close()
	r := d.Request(http.MethodPost, path, &b)
	r.Header.Set("Content-Type", m.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return d.Do(r)
}

func TestReports(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	own := d.World.Concrete("/dmarc/{domain}/report", false)
	domain := strings.Split(own, "/")[2]
	webtest.Expect(t, d.Get("/dmarc?domain="+domain), http.StatusOK, "Gemeldete E-Mails 129", "Nicht bestanden 9", "192.0.2.10 Stafette", "2001:db8::bad",
		"Mehr als ein Prozent besteht nicht", "eine Verbindung misslungen")
	day := d.World.Now().Add(-48 * time.Hour)
	for range 2 { // the second time it counts no more
		if a := upload(d, own, webtest.DMARCReport("hafenkontor.example", "neu", day, 1000)); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("status %d: %s", a.StatusCode, a.Text)
		}
	}
	webtest.Expect(t, d.Get("/dmarc?domain="+domain+"&done=counted"), http.StatusOK, "Der Bericht ist gezählt", "Gemeldete E-Mails 1.132")
	webtest.Expect(t, upload(d, own, "nonsense"), http.StatusUnprocessableEntity, "kein DMARC-Bericht")
	webtest.Expect(t, upload(d, own, webtest.DMARCReport("fremd.example", "x", day, 1)), http.StatusUnprocessableEntity, "nichts über diese Domain")
	foreign := strings.Split(d.World.Concrete("/dmarc/{domain}/report", true), "/")[2]
	if a := d.Get("/dmarc?domain=" + foreign); a.StatusCode != http.StatusNotFound {
		t.Errorf("foreign figures: status %d", a.StatusCode)
	}
}

func TestSourcesAreSortedFilteredExported(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	all := d.Get("/dmarc")
	webtest.Expect(t, all, http.StatusOK, "192.0.2.10", "2001:db8::bad")
	if a := d.Get("/dmarc?sort=source"); strings.Index(a.Text, "192.0.2.10") > strings.Index(a.Text, "2001:db8::bad") {
		t.Error("not sorted by address")
	}
	if a := d.Get("/dmarc?sort=-source"); strings.Index(a.Text, ">192.0.2.10") < strings.Index(a.Text, "2001:db8::bad") {
		t.Error("not sorted the other way round")
	}
	if a := d.Get("/dmarc?result=failed&disposition=reject&q=DB8"); strings.Contains(a.Text, "192.0.2.10") || !strings.Contains(a.Text, "2001:db8::bad") {
		t.Error("not filtered")
	}
	webtest.Expect(t, d.Get("/dmarc?q=nirgends"), http.StatusOK, "Keine Quelle passt dazu")
	if a := d.Get("/dmarc.csv?result=aligned"); strings.Count(a.Text, "\n") != 4 || !strings.Contains(a.Text, "192.0.2.10;60;Bestanden;") {
		t.Errorf("CSV: %q", a.Text)
	}
	if a := d.Get("/dmarc.json?result=failed"); !strings.Contains(a.Text, `"source":"2001:db8::bad","messages":3,"aligned":false`) || strings.Contains(a.Text, "192.0.2.10") {
		t.Errorf("JSON: %s", a.Text)
	}
}
