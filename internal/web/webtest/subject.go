package webtest

import (
	"net/http"
	"strings"

	"stafette/internal/event"
	"stafette/internal/insight"
	"stafette/internal/web"
	"stafette/internal/web/frame"
)

// Subject is what one subject of the office brings into the world, so that the tests
// of the whole map (who may open what, whose things are whose, every page in every
// language) cover its routes without a word about them. Each lies in a file of its
// own here; any field may be nil.
type Subject struct {
	// Wire puts the subject's stand-ins into the Config.
	Wire func(w *World, c *web.Config)
	// Own and Foreign give, for a path of the subject's patterns up to and with its
	// placeholder ("/messages/{id}"), the path of a thing of World.Tenant and of one of
	// World.Other.
	Own, Foreign func(w *World) map[string]string
	// Pages lists addresses with odd states (empty, filtered, done, hostile words)
	// that the Clerk can open; those without a placeholder are found by themselves.
	Pages func(w *World) []string
}

// Subjects are all of them.
func Subjects() []Subject {
	return []Subject{
		messagesSubject(),
		queuesSubject(),
		sendingSubject(),
		suppressionsSubject(),
		domainsSubject(),
		reportsSubject(),
		returnsSubject(),
		haltsSubject(),
		leadsSubject(),
		offerActsSubject(),
		offerPeopleSubject(),
		offerFilesSubject(),
		offersSubject(),
		templatesSubject(),
		picturesSubject(),
		redeliveriesSubject(),
		campaignsSubject(),
		seriesSubject(),
		feedsSubject(),
		affectedSubject(),
		sourcesSubject(),
		changeoversSubject(),
		addressesSubject(),
		rulesSubject(),
		figuresSubject(),
		helpSubject(),
		whereaboutsSubject(),
		accountsSubject(),
		contactsSubject(),
		signupsSubject(),
		groupsSubject(),
		publishedSubject(),
		approvalsSubject(),
		limitsSubject(),
		trackingsSubject(),
		webhooksSubject(),
		blitzSubject(),
	}
}

// Concrete fills a placeholder in a pattern's path with a thing of World.Tenant, or
// of World.Other if foreign.
func (w *World) Concrete(path string, foreign bool) string {
	path = strings.ReplaceAll(path, "{$}", "")
	longest, full := "", path
	for _, s := range Subjects() {
		fill := s.Own
		if foreign {
			fill = s.Foreign
		}
		if fill == nil {
			continue
		}
		for placeholder, real := range fill(w) {
			if rest, ok := strings.CutPrefix(path, placeholder); ok && len(placeholder) > len(longest) {
				longest, full = placeholder, real+rest
			}
		}
	}
	return full
}

// Pages are all pages a person of the given access can see: those of the map, with
// things of World.Tenant for placeholders, and what the subjects add for the Clerk.
func (w *World) Pages(routes []frame.Route, access frame.Access) []string {
	list := []string{"/no-such-page"}
	for _, rt := range routes {
		method, path, _ := strings.Cut(rt.Pattern, " ")
		page := method == http.MethodGet && !strings.Contains(path, ".") && !strings.HasSuffix(path, "/live") && !strings.HasSuffix(path, "/files/{file}") && path != "/signin/code"
		mine := rt.Access == access || rt.Access == frame.Person && access != frame.Anyone
		if page && mine && !strings.HasSuffix(path, "/preview") {
			list = append(list, w.Concrete(path, false))
		}
	}
	if access == frame.SignedIn {
		for _, s := range Subjects() {
			if s.Pages != nil {
				list = append(list, s.Pages(w)...)
			}
		}
	}
	return list
}

// newest is the path of the newest message of a tenant in a state whose subject
// contains text, "" if there is none.
func (w *World) newest(foreign bool, s event.State, text string) string {
	t := w.Tenant.ID
	if foreign {
		t = w.Other.ID
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.messages) - 1; i >= 0; i-- {
		if m := w.messages[i]; m.Tenant == t && matches(m, insight.Filter{State: s, Text: text}) {
			return "/messages/" + m.ID.String()
		}
	}
	return ""
}
