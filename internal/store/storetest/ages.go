package storetest

import (
	"context"
	"testing"
	"time"

	"stafette/internal/event"
	"stafette/internal/queue"
	"stafette/internal/tenant"
)

func ageTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){"AgesOfWhatWaits": agesOfWhatWaits}
}

// agesOfWhatWaits: what has come to its end does not count, and every part is told with
// its oldest and how long half and nearly all of it has waited.
func agesOfWhatWaits(t *testing.T, w *World) {
	began, e := w.Clock.Now(), w.Epoch("n")
	old := w.Draft(w.A, "1@example.net", "2@example.net", "3@example.org")
	old.Epoch = e
	old.Deliveries[2].State = event.Held
	w.Accept(old)
	w.Settle(w.Verdict(e, w.A, old.Deliveries[0].ID, event.Deferred), w.Verdict(e, w.A, old.Deliveries[1].ID, event.Delivered))
	w.Clock.Advance(time.Hour)
	news := w.Draft(w.B, numbered(98)...)
	news.Message.Stream = tenant.Newsletter
	w.Accept(news)
	w.Clock.Advance(time.Minute)
	site := func(domain string) string { return map[string]string{"example.net": "mx.example.net"}[domain] }
	book := queue.NewAgeBook(w.Store, site, w.Clock.Now)
	a, err := book.Ages(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	hour := time.Hour + time.Minute
	equal(t, "all", a.All, queue.AgeLine{Count: 100, Oldest: began, P50: time.Minute, P95: time.Minute})
	same(t, "states", a.By[queue.ByState], []queue.AgeLine{
		{Name: "queued", Count: 98, Oldest: began.Add(time.Hour), P50: time.Minute, P95: time.Minute},
		{Name: "deferred", Count: 1, Oldest: began, P50: hour, P95: hour}, {Name: "held", Count: 1, Oldest: began, P50: hour, P95: hour}}, nil)
	same(t, "tenants", a.By[queue.ByTenant], []queue.AgeLine{
		{Name: "b", Tenant: w.B, Count: 98, Oldest: began.Add(time.Hour), P50: time.Minute, P95: time.Minute},
		{Name: "a", Tenant: w.A, Count: 2, Oldest: began, P50: hour, P95: hour}}, nil)
	same(t, "domains", a.By[queue.ByDomain], []queue.AgeLine{
		{Name: "example.net", Count: 99, Oldest: began, P50: time.Minute, P95: time.Minute},
		{Name: "example.org", Count: 1, Oldest: began, P50: hour, P95: hour}}, nil)
	equal(t, "streams", len(a.By[queue.ByStream]), 2)
	equal(t, "site", a.By[queue.BySite][0].Name, "mx.example.net")
	equal(t, "sampled", a.Sampled, false)
	w.Accept(w.Draft(w.A, "4@example.net"))
	if again, err := book.Ages(context.Background()); err != nil || again.All.Count != 100 {
		t.Errorf("looked again at once: %d, %v", again.All.Count, err)
	}
	w.Clock.Advance(10 * time.Second)
	if later, err := book.Ages(context.Background()); err != nil || later.All.Count != 101 {
		t.Errorf("later: %d, %v", later.All.Count, err)
	}
}
