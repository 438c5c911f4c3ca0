package messages

import (
	"fmt"
	"net/http"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/web/frame"
)

// commandsFor lists what can be done with a delivery in a state; see queue.Command.
func commandsFor(s event.State) []queue.Command {
	switch s {
	case event.Queued, event.Sending:
		return []queue.Command{queue.Hold, queue.Cancel}
	case event.Deferred:
		return []queue.Command{queue.Retry, queue.Hold, queue.Cancel}
	case event.Held:
		return []queue.Command{queue.Resume, queue.Cancel}
	}
	return nil
}

// commandsForAll lists what can be done with at least one of several deliveries.
func commandsForAll(list []insight.Delivery) []queue.Command {
	possible := map[queue.Command]bool{}
	for _, d := range list {
		for _, c := range commandsFor(d.State) {
			possible[c] = true
		}
	}
	var commands []queue.Command
	for _, c := range []queue.Command{queue.Retry, queue.Hold, queue.Resume, queue.Cancel} {
		if possible[c] {
			commands = append(commands, c)
		}
	}
	return commands
}

func knownCommand(c queue.Command) bool {
	switch c {
	case queue.Hold, queue.Resume, queue.Cancel, queue.Retry:
		return true
	}
	return false
}

// command holds, resumes, cancels or retries the deliveries of a message, or the
// one that the form names, and goes back to the message's page.
func (o *office) command(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	// Reading it first makes another tenant's message "not found" like any unknown one.
	m, err := o.messageOf(r, p)
	if err != nil {
		return err
	}
	c := queue.Command(r.PostForm.Get("do"))
	if !knownCommand(c) {
		return fault.Field("do", "command_unknown", "no such command")
	}
	sel := queue.Selection{Tenant: p.Tenant(), Message: m.ID}
	if text := r.PostForm.Get("delivery"); text != "" {
		d, err := id.Parse[message.DeliveryKind](text)
		if err != nil || message.Of(d) != m.ID {
			return fault.New(fault.NotFound, "delivery_not_found", "not a delivery of this message")
		}
		sel.Delivery = d
	}
	changed, err := o.Commands.Apply(r.Context(), c, sel, p.Who.User.ID.String(), p.Now)
	if err != nil {
		return fmt.Errorf("%s deliveries: %w", c, err)
	}
	done := string(c)
	if len(changed) == 0 {
		done = "none"
	}
	frame.Redirect(w, r, "/messages/"+m.ID.String(), done)
	return nil
}
