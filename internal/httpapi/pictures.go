package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/stationery/pictures"
	"stafette/internal/tenant"
)

// Pictures keeps the library of pictures for mail; *pictures.Service does.
type Pictures interface {
	Add(ctx context.Context, t tenant.ID, actor string, u pictures.Upload) (pictures.Picture, error)
	Picture(ctx context.Context, t tenant.ID, which pictures.ID) (pictures.Picture, error)
	Pictures(ctx context.Context, t tenant.ID) ([]pictures.Picture, error)
	Uses(ctx context.Context, p pictures.Picture) ([]pictures.Use, error)
	Drop(ctx context.Context, t tenant.ID, which pictures.ID) error
	Address(p pictures.Picture) string
}

func (a *API) pictureRoutes() []Route {
	const all, one = "/v1/pictures", "/v1/pictures/{id}"
	return []Route{
		{Method: http.MethodPost, Path: all, Scope: tenant.ScopeSend, MaxBody: min(a.c.Limits.File, pictures.MaxUpload), status: 201, errors: []int{409, 413, 422},
			id: "upload-picture", summary: "Put a picture into the library", register: registerPicture},
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200,
			id: "list-pictures", summary: "List the library from new to old", register: registerWith((*API).listPictures)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-picture", summary: "Read where a picture lies and what shows it", register: registerWith((*API).getPicture)},
		{Method: http.MethodDelete, Path: one, Scope: tenant.ScopeSend, status: 204, errors: []int{404, 409},
			id: "delete-picture", summary: "Delete a picture that nothing shows", register: registerWith((*API).deletePicture)},
	}
}

// Picture is one of the library.
type Picture struct {
	ID        pictures.ID  `json:"id"`
	Name      string       `json:"name"`
	Alt       string       `json:"alt" doc:"What it shows, for those who do not see it"`
	URL       string       `json:"url" doc:"Where mail programs fetch it; stays the same"`
	Media     string       `json:"media_type"`
	Width     int          `json:"width"`
	Height    int          `json:"height"`
	Size      int64        `json:"size" doc:"Bytes as kept; pictures are written anew"`
	CreatedAt time.Time    `json:"created_at"`
	Uses      []PictureUse `json:"uses,omitempty" doc:"What shows it; of one picture alone"`
}

// PictureUse is something that shows a picture.
type PictureUse struct {
	Kind string `json:"kind" enum:"campaign,template,brand"`
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

func (a *API) pictureRecord(p pictures.Picture) Picture {
	return Picture{ID: p.ID, Name: p.Name, Alt: p.Alt, URL: a.c.Pictures.Address(p), Media: p.Media, Width: p.Width, Height: p.Height, Size: p.Size, CreatedAt: p.CreatedAt}
}

// picture reads one; what is no identifier is answered like what does not exist.
func (a *API) picture(ctx context.Context, text string) (pictures.Picture, error) {
	none := fault.New(fault.NotFound, pictures.CodeUnknown, "There is no such picture.")
	which, err := id.Parse[pictures.Kind](text)
	if err != nil {
		return pictures.Picture{}, none
	}
	p, err := a.c.Pictures.Picture(ctx, keyOf(ctx).Tenant, which)
	if fault.IsKind(err, fault.NotFound) {
		return pictures.Picture{}, none
	}
	return p, err
}

type picturePath struct {
	ID string `path:"id" maxLength:"64"`
}

type picturesOutput struct {
	Body struct {
		Data []Picture `json:"data" nullable:"false"`
	}
}

func (a *API) listPictures(ctx context.Context, _ *struct{}) (*picturesOutput, error) {
	list, err := a.c.Pictures.Pictures(ctx, keyOf(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	out := &picturesOutput{}
	out.Body.Data = append([]Picture{}, converted(list, a.pictureRecord)...)
	return out, nil
}

func (a *API) getPicture(ctx context.Context, in *picturePath) (*struct{ Body Picture }, error) {
	p, err := a.picture(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	uses, err := a.c.Pictures.Uses(ctx, p)
	if err != nil {
		return nil, err
	}
	v := a.pictureRecord(p)
	v.Uses = converted(uses, func(u pictures.Use) PictureUse { return PictureUse(u) })
	return &struct{ Body Picture }{v}, nil
}

func (a *API) deletePicture(ctx context.Context, in *picturePath) (*struct{}, error) {
	p, err := a.picture(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return nil, a.c.Pictures.Drop(ctx, p.Tenant, p.ID)
}

// registerPicture registers the route that takes pictures as they are.
func registerPicture(a *API, api huma.API, r Route) {
	op := r.operation(api)
	text := &huma.Schema{Type: huma.TypeString}
	op.Description = "The body is the file: JPEG, PNG, GIF or WebP (at most 15 MB). It is written anew, at most 1600 pixels wide and high and without metadata."
	op.Parameters = []*huma.Param{
		{Name: "alt", In: "query", Required: true, Description: "What it shows, in at most 300 bytes", Schema: text},
		{Name: "name", In: "query", Description: "To find it again", Schema: text},
	}
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}
	op.Responses[strconv.Itoa(r.status)] = &huma.Response{Description: "Kept", Content: map[string]*huma.MediaType{
		"application/json": {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Picture](), true, "Picture")},
	}}
	a.registerPlain(api, r, op, a.uploadPicture)
}

func (a *API) uploadPicture(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	u := pictures.Upload{Name: q.Get("name"), Alt: q.Get("alt")}
	var err error
	if u.Data, err = wholeBody(w, r, min(a.c.Limits.File, pictures.MaxUpload)); err != nil {
		return err
	}
	who := principalOf(r.Context())
	p, err := a.c.Pictures.Add(r.Context(), who.Tenant, who.Actor, u)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	return json.NewEncoder(w).Encode(a.pictureRecord(p))
}

// wholeBody reads a body of at most so many bytes; one that is larger is refused.
func wholeBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, errTooLarge()
	case err != nil:
		return nil, newProblem(http.StatusBadRequest, "body_unreadable", "The body cannot be read.")
	}
	return data, nil
}
