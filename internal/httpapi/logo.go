package httpapi

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"stafette/internal/fault"
	"stafette/internal/stationery"
	"stafette/internal/tenant"
)

// Logos keeps the logo that pages of offers, certificates and receipts bear, and the one
// before it; *stationery.Service does.
type Logos interface {
	Logos(ctx context.Context, t tenant.ID) (shown, former stationery.Logo, err error)
	SetLogo(ctx context.Context, t tenant.ID, data []byte) (stationery.Logo, error)
	DropLogo(ctx context.Context, t tenant.ID) error
	RestoreLogo(ctx context.Context, t tenant.ID) error
}

func (a *API) logoRoutes() []Route {
	const at = "/v1/settings/logo"
	return []Route{
		{Method: http.MethodGet, Path: at, Scope: tenant.ScopeRead, status: 200,
			id: "get-logo", summary: "Read which logo the account has, and had before", register: registerWith((*API).getLogo)},
		{Method: http.MethodPut, Path: at, Scope: tenant.ScopeAdmin, MaxBody: a.maxLogo(), status: 200, errors: []int{413, 422},
			id: "upload-logo", summary: "Show another logo", register: registerLogo},
		{Method: http.MethodDelete, Path: at, Scope: tenant.ScopeAdmin, status: 204,
			id: "delete-logo", summary: "Show the name instead of a logo", register: registerWith((*API).deleteLogo)},
		{Method: http.MethodPost, Path: at + "/restore", Scope: tenant.ScopeAdmin, status: 200,
			id: "restore-logo", summary: "Undo the last upload or deletion; a second time redoes it", register: registerWith((*API).restoreLogo)},
	}
}

func (a *API) maxLogo() int64 { return min(a.c.Limits.File, stationery.MaxLogo) }

// LogoPicture is a logo as it is kept.
type LogoPicture struct {
	Media  string    `json:"media_type" enum:"image/png,image/jpeg"`
	Width  int       `json:"width" doc:"Pixels"`
	Height int       `json:"height" doc:"Pixels"`
	Size   int       `json:"size" doc:"Bytes as kept: it is written anew"`
	SHA256 string    `json:"sha256" doc:"Of the bytes as kept, in hexadecimal"`
	At     time.Time `json:"uploaded_at"`
}

// LogoSetting is which logo an account has.
type LogoSetting struct {
	Shown  *LogoPicture `json:"shown,omitempty" doc:"Left out: the name stands there"`
	Former *LogoPicture `json:"former,omitempty" doc:"What was shown before, which restoring shows again; left out: the name, or there was nothing before"`
}

type logoOutput struct{ Body LogoSetting }

func logoPicture(l stationery.Logo) *LogoPicture {
	if l.None() {
		return nil
	}
	return &LogoPicture{Media: l.Media, Width: l.Width, Height: l.Height, Size: len(l.Data), SHA256: hex.EncodeToString(l.SHA256[:]), At: l.At}
}

func (a *API) logoSetting(ctx context.Context) (LogoSetting, error) {
	shown, former, err := a.c.Templates.Logos(ctx, keyOf(ctx).Tenant)
	return LogoSetting{Shown: logoPicture(shown), Former: logoPicture(former)}, err
}

func (a *API) getLogo(ctx context.Context, _ *struct{}) (*logoOutput, error) {
	v, err := a.logoSetting(ctx)
	if err != nil {
		return nil, err
	}
	return &logoOutput{v}, nil
}

func (a *API) deleteLogo(ctx context.Context, _ *struct{}) (*struct{}, error) {
	return nil, a.c.Templates.DropLogo(ctx, keyOf(ctx).Tenant)
}

func (a *API) restoreLogo(ctx context.Context, _ *struct{}) (*logoOutput, error) {
	if err := a.c.Templates.RestoreLogo(ctx, keyOf(ctx).Tenant); err != nil {
		return nil, err
	}
	return a.getLogo(ctx, nil)
}

// registerLogo registers the route that takes a logo as it is.
func registerLogo(a *API, api huma.API, r Route) {
	op := r.operation(api)
	op.Description = "The body is the file: PNG, JPEG or WebP (at most 5 MB and 40 megapixels). It is written anew, at most 640 pixels wide and high and without metadata. The logo that was shown becomes the former one."
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}
	op.Responses[strconv.Itoa(r.status)] = &huma.Response{Description: "Shown", Content: map[string]*huma.MediaType{
		"application/json": {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[LogoSetting](), true, "LogoSetting")},
	}}
	a.registerPlain(api, r, op, a.uploadLogo)
}

func (a *API) uploadLogo(w http.ResponseWriter, r *http.Request) error {
	data, err := wholeBody(w, r, a.maxLogo())
	if err != nil {
		return err
	}
	if len(data) == 0 {
		return fault.Field("file", "logo_missing", "There is no file.")
	}
	ctx := r.Context()
	if _, err := a.c.Templates.SetLogo(ctx, keyOf(ctx).Tenant, data); err != nil {
		return err
	}
	v, err := a.logoSetting(ctx)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}
