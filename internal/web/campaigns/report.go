package campaigns

import (
	"bytes"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"

	"stafette/internal/campaign"
	"stafette/internal/diagnosis"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/web/frame"
)

// linkRow is a link of the report with the word that stands in the picture of the mail.
type linkRow struct {
	campaign.LinkCount
	Word string // "A1": version and number
}

func linkRows(list []campaign.LinkCount) []linkRow {
	rows := make([]linkRow, len(list))
	for i, l := range list {
		rows[i] = linkRow{l, strings.ToUpper(string(l.Version)) + strconv.Itoa(l.Number)}
	}
	return rows
}

// mapped are the versions of which there is a picture with links.
func mapped(s sheet) []campaign.Version {
	var list []campaign.Version
	for _, l := range s.report.Links {
		if len(list) == 0 || list[len(list)-1] != l.Version {
			list = append(list, l.Version)
		}
	}
	return list
}

// mapTitle names a picture.
func mapTitle(p frame.Page, v campaign.Version) string {
	if v == "" {
		return p.T("campaigns.map")
	}
	return p.T("campaigns.map.version", "version", strings.ToUpper(string(v)))
}

// linkMap shows the letter with how many mails each link was followed in.
func (c Config) linkMap(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	version := campaign.Version(r.URL.Query().Get("version"))
	if version != "" && version != campaign.VersionA && version != campaign.VersionB {
		return fault.New(fault.NotFound, campaign.CodeNotFound, "There is no such version.")
	}
	found, err := c.Campaigns.Report(r.Context(), v.Tenant, v.ID)
	if err != nil {
		return err
	}
	words := map[int]string{}
	for _, l := range linkRows(found.Links) {
		if l.Version == version {
			words[l.Number] = l.Word + ": " + p.Number(l.Persons)
		}
	}
	shown, err := c.Campaigns.LinkMap(r.Context(), v, version, func(n int) string {
		if words[n] == "" {
			return ""
		}
		return `<span style="display:inline-block;margin:0 4px 0 0;padding:1px 7px;border-radius:9px;background:#13202b;color:#fff;font:bold 12px/16px sans-serif;text-decoration:none">` +
			html.EscapeString(words[n]) + `</span>`
	})
	if err != nil {
		return err
	}
	sendSample(w, shown)
	return nil
}

// sendSample sends HTML of a letter, held by its policy.
func sendSample(w http.ResponseWriter, page string) {
	h := w.Header()
	h.Set("Content-Security-Policy", samplePolicy)
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(page)) //nolint:gosec // G705: shown in a sandbox by its policy
}

// percent words a share; below nought there is nothing it is of.
func percent(p frame.Page, v float64) string {
	if v < 0 {
		return "–"
	}
	return i18n.Percent(p.Lang, v/100)
}

// past are the rows of the comparison, this campaign first.
func past(s sheet) []campaign.Past {
	return append([]campaign.Past{{Campaign: s.Campaign, Report: s.report}}, s.earlier...)
}

// rate is a column of the comparison.
type rate struct {
	key string
	of  func(campaign.Rates) float64
}

func rates() []rate {
	return []rate{
		{"delivered", func(r campaign.Rates) float64 { return r.Delivered }},
		{"opened", func(r campaign.Rates) float64 { return r.Opened }},
		{"clicked", func(r campaign.Rates) float64 { return r.Clicked }},
		{"rejected", func(r campaign.Rates) float64 { return r.Rejected }},
		{"unsubscribed", func(r campaign.Rates) float64 { return r.Unsubscribed }},
		{"complained", func(r campaign.Rates) float64 { return r.Complained }},
	}
}

// paper is the report as a PDF in the account's own name.
func (c Config) paper(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.find(r, p)
	if err != nil {
		return err
	}
	if v.State == campaign.Draft || v.State == campaign.Scheduled {
		return fault.New(fault.Conflict, campaign.CodeState, "Nothing was sent yet.")
	}
	s := sheet{Campaign: v, config: c, why: c.reasonOf(p)}
	if err := c.fillFigures(r, &s); err != nil {
		return err
	}
	if s.names, err = c.groupNames(r, p); err != nil {
		return err
	}
	head, err := c.letterhead(r, p)
	if err != nil {
		return err
	}
	raw, err := printed(p, s, head)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/pdf")
	h.Set("Content-Disposition", `attachment; filename="`+p.T("campaigns.paper.filename")+"-"+v.ID.String()+`.pdf"`)
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(raw) //nolint:gosec // G705: a PDF of ours; a reader who left is no error
	return nil
}

// figureText is a figure on one line.
func figureText(f frame.Figure) string {
	if f.Note == "" {
		return f.Value
	}
	return f.Value + " (" + f.Note + ")"
}

// letterhead is the account's own paper.
func (c Config) letterhead(r *http.Request, p frame.Page) (l diagnosis.Letterhead, err error) {
	brand, err := c.Templates.Brand(r.Context(), p.Tenant())
	if err != nil {
		return l, err
	}
	logo, err := c.Templates.Logo(r.Context(), p.Tenant())
	if err != nil {
		return l, err
	}
	return diagnosis.Letterhead{Name: brand.Name, Logo: logo.Data, Width: logo.Width, Height: logo.Height, Colour: brand.Colour}, nil
}

func printed(p frame.Page, s sheet, head diagnosis.Letterhead) ([]byte, error) {
	doc := diagnosis.NewOwnPrint(head, s.Campaign.Name, p.T("campaigns.paper.under", "account", p.Who.Tenant.Name, "time", p.Full(s.report.At)))
	for _, f := range facts(p, s) {
		doc.Row(f.Name, f.Value)
	}
	doc.Heading(p.T("campaigns.paper.figures"))
	shares := campaign.RatesOf(s.Accepted, s.report)
	for _, f := range figures(p, s) {
		doc.Row(f.Name, figureText(f))
	}
	doc.Heading(p.T("campaigns.paper.rates"))
	for _, one := range rates() {
		doc.Row(p.T("campaigns.rate."+one.key), percent(p, one.of(shares)))
	}
	doc.Paragraph(p.T("campaigns.rate.how"))
	if list := linkRows(s.report.Links); len(list) > 0 {
		doc.Heading(p.T("campaigns.links"))
		for _, l := range list {
			doc.Row(l.Word+" "+l.Label, p.T("campaigns.link.counts", "persons", l.Persons, "machines", l.Machines)+"\n"+l.Target)
		}
	}
	for _, part := range []struct {
		title string
		list  map[string]int64
	}{{"campaigns.excluded", s.report.Excluded}, {"campaigns.bounces", s.report.Bounces}} {
		if len(part.list) > 0 {
			doc.Heading(p.T(part.title))
			for _, why := range reasons(part.list) {
				doc.Row(s.why(why), p.Number(part.list[why]))
			}
		}
	}
	if len(s.report.Domains) > 0 {
		doc.Heading(p.T("campaigns.domains"))
		for _, d := range s.report.Domains {
			doc.Row(d.Name, p.T("campaigns.domain", "total", d.Total, "delivered", d.Delivered, "share", share(d.Delivered, d.Total), "rejected", d.Rejected))
		}
	}
	if len(s.earlier) > 0 {
		doc.Heading(p.T("campaigns.compare"))
		for _, v := range s.earlier {
			var words bytes.Buffer
			for _, one := range rates() {
				fmt.Fprintf(&words, "%s %s\n", p.T("campaigns.rate."+one.key), percent(p, one.of(campaign.RatesOf(v.Accepted, v.Report))))
			}
			doc.Row(v.Campaign.Name+"\n"+p.Full(v.FinishedAt), strings.TrimSpace(words.String()))
		}
	}
	raw, err := doc.Bytes(func(page, pages int) string { return p.T("campaigns.paper.page", "page", page, "pages", pages) })
	if err != nil {
		return nil, fmt.Errorf("print report: %w", err)
	}
	return raw, nil
}
