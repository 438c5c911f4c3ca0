package message

import (
	"slices"
	"strconv"
	"strings"

	"stafette/internal/fault"
)

// Again returns a letter with the content of raw to other recipients: To names
// exactly them, and the fields that named, dated and routed the first letter are gone,
// so that it gets its own. The body keeps every byte. raw must have passed Inspect; the
// error is a *fault.Error about a recipient at "to/N".
func Again(raw []byte, to []Mailbox) ([]byte, error) {
	c := checker{}
	for i, m := range to {
		c.mailbox("to/"+strconv.Itoa(i), m)
	}
	if err := fault.Join(c.found); err != nil {
		return nil, err
	}
	w := &headerWriter{}
	w.name("To")
	w.mailboxes(to)
	w.end()
	return append(w.Bytes(), RemoveFields(raw, ofFirstLetter)...), nil
}

// ofFirstLetter reports whether a field belongs to one sending alone (RFC 5322, 3.6).
func ofFirstLetter(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "resent-") || slices.Contains([]string{
		"to", "cc", "bcc", "date", "message-id", "return-path", "received", "dkim-signature",
	}, name)
}
