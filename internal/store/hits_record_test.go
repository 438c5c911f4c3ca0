package store

import (
	"reflect"
	"testing"
	"time"

	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

func notesToRead() []tracking.Hit {
	at := time.UnixMilli(1_700_000_000_123).UTC()
	eva := message.Address{Local: "Eva+ü", Domain: "x.example"}
	m := id.New[message.Kind](at)
	whole := tracking.Hit{Recipients: []message.Address{eva, {Local: "b", Domain: "y.example"}}, Granted: true, Tracked: true, Activity: tracking.Activity{
		ID: id.New[tracking.ActivityKind](at), Tenant: tenant.ID{1}, At: at, Kind: tracking.Clicked, Message: m, Delivery: message.Delivery(m, 1), Recipient: &eva, Identified: true,
		Offer: "off_1", OfferRecipient: "r", Sender: "usr_1", Title: "Ihre Anfrage", Target: "https://a.example/?q=ä", Label: "Exposé", Version: "abc", Link: 3,
		Decision: tracking.Decision{Level: tracking.Individual, Rule: tracking.RuleTenant},
		Machine:  tracking.Machine{Class: tracking.Scanner, Confidence: 80, Rules: 4, Reasons: []string{"honeypot", "burst"}}, Agent: "Firefox", Network: "192.0.2.0/24", Burst: 1 << 62}}
	return []tracking.Hit{whole, {Activity: tracking.Activity{At: time.UnixMilli(0).UTC()}}}
}

// Each field of a hit comes back from the journal. A field that is new must be put in there,
// too: reflect sees that none of the whole one is zero.
func TestNotesAreWhole(t *testing.T) {
	hits := notesToRead()
	for _, of := range []reflect.Value{reflect.ValueOf(hits[0]), reflect.ValueOf(hits[0].Activity)} {
		for i := range of.NumField() {
			if of.Field(i).IsZero() {
				t.Errorf("%s is not tried", of.Type().Field(i).Name)
			}
		}
	}
	var b []byte
	for _, h := range hits {
		b = appendHit(b, &h)
	}
	if last := numberNotes(b, 7); last != 6+uint64(len(hits)) {
		t.Errorf("the last is number %d", last)
	}
	for i, want := range hits {
		note, number, rest, err := readNote(b)
		if err != nil {
			t.Fatal(err)
		}
		have, err := readHit(note)
		if err != nil || number != uint64(i+7) {
			t.Fatalf("note %d: number %d, %v", i, number, err)
		}
		if !reflect.DeepEqual(have, want) {
			t.Errorf("have %+v, want %+v", have, want)
		}
		b = rest
	}
	if len(b) > 0 {
		t.Errorf("%d bytes are left", len(b))
	}
}

// FuzzNotes: no bytes break the reader, and what it takes it would write again.
func FuzzNotes(f *testing.F) {
	for _, h := range notesToRead() {
		one := appendHit(nil, &h)
		numberNotes(one, 9)
		f.Add(one[noteHead:])
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		note, ok := framed(body)
		if !ok {
			return
		}
		h, err := readHit(note)
		if err != nil {
			return
		}
		again := appendHit(nil, &h)
		numberNotes(again, 9)
		if second, err := readHit(again[noteHead+noteNumber:]); err != nil || !reflect.DeepEqual(h, second) {
			t.Errorf("%+v became %+v, %v", h, second, err)
		}
	})
}

// framed is what is noted in bytes that would be a note with the right length and checksum.
func framed(body []byte) (note []byte, ok bool) {
	whole := endNote(append(make([]byte, noteHead), body...), 0)
	if len(body) < noteNumber {
		return nil, false
	}
	numberNotes(whole, 9)
	note, number, rest, err := readNote(whole)
	return note, err == nil && number == 9 && len(rest) == 0
}
