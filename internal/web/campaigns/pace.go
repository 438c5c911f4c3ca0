package campaigns

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"stafette/internal/campaign"
	"stafette/internal/web/frame"
)

// providerName is what a mailbox provider is called.
func (c Config) providerName(key string) string {
	if c.ProviderName == nil {
		return key
	}
	return c.ProviderName(key)
}

// providers are those that a mailing can bound, by their names.
func (c Config) providers() []frame.Option {
	var list []frame.Option
	for _, key := range c.Campaigns.Providers() {
		list = append(list, frame.Option{Value: key, Text: c.providerName(key)})
	}
	slices.SortFunc(list, func(a, b frame.Option) int {
		return cmp.Compare(strings.ToLower(a.Text), strings.ToLower(b.Text))
	})
	return list
}

// providersOf are those of the form of a mailing: one that it bounds and that we do not know any
// more stands there with a word that says so.
func (c Config) providersOf(p frame.Page, v campaign.Campaign) []frame.Option {
	list := c.providers()
	for _, r := range v.PerProvider {
		if !slices.ContainsFunc(list, func(o frame.Option) bool { return o.Value == r.Provider }) {
			list = append(list, frame.Option{Value: r.Provider, Text: p.T("campaigns.rate.gone", "provider", c.providerName(r.Provider))})
		}
	}
	return list
}

// rateField is the field of the form for the limit of a provider.
func rateField(provider string) string { return "rate_" + provider }

// showRates fills the form from the campaign.
func (e *editor) showRates() {
	for _, r := range e.PerProvider {
		e.Values[rateField(r.Provider)] = strconv.Itoa(r.PerHour)
	}
}

// readRates fills the campaign from the form: an empty field bounds nothing.
func (e *editor) readRates(p frame.Page) {
	e.PerProvider = nil
	for _, one := range e.providers {
		field := rateField(one.Value)
		text := strings.TrimSpace(e.Value(field))
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > campaign.MaxPerHour {
			e.Add(field, p.T("campaigns.wrong.per_hour"))
		}
		e.PerProvider = append(e.PerProvider, campaign.Rate{Provider: one.Value, PerHour: n})
	}
}

// paced reports whether the form bounds a provider.
func paced(e editor) bool {
	return slices.ContainsFunc(e.providers, func(one frame.Option) bool {
		return e.Value(rateField(one.Value)) != "" || e.Wrong(rateField(one.Value))
	})
}

// paceFacts tell what bounds a mailing.
func paceFacts(p frame.Page, s sheet) []frame.Fact {
	var list []frame.Fact
	if s.PerHour > 0 {
		list = append(list, frame.Fact{Name: p.T("campaigns.field.per_hour"), Value: p.Number(int64(s.PerHour))})
	}
	known := s.config.Campaigns.Providers()
	for _, r := range s.PerProvider {
		name := s.config.providerName(r.Provider)
		if !slices.Contains(known, r.Provider) {
			name = p.T("campaigns.rate.gone", "provider", name)
		}
		list = append(list, frame.Fact{Name: p.T("campaigns.rate.fact", "provider", name), Value: p.T("campaigns.rate.value", "n", r.PerHour)})
	}
	return list
}

// planned says how long a mailing takes that has not begun, and when it would be done; "" where
// nothing bounds it.
func planned(p frame.Page, s sheet) string {
	if s.preview.Takes == 0 || s.Local.At != "" {
		return ""
	}
	if s.State == campaign.Scheduled {
		return p.T("campaigns.pace.scheduled", "at", p.Row(s.StartAt.Add(s.preview.Takes)))
	}
	return p.T("campaigns.pace.draft", "at", p.Row(p.Now.Add(s.preview.Takes)))
}

// expected says when a mailing that is sent will be done; "" where nothing is to be said of it.
func expected(p frame.Page, s sheet) string {
	switch {
	case s.State != campaign.Sending || s.Reason != "" && s.Reason != campaign.ReasonZone || s.Trial.Share > 0 && s.Trial.Winner == "":
		return ""
	case !s.forecast.End.IsZero():
		return p.T("campaigns.pace.end", "at", p.Row(s.forecast.End))
	}
	return p.T("campaigns.pace.unknown")
}

// expectedOf says the same of a provider.
func expectedOf(p frame.Page, f campaign.ProviderForecast) string {
	rate := p.T("campaigns.rate.value", "n", f.PerHour)
	switch {
	case f.Waiting == 0:
		return rate + " · " + p.T("campaigns.pace.nobody")
	case f.End.IsZero():
		return rate + " · " + p.T("campaigns.pace.left", "n", f.Waiting)
	}
	return rate + " · " + p.T("campaigns.pace.left", "n", f.Waiting) + " · " + p.T("campaigns.pace.end.short", "at", p.Row(f.End))
}

// ratesOf are the same in the words of the page.
func ratesOf(p frame.Page, s sheet) []frame.Fact {
	var list []frame.Fact
	for _, f := range s.forecast.Providers {
		list = append(list, frame.Fact{Name: s.config.providerName(f.Provider), Value: expectedOf(p, f)})
	}
	return list
}
