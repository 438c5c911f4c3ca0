package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"stafette/internal/fault"
)

// Problem is a refusal as RFC 9457 describes it.
type Problem struct { //nolint:errname // the word of RFC 9457, and the name in openapi.yaml
	Type   string         `json:"type" doc:"urn:stafette:problem: and the code" example:"urn:stafette:problem:quota_spent"`
	Title  string         `json:"title" doc:"The kind of refusal in English" example:"Limit reached"`
	Status int            `json:"status" doc:"The HTTP status" example:"429"`
	Detail string         `json:"detail,omitempty" doc:"One English sentence for developers"`
	Code   string         `json:"code" doc:"Stable name of the reason" example:"quota_spent"`
	Errors []ProblemError `json:"errors,omitempty" nullable:"false" doc:"Every field at fault"`

	header http.Header
}

// ProblemError is one field at fault. Values are never repeated: they may be what
// must not stand in the client's log.
type ProblemError struct {
	Pointer string `json:"pointer" doc:"JSON pointer (RFC 6901) into the request; /query/… and /header/… for parameters" example:"/to/0"`
	Code    string `json:"code" example:"address_malformed"`
	Detail  string `json:"detail,omitempty"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Code }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// statuses is the one table from fault kinds to HTTP.
var statuses = map[fault.Kind]int{
	fault.Invalid:         http.StatusUnprocessableEntity,
	fault.Unauthenticated: http.StatusUnauthorized,
	fault.Forbidden:       http.StatusForbidden,
	fault.NotFound:        http.StatusNotFound,
	fault.Conflict:        http.StatusConflict,
	fault.TooLarge:        http.StatusRequestEntityTooLarge,
	fault.Limited:         http.StatusTooManyRequests,
	fault.Unavailable:     http.StatusServiceUnavailable,
}

var titles = map[int]string{
	http.StatusBadRequest:            "Request cannot be read",
	http.StatusUnauthorized:          "Not authenticated",
	http.StatusForbidden:             "Not allowed",
	http.StatusNotFound:              "Not found",
	http.StatusMethodNotAllowed:      "Method not allowed",
	http.StatusNotAcceptable:         "Not acceptable",
	http.StatusRequestTimeout:        "Request took too long",
	http.StatusConflict:              "Conflict",
	http.StatusGone:                  "Gone",
	http.StatusRequestEntityTooLarge: "Too large",
	http.StatusUnsupportedMediaType:  "Unsupported media type",
	http.StatusUnprocessableEntity:   "Invalid request",
	http.StatusTooManyRequests:       "Limit reached",
	http.StatusInternalServerError:   "Internal error",
	http.StatusServiceUnavailable:    "Not available now",
}

func newProblem(status int, code, detail string) *Problem {
	p := &Problem{
		Type: "urn:stafette:problem:" + code, Title: titles[status], Status: status,
		Code: code, Detail: detail, header: http.Header{},
	}
	if p.Title == "" {
		p.Title = http.StatusText(status)
	}
	if status == http.StatusUnauthorized {
		p.header.Set("WWW-Authenticate", `Bearer realm="stafette"`)
	}
	return p
}

func internalProblem() *Problem {
	return newProblem(http.StatusInternalServerError, "internal", "Something went wrong on our side; nothing was accepted.")
}

// problemOf translates an error. What is not a refusal is logged and answered
// without a word of its text.
func (a *API) problemOf(ctx context.Context, err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	e := fault.As(err)
	if e == nil {
		if ctx.Err() == nil {
			a.c.Log.ErrorContext(ctx, "request failed", "request", requestOf(ctx), "err", err)
		}
		return internalProblem()
	}
	status, known := statuses[e.Kind]
	if !known {
		status = http.StatusInternalServerError
	}
	if e.Err != nil || status >= 500 {
		a.c.Log.WarnContext(ctx, "request refused", "request", requestOf(ctx), "err", err)
	}
	p := newProblem(status, e.Code, withoutValues(e.Detail))
	if seconds := int(math.Ceil(e.RetryAfter.Seconds())); seconds > 0 {
		p.header.Set("Retry-After", strconv.Itoa(seconds))
	} else if e.Kind == fault.Unavailable {
		p.header.Set("Retry-After", "5")
	}
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		if one.Field != "" {
			p.Errors = append(p.Errors, ProblemError{Pointer: "/" + one.Field, Code: one.Code, Detail: withoutValues(one.Detail)})
		}
	}
	return p
}

var quotedValue = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// withoutValues takes out what fault.Quote has put into a detail: the office may
// show people their own input, but a program's log must not fill with addresses.
func withoutValues(detail string) string { return quotedValue.ReplaceAllString(detail, "…") }

// writeProblem answers a request that did not go through the framework.
func writeProblem(w http.ResponseWriter, p *Problem) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// translateSchemaErrors turns what the framework says about requests that do not
// match the schema into problems of ours: with codes, JSON pointers and without the
// values.
func translateSchemaErrors(_ huma.Context, _ string, v any) (any, error) {
	if model, ok := v.(*huma.ErrorModel); ok {
		return schemaProblem(model), nil
	}
	return v, nil
}

func schemaProblem(model *huma.ErrorModel) *Problem {
	code, detail := "request_invalid", "The request does not match the description of the API."
	switch model.Status {
	case http.StatusBadRequest:
		code, detail = "json_malformed", "The body is missing or not valid JSON."
	case http.StatusRequestEntityTooLarge:
		code, detail = "request_too_large", "The request body is over the limit of this route."
	case http.StatusNotAcceptable:
		code, detail = "not_acceptable", "Answers are application/json."
	case http.StatusRequestTimeout:
		code, detail = "request_timeout", "The body did not arrive in time."
	case http.StatusInternalServerError:
		return internalProblem()
	}
	p := newProblem(model.Status, code, detail)
	if model.Status != http.StatusUnprocessableEntity {
		return p
	}
	for _, d := range model.Errors {
		p.Errors = append(p.Errors, schemaError(d))
	}
	if len(p.Errors) > 0 {
		p.Code, p.Detail = p.Errors[0].Code, p.Errors[0].Detail
		p.Type = "urn:stafette:problem:" + p.Code
	}
	return p
}

// schemaError finds the code behind the framework's English.
func schemaError(d *huma.ErrorDetail) ProblemError {
	at := pointerOf(d.Location)
	m := d.Message
	if name, ok := strings.CutPrefix(m, "expected required property "); ok {
		name, _ = strings.CutSuffix(name, " to be present")
		return ProblemError{at + "/" + name, "field_missing", "The field is needed."}
	}
	switch {
	case m == "unexpected property" || m == "unknown query parameter":
		return ProblemError{at, "field_unknown", "There is no such field."}
	case strings.HasPrefix(m, "required "):
		return ProblemError{at, "field_missing", "The parameter is needed."}
	case strings.HasPrefix(m, "expected length") || strings.HasPrefix(m, "expected array length") || strings.HasPrefix(m, "expected object with at"):
		return ProblemError{at, "field_length", sentence(m)}
	case strings.HasPrefix(m, "expected value to be one of") || strings.HasPrefix(m, "expected number >") || strings.HasPrefix(m, "expected number <"):
		return ProblemError{at, "field_value", sentence(m)}
	case strings.HasPrefix(m, "expected "):
		return ProblemError{at, "field_type", sentence(m)}
	}
	return ProblemError{at, "field_malformed", "The value has the wrong form."}
}

// sentence makes one of the framework's fixed phrases.
func sentence(phrase string) string {
	return strings.ToUpper(phrase[:1]) + phrase[1:] + "."
}

// pointerOf turns "body.attachments[0].filename" into "/attachments/0/filename".
func pointerOf(location string) string {
	location = strings.TrimPrefix(location, "body")
	location = strings.NewReplacer("[", ".", "]", "").Replace(location)
	location = strings.ReplaceAll(strings.ReplaceAll(location, "~", "~0"), "/", "~1")
	if location != "" && location[0] != '.' {
		location = "." + location
	}
	return cut(strings.ReplaceAll(location, ".", "/"), 300)
}

// cut bounds foreign text that is repeated in an answer.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
