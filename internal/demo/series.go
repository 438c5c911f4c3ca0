package demo

import (
	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/series"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/tracking"
)

// Series are those of the estate agency, without their group: a welcome, in which people stand
// at different steps, and birthdays.
func Series() []series.Series {
	letter := func(subject, text string) *campaign.Letter {
		d := blocks.Document{Version: blocks.Current, Blocks: []blocks.Block{{Kind: blocks.Head},
			{Kind: blocks.Text, Cell: blocks.Cell{Title: subject, Text: "{{salutation}} {{given_name}}, " + text}},
			{Kind: blocks.Button, Cell: blocks.Cell{Label: "Zu den Wohnungen", URL: "https://www.hafenkontor.example/speicherstadt"}},
			{Kind: blocks.Footer}}}
		return &campaign.Letter{From: "Hafenkontor Immobilien <brief@hafenkontor.example>", Subject: subject, Tracking: tracking.Individual,
			Made: &campaign.Made{Source: &stationery.Source{Mode: stationery.Blocks, Blocks: &d}}}
	}
	return []series.Series{
		{Name: "Willkommen", Definition: series.Definition{Trigger: series.Trigger{On: series.Tagged, Tag: "Interessent"}, Steps: []series.Step{
			{Key: "welcome", Do: series.Send, Letter: letter("Willkommen, {{given_name}}", "schön, dass Sie sich für die Speicherstadt interessieren.")},
			{Key: "ready", Do: series.Check, Filter: &audience.Segment{Of: "tag", Is: audience.Has, Value: "Finanzierung geklärt"}, Else: "patience"},
			{Key: "soon", Do: series.Wait, Minutes: 2 * 24 * 60},
			{Key: "visit", Do: series.Send, Letter: letter("Ein Termin für Sie?", "wann dürfen wir Ihnen die Wohnungen zeigen?")},
			{Key: "done", Do: series.End},
			{Key: "patience", Do: series.Wait, Weekday: "monday", Hour: 9, Local: true},
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

// ZoneField is where contacts of the demo have their time zone.
func ZoneField() audience.Field {
	return audience.Field{Key: "zeitzone", Label: "Zeitzone", Type: audience.ZoneField}
}

// ZoneOf is the time zone of the n-th member; "" for those who live where the account is.
func ZoneOf(n int) string {
	return []string{"", "Europe/Zurich", "Europe/Athens", "", "Europe/London", "Europe/Lisbon", "", "Asia/Dubai", "", "Europe/Vienna", "", "America/New_York"}[n%12]
}
