package messages

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/trace"
	"stafette/internal/web/frame"
)

// dialogueDays bounds on how many days with attempts dialogues are looked for.
const dialogueDays = 10

// dialoguesOf are what was said in the message's attempts, by delivery; nothing for who
// may not read it.
func (o *office) dialoguesOf(r *http.Request, p frame.Page, m insight.Message, facts []event.Event) (map[message.DeliveryID][]trace.Dialogue, error) {
	if o.Dialogues == nil || !p.Can(tenant.MessagesTrace) {
		return nil, nil
	}
	list, err := o.Dialogues.Dialogues(r.Context(), p.Tenant(), m.ID, trace.DaysOf(facts, dialogueDays))
	if err != nil {
		return nil, fmt.Errorf("read dialogues: %w", err)
	}
	said := map[message.DeliveryID][]trace.Dialogue{}
	for _, d := range list {
		said[d.Delivery] = append(said[d.Delivery], d)
	}
	return said, nil
}

// dialogueName names the part of a page that shows a dialogue.
func dialogueName(d trace.Dialogue) string {
	return "said-" + d.Delivery.String() + "-" + strconv.Itoa(d.Number)
}

func dialogueAddress(d trace.Dialogue) string {
	q := url.Values{"delivery": {d.Delivery.String()}, "attempt": {strconv.Itoa(d.Number)}}
	return "/messages/" + message.Of(d.Delivery).String() + "/dialogue.txt?" + q.Encode()
}

// dialogueFile hands one dialogue over as text.
func (o *office) dialogueFile(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	m, err := o.messageOf(r, p)
	if err != nil {
		return err
	}
	facts, err := o.Insight.Events(r.Context(), p.Tenant(), m.ID)
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	said, err := o.dialoguesOf(r, p, m, facts)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	for _, list := range said {
		for _, d := range list {
			if d.Delivery.String() != q.Get("delivery") || strconv.Itoa(d.Number) != q.Get("attempt") {
				continue
			}
			h := w.Header()
			h.Set("Content-Type", "text/plain; charset=utf-8")
			h.Set("Content-Disposition", `attachment; filename="`+d.Delivery.String()+"-"+strconv.Itoa(d.Number)+`.txt"`)
			h.Set("Cache-Control", "no-store")
			_, _ = w.Write([]byte(d.Text())) // the reader left: nothing to be done
			return nil
		}
	}
	return fault.New(fault.NotFound, "dialogue_not_found", "nothing is kept of this attempt")
}
