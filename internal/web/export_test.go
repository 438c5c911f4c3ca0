package web

import "stafette/internal/message"

// RouteRow is a row of the route table for tests.
type RouteRow struct {
	Pattern, Permission string
	Public              bool
}

// Routes is the route table for tests.
func Routes() []RouteRow {
	var list []RouteRow
	for _, rt := range routes() {
		list = append(list, RouteRow{rt.pattern, rt.permission, rt.access == anyone})
	}
	return list
}

// Inner functions that are tested by themselves.
var (
	Tame           = tame
	SplitAddresses = splitAddresses
	LocalPath      = localPath
	Inert          = inert
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
