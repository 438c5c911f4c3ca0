package frame

import (
	"net/http"
	"strings"
)

// pagePolicy lets a page load from its own origin only and run nothing inline.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// policy is pagePolicy with where the content of mails is shown.
func (f *Frame) policy() string {
	if f.PreviewOrigin == "" {
		return pagePolicy
	}
	return strings.Replace(pagePolicy, "frame-src 'self'", "frame-src "+f.PreviewOrigin, 1)
}

// Framing lets a page show pages of this origin in frames, whatever host shows the content of
// mails, and forms in them be led to that host.
func Framing(w http.ResponseWriter) {
	h := w.Header()
	policy := h.Get("Content-Security-Policy")
	_, rest, _ := strings.Cut(policy, "frame-src ")
	origin, _, found := strings.Cut(rest, ";")
	if !found || strings.HasPrefix(origin, "'self'") {
		return
	}
	policy = strings.Replace(policy, "frame-src ", "frame-src 'self' ", 1)
	h.Set("Content-Security-Policy", strings.Replace(policy, "form-action 'self'", "form-action 'self' "+origin, 1))
}

// harden sets the headers every answer bears. Routes with other needs overwrite them.
func (f *Frame) harden(next http.Handler) http.Handler {
	policy := f.policy()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		// Not no-referrer: with it browsers send "Origin: null" on our own forms, and
		// without TLS, where Sec-Fetch-Site is missing, every form would be refused.
		// To other sites both policies tell nothing.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		if f.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// SameOrigin reports whether a request for a stream comes from our own pages.
// CrossOriginProtection lets every GET pass, but a stream is read, not navigated to.
func (f *Frame) SameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin":
		return true
	case "":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	return origin == "" || origin == "http://"+r.Host || origin == "https://"+r.Host || origin == f.origin
}
