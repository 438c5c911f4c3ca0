package frame

import (
	"strconv"

	"github.com/a-h/templ"
)

// Upload makes a form with one file tell how far it is: a bar, a way to stop, and what went
// wrong in words that name the file. most is how many bytes the server takes at most; 0 leaves
// it to the server. Without script the form is sent as any other.
func Upload(p Page, most int64) templ.Attributes {
	// What only the browser knows is put in there.
	word := func(key string) string {
		return p.T("upload."+key, "name", "{name}", "percent", "{percent}", "why", "{why}", "most", p.Bytes(most))
	}
	return templ.Attributes{
		"data-upload": word("going"), "data-upload-part": word("part"), "data-upload-done": word("done"), "data-upload-stop": word("stop"),
		"data-upload-stopped": word("stopped"), "data-upload-broken": word("broken"), "data-upload-refused": word("refused"),
		"data-upload-large": word("large"), "data-upload-most": strconv.FormatInt(most, 10),
	}
}
