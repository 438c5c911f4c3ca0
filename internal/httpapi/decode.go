package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// jsonInput is a request whose body this package decodes itself. The framework
// would decode it twice, once to hold it against the schema and once for the
// handler; here the schema is only asked when something is wrong (see
// docs/adr/0006-decode-once.md).
type jsonInput struct {
	Key     string `header:"Idempotency-Key" maxLength:"256" doc:"The same key within 24 hours sends once; with another body it is a conflict"`
	RawBody []byte `contentType:"application/json"`
}

// complete is a body that knows whether it has what the schema demands beyond the
// types of fields. It need not be exact: false only means that the schema is asked.
type complete interface{ complete() bool }

// registerJSON makes a route of a method of API that takes a decoded body B.
func registerJSON[B complete, O any](serve func(*API, context.Context, B, *jsonInput) (*O, error)) func(*API, huma.API, Route) {
	return func(a *API, api huma.API, r Route) {
		registry := api.OpenAPI().Components.Schemas
		schema := registry.Schema(reflect.TypeFor[B](), true, r.id)
		registry.SchemaFromRef(schema.Ref).PrecomputeMessages()
		op := r.operation(api)
		op.Middlewares = huma.Middlewares{a.guard(r)}
		op.SkipValidateBody = true
		huma.Register(api, op, func(ctx context.Context, in *jsonInput) (*O, error) {
			body, err := decode[B](registry, schema, in.RawBody)
			if err != nil {
				return nil, err
			}
			out, err := serve(a, ctx, body, in)
			if err != nil {
				return nil, a.problemOf(ctx, err)
			}
			return out, nil
		})
		api.OpenAPI().Paths[r.Path].Post.RequestBody.Content["application/json"].Schema = schema
	}
}

// decode reads the body strictly and, if it cannot, lets the schema say why.
func decode[B complete](registry huma.Registry, schema *huma.Schema, raw []byte) (B, error) {
	var body B
	// RFC 8259, 8.1: UTF-8. The decoder would put replacement characters in silently.
	if !utf8.Valid(raw) {
		return body, newProblem(http.StatusBadRequest, "text_not_utf8", "The body is not valid UTF-8.")
	}
	if r, ok := any(&body).(quickReader); ok {
		if q := (quick{text: raw}); r.readQuick(&q) && q.end() && body.complete() {
			return body, nil
		}
		body = *new(B)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err := d.Decode(&body)
	if err == nil {
		_, err = d.Token()
	}
	wellFormed := errors.Is(err, io.EOF) // nothing follows the value
	if wellFormed && body.complete() {
		return body, nil
	}
	return body, explain(registry, schema, raw, !wellFormed)
}

// explain holds a body against the schema. It returns nil if the schema has no
// objection, unless the body could not be decoded at all.
func explain(registry huma.Registry, schema *huma.Schema, raw []byte, broken bool) error {
	var parsed any
	if json.Unmarshal(raw, &parsed) != nil {
		return newProblem(http.StatusBadRequest, "json_malformed", "The body is missing or not valid JSON.")
	}
	var found huma.ValidateResult
	at := huma.NewPathBuffer(nil, 0)
	at.Push("body")
	huma.Validate(registry, schema, at, huma.ModeWriteToServer, parsed, &found)
	if len(found.Errors) == 0 && !broken {
		return nil
	}
	model := &huma.ErrorModel{Status: http.StatusUnprocessableEntity}
	for _, err := range found.Errors {
		model.Add(err)
	}
	return schemaProblem(model)
}
