package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

type queueCmd struct {
	List    queueListCmd    `cmd:"" help:"List what waits."`
	Retry   queueRetryCmd   `cmd:"" help:"Make deferred deliveries due now."`
	Hold    queueHoldCmd    `cmd:"" help:"Hold deliveries that wait."`
	Resume  queueResumeCmd  `cmd:"" help:"Let held deliveries go, or end an order."`
	Cancel  queueCancelCmd  `cmd:"" help:"Cancel deliveries that wait."`
	Suspend queueSuspendCmd `cmd:"" help:"Let nothing leave from a selection, mail to come included, until resumed."`
	Reroute queueRerouteCmd `cmd:"" help:"Send a selection over another pool or next hop for a time."`
	Orders  queueOrdersCmd  `cmd:"" help:"List suspensions and detours."`
	Log     queueLogCmd     `cmd:"" help:"List what was commanded."`
	Depth   queueDepthCmd   `cmd:"" help:"Count what waits by state."`
	Ages    queueAgesCmd    `cmd:"" help:"Tell how long mail has waited, by state, tenant, stream, domain or site."`
}

type (
	queueRetryCmd  struct{ queueApply }
	queueHoldCmd   struct{ queueApply }
	queueResumeCmd struct{ queueApply }
	queueCancelCmd struct{ queueApply }
)

// Run makes deferred deliveries due.
func (q queueRetryCmd) Run(ctx context.Context, con *console) error {
	return q.run(ctx, con, queue.Retry, orderTerms{})
}

// Run holds deliveries.
func (q queueHoldCmd) Run(ctx context.Context, con *console) error {
	return q.run(ctx, con, queue.Hold, orderTerms{})
}

// Run lets held deliveries go.
func (q queueResumeCmd) Run(ctx context.Context, con *console) error {
	return q.run(ctx, con, queue.Resume, orderTerms{})
}

// Run cancels deliveries.
func (q queueCancelCmd) Run(ctx context.Context, con *console) error {
	return q.run(ctx, con, queue.Cancel, orderTerms{})
}

// selector is how the command line picks deliveries.
type selector struct {
	ID       string `arg:"" optional:"" help:"A message (msg_…), one delivery (dlv_…), or with resume an order (ord_…)."`
	Tenant   string `help:"Only this tenant (ten_…)."`
	Message  string `help:"Only this message (msg_…)."`
	Delivery string `help:"Only this delivery (dlv_…)."`
	Domain   string `help:"Only recipients of this domain."`
	Stream   string `help:"Only this stream."`
	Tag      string `help:"Only messages with this tag."`
	State    string `help:"Only this state."`
}

func (s selector) selection() (queue.Selection, error) {
	sel := queue.Selection{Platform: s.Tenant == "", Domain: s.Domain, Stream: tenant.Stream(s.Stream), Tag: s.Tag}
	var err error
	if s.Tenant != "" {
		if sel.Tenant, err = id.Parse[tenant.Kind](s.Tenant); err != nil {
			return sel, usageError{fmt.Errorf("--tenant: %w", err)}
		}
	}
	switch {
	case strings.HasPrefix(s.ID, message.Kind{}.Prefix()+"_"):
		s.Message = s.ID
	case s.ID != "":
		s.Delivery = s.ID
	}
	if s.Message != "" {
		if sel.Message, err = id.Parse[message.Kind](s.Message); err != nil {
			return sel, usageError{fmt.Errorf("--message: %w", err)}
		}
	}
	if s.Delivery != "" {
		if sel.Delivery, err = id.Parse[message.DeliveryKind](s.Delivery); err != nil {
			return sel, usageError{fmt.Errorf("--delivery: %w", err)}
		}
	}
	if s.State != "" {
		sel.States = []event.State{event.State(s.State)}
	}
	return sel, nil
}

type queueListCmd struct {
	selector
	Limit  int    `default:"100" help:"At most so many."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// queueLine is the JSON form of one delivery that waits.
type queueLine struct {
	Tenant    string    `json:"tenant"`
	Delivery  string    `json:"delivery"`
	Stream    string    `json:"stream"`
	Recipient string    `json:"recipient"`
	State     string    `json:"state"`
	Attempts  int       `json:"attempts"`
	DueAt     time.Time `json:"due_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Reason    string    `json:"reason,omitempty"`
	Host      string    `json:"host,omitempty"`
}

// Run lists the queue.
func (q queueListCmd) Run(ctx context.Context, con *console) error {
	sel, err := q.selection()
	if err != nil {
		return err
	}
	sel.Limit = q.Limit
	return withBase(ctx, con, func(b *base) error { return q.print(ctx, con, b, sel) })
}

func (q queueListCmd) print(ctx context.Context, con *console, b *base, sel queue.Selection) error {
	list, err := b.store.List(ctx, sel)
	if err != nil {
		return fmt.Errorf("list queue: %w", err)
	}
	if q.Output == "json" {
		lines := []queueLine{}
		for _, l := range list {
			lines = append(lines, queueLine{l.Tenant.String(), l.Delivery.String(), string(l.Stream), l.Recipient.String(),
				string(l.State), l.Attempts, l.DueAt, l.ExpiresAt, l.Reason, l.Host})
		}
		return json.NewEncoder(con.stdout).Encode(lines)
	}
	w := tabwriter.NewWriter(con.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "DELIVERY\tSTATE\tATTEMPTS\tDUE\tRECIPIENT\tREASON\tHOST")
	for _, l := range list {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", l.Delivery, l.State, l.Attempts,
			l.DueAt.Format(time.RFC3339), l.Recipient, l.Reason, l.Host)
	}
	return w.Flush()
}

type queueDepthCmd struct{}

// Run counts what waits.
func (queueDepthCmd) Run(ctx context.Context, con *console) error {
	return withBase(ctx, con, func(b *base) error {
		depth, err := b.store.Depth(ctx)
		if err != nil {
			return fmt.Errorf("queue depth: %w", err)
		}
		for _, s := range []event.State{event.Queued, event.Deferred, event.Held} {
			fmt.Fprintf(con.stdout, "%-9s %d\n", s, depth[s])
		}
		return nil
	})
}

// withBase runs f on the configured data.
func withBase(ctx context.Context, con *console, f func(*base) error) error {
	c, err := con.load()
	if err != nil {
		return err
	}
	b, err := openBase(ctx, c, con.logger(c.Log))
	if err != nil {
		return err
	}
	return errors.Join(f(b), b.close())
}
