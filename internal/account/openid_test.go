package account_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"stafette/internal/account"
	"stafette/internal/audit"
	"stafette/internal/fault"
)

func auditOf(action string) audit.Filter { return audit.Filter{Action: action} }

// provider is a small OpenID provider on loopback: it knows one person and one client.
type provider struct {
	*httptest.Server
	signer   jose.Signer
	jwks     jose.JSONWebKeySet
	email    string
	verified bool
	spoil    func(claims map[string]any)

	mu    sync.Mutex
	codes map[string]url.Values // of the authorisation request, by code
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{codes: map[string]url.Values{}, verified: true, email: "eva@muster.example"}
	p.jwks = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "RS256", Use: "sig"}}}
	p.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/auth", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { answer(w, p.jwks) })
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		p.mu.Lock()
		asked := p.codes[r.FormValue("code")]
		p.mu.Unlock()
		if id != "stafette" || secret != "geheim" || asked == nil || r.FormValue("code_verifier") == "" || r.FormValue("redirect_uri") != "https://post.example/signin/openid/callback" {
			http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
			return
		}
		claims := map[string]any{"iss": p.URL, "aud": "stafette", "sub": "4711", "nonce": asked.Get("nonce"), "email": p.email, "email_verified": p.verified,
			"iat": start.Unix(), "exp": start.Unix() + 60}
		if p.spoil != nil {
			p.spoil(claims)
		}
		text, _ := json.Marshal(claims)
		signed, err := p.signer.Sign(text)
		if err != nil {
			t.Error(err)
			return
		}
		raw, _ := signed.CompactSerialize()
		answer(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": raw})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// authorise is what the person does at the provider; it returns the code.
func (p *provider) authorise(target string) string {
	u, _ := url.Parse(target)
	p.mu.Lock()
	defer p.mu.Unlock()
	code := u.Query().Get("state")[:10]
	p.codes[code] = u.Query()
	return code
}

func openIDWorld(t *testing.T) (*world, *provider) {
	p := newProvider(t)
	return newWorld(t, func(c *account.Config) {
		c.OpenID = &account.OpenID{Name: "Firma", Issuer: p.URL, ClientID: "stafette", ClientSecret: "geheim", Client: p.Client()}
	}), p
}

func TestProviderNamesAPerson(t *testing.T) {
	w, p := openIDWorld(t)
	enter := func() error {
		target, state, err := w.accounts.BeginOpenID(t.Context(), "/messages")
		w.must(err)
		_, who, next, err := w.accounts.FinishOpenID(t.Context(), state, state, p.authorise(target), firefox, home)
		if err == nil && (who.User.ID != w.owner.ID || next != "/messages") {
			t.Errorf("entered as %+v to %s", who, next)
		}
		return err
	}
	p.verified = false
	w.refused(enter(), fault.Unauthenticated, "openid_unknown")
	p.verified, p.email = true, "nobody@muster.example"
	w.refused(enter(), fault.Unauthenticated, "openid_unknown")
	p.email = "Eva@muster.example"
	w.must(enter())
	p.email, p.verified = "other@muster.example", false // the name is tied now
	w.must(enter())
	for name, spoil := range map[string]func(map[string]any){
		"another nonce":  func(c map[string]any) { c["nonce"] = "x" },
		"another client": func(c map[string]any) { c["aud"] = "other" },
		"another issuer": func(c map[string]any) { c["iss"] = "https://evil.example" },
		"expired":        func(c map[string]any) { c["exp"] = start.Unix() - 60 },
	} {
		p.spoil = spoil
		if err := enter(); !fault.IsKind(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := w.acts(w.tenant); got != "openid.tied session.open session.open" {
		t.Errorf("recorded %s", got)
	}
}

func TestProvidersAnswerBelongsToOneBrowser(t *testing.T) {
	w, p := openIDWorld(t)
	target, state, err := w.accounts.BeginOpenID(t.Context(), "/")
	w.must(err)
	code := p.authorise(target)
	for _, cookie := range []string{"", "other"} {
		_, _, _, err = w.accounts.FinishOpenID(t.Context(), cookie, state, code, firefox, home)
		w.refused(err, fault.Unauthenticated, "openid_refused")
	}
	_, _, _, err = w.accounts.FinishOpenID(t.Context(), state, state, code, firefox, home)
	w.must(err)
	_, _, _, err = w.accounts.FinishOpenID(t.Context(), state, state, code, firefox, home)
	w.refused(err, fault.Unauthenticated, "openid_refused")
	p.Close()
	gone := newWorld(t, func(c *account.Config) { c.OpenID = &account.OpenID{Issuer: p.URL, Client: http.DefaultClient} })
	_, _, err = gone.accounts.BeginOpenID(t.Context(), "/")
	gone.refused(err, fault.Unavailable, "openid_unavailable")
}
