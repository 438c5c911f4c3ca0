package webtest

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/diagnosis"
	"stafette/internal/diagnosis/diagnosistest"
	"stafette/internal/event"
	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/whereabouts"
)

// whereaboutsSubject is the real service over the messages of the world.
func whereaboutsSubject() Subject {
	return Subject{
		Wire: func(w *World, c *web.Config) {
			c.Whereabouts = whereabouts.Config{Diagnosis: w.Diagnosis(c.PublicURL, c.Catalog, c.Zone), ParseMailbox: ParseMailbox}
		},
		Own: func(w *World) map[string]string {
			return map[string]string{"/diagnosis/{id}": w.Whereabouts(false, event.Delivered, "Ihr Termin")}
		},
		Foreign: func(w *World) map[string]string {
			return map[string]string{"/diagnosis/{id}": w.Whereabouts(true, event.Delivered, "")}
		},
		Pages: whereaboutsPages,
	}
}

// Whereabouts is the page about the first recipient of the newest message of a tenant in a state.
func (w *World) Whereabouts(foreign bool, s event.State, text string) string {
	at := strings.TrimPrefix(w.newest(foreign, s, text), "/messages/")
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.messages {
		if m.ID.String() == at {
			return "/diagnosis/" + m.Deliveries[0].ID.String()
		}
	}
	return ""
}

func whereaboutsPages(w *World) []string {
	list := []string{
		"/diagnosis?q=Eva+Sommer", "/diagnosis?q=eva.sommer@gmx.example", "/diagnosis?q=piet@hansen.example", "/diagnosis?q=HK-2214", "/diagnosis?q=niemand@gmx.example",
		"/diagnosis?q=gibtsnicht", "/diagnosis?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "/diagnosis?q=xss@gmx.example", "/diagnosis?q=%00%ff",
		"/diagnosis?q=eva.sommer@gmial.example", "/diagnosis/dlv_unknown", "/diagnosis/providers",
	}
	for _, s := range event.States() {
		if s != event.Sending {
			list = append(list, w.Whereabouts(false, s, ""))
		}
	}
	for _, text := range []string{"Reservierung", "Brief Oktober", "<script>", "Zusage"} {
		list = append(list, w.Whereabouts(false, event.Delivered, text))
	}
	for _, tail := range []string{"?done=letter", "?done=nonsense", "?text_lang=en", "?text_lang=xx"} {
		list = append(list, w.Whereabouts(false, event.Bounced, "Rechnung")+tail)
	}
	return list
}

// Diagnosis is the service over the messages of the world, made at the first call.
func (w *World) Diagnosis(publicURL string, catalog *i18n.Catalog, zone *time.Location) *diagnosis.Service {
	keeper, err := seal.New(bytes.Repeat([]byte{9}, seal.KeySize))
	if err != nil {
		panic(err) // the key is long enough
	}
	table, err := bounce.Load()
	if err != nil {
		panic(err) // the table is part of the binary
	}
	all := func(t tenant.ID) []insight.Message {
		w.mu.Lock()
		defer w.mu.Unlock()
		return slices.Clone(keep(w.messages, func(m insight.Message) bool { return m.Tenant == t }))
	}
	s, err := diagnosis.New(diagnosis.Config{
		Store: &diagnosistest.Store{All: all}, Mail: w, Bodies: w, Tenants: accounts{w}, Acceptor: w, Catalog: catalog, Reasons: table, Keeper: keeper,
		PublicURL: publicURL, Zone: zone, Now: w.Now,
	})
	if err != nil {
		panic(err) // the guides are part of the binary
	}
	return s
}
