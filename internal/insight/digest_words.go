package insight

import (
	"strconv"
	"strings"
	"time"

	"stafette/internal/i18n"
	"stafette/internal/notice"
	"stafette/internal/tenant"
)

// pen writes a digest in its reader's words.
type pen struct {
	i18n.Clock
	catalog   *i18n.Catalog
	providers *Providers
	tone      i18n.Tone
}

func (d Digester) pen(t tenant.Tenant, u tenant.User, now time.Time) pen {
	lang := i18n.Lang(u.Locale)
	if !lang.Valid() {
		lang = i18n.Lang(t.Locale)
	}
	if !lang.Valid() {
		lang = i18n.German
	}
	return pen{i18n.Clock{Lang: lang, Zone: d.Zone(t), Now: now}, d.Catalog, d.Providers, i18n.Tone(t.OfficeTone)}
}

func (p pen) t(key string, args i18n.Args) string { return p.catalog.Text(p.Lang, p.tone, key, args) }

// provider is what a provider is called.
func (p pen) provider(key string) string {
	if key == "" {
		return p.t("provider.other", nil)
	}
	return p.providers.Name(key)
}

// rate writes a delivery rate, or the numbers where they are too few for one.
func (p pen) rate(f *Figures) string {
	if rate, ok := f.Rate(); ok {
		return i18n.Percent(p.Lang, rate)
	}
	return p.t("figures.few", i18n.Args{"n": f.Delivered, "of": f.Results()})
}

// TodoTitle and TodoText are the words of a thing to do; times are written by the clock.
func TodoTitle(c *i18n.Catalog, clock i18n.Clock, tone i18n.Tone, d Todo) string {
	return c.Text(clock.Lang, tone, "todo."+d.Kind+".title", todoArgs(clock, d))
}

// TodoText is the sentence under the title.
func TodoText(c *i18n.Catalog, clock i18n.Clock, tone i18n.Tone, d Todo) string {
	return c.Text(clock.Lang, tone, "todo."+d.Kind+".text", todoArgs(clock, d))
}

func todoArgs(clock i18n.Clock, d Todo) i18n.Args {
	args := i18n.Args{"since": clock.Near(d.Since)}
	for name, value := range d.Args {
		switch v := value.(type) {
		case time.Time:
			value = clock.Full(v)
		case float64: // a share, in percent
			text := strconv.FormatFloat(v, 'f', 2, 64)
			if clock.Lang != i18n.English {
				text = strings.Replace(text, ".", ",", 1)
			}
			value = text
		}
		args[name] = value
	}
	return args
}

// weekly writes the weekly report.
func (d Digester) weekly(t tenant.Tenant, u tenant.User, w week, period string) notice.Letter {
	p := d.pen(t, u, w.to)
	_, number := w.from.ISOWeek()
	l := p.letter(t, "weekly", "/statistics/providers?range=7", "weekly/"+period+"/"+u.ID.String())
	l.Args = map[string]string{"week": strconv.Itoa(number), "n": i18n.Number(p.Lang, w.now.Delivered), "tenant": t.Name,
		"from": p.Date(w.from), "to": p.Date(w.to.Add(-time.Minute)), "rate": p.rate(&w.now)}
	l.More = p.figures(&w)
	l.More = append(l.More, p.t("figures.definition", nil))
	for _, f := range w.findings {
		l.More = append(l.More, p.finding(f))
	}
	if len(w.findings) == 0 {
		l.More = append(l.More, p.t("digest.findings.none", nil))
	}
	l.More = append(l.More, p.todos(w.todos)...)
	return l
}

func (p pen) letter(t tenant.Tenant, kind, link, key string) notice.Letter {
	return notice.Letter{Tenant: t.ID, Lang: p.Lang, Formal: p.tone != i18n.Du, Kind: kind, Link: link, Key: key}
}

// figures are the week's numbers beside those of the week before.
func (p pen) figures(w *week) []string {
	if w.now.Results() == 0 && w.before.Results() == 0 {
		return []string{p.t("digest.nothing", nil)}
	}
	number := func(n int64) string { return i18n.Number(p.Lang, n) }
	line := func(key, now, before string) string {
		return p.t("digest."+key, i18n.Args{"now": now, "before": before})
	}
	list := []string{
		line("delivered", number(w.now.Delivered), number(w.before.Delivered)),
		line("rate", p.rate(&w.now), p.rate(&w.before)),
		line("failed", number(w.now.Failed()), number(w.before.Failed())),
		line("complained", number(w.now.Complained), number(w.before.Complained)),
	}
	if w.now.Delivered > 0 {
		list = append(list, p.t("digest.slow", i18n.Args{"took": Took(p.catalog, p.Lang, &w.now, 0.95), "n": w.now.Slow()}))
	}
	return list
}

// Took writes in what time the share q of what was delivered had been; "–" if nothing was.
func Took(c *i18n.Catalog, lang i18n.Lang, f *Figures, q float64) string {
	d, ok := f.Within(q)
	switch {
	case !ok:
		return "–"
	case d == 0:
		return c.Text(lang, i18n.Sie, "figures.longer", nil)
	}
	return strings.ReplaceAll(i18n.Span(lang, d), " ", "\u00a0")
}

func (p pen) finding(f Finding) string {
	return p.t("figures.finding."+string(f.Kind), i18n.Args{"provider": p.provider(f.Provider),
		"rate": p.rate(&f.Now), "before": p.rate(&f.Before), "n": f.Now.Slow()})
}

func (p pen) todos(list []Todo) []string {
	if len(list) == 0 {
		return []string{p.t("digest.todos.none", nil)}
	}
	lines := []string{p.t("digest.todos", nil)}
	for _, one := range list {
		lines = append(lines, "• "+TodoTitle(p.catalog, p.Clock, p.tone, one)+": "+TodoText(p.catalog, p.Clock, p.tone, one))
	}
	return lines
}

// open writes what waits for somebody.
func (d Digester) open(t tenant.Tenant, u tenant.User, todos []Todo, period string) notice.Letter {
	day, _ := time.ParseInLocation(time.DateOnly, period, d.Zone(t)) // it was written by tellTodos
	p := d.pen(t, u, day.Add(DigestHour*time.Hour))
	l := p.letter(t, "todos", "/", "todos/"+period+"/"+u.ID.String())
	l.Args = map[string]string{"n": strconv.Itoa(len(todos)), "tenant": t.Name}
	l.More = p.todos(todos)[1:]
	return l
}
