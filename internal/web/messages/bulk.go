package messages

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

const (
	// doAgain is the deed of sending again, beside those of queue.Command.
	doAgain = "again"
	// bulkLimit is how many messages one deed reaches; more is done on the pages of
	// the queue, which need not name each one.
	bulkLimit = 1000
	// bulkAgainLimit is how many messages can be sent again at once: each is a new one.
	bulkAgainLimit = 100
	// bulkShown is how many messages the preview names.
	bulkShown = 20
)

// bulkCommands are those offered for several messages.
func bulkCommands() []queue.Command {
	return []queue.Command{queue.Hold, queue.Resume, queue.Retry, queue.Cancel}
}

// affected is one message of a bulk deed, with how many deliveries it would change.
type affected struct {
	insight.Message
	n int
}

// bulkDeed is what is about to be done to several messages.
type bulkDeed struct {
	do         string // a queue.Command or doAgain
	all        bool   // of the filter, not picked one by one
	view       frame.View
	list       []affected // that would change
	spared     int        // messages that would not
	over       bool       // the filter has more messages than one deed reaches
	deliveries int
	key        string
}

// reaches counts the deliveries of a message that a deed changes.
func reaches(do string, m insight.Message) int {
	n := 0
	for _, d := range m.Deliveries {
		if do == doAgain && undeliveredTo(d) || do != doAgain && slices.Contains(commandsFor(d.State), queue.Command(do)) {
			n++
		}
	}
	return n
}

func (b bulkDeed) limit() int {
	if b.do == doAgain {
		return bulkAgainLimit
	}
	return bulkLimit
}

// showBulk says what a deed would do to the picked messages, or to all of a filter.
func (o *office) showBulk(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	q := r.URL.Query()
	b := bulkDeed{do: q.Get("do"), all: q.Get("all") != "", view: frame.ReadView(r, listing(p)), key: rand.Text()}
	if b.do == "" {
		p.Room, p.Title = "messages", p.T("bulk.title")
		return p.Render(w, r, http.StatusOK, bulkPage(p, b))
	}
	if err := b.allowed(p); err != nil {
		return err
	}
	found, err := o.bulkMessages(r, p, &b, q["pick"])
	if err != nil {
		return fmt.Errorf("preview %s: %w", b.do, err)
	}
	for _, m := range found {
		n := reaches(b.do, m)
		if n == 0 {
			b.spared++
			continue
		}
		b.list = append(b.list, affected{m, n})
		b.deliveries += n
	}
	p.Room, p.Title = "messages", p.T("bulk.title")
	return p.Render(w, r, http.StatusOK, bulkPage(p, b))
}

// allowed refuses what is no deed and what the reader may not do.
func (b bulkDeed) allowed(p frame.Page) error {
	if b.do == doAgain {
		if !p.Can(tenant.MessagesSend) {
			return fault.New(fault.Forbidden, "permission_missing", "sending again needs the right to send")
		}
		return nil
	}
	if !knownCommand(queue.Command(b.do)) {
		return fault.Field("do", "command_unknown", "no such command")
	}
	return nil
}

// bulkMessages reads the picked messages whole, or those of the filter up to the limit.
func (o *office) bulkMessages(r *http.Request, p frame.Page, b *bulkDeed, picked []string) ([]insight.Message, error) {
	if b.all {
		return o.filteredMessages(r, p, b)
	}
	var list []insight.Message
	for _, text := range picked[:min(len(picked), b.limit())] {
		m, err := o.pickedMessage(r.Context(), p, text)
		if fault.IsKind(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	b.over = len(picked) > b.limit()
	return list, nil
}

func (o *office) pickedMessage(ctx context.Context, p frame.Page, text string) (insight.Message, error) {
	m, err := id.Parse[message.Kind](text)
	if err != nil {
		return insight.Message{}, fault.New(fault.NotFound, "message_not_found", "no such message")
	}
	return o.Insight.Message(ctx, p.Tenant(), m)
}

func (o *office) filteredMessages(r *http.Request, p frame.Page, b *bulkDeed) ([]insight.Message, error) {
	ask := o.question(b.view, p.Clock)
	ask.After, ask.Limit = message.ID{}, 200
	var list []insight.Message
	for {
		found, err := o.Insight.Messages(r.Context(), p.Tenant(), ask)
		if err != nil {
			return nil, err
		}
		for _, m := range found.Messages {
			if len(list) == b.limit() {
				b.over = true
				return list, nil
			}
			if m.DeliveryCount > len(m.Deliveries) {
				if m, err = o.Insight.Message(r.Context(), p.Tenant(), m.ID); err != nil {
					return nil, err
				}
			}
			list = append(list, m)
		}
		if !found.More || len(found.Messages) == 0 {
			return list, nil
		}
		ask.After = found.Messages[len(found.Messages)-1].ID
	}
}

// bulkResult is what a deed did.
type bulkResult struct {
	do       string
	changed  int // deliveries
	messages int // that changed or were sent again
	none     int // that had nothing left to change
	refused  []refusedMessage
	sent     []insight.Message // new ones
}

// refusedMessage is one that could not be sent again, and why.
type refusedMessage struct {
	insight.Message
	why string
}

// bulk does what the preview showed, message by message, to those the preview named.
// It goes on if the reader leaves; doing it twice changes nothing twice.
func (o *office) bulk(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	b := bulkDeed{do: r.PostForm.Get("do"), key: r.PostForm.Get("key")}
	if err := b.allowed(p); err != nil {
		return err
	}
	out, err := o.doBulk(r.WithContext(context.WithoutCancel(r.Context())), p, b)
	if err != nil {
		return fmt.Errorf("%s several messages: %w", b.do, err)
	}
	p.Room, p.Title = "messages", p.T("bulk.done.title")
	return p.Render(w, r, http.StatusOK, bulkDonePage(p, out))
}

// doBulk does it to the messages that the form names.
func (o *office) doBulk(r *http.Request, p frame.Page, b bulkDeed) (bulkResult, error) {
	out := bulkResult{do: b.do}
	picked := r.PostForm["pick"]
	for _, text := range picked[:min(len(picked), b.limit())] {
		m, err := o.pickedMessage(r.Context(), p, text)
		if fault.IsKind(err, fault.NotFound) {
			continue
		}
		if err == nil && b.do == doAgain {
			err = o.bulkAgain(r, p, m, b.key, &out)
		} else if err == nil {
			err = o.bulkCommand(r, p, m, queue.Command(b.do), &out)
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

func (o *office) bulkCommand(r *http.Request, p frame.Page, m insight.Message, c queue.Command, out *bulkResult) error {
	changed, err := o.Commands.Apply(r.Context(), c, queue.Selection{Tenant: p.Tenant(), Message: m.ID}, p.Who.User.ID.String(), p.Now)
	if err != nil {
		return err
	}
	out.changed += len(changed)
	if len(changed) == 0 {
		out.none++
	} else {
		out.messages++
	}
	return nil
}

// bulkAgain sends a message again to those it did not reach. A refusal is noted and
// does not stop the others.
func (o *office) bulkAgain(r *http.Request, p frame.Page, m insight.Message, key string, out *bulkResult) error {
	var to []message.Mailbox
	for _, d := range m.Deliveries {
		if undeliveredTo(d) {
			to = append(to, message.Mailbox{Name: nameOf(m, d.Recipient), Address: d.Recipient})
		}
	}
	if len(to) == 0 {
		out.none++
		return nil
	}
	receipt, err := o.repeatMessage(r, p, m, to, key)
	if e := fault.As(err); e != nil {
		out.refused = append(out.refused, refusedMessage{m, p.FaultText(e, e.Field)})
		return nil
	}
	if err != nil {
		return err
	}
	out.messages++
	out.changed += len(to)
	out.sent = append(out.sent, insight.Message{ID: receipt.ID, Subject: m.Subject, AcceptedAt: receipt.AcceptedAt})
	return nil
}

// mark is the state's mark under which the result of a deed stands.
func (b bulkResult) mark() string {
	switch {
	case b.messages == 0:
		return string(event.Deferred)
	case len(b.refused) > 0:
		return string(event.Bounced)
	}
	return string(event.Delivered)
}
