package httpapi

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"stafette/internal/audit"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/tenant"
)

type keyKey struct{}

// keyOf returns the key the request was authenticated with.
func keyOf(ctx context.Context) tenant.Key {
	k, _ := ctx.Value(keyKey{}).(tenant.Key)
	return k
}

func principalOf(ctx context.Context) ingest.Principal {
	k := keyOf(ctx)
	return ingest.Principal{Tenant: k.Tenant, Actor: k.ID.String(), Door: "http", Cap: k.DailyCap}
}

// authenticate finds the key of a request and holds the route's demands against it.
func (a *API) authenticate(r *http.Request, route Route) (*http.Request, error) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if text = strings.TrimSpace(text); text == "" || !strings.EqualFold(scheme, "Bearer") {
		return nil, fault.New(fault.Unauthenticated, "key_missing", "The request needs the header Authorization: Bearer stf_….")
	}
	key, err := a.c.Auth.Key(r.Context(), text, r.RemoteAddr)
	if err != nil {
		return nil, err
	}
	if route.Scope != "" && !key.Allows(route.Scope) {
		return nil, fault.New(fault.Forbidden, "scope_missing", "The key does not have the scope "+string(route.Scope)+".")
	}
	if route.Platform && !key.Tenant.IsZero() {
		return nil, fault.New(fault.Forbidden, "platform_only", "This is for keys of the platform.")
	}
	if route.Scope != "" && !route.Platform && key.Tenant.IsZero() {
		return nil, fault.New(fault.Forbidden, ingest.CodeTenantMissing, "A key of the platform belongs to no tenant.")
	}
	ctx := context.WithValue(r.Context(), keyKey{}, key)
	if action := route.Action(); action != "" {
		// What the request changes is written to the record of who did what; messages have
		// facts of their own.
		ctx = audit.With(ctx, audit.Act{
			Tenant: key.Tenant, Actor: key.ID.String(), Door: "http", Action: action, Target: r.PathValue("id"), Network: tenant.Network(r.RemoteAddr),
		})
	}
	return r.WithContext(ctx), nil
}

// bodyless is how much of a body is read of requests that should have none.
const bodyless = 4096

// admit authenticates the request and bounds its body, before a byte of it is kept.
func (a *API) admit(w http.ResponseWriter, r *http.Request, route Route) (*http.Request, error) {
	admitted, err := a.authenticate(r, route)
	if err != nil {
		return nil, err
	}
	if r.ContentLength > route.MaxBody {
		return nil, errTooLarge()
	}
	if given := r.Header.Get("Content-Type"); route.media != "" && given != "" {
		if media, _, err := mime.ParseMediaType(given); err != nil || media != route.media {
			return nil, newProblem(http.StatusUnsupportedMediaType, "media_type_unsupported", "The body must be "+route.media+".")
		}
	}
	if !route.hasBody() {
		n, err := io.CopyN(io.Discard, r.Body, route.MaxBody+1)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, newProblem(http.StatusBadRequest, "body_unreadable", "The body cannot be read.")
		}
		if n > route.MaxBody {
			w.Header().Set("Connection", "close")
			return nil, errTooLarge()
		}
	}
	return admitted, nil
}

func errTooLarge() error {
	return fault.New(fault.TooLarge, "request_too_large", "The request body is over the limit of this route.")
}

// guard is admit for routes of the framework.
func (a *API) guard(route Route) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		admitted, err := a.admit(w, r, route)
		if err != nil {
			writeProblem(w, a.problemOf(r.Context(), err))
			return
		}
		next(huma.WithContext(ctx, admitted.Context()))
	}
}

// guardPlain is admit for handlers outside the framework.
func (a *API) guardPlain(route Route, serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		admitted, err := a.admit(w, r, route)
		if err == nil {
			err = serve(w, admitted)
		}
		if err != nil {
			writeProblem(w, a.problemOf(r.Context(), err))
		}
	}
}
