package messages

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/spreadsheet"
	"stafette/internal/tracking"
	"stafette/internal/web/frame"
)

// exportLimit bounds the messages of one export, so that a click cannot hold a
// database for minutes; the last line of the file says when it was reached.
const exportLimit = 10_000

// exportPage is how many messages one question to the store brings.
const exportPage = 200

// exportMessages writes the filtered list as CSV, one line per delivery.
func (o *office) exportMessages(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	ask := o.question(frame.ReadView(r, listing(p)), p.Clock)
	ask.After, ask.Limit = message.ID{}, exportPage
	first, err := o.Insight.Messages(r.Context(), p.Tenant(), ask)
	if err != nil {
		return fmt.Errorf("export messages: %w", err)
	}
	out := p.File(w, p.T("export.filename"))
	if err := o.writeExport(r.Context(), p, out, ask, first); err != nil {
		o.Log.ErrorContext(r.Context(), "export failed", "tenant", p.Tenant().String(), "err", err)
		p.Broken(out)
	}
	_ = out.Flush()
	return nil
}

func (o *office) writeExport(ctx context.Context, p frame.Page, out *spreadsheet.Writer, ask insight.Filter, found insight.Page) error {
	var head []string
	for _, column := range []string{"time", "state", "reason", "subject", "from", "recipient", "stream", "tags", "attempts", "host", "message", "message_id", "opened"} {
		head = append(head, p.T("export."+column))
	}
	if err := out.Write(head...); err != nil {
		return err
	}
	for written := 0; ; {
		opened, err := o.openings(ctx, p.Tenant(), found.Messages)
		if err != nil {
			return err
		}
		for _, m := range found.Messages {
			if err := o.exportMessage(ctx, p, out, m, opened[m.ID]); err != nil {
				return err
			}
		}
		written += len(found.Messages)
		if !found.More || len(found.Messages) == 0 {
			return nil
		}
		if written >= exportLimit {
			return out.Write(p.T("export.limit", "n", exportLimit))
		}
		ask.After = found.Messages[len(found.Messages)-1].ID
		if found, err = o.Insight.Messages(ctx, p.Tenant(), ask); err != nil {
			return err
		}
	}
}

func (o *office) exportMessage(ctx context.Context, p frame.Page, out *spreadsheet.Writer, m insight.Message, opened tracking.Opening) error {
	if m.DeliveryCount > len(m.Deliveries) {
		whole, err := o.Insight.Message(ctx, p.Tenant(), m.ID)
		if err != nil {
			return err
		}
		m = whole
	}
	zone := p.Day(m.AcceptedAt).Location()
	for _, d := range m.Deliveries {
		_, word := face(d.State, afterwards(d))
		line := []string{
			m.AcceptedAt.In(zone).Format("2006-01-02 15:04:05"), p.T(word),
			o.reasonText(p, cmp.Or(d.LateReason, d.Reason)), m.Subject, addressText(m.From.Address), addressText(d.Recipient),
			streamName(p, m.Stream), strings.Join(ingest.OwnTags(m.Tags), " "), strconv.Itoa(d.Attempts), d.Host, m.ID.String(), m.MessageID, openedText(p, opened),
		}
		if err := out.Write(line...); err != nil {
			return err
		}
	}
	return nil
}
