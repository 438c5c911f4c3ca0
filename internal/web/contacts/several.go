package contacts

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/web/frame"
)

const (
	severalAt = duplicatesAt + "/merge"
	// apartShown bounds the pairs called two people that the page lists.
	apartShown = 20
)

// joining is a pair with what would come of it.
type joining struct {
	audience.Twins
	result audience.Contact
}

// pairText names a pair in forms.
func pairText(t audience.Twins) string { return t.Kept.ID.String() + "." + t.Other.ID.String() }

// versionedText names a pair as somebody has looked at it.
func versionedText(t audience.Twins) string {
	return pairText(t) + "." + strconv.FormatInt(t.Kept.Version, 10) + "." + strconv.FormatInt(t.Other.Version, 10)
}

// joiningOf reads pairText or versionedText; false for what is neither.
func joiningOf(text string) (j audience.Joining, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 2 && len(parts) != 4 {
		return j, false
	}
	var err, bad error
	j.Kept, err = id.Parse[audience.ContactKind](parts[0])
	j.Other, bad = id.Parse[audience.ContactKind](parts[1])
	if len(parts) == 4 {
		j.Version, _ = strconv.ParseInt(parts[2], 10, 64)      // what is none is no version
		j.OtherVersion, _ = strconv.ParseInt(parts[3], 10, 64) // likewise
	}
	return j, err == nil && bad == nil
}

// picked are the pairs that a form names, each once.
func picked(texts []string) (list []audience.Joining) {
	for _, text := range texts {
		if j, ok := joiningOf(text); ok && len(list) < audience.MaxTwins && !slices.Contains(list, j) {
			list = append(list, j)
		}
	}
	return list
}

// showSeveral shows what becomes of the picked pairs, or of all that the view has.
func (c Config) showSeveral(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	found, err := c.Book.Duplicates(r.Context(), p.Tenant())
	if err != nil {
		return err
	}
	if r.URL.Query().Get("all") != "" {
		_, found = twinRoll(p).Read(r, found)
	} else {
		chosen := map[audience.Pair]bool{}
		for _, j := range picked(r.URL.Query()["pick"]) {
			chosen[audience.PairOf(j.Kept, j.Other)] = true
		}
		found = slices.DeleteFunc(found, func(t audience.Twins) bool { return !chosen[audience.PairOf(t.Kept.ID, t.Other.ID)] })
	}
	list := make([]joining, len(found))
	for i, t := range found {
		list[i] = joining{t, audience.Merged(t.Kept, t.Other)}
	}
	p.Room, p.Title = room, p.T("twins.preview.title")
	return p.Render(w, r, http.StatusOK, severalPage(p, list))
}

// summary is what a merged contact has, in short.
func summary(p frame.Page, c audience.Contact) []string {
	var addresses []string
	for _, a := range c.Addresses {
		addresses = append(addresses, a.String())
	}
	list := []string{c.Name(), strings.Join(addresses, ", ")}
	if c.Company != "" {
		list = append(list, c.Company)
	}
	if len(c.Tags) > 0 {
		list = append(list, p.T("contacts.field.tags")+": "+strings.Join(c.Tags, ", "))
	}
	return slices.Compact(list)
}

func (c Config) mergeSeveral(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	if _, err := c.Book.MergeSeveral(r.Context(), p.Tenant(), picked(r.PostForm["pick"]), p.Who.User.ID.String()); err != nil {
		return err
	}
	frame.Redirect(w, r, duplicatesAt, "several")
	return nil
}

// tellApart notes that the picked pairs are two people each.
func (c Config) tellApart(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	var pairs []audience.Pair
	for _, j := range picked(r.PostForm["pick"]) {
		pairs = append(pairs, audience.Pair{j.Kept, j.Other})
	}
	if err := c.Book.Distinguish(r.Context(), p.Tenant(), pairs, p.Who.User.ID.String()); err != nil {
		return err
	}
	frame.Redirect(w, r, duplicatesAt, "apart")
	return nil
}

// tellTogether takes that back.
func (c Config) tellTogether(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	for _, j := range picked(r.PostForm["pick"]) {
		if err := c.Book.Resemble(r.Context(), p.Tenant(), audience.Pair{j.Kept, j.Other}); err != nil {
			return err
		}
	}
	frame.Redirect(w, r, duplicatesAt, "together")
	return nil
}

// toldApart are the last pairs that somebody called two people, as far as both are there.
func (c Config) toldApart(r *http.Request, p frame.Page) (list []audience.Twins, err error) {
	found, err := c.Book.Distinct(r.Context(), p.Tenant(), apartShown)
	if err != nil {
		return nil, fmt.Errorf("list two people: %w", err)
	}
	for _, d := range found {
		a, err := c.Book.Contact(r.Context(), p.Tenant(), d.Pair[0])
		if err == nil {
			var b audience.Contact
			if b, err = c.Book.Contact(r.Context(), p.Tenant(), d.Pair[1]); err == nil {
				list = append(list, audience.Twins{Kept: a, Other: b})
			}
		}
		if err != nil && !fault.IsKind(err, fault.NotFound) {
			return nil, err
		}
	}
	return list, nil
}
