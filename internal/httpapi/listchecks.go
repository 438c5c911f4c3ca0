package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"stafette/internal/audience/listcheck"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/spreadsheet"
	"stafette/internal/tenant"
)

// maxArray is how long a list as a JSON array may be, which is read as one value each.
const maxArray = 2 << 20

// listCheckRoutes are those of lists that are checked in the background.
func (a *API) listCheckRoutes() []Route {
	const all, one = "/v1/addresses/batch", "/v1/addresses/batch/{id}"
	return []Route{
		{Method: http.MethodPost, Path: all, Scope: tenant.ScopeSend, MaxBody: a.c.Limits.List, status: 202, errors: []int{413, 415, 422, 429},
			id: "check-addresses", summary: "Check a list of addresses in the background", register: registerCheckList},
		{Method: http.MethodGet, Path: all, Scope: tenant.ScopeRead, status: 200,
			id: "list-address-checks", summary: "List the lists that are kept", register: registerWith((*API).listChecks)},
		{Method: http.MethodGet, Path: one, Scope: tenant.ScopeRead, status: 200, errors: []int{404},
			id: "get-address-check", summary: "Read how far a list is and what was found", register: registerWith((*API).getCheck)},
		{Method: http.MethodGet, Path: one + "/results", Scope: tenant.ScopeRead, status: 200, errors: []int{404, 422},
			id: "list-address-results", summary: "Read the results in the order of the list", register: registerWith((*API).checkResults)},
		{Method: http.MethodGet, Path: one + "/export", Scope: tenant.ScopeRead, status: 200, errors: []int{404, 422},
			id: "export-address-results", summary: "Read all results as CSV or newline-delimited JSON", register: registerExportCheck},
		{Method: http.MethodPost, Path: one + "/cancel", Scope: tenant.ScopeSend, status: 200, errors: []int{404},
			id: "cancel-address-check", summary: "Check no further; what was checked stays", register: registerWith((*API).cancelCheck)},
		{Method: http.MethodDelete, Path: one, Scope: tenant.ScopeSend, status: 204, errors: []int{404},
			id: "delete-address-check", summary: "Take a list away with its results", register: registerWith((*API).deleteCheck)},
	}
}

// AddressCheck is a list and how far it is.
type AddressCheck struct {
	ID        listcheck.ID   `json:"id"`
	Name      string         `json:"name"`
	Column    string         `json:"column" doc:"Heading of the column the addresses were taken from; empty if it has none"`
	Stream    string         `json:"stream" doc:"Whose suppressions count"`
	State     string         `json:"state" enum:"receiving,running,done,cancelled"`
	Rows      int            `json:"rows"`
	Checked   int            `json:"checked"`
	Counts    map[string]int `json:"counts" doc:"Rows by result"`
	CreatedAt time.Time      `json:"created_at"`
	EndedAt   *time.Time     `json:"ended_at"`
	ExpiresAt time.Time      `json:"expires_at" doc:"From then on the list and its results are gone"`
}

func checkOf(c listcheck.Check) AddressCheck {
	v := AddressCheck{ID: c.ID, Name: c.Name, Column: c.Column, Stream: string(c.Stream), State: string(c.State), Rows: c.Rows, Checked: c.Done,
		Counts: map[string]int{}, CreatedAt: c.CreatedAt, EndedAt: timeOrNull(c.EndedAt), ExpiresAt: c.ExpiresAt}
	for r, n := range c.Counts {
		v.Counts[string(r)] = n
	}
	return v
}

// AddressResult is what one row of a list came to.
type AddressResult struct {
	Line       int      `json:"line" doc:"In the file, or place in the array, from 1"`
	Address    string   `json:"address" doc:"As it stands there, at most 320 characters"`
	Result     string   `json:"result" enum:"valid,typo,unsure,role,disposable,unreachable,suppressed,duplicate,malformed" doc:"Of several findings the one that matters most"`
	Rating     string   `json:"rating" enum:"ok,risky,bad"`
	Findings   []string `json:"findings" nullable:"false" doc:"Codes, as of a single address"`
	Reason     string   `json:"reason" doc:"Of a suppression"`
	Suggestion string   `json:"suggestion" doc:"The address that may be meant; empty if none comes to mind"`
}

func resultOf(r listcheck.Row) AddressResult {
	return AddressResult{Line: r.Line, Address: r.Text, Result: string(r.Result), Rating: string(r.Result.Rating()),
		Findings: append([]string{}, r.Codes...), Reason: r.Reason, Suggestion: r.Suggestion}
}

func registerCheckList(a *API, api huma.API, r Route) {
	op := r.operation(api)
	op.Description = "Up to 1,000,000 addresses and 100 MiB of CSV (comma, semicolon or tab; UTF-8, UTF-16 or Windows-1252), one address a line, or " +
		"newline-delimited JSON (texts, or objects with a field address); up to 2 MiB of a JSON array of the same. The domain's name servers are asked, " +
		"receiving servers never. Results are kept for seven days."
	text := &huma.Schema{Type: huma.TypeString}
	op.Parameters = []*huma.Param{
		{Name: "stream", In: "query", Description: "Whose suppressions count; left out: transactional", Schema: text},
		{Name: "name", In: "query", Description: "Of the list, for people", Schema: text},
		{Name: "column", In: "query", Description: "Of CSV: heading or number of the column with the addresses; left out: it is found", Schema: text},
	}
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"text/csv": {Schema: binary()}, "text/plain": {Schema: binary()}, "application/x-ndjson": {Schema: binary()},
		"application/json": {Schema: &huma.Schema{Type: huma.TypeArray, Items: text}},
	}}
	op.Responses[strconv.Itoa(r.status)] = &huma.Response{Description: "Accepted", Content: map[string]*huma.MediaType{
		"application/json": {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[AddressCheck](), true, "AddressCheck")},
	}}
	a.registerPlain(api, r, op, a.checkList)
}

// checkList stores the list while it comes in; nothing of it is kept in memory.
func (a *API) checkList(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // "" is none of those below
	limit := a.c.Limits.List
	if media == "application/json" {
		limit = min(limit, maxArray)
	}
	body := http.MaxBytesReader(w, r.Body, limit)
	l := listcheck.List{Name: q.Get("name"), Stream: tenant.Stream(q.Get("stream")), Actor: keyOf(r.Context()).ID.String()}
	switch media {
	case "text/csv", "text/plain":
		l.Source = listcheck.Table(body, q.Get("column"))
	case "application/x-ndjson":
		l.Source = listcheck.Lines(body)
	case "application/json":
		l.Source = listcheck.Array(body)
	default:
		return newProblem(http.StatusUnsupportedMediaType, "media_type_unsupported", "The body must be text/csv, text/plain, application/x-ndjson or application/json.")
	}
	c, err := a.c.Lists.Take(r.Context(), keyOf(r.Context()).Tenant, l)
	var large *http.MaxBytesError
	switch f := fault.As(err); {
	case errors.As(err, &large):
		return errTooLarge()
	case f != nil && f.Field != "":
		f.Field = "query/" + f.Field
		return f
	case err != nil:
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", "/v1/addresses/batch/"+c.ID.String())
	w.WriteHeader(http.StatusAccepted)
	return json.NewEncoder(w).Encode(checkOf(c))
}

type listChecksOutput struct {
	Body struct {
		Data []AddressCheck `json:"data" nullable:"false" doc:"From new to old, at most 100"`
	}
}

func (a *API) listChecks(ctx context.Context, _ *struct{}) (*listChecksOutput, error) {
	list, err := a.c.Lists.Checks(ctx, keyOf(ctx).Tenant)
	if err != nil {
		return nil, err
	}
	out := &listChecksOutput{}
	out.Body.Data = []AddressCheck{}
	for _, c := range list {
		out.Body.Data = append(out.Body.Data, checkOf(c))
	}
	return out, nil
}

// CheckPath names a list.
type CheckPath struct {
	ID string `path:"id" maxLength:"64" example:"chk_01k00000000000000000000000"`
}

// check parses the identifier; a malformed one names nothing.
func (p CheckPath) check() (listcheck.ID, error) {
	c, err := id.Parse[listcheck.Kind](p.ID)
	if err != nil {
		return c, noCheck(fault.New(fault.NotFound, "", ""))
	}
	return c, nil
}

// noCheck makes one answer of all that is not there, whoever says so.
func noCheck(err error) error {
	if fault.IsKind(err, fault.NotFound) {
		return fault.New(fault.NotFound, "check_not_found", "There is no such list, or it has expired.")
	}
	return err
}

type checkOutput struct{ Body AddressCheck }

func (a *API) getCheck(ctx context.Context, in *CheckPath) (*checkOutput, error) {
	return a.withCheck(ctx, *in, a.c.Lists.Check)
}

func (a *API) cancelCheck(ctx context.Context, in *CheckPath) (*checkOutput, error) {
	return a.withCheck(ctx, *in, a.c.Lists.Cancel)
}

func (a *API) withCheck(ctx context.Context, in CheckPath, do func(context.Context, tenant.ID, listcheck.ID) (listcheck.Check, error)) (*checkOutput, error) {
	c, err := in.check()
	if err != nil {
		return nil, err
	}
	v, err := do(ctx, keyOf(ctx).Tenant, c)
	if err != nil {
		return nil, noCheck(err)
	}
	return &checkOutput{checkOf(v)}, nil
}

func (a *API) deleteCheck(ctx context.Context, in *CheckPath) (*struct{}, error) {
	c, err := in.check()
	if err == nil {
		err = a.c.Lists.Forget(ctx, keyOf(ctx).Tenant, c)
	}
	return nil, noCheck(err)
}

// resultsOf reads results with commas between, or a rating that stands for several.
func resultsOf(text string) ([]listcheck.Result, error) {
	var list []listcheck.Result
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		known := part == ""
		for _, r := range listcheck.Results() {
			if part == string(r) || part == string(r.Rating()) {
				list, known = append(list, r), true
			}
		}
		if !known {
			return nil, fault.Field("query/result", "result_unknown", "There is no such result or rating.")
		}
	}
	return list, nil
}

type checkResultsInput struct {
	CheckPath
	Result string `query:"result" maxLength:"200" example:"typo,unreachable" doc:"Results or ratings (ok, risky, bad) with commas between; left out: all"`
	After  int    `query:"after" minimum:"0" doc:"next of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

type checkResultsOutput struct {
	Body struct {
		Data    []AddressResult `json:"data" nullable:"false"`
		HasMore bool            `json:"has_more"`
		Next    *int            `json:"next" doc:"Value of after for the next page; null at the end"`
	}
}

func (a *API) checkResults(ctx context.Context, in *checkResultsInput) (*checkResultsOutput, error) {
	c, err := in.check()
	if err != nil {
		return nil, err
	}
	f := listcheck.Filter{After: in.After, Limit: in.Limit}
	if f.Results, err = resultsOf(in.Result); err != nil {
		return nil, err
	}
	rows, more, err := a.c.Lists.Rows(ctx, keyOf(ctx).Tenant, c, f)
	if err != nil {
		return nil, noCheck(err)
	}
	out := &checkResultsOutput{}
	out.Body.Data = []AddressResult{}
	for _, r := range rows {
		out.Body.Data = append(out.Body.Data, resultOf(r))
	}
	if more {
		out.Body.HasMore, out.Body.Next = true, &rows[len(rows)-1].Number
	}
	return out, nil
}

func registerExportCheck(a *API, api huma.API, r Route) {
	op := r.operation(api)
	op.Description = "With `format=ndjson` one result a line, otherwise CSV none of whose cells is a formula to a spreadsheet. " +
		"Of a list that still runs, what is checked so far."
	text := &huma.Schema{Type: huma.TypeString}
	op.Parameters = []*huma.Param{
		{Name: "id", In: "path", Required: true, Schema: text},
		{Name: "result", In: "query", Description: "Results or ratings with commas between; left out: all", Schema: text},
		{Name: "format", In: "query", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"csv", "ndjson"}}},
	}
	op.Responses[strconv.Itoa(r.status)] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{
		"text/csv": {Schema: binary()}, "application/x-ndjson": {Schema: binary()},
	}}
	a.registerPlain(api, r, op, a.exportCheck)
}

func (a *API) exportCheck(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	c, err := CheckPath{r.PathValue("id")}.check()
	if err != nil {
		return err
	}
	var f listcheck.Filter
	if f.Results, err = resultsOf(q.Get("result")); err != nil {
		return err
	}
	format := q.Get("format")
	if format != "" && format != "csv" && format != "ndjson" {
		return fault.Field("query/format", "format_unknown", "The format is csv or ndjson.")
	}
	who := keyOf(r.Context()).Tenant
	// Whether it is there must be known before the first byte.
	if _, err := a.c.Lists.Check(r.Context(), who, c); err != nil {
		return noCheck(err)
	}
	out := &begun{ResponseWriter: w}
	if format == "ndjson" {
		w.Header().Set("Content-Type", "application/x-ndjson")
		err = a.c.Lists.Export(r.Context(), who, c, f, func(rows []listcheck.Row) error {
			to := json.NewEncoder(out)
			for _, row := range rows {
				if err := to.Encode(resultOf(row)); err != nil {
					return err
				}
			}
			return nil
		})
	} else {
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		w.Header().Set("Content-Disposition", `attachment; filename="addresses.csv"`)
		err = a.exportCSV(r.Context(), who, c, f, out)
	}
	if err != nil && out.wrote {
		// The header is out; a line that says so is better than a file that looks whole.
		a.c.Log.ErrorContext(r.Context(), "export broken off", "request", requestOf(r.Context()), "err", err)
		_, err = io.WriteString(w, "\nincomplete: the export was broken off\n")
	}
	return err
}

func (a *API) exportCSV(ctx context.Context, who tenant.ID, c listcheck.ID, f listcheck.Filter, w io.Writer) error {
	out := spreadsheet.NewWriter(w, ',')
	if err := out.Write("line", "address", "result", "rating", "findings", "reason", "suggestion"); err != nil {
		return err
	}
	err := a.c.Lists.Export(ctx, who, c, f, func(rows []listcheck.Row) error {
		for _, r := range rows {
			if err := out.Write(strconv.Itoa(r.Line), r.Text, string(r.Result), string(r.Result.Rating()), strings.Join(r.Codes, " "), r.Reason, r.Suggestion); err != nil {
				return err
			}
		}
		return out.Flush()
	})
	if err != nil {
		return fmt.Errorf("export results: %w", err)
	}
	return nil
}
