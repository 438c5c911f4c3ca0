package httpapi

import (
	"context"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

// Operator does in two steps what is commanded about many deliveries. *queue.Operator
// is one.
type Operator interface {
	Preview(ctx context.Context, by queue.Caller, a queue.Act) (queue.Preview, error)
	Perform(ctx context.Context, by queue.Caller, token string, progress func(changed, planned int64)) (queue.LogEntry, error)
	Orders(ctx context.Context, by queue.Caller, ended bool) ([]queue.Order, error)
}

// maxCommand bounds the JSON of a command.
const maxCommand = 64 << 10

type queueInput struct {
	Body struct {
		Command      string          `json:"command,omitempty" enum:"hold,resume,cancel,retry,suspend" doc:"Needed unless confirmation is given"`
		Selection    *queueSelection `json:"selection,omitempty" doc:"Everything of the account if missing"`
		Order        string          `json:"order,omitempty" maxLength:"64" doc:"With resume: the suspension to end, instead of a selection"`
		ExpiresAt    *time.Time      `json:"expires_at,omitempty" doc:"With suspend: when it ends by itself"`
		Reason       string          `json:"reason,omitempty" maxLength:"500" doc:"For the log of commands"`
		DryRun       bool            `json:"dry_run,omitempty" doc:"Show what would be touched and get the confirmation"`
		Confirmation string          `json:"confirmation,omitempty" maxLength:"8192" doc:"That of a dry run: does exactly what it showed"`
	}
}

type queueSelection struct {
	Message  string   `json:"message,omitempty" maxLength:"64"`
	Delivery string   `json:"delivery,omitempty" maxLength:"64"`
	Stream   string   `json:"stream,omitempty" enum:"transactional,lead,reminder,newsletter,system"`
	Tag      string   `json:"tag,omitempty" maxLength:"100"`
	Domain   string   `json:"domain,omitempty" maxLength:"253" doc:"Of the recipient"`
	Site     string   `json:"site,omitempty" maxLength:"300" doc:"The set of mail hosts that the recipients have, under its name: mx.kunde.example, (mx1|mx2).kunde.example. Suspend keeps it; for the others it stands for the domains with waiting mail that have these hosts at the moment, at most 100"`
	States   []string `json:"states,omitempty" maxItems:"3" enum:"queued,deferred,held"`
}

// QueueResult is what a command about the queue would touch, or did.
type QueueResult struct {
	Command      string           `json:"command"`
	Matched      int64            `json:"matched" doc:"Deliveries of the dry run"`
	Changed      int64            `json:"changed" doc:"0 in a dry run"`
	States       map[string]int64 `json:"states,omitempty"`
	Domains      []QueueDomain    `json:"domains,omitempty" doc:"The 20 with most deliveries"`
	Oldest       *time.Time       `json:"oldest_accepted_at,omitempty"`
	Sample       []string         `json:"sample,omitempty" doc:"Up to 20 deliveries"`
	Confirmation string           `json:"confirmation,omitempty" doc:"Send it back to do exactly this"`
	ConfirmUntil *time.Time       `json:"confirm_until,omitempty"`
	Order        *string          `json:"order,omitempty" doc:"The suspension that was begun or ended"`
	Undo         string           `json:"undo,omitempty" doc:"The command that takes it back"`
}

// QueueDomain counts deliveries of a recipient domain.
type QueueDomain struct {
	Domain string `json:"domain"`
	Count  int64  `json:"count"`
}

type queueOutput struct{ Body QueueResult }

func (a *API) queueCommand(ctx context.Context, in *queueInput) (*queueOutput, error) {
	key := keyOf(ctx)
	by := queue.Caller{Tenant: key.Tenant, Actor: key.ID.String()}
	b := &in.Body
	switch {
	case b.DryRun:
		act, err := actOf(b.Command, b.Selection, b.Order, b.ExpiresAt, b.Reason)
		if err != nil {
			return nil, err
		}
		v, err := a.c.Operator.Preview(ctx, by, act)
		if err != nil {
			return nil, err
		}
		return &queueOutput{previewed(v)}, nil
	case b.Confirmation == "":
		return nil, fault.Field("confirmation", "confirmation_missing", "Ask with dry_run first and send its confirmation back.")
	}
	l, err := a.c.Operator.Perform(ctx, by, b.Confirmation, nil)
	if err != nil {
		return nil, err
	}
	return &queueOutput{performed(l)}, nil
}

func performed(l queue.LogEntry) QueueResult {
	out := QueueResult{Command: string(l.Act.Command), Matched: l.Planned, Changed: l.Changed, Undo: string(l.Undo())}
	if !l.Order.IsZero() {
		order := l.Order.String()
		out.Order = &order
	}
	return out
}

// actOf reads what is commanded. A malformed identifier names nothing.
func actOf(command string, s *queueSelection, order string, expires *time.Time, reason string) (queue.Act, error) {
	act := queue.Act{Command: queue.Command(command), Reason: reason}
	if expires != nil {
		act.Expires = *expires
	}
	var wrong []*fault.Error
	if order != "" {
		var err error
		if act.Order, err = id.Parse[queue.OrderKind](order); err != nil {
			wrong = append(wrong, fault.Field("order", "id_malformed", "The value is not the identifier of a suspension."))
		}
	}
	if s != nil {
		act.Selection, act.Site = queue.Selection{Stream: tenant.Stream(s.Stream), Tag: s.Tag, Domain: s.Domain}, s.Site
		for _, state := range s.States {
			act.Selection.States = append(act.Selection.States, event.State(state))
		}
		var err error
		if s.Message != "" {
			if act.Selection.Message, err = id.Parse[message.Kind](s.Message); err != nil {
				wrong = append(wrong, fault.Field("selection/message", "id_malformed", "The value is not a message identifier."))
			}
		}
		if s.Delivery != "" {
			if act.Selection.Delivery, err = id.Parse[message.DeliveryKind](s.Delivery); err != nil {
				wrong = append(wrong, fault.Field("selection/delivery", "id_malformed", "The value is not a delivery identifier."))
			}
		}
	}
	return act, fault.Join(wrong)
}

func previewed(v queue.Preview) QueueResult {
	out := QueueResult{Command: string(v.Act.Command), Matched: v.Total, States: map[string]int64{}, Oldest: timeOrNull(v.Oldest),
		Confirmation: v.Token, ConfirmUntil: timeOrNull(v.Expires)}
	for state, n := range v.States {
		out.States[string(state)] = n
	}
	for _, d := range v.Domains {
		out.Domains = append(out.Domains, QueueDomain{d.Name, d.Count})
	}
	for _, l := range v.Sample {
		out.Sample = append(out.Sample, l.Delivery.String())
	}
	return out
}

type ordersOutput struct {
	Body struct {
		Data []QueueOrder `json:"data" nullable:"false"`
	}
}

// QueueOrder is a suspension in force.
type QueueOrder struct {
	ID        string     `json:"id"`
	Command   string     `json:"command" enum:"suspend,reroute"`
	Stream    string     `json:"stream"`
	Tag       string     `json:"tag"`
	Domain    string     `json:"domain"`
	Site      string     `json:"site"`
	Reason    string     `json:"reason"`
	Actor     string     `json:"actor" doc:"Who gave it"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
}

func (a *API) orders(ctx context.Context, _ *struct{}) (*ordersOutput, error) {
	key := keyOf(ctx)
	list, err := a.c.Operator.Orders(ctx, queue.Caller{Tenant: key.Tenant, Actor: key.ID.String()}, false)
	if err != nil {
		return nil, err
	}
	out := &ordersOutput{}
	out.Body.Data = make([]QueueOrder, len(list))
	for i, o := range list {
		out.Body.Data[i] = orderOf(o)
	}
	return out, nil
}

func orderOf(o queue.Order) QueueOrder {
	return QueueOrder{ID: o.ID.String(), Command: string(o.Command), Stream: string(o.Scope.Stream), Tag: o.Scope.Tag,
		Domain: o.Scope.Domain, Site: o.Scope.Site, Reason: o.Reason, Actor: o.Actor, CreatedAt: o.Created, ExpiresAt: timeOrNull(o.Expires)}
}
