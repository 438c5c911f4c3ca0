package store

import (
	"reflect"
	"testing"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

func verdictsToRead() []queue.Settlement {
	at := time.UnixMilli(1_700_000_000_123).UTC()
	m := id.New[message.Kind](at)
	d := message.Delivery(m, 1)
	whole := queue.Settlement{Tenant: tenant.ID{1}, Delivery: d, Epoch: 7, State: event.Delivered, Attempts: 2, Host: "mx.x.example",
		Event: event.Event{ID: id.New[event.Kind](at), Message: m, Delivery: d, Type: event.Completed, At: at, Actor: "system", Reason: "r", Note: "n", Attempt: &event.Attempt{
			Number: 2, Source: "192.0.2.1", EHLO: "out.a.example", MX: "mx.x.example", Address: "192.0.2.9:25", TLS: "TLS 1.3", Cipher: "c", Stage: "dot", Code: 250,
			Enhanced: "2.0.0", Reply: "taken\nfür Eva", Local: "l", Outcome: event.OutcomeDelivered, Class: "k", Scope: "recipient", Took: time.Second,
			NextAt: at.Add(time.Hour), TLSPolicy: "mta-sts", TLSResult: "verified"}},
		Stream: tenant.Newsletter, Group: "grp_1", ReadyAt: at.Add(-time.Minute), Report: queue.Report{Action: bounce.ActionDelivered, DueAt: at}, Dialogue: []byte{0, 1, 2}}
	plain := queue.Settlement{State: event.Delivered, Event: event.Event{Attempt: &event.Attempt{}}}
	return []queue.Settlement{whole, plain}
}

// Each field of a verdict comes back from the journal. A field that is new must be put in
// there, too, or keep a verdict from being noted: reflect sees that none of the whole one is zero.
func TestVerdictNotesAreWhole(t *testing.T) {
	list := verdictsToRead()
	// What only others than noted verdicts have.
	without := map[string]bool{"DueAt": true, "Signature": true, "Strike": true, "Earlier": true, "Fallback": true}
	for _, of := range []reflect.Value{reflect.ValueOf(list[0]), reflect.ValueOf(list[0].Event), reflect.ValueOf(*list[0].Event.Attempt), reflect.ValueOf(list[0].Report)} {
		for i := range of.NumField() {
			name := of.Type().Field(i).Name
			if of.Field(i).IsZero() && !without[name] && (name != "Report" || of.Type() != reflect.TypeFor[event.Event]()) {
				t.Errorf("%s of %s is not tried", name, of.Type())
			}
		}
	}
	var b []byte
	for i := range list {
		if !list[i].Notable() {
			t.Errorf("%d is not noted", i)
		}
		b = appendVerdict(b, &list[i])
	}
	if last := numberNotes(b, 1); last != uint64(len(list)) {
		t.Errorf("the last is number %d", last)
	}
	for _, want := range list {
		note, _, rest, err := readNote(b)
		if err != nil {
			t.Fatal(err)
		}
		if have, err := readVerdict(note); err != nil || !reflect.DeepEqual(have, want) {
			t.Errorf("have %+v, want %+v, %v", have, want, err)
		}
		b = rest
	}
}

// FuzzVerdictNotes: no bytes break the reader, and what it takes it would write again.
func FuzzVerdictNotes(f *testing.F) {
	for _, v := range verdictsToRead() {
		one := appendVerdict(nil, &v)
		numberNotes(one, 9)
		f.Add(one[noteHead:])
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		note, ok := framed(body)
		if !ok {
			return
		}
		v, err := readVerdict(note)
		if err != nil {
			return
		}
		again := appendVerdict(nil, &v)
		numberNotes(again, 9)
		if second, err := readVerdict(again[noteHead+noteNumber:]); err != nil || !reflect.DeepEqual(v, second) {
			t.Errorf("%+v became %+v, %v", v, second, err)
		}
	})
}
