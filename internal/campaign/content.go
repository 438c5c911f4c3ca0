package campaign

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/stationery"
	"stafette/internal/template"
	"stafette/internal/tenant"
)

// Stationery compiles what letters are made of; *stationery.Service does.
type Stationery interface {
	Compile(ctx context.Context, t tenant.ID, d stationery.Draft) (stationery.Version, error)
	Find(ctx context.Context, t tenant.ID, ref string) (stationery.Template, error)
	Latest(ctx context.Context, t stationery.Template, lang string) (stationery.Version, error)
	Imprint(ctx context.Context, t tenant.ID) (string, error)
}

// CodeTemplate is a letter that names a template there is not, or a part of templates: Invalid
// at "template".
const CodeTemplate = stationery.CodeUnknown

// Made is what the content of a letter is compiled of: a template of the account, or a source
// of the letter's own. Exactly one of Template and Source is set.
type Made struct {
	// Template is the identifier of a template. A name is taken too, and becomes the
	// identifier when the letter is saved.
	Template string `json:"template,omitempty"`
	// Lang is the language wanted; "": the one the template began with, or the account's.
	Lang string `json:"lang,omitempty"`
	// Version is that of the template which the letter has; it follows the newest one until
	// the campaign is sent.
	Version int64 `json:"version,omitempty"`
	// Source is blocks or MJML, without subject. Its Text is the plain text as it was
	// written; "" for one that follows from the blocks.
	Source *stationery.Source `json:"source,omitempty"`
}

// Field is the field of a request that the HTML of the letter comes from: "html", "mjml",
// "blocks" or "template".
func (l Letter) Field() string {
	switch {
	case l.Made == nil:
		return "html"
	case l.Made.Source != nil:
		return string(l.Made.Source.Mode)
	}
	return "template"
}

// Written is the plain text as it was written; "" where there is none or it was made of the
// rest.
func (l Letter) Written() string {
	switch {
	case l.Made == nil:
		return l.Text
	case l.Made.Source != nil:
		return l.Made.Source.Text
	}
	return ""
}

// compose compiles what a letter is made of, as the caller gave it: Text is the plain text as
// it was written. Errors are those of stationery.Service.Compile, and CodeTemplate.
func (s *Service) compose(ctx context.Context, c *Campaign) error {
	l := &c.Letter
	if err := s.imprint(ctx, c); err != nil {
		return err
	}
	if l.Made == nil {
		return nil
	}
	if s.c.Stationery == nil || (l.Made.Source == nil) == (l.Made.Template == "") {
		return fault.Field("html", stationery.CodeMode, "Exactly one of html, mjml, blocks and template is given.")
	}
	if l.Made.Source == nil {
		return s.fromTemplate(ctx, c)
	}
	made := *l.Made
	src := *made.Source
	src.Subject, src.Text = cmp.Or(l.Subject, "…"), l.Text // a draft may lack a subject; a template may not
	v, err := s.c.Stationery.Compile(ctx, c.Tenant, stationery.Draft{Lang: made.Lang, Source: src})
	if err != nil {
		return err
	}
	src.Subject = ""
	made.Source, made.Lang = &src, v.Lang
	l.Made, l.HTML, l.Text = &made, v.HTML, v.Text
	return nil
}

func (s *Service) imprint(ctx context.Context, c *Campaign) (err error) {
	if s.c.Stationery == nil {
		return nil
	}
	if c.Letter.Imprint, err = s.c.Stationery.Imprint(ctx, c.Tenant); err != nil {
		return fmt.Errorf("read imprint: %w", err)
	}
	return nil
}

// fromTemplate takes the content of the newest version of a template.
func (s *Service) fromTemplate(ctx context.Context, c *Campaign) error {
	l, made := &c.Letter, *c.Letter.Made
	t, err := s.c.Stationery.Find(ctx, c.Tenant, made.Template)
	if fault.IsKind(err, fault.NotFound) || err == nil && t.Part {
		return fault.Field("template", CodeTemplate, "There is no such template.")
	}
	if err != nil {
		return err
	}
	v, err := s.c.Stationery.Latest(ctx, t, made.Lang)
	if err != nil {
		return err
	}
	made.Template, made.Lang, made.Version = t.ID.String(), v.Lang, v.Number
	l.Made, l.HTML, l.Text = &made, v.HTML, v.Text
	l.Subject = cmp.Or(l.Subject, v.Source.Subject)
	return nil
}

// renew brings a draft up to the newest version of its template and the imprint of today. Of
// a template that is gone the letter keeps what it had.
func (s *Service) renew(ctx context.Context, c *Campaign) error {
	if err := s.imprint(ctx, c); err != nil {
		return err
	}
	if s.c.Stationery == nil || c.Letter.Made == nil || c.Letter.Made.Source != nil {
		return nil
	}
	if err := s.fromTemplate(ctx, c); err != nil && !fault.IsKind(err, fault.Invalid) {
		return err
	}
	return nil
}

// VariablesOf are the names that a letter asks for, sorted, each once; those of a part that
// cannot be read are left out.
func VariablesOf(l Letter) (list []string) {
	for _, source := range []string{l.Subject, l.HTML, l.Text} {
		if t, err := template.Parse(source); err == nil {
			list = append(list, t.Variables()...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Variables are what a template of the tenant may ask for.
func (s *Service) Variables(ctx context.Context, t tenant.ID) ([]string, error) {
	declared, err := s.c.Store.Fields(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("read fields: %w", err)
	}
	list := variables()
	for _, f := range declared {
		list = append(list, "fields."+f.Key)
	}
	return list, nil
}

func knownVariable(name string, declared []audience.Field) bool {
	if key, own := strings.CutPrefix(name, "fields."); own {
		return slices.ContainsFunc(declared, func(f audience.Field) bool { return f.Key == key })
	}
	return name == "fields" || slices.Contains(variables(), name)
}
