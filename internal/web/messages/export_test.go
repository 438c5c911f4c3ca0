package messages

import (
	"stafette/internal/message"
)

// Inner functions that are tested by themselves.
var (
	Tame           = tame
	SplitAddresses = splitAddresses
	HeaderFields   = func(body []byte) map[string]string {
		fields := map[string]string{}
		for _, f := range headerFields(body) {
			fields[f.name] = f.value
		}
		return fields
	}
	Place = func(pointer string, d *message.Draft, bcc []message.Mailbox) (string, string) {
		return place(pointer, d, bcc)
	}
)
