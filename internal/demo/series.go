package demo

import (
	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/series"
)

// Series are those of the estate agency, without their group: a welcome, in which people stand
// at different steps, and birthdays.
func Series() []series.Series {
	letter := func(subject, text string) *campaign.Letter {
		return &campaign.Letter{From: "Hafenkontor Immobilien <brief@hafenkontor.example>", Subject: subject,
			HTML: "<p>{{salutation}} {{given_name}},</p><p>" + text + "</p>" +
				"<p style=\"color:#555\">Hafenkontor Immobilien GmbH, Am Sandtorkai 1, 20457 Hamburg · <a href=\"{{unsubscribe_url}}\">Abmelden</a></p>"}
	}
	return []series.Series{
		{Name: "Willkommen", Definition: series.Definition{Trigger: series.Trigger{On: series.Tagged, Tag: "Interessent"}, Steps: []series.Step{
			{Key: "welcome", Do: series.Send, Letter: letter("Willkommen, {{given_name}}", "schön, dass Sie sich für die Speicherstadt interessieren.")},
			{Key: "ready", Do: series.Check, Filter: &audience.Segment{Of: "tag", Is: audience.Has, Value: "Finanzierung geklärt"}, Else: "patience"},
			{Key: "soon", Do: series.Wait, Minutes: 2 * 24 * 60},
			{Key: "visit", Do: series.Send, Letter: letter("Ein Termin für Sie?", "wann dürfen wir Ihnen die Wohnungen zeigen?")},
			{Key: "done", Do: series.End},
			{Key: "patience", Do: series.Wait, Weekday: "monday", Hour: 9},
			{Key: "money", Do: series.Send, Letter: letter("So rechnet sich Ihre Wohnung", "wir haben Ihnen zusammengestellt, was Banken wissen wollen.")},
			{Key: "known", Do: series.Tag, Tag: "Unterlagen erhalten"},
		}}},
		{Name: "Geburtstag", Definition: series.Definition{Trigger: series.Trigger{On: series.Dated, Field: "birthday", Hour: 9}, Steps: []series.Step{
			{Key: "wish", Do: series.Send, Letter: letter("Alles Gute, {{given_name}}", "wir wünschen Ihnen ein gutes neues Lebensjahr.")},
		}}},
	}
}

// SeriesTags are the tags of the n-th member: most begin the welcome, some take the shorter way.
func SeriesTags(n int) []string {
	switch n % 4 {
	case 0:
		return []string{"Interessent", "Finanzierung geklärt"}
	case 3:
		return nil
	}
	return []string{"Interessent"}
}
