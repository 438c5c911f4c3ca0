package people

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"stafette/internal/account"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// What the filter of the state knows: how people sign in, who is shut out, and who was
// asked to come.
const (
	guarded  = "guarded"
	password = "password"
	disabled = "disabled"
	invited  = "invited"
)

// listing is the table of people. Invitations follow the same filters.
func (s side) listing(p frame.Page) frame.Listing {
	l := frame.Listing{
		Name: "people", Path: s.path, Sort: "name", Filters: []string{"q", "role", "state"},
		Choices: map[string][]string{"state": {guarded, password, disabled, invited}},
	}
	for _, r := range roles(p) {
		l.Choices["role"] = append(l.Choices["role"], r.Value)
	}
	for _, key := range []string{"name", "role", "state", "since", "deeds"} {
		l.Columns = append(l.Columns, frame.Column{Key: key, Title: p.T("people.col." + key), Sortable: key != "deeds", Extra: key == "since"})
	}
	return l
}

func stateOf(u tenant.User) string {
	switch {
	case !u.DisabledAt.IsZero():
		return disabled
	case u.Guarded:
		return guarded
	}
	return password
}

// narrow keeps of a team what the view asks for, in its order.
func narrow(v frame.View, t *team) {
	role, state := v.Filter("role"), v.Filter("state")
	t.users = slices.DeleteFunc(slices.Clone(t.users), func(u tenant.User) bool {
		return !frame.Mentions(v.Filter("q"), u.Name, u.Email) || role != "" && role != string(u.Role) || state != "" && state != stateOf(u)
	})
	t.invited = slices.DeleteFunc(slices.Clone(t.invited), func(i account.Invitation) bool {
		return !frame.Mentions(v.Filter("q"), i.Name, i.Email) || role != "" && role != string(i.Role) || state != "" && state != invited
	})
	rank := func(r tenant.Role) int { return slices.Index(tenant.Roles(), r) }
	frame.Order(v, t.users, map[string]func(a, b tenant.User) int{
		"name":  func(a, b tenant.User) int { return strings.Compare(fold(nameOf(a)), fold(nameOf(b))) },
		"role":  func(a, b tenant.User) int { return cmp.Compare(rank(a.Role), rank(b.Role)) },
		"state": func(a, b tenant.User) int { return strings.Compare(stateOf(a), stateOf(b)) },
		"since": func(a, b tenant.User) int { return a.CreatedAt.Compare(b.CreatedAt) },
	})
}

func fold(s string) string { return strings.ToLower(s) }

// export writes the people that the view shows, and those who were invited.
func (s side) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	var t team
	var err error
	if t.users, t.invited, err = s.Accounts.Team(r.Context(), p.Who.User.Tenant); err != nil {
		return err
	}
	narrow(frame.ReadView(r, s.listing(p)), &t)
	rows := [][]string{{p.T("people.name"), p.T("people.email"), p.T("people.col.role"), p.T("people.col.state"), p.T("people.col.since"), p.T("people.col.until")}}
	for _, u := range t.users {
		rows = append(rows, []string{u.Name, u.Email, p.T("role." + string(u.Role)), p.T("people." + stateOf(u)), p.Date(u.CreatedAt), ""})
	}
	for _, i := range t.invited {
		rows = append(rows, []string{i.Name, i.Email, p.T("role." + string(i.Role)), p.T("people." + invited), p.Date(i.CreatedAt), p.Full(i.ExpiresAt)})
	}
	return p.CSV(w, p.T("people.filename"), rows)
}
