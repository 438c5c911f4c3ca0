package series_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/series"
	"stafette/internal/tenant"
)

func TestATagBeginsIt(t *testing.T) {
	w := newWorld(t)
	a, b := w.contact("a"), w.contact("b")
	v := w.begin(nil, send("hallo"), wait("w", 48*time.Hour), send("tipps"))
	w.tag(a, "neu")
	w.turn()
	w.expect("runs", w.runs(v), "a at w")
	w.sent("hallo a:1")
	// The same tag again begins nothing, nor does another.
	w.tag(a, "vip")
	w.tag(b, "vip")
	w.pass(47 * time.Hour)
	w.turn()
	w.expect("runs before the time", w.runs(v), "a at w")
	w.pass(2 * time.Hour)
	w.turn()
	w.expect("runs after it", w.runs(v), "a end")
	w.sent("tipps a:1")
	deeds, err := w.service.Journey(t.Context(), w.who.Tenant, v.ID, a.ID)
	w.must(err)
	var told []string
	for _, d := range deeds {
		told = append(told, d.Step+" "+string(d.Outcome))
	}
	w.expect("journey", strings.Join(told, ", "), "hallo sent, w passed, tipps sent")
	// Nobody goes through it twice.
	c, err := w.contacts.Contact(t.Context(), w.who.Tenant, a.ID)
	w.must(err)
	c.Tags = nil
	_, err = w.contacts.Change(t.Context(), w.who.Tenant, c, "usr_1")
	w.must(err)
	w.tag(a, "neu")
	w.turn()
	w.sent("")
}

func TestTheMailIsMadeOfItsLetter(t *testing.T) {
	w := newWorld(t)
	a := w.contact("a")
	hello := send("hallo")
	hello.Letter.Subject = "Bestellung {{event.order}}"
	hello.Letter.HTML = `<p>Guten Tag {{name}}: {{event.order}}</p><a href="{{unsubscribe_url}}">Abmelden</a>`
	v := w.begin(func(v *series.Series) { v.Definition.Trigger = series.Trigger{On: series.Event, Event: "order.paid"} }, hello)
	n, err := w.service.Tell(t.Context(), w.who.Tenant, "A@kunde.example", "order.paid", json.RawMessage(`{"order":"<4711>"}`))
	if err != nil || n != 1 {
		t.Fatalf("told %d, %v", n, err)
	}
	w.turn()
	w.sent("Bestellung <4711> a:1")
	deeds, err := w.service.Journey(t.Context(), w.who.Tenant, v.ID, a.ID)
	w.must(err)
	m, err := w.store.Message(t.Context(), w.who.Tenant, message.Of(deeds[0].Delivery))
	w.must(err)
	body, err := w.spool.Body(t.Context(), m.Body)
	w.must(err)
	for _, part := range []string{"List-Id: <" + strings.ReplaceAll(w.group.ID.String(), "_", "-"), "Guten Tag Eva a: &lt;4711&gt;", "https://post.example/abmelden/"} {
		if !strings.Contains(string(body), part) {
			t.Errorf("no %q in %s", part, body)
		}
	}
	if len(m.Tags) == 0 || m.Tags[0] != campaign.Tag(deeds[0].Form) {
		t.Errorf("tags: %v", m.Tags)
	}
	for name, call := range map[string]func() (int, error){
		"series_contact_unknown": func() (int, error) {
			return w.service.Tell(t.Context(), w.who.Tenant, "nobody@kunde.example", "order.paid", nil)
		},
		"address_malformed": func() (int, error) { return w.service.Tell(t.Context(), w.who.Tenant, "x", "order.paid", nil) },
		"series_event_malformed": func() (int, error) {
			return w.service.Tell(t.Context(), w.who.Tenant, "a@kunde.example", "order paid", json.RawMessage(`[1]`))
		},
	} {
		if _, err := call(); fault.As(err) == nil || fault.As(err).Code != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyConfirmedSubscriptionsBeginIt(t *testing.T) {
	w := newWorld(t)
	v := w.begin(func(v *series.Series) { v.Definition.Trigger = series.Trigger{On: series.Confirmed} }, send("hallo"))
	w.contact("imported")
	w.pass(time.Millisecond)
	c, err := w.contacts.Create(t.Context(), w.who.Tenant, audience.Contact{Addresses: []message.Address{{Local: "self", Domain: "kunde.example"}}}, audience.OriginForm, "sgn_1")
	w.must(err)
	w.join(audience.OriginForm, c)
	w.join(audience.OriginForm, c) // the button, pressed twice
	w.turn()
	w.expect("runs", w.runs(v), "self end")
	w.sent("hallo self:1")
}

func TestBirthdays(t *testing.T) {
	w := newWorld(t)
	born := func(day string) func(*audience.Contact) {
		return func(c *audience.Contact) { c.Fields = map[string]string{"birthday": day} }
	}
	w.contact("today", born("1980-11-24"))
	w.contact("leap", born("1996-02-29"))
	w.contact("never")
	v := w.begin(func(v *series.Series) {
		v.Definition.Trigger = series.Trigger{On: series.Dated, Field: "birthday", Hour: 9}
	}, send("glueckwunsch"))
	// It is 10:30 in Berlin: today was over when it began.
	w.turn()
	w.sent("")
	w.pass(21 * time.Hour) // 07:30 there
	w.turn()
	w.sent("")
	w.pass(2 * time.Hour) // past nine
	w.turn()
	w.sent("glueckwunsch today:1")
	w.turn()
	for range 100 {
		w.pass(24 * time.Hour)
		w.turn()
	}
	// In 2027 the 28th stands for the 29th.
	w.sent("glueckwunsch leap:1")
	for range 266 {
		w.pass(24 * time.Hour)
		w.turn()
	}
	w.sent("glueckwunsch today:1")
	got, err := w.service.Series(t.Context(), w.who.Tenant, v.ID)
	w.must(err)
	w.expect("began", fmt.Sprint(got.Entered), "3")
}

func TestWaitsEndAtTheHourOfTheZone(t *testing.T) {
	w := newWorld(t)
	a := w.contact("a")
	v := w.begin(nil, series.Step{Key: "w", Do: series.Wait, Weekday: "thursday", Hour: 8}, send("do"), series.Step{Key: "x", Do: series.Wait, Weekday: "day", Hour: 8}, send("fr"))
	w.tag(a, "neu")
	w.turn()
	list, _, err := w.service.Runs(t.Context(), w.who.Tenant, v.ID, series.RunFilter{Limit: 1})
	w.must(err)
	w.expect("due", list[0].DueAt.String(), "2026-11-26 07:00:00 +0000 UTC")
	w.pass(list[0].DueAt.Sub(w.Now()))
	w.turn()
	w.sent("do a:1 fr a:1")
	list, _, err = w.service.Runs(t.Context(), w.who.Tenant, v.ID, series.RunFilter{Limit: 1})
	w.must(err)
	// At eight sharp it waits for nothing.
	w.expect("then", list[0].Reason, "end")
}

// Everybody waits for nine on their own clock; who has none goes by that of the series.
func TestWaitsEndAtTheLocalHour(t *testing.T) {
	w := newWorld(t)
	w.must(w.contacts.SetField(t.Context(), w.who.Tenant, audience.Field{Key: "zeitzone", Label: "Zeitzone", Type: audience.ZoneField}))
	in := func(zone string) func(*audience.Contact) {
		return func(c *audience.Contact) { c.Fields = map[string]string{"zeitzone": zone} }
	}
	people := map[string]audience.Contact{"athen": w.contact("athen", in("Europe/Athens")), "london": w.contact("london", in("Europe/London")), "ohne": w.contact("ohne")}
	v := w.begin(nil, series.Step{Key: "w", Do: series.Wait, Weekday: "thursday", Hour: 9, Local: true}, send("da"))
	for _, c := range people {
		w.tag(c, "neu")
	}
	w.turn()
	list, _, err := w.service.Runs(t.Context(), w.who.Tenant, v.ID, series.RunFilter{Limit: 10})
	w.must(err)
	for _, l := range list {
		want := map[string]string{"athen": "07:00", "london": "09:00", "ohne": "08:00"}[l.Address.Local]
		w.expect(l.Address.Local, l.DueAt.Format("2006-01-02 15:04"), "2026-11-26 "+want)
	}
	rehearsed, err := w.service.Rehearse(t.Context(), w.who, v.ID, people["athen"].ID, nil)
	w.must(err)
	w.expect("rehearsed", rehearsed[1].At.Format("15:04"), "07:00")
	seven := time.Date(2026, 11, 26, 7, 0, 0, 0, time.UTC)
	for _, want := range []string{"da athen:1", "da ohne:1", "da london:1"} {
		w.pass(seven.Sub(w.Now()))
		w.turn()
		w.sent(want)
		seven = seven.Add(time.Hour)
	}
}

func TestConditionsLeadDown(t *testing.T) {
	w := newWorld(t)
	vip, other := w.contact("vip", func(c *audience.Contact) { c.Company = "Werft" }), w.contact("other")
	v := w.begin(nil,
		series.Step{Key: "c", Do: series.Check, Filter: &audience.Segment{Of: "company", Is: audience.Equals, Value: "werft"}, Else: "plain"},
		send("firma"), series.Step{Key: "t", Do: series.Tag, Tag: "kennt"}, series.Step{Key: "e", Do: series.End}, send("plain"), series.Step{Key: "u", Do: series.Untag, Tag: "neu"})
	w.tag(vip, "neu")
	w.tag(other, "neu")
	w.turn()
	w.sent("firma vip:1 plain other:1")
	w.expect("runs", w.runs(v), "vip end, other end")
	for c, want := range map[audience.ContactID]string{vip.ID: "[kennt neu]", other.ID: "[]"} {
		p, err := w.contacts.Contact(t.Context(), w.who.Tenant, c)
		w.must(err)
		w.expect("tags", fmt.Sprint(p.Tags), want)
	}
	r, err := w.service.Report(t.Context(), w.who.Tenant, v.ID)
	w.must(err)
	w.expect("report", fmt.Sprint(r.Counts, r.Over, r.Places), "[{c no  1} {c yes  1} {e passed  1} {firma sent  1} {plain sent  1} {t passed  1} {u passed  1}] map[end:2] []")
}

func TestOpenedIsAskedOfPersons(t *testing.T) {
	w := newWorld(t)
	person, machine := w.contact("person"), w.contact("machine")
	v := w.begin(nil, send("hallo"), wait("w", time.Hour), series.Step{Key: "c", Do: series.Check, Did: series.Clicked, Of: "hallo", Else: "nach"},
		send("danke"), series.Step{Key: "e", Do: series.End}, send("nach"))
	w.tag(person, "neu")
	w.tag(machine, "neu")
	w.turn()
	w.sent("hallo machine:1 hallo person:1")
	w.heard(person, nil)
	w.expect("runs", w.runs(v), "person at w, machine at w")
	w.pass(2 * time.Hour)
	w.turn()
	w.sent("danke person:1 nach machine:1")
}

func TestWhatStopsIt(t *testing.T) {
	w := newWorld(t)
	names := []string{"leaves", "objects", "gone", "replies", "stays"}
	people := map[string]audience.Contact{}
	for _, n := range names {
		people[n] = w.contact(n)
	}
	v := w.begin(nil, send("hallo"), wait("w", time.Hour), send("mehr"))
	for _, n := range names {
		w.tag(people[n], "neu")
	}
	w.turn()
	w.expect("runs", w.runs(v), "leaves at w, objects at w, gone at w, replies at w, stays at w")
	_, err := w.groups.Remove(t.Context(), w.who.Tenant, w.group.ID, []audience.ContactID{people["leaves"].ID}, "usr_1")
	w.must(err)
	list, err := audience.New(audience.Config{Store: w.store, Key: hashKey(), Now: w.Now})
	w.must(err)
	_, err = list.Suppress(t.Context(), w.who.Tenant, audience.Wish{Address: people["objects"].Main(), Stream: tenant.Newsletter, Reason: audience.Unsubscribed}, "recipient")
	w.must(err)
	w.heard(audience.Contact{}, map[audience.ContactID]bool{people["replies"].ID: true})
	w.must(w.contacts.Delete(t.Context(), w.who.Tenant, people["gone"].ID))
	w.sent("hallo gone:1 hallo leaves:1 hallo objects:1 hallo replies:1 hallo stays:1")
	w.pass(2 * time.Hour)
	w.turn()
	w.expect("runs", w.runs(v), "leaves left_group, objects unsubscribed, replies replied, stays end")
	w.sent("mehr stays:1")
}

func TestTheGateHolds(t *testing.T) {
	w := newWorld(t)
	a := w.contact("a")
	v := w.begin(nil, send("hallo"), wait("w", time.Hour), send("mehr"))
	w.tag(a, "neu")
	w.turn()
	w.sent("hallo a:1")
	// The frequency cap leaves one mail out, and counts mail of series for mailings too.
	w.must(w.letters.SetCap(t.Context(), w.who.Tenant, campaign.Cap{Count: 1, Days: 7}))
	w.pass(2 * time.Hour)
	w.turn()
	w.sent("")
	r, err := w.service.Report(t.Context(), w.who.Tenant, v.ID)
	w.must(err)
	w.expect("report", fmt.Sprint(r.Counts), "[{hallo sent  1} {mehr excluded frequency 1} {w passed  1}]")
	w.must(w.letters.SetCap(t.Context(), w.who.Tenant, campaign.Cap{}))
	// A group that is not approved any more pauses it; nobody loses their place.
	w.config.Acceptor = &refusing{w.entrance, fault.New(fault.Forbidden, "group_not_approved", "x")}
	w.service = series.New(w.config)
	b := w.contact("b")
	w.tag(b, "neu")
	w.turn()
	got, err := w.service.Series(t.Context(), w.who.Tenant, v.ID)
	w.must(err)
	w.expect("state", string(got.State)+" "+got.Reason, "paused group_not_approved")
	w.expect("runs", w.runs(v), "a end, b at hallo")
	w.refused[w.group.ID] = true
	if _, err := w.service.Resume(t.Context(), w.who, v.ID); fault.As(err) == nil || fault.As(err).Field != "group_id" {
		t.Errorf("resumed: %v", err)
	}
	w.refused[w.group.ID] = false
	w.config.Acceptor = w.entrance
	w.service = series.New(w.config)
	_, err = w.service.Resume(t.Context(), w.who, v.ID)
	w.must(err)
	w.turn()
	w.sent("hallo b:1")
}

func TestVersionsStayOrSwitch(t *testing.T) {
	for name, switches := range map[string]bool{"stay": false, "switch": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a, b := w.contact("a"), w.contact("b")
			v := w.begin(nil, send("hallo"), wait("w", time.Hour), send("alt"))
			w.tag(a, "neu")
			w.turn()
			hello := v.Definition.Steps[0]
			hello.Letter = nil // as it is
			v.Definition.Steps = []series.Step{hello, wait("w", time.Hour), send("neu")}
			v, err := w.service.Change(t.Context(), w.who, v, switches)
			w.must(err)
			if v.Version != 2 || v.Definition.Steps[0].Letter == nil || v.Definition.Steps[0].Form != hello.Form {
				t.Errorf("version: %+v", v)
			}
			w.tag(b, "neu")
			w.turn()
			w.sent("hallo a:1 hallo b:1")
			w.pass(2 * time.Hour)
			w.turn()
			want := "alt a:1 neu b:1"
			if switches {
				// The step a stood at is still there, what came after it is not.
				want = "neu a:1 neu b:1"
			}
			w.sent(want)
		})
	}
}

func TestPausedResumedEnded(t *testing.T) {
	w := newWorld(t)
	a, b := w.contact("a"), w.contact("b")
	v := w.begin(nil, wait("w", time.Hour), send("mehr"))
	w.tag(a, "neu")
	w.turn()
	_, err := w.service.Pause(t.Context(), w.who, v.ID)
	w.must(err)
	w.tag(b, "neu") // nobody begins a paused series
	w.pass(2 * time.Hour)
	w.turn()
	w.expect("runs while paused", w.runs(v), "a at w")
	if err := w.service.Delete(t.Context(), w.who.Tenant, v.ID); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("deleted: %v", err)
	}
	_, err = w.service.Resume(t.Context(), w.who, v.ID)
	w.must(err)
	c := w.contact("c")
	w.tag(c, "neu")
	w.turn()
	w.expect("runs", w.runs(v), "a end, c at w")
	w.sent("mehr a:1")
	w.must(w.service.TakeOut(t.Context(), w.who.Tenant, v.ID, c.ID))
	d := w.contact("d")
	w.tag(d, "neu")
	w.turn()
	_, err = w.service.End(t.Context(), w.who, v.ID)
	w.must(err)
	w.turn()
	w.expect("runs", w.runs(v), "a end, c taken_out, d series_ended")
	w.must(w.service.Delete(t.Context(), w.who.Tenant, v.ID))
	if _, err := w.service.Series(t.Context(), w.who.Tenant, v.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("still there: %v", err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	w := newWorld(t)
	base := func() series.Series {
		return series.Series{Name: "x", Group: w.group.ID, Definition: series.Definition{Trigger: series.Trigger{On: series.Tagged, Tag: "neu"}, Steps: []series.Step{send("a"), wait("w", time.Hour), send("b")}}}
	}
	for field, change := range map[string]func(*series.Series){
		"name":             func(v *series.Series) { v.Name = " " },
		"again_after_days": func(v *series.Series) { v.Again = -1 },
		"group_id":         func(v *series.Series) { v.Group = id.New[audience.GroupKind](start) },
		"zone":             func(v *series.Series) { v.Definition.Zone = "Mars/Base" },
		"trigger/on":       func(v *series.Series) { v.Definition.Trigger.On = "moon" },
		"trigger/tag":      func(v *series.Series) { v.Definition.Trigger.Tag = "a,b" },
		"trigger/event":    func(v *series.Series) { v.Definition.Trigger = series.Trigger{On: series.Event, Event: "a b"} },
		"trigger/field":    func(v *series.Series) { v.Definition.Trigger = series.Trigger{On: series.Dated, Field: "x"} },
		"trigger/hour": func(v *series.Series) {
			v.Definition.Trigger = series.Trigger{On: series.Dated, Field: "birthday", Hour: 24}
		},
		"steps/2/key":     func(v *series.Series) { v.Definition.Steps[2].Key = "a" },
		"steps/1/do":      func(v *series.Series) { v.Definition.Steps[1].Do = "dance" },
		"steps/1/minutes": func(v *series.Series) { v.Definition.Steps[1].Minutes = 0 },
		"steps/1/weekday": func(v *series.Series) { v.Definition.Steps[1].Weekday = "someday" },
		"steps/1/filter":  func(v *series.Series) { v.Definition.Steps[1] = series.Step{Key: "c", Do: series.Check} },
		"steps/1/filter/of": func(v *series.Series) {
			v.Definition.Steps[1] = series.Step{Key: "c", Do: series.Check, Filter: &audience.Segment{Of: "moon", Is: audience.Has, Value: "x"}}
		},
		"steps/1/of": func(v *series.Series) {
			v.Definition.Steps[1] = series.Step{Key: "c", Do: series.Check, Did: series.Opened, Of: "b"}
		},
		"steps/1/else": func(v *series.Series) {
			v.Definition.Steps[1] = series.Step{Key: "c", Do: series.Check, Did: series.Opened, Of: "a", Else: "a"}
		},
		"steps/1/tag":     func(v *series.Series) { v.Definition.Steps[1] = series.Step{Key: "t", Do: series.Tag} },
		"steps/0/subject": func(v *series.Series) { v.Definition.Steps[0].Letter.Subject = "a\nb" },
		"steps":           func(v *series.Series) { v.Definition.Steps = make([]series.Step, series.MaxSteps+1) },
	} {
		v := base()
		change(&v)
		_, err := w.service.Create(t.Context(), w.who, v)
		if f := fault.As(err); f == nil || f.Kind != fault.Invalid || f.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	for field, change := range map[string]func(*series.Series){
		"steps":           func(v *series.Series) { v.Definition.Steps = v.Definition.Steps[1:2] },
		"steps/2/subject": func(v *series.Series) { v.Definition.Steps[2].Letter.Subject = "" },
		"steps/0/html": func(v *series.Series) {
			v.Definition.Steps[0].Letter.HTML = `{{event.x}} <a href="{{unsubscribe_url}}">x</a>`
		},
	} {
		v := base()
		change(&v)
		v, err := w.service.Create(t.Context(), w.who, v)
		w.must(err)
		_, err = w.service.Activate(t.Context(), w.who, v.ID)
		if f := fault.As(err); f == nil || f.Kind != fault.Invalid || f.Field != field {
			t.Errorf("activated with %s: %v", field, err)
		}
	}
}

func TestMergedContactsGoThroughOnce(t *testing.T) {
	w := newWorld(t)
	a, b := w.contact("a"), w.contact("b")
	v := w.begin(nil, send("hallo"), wait("w", time.Hour), send("mehr"))
	w.tag(a, "neu")
	w.turn()
	w.sent("hallo a:1")
	a, err := w.contacts.Contact(t.Context(), w.who.Tenant, a.ID)
	w.must(err)
	_, err = w.contacts.Merge(t.Context(), w.who.Tenant, b.ID, a.ID, b.Version, a.Version, "usr_1")
	w.must(err)
	w.pass(2 * time.Hour)
	w.turn()
	w.sent("mehr b:1")
	w.expect("runs", w.runs(v), "b end")
}
