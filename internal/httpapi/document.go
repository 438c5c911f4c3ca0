package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// schemaName names schemas after their Go types with a capital letter.
func schemaName(t reflect.Type, hint string) string { return huma.DefaultSchemaNamer(t, hint) }

// document is the frame of the OpenAPI document; routes fill it.
func document(c Config, registry huma.Registry) *huma.OpenAPI {
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Stafette", Version: c.Version,
			Description: "Send mail and learn of every single recipient what became of it. " +
				"Every request carries `Authorization: Bearer stf_…`; every refusal is a problem document (RFC 9457) with a stable `code`.",
			License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Components: &huma.Components{
			Schemas: registry,
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"key": {Type: "http", Scheme: "bearer", Description: "An API key with the scope of the route."},
			},
		},
		Tags: []*huma.Tag{{Name: "Messages"}, {Name: "Leads"}, {Name: "Offers"}, {Name: "Redeliveries"}, {Name: "Queue"}, {Name: "Suppressions"}, {Name: "Addresses"}, {Name: "Domains"}, {Name: "Account"}, {Name: "Halts"}, {Name: "Diagnosis"}, {Name: "Contacts"}, {Name: "Consents"}, {Name: "Tracking"}},
	}
	if c.PublicURL != "" {
		doc.Servers = []*huma.Server{{URL: c.PublicURL}}
	}
	return doc
}

// describeErrors names the refusals of a route beside those every route has.
func describeErrors(api huma.API, op *huma.Operation, statuses []int) {
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	for _, status := range append([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusInternalServerError}, statuses...) {
		op.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: titles[status],
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: schema}},
		}
	}
}

// rendering is the document as it is served.
type rendering struct{ yaml, json []byte }

// render renders the document.
func render(doc *huma.OpenAPI) (r rendering, err error) {
	if r.yaml, err = doc.YAML(); err != nil {
		return r, fmt.Errorf("render openapi.yaml: %w", err)
	}
	compact, err := json.Marshal(doc)
	if err != nil {
		return r, fmt.Errorf("render openapi.json: %w", err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, compact, "", "  "); err != nil {
		return r, fmt.Errorf("render openapi.json: %w", err)
	}
	r.json = pretty.Bytes()
	return r, nil
}

// YAML returns the OpenAPI document as served at /openapi.yaml, nil if it cannot be
// rendered. That takes tens of milliseconds, once, when somebody asks for the first time.
func (a *API) YAML() []byte {
	r, _ := a.document() // told to who asks for it over HTTP
	return r.yaml
}

func registerDocument(a *API, _ huma.API, r Route) {
	a.mux.HandleFunc(r.Method+" "+r.Path, func(w http.ResponseWriter, req *http.Request) {
		document, err := a.document()
		if err != nil {
			a.c.Log.ErrorContext(req.Context(), "OpenAPI document not rendered", "err", err)
			http.Error(w, "the document cannot be rendered", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=300")
		if strings.HasSuffix(r.Path, ".json") {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(document.json)
			return
		}
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(document.yaml)
	})
}
