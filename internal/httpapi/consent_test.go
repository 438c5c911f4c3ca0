package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"stafette/internal/httpapi"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tracking"
)

// tracking is the real room on a store in memory.
func (w *world) tracking(keeper *seal.Keeper) (tracking.Settings, *tracking.Consents) {
	w.Helper()
	now := func() time.Time { return start }
	tokens, err := tracking.NewTokens(keeper.MACKey("tracking tokens"))
	if err != nil {
		w.Fatal(err)
	}
	settings := tracking.Settings{Store: w.shelf, Decider: tracking.NewDecider(tracking.DeciderConfig{Store: w.shelf, Now: now}), Now: now}
	return settings, tracking.NewConsents(tracking.ConsentsConfig{
		Store: w.shelf, Settings: settings, Activities: w.shelf, Tokens: tokens, Keeper: keeper, PublicURL: "https://post.example/", Now: now,
	})
}

func (w *world) replace(path, key, body string) answer {
	w.Helper()
	return w.ask(http.MethodPut, path, key, strings.NewReader(body), "Content-Type", "application/json")
}

func TestTrackingSettings(t *testing.T) {
	w := newWorld(t)
	const path = "/v1/settings/tracking"
	first := read[httpapi.TrackingSetting](w, w.get(path), 200)
	if first.Level != "aggregate" || first.Basis != "" || first.At != nil {
		t.Errorf("a tenant begins with %+v", first)
	}
	for body, want := range map[string][2]string{
		`{"level":"individual"}`:                                           {"tracking_basis_missing", "/basis"},
		`{"level":"pseudonymous","basis":"consent"}`:                       {"tracking_justification_missing", "/justification"},
		`{"level":"all"}`:                                                  {"tracking_level_unknown", "/level"},
		`{"level":"none","basis":"because"}`:                               {"tracking_basis_unknown", "/basis"},
		`{"level":"none","streams":{"newsletter":"x"}}`:                    {"tracking_level_unknown", "/streams/newsletter"},
		`{"level":"none","streams":{"smoke":"none"}}`:                      {"stream_unknown", "/streams/smoke"},
		`{"level":"individual","basis":"consent","justification":"  \n "}`: {"tracking_justification_missing", "/justification"},
	} {
		w.wantProblem(w.replace(path, w.key, body), 422, want[0], want[1])
	}
	set := read[httpapi.TrackingSetting](w, w.replace(path, w.key, `{"level":"individual","basis":"consent","justification":"Wer zustimmt.","streams":{"newsletter":"aggregate"}}`), 200)
	if set.Level != "individual" || set.Basis != "consent" || set.Streams["newsletter"] != "aggregate" || set.At == nil || !strings.HasPrefix(set.Actor, "key_") {
		t.Errorf("set %+v", set)
	}
	// Streams that are not spoken of stay; an empty object takes the limits away.
	if kept := read[httpapi.TrackingSetting](w, w.replace(path, w.key, `{"level":"none"}`), 200); kept.Level != "none" || kept.Streams["newsletter"] != "aggregate" {
		t.Errorf("kept %+v", kept)
	}
	if none := read[httpapi.TrackingSetting](w, w.replace(path, w.key, `{"level":"none","streams":{}}`), 200); len(none.Streams) != 0 {
		t.Errorf("limits stay: %+v", none)
	}
}

func TestTrackingConsent(t *testing.T) {
	w := newWorld(t)
	const path = "/v1/contacts/eva%40kunde.example/tracking-consent"
	if c := read[httpapi.TrackingConsent](w, w.get(path), 200); c.State != "unknown" || c.At != nil || len(c.History) != 0 || !strings.HasPrefix(c.URL, "https://post.example/tracking/") {
		t.Errorf("nobody asked: %+v", c)
	}
	w.wantProblem(w.replace(path, w.key, `{"state":"maybe"}`), 422, "tracking_consent_unknown", "/state")
	w.wantProblem(w.replace(path, w.key, `{"state":"granted","way":"a\nb"}`), 422, "tracking_way_malformed", "/way")
	w.wantProblem(w.replace("/v1/contacts/nobody/tracking-consent", w.key, `{"state":"granted"}`), 422, "address_malformed", "")
	read[httpapi.TrackingConsent](w, w.replace(path, w.key, `{"state":"granted","wording":"Ja, gern."}`), 200)
	c := read[httpapi.TrackingConsent](w, w.replace("/v1/contacts/Eva@KUNDE.example/tracking-consent", w.key, `{"state":"withdrawn"}`), 200)
	if c.State != "withdrawn" || c.Way != "api" || len(c.History) != 2 || c.History[1].Wording != "Ja, gern." {
		t.Errorf("recorded %+v", c)
	}
}

// What one tenant allows and was told is not the other's (T20).
func TestTrackingIsTheTenantsOwn(t *testing.T) {
	w := newWorld(t)
	const path = "/v1/contacts/eva%40kunde.example/tracking-consent"
	read[httpapi.TrackingSetting](w, w.replace("/v1/settings/tracking", w.key, `{"level":"none"}`), 200)
	read[httpapi.TrackingConsent](w, w.replace(path, w.key, `{"state":"granted"}`), 200)
	foreign := func(path string) answer { return w.ask(http.MethodGet, path, w.other, nil) }
	if s := read[httpapi.TrackingSetting](w, foreign("/v1/settings/tracking"), 200); s.Level != "aggregate" {
		t.Errorf("foreign setting %+v", s)
	}
	if c := read[httpapi.TrackingConsent](w, foreign(path), 200); c.State != "unknown" || len(c.History) != 0 {
		t.Errorf("foreign consent %+v", c)
	}
}

func TestEventsTellWhatRecipientsDid(t *testing.T) {
	w := newWorld(t)
	m := w.send()
	to := message.Address{Local: "eva", Domain: "kunde.example"}
	at := start
	add := func(kind tracking.Kind, identified bool, class tracking.Class) {
		at = at.Add(time.Minute)
		a := tracking.Activity{ID: id.New[tracking.ActivityKind](at), Tenant: w.tenant, At: at, Kind: kind, Message: m, Target: "https://ziel.example/",
			Decision: tracking.Decision{Level: tracking.Individual, Rule: tracking.RuleTenant}, Machine: tracking.Machine{Class: class, Rules: 1}}
		if identified {
			a.Identified, a.Recipient, a.Delivery = true, &to, message.Delivery(m, 1)
		}
		if _, err := w.shelf.AddActivities(context.Background(), []tracking.Hit{{Activity: a}}); err != nil {
			t.Fatal(err)
		}
	}
	add(tracking.Opened, true, tracking.Person)
	add(tracking.Clicked, false, tracking.Scanner)
	type fact struct {
		ID, Type            string
		Recipient           *string
		Identified, Machine *bool
		Activity            *struct{ Target, Level, Rule, Class string }
	}
	list := read[struct{ Data []fact }](w, w.get("/v1/messages/"+m.String()+"/events"), 200).Data
	if len(list) < 3 {
		t.Fatalf("facts %+v", list)
	}
	opened, clicked := list[len(list)-2], list[len(list)-1]
	if opened.Type != "opened" || *opened.Recipient != to.String() || !*opened.Identified || *opened.Machine || opened.Activity.Level != "individual" {
		t.Errorf("opened %+v", opened)
	}
	if clicked.Type != "clicked" || clicked.Recipient != nil || *clicked.Identified || !*clicked.Machine || clicked.Activity.Target != "https://ziel.example/" {
		t.Errorf("clicked %+v", clicked)
	}
	if first := list[0]; first.Type != "accepted" || first.Identified != nil || first.Activity != nil {
		t.Errorf("first %+v", first)
	}
}
