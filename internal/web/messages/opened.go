package messages

import (
	"context"
	"fmt"

	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/web/frame"
)

// openings are those of listed messages; none where this office tells of none.
func (o *office) openings(ctx context.Context, t tenant.ID, list []insight.Message) (map[message.ID]tracking.Opening, error) {
	if o.Tracking == nil || len(list) == 0 {
		return nil, nil
	}
	ids := make([]message.ID, len(list))
	for i, m := range list {
		ids[i] = m.ID
	}
	found, err := o.Tracking.Openings(ctx, t, ids)
	if err != nil {
		return nil, fmt.Errorf("read openings: %w", err)
	}
	return found, nil
}

// openedText says whether and when a mail was opened; "" where nothing may be said.
func openedText(p frame.Page, o tracking.Opening) string {
	switch by := o.By(); {
	case by == "":
		return ""
	case by != tracking.OpenedByPerson:
		return p.T("list.opened." + string(by))
	case o.First.IsZero():
		return p.T("list.opened.times", "n", o.Persons)
	case o.Recipients > 1:
		return p.T("list.opened.someone", "at", p.Row(o.First))
	default:
		return p.T("list.opened.person", "at", p.Row(o.First))
	}
}
