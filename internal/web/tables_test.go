package web_test

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"stafette/internal/web/webtest"
)

// rowsOf are the texts of a page's table rows.
func rowsOf(t *testing.T, a webtest.Answer) []string {
	t.Helper()
	var list []string
	webtest.Each(a.Document(t), func(n *html.Node) {
		if n.Data == "tr" && webtest.Attribute(n, "id") != "" {
			var text strings.Builder
			webtest.Each(n, func(c *html.Node) {
				for one := c.FirstChild; one != nil; one = one.NextSibling {
					if one.Type == html.TextNode {
						text.WriteString(one.Data + " ")
					}
				}
			})
			list = append(list, strings.Join(strings.Fields(text.String()), " "))
		}
	})
	return list
}

// Tables of people, keys, sessions and the record narrow, turn round and are taken along
// as they are shown.
func TestTablesOfTheOffice(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Owner)
	for _, c := range []struct {
		page, csv string
		first     string // of the rows, "" where there are none
		n         int    // rows; 0: not counted
	}{
		{"/people?role=owner", "/people.csv?role=owner", webtest.Owner, 1},
		{"/people?q=" + webtest.Clerk, "/people.csv?q=" + webtest.Clerk, webtest.Clerk, 1},
		{"/people?state=disabled", "/people.csv?state=disabled", "", 0},
		{"/keys?state=valid", "/keys.csv?state=valid", "Buchungskalender", 1},
		{"/keys?sort=name", "/keys.csv?sort=name", "Alt", 2},
		{"/keys?sort=-name", "/keys.csv?sort=-name", "Buchungskalender", 2},
		{"/keys?scope=admin", "/keys.csv?scope=admin", "Alt", 1},
		{"/keys?q=nichts", "/keys.csv?q=nichts", "", 0},
		{"/profile?q=firefox&sort=device", "/profile/sessions.csv?q=firefox&sort=device", "Firefox", 0},
		{"/record?sort=at", "/record.csv?sort=at", "Konto angelegt", 0},
		{"/record?action=keys.create", "/record.csv?action=keys.create", "Schlüssel angelegt", 1},
	} {
		page := d.Get(c.page)
		rows := rowsOf(t, page)
		if page.StatusCode != http.StatusOK || c.n > 0 && len(rows) != c.n || c.first != "" && (len(rows) == 0 || !strings.Contains(rows[0], c.first)) || c.first == "" && len(rows) > 0 {
			t.Errorf("%s: status %d, rows %q", c.page, page.StatusCode, rows)
		}
		file := d.Get(c.csv)
		lines := strings.Split(strings.TrimSpace(file.Text), "\n")
		if file.StatusCode != http.StatusOK || !strings.HasPrefix(file.Header.Get("Content-Disposition"), "attachment") || c.n > 0 && len(lines) != c.n+1 {
			t.Errorf("%s: status %d, %q", c.csv, file.StatusCode, lines)
		}
		if strings.Contains(file.Text, "\n=") || strings.Contains(file.Text, ";=") {
			t.Errorf("%s holds a formula: %s", c.csv, file.Text)
		}
	}
	if a := d.Get("/record.json?action=keys.create"); strings.Count(a.Text, "\n") < 4 {
		t.Errorf("the chain is not whole: %s", a.Text)
	}
}
