package demo

import (
	"net/http"
	"net/netip"
	"strings"
)

// serversPath is the page on which a visitor is the IT of the estate agents.
const serversPath = "/servers"

// maxServerForm bounds what the page's forms send, in bytes.
const maxServerForm = 4 << 10

// walls are the providers that keep lists of addresses.
func (p *page) walls() []provider {
	var list []provider
	for _, who := range p.known {
		if who.fire != nil {
			list = append(list, who)
		}
	}
	return list
}

// wall is a server on the page.
type wall struct {
	Name, Domain, Host, Does string
	Known                    []netip.Addr
}

func (p *page) servers(w http.ResponseWriter, r *http.Request) {
	p.showServers(w, r, http.StatusOK, "")
}

func (p *page) showServers(w http.ResponseWriter, r *http.Request, status int, wrong string) {
	f := p.frame(r, serversPath, translate(requestLanguage(r), "servers"))
	var list []wall
	for _, who := range p.walls() {
		does := "servers.refuses"
		if who.keeps != nil {
			does = "servers.strips"
		}
		list = append(list, wall{who.name, who.domain, who.host, does, who.fire.list()})
	}
	p.showAs(w, status, "servers", struct {
		frame
		Walls []wall
		Wrong string
	}{f, list, wrong})
}

// admit enters an address at a server, or takes it out.
func (p *page) admit(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxServerForm)
	for _, who := range p.walls() {
		if who.domain != r.PathValue("domain") {
			continue
		}
		a, err := netip.ParseAddr(strings.TrimSpace(r.PostFormValue("address")))
		if err != nil {
			p.showServers(w, r, http.StatusUnprocessableEntity, who.domain)
			return
		}
		if r.PostFormValue("do") == "forget" {
			who.fire.forget(a)
		} else {
			who.fire.admit(a)
		}
		http.Redirect(w, r, serversPath+"?lang="+requestLanguage(r), http.StatusSeeOther) //nolint:gosec // G710: a path of ours
		return
	}
	http.NotFound(w, r)
}
