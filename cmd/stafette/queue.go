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
	List   queueListCmd   `cmd:"" help:"List what waits."`
	Retry  queueRetryCmd  `cmd:"" help:"Make deferred deliveries due now."`
	Hold   queueHoldCmd   `cmd:"" help:"Hold deliveries that wait."`
	Resume queueResumeCmd `cmd:"" help:"Let held deliveries go."`
	Cancel queueCancelCmd `cmd:"" help:"Cancel deliveries that wait."`
	Depth  queueDepthCmd  `cmd:"" help:"Count what waits by state."`
}

type (
	queueRetryCmd  struct{ queueApply }
	queueHoldCmd   struct{ queueApply }
	queueResumeCmd struct{ queueApply }
	queueCancelCmd struct{ queueApply }
)

// Run makes deferred deliveries due.
func (q queueRetryCmd) Run(ctx context.Context, con *console) error {
	return q.run(ctx, con, queue.Retry)
}

// Run holds deliveries.
func (q queueHoldCmd) Run(ctx context.Context, con *console) error {
	return q.run(ctx, con, queue.Hold)
}

// Run lets held deliveries go.
func (q queueResumeCmd) Run(ctx context.Context, con *console) error {
	return q.run(ctx, con, queue.Resume)
}

// Run cancels deliveries.
func (q queueCancelCmd) Run(ctx context.Context, con *console) error {
	return q.run(ctx, con, queue.Cancel)
}

// selector is how the command line picks deliveries.
type selector struct {
	ID       string `arg:"" optional:"" help:"A message (msg_…) or one delivery (dlv_…)."`
	Tenant   string `help:"Only this tenant (ten_…)."`
	Message  string `help:"Only this message (msg_…)."`
	Delivery string `help:"Only this delivery (dlv_…)."`
	Domain   string `help:"Only recipients of this domain."`
	Stream   string `help:"Only this stream."`
	State    string `help:"Only this state."`
	Limit    int    `default:"100" help:"At most so many."`
}

func (s selector) selection() (queue.Selection, error) {
	sel := queue.Selection{Platform: s.Tenant == "", Domain: s.Domain, Stream: tenant.Stream(s.Stream), Limit: s.Limit}
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

// queueApply is what retry, hold, resume and cancel have in common.
type queueApply struct {
	selector
	DryRun bool `help:"Only show what would be touched."`
	All    bool `help:"Needed when nothing else narrows the choice."`
}

func (q queueApply) run(ctx context.Context, con *console, command queue.Command) error {
	sel, err := q.selection()
	if err != nil {
		return err
	}
	narrow := q.ID != "" || q.Tenant != "" || q.Message != "" || q.Delivery != "" || q.Domain != "" || q.Stream != "" || q.State != ""
	if !narrow && !q.All {
		return usageError{fmt.Errorf("say which deliveries, or --all")}
	}
	return withBase(ctx, con, func(b *base) error {
		if q.DryRun {
			return queueListCmd{Output: "text"}.print(ctx, con, b, sel)
		}
		changed, err := b.store.Apply(ctx, command, sel, "operator", b.store.Now())
		if err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
		for _, d := range changed {
			fmt.Fprintln(con.stdout, d)
		}
		fmt.Fprintf(con.stderr, "%d deliveries changed\n", len(changed))
		return nil
	})
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
