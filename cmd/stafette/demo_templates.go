package main

import (
	"context"
	"fmt"

	"stafette/internal/demo"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
)

// templates gives the estate agency a brand and two templates: one for mailings, one for
// its programs.
func (s *demoSeeder) templates(ctx context.Context) error {
	owner, room := s.tenants[demo.Businesses()[0].Domain], s.p.stationery
	if err := room.SaveBrand(ctx, owner, blocks.Brand{Name: "Hafenkontor Immobilien", Colour: "#123f70", Ground: "#eef1f4", Font: "sans"}); err != nil {
		return fmt.Errorf("seed brand: %w", err)
	}
	letter := blocks.Document{Version: blocks.Current, Blocks: []blocks.Block{
		{Kind: blocks.Head},
		{Kind: blocks.Text, Cell: blocks.Cell{Title: "Wohnen, wo früher Kaffee lag", Text: "Guten Tag {{default name \"und herzlich willkommen\"}},\n\nim Speicherblock 7 entstehen vier Wohnungen mit Blick auf das Fleet. Als Abonnent sehen Sie sie **eine Woche vor allen anderen**."}},
		{Kind: blocks.Button, Cell: blocks.Cell{Label: "Wohnungen ansehen", URL: "https://hafenkontor.example/speicherblock-7"}},
		{Kind: blocks.Divider},
		{Kind: blocks.Footer, Cell: blocks.Cell{Text: "Sie erhalten diesen Brief, weil Sie sich dafür angemeldet haben."}},
	}}
	order := stationery.Source{Mode: stationery.HTML, Subject: "Ihre Besichtigung am {{visit.date}}",
		Markup: "<p>Guten Tag {{name}},</p>\n<p>wir sehen uns am {{visit.date}} um {{visit.time}} Uhr, {{visit.place}}.</p>\n{{#if visit.note}}<p>{{visit.note}}</p>{{/if}}\n",
		Text:   "Guten Tag {{name}},\n\nwir sehen uns am {{visit.date}} um {{visit.time}} Uhr, {{visit.place}}.\n"}
	for _, d := range []stationery.Draft{
		{Name: "Neubau-Brief", Lang: "de", Source: stationery.Source{Mode: stationery.Blocks, Subject: "Vier Wohnungen am Fleet, bezugsfrei ab Mai", Preview: "Eine Woche vor allen anderen", Blocks: &letter}},
		{Name: "Besichtigung", Lang: "de", Source: order},
	} {
		if _, _, err := room.Create(ctx, owner, "demo", d); err != nil {
			return fmt.Errorf("seed template: %w", err)
		}
	}
	return nil
}
