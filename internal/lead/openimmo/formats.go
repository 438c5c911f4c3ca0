package openimmo

import (
	"strings"
	"time"
)

// day is how a date is written: "2026-11-21". Others are in use; this is the one that
// every reader which makes a date of it takes.
const day = time.DateOnly

func feedbackTree(l Lead) *node {
	var extra []*node
	for _, x := range l.Extra {
		extra = append(extra, parent("feld", must("name", x.Name), must("wert", x.Value)))
	}
	if extra != nil {
		extra = []*node{{name: "user_defined_extend", children: extra}}
	}
	o, p := l.Object, l.Prospect
	prospect := parent("interessent",
		must("int_id", l.ID), may("anrede", p.Salutation), may("vorname", p.FirstName), may("nachname", p.LastName),
		may("firma", p.Company), may("strasse", p.Street), may("plz", p.PostalCode), may("ort", p.City),
		may("tel", p.Phone), may("fax", p.Fax), may("mobil", p.Mobile), may("email", p.Email),
		each("bevorzugt", texts(p.Preferred)), each("wunsch", texts(p.Wishes)), may("anfrage", l.Message), extra)
	object := parent("objekt",
		must("portal_unique_id", l.ID), may("portal_obj_id", o.PortalID), may("oobj_id", o.AdvertiserRef),
		may("expose_url", o.URL), each("vermarktungsart", o.Marketing), may("bezeichnung", o.Title),
		may("strasse", o.Street), may("ort", o.City), may("preis", o.Price), may("anzahl_zimmer", o.Rooms),
		may("flaeche", o.Area), []*node{prospect})
	sender := parent("sender", must("name", l.Sender), must("datum", l.Date.Format(day)), must("makler_id", l.AdvertiserID))
	return parent("openimmo_feedback", must("version", Version), []*node{sender, object})
}

func feedbackLead(root *node) Lead {
	sender, object := root.first("sender"), root.first("objekt")
	prospect := object.first("interessent")
	l := Lead{
		ID: prospect.get("int_id"), Sender: sender.get("name"), Date: date(sender.get("datum")), AdvertiserID: sender.get("makler_id"),
		Object: Object{
			PortalID: object.get("portal_obj_id"), AdvertiserRef: object.get("oobj_id"), Title: object.get("bezeichnung"),
			URL: object.get("expose_url"), Street: object.get("strasse"), City: object.get("ort"), Marketing: object.all("vermarktungsart"),
			Price: object.get("preis"), Rooms: object.get("anzahl_zimmer"), Area: object.get("flaeche"),
		},
		Prospect: Prospect{
			Salutation: prospect.get("anrede"), FirstName: prospect.get("vorname"), LastName: prospect.get("nachname"),
			Company: prospect.get("firma"), Street: prospect.get("strasse"), PostalCode: prospect.get("plz"), City: prospect.get("ort"),
			Phone: prospect.get("tel"), Mobile: prospect.get("mobil"), Fax: prospect.get("fax"), Email: prospect.get("email"),
			Preferred: named[Channel](prospect.all("bevorzugt")), Wishes: named[Wish](prospect.all("wunsch")),
		},
		Message: prospect.get("anfrage"),
	}
	if l.ID == "" {
		l.ID = object.get("portal_unique_id")
	}
	if extend := prospect.first("user_defined_extend"); extend != nil {
		for _, feld := range extend.children {
			l.Extra = append(l.Extra, Extra{feld.get("name"), feld.get("wert")})
		}
	}
	return l
}

// immoweltTree has no place for the lead's number, the channels and the wishes: the
// mail's header and body carry them.
func immoweltTree(l Lead) *node {
	o, p := l.Object, l.Prospect
	return parent("objektanfrage",
		[]*node{parent("objekt",
			must("o_datum", l.Date.Format(day)), must("o_refnr", o.AdvertiserRef), may("o_maklernr", l.AdvertiserID),
			may("o_link", o.URL), may("o_vertrieb", strings.Join(o.Marketing, ", ")), may("o_stichwort", o.Title), may("o_strasse", o.Street),
			may("o_ort", o.City), may("o_preis", o.Price)),
			parent("interessent",
				may("i_anrede", p.Salutation), may("i_vorname", p.FirstName), may("i_name", p.LastName), may("i_firma", p.Company),
				may("i_strasse", p.Street), may("i_plz", p.PostalCode), may("i_ort", p.City), may("i_tel", p.Phone),
				may("i_fax", p.Fax), may("i_mobil", p.Mobile), may("i_email", p.Email), may("i_info", l.Message))})
}

func immoweltLead(root *node) Lead {
	o, p := root.first("objekt"), root.first("interessent")
	l := Lead{
		Date: date(o.get("o_datum")), AdvertiserID: o.get("o_maklernr"),
		Object: Object{AdvertiserRef: o.get("o_refnr"), Title: o.get("o_stichwort"), URL: o.get("o_link"),
			Street: o.get("o_strasse"), City: o.get("o_ort"), Price: o.get("o_preis")},
		Prospect: Prospect{Salutation: p.get("i_anrede"), FirstName: p.get("i_vorname"), LastName: p.get("i_name"),
			Company: p.get("i_firma"), Street: p.get("i_strasse"), PostalCode: p.get("i_plz"), City: p.get("i_ort"),
			Phone: p.get("i_tel"), Mobile: p.get("i_mobil"), Fax: p.get("i_fax"), Email: p.get("i_email")},
		Message: p.get("i_info"),
	}
	if way := o.get("o_vertrieb"); way != "" {
		l.Object.Marketing = strings.Split(way, ", ")
	}
	return l
}

// date reads the days that are in use; zero is what it cannot read.
func date(text string) time.Time {
	for _, layout := range []string{day, "02.01.2006", "2.1.2006"} {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return t
		}
	}
	return time.Time{}
}
