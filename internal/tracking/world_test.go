package tracking_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
)

func start() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) }

// world is the room over a store in memory.
type world struct {
	*testing.T
	store   *memory
	decider *tracking.Decider
	tokens  *tracking.Tokens
	weaver  *tracking.Weaver
	visits  *tracking.Visits
	hub     *tracking.Hub
	tenant  tenant.ID
	now     time.Time
}

const public = "https://mail.example"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, store: newMemory(), hub: tracking.NewHub(), tenant: id.New[tenant.Kind](start()), now: start()}
	now := func() time.Time { return w.now }
	w.decider = tracking.NewDecider(tracking.DeciderConfig{Store: w.store, Now: now})
	var err error
	if w.tokens, err = tracking.NewTokens([]byte(strings.Repeat("k", 32))); err != nil {
		t.Fatal(err)
	}
	rules, err := tracking.LoadRules()
	if err != nil {
		t.Fatal(err)
	}
	w.weaver = tracking.NewWeaver(tracking.WeaverConfig{Decider: w.decider, Tokens: w.tokens, PublicURL: public})
	recorder := tracking.NewRecorder(tracking.RecorderConfig{Store: w.store, Decider: w.decider, Hub: w.hub, Now: now})
	w.visits = tracking.NewVisits(tracking.VisitsConfig{Store: w.store, Recorder: recorder, Rules: rules, Tokens: w.tokens, Now: now})
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// allow lets the tenant track on a basis.
func (w *world) allow(l tracking.Level, b tracking.Basis) {
	w.Helper()
	w.must(w.decider.Set(w.Context(), tracking.Setting{Tenant: w.tenant, Level: l, Basis: b, Justification: "Provisionsnachweis", By: "usr_1", At: w.now}))
}

func (w *world) say(address string, s tracking.State) {
	w.Helper()
	w.must(w.decider.Hear(w.Context(), tracking.Consent{Tenant: w.tenant, Address: mail(address), State: s, At: w.now, Actor: "recipient"}))
}

func mail(text string) message.Address {
	local, domain, _ := strings.Cut(text, "@")
	return message.Address{Local: local, Domain: domain}
}

func mails(list ...string) []message.Address {
	all := make([]message.Address, len(list))
	for i, text := range list {
		all[i] = mail(text)
	}
	return all
}

// send weaves a mail and stores what acceptance would, taken by its server a minute ago.
func (w *world) send(body string, to ...string) (string, *tracking.Tracked) {
	w.Helper()
	w.now = w.now.Add(time.Millisecond)
	m := tracking.Mail{Tenant: w.tenant, Message: message.NewID(w.now), Stream: tenant.Transactional, Sender: "usr_1", SignDomain: "a.example",
		Recipients: mails(to...), Body: []byte(body)}
	out, kept, err := w.weaver.Weave(w.Context(), m)
	w.must(err)
	if kept != nil {
		w.store.tracked[m.Message] = *kept
		for i, a := range m.Recipients {
			w.store.recipients[m.Message] = append(w.store.recipients[m.Message],
				tracking.Recipient{Delivery: message.Delivery(m.Message, i+1), Address: a, DeliveredAt: w.now})
		}
	}
	w.now = w.now.Add(time.Minute)
	return string(out), kept
}

// person is a browser.
func person() tracking.Visitor {
	return tracking.Visitor{IP: netip.MustParseAddr("192.0.2.77"), Language: true,
		UserAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"}
}

// memory is a store as storetest asks for, so far as these tests need one.
type memory struct {
	mu         sync.Mutex
	settings   []tracking.Setting
	streams    map[tenant.Stream]tracking.StreamLevel
	said       map[string]tracking.Consent
	asked      int
	tracked    map[message.ID]tracking.Tracked
	recipients map[message.ID][]tracking.Recipient
	hits       []tracking.Activity
}

func newMemory() *memory {
	return &memory{streams: map[tenant.Stream]tracking.StreamLevel{}, said: map[string]tracking.Consent{}, tracked: map[message.ID]tracking.Tracked{},
		recipients: map[message.ID][]tracking.Recipient{}}
}

func (m *memory) TrackingSetting(_ context.Context, t tenant.ID) (tracking.Setting, error) {
	if len(m.settings) == 0 {
		return tracking.DefaultSetting(t), nil
	}
	return m.settings[len(m.settings)-1], nil
}

func (m *memory) TrackingSettings(context.Context, tenant.ID, int) ([]tracking.Setting, error) {
	return m.settings, nil
}

func (m *memory) PutTrackingSetting(_ context.Context, s tracking.Setting) error {
	m.settings = append(m.settings, s)
	return nil
}

func (m *memory) TrackingStreams(context.Context, tenant.ID) (list []tracking.StreamLevel, _ error) {
	for _, l := range m.streams {
		list = append(list, l)
	}
	return list, nil
}

func (m *memory) PutTrackingStream(_ context.Context, _ tenant.ID, l tracking.StreamLevel) error {
	m.streams[l.Stream] = l
	return nil
}

func (m *memory) TrackingConsents(_ context.Context, _ tenant.ID, of []message.Address) (map[string]tracking.Consent, error) {
	m.asked++
	known := map[string]tracking.Consent{}
	for _, a := range of {
		if c, ok := m.said[audience.Canonical(a)]; ok {
			known[audience.Canonical(a)] = c
		}
	}
	return known, nil
}

func (m *memory) PutTrackingConsent(_ context.Context, c tracking.Consent) error {
	m.said[audience.Canonical(c.Address)] = c
	return nil
}

func (m *memory) TrackingConsentHistory(context.Context, tenant.ID, message.Address) ([]tracking.Consent, error) {
	return nil, nil
}

func (m *memory) Trail(ctx context.Context, t tenant.ID, of message.ID) (tracking.Tracked, []tracking.Recipient, error) {
	v, err := m.Tracked(ctx, t, of)
	if err != nil {
		return v, nil, err
	}
	to, err := m.Recipients(ctx, t, of)
	return v, to, err
}

func (m *memory) Tracked(_ context.Context, t tenant.ID, of message.ID) (tracking.Tracked, error) {
	v, ok := m.tracked[of]
	if !ok || v.Tenant != t {
		return v, fault.New(fault.NotFound, "message_untracked", "")
	}
	return v, nil
}

func (m *memory) Recipients(_ context.Context, _ tenant.ID, of message.ID) ([]tracking.Recipient, error) {
	return m.recipients[of], nil
}

func (m *memory) NoteActivity(ctx context.Context, h *tracking.Hit, decided func(bool)) error {
	kept, err := m.AddActivities(ctx, []tracking.Hit{*h})
	if err == nil {
		decided(kept[0])
	}
	return err
}

func (m *memory) AddActivities(_ context.Context, list []tracking.Hit) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := make([]bool, len(list))
	for i, h := range list {
		_, there := m.tracked[h.Activity.Message]
		kept[i] = there || !h.Tracked
		for _, a := range h.Recipients {
			s := m.said[audience.Canonical(a)].State
			kept[i] = kept[i] && s != tracking.StateWithdrawn && (!h.Granted || s == tracking.StateGranted)
		}
		if kept[i] {
			m.hits = append(m.hits, h.Activity)
		}
	}
	return kept, nil
}

func (m *memory) ActivityBurst(_ context.Context, _ tenant.ID, of message.ID, offer string, burst int64, since time.Time) (list []tracking.Activity, _ error) {
	for _, a := range m.hits {
		if (offer != "" && a.Offer == offer || offer == "" && a.Message == of) && a.Burst == burst && !a.At.Before(since) {
			list = append(list, a)
		}
	}
	return list, nil
}

func (m *memory) Rerate(_ context.Context, _ tenant.ID, of map[tracking.ActivityID]tracking.Machine) error {
	for i, a := range m.hits {
		if v, ok := of[a.ID]; ok {
			m.hits[i].Machine = v
		}
	}
	return nil
}

func (m *memory) Outdated(_ context.Context, _ tenant.ID, rules int, after tracking.ActivityID, limit int) (list []tracking.Activity, _ error) {
	for _, a := range m.hits {
		if a.Machine.Rules < rules && slices.Compare(a.ID[:], after[:]) > 0 && len(list) < limit {
			list = append(list, a)
		}
	}
	return list, nil
}

func (m *memory) Activities(context.Context, tenant.ID, tracking.Query) ([]tracking.Activity, bool, error) {
	return m.hits, false, nil
}

func (m *memory) Activity(context.Context, tenant.ID, tracking.ActivityID) (tracking.Activity, error) {
	return tracking.Activity{}, fault.New(fault.NotFound, "activity_unknown", "")
}

func (m *memory) ActivityCounts(context.Context, tenant.ID, message.ID) (tracking.Counts, error) {
	return tracking.Counts{}, nil
}

func (m *memory) FoldActivities(context.Context, tenant.ID, time.Time, int) (int, error) {
	return 0, nil
}
