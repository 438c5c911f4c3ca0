package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"stafette/internal/audience"
	"stafette/internal/audience/intake"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

// importRoutes are those of lists on their way into a group.
func (a *API) importRoutes() []Route {
	const of, one = "/v1/groups/{id}/imports", "/v1/imports/{id}"
	return []Route{
		{Method: http.MethodPost, Path: of, Scope: tenant.ScopeSend, MaxBody: a.c.Limits.Roll, status: 202, errors: []int{404, 409, 413, 422, 429},
			id: "import-contacts", summary: "Import a list into a group", register: registerImportList},
		{Method: http.MethodGet, Path: of, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "list-imports", summary: "List the imports of a group from new to old", register: registerWith((*API).listImports)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-import", summary: "Read how far an import is", register: registerWith((*API).getImport)},
		{Method: http.MethodGet, Path: one + "/faults", Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "list-import-faults", summary: "List rows that were not taken", register: registerWith((*API).importFaults)},
		{Method: http.MethodPost, Path: one + "/cancel", Scope: tenant.ScopeSend, status: 200, errors: []int{404},
			id: "cancel-import", summary: "Stop an import; what was imported before stays", register: registerWith((*API).cancelImport)},
		{Method: http.MethodPost, Path: one + "/undo", Scope: tenant.ScopeSend, status: 200, errors: []int{404, 409},
			id: "undo-import", summary: "Take an import back", register: registerWith((*API).undoImport)},
	}
}

// ImportRecord is a list on its way into a group.
type ImportRecord struct {
	ID        intake.ID        `json:"id"`
	GroupID   audience.GroupID `json:"group_id"`
	Name      string           `json:"name"`
	Source    string           `json:"source" doc:"Where the addresses come from"`
	State     intake.State     `json:"state" enum:"receiving,draft,running,done,cancelled,undoing,undone"`
	Columns   []string         `json:"columns" nullable:"false" doc:"What each column goes to; empty: it is left out"`
	Rows      int64            `json:"rows"`
	Done      int64            `json:"rows_done" doc:"Rows that have an outcome"`
	Created   int64            `json:"created" doc:"New contacts"`
	Joined    int64            `json:"joined" doc:"Contacts that were there and came into the group"`
	Changed   int64            `json:"changed" doc:"Contacts that were there and say more now"`
	Known     int64            `json:"known" doc:"Contacts that were in the group"`
	Twice     int64            `json:"twice" doc:"Rows whose address stands in the list before"`
	Refused   int64            `json:"refused" doc:"Rows that were not taken"`
	Undoable  bool             `json:"undoable" doc:"It can be taken back now"`
	CreatedAt time.Time        `json:"created_at"`
	EndedAt   *time.Time       `json:"ended_at"`
	ExpiresAt *time.Time       `json:"expires_at" doc:"Until when it can be taken back and refused rows can be read"`
}

func (a *API) importOf(i intake.Import) ImportRecord {
	return ImportRecord{ID: i.ID, GroupID: i.Group, Name: i.Name, Source: i.Plan.Source, State: i.State, Columns: append([]string{}, i.Plan.Columns...),
		Rows: i.Total, Done: i.Rows(), Created: i.Created, Joined: i.Joined, Changed: i.Changed, Known: i.Known, Twice: i.Twice, Refused: i.Refused,
		Undoable: i.Revocable(a.c.Now()), CreatedAt: i.CreatedAt, EndedAt: timeOrNull(i.EndedAt), ExpiresAt: timeOrNull(i.ExpiresAt)}
}

func registerImportList(a *API, api huma.API, r Route) {
	op := r.operation(api)
	op.Description = "CSV (comma, semicolon or tab; UTF-8, UTF-16 or Windows-1252) up to 200 MB or the first sheet of an Excel workbook up to 32 MB; at most 1,000,000 rows. " +
		"It begins at once and goes on in the background. Columns are recognised by their headings in German and English unless columns says what they hold."
	text := &huma.Schema{Type: huma.TypeString}
	op.Parameters = []*huma.Param{
		{Name: "id", In: "path", Required: true, Schema: text},
		{Name: "source", In: "query", Required: true, Description: "Where the addresses come from, in 3 to 500 characters; stays with the group", Schema: text},
		{Name: "name", In: "query", Description: "Of the list, for people", Schema: text},
		{Name: "columns", In: "query", Description: "Targets of the columns with commas between, empty for one that is left out: email, given_name, …, fields/KEY", Schema: text},
		{Name: "tags", In: "query", Description: "For all of the list, with commas between", Schema: text},
		{Name: "existing", In: "query", Description: "What becomes of contacts that are there; left out: fill", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"keep", "fill", "replace"}}},
	}
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"text/csv": {Schema: binary()}, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {Schema: binary()},
	}}
	op.Responses[strconv.Itoa(r.status)] = &huma.Response{Description: "Accepted", Content: map[string]*huma.MediaType{
		"application/json": {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[ImportRecord](), true, "ImportRecord")},
	}}
	a.registerPlain(api, r, op, a.importList)
}

// importList takes a list in and lets it run.
func (a *API) importList(w http.ResponseWriter, r *http.Request) error {
	body := http.MaxBytesReader(w, r.Body, a.c.Limits.Roll)
	i, err := a.takeList(r, body)
	if err != nil {
		// Clients write the whole list before they read the answer.
		var large *http.MaxBytesError
		if _, rest := io.Copy(io.Discard, body); errors.As(rest, &large) || errors.As(err, &large) {
			return errTooLarge()
		}
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", "/v1/imports/"+i.ID.String())
	w.WriteHeader(http.StatusAccepted)
	return json.NewEncoder(w).Encode(a.importOf(i))
}

// takeList stores a list while it comes in. One whose plan is refused is not kept.
func (a *API) takeList(r *http.Request, body io.Reader) (intake.Import, error) {
	ctx, key, q := r.Context(), keyOf(r.Context()), r.URL.Query()
	g, err := GroupPath{r.PathValue("id")}.group()
	if err != nil {
		return intake.Import{}, err
	}
	if _, err := a.c.Groups.Group(ctx, key.Tenant, g); err != nil {
		return intake.Import{}, err
	}
	i, err := a.c.Imports.Receive(ctx, key.Tenant, g, q.Get("name"), key.ID.String(), body)
	if err != nil {
		return intake.Import{}, err
	}
	plan := i.Plan
	plan.Source, plan.Existing = q.Get("source"), audience.Existing(q.Get("existing"))
	if columns := q.Get("columns"); columns != "" {
		plan.Columns = strings.Split(columns, ",")
	}
	for tag := range strings.SplitSeq(q.Get("tags"), ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			plan.Tags = append(plan.Tags, tag)
		}
	}
	running, err := a.c.Imports.Start(ctx, key.Tenant, i.ID, plan)
	if err != nil {
		return i, errors.Join(inQuery(err), a.c.Imports.Cancel(context.WithoutCancel(ctx), key.Tenant, i.ID))
	}
	return running, nil
}

// inQuery places the fields of a refusal in the query.
func inQuery(err error) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	names := map[string]string{}
	for _, one := range slices.Concat([]*fault.Error{f}, f.Also) {
		place, _, _ := strings.Cut(one.Field, "/")
		names[one.Field] = "query/" + place
	}
	return renamed(f, names)
}

type listImportsOutput struct {
	Body struct {
		Data []ImportRecord `json:"data" nullable:"false" doc:"At most 100"`
	}
}

func (a *API) listImports(ctx context.Context, in *GroupPath) (*listImportsOutput, error) {
	g, err := in.group()
	if err != nil {
		return nil, err
	}
	if _, err := a.c.Groups.Group(ctx, keyOf(ctx).Tenant, g); err != nil {
		return nil, err
	}
	list, err := a.c.Imports.Imports(ctx, keyOf(ctx).Tenant, g)
	if err != nil {
		return nil, err
	}
	out := &listImportsOutput{}
	out.Body.Data = make([]ImportRecord, len(list))
	for i, one := range list {
		out.Body.Data[i] = a.importOf(one)
	}
	return out, nil
}

// ImportPath names one import.
type ImportPath struct {
	ID string `path:"id" maxLength:"64" example:"bat_01k00000000000000000000000"`
}

// imported finds it; a malformed identifier names nothing.
func (a *API) imported(ctx context.Context, in ImportPath) (intake.Import, error) {
	missing := fault.New(fault.NotFound, "import_not_found", "There is no such thing here.")
	number, err := id.Parse[audience.BatchKind](in.ID)
	if err != nil {
		return intake.Import{}, missing
	}
	i, err := a.c.Imports.Import(ctx, keyOf(ctx).Tenant, number)
	if fault.IsKind(err, fault.NotFound) {
		err = missing
	}
	return i, err
}

type importOutput struct{ Body ImportRecord }

func (a *API) getImport(ctx context.Context, in *ImportPath) (*importOutput, error) {
	i, err := a.imported(ctx, *in)
	if err != nil {
		return nil, err
	}
	return &importOutput{a.importOf(i)}, nil
}

func (a *API) cancelImport(ctx context.Context, in *ImportPath) (*importOutput, error) {
	return a.withImport(ctx, in, a.c.Imports.Cancel)
}

func (a *API) undoImport(ctx context.Context, in *ImportPath) (*importOutput, error) {
	return a.withImport(ctx, in, a.c.Imports.Undo)
}

func (a *API) withImport(ctx context.Context, in *ImportPath, do func(context.Context, tenant.ID, intake.ID) error) (*importOutput, error) {
	i, err := a.imported(ctx, *in)
	if err == nil {
		err = do(ctx, i.Tenant, i.ID)
	}
	if err != nil {
		return nil, err
	}
	return a.getImport(ctx, in)
}

type importFaultsInput struct {
	ImportPath
	After int `query:"after" minimum:"0" doc:"next of the page before"`
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

// ImportFault is a row that was not taken.
type ImportFault struct {
	Line  int    `json:"line" doc:"In the file, from 1"`
	Field string `json:"field" doc:"What is at fault; empty for the row"`
	Code  string `json:"code"`
	Value string `json:"value" doc:"What stood there, shortened"`
}

type importFaultsOutput struct {
	Body struct {
		Data    []ImportFault `json:"data" nullable:"false" doc:"By line; 10,000 are kept, for 30 days"`
		HasMore bool          `json:"has_more"`
		Next    *int          `json:"next" doc:"Value of after for the next page; null at the end"`
	}
}

func (a *API) importFaults(ctx context.Context, in *importFaultsInput) (*importFaultsOutput, error) {
	i, err := a.imported(ctx, in.ImportPath)
	if err != nil {
		return nil, err
	}
	list, more, err := a.c.Imports.Faults(ctx, i.Tenant, i.ID, in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &importFaultsOutput{}
	out.Body.Data = make([]ImportFault, len(list))
	for n, f := range list {
		out.Body.Data[n] = ImportFault{f.Line, f.Field, f.Code, f.Value}
	}
	if more {
		out.Body.HasMore, out.Body.Next = true, &list[len(list)-1].Line
	}
	return out, nil
}
