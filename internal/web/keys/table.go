package keys

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// What the filter of the state knows.
const (
	valid   = "valid"
	revoked = "revoked"
	expired = "expired"
)

func listing(p frame.Page) frame.Listing {
	l := frame.Listing{
		Name: "keys", Path: "/keys", Sort: "since", Descending: true, Filters: []string{"q", "scope", "state"},
		Choices: map[string][]string{
			"scope": {string(tenant.ScopeSend), string(tenant.ScopeRead), string(tenant.ScopeAdmin)}, "state": {valid, revoked, expired},
		},
	}
	for _, key := range []string{"name", "scopes", "limits", "used", "since", "state", "deeds"} {
		sortable := key == "name" || key == "used" || key == "since" || key == "state"
		l.Columns = append(l.Columns, frame.Column{Key: key, Title: p.T("keys.col." + key), Sortable: sortable, Extra: key == "since"})
	}
	return l
}

func kindOf(p frame.Page, k tenant.Key) string {
	switch {
	case !k.RevokedAt.IsZero():
		return revoked
	case !k.ExpiresAt.IsZero() && !p.Now.Before(k.ExpiresAt):
		return expired
	}
	return valid
}

// narrow keeps of the keys what the view asks for, in its order.
func narrow(p frame.Page, v frame.View, list []tenant.Key) []tenant.Key {
	scope, state := tenant.Scope(v.Filter("scope")), v.Filter("state")
	list = slices.DeleteFunc(slices.Clone(list), func(k tenant.Key) bool {
		return !frame.Mentions(v.Filter("q"), k.Name, k.Hint) || scope != "" && !slices.Contains(k.Scopes, scope) || state != "" && state != kindOf(p, k)
	})
	frame.Order(v, list, map[string]func(a, b tenant.Key) int{
		"name":  func(a, b tenant.Key) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) },
		"used":  func(a, b tenant.Key) int { return a.LastUsedAt.Compare(b.LastUsedAt) },
		"since": func(a, b tenant.Key) int { return a.CreatedAt.Compare(b.CreatedAt) },
		"state": func(a, b tenant.Key) int {
			return cmp.Compare(slices.Index([]string{valid, expired, revoked}, kindOf(p, a)), slices.Index([]string{valid, expired, revoked}, kindOf(p, b)))
		},
	})
	return list
}

// export writes the keys that the view shows. No part of it opens anything.
func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	list, err := c.Accounts.Keys(r.Context(), p.Tenant())
	if err != nil {
		return err
	}
	rows := [][]string{{p.T("keys.col.name"), p.T("keys.made.user"), p.T("keys.col.scopes"), p.T("keys.daily_cap"), p.T("keys.networks"), p.T("keys.col.used"), p.T("keys.col.since"), p.T("keys.col.state")}}
	for _, k := range narrow(p, frame.ReadView(r, listing(p)), list) {
		var scopes []string
		for _, s := range k.Scopes {
			scopes = append(scopes, p.T("scope."+string(s)))
		}
		used, limit := "", ""
		if !k.LastUsedAt.IsZero() {
			used = p.Full(k.LastUsedAt)
		}
		if k.DailyCap > 0 {
			limit = strconv.FormatInt(k.DailyCap, 10)
		}
		_, word := stateOf(p, k)
		rows = append(rows, []string{k.Name, k.ID.String(), strings.Join(scopes, ", "), limit, networksText(k.Networks), used, p.Date(k.CreatedAt), word})
	}
	return p.CSV(w, p.T("keys.filename"), rows)
}
