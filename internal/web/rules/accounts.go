package rules

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

const (
	// accountsShown is how many accounts stand on a page for staff.
	accountsShown = 50
	// accountsRead is how many are asked for at a time.
	accountsRead = 500
)

// accountLine is one account in the list for staff.
type accountLine struct {
	tenant.Tenant
	rules, limits bool // its own
}

// accountRoll is the table of accounts.
func accountRoll(p frame.Page) frame.Roll[accountLine] {
	cell := func(key string, text func(accountLine) string) frame.Cell[accountLine] {
		return frame.Cell[accountLine]{Column: frame.Column{Key: key, Title: p.T("rules.col." + key)}, Text: text}
	}
	own := func(is bool) string { return p.T("rules.own." + strconv.FormatBool(is)) }
	return frame.Roll[accountLine]{
		Listing: frame.Listing{Path: staffPath, Filters: []string{"own"}, Sort: "account"},
		Cells: []frame.Cell[accountLine]{
			cell("account", func(t accountLine) string { return t.Name }),
			cell("rules", func(t accountLine) string { return own(t.rules) }),
			cell("limits", func(t accountLine) string { return own(t.limits) }),
		},
	}
}

// accountList reads all accounts and returns those that the address asks for.
func (c Config) accountList(r *http.Request, p frame.Page) (frame.View, []accountLine, error) {
	var all []accountLine
	for after := (tenant.ID{}); ; {
		found, err := c.Accounts.Tenants(r.Context(), after, accountsRead)
		if err != nil {
			return frame.View{}, nil, fmt.Errorf("list accounts: %w", err)
		}
		for _, t := range found {
			one := accountLine{Tenant: t}
			one.rules, one.limits = c.Settings.Own(t.ID)
			if kept(r.URL.Query().Get("own"), one) {
				all = append(all, one)
			}
			after = t.ID
		}
		if len(found) < accountsRead {
			break
		}
	}
	v, list := accountRoll(p).Read(r, all)
	return v, list, nil
}

// kept reports whether an account has, or has not, rules or limits of its own, as the
// filter wants.
func kept(filter string, t accountLine) bool {
	switch filter {
	case "true":
		return t.rules || t.limits
	case "false":
		return !t.rules && !t.limits
	}
	return true
}

func (c Config) accounts(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, list, err := c.accountList(r, p)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(list, func(t accountLine) bool { return t.ID.String() == v.After }); i >= 0 {
		list = list[i+1:]
	}
	next := ""
	if len(list) > accountsShown {
		list = list[:accountsShown]
		next = v.With("after", list[accountsShown-1].ID.String())
	}
	p.Room, p.Title = "rules", p.T("nav.rules")
	return p.Render(w, r, http.StatusOK, accountsPage(p, v, list, next))
}

func (c Config) exportAccounts(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	_, list, err := c.accountList(r, p)
	if err != nil {
		return err
	}
	return accountRoll(p).CSV(w, p, p.T("rules.file"), list)
}
