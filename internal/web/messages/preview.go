package messages

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// Preview shows the HTML of mails on an origin of its own, where nothing of the office is:
// no cookie, no page, no script. Whoever has an address sees that one mail, for a few
// minutes. It is safe for concurrent use.
type Preview struct {
	// Origin is where it is reached, "https://preview.post.example"; Office is the origin
	// whose pages may frame it.
	Origin, Office string
	// Key authenticates addresses; all nodes have the same.
	Key     []byte
	Insight insight.Store
	Spool   Bodies
	Now     func() time.Time
	Log     *slog.Logger
}

const (
	// previewLasts is how long an address opens the content: as long as it takes to load the
	// page around it. A page that is loaded anew brings another one.
	previewLasts = 5 * time.Minute
	previewPath  = "/p/"
	previewSize  = 16 + 16 + 8 // tenant, message, seconds of its end
)

// Address is where the HTML of a message can be seen for some minutes.
func (v *Preview) Address(t tenant.ID, m message.ID) string {
	raw := make([]byte, 0, previewSize+sha256.Size)
	raw = append(append(raw, t[:]...), m[:]...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(v.Now().Add(previewLasts).Unix()))
	return v.Origin + previewPath + base64.RawURLEncoding.EncodeToString(append(raw, v.mac(raw)...))
}

func (v *Preview) mac(raw []byte) []byte {
	h := hmac.New(sha256.New, v.Key)
	h.Write([]byte("preview 1\n"))
	h.Write(raw)
	return h.Sum(nil)
}

// open reads a token: one that was made up, changed or is over opens nothing.
func (v *Preview) open(token string) (t tenant.ID, m message.ID, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != previewSize+sha256.Size || !hmac.Equal(raw[previewSize:], v.mac(raw[:previewSize])) {
		return t, m, false
	}
	ends := time.Unix(int64(binary.BigEndian.Uint64(raw[32:])), 0)
	copy(t[:], raw[:16])
	copy(m[:], raw[16:32])
	left := ends.Sub(v.Now())
	return t, m, left > 0 && left <= previewLasts+time.Second
}

// ServeHTTP implements http.Handler for the whole host of Origin.
func (v *Preview) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", strings.Replace(previewPolicy, "frame-ancestors 'self'", "frame-ancestors "+v.Office, 1))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-site")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	token, ok := strings.CutPrefix(r.URL.Path, previewPath)
	if !ok || r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.NotFound(w, r)
		return
	}
	t, m, ok := v.open(token)
	if !ok {
		http.NotFound(w, r)
		return
	}
	text, err := v.html(r.Context(), t, m)
	switch {
	case fault.IsKind(err, fault.NotFound), errors.Is(err, spool.ErrGone), errors.Is(err, errNested):
		http.NotFound(w, r)
	case err != nil:
		v.Log.ErrorContext(r.Context(), "preview failed", "message", m.String(), "err", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	default:
		h.Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(text) //nolint:gosec // G705: another origin, without scripts by its policy; a reader who left is no error
	}
}

func (v *Preview) html(ctx context.Context, t tenant.ID, m message.ID) ([]byte, error) {
	found, err := v.Insight.Message(ctx, t, m)
	if err != nil {
		return nil, err
	}
	if found.Erased() || found.Door == notice.Door { // a letter to somebody of the platform may let them in
		return nil, spool.ErrGone
	}
	body, err := v.Spool.Body(ctx, found.Body)
	if err != nil {
		return nil, err
	}
	env, err := parseMIME(body)
	if err != nil {
		return nil, err
	}
	return tamedHTML(env)
}
