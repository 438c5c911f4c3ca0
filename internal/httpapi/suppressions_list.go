package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"stafette/internal/audience"
)

// ImportResult is what became of one line of an imported list.
type ImportResult struct {
	Line    int          `json:"line" doc:"In the file, from 1"`
	Address string       `json:"address" doc:"Empty if it could not be read"`
	Result  string       `json:"result" enum:"added,present,invalid" doc:"present: suppressed before; the stronger reason and the later end hold"`
	Code    string       `json:"code" doc:"Why the line is invalid"`
	ID      *audience.ID `json:"id"`
}

// Import is the answer to an imported list.
type Import struct {
	Added   int            `json:"added"`
	Present int            `json:"present"`
	Invalid int            `json:"invalid"`
	Results []ImportResult `json:"results" nullable:"false" doc:"One for each line that is not empty, in order"`
}

func binary() *huma.Schema { return &huma.Schema{Type: huma.TypeString, Format: "binary"} }

func registerImport(a *API, api huma.API, r Route) {
	op := r.operation(api)
	op.Description = "Up to 100,000 lines of CSV (comma, semicolon or tab) or newline-delimited JSON. In CSV the first cell is the address, " +
		"or a first line names the columns address, stream, reason, expires_at, note; JSON objects have the same fields. " +
		"An import never lifts or weakens a suppression. It may be repeated."
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"text/csv": {Schema: binary()}, "application/x-ndjson": {Schema: binary()},
	}}
	op.Responses[strconv.Itoa(r.status)] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{
		"application/json": {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Import](), true, "Import")},
	}}
	a.registerPlain(api, r, op, a.importSuppressions)
}

func (a *API) importSuppressions(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, a.c.Limits.Import))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return errTooLarge()
	}
	if err != nil {
		return newProblem(http.StatusBadRequest, "body_unreadable", "The body cannot be read.")
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	read := map[string]func(io.Reader) ([]audience.Line, error){"text/csv": audience.ReadCSV, "application/x-ndjson": audience.ReadNDJSON}[media]
	if err != nil || read == nil {
		return newProblem(http.StatusUnsupportedMediaType, "media_type_unsupported", "The body must be text/csv or application/x-ndjson.")
	}
	lines, err := read(bytes.NewReader(body))
	if err != nil {
		return err
	}
	key := keyOf(r.Context())
	outcomes, err := a.c.Audience.Import(r.Context(), key.Tenant, lines, key.ID.String(), false)
	if err != nil {
		return err
	}
	answer := Import{Results: make([]ImportResult, len(outcomes))}
	for i, o := range outcomes {
		answer.Results[i] = importResult(o)
		switch answer.Results[i].Result {
		case "added":
			answer.Added++
		case "present":
			answer.Present++
		default:
			answer.Invalid++
		}
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(answer)
}

func importResult(o audience.Outcome) ImportResult {
	one := ImportResult{Line: o.Number, Address: o.Wish.Address.String(), Result: "present"}
	switch {
	case o.Err != nil:
		one.Result, one.Code = "invalid", o.Err.Code
		return one
	case o.Added:
		one.Result = "added"
	}
	one.ID = &o.Entry.ID
	return one
}

func registerExport(a *API, api huma.API, r Route) {
	op := r.operation(api)
	op.Description = "The filters of the list as query parameters. The import reads the file again; no cell is a formula to a spreadsheet."
	text := &huma.Schema{Type: huma.TypeString}
	for _, name := range []string{"q", "stream", "reason"} {
		op.Parameters = append(op.Parameters, &huma.Param{Name: name, In: "query", Schema: text})
	}
	op.Responses[strconv.Itoa(r.status)] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{"text/csv": {Schema: binary()}}}
	a.registerPlain(api, r, op, a.exportSuppressions)
}

func (a *API) exportSuppressions(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	f := SuppressionFilter{Query: cut(q.Get("q"), 320), Stream: q.Get("stream"), Reason: q.Get("reason")}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="suppressions.csv"`)
	out := &begun{ResponseWriter: w}
	err := a.c.Audience.Export(r.Context(), keyOf(r.Context()).Tenant, f.filter(), out, ',')
	if err != nil && out.wrote {
		// The header is out; a line that says so is better than a file that looks whole.
		a.c.Log.ErrorContext(r.Context(), "export broken off", "request", requestOf(r.Context()), "err", err)
		_, err = io.WriteString(w, "\nincomplete: the export was broken off\n")
	}
	return err
}

// begun knows whether a byte of the answer went out.
type begun struct {
	http.ResponseWriter
	wrote bool
}

// Write implements io.Writer.
func (b *begun) Write(p []byte) (int, error) {
	b.wrote = true
	return b.ResponseWriter.Write(p)
}
