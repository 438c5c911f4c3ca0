package webtest

import (
	"context"
	"sync"
	"time"

	"stafette/internal/audience"
	"stafette/internal/campaign"
	"stafette/internal/ingest"
	"stafette/internal/series"
	"stafette/internal/series/seriestest"
	"stafette/internal/tenant"
	"stafette/internal/web"
	webseries "stafette/internal/web/series"
)

// sequences are the series of the world.
type sequences struct {
	once    sync.Once
	service *series.Service
	person  audience.ContactID
}

// seriesSubject is the real service on a store in memory, with a series in every state.
func seriesSubject() Subject {
	path := func(t func(*World) tenant.ID) func(*World) map[string]string {
		return func(w *World) map[string]string {
			list, err := w.Series().List(context.Background(), t(w))
			if err != nil || len(list) == 0 {
				return nil
			}
			return map[string]string{"/series/{id}": "/series/" + list[0].ID.String()}
		}
	}
	return Subject{
		Wire: func(w *World, c *web.Config) {
			c.Series = webseries.Config{Series: w.Series(), Groups: w.Groups(), Fields: w.Contacts(), Templates: w.Stationery(), Mailings: w.Mailings(), Book: w.Contacts(), Pictures: w.Library(), Checks: w.Preflight(), Tracking: w.Tracking().Settings.Decider}
		},
		Own:     path(func(w *World) tenant.ID { return w.Tenant.ID }),
		Foreign: path(func(w *World) tenant.ID { return w.Other.ID }),
		Pages: func(w *World) []string {
			list := []string{"/series?q=will", "/series?q=gibtsnicht", "/series?done=deleted", "/series/ser_unknown", "/series/new"}
			found, err := w.Series().List(context.Background(), w.Tenant.ID)
			if err != nil {
				return nil
			}
			for _, v := range found {
				one := "/series/" + v.ID.String()
				list = append(list, one, one+"?done=saved", one+"?done=unready", one+"/runs?state=on", one+"/runs?step=w&after=x", one+"/runs?step=%3Cscript%3E", one+"/journey?contact=x",
					one+"/journey?contact="+w.sequences.person.String(), one+"/step?do=nonsense&after=-")
				if v.State != series.Ended {
					list = append(list, one+"/edit")
				}
				v, err := w.Series().Series(context.Background(), w.Tenant.ID, v.ID)
				if err != nil {
					return nil
				}
				for _, s := range v.Definition.Steps {
					list = append(list, one+"/step?key="+s.Key)
				}
			}
			return list
		},
	}
}

// Series are those of the world: one in every state, and one of World.Other.
func (w *World) Series() *series.Service {
	w.sequences.once.Do(func() { w.sequences.service = w.makeSeries() })
	return w.sequences.service
}

func (w *World) makeSeries() *series.Service {
	ctx := context.Background()
	page, err := w.Contacts().List(ctx, w.Tenant.ID, audience.ContactFilter{})
	if err != nil || len(page.Contacts) < 2 {
		panic("webtest: a world without contacts")
	}
	line := func(c audience.Contact, r series.Run) series.Line {
		r.Contact, r.Entry, r.Version, r.EnteredAt = c.ID, 1, 1, w.Now().Add(-72*time.Hour)
		return series.Line{Run: r, Address: c.Main(), Name: c.Name()}
	}
	eva, max := page.Contacts[0], page.Contacts[1]
	w.sequences.person = eva.ID
	deed := func(step string, o series.Outcome, reason string, d time.Duration) series.Deed {
		return series.Deed{Contact: eva.ID, Entry: 1, Step: step, Outcome: o, Reason: reason, At: w.Now().Add(-d)}
	}
	store := &seriestest.Store{Find: w.Groups().Group,
		Lines: []series.Line{line(eva, series.Run{Step: "w", DueAt: w.Now().Add(24 * time.Hour)}), line(max, series.Run{Step: "hallo", Reason: series.ReasonReplied, EndedAt: w.Now()}),
			{Run: series.Run{Step: "w", Reason: series.ReasonGone, EndedAt: w.Now(), EnteredAt: w.Now()}}},
		Deeds: []series.Deed{deed("hallo", series.Sent, "", 72*time.Hour), deed("mehr", series.Excluded, "frequency", time.Hour)},
		Tell: series.Report{Places: []series.Place{{Step: "w", Waiting: 1204}}, Over: map[string]int64{series.ReasonEnd: 310, "unsubscribed": 7, series.ReasonReplied: 2},
			Counts: []series.Count{{Step: "hallo", Outcome: series.Sent, N: 1519}, {Step: "hallo", Outcome: series.Excluded, Reason: "frequency", N: 4}, {Step: "c", Outcome: series.No, N: 12}}},
	}
	s := series.New(series.Config{Store: store, Letters: w.Mailings(), Contacts: w.Contacts(), Acceptor: takingAll{}, Now: w.Now})
	for _, t := range []tenant.ID{w.Other.ID, w.Tenant.ID} {
		groups, err := w.Groups().List(ctx, t)
		if err != nil || len(groups) == 0 {
			panic("webtest: a world without groups")
		}
		who := ingest.Principal{Tenant: t, Actor: "usr_1", Door: "office"}
		keep := func(name string, trigger series.Trigger, steps []series.Step, acts ...func(context.Context, ingest.Principal, series.ID) (series.Series, error)) {
			v, err := s.Create(ctx, who, series.Series{Name: name, Group: groups[0].ID, Definition: series.Definition{Trigger: trigger, Steps: steps}})
			for _, act := range acts {
				if err == nil {
					v, err = act(ctx, who, v.ID)
				}
			}
			if err != nil {
				panic(err)
			}
		}
		tag := series.Trigger{On: series.Tagged, Tag: "neu"}
		if t == w.Other.ID {
			keep("Fremd", tag, welcome())
			continue
		}
		keep(`Leer <script>alert("x")</script>`, tag, nil)
		keep("Nachfassen", series.Trigger{On: series.Event, Event: "order.paid"}, welcome(), s.Activate, s.Pause)
		keep("Alt", tag, welcome(), s.Activate, s.End)
		keep("Willkommen", tag, welcome(), s.Activate)
	}
	return s
}

// welcome has a step of every kind.
func welcome() []series.Step {
	letter := func(subject string) *campaign.Letter {
		return &campaign.Letter{From: "Muster GmbH <news@muster.example>", Subject: subject, HTML: `<h1>Guten Tag {{name}}</h1><p><a href="{{unsubscribe_url}}">Abmelden</a></p>`}
	}
	return []series.Step{
		{Key: "hallo", Do: series.Send, Letter: letter(`Willkommen, {{given_name}} <b>`)}, {Key: "w", Do: series.Wait, Minutes: 3 * 24 * 60},
		{Key: "c", Do: series.Check, Did: series.Clicked, Of: "hallo", Else: "mehr"}, {Key: "t", Do: series.Tag, Tag: "liest"}, {Key: "e", Do: series.End},
		{Key: "mehr", Do: series.Send, Letter: letter("Noch etwas")}, {Key: "m", Do: series.Wait, Weekday: "monday", Hour: 9},
		{Key: "f", Do: series.Check, Filter: &audience.Segment{Of: "company", Is: audience.Present}}, {Key: "u", Do: series.Untag, Tag: "neu"},
	}
}
