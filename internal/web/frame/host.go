package frame

import (
	"context"
	"io"
	"strings"

	"github.com/a-h/templ"
)

// HostName draws the name of a host so that it is broken behind its dots before anywhere
// else: in narrow columns "mail.versand.example" must not read as "mail.versa nd.example".
// Its cell must not be of the class "break", which lets a column shrink to one letter.
func HostName(name string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, `<span class="host">`+strings.ReplaceAll(templ.EscapeString(name), ".", ".<wbr>")+`</span>`)
		return err
	})
}
