package sources

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"stafette/internal/egress"
	"stafette/internal/web/frame"
)

// basin is the page of one pool, or of one to be made.
type basin struct {
	ways      egress.Ways
	pool      egress.Pool
	isNew     bool
	standing  egress.Standing
	form      frame.Form
	revisions []line
}

// poolValues fills the form with a pool.
func poolValues(pool egress.Pool, version int) map[string]string {
	v := map[string]string{"name": pool.Name, "version": strconv.Itoa(version)}
	for _, m := range pool.Members {
		v["member-"+m.Source] = "on"
		if m.Weight >= 0 {
			v["weight-"+m.Source] = strconv.Itoa(m.Weight)
		}
	}
	return v
}

func (c Config) newPool(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.basin(w, r, p, http.StatusOK, basin{isNew: true, form: frame.Form{Values: poolValues(egress.Pool{}, egress.Absent)}})
}

func (c Config) pool(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	ways, err := c.Planner.Ways(r.Context())
	if err != nil {
		return fmt.Errorf("pool: %w", err)
	}
	pool, ok := ways.Pool(r.PathValue("name"))
	if !ok {
		return notFound("pool_unknown")
	}
	return c.basin(w, r, p, http.StatusOK, basin{pool: pool, form: frame.Form{Values: poolValues(pool, ways.Standing(egress.ThingPool, pool.Name).Version)}})
}

// basin adds what the page shows beside the form.
func (c Config) basin(w http.ResponseWriter, r *http.Request, p frame.Page, status int, b basin) error {
	p.Room, p.Title = room, p.T("sources.pool", "name", b.pool.Name)
	var err error
	if b.ways, err = c.Planner.Ways(r.Context()); err != nil {
		return fmt.Errorf("pool: %w", err)
	}
	if b.isNew {
		p.Title = p.T("sources.pool.new")
	} else {
		b.standing = b.ways.Standing(egress.ThingPool, b.pool.Name)
		if b.revisions, err = c.lines(r.Context(), p, egress.ThingPool, b.pool.Name); err != nil {
			return fmt.Errorf("pool: %w", err)
		}
	}
	return p.Render(w, r, status, poolPage(p, b))
}

func (c Config) createPool(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.putPool(w, r, p, "")
}

func (c Config) savePool(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.putPool(w, r, p, r.PathValue("name"))
}

// putPool saves what the form says; name is "" for a new pool.
func (c Config) putPool(w http.ResponseWriter, r *http.Request, p frame.Page, name string) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	b := basin{isNew: name == "", form: frame.Form{Values: map[string]string{}}}
	at := egress.Absent
	if b.pool.Name = name; b.isNew {
		b.pool.Name = strings.TrimSpace(r.PostForm.Get("name"))
	} else {
		at = version(&b.form, r.PostForm)
	}
	b.form.Values["name"] = b.pool.Name
	for _, key := range slices.Sorted(maps.Keys(r.PostForm)) {
		source, ok := strings.CutPrefix(key, "member-")
		if !ok {
			continue
		}
		m := egress.Member{Source: source, Weight: -1}
		b.form.Values[key] = "on"
		if text := strings.TrimSpace(r.PostForm.Get("weight-" + source)); text != "" {
			b.form.Values["weight-"+source] = frame.Shorten(text, 20)
			var err error
			if m.Weight, err = strconv.Atoi(text); err != nil || m.Weight < 0 {
				b.form.Add("members", p.T("fault.weight_out_of_range"))
			}
		}
		b.pool.Members = append(b.pool.Members, m)
	}
	if b.form.Valid() {
		err := c.Planner.SavePool(r.Context(), b.pool, p.Who.User.ID.String(), at)
		if err == nil {
			frame.Redirect(w, r, atPool+url.PathEscape(b.pool.Name), "saved")
			return nil
		}
		if !refused(p, &b.form, err) {
			return fmt.Errorf("save pool: %w", err)
		}
	}
	return c.basin(w, r, p, http.StatusUnprocessableEntity, b)
}

func (c Config) removePool(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	name := r.PathValue("name")
	at := version(&frame.Form{Values: map[string]string{}}, r.PostForm)
	if err := c.Planner.RemovePool(r.Context(), name, p.Who.User.ID.String(), at); err != nil {
		return fmt.Errorf("remove pool: %w", err)
	}
	frame.Redirect(w, r, home, "removed")
	return nil
}

// changes lists the fields in which a revision differs from what was before, by name.
func changes(r egress.Revision) []change {
	before, after := fields(r.Before), fields(r.After)
	names := slices.Sorted(maps.Keys(before))
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if _, ok := before[name]; !ok {
			names = append(names, name)
		}
	}
	var list []change
	for _, name := range names {
		if name != "name" && before[name] != after[name] {
			list = append(list, change{name, before[name], after[name]})
		}
	}
	return list
}

// fields are the values of a thing in JSON as text.
func fields(text string) map[string]string {
	list := map[string]string{}
	var values map[string]json.RawMessage
	if text == "" || json.Unmarshal([]byte(text), &values) != nil {
		return list
	}
	for name, raw := range values {
		var s string
		if json.Unmarshal(raw, &s) == nil {
			list[name] = s
			continue
		}
		var members []egress.Member
		if name == "members" && json.Unmarshal(raw, &members) == nil {
			var words []string
			for _, m := range members {
				word := m.Source
				if m.Weight >= 0 {
					word += " (" + strconv.Itoa(m.Weight) + ")"
				}
				words = append(words, word)
			}
			list[name] = strings.Join(words, ", ")
			continue
		}
		list[name] = string(raw)
	}
	return list
}
