package storetest

import (
	"context"
	"testing"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/lead"
	"stafette/internal/lead/openimmo"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

func leadTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"TakeAndSettle": takeAndSettle, "Keys": leadKeys, "Filters": leadFilters, "Content": leadContent, "Advertisers": advertisers,
		"Suspects": leadSuspects, "Proof": leadProof, "Forms": leadForms, "Cases": leadCases, "CaseLists": leadCaseLists, "CaseWords": leadCaseWords,
	}
}

func (w *World) lead(t tenant.ID, advertiser string) lead.Lead {
	now := w.Clock.Advance(time.Second)
	return lead.Lead{ID: id.New[lead.Kind](now), Tenant: t, Advertiser: advertiser, Object: "MA-1", Title: "Haus", State: lead.Taken, TakenAt: now,
		Sealed: []byte("sealed"), Salt: seal.NewSalt()}
}

func (w *World) takeLead(l lead.Lead, key string, hash byte) *lead.Lead {
	w.t.Helper()
	first, got, err := w.Store.TakeLead(context.Background(), l, lead.Advertiser{ID: l.Advertiser, Profile: lead.ProfileOf("")}, key, [32]byte{hash})
	if err != nil {
		w.t.Fatal(err)
	}
	if first != nil && got[0] == 0 {
		w.t.Error("the hash of the first request is lost")
	}
	return first
}

func (w *World) readLead(t tenant.ID, l lead.ID) lead.Lead {
	w.t.Helper()
	got, err := w.Store.Lead(context.Background(), t, l)
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

func takeAndSettle(t *testing.T, w *World) {
	l := w.lead(w.A, "4711")
	w.takeLead(l, "", 1)
	same(t, "taken", w.readLead(w.A, l.ID), l, nil)
	if _, err := w.Store.Lead(context.Background(), w.B, l.ID); fault.As(err) == nil || fault.As(err).Kind != fault.NotFound {
		t.Errorf("another tenant reads it: %v", err)
	}
	list, err := w.Store.TakenLeads(context.Background(), l.TakenAt.Add(time.Millisecond), 10)
	if err != nil || len(list) != 1 {
		t.Errorf("waiting %v, %v", list, err)
	}
	if early, _ := w.Store.TakenLeads(context.Background(), l.TakenAt, 10); len(early) != 0 {
		t.Error("one that was just taken is waiting")
	}
	l.State, l.Message, l.XML, l.Salt, l.Sealed = lead.Sent, message.NewID(l.TakenAt), [32]byte{9}, seal.NewSalt(), []byte("again")
	if err := w.Store.SettleLead(context.Background(), l); err != nil {
		t.Fatal(err)
	}
	same(t, "settled", w.readLead(w.A, l.ID), l, nil)
	if list, _ = w.Store.TakenLeads(context.Background(), l.TakenAt.Add(time.Hour), 10); len(list) != 0 {
		t.Error("a sent one is waiting")
	}
}

func leadKeys(t *testing.T, w *World) {
	first := w.lead(w.A, "1")
	if w.takeLead(first, "k", 1) != nil {
		t.Fatal("a fresh key was used")
	}
	again := w.lead(w.A, "1")
	if got := w.takeLead(again, "k", 2); got == nil || got.ID != first.ID {
		t.Errorf("again %+v", got)
	}
	if w.takeLead(w.lead(w.B, "1"), "k", 1) != nil {
		t.Error("another tenant's key counts")
	}
	w.Clock.Advance(24 * time.Hour)
	if w.takeLead(w.lead(w.A, "1"), "k", 3) != nil {
		t.Error("the key outlived its day")
	}
	page, err := w.Store.Leads(context.Background(), w.A, lead.Filter{Limit: 10})
	if err != nil || len(page.Leads) != 2 {
		t.Errorf("%d leads, %v", len(page.Leads), err)
	}
}

func leadFilters(t *testing.T, w *World) {
	var all []lead.Lead
	for i, advertiser := range []string{"1", "2", "1", "1"} {
		l := w.lead(w.A, advertiser)
		l.Test = i == 3
		if i == 2 {
			l.State, l.Reason = lead.Stopped, "lead_xml_broken"
		}
		w.takeLead(l, "", 1)
		all = append(all, l)
	}
	w.takeLead(w.lead(w.B, "1"), "", 1)
	for name, c := range map[string]struct {
		f    lead.Filter
		want []int
		more bool
	}{
		"all":        {lead.Filter{Limit: 10}, []int{2, 1, 0}, false},
		"tests":      {lead.Filter{Limit: 10, Tests: true}, []int{3, 2, 1, 0}, false},
		"advertiser": {lead.Filter{Limit: 10, Advertiser: "1"}, []int{2, 0}, false},
		"state":      {lead.Filter{Limit: 10, State: lead.Stopped}, []int{2}, false},
		"time":       {lead.Filter{Limit: 10, From: all[1].TakenAt, To: all[2].TakenAt}, []int{1}, false},
		"page":       {lead.Filter{Limit: 1}, []int{2}, true},
		"next page":  {lead.Filter{Limit: 2, After: all[2].ID}, []int{1, 0}, false},
	} {
		page, err := w.Store.Leads(context.Background(), w.A, c.f)
		if err != nil {
			t.Fatal(err)
		}
		var want []lead.Lead
		for _, i := range c.want {
			want = append(want, all[i])
		}
		same(t, name, page, lead.Page{Leads: want, More: c.more}, nil)
	}
}

// The content goes, in small steps, and what is counted stays.
func leadContent(t *testing.T, w *World) {
	old, young := w.lead(w.A, "1"), w.lead(w.B, "1")
	w.takeLead(old, "", 1)
	w.takeLead(young, "", 1)
	for _, want := range []int{1, 0} {
		if n, err := w.Store.DropLeads(context.Background(), young.TakenAt, 1); err != nil || n != want {
			t.Errorf("dropped %d, %v, want %d", n, err, want)
		}
	}
	got := w.readLead(w.A, old.ID)
	old.Sealed, old.Salt, old.Title = nil, seal.Salt{}, ""
	same(t, "old", got, old, nil)
	same(t, "young", w.readLead(w.B, young.ID), young, nil)
}

func advertisers(t *testing.T, w *World) {
	one, err := message.ParseAddress("anfragen@makler.example")
	if err != nil {
		t.Fatal(err)
	}
	a := lead.Advertiser{ID: "4711", Name: "Makler", Emails: []message.Address{one}, SeenAt: w.Clock.Now(),
		Profile: lead.Profile{Software: "onoffice", Format: openimmo.Immowelt, Encoding: openimmo.Latin1, FileName: "x.xml", Body: lead.Propstack, VerifiedOn: w.Clock.Now()}}
	for _, name := range []string{"Makler", "Makler & Söhne"} {
		a.Name = name
		if err := w.Store.SaveAdvertiser(context.Background(), w.A, a); err != nil {
			t.Fatal(err)
		}
		got, err := w.Store.Advertiser(context.Background(), w.A, "4711")
		if err != nil {
			t.Fatal(err)
		}
		same(t, name, got, a, nil)
	}
	if _, err := w.Store.Advertiser(context.Background(), w.B, "4711"); fault.As(err) == nil || fault.As(err).Kind != fault.NotFound {
		t.Errorf("another tenant reads it: %v", err)
	}
	b := lead.Advertiser{ID: "4712", Profile: lead.ProfileOf("")}
	if err := w.Store.SaveAdvertiser(context.Background(), w.A, b); err != nil {
		t.Fatal(err)
	}
	list, err := w.Store.Advertisers(context.Background(), w.A, "4711", 5)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "list", list, []lead.Advertiser{b}, nil)
	for _, want := range []lead.Settings{{}, {Portal: "P", From: "a@b.example"}, {Portal: "Q"}} {
		if want != (lead.Settings{}) {
			if err := w.Store.SaveLeadSettings(context.Background(), w.A, want); err != nil {
				t.Fatal(err)
			}
		}
		got, err := w.Store.LeadSettings(context.Background(), w.A)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "settings", got, want, nil)
	}
}
