package demo

import (
	"context"
	"net/http"
)

// gateway is how a product that guards mailboxes looks at mail: as
// internal/tracking/rules.toml knows it.
type gateway struct {
	who      reader
	agent    string // "": a browser's, as those do that must not be told from people
	head     bool   // asks first whether the link is there
	pictures bool
}

// gatewaysKnown lists them in the order of the mailbox page. That SafeLinks is a machine
// shows in its time, and in the link that no person sees.
func gatewaysKnown() []gateway {
	return []gateway{
		{who: "safelinks"},
		{who: "proofpoint", agent: "Mozilla/5.0 (compatible; Proofpoint URL Defense)"},
		{who: "mimecast", agent: "Mozilla/5.0 (compatible; Mimecast)", pictures: true},
		{who: "barracuda", agent: "BarracudaCentral", head: true},
		{who: "cisco", agent: "Mozilla/5.0 (compatible; Cisco IronPort)"},
	}
}

// pass looks at every link of a mail, and at its pictures if the gateway does.
func (r *readers) pass(ctx context.Context, g gateway, pictures, links []string) (errs []error) {
	agent := g.agent
	if agent == "" {
		agent = browserAgent
	}
	if g.pictures {
		for _, a := range pictures {
			errs = append(errs, r.fetch(ctx, http.MethodGet, a, agent, false))
		}
	}
	for _, a := range links {
		if g.head {
			errs = append(errs, r.fetch(ctx, http.MethodHead, a, agent, false))
		}
		errs = append(errs, r.fetch(ctx, http.MethodGet, a, agent, g.agent == ""))
	}
	return errs
}
