package openimmo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// rule is what the format says of an element in its place.
type rule struct {
	name        string
	least, most int      // how often; most 0: as often as one likes
	values      []string // all that it may say; nil: anything
	whole       bool     // it says a whole number
	since       string   // the version of OpenImmo that brought it
	many        string   // the version since which it may come more than once
	children    []rule   // in this order; nil: it holds text
}

func one(name string, children ...rule) rule {
	return rule{name: name, least: 1, most: 1, children: children}
}
func opt(name string) rule { return rule{name: name, most: 1} }

func some(name string, children ...rule) rule { return rule{name: name, children: children} }

func opts(names ...string) (rules []rule) {
	for _, n := range names {
		rules = append(rules, opt(n))
	}
	return rules
}

// extension is OpenImmo's place for what it has no element for.
func extension() rule {
	feld := some("feld", one("name"), one("wert"), some("typ"), some("modus"))
	feld.least = 1
	return some("user_defined_extend", feld)
}

// feedbackRules are those of OpenImmo feedback 1.2.7, with what earlier versions lack.
func feedbackRules() rule {
	version := one("version")
	number := one("statusnr")
	number.whole = true
	land, district, rooms, area := opt("land"), opt("stadtbezirk"), opt("anzahl_zimmer"), opt("flaeche")
	land.since, district.since, rooms.since, area.since = "1.2.5", "1.2.5", "1.2.5", "1.2.5"

	preferred, wish := some("bevorzugt"), some("wunsch")
	preferred.values, preferred.many = texts(Channels()), "1.2.4"
	wish.values, wish.many = texts(Wishes()), "1.2.4"
	prospect := some("interessent", slices.Concat(
		opts("int_id", "anrede", "vorname", "nachname", "firma", "strasse", "postfach", "plz", "ort", "tel", "fax", "mobil", "email"),
		[]rule{preferred, wish, opt("anfrage"), extension()})...)
	prospect.least = 1

	return one("openimmo_feedback",
		version,
		one("sender", one("name"), opt("openimmo_anid"), one("datum"), one("makler_id"), opt("regi_id")),
		some("objekt", slices.Concat(
			opts("portal_unique_id", "portal_obj_id", "anbieter_id", "oobj_id", "zusatz_refnr", "expose_url"),
			[]rule{some("vermarktungsart")},
			opts("bezeichnung", "etage", "whg_nr", "strasse", "ort"),
			[]rule{land, district},
			opts("preis", "gebot", "wae"),
			[]rule{rooms, area, prospect, extension()})...),
		rule{name: "fehlerliste", most: 1, children: []rule{some("fehler", opts("objekt_id", "fehlernr", "text")...)}},
		some("status", number, opt("text")))
}

// immoweltRules are those of immowelt's enquiry, as its readers take it.
func immoweltRules() rule {
	return one("objektanfrage",
		one("objekt", append([]rule{opt("o_datum"), one("o_refnr")},
			opts("o_maklernr", "o_link", "o_vertrieb", "o_stichwort", "o_strasse", "o_ort", "o_preis", "o_LW")...)...),
		one("interessent", opts("i_anrede", "i_vorname", "i_name", "i_firma", "i_strasse", "i_plz", "i_ort", "i_tel", "i_fax", "i_mobil", "i_email", "i_info")...))
}

// check holds a document against the rules that its root names.
func check(root *node) []Problem {
	switch root.name {
	case "openimmo_feedback":
		c := checker{version: root.get("version")}
		if !known(c.version) {
			c.add("openimmo_feedback/version", "value", fmt.Sprintf("%.20q is not a version of OpenImmo 1.2", c.version))
			return c.problems
		}
		c.element(root, feedbackRules(), "")
		return c.problems
	case "objektanfrage":
		c := checker{version: Version}
		c.element(root, immoweltRules(), "")
		return c.problems
	}
	return []Problem{{fmt.Sprintf("%.40s", root.name), "unknown", "the root is neither openimmo_feedback nor objektanfrage"}}
}

// known reports whether a version is one of those with an element for it.
func known(version string) bool {
	return slices.Contains([]string{"1.2.4", "1.2.5", "1.2.6", "1.2.7", "1.2.7a", "1.2.7b", "1.2.7c"}, version)
}

// maxProblems bounds what is said of one document.
const maxProblems = 50

type checker struct {
	version  string
	problems []Problem
}

func (c *checker) add(path, code, detail string) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, Problem{path, code, detail})
	}
}

func (c *checker) element(n *node, r rule, path string) {
	path = strings.TrimPrefix(path+"/"+r.name, "/")
	if r.since > c.version {
		c.add(path, "too_new", "came with OpenImmo "+r.since)
	}
	for _, a := range n.attributes {
		c.add(path, "attribute", fmt.Sprintf("has the attribute %.40q, the format knows none", a))
	}
	if r.children == nil {
		c.content(n, r, path)
		return
	}
	if strings.TrimSpace(n.text) != "" {
		c.add(path, "text", "holds elements, not text")
	}
	at, count := 0, make([]int, len(r.children))
	for _, child := range n.children {
		i := slices.IndexFunc(r.children, func(r rule) bool { return r.name == child.name })
		switch {
		case i < 0:
			c.add(path, "unknown", fmt.Sprintf("the element %.40q is not known here", child.name))
			continue
		case i < at:
			c.add(path+"/"+child.name, "misplaced", "belongs before "+r.children[at].name)
		default:
			at = i
		}
		count[i]++
		c.element(child, r.children[i], path)
	}
	for i, want := range r.children {
		switch n := count[i]; {
		case n < want.least:
			c.add(path+"/"+want.name, "missing", "must be there")
		case want.most > 0 && n > want.most, n > 1 && want.many > c.version:
			c.add(path+"/"+want.name, "repeated", fmt.Sprintf("stands there %d times", n))
		}
	}
}

func (c *checker) content(n *node, r rule, path string) {
	if len(n.children) > 0 {
		c.add(path, "unknown", fmt.Sprintf("holds text, not %.40q", n.children[0].name))
		return
	}
	if r.values != nil && !slices.Contains(r.values, n.text) {
		c.add(path, "value", fmt.Sprintf("%.40q is none of %s", n.text, strings.Join(r.values, ", ")))
	}
	if r.whole {
		if _, err := strconv.ParseInt(strings.TrimSpace(n.text), 10, 32); err != nil {
			c.add(path, "number", fmt.Sprintf("%.40q is not a whole number", n.text))
		}
	}
}
