package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

func orderTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"OrdersAndTheirEnd":        ordersAndTheirEnd,
		"OrdersReachEveryNode":     ordersReachEveryNode,
		"SurveyCounts":             surveyCounts,
		"CommandsBySite":           commandsBySite,
		"PreviewIsWhatIsDone":      previewIsWhatIsDone,
		"ManyInParts":              manyInParts,
		"QueuedInParts":            queuedInParts,
		"TenantsCommandTheirOwn":   tenantsCommandTheirOwn,
		"TokensAreTheirPreviewers": tokensAreTheirPreviewers,
		"SenselessActs":            senselessActs,
		"EndedOrderMakesDue":       endedOrderMakesDue,
		"EndedOrderMakesManyDue":   endedOrderMakesManyDue,
		"LogTellsWhoDidWhat":       logTellsWhoDidWhat,
		"OrdersBeginOnce":          ordersBeginOnce,
		"ManyAreEstimated":         manyAreEstimated,
	}
}

func (w *World) operator(t *testing.T) *queue.Operator {
	t.Helper()
	keeper, err := seal.New(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return queue.NewOperator(queue.OperatorConfig{Store: w.Store, Sealer: keeper, Now: w.Clock.Now, Spread: time.Nanosecond,
		SiteOf: func(_ context.Context, domain string) string {
			return map[string]string{"example.net": "mx.shared.example", "example.org": "mx.shared.example", "example.com": "mx.example.com"}[domain]
		}})
}

// staff is somebody of the platform.
var staff = queue.Caller{Platform: true, Actor: "usr_staff"}

func (w *World) order(giver tenant.ID, c queue.Command, scope queue.Scope) queue.Order {
	return queue.Order{ID: id.New[queue.OrderKind](w.Clock.Now()), Giver: giver, Command: c, Scope: scope, Actor: "usr_1", Reason: "Wartung", Created: w.Clock.Now()}
}

func ordersAndTheirEnd(t *testing.T, w *World) {
	ctx := context.Background()
	ours, theirs := w.order(w.A, queue.Suspend, queue.Scope{Tenant: w.A, Stream: tenant.Newsletter, Tag: "mai"}), w.order(tenant.ID{}, queue.Reroute, queue.Scope{Domain: "gmx.example", Site: "mx.gmx.example"})
	theirs.Pool, theirs.Expires = "neu", w.Clock.Now().Add(time.Hour)
	for _, o := range []queue.Order{ours, theirs} {
		if err := w.Store.PutOrder(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	list, err := w.Store.Orders(ctx, w.A, w.Clock.Now(), false)
	same(t, "own", list, []queue.Order{ours}, err)
	list, err = w.Store.Orders(ctx, w.B, w.Clock.Now(), true)
	same(t, "another's", list, []queue.Order(nil), err)
	list, err = w.Store.Orders(ctx, tenant.ID{}, w.Clock.Now(), false)
	equal(t, "all", len(list), 2)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Store.EndOrder(ctx, w.B, ours.ID, "usr_b", w.Clock.Now())
	refused(t, err, fault.NotFound, "order_not_found")
	w.Clock.Advance(time.Hour)
	ended, err := w.Store.EndOrder(ctx, w.A, ours.ID, "usr_2", w.Clock.Now())
	ours.Ended, ours.EndedBy = w.Clock.Now(), "usr_2"
	same(t, "ended", ended, ours, err)
	_, err = w.Store.EndOrder(ctx, tenant.ID{}, ours.ID, "usr_2", w.Clock.Now())
	refused(t, err, fault.NotFound, "order_not_found")
	list, err = w.Store.Orders(ctx, tenant.ID{}, w.Clock.Now(), false)
	same(t, "in force", list, []queue.Order(nil), err)
	list, err = w.Store.Orders(ctx, tenant.ID{}, w.Clock.Now(), true)
	if err != nil || len(list) != 2 {
		t.Errorf("with the past: %d, %v", len(list), err)
	}
}

func ordersReachEveryNode(t *testing.T, w *World) {
	ctx := context.Background()
	nodes := []*queue.Orders{queue.NewOrders(w.Store, w.Clock.Now, nil), queue.NewOrders(w.Store, w.Clock.Now, nil)}
	e := queue.Entry{Tenant: w.A, Stream: tenant.Lead, Recipient: Address("r@example.net")}
	o := w.order(tenant.ID{}, queue.Suspend, queue.Scope{Domain: "example.net"})
	rule := func(stopped bool) {
		t.Helper()
		for i, n := range nodes {
			if err := n.Refresh(ctx); err != nil {
				t.Fatal(err)
			}
			if have := n.Rule(&e, "site").Stop != nil; have != stopped {
				t.Errorf("node %d: stopped %t", i, have)
			}
		}
	}
	rule(false)
	if err := w.Store.PutOrder(ctx, o); err != nil {
		t.Fatal(err)
	}
	rule(true)
	if _, err := w.Store.EndOrder(ctx, tenant.ID{}, o.ID, "x", w.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	rule(false)
}

func surveyCounts(t *testing.T, w *World) {
	a := w.Draft(w.A, "1@example.net", "2@example.net", "3@example.org")
	a.Message.Tags = []string{"mai"}
	w.Accept(a)
	w.Accept(w.Draft(w.B, "4@example.net"))
	v, err := w.Store.Survey(context.Background(), queue.Selection{Platform: true}, queue.Hold.From())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "total", v.Total, 4)
	same(t, "tenants", v.Tenants, []queue.Tally{{Name: "a", Tenant: w.A, Count: 3}, {Name: "b", Tenant: w.B, Count: 1}}, nil)
	same(t, "domains", v.Domains, []queue.Tally{{Name: "example.net", Count: 3}, {Name: "example.org", Count: 1}}, nil)
	equal(t, "oldest", v.Oldest, w.Clock.Now())
	equal(t, "sample", len(v.Sample), 4)
	for name, tt := range map[string]struct {
		sel  queue.Selection
		want int64
	}{
		"tag":     {queue.Selection{Tenant: w.A, Tag: "mai"}, 3},
		"no tag":  {queue.Selection{Tenant: w.A, Tag: "ma_"}, 0},
		"domain":  {queue.Selection{Platform: true, Domain: "example.net"}, 3},
		"stream":  {queue.Selection{Platform: true, Stream: tenant.Newsletter}, 0},
		"before":  {queue.Selection{Platform: true, Before: w.Clock.Now()}, 0},
		"message": {queue.Selection{Tenant: w.A, Message: a.Message.ID}, 3},
		"foreign": {queue.Selection{Tenant: w.B, Message: a.Message.ID}, 0},
	} {
		v, err := w.Store.Survey(context.Background(), tt.sel, queue.Hold.From())
		if err != nil || v.Total != tt.want {
			t.Errorf("%s: %d, %v, want %d", name, v.Total, err, tt.want)
		}
	}
}

// commandsBySite: a site stands for the domains whose mail goes there when it is looked at.
func commandsBySite(t *testing.T, w *World) {
	w.Accept(w.Draft(w.A, "1@example.net", "2@example.com", "3@example.org"))
	w.Accept(w.Draft(w.B, "4@EXAMPLE.net", "5@not-example.net"))
	o, act := w.operator(t), queue.Act{Command: queue.Hold, Site: "mx.shared.example"}
	v, err := o.Preview(context.Background(), staff, act)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "domains", v.Domains, []queue.Tally{{Name: "example.net", Count: 2}, {Name: "example.org", Count: 1}}, nil)
	same(t, "chosen", v.Act.Selection.Domains, []string{"example.net", "example.org"}, nil)
	l, err := o.Perform(context.Background(), staff, v.Token, nil)
	if err != nil || l.Changed != 3 {
		t.Fatalf("held %d: %v", l.Changed, err)
	}
	rest, err := w.Store.Survey(context.Background(), queue.Selection{Platform: true}, []event.State{event.Queued})
	if err != nil || rest.Total != 2 {
		t.Errorf("left %d: %v", rest.Total, err)
	}
	if l := w.do(t, queue.Caller{Tenant: w.A, Actor: "usr_a"}, queue.Act{Command: queue.Resume, Site: "mx.shared.example"}); l.Changed != 2 {
		t.Errorf("a tenant resumed %d", l.Changed)
	}
}

func (w *World) do(t *testing.T, by queue.Caller, a queue.Act) queue.LogEntry {
	t.Helper()
	o := w.operator(t)
	v, err := o.Preview(context.Background(), by, a)
	if err != nil {
		t.Fatal(err)
	}
	l, err := o.Perform(context.Background(), by, v.Token, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func previewIsWhatIsDone(t *testing.T, w *World) {
	first := w.Draft(w.A, "1@example.net", "2@example.net")
	w.Accept(first)
	o := w.operator(t)
	v, err := o.Preview(context.Background(), staff, queue.Act{Command: queue.Hold, Selection: queue.Selection{Tenant: w.A}})
	if err != nil || v.Total != 2 {
		t.Fatalf("preview of %d: %v", v.Total, err)
	}
	w.Clock.Advance(time.Minute)
	later := w.Draft(w.A, "3@example.net")
	w.Accept(later)
	l, err := o.Perform(context.Background(), staff, v.Token, nil)
	if err != nil || l.Changed != 2 || l.Finished.IsZero() {
		t.Fatalf("changed %d: %v", l.Changed, err)
	}
	depth, err := w.Store.Depth(context.Background())
	same(t, "depth", depth, map[event.State]int64{event.Queued: 1, event.Deferred: 0, event.Held: 2}, err)
	undone := w.do(t, staff, queue.Act{Command: l.Undo(), Selection: queue.Selection{Tenant: w.A}})
	equal(t, "undone", undone.Changed, 2)
}

// manyInParts: more than one transaction's worth, also of what keeps its state.
func manyInParts(t *testing.T, w *World) {
	for range 6 {
		w.Accept(w.Draft(w.A, numbered(200)...))
	}
	e := w.Epoch("n")
	var verdicts []queue.Settlement
	for _, c := range w.Claim(e, w.A, 1200) {
		verdicts = append(verdicts, w.Verdict(e, w.A, c.Delivery, event.Deferred))
	}
	if fenced, err := w.Store.Settle(context.Background(), verdicts); err != nil || len(fenced) > 0 {
		t.Fatal(err, len(fenced))
	}
	w.Clock.Advance(time.Second)
	for _, c := range []queue.Command{queue.Retry, queue.Hold, queue.Resume, queue.Cancel} {
		if l := w.do(t, staff, queue.Act{Command: c}); l.Changed != 1200 {
			t.Errorf("%s changed %d", c, l.Changed)
		}
	}
}

// queuedInParts: what waits in the order of the queue and what a process holds are gone
// through to the end, whatever lies between them.
func queuedInParts(t *testing.T, w *World) {
	for i := range 7 {
		mine, other := w.Draft(w.A, numbered(200)...), w.Draft(w.A, "x@elsewhere.example", "y@elsewhere.example")
		if i%2 == 0 {
			mine.Message.Stream, other.Message.Stream = tenant.Newsletter, tenant.Newsletter
		}
		w.Accept(mine, other)
		w.Clock.Advance(time.Second)
	}
	w.Claim(w.Epoch("n"), w.A, 150)
	sel := queue.Selection{Tenant: w.A, Domain: "example.net"}
	for _, c := range []queue.Command{queue.Hold, queue.Resume, queue.Cancel} {
		if l := w.do(t, staff, queue.Act{Command: c, Selection: sel}); l.Changed != 1400 || l.Planned != 1400 {
			t.Errorf("%s changed %d of %d", c, l.Changed, l.Planned)
		}
	}
	if left, err := w.Store.List(context.Background(), queue.Selection{Tenant: w.A}); err != nil || len(left) != 14 {
		t.Errorf("%d deliveries wait, %v", len(left), err)
	}
}

func tenantsCommandTheirOwn(t *testing.T, w *World) {
	a, b := w.Draft(w.A, "1@example.net"), w.Draft(w.B, "2@example.net")
	w.Accept(a, b)
	by := queue.Caller{Tenant: w.B, Actor: "usr_b"}
	for name, sel := range map[string]queue.Selection{
		"tenant":   {Tenant: w.A},
		"platform": {Platform: true, Message: a.Message.ID},
		"message":  {Message: a.Message.ID},
		"delivery": {Delivery: message.Delivery(a.Message.ID, 1)},
	} {
		v, err := w.operator(t).Preview(context.Background(), by, queue.Act{Command: queue.Cancel, Selection: sel})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range v.Sample {
			if l.Tenant != w.B {
				t.Errorf("%s: shows %s of another tenant", name, l.Delivery)
			}
		}
	}
	w.do(t, by, queue.Act{Command: queue.Suspend, Selection: queue.Selection{Tenant: w.A}})
	orders := queue.NewOrders(w.Store, w.Clock.Now, nil)
	if err := orders.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	if r := orders.Rule(&queue.Entry{Tenant: w.A}, ""); r.Stop != nil {
		t.Error("a tenant suspended another's mail")
	}
	_, err := w.operator(t).Preview(context.Background(), by, queue.Act{Command: queue.Reroute, Pool: "x", Expires: w.Clock.Now().Add(time.Hour)})
	refused(t, err, fault.Forbidden, "permission_missing")
	held := w.do(t, staff, queue.Act{Command: queue.Suspend, Selection: queue.Selection{Tenant: w.B}})
	_, err = w.operator(t).Preview(context.Background(), by, queue.Act{Command: queue.Resume, Order: held.Order})
	refused(t, err, fault.NotFound, "order_not_found")
}

func tokensAreTheirPreviewers(t *testing.T, w *World) {
	w.Accept(w.Draft(w.A, "1@example.net"))
	o := w.operator(t)
	by := queue.Caller{Tenant: w.A, Actor: "usr_a"}
	v, err := o.Preview(context.Background(), by, queue.Act{Command: queue.Hold})
	if err != nil {
		t.Fatal(err)
	}
	try := func(by queue.Caller, token string) {
		t.Helper()
		_, err := o.Perform(context.Background(), by, token, nil)
		refused(t, err, fault.Conflict, "preview_stale")
	}
	try(staff, v.Token)
	try(queue.Caller{Tenant: w.B, Actor: "usr_a"}, v.Token)
	try(queue.Caller{Tenant: w.A, Actor: "usr_other"}, v.Token)
	try(by, v.Token+"A")
	try(by, "")
	w.Clock.Advance(16 * time.Minute)
	try(by, v.Token)
}

func senselessActs(t *testing.T, w *World) {
	soon := w.Clock.Now().Add(time.Hour)
	for code, a := range map[string]queue.Act{
		"command_unknown":   {Command: "burn"},
		"order_not_resumed": {Command: queue.Hold, Order: id.New[queue.OrderKind](soon)},
		"site_not_asked":    {Command: queue.Resume, Order: id.New[queue.OrderKind](soon), Site: "mx"},
		"site_without_mail": {Command: queue.Hold, Site: "mx.nowhere.example"},
		"order_too_narrow":  {Command: queue.Suspend, Selection: queue.Selection{States: []event.State{event.Queued}}},
		"time_past":         {Command: queue.Suspend, Expires: w.Clock.Now()},
		"detour_missing":    {Command: queue.Reroute, Expires: soon},
		"expiry_missing":    {Command: queue.Reroute, Pool: "x"},
		"text_too_long":     {Command: queue.Hold, Reason: "a\r\nb"},
	} {
		_, err := w.operator(t).Preview(context.Background(), staff, a)
		refused(t, err, fault.Invalid, code)
	}
	if _, err := w.operator(t).Preview(context.Background(), queue.Caller{Actor: "nobody"}, queue.Act{Command: queue.Hold}); err == nil {
		t.Error("a caller without tenant commanded")
	}
	_, err := w.Store.Survey(context.Background(), queue.Selection{}, queue.Hold.From())
	if err == nil || errors.Is(err, context.Canceled) {
		t.Error("a selection of nobody was counted")
	}
}

// endedOrderMakesDue: what an order put off goes at once; what its sender wants to go
// later does not.
func endedOrderMakesDue(t *testing.T, w *World) {
	put, wished := w.Draft(w.A, "1@example.net"), w.Draft(w.A, "2@example.net")
	wished.Message.SendAt = w.Clock.Now().Add(time.Hour)
	put.Deliveries[0].DueAt, wished.Deliveries[0].DueAt = w.Clock.Now().Add(15*time.Minute), wished.Message.SendAt
	w.Accept(put, wished)
	begun := w.do(t, staff, queue.Act{Command: queue.Suspend, Selection: queue.Selection{Domain: "example.net"}})
	w.Clock.Advance(time.Second)
	ended := w.do(t, staff, queue.Act{Command: queue.Resume, Order: begun.Order})
	equal(t, "made due", ended.Changed, 1)
	list := w.Claim(w.Epoch("n"), w.A, 10)
	if len(list) != 1 || list[0].Delivery != put.Deliveries[0].ID {
		t.Errorf("due are %v", list)
	}
}

// endedOrderMakesManyDue: in parts that go on where the one before ended nothing is left
// out, whatever stands between, and what is not meant stays put off.
func endedOrderMakesManyDue(t *testing.T, w *World) {
	const each = 700 // more than one part, with many at the same instant
	for _, stream := range []tenant.Stream{tenant.Newsletter, tenant.Transactional} {
		for _, tag := range []string{"mai", "juni"} {
			a := w.Draft(w.A, numbered(each)...)
			a.Message.Stream, a.Message.Tags = stream, []string{tag}
			for i := range a.Deliveries {
				a.Deliveries[i].DueAt = w.Clock.Now().Add(time.Duration(i%9+1) * time.Minute)
			}
			w.Accept(a)
		}
	}
	begun := w.do(t, staff, queue.Act{Command: queue.Suspend, Selection: queue.Selection{Tenant: w.A, Tag: "mai"}})
	w.Clock.Advance(time.Second)
	ended := w.do(t, staff, queue.Act{Command: queue.Resume, Order: begun.Order})
	equal(t, "made due", ended.Changed, 2*each)
	list, err := w.Store.List(context.Background(), queue.Selection{Tenant: w.A, Tag: "juni", Limit: 3 * each})
	if err != nil || len(list) != 2*each {
		t.Fatalf("%d with the other tag, %v", len(list), err)
	}
	for _, v := range list {
		if !v.DueAt.After(w.Clock.Now()) {
			t.Fatalf("%v fell due with what was not its order", v.Delivery)
		}
	}
}

func logTellsWhoDidWhat(t *testing.T, w *World) {
	w.Accept(w.Draft(w.A, "1@example.net"))
	l := w.do(t, queue.Caller{Tenant: w.A, Actor: "usr_a"}, queue.Act{Command: queue.Hold, Reason: "Preis falsch"})
	list, err := w.operator(t).Log(context.Background(), queue.Caller{Tenant: w.A}, 10)
	same(t, "own", list, []queue.LogEntry{l}, err)
	list, err = w.operator(t).Log(context.Background(), queue.Caller{Tenant: w.B}, 10)
	same(t, "another's", list, []queue.LogEntry(nil), err)
	list, err = w.operator(t).Log(context.Background(), staff, 10)
	same(t, "staff", list, []queue.LogEntry{l}, err)
	equal(t, "reason", list[0].Reason, "Preis falsch")
	told := w.Announced()
	if last := told[len(told)-1]; last.Type != event.Paused || last.Note != "Preis falsch" {
		t.Errorf("announced %+v", last)
	}
	facts, err := w.Store.Events(context.Background(), w.A, told[len(told)-1].Message)
	if err != nil || facts[len(facts)-1].Note != "Preis falsch" || facts[0].Note != "" {
		t.Errorf("events %+v, %v", facts, err)
	}
}

// ordersBeginOnce: a token that comes twice, even after the order's end, begins one order
// and writes one entry.
func ordersBeginOnce(t *testing.T, w *World) {
	ctx, o := context.Background(), w.operator(t)
	v, err := o.Preview(ctx, staff, queue.Act{Command: queue.Suspend, Selection: queue.Selection{Domain: "example.net"}, Reason: "Wartung"})
	if err != nil {
		t.Fatal(err)
	}
	first, err := o.Perform(ctx, staff, v.Token, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(time.Second)
	for _, end := range []bool{false, true} {
		if end {
			if _, err := w.Store.EndOrder(ctx, tenant.ID{}, first.Order, "x", w.Clock.Now()); err != nil {
				t.Fatal(err)
			}
		}
		again, err := o.Perform(ctx, staff, v.Token, nil)
		if err != nil || again.Order != first.Order || again.ID != first.ID {
			t.Errorf("again: %+v, %v", again, err)
		}
	}
	list, err := o.Orders(ctx, staff, true)
	if err != nil || len(list) != 1 || list[0].Ended.IsZero() {
		t.Errorf("orders %+v, %v", list, err)
	}
	log, err := o.Log(ctx, staff, 10)
	equal(t, "entries", len(log), 1)
	if err != nil {
		t.Error(err)
	}
}

// manyAreEstimated: where a sample is read, what an index tells stays exact, and a
// command goes as far as there is mail of the time.
func manyAreEstimated(t *testing.T, w *World) {
	for range 31 {
		a := w.Draft(w.A, numbered(1000)...)
		a.Message.Stream = tenant.Newsletter
		w.Accept(a)
	}
	few := w.Draft(w.A, "1@example.org", "2@example.org")
	few.Message.Tags, few.Message.Stream = []string{"mai"}, tenant.Lead
	w.Accept(few)
	for name, tt := range map[string]struct {
		sel       queue.Selection
		low, high int64
		estimated bool
	}{
		"everything":   {queue.Selection{Tenant: w.A}, 31_002, 31_002, false},
		"few tagged":   {queue.Selection{Tenant: w.A, Tag: "mai"}, 2, 2, false},
		"other urgent": {queue.Selection{Tenant: w.A, Stream: tenant.Lead}, 2, 2, false},
		"one stream":   {queue.Selection{Tenant: w.A, Stream: tenant.Newsletter}, 29_000, 33_000, true},
		"one domain":   {queue.Selection{Tenant: w.A, Domain: "example.net"}, 29_000, 33_000, true},
	} {
		v, err := w.Store.Survey(context.Background(), tt.sel, queue.Hold.From())
		if err != nil || v.Total < tt.low || v.Total > tt.high || v.Estimated != tt.estimated || len(v.Sample) == 0 {
			t.Errorf("%s: %d, estimated %t, %d shown, %v", name, v.Total, v.Estimated, len(v.Sample), err)
		}
	}
	if l := w.do(t, staff, queue.Act{Command: queue.Hold, Selection: queue.Selection{Tenant: w.A, Stream: tenant.Newsletter}, Reason: "Preis falsch"}); l.Changed != 31_000 {
		t.Errorf("held %d", l.Changed)
	}
}
