// Package components is one page that shows every part of the office in every
// state, for those who build pages and for the tests in a browser.
//
// It is a subject of the door web (floor 4). What it shows is made up; it reads
// and changes nothing.
package components

import (
	"net/http"

	"stafette/internal/event"
	"stafette/internal/web/frame"
)

// Routes is the page: for staff, or for everybody if open.
func Routes(open bool) []frame.Route {
	rt := frame.Route{
		Pattern: "GET /components", Access: frame.Staff, Do: show,
		Entry: frame.Entry{Room: "components", Icon: "doc", Group: frame.GroupSystem},
	}
	if open {
		rt.Access = frame.Anyone
	}
	return []frame.Route{rt}
}

func show(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	p.Room, p.Title = "components", p.T("nav.components")
	v := frame.ReadView(r, frame.Listing{
		Path: "/components", Picks: p.T("list.pick.head"), Filters: []string{"q", "state"}, Sort: "time", Descending: true,
		Columns: []frame.Column{
			{Key: "time", Title: p.T("list.col.time"), Sortable: true},
			{Key: "state", Title: p.T("list.col.state"), Sortable: true},
			{Key: "subject", Title: p.T("list.col.subject")},
			{Key: "took", Title: p.T("list.col.took"), Number: true},
			{Key: "host", Title: p.T("export.host"), Extra: true},
		},
	})
	return p.Render(w, r, http.StatusOK, page(p, v, sampleForm(p)))
}

// sampleForm is a form that was refused.
func sampleForm(p frame.Page) frame.Form {
	f := frame.Form{Values: map[string]string{"subject": "Besichtigung am Samstag", "to": "eva.sommer@", "stream": "reminder", "basis": "doi", "track": "on"}}
	f.Add("to", p.T("fault.address_malformed", "value", "eva.sommer@"))
	return f
}

// row is a made-up line of the table.
type row struct {
	clock, subject, took, host string
	state                      event.State
}

func rows() []row {
	return []row{
		{"10:41", "Exposé Speicherblock 7", "1 s", "mx00.gmx.example", event.Delivered},
		{"10:38", "Besichtigung am Samstag", "", "mx.yahoo.example", event.Deferred},
		{"10:36", "Exposé Wohnung 2.1", "", "", event.Bounced},
	}
}

func slip(p frame.Page) []frame.Station {
	return []frame.Station{
		{Clock: "09:20:01", Mark: "queued", Title: p.T("signin.slip.1.title"), Text: p.T("signin.slip.1.text")},
		{Clock: "09:20:03", Mark: "deferred", Title: p.T("slip.attempt.deferred", "n", 1), Route: p.T("slip.to", "host", "mx00.gmx.example"), Reply: "421 4.7.28 rate limited"},
		{Clock: "09:35:12", Mark: "delivered", Title: p.T("slip.delivered.title")},
		{Clock: "10:53", Small: p.T("slip.planned"), Mark: "queued", Title: p.T("slip.next", "n", 3), Next: true},
	}
}

func question(p frame.Page) frame.Question {
	return frame.Question{
		ID: "question", Title: p.T("ask.cancel.all"), Text: p.T("ask.cancel.text"), Action: "/preferences",
		Hidden: map[string]string{"back": "/components"}, No: p.T("ask.cancel.no"), Back: "/components",
		Yes: frame.Action{Text: p.T("ask.cancel.yes"), Kind: "danger"},
	}
}
