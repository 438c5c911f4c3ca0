package stationery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/template"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
)

// Compile makes the version that a draft would become, without keeping it.
func (s *Service) Compile(ctx context.Context, t tenant.ID, d Draft) (Version, error) {
	if d.Lang == "" {
		who, err := s.c.Tenants.Tenant(ctx, t)
		if err != nil {
			return Version{}, fmt.Errorf("compile template: %w", err)
		}
		if d.Lang = who.Locale; d.Lang == "" {
			d.Lang = string(i18n.German)
		}
	}
	if !langs.MatchString(d.Lang) {
		return Version{}, fault.Field("language", CodeLanguage, "A language is a tag such as de or en-GB.")
	}
	v := Version{Lang: d.Lang, Source: d.Source}
	if err := checkSource(d); err != nil {
		return Version{}, err
	}
	parts, err := s.c.Store.TemplateParts(ctx, t, d.Lang)
	if err != nil {
		return Version{}, fmt.Errorf("compile template: %w", err)
	}
	// A part that takes itself in has no end, and is not there yet when it is new.
	delete(parts, strings.ToLower(d.Name))
	if v.HTML, v.Text, err = s.html(ctx, t, d, parts); err != nil {
		return Version{}, err
	}
	used := map[string]bool{}
	for field, src := range map[string]string{"subject": d.Source.Subject, markupField(d.Source.Mode): v.HTML, "text": v.Text} {
		parsed, err := template.Parse(src)
		if err != nil {
			return Version{}, at(err, field)
		}
		for _, name := range parsed.Variables() {
			used[name] = true
		}
	}
	v.Variables = slices.Sorted(maps.Keys(used))
	return v, nil
}

// markupField is the field of a request that holds the content of a mode.
func markupField(m Mode) string { return string(m) }

func checkSource(d Draft) error {
	var wrong []*fault.Error
	src := d.Source
	if !slices.Contains(Modes(), src.Mode) || d.Part && src.Mode != HTML || (src.Mode == Blocks) != (src.Blocks != nil) {
		wrong = append(wrong, fault.Field("mode", CodeMode, "Exactly one of html, mjml and blocks is given; parts are HTML."))
	}
	if len(src.Subject) > MaxSubject || strings.TrimSpace(src.Subject) == "" && !d.Part {
		wrong = append(wrong, fault.Field("subject", CodeSubject, fmt.Sprintf("A template has a subject of at most %d bytes.", MaxSubject)))
	}
	if len(src.Text) > MaxText {
		wrong = append(wrong, fault.Field("text", CodeLong, fmt.Sprintf("A text has at most %d bytes.", MaxText)))
	}
	return fault.Join(wrong)
}

// html compiles the content. The text is that of the source, or follows from blocks.
func (s *Service) html(ctx context.Context, t tenant.ID, d Draft, parts map[string]string) (html, text string, err error) {
	lookup := func(name string) (string, bool) { src, ok := parts[strings.ToLower(name)]; return src, ok }
	src := d.Source
	if src.Text != "" {
		if text, err = template.Expand(src.Text, lookup); err != nil {
			return "", "", at(err, "text")
		}
	}
	switch src.Mode {
	case HTML:
		html, err = template.Expand(src.Markup, lookup)
	case MJML:
		if html, err = template.Expand(src.Markup, lookup); err == nil {
			html, err = s.mjml.Compile(ctx, html)
		}
	case Blocks:
		if err := src.Blocks.Check(); err != nil {
			return "", "", err
		}
		brand, err := s.Brand(ctx, t)
		if err != nil {
			return "", "", err
		}
		words := s.words(d.Lang)
		if text == "" {
			text = src.Blocks.Text(brand, words)
		}
		html, err = s.mjml.Compile(ctx, src.Blocks.MJML(brand, words, src.Preview))
		return html, text, at(err, "blocks")
	}
	return html, text, at(err, markupField(src.Mode))
}

// words are those of a mail in its language, or in English where we have none.
func (s *Service) words(lang string) blocks.Words {
	of := i18n.Lang(lang[:2])
	if !of.Valid() {
		of = i18n.English
	}
	return blocks.Words{Lang: lang, Unsubscribe: s.c.Catalog.Text(of, i18n.Sie, "templates.mail.unsubscribe", nil)}
}

// at puts refusals at a field. Other errors say what failed.
func at(err error, field string) error {
	if err == nil {
		return nil
	}
	e := fault.As(err)
	if e == nil {
		return fmt.Errorf("compile template: %w", err)
	}
	list := []*fault.Error{e}
	list = append(list, e.Also...)
	for i, one := range list {
		named := *one
		named.Also = nil
		if named.Field == "" {
			named.Field = field
		}
		list[i] = &named
	}
	return fault.Join(list)
}

// Rendered is the content of one mail.
type Rendered struct {
	Subject, HTML, Text string
}

// Render fills a template, named by identifier or name, with data. What it would show
// and the data lack is Invalid template.CodeMissing at data/…; a name that no part of the
// template uses is template.CodeSurplus. The imprint is the tenant's where the data bring
// none. lang is a wish, see Latest.
func (s *Service) Render(ctx context.Context, t tenant.ID, ref, lang string, data map[string]any) (Rendered, error) {
	found, err := s.Find(ctx, t, ref)
	if fault.IsKind(err, fault.NotFound) || err == nil && found.Part {
		return Rendered{}, fault.Field("template", CodeUnknown, "There is no such template.")
	}
	if err != nil {
		return Rendered{}, err
	}
	v, err := s.Latest(ctx, found, lang)
	if err != nil {
		return Rendered{}, err
	}
	return s.Fill(ctx, t, v, data, true)
}

// Fill is Render for a version. Unless strict, missing names are empty and surplus ones
// are not looked at, as a preview wants it.
func (s *Service) Fill(ctx context.Context, t tenant.ID, v Version, data map[string]any, strict bool) (Rendered, error) {
	var parsed [3]*template.Template
	for i, src := range []string{v.Source.Subject, v.HTML, v.Text} {
		var err error
		if parsed[i], err = template.Parse(src); err != nil {
			return Rendered{}, fmt.Errorf("parse stored template: %w", err)
		}
	}
	if _, given := data[blocks.ImprintVariable]; !given && slices.Contains(v.Variables, blocks.ImprintVariable) {
		imprint, err := s.Imprint(ctx, t)
		if err != nil {
			return Rendered{}, err
		}
		data = maps.Clone(data)
		if data == nil {
			data = map[string]any{}
		}
		data[blocks.ImprintVariable] = imprint
	}
	if strict {
		if err := fits(data, parsed[:]); err != nil {
			return Rendered{}, err
		}
	}
	var out Rendered
	var errs [3]error
	out.Subject, errs[0] = parsed[0].RenderLine(data)
	out.HTML, errs[1] = parsed[1].Render(data)
	out.Text, errs[2] = parsed[2].RenderText(data)
	if err := errors.Join(errs[:]...); err != nil {
		return Rendered{}, at(err, "data")
	}
	return out, nil
}

// Imprint is the tenant's on one line, "" where it has none.
func (s *Service) Imprint(ctx context.Context, t tenant.ID) (string, error) {
	said, err := s.c.Tenants.Profile(ctx, t)
	if err != nil {
		return "", fmt.Errorf("read imprint: %w", err)
	}
	return strings.Join(strings.FieldsFunc(said.Imprint, func(r rune) bool { return r == '\n' || r == '\r' }), ", "), nil
}

// fits refuses data that a rendering lacks or does not know.
func fits(data map[string]any, list []*template.Template) error {
	var wrong []*fault.Error
	var missing []string
	for _, t := range list {
		names, err := t.Missing(data)
		if err != nil {
			return at(err, "data")
		}
		missing = append(missing, names...)
	}
	slices.Sort(missing)
	for _, name := range slices.Compact(missing) {
		wrong = append(wrong, fault.Field("data/"+strings.ReplaceAll(strings.ReplaceAll(name, "[]", ""), ".", "/"), template.CodeMissing, "The template shows "+fault.Quote(name)+", the data do not have it."))
	}
	for _, name := range template.Surplus(data, list...) {
		if name == blocks.ImprintVariable || name == blocks.UnsubscribeVariable {
			continue
		}
		wrong = append(wrong, fault.Field("data/"+name, template.CodeSurplus, "The template does not use this name."))
	}
	return fault.Join(wrong)
}
