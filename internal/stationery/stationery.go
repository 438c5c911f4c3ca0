// Package stationery keeps what a tenant writes with: templates in versions and
// languages, parts that several templates share, and the brand in whose colours they are
// drawn.
//
// It is floor 3 and stands before sending: whoever sends asks for a template with its
// data (Service.Render) and hands the result to ingest like any other content, so that
// nothing is stored of a message whose data do not fit. A template is compiled when it
// is saved; what is sent depends on nothing that somebody may change meanwhile. It sends
// nothing, draws no pages, and knows no recipients.
package stationery

import (
	"context"
	"time"

	"stafette/internal/id"
	"stafette/internal/template/blocks"
	"stafette/internal/tenant"
)

// Kind is the id.Kind of templates.
type Kind struct{}

// Prefix implements id.Kind.
func (Kind) Prefix() string { return "tpl" }

// ID names a template.
type ID = id.Of[Kind]

// Mode is how a template is written.
type Mode string

// The modes.
const (
	Blocks Mode = "blocks"
	MJML   Mode = "mjml"
	HTML   Mode = "html"
)

// Modes lists them in the order of the editor.
func Modes() []Mode { return []Mode{Blocks, MJML, HTML} }

// Limits of what is kept.
const (
	MaxTemplates = 300 // of a tenant, parts included
	MaxName      = 120 // bytes
	MaxSubject   = 500 // bytes, before variables are filled in
	MaxText      = 200 << 10
	// MaxVersions is how many versions of a template are kept; older ones go.
	MaxVersions = 100
)

// Codes of refusals beside those of packages template, mjml and blocks.
const (
	CodeUnknown  = "template_not_found"  // no such template, or none in this language
	CodeName     = "template_name"       // a name is missing, too long, or has other signs than letters, digits, spaces and - _ .
	CodeTaken    = "template_name_taken" // another template has this name
	CodeMany     = "templates_too_many"  //
	CodeChanged  = "template_changed"    // somebody else saved meanwhile
	CodeMode     = "template_mode"       // no such mode, or a part that is not HTML
	CodeLanguage = "template_language"   // no language tag
	CodeSubject  = "template_subject"    // a template has none, or it is too long
	CodeLong     = "template_text_long"  // the plain text is too long
	CodeBrand    = "brand_malformed"     // a colour, font or address of the brand is none
)

// Source is a template as it is written, in one language.
type Source struct {
	Mode    Mode   `json:"mode"`
	Subject string `json:"subject"`
	// Preview is what mail programs show behind the subject; of Blocks alone.
	Preview string `json:"preview,omitempty"`
	// Blocks is set for that mode, Markup (MJML or HTML) for the others.
	Blocks *blocks.Document `json:"blocks,omitempty"`
	Markup string           `json:"markup,omitempty"`
	// Text is the plain text; "" for what follows from Blocks, or from the HTML when the
	// mail is composed.
	Text string `json:"text,omitempty"`
}

// Version is what a save made. It never changes.
type Version struct {
	Number int64 // from 1, over all languages of the template
	Lang   string
	Source Source
	// HTML and Text are compiled and with all parts in; they still have variables.
	HTML, Text string
	// Variables are the names that subject, HTML and text use.
	Variables []string
	Actor     string
	At        time.Time
}

// Template is a template without its content.
type Template struct {
	ID     ID
	Tenant tenant.ID
	Name   string
	// Part marks what other templates take in by {{> name}} and cannot be sent itself.
	Part bool
	// Version is that of the newest save, in whatever language.
	Version int64
	// Langs are the languages there are, the first of which is the one it began with.
	Langs                []string
	CreatedAt, UpdatedAt time.Time
}

// Store is what the room needs of the database. Each method is one transaction. What is
// not there is NotFound CodeUnknown.
type Store interface {
	// CreateTemplate keeps a new one with its first version. Conflict CodeTaken, or
	// CodeMany if the tenant has most already.
	CreateTemplate(ctx context.Context, t Template, v Version, most int) error
	// SaveTemplate adds the version t.Version, and drops what is older than the last keep.
	// Conflict CodeChanged if the newest is not t.Version-1; CodeTaken.
	SaveTemplate(ctx context.Context, t Template, v Version, keep int) error
	Template(ctx context.Context, of tenant.ID, t ID) (Template, error)
	// TemplateNamed finds one by its name, in whatever case.
	TemplateNamed(ctx context.Context, of tenant.ID, name string) (Template, error)
	// Templates lists all of a tenant by name.
	Templates(ctx context.Context, of tenant.ID) ([]Template, error)
	// TemplateVersion returns one version.
	TemplateVersion(ctx context.Context, of tenant.ID, t ID, number int64) (Version, error)
	// LatestTemplate returns the newest version in a language.
	LatestTemplate(ctx context.Context, of tenant.ID, t ID, lang string) (Version, error)
	// TemplateVersions lists the versions that are kept, newest first, without HTML, Text,
	// Source and Variables.
	TemplateVersions(ctx context.Context, of tenant.ID, t ID) ([]Version, error)
	// TemplateParts returns the HTML of a tenant's parts by their names in lower case, in
	// a language or, where there is none, the newest.
	TemplateParts(ctx context.Context, of tenant.ID, lang string) (map[string]string, error)
	DropTemplate(ctx context.Context, of tenant.ID, t ID) error
	// Brand is the zero Brand where none was saved.
	Brand(ctx context.Context, of tenant.ID) (blocks.Brand, error)
	SaveBrand(ctx context.Context, of tenant.ID, b blocks.Brand, now time.Time) error
	LogoStore
}

// Tenants tells whose templates they are; tenant.Store does.
type Tenants interface {
	Tenant(ctx context.Context, t tenant.ID) (tenant.Tenant, error)
	Profile(ctx context.Context, t tenant.ID) (tenant.Profile, error)
}
