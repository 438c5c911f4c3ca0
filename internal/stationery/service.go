package stationery

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/template/blocks"
	"stafette/internal/template/mjml"
	"stafette/internal/tenant"
)

// Config of a Service; all of it is needed.
type Config struct {
	Store   Store
	Tenants Tenants
	Catalog *i18n.Catalog
	Now     func() time.Time
}

// Service keeps templates. It is safe for concurrent use.
type Service struct {
	c    Config
	mjml mjml.Compiler
	// drawing bounds how many logos are decoded at once.
	drawing chan struct{}
}

// New makes a Service.
func New(c Config) *Service { return &Service{c: c, drawing: make(chan struct{}, 1)} }

func (s *Service) now() time.Time { return s.c.Now().UTC().Truncate(time.Millisecond) }

// names are those that can stand in {{> name}} and in requests.
var names = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N} ._-]*$`)

// langs are tags like "de" and "en-GB" (RFC 5646, only language and region).
var langs = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z]{2})?$`)

func checkName(name string) error {
	if len(name) > MaxName || !names.MatchString(name) || strings.HasSuffix(name, " ") {
		return fault.Field("name", CodeName, fmt.Sprintf("A name has letters, digits, spaces and -_., at most %d bytes.", MaxName))
	}
	return nil
}

// Draft is what a template is made or changed with.
type Draft struct {
	Name   string
	Part   bool
	Lang   string // "": the tenant's language
	Source Source
}

// Create keeps a new template. Errors of the input are Invalid at name, subject, html,
// mjml, blocks/… or text.
func (s *Service) Create(ctx context.Context, t tenant.ID, actor string, d Draft) (Template, Version, error) {
	d.Name = strings.TrimSpace(d.Name)
	if err := checkName(d.Name); err != nil {
		return Template{}, Version{}, err
	}
	v, err := s.Compile(ctx, t, d)
	if err != nil {
		return Template{}, Version{}, err
	}
	now := s.now()
	made := Template{ID: id.New[Kind](now), Tenant: t, Name: d.Name, Part: d.Part, Version: 1, Langs: []string{v.Lang}, CreatedAt: now, UpdatedAt: now}
	v.Number, v.Actor, v.At = 1, actor, now
	if err := s.c.Store.CreateTemplate(ctx, made, v, MaxTemplates); err != nil {
		return Template{}, Version{}, fmt.Errorf("create template: %w", err)
	}
	return made, v, nil
}

// Save adds a version, in a language that may be new. from is the version the change was
// made on; another one being the newest meanwhile is Conflict CodeChanged. 0 asks for
// nothing. Errors are those of Create.
func (s *Service) Save(ctx context.Context, t tenant.ID, which ID, from int64, actor string, d Draft) (Template, Version, error) {
	known, err := s.Template(ctx, t, which)
	if err != nil {
		return Template{}, Version{}, err
	}
	if from != 0 && from != known.Version {
		return Template{}, Version{}, fault.New(fault.Conflict, CodeChanged, "Somebody else has saved the template meanwhile.")
	}
	if d.Name = strings.TrimSpace(d.Name); d.Name == "" {
		d.Name = known.Name
	}
	if err := checkName(d.Name); err != nil {
		return Template{}, Version{}, err
	}
	if d.Lang == "" {
		d.Lang = known.Langs[0]
	}
	d.Part = known.Part
	v, err := s.Compile(ctx, t, d)
	if err != nil {
		return Template{}, Version{}, err
	}
	known.Name, known.Version, known.UpdatedAt = d.Name, known.Version+1, s.now()
	if !slices.Contains(known.Langs, v.Lang) {
		known.Langs = append(known.Langs, v.Lang)
	}
	v.Number, v.Actor, v.At = known.Version, actor, known.UpdatedAt
	if err := s.c.Store.SaveTemplate(ctx, known, v, MaxVersions); err != nil {
		return Template{}, Version{}, fmt.Errorf("save template: %w", err)
	}
	return known, v, nil
}

// Restore makes an old version the newest again, compiled anew.
func (s *Service) Restore(ctx context.Context, t tenant.ID, which ID, number int64, actor string) (Template, Version, error) {
	old, err := s.c.Store.TemplateVersion(ctx, t, which, number)
	if err != nil {
		return Template{}, Version{}, fmt.Errorf("read version of template: %w", err)
	}
	return s.Save(ctx, t, which, 0, actor, Draft{Lang: old.Lang, Source: old.Source})
}

// Template returns one; NotFound CodeUnknown.
func (s *Service) Template(ctx context.Context, t tenant.ID, which ID) (Template, error) {
	found, err := s.c.Store.Template(ctx, t, which)
	if err != nil {
		return Template{}, fmt.Errorf("read template: %w", err)
	}
	return found, nil
}

// Find returns a template by its identifier or its name; NotFound CodeUnknown.
func (s *Service) Find(ctx context.Context, t tenant.ID, ref string) (Template, error) {
	if which, err := id.Parse[Kind](ref); err == nil {
		return s.Template(ctx, t, which)
	}
	found, err := s.c.Store.TemplateNamed(ctx, t, ref)
	if err != nil {
		return Template{}, fmt.Errorf("find template: %w", err)
	}
	return found, nil
}

// Templates lists all of a tenant by name.
func (s *Service) Templates(ctx context.Context, t tenant.ID) ([]Template, error) {
	list, err := s.c.Store.Templates(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	return list, nil
}

// Latest returns the newest version of a template in a language; where there is none,
// that in the language it began with.
func (s *Service) Latest(ctx context.Context, t Template, lang string) (Version, error) {
	if !slices.Contains(t.Langs, lang) {
		lang = t.Langs[0]
	}
	v, err := s.c.Store.LatestTemplate(ctx, t.Tenant, t.ID, lang)
	if err != nil {
		return Version{}, fmt.Errorf("read template: %w", err)
	}
	return v, nil
}

// Versions lists those that are kept, newest first, without their content.
func (s *Service) Versions(ctx context.Context, t tenant.ID, which ID) ([]Version, error) {
	list, err := s.c.Store.TemplateVersions(ctx, t, which)
	if err != nil {
		return nil, fmt.Errorf("list versions of template: %w", err)
	}
	return list, nil
}

// Drop removes a template with all its versions. Mail that was made of it stays as it is.
func (s *Service) Drop(ctx context.Context, t tenant.ID, which ID) error {
	if err := s.c.Store.DropTemplate(ctx, t, which); err != nil {
		return fmt.Errorf("drop template: %w", err)
	}
	return nil
}

// Brand is the tenant's; where none was saved, the tenant's name in our colours.
func (s *Service) Brand(ctx context.Context, t tenant.ID) (blocks.Brand, error) {
	b, err := s.c.Store.Brand(ctx, t)
	if err != nil {
		return blocks.Brand{}, fmt.Errorf("read brand: %w", err)
	}
	if b.Name == "" {
		who, err := s.c.Tenants.Tenant(ctx, t)
		if err != nil {
			return blocks.Brand{}, fmt.Errorf("read brand: %w", err)
		}
		b.Name = who.Name
	}
	return b, nil
}

// SaveBrand keeps the brand. Templates take it on when they are saved the next time.
func (s *Service) SaveBrand(ctx context.Context, t tenant.ID, b blocks.Brand) error {
	var wrong []*fault.Error
	add := func(field, detail string) { wrong = append(wrong, fault.Field(field, CodeBrand, detail)) }
	if len(b.Name) > MaxName {
		add("name", "The name is too long.")
	}
	for field, c := range map[string]string{"colour": b.Colour, "ground": b.Ground} {
		if c != "" && !blocks.Colour(c) {
			add(field, "A colour is # with six digits.")
		}
	}
	if b.Font != "" && !slices.Contains(blocks.Fonts(), b.Font) {
		add("font", "There is no such font.")
	}
	if b.Logo != "" {
		if u, err := url.Parse(b.Logo); err != nil || u.Scheme != "https" || u.Host == "" || len(b.Logo) > blocks.MaxURL || strings.ContainsAny(b.Logo, "\"<>{}\\ ") {
			add("logo", "The address of the logo begins with https://.")
		}
		if strings.TrimSpace(b.LogoAlt) == "" || len(b.LogoAlt) > blocks.MaxWords {
			wrong = append(wrong, fault.Field("logo_alt", blocks.CodeAlt, "Say in words what the logo shows."))
		}
	}
	if len(wrong) > 0 {
		return fault.Join(wrong)
	}
	if err := s.c.Store.SaveBrand(ctx, t, b, s.now()); err != nil {
		return fmt.Errorf("save brand: %w", err)
	}
	return nil
}
