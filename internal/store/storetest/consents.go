package storetest

import (
	"context"
	"reflect"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/audience/consent"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/privacy"
	"stafette/internal/signup"
	"stafette/internal/tenant"
)

func consentTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){"Kept": consentKept, "Listed": consentsListed, "Forgotten": consentsForgotten, "Erased": consentsErased, "Forms": signupForms}
}

// consent makes a consent of an address that awaits confirmation.
func (w *World) consent(t tenant.ID, address string) consent.Consent {
	now := w.Clock.Advance(time.Second)
	a := Address(address)
	return consent.Consent{
		ID: id.New[consent.Kind](now), Tenant: t, Address: a, Hash: audience.HashOf([]byte("k"), t, a), Purpose: tenant.Newsletter, Group: audience.GroupID{7: 1},
		Basis: consent.DoubleOptIn, State: consent.Asked, AskedAt: now, ExpiresAt: now.Add(time.Hour), Form: "sgn_1", Wording: "Ja", IP: "192.0.2.7",
		Person: map[string]string{"family_name": "Muster"},
	}
}

func (w *World) addConsent(c consent.Consent) consent.Consent {
	w.t.Helper()
	if err := w.Store.AddConsent(context.Background(), c); err != nil {
		w.t.Fatal(err)
	}
	return c
}

func consentKept(t *testing.T, w *World) {
	ctx := t.Context()
	c := w.addConsent(w.consent(w.A, "Eva@kunde.example"))
	got, err := w.Store.Consent(ctx, w.A, c.ID)
	if err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("%+v, %v, want %+v", got, err, c)
	}
	if _, err := w.Store.Consent(ctx, w.B, c.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	c.State, c.ConfirmedAt, c.ExpiresAt = consent.Given, w.Clock.Now(), time.Time{}
	w.must(w.Store.ChangeConsent(ctx, c, consent.Asked))
	if err := w.Store.ChangeConsent(ctx, c, consent.Asked); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("changed from a state it is not in: %v", err)
	}
	if got, err := w.Store.Consent(ctx, w.A, c.ID); err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("changed: %+v, %v, want %+v", got, err, c)
	}
}

func consentsListed(t *testing.T, w *World) {
	ctx := t.Context()
	eva, max := w.addConsent(w.consent(w.A, "eva@x.example")), w.addConsent(w.consent(w.A, "max@x.example"))
	other := w.consent(w.A, "eva@x.example")
	other.Form, other.Group, other.State = "", audience.GroupID{}, consent.Given
	w.addConsent(other)
	w.addConsent(w.consent(w.B, "eva@x.example"))
	for name, c := range map[string]struct {
		f    consent.Filter
		want []consent.ID
		more bool
	}{
		"all":     {consent.Filter{}, []consent.ID{other.ID, max.ID, eva.ID}, false},
		"first":   {consent.Filter{Limit: 2}, []consent.ID{other.ID, max.ID}, true},
		"rest":    {consent.Filter{Limit: 2, After: max.ID}, []consent.ID{eva.ID}, false},
		"address": {consent.Filter{Hash: eva.Hash}, []consent.ID{other.ID, eva.ID}, false},
		"group":   {consent.Filter{Group: eva.Group}, []consent.ID{max.ID, eva.ID}, false},
		"form":    {consent.Filter{Form: "sgn_1"}, []consent.ID{max.ID, eva.ID}, false},
		"state":   {consent.Filter{State: consent.Given}, []consent.ID{other.ID}, false},
	} {
		list, more, err := w.Store.Consents(ctx, w.A, c.f)
		var got []consent.ID
		for _, one := range list {
			got = append(got, one.ID)
		}
		if err != nil || more != c.more || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v %v %v", name, got, more, err)
		}
	}
}

func consentsForgotten(t *testing.T, w *World) {
	ctx := t.Context()
	old := w.addConsent(w.consent(w.A, "eva@x.example"))
	kept := w.consent(w.B, "eva@x.example")
	kept.State, kept.ExpiresAt = consent.Given, time.Time{}
	w.addConsent(kept)
	if n, err := w.Store.ForgetUnconfirmed(ctx, old.ExpiresAt.Add(-time.Millisecond), 10); err != nil || n != 0 {
		t.Errorf("early: %d, %v", n, err)
	}
	if n, err := w.Store.ForgetUnconfirmed(ctx, old.ExpiresAt, 10); err != nil || n != 1 {
		t.Errorf("in time: %d, %v", n, err)
	}
	if _, err := w.Store.Consent(ctx, w.A, old.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("still there: %v", err)
	}
	if _, err := w.Store.Consent(ctx, w.B, kept.ID); err != nil {
		t.Errorf("what was given: %v", err)
	}
}

// Who it was goes; that, when and in which words stays, with the hash.
func consentsErased(t *testing.T, w *World) {
	ctx := t.Context()
	given := w.consent(w.A, "Eva@x.example")
	given.State, given.ExpiresAt = consent.Given, time.Time{}
	w.addConsent(given)
	asked := w.addConsent(w.consent(w.A, "eva@x.example"))
	foreign := w.addConsent(w.consent(w.B, "eva@x.example"))
	s := w.Privacy()
	r := w.ask(s, privacy.Erasure, "eva@x.example")
	w.turn(s)
	if r, err := w.Store.Request(ctx, w.A, r.ID); err != nil || r.Counts["consents"] != 2 {
		t.Errorf("%+v, %v", r.Counts, err)
	}
	got, err := w.Store.Consent(ctx, w.A, given.ID)
	if err != nil || !got.Address.IsZero() || got.IP != "" || got.Person != nil || got.Wording != "Ja" || got.Hash != given.Hash || got.State != consent.Given {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := w.Store.Consent(ctx, w.A, asked.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("what nobody confirmed: %v", err)
	}
	if got, err := w.Store.Consent(ctx, w.B, foreign.ID); err != nil || got.Address.IsZero() {
		t.Errorf("another tenant's: %+v, %v", got, err)
	}
	// A change that was under way does not bring the person back.
	given.State, given.Way = consent.Withdrawn, "link"
	if err := w.Store.ChangeConsent(ctx, given, consent.Given); !fault.IsKind(err, fault.Conflict) {
		t.Errorf("changed after the erasure: %v", err)
	}
}

func signupForms(t *testing.T, w *World) {
	ctx := t.Context()
	now := w.Clock.Now()
	f := signup.Form{ID: id.New[signup.Kind](now), Tenant: w.A, Name: "Fuß", Active: true, Title: "Brief", Purpose: tenant.Newsletter, Group: audience.GroupID{7: 1},
		Fields: map[signup.Field]signup.Need{"company": signup.Optional}, Origins: []string{"https://a.example"}, Days: 7, Network: signup.Part, CreatedAt: now, UpdatedAt: now}
	w.must(w.Store.SaveSignupForm(ctx, f))
	f.Name, f.Active = "Kopf", false
	w.must(w.Store.SaveSignupForm(ctx, f))
	if got, err := w.Store.SignupForm(ctx, w.A, f.ID); err != nil || !reflect.DeepEqual(got, f) {
		t.Errorf("%+v, %v", got, err)
	}
	if list, err := w.Store.SignupForms(ctx, w.A); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	if list, err := w.Store.SignupForms(ctx, w.B); err != nil || len(list) != 0 {
		t.Errorf("another tenant's: %v, %v", list, err)
	}
	if err := w.Store.DropSignupForm(ctx, w.B, f.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("dropped by another tenant: %v", err)
	}
	w.must(w.Store.DropSignupForm(ctx, w.A, f.ID))
	if _, err := w.Store.SignupForm(ctx, w.A, f.ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("dropped: %v", err)
	}
}
