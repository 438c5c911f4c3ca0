package approvals

import (
	"net/http"
	"net/url"
	"time"

	"stafette/internal/approval"
)

// ReadUpload reads a form with files as answers to questions are read: at most 5 files at
// once, 25 MB together, of the kinds that evidence has. now is when the files came.
func ReadUpload(w http.ResponseWriter, r *http.Request, now time.Time) (url.Values, []approval.File, error) {
	in, err := readForm(w, r, now)
	if in.values == nil {
		in.values = url.Values{}
	}
	return in.values, in.files, err
}

// Accepted are the kinds of file as a form's field names them.
const Accepted = accepted
