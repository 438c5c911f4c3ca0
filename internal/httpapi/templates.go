package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/stationery"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
)

// Templates keeps what mails are made of; *stationery.Service does.
type Templates interface {
	Create(ctx context.Context, t tenant.ID, actor string, d stationery.Draft) (stationery.Template, stationery.Version, error)
	Save(ctx context.Context, t tenant.ID, which stationery.ID, from int64, actor string, d stationery.Draft) (stationery.Template, stationery.Version, error)
	Template(ctx context.Context, t tenant.ID, which stationery.ID) (stationery.Template, error)
	Templates(ctx context.Context, t tenant.ID) ([]stationery.Template, error)
	Latest(ctx context.Context, t stationery.Template, lang string) (stationery.Version, error)
	Drop(ctx context.Context, t tenant.ID, which stationery.ID) error
	Render(ctx context.Context, t tenant.ID, ref, lang string, data map[string]any) (stationery.Rendered, error)
	Logos
}

func templateRoutes() []Route {
	const all, one, body = "/v1/templates", "/v1/templates/{id}", 900 << 10
	return []Route{
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200,
			id: "list-templates", summary: "List templates", register: registerWith((*API).listTemplates)},
		{Method: http.MethodPost, Path: all, Scope: tenant.ScopeSend, MaxBody: body, media: "application/json", status: 201, errors: []int{409, 413, 422},
			id: "create-template", summary: "Make a template, or a part of templates", register: registerWith((*API).createTemplate)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-template", summary: "Read a template with the variables it uses", register: registerWith((*API).getTemplate)},
		{Method: http.MethodPut, Path: one, Scope: tenant.ScopeSend, MaxBody: body, media: "application/json", status: 200, errors: []int{404, 409, 413, 422},
			id: "save-template", summary: "Save a new version of a template", register: registerWith((*API).saveTemplate)},
		{Method: http.MethodDelete, Path: one, Scope: tenant.ScopeAdmin, status: 204, errors: []int{404},
			id: "delete-template", summary: "Delete a template; mail made of it stays", register: registerWith((*API).deleteTemplate)},
	}
}

// TemplateContent is a template as it is written, in one language. Exactly one of html,
// mjml and blocks is given.
type TemplateContent struct {
	Language string         `json:"language,omitempty" maxLength:"8" example:"de" doc:"Left out: the language of the account, or the one the template began with"`
	Subject  string         `json:"subject,omitempty" maxLength:"500" example:"Ihr Auftrag {{order.number}}"`
	Preview  string         `json:"preview,omitempty" maxLength:"500" doc:"What mail programs show behind the subject; of blocks alone"`
	HTML     string         `json:"html,omitempty"`
	MJML     string         `json:"mjml,omitempty" doc:"Compiled when it is saved"`
	Blocks   map[string]any `json:"blocks,omitempty" doc:"{\"version\":1,\"blocks\":[{\"kind\":\"text\",\"text\":\"…\"},{\"kind\":\"footer\"}]}; kinds are head, text, picture, button, columns, offer, product, social, divider and footer"`
	Text     string         `json:"text,omitempty" doc:"Plain text; left out: made from blocks, or from the HTML of each mail"`
}

// TemplateDraft is a template as it is made.
type TemplateDraft struct {
	Name string `json:"name" maxLength:"120" example:"Auftragsbestätigung" doc:"By which messages may name it too"`
	Part bool   `json:"part,omitempty" doc:"What other templates take in by {{> name}}; it is HTML and cannot be sent itself"`
	TemplateContent
}

// TemplateChange is a template as it is saved again.
type TemplateChange struct {
	Name    string `json:"name,omitempty" maxLength:"120" doc:"Left out: as it is"`
	Version int64  `json:"version,omitempty" doc:"The version that was changed: if somebody else has saved meanwhile, 409"`
	TemplateContent
}

// TemplateRecord is a template as it is read.
type TemplateRecord struct {
	ID        stationery.ID `json:"id"`
	Name      string        `json:"name"`
	Part      bool          `json:"part"`
	Version   int64         `json:"version" doc:"Of the newest save, in whatever language"`
	Languages []string      `json:"languages" nullable:"false"`
	CreatedAt time.Time     `json:"created_at"`
	UpdatedAt time.Time     `json:"updated_at"`
}

// TemplateVersion is a template with its content in one language.
type TemplateVersion struct {
	TemplateRecord
	TemplateContent
	Compiled  string   `json:"compiled" doc:"The HTML with its parts in; it still has variables"`
	Variables []string `json:"variables" nullable:"false" doc:"Names that it uses; what belongs to each element of a list has [] behind the list"`
}

func templateRecord(t stationery.Template) TemplateRecord {
	return TemplateRecord{ID: t.ID, Name: t.Name, Part: t.Part, Version: t.Version, Languages: t.Langs, CreatedAt: t.CreatedAt, UpdatedAt: t.UpdatedAt}
}

type templateOutput struct{ Body TemplateVersion }

func templateAnswer(t stationery.Template, v stationery.Version) (*templateOutput, error) {
	src := v.Source
	out := TemplateVersion{TemplateRecord: templateRecord(t), Compiled: v.HTML, Variables: v.Variables,
		TemplateContent: TemplateContent{Language: v.Lang, Subject: src.Subject, Preview: src.Preview, Text: src.Text}}
	switch src.Mode {
	case stationery.HTML:
		out.HTML = src.Markup
	case stationery.MJML:
		out.MJML = src.Markup
	case stationery.Blocks:
		out.Blocks = blocksOf(src.Blocks)
	}
	if out.Variables == nil {
		out.Variables = []string{}
	}
	return &templateOutput{out}, nil
}

// blocksOf is a document as JSON has it; nil of none.
func blocksOf(d *blocks.Document) (m map[string]any) {
	if d == nil {
		return nil
	}
	text, err := json.Marshal(d)
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		panic("httpapi: a document of blocks is no JSON: " + err.Error()) // strings and numbers are
	}
	return m
}

// source decodes what JSON cannot say of itself: which of the modes is meant.
func (c TemplateContent) source() (stationery.Source, error) {
	src := stationery.Source{Subject: c.Subject, Preview: c.Preview, Text: c.Text}
	given := 0
	if c.HTML != "" {
		src.Mode, src.Markup = stationery.HTML, c.HTML
		given++
	}
	if c.MJML != "" {
		src.Mode, src.Markup = stationery.MJML, c.MJML
		given++
	}
	if c.Blocks != nil {
		text, err := json.Marshal(c.Blocks)
		if err != nil {
			return src, err
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		src.Mode, src.Blocks = stationery.Blocks, &blocks.Document{}
		if d.Decode(src.Blocks) != nil {
			return src, fault.Field("blocks", blocks.CodeKind, "The document has other members than blocks have, or of another type.")
		}
		given++
	}
	if given != 1 {
		return src, fault.Field("html", stationery.CodeMode, "Exactly one of html, mjml and blocks is given.")
	}
	return src, nil
}

type listTemplatesOutput struct {
	Body struct {
		Data []TemplateRecord `json:"data" nullable:"false" doc:"By name"`
	}
}

func (a *API) listTemplates(ctx context.Context, _ *struct{}) (*listTemplatesOutput, error) {
	list, err := a.c.Templates.Templates(ctx, keyOf(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	out := &listTemplatesOutput{}
	out.Body.Data = make([]TemplateRecord, len(list))
	for i, t := range list {
		out.Body.Data[i] = templateRecord(t)
	}
	return out, nil
}

func (a *API) createTemplate(ctx context.Context, in *struct{ Body TemplateDraft }) (*templateOutput, error) {
	src, err := in.Body.source()
	if err != nil {
		return nil, err
	}
	key := keyOf(ctx)
	t, v, err := a.c.Templates.Create(ctx, key.Tenant, key.ID.String(), stationery.Draft{Name: in.Body.Name, Part: in.Body.Part, Lang: in.Body.Language, Source: src})
	if err != nil {
		return nil, err
	}
	return templateAnswer(t, v)
}

// TemplatePath names one template.
type TemplatePath struct {
	ID string `path:"id" maxLength:"64" example:"tpl_01k00000000000000000000000"`
}

func (p TemplatePath) template() (stationery.ID, error) {
	which, err := id.Parse[stationery.Kind](p.ID)
	if err != nil {
		return which, fault.New(fault.NotFound, stationery.CodeUnknown, "There is no such thing here.")
	}
	return which, nil
}

func (a *API) getTemplate(ctx context.Context, in *struct {
	TemplatePath
	Language string `query:"language" maxLength:"8" doc:"Left out, or one that is not there: the one the template began with"`
}) (*templateOutput, error) {
	which, err := in.template()
	if err != nil {
		return nil, err
	}
	t, err := a.c.Templates.Template(ctx, keyOf(ctx).Tenant, which)
	if err != nil {
		return nil, err
	}
	v, err := a.c.Templates.Latest(ctx, t, in.Language)
	if err != nil {
		return nil, err
	}
	return templateAnswer(t, v)
}

func (a *API) saveTemplate(ctx context.Context, in *struct {
	TemplatePath
	Body TemplateChange
}) (*templateOutput, error) {
	which, err := in.template()
	if err != nil {
		return nil, err
	}
	src, err := in.Body.source()
	if err != nil {
		return nil, err
	}
	key := keyOf(ctx)
	t, v, err := a.c.Templates.Save(ctx, key.Tenant, which, in.Body.Version, key.ID.String(), stationery.Draft{Name: in.Body.Name, Lang: in.Body.Language, Source: src})
	if err != nil {
		return nil, err
	}
	return templateAnswer(t, v)
}

func (a *API) deleteTemplate(ctx context.Context, in *TemplatePath) (*struct{}, error) {
	which, err := in.template()
	if err != nil {
		return nil, err
	}
	return nil, a.c.Templates.Drop(ctx, keyOf(ctx).Tenant, which)
}

// CodeTemplateContent refuses a message that names a template and brings content, or
// brings data and names none.
const CodeTemplateContent = "template_and_content"

// fill makes the content of a draft that names a template. place stands before the
// fields of refusals.
func (a *API) fill(ctx context.Context, d *Draft, place string) error {
	if d.Template == "" {
		if d.Data != nil || d.Language != "" {
			return fault.Field(place+"data", CodeTemplateContent, "Data belong to a template, and none is named.")
		}
		return nil
	}
	if d.Subject+d.Text+d.HTML != "" {
		return fault.Field(place+"template", CodeTemplateContent, "Subject, text and html come from the template.")
	}
	mail, err := a.c.Templates.Render(ctx, keyOf(ctx).Tenant, d.Template, d.Language, d.Data)
	if e := fault.As(err); e != nil {
		return under(e, place)
	}
	if err != nil {
		return err
	}
	d.Subject, d.HTML, d.Text = mail.Subject, mail.HTML, mail.Text
	return nil
}

// under puts place before the fields of a refusal.
func under(e *fault.Error, place string) error {
	list := append([]*fault.Error{e}, e.Also...)
	for i, one := range list {
		named := *one
		named.Also, named.Field = nil, place+strings.TrimPrefix(one.Field, "/")
		list[i] = &named
	}
	return fault.Join(list)
}
