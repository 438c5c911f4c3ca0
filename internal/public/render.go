package public

import (
	"bytes"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/a-h/templ"
)

// Render writes a page as a whole, or a 500 where it cannot be rendered, which log is
// told of. HEAD gets the head alone.
func Render(w http.ResponseWriter, r *http.Request, log *slog.Logger, status int, c templ.Component) {
	var b bytes.Buffer
	if err := c.Render(r.Context(), &b); err != nil {
		log.ErrorContext(r.Context(), "public page not rendered", "err", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Add("Vary", "Accept-Language")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes()) // the reader left: nothing to be done
	}
}
