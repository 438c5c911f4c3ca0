package webtest

import (
	"bytes"
	"context"
	"time"

	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/webhooks"
	"stafette/internal/webhook"
	"stafette/internal/webhook/webhooktest"
)

// hooks is the real service over endpoints in memory, with a healthy and a failing one of
// World.Tenant and one of World.Other.
type hooks struct {
	*webhook.Service
	own, failing, foreign webhook.ID
}

func webhooksSubject() Subject {
	at := func(which func(*hooks) webhook.ID) func(*World) map[string]string {
		return func(w *World) map[string]string {
			return map[string]string{"/webhooks/{webhook}": "/webhooks/" + which(w.webhooks()).String()}
		}
	}
	return Subject{
		Wire:    func(w *World, c *web.Config) { c.Webhooks = webhooks.Config{Hooks: w.webhooks()} },
		Own:     at(func(h *hooks) webhook.ID { return h.own }),
		Foreign: at(func(h *hooks) webhook.ID { return h.foreign }),
		Pages: func(w *World) []string {
			h := w.webhooks()
			return []string{"/webhooks?q=nichts", "/webhooks?done=removed", "/webhooks/" + h.failing.String(), "/webhooks/" + h.own.String() + "?state=given_up&done=repeated"}
		},
	}
}

func (w *World) webhooks() *hooks {
	w.hooked.Do(func() {
		keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
		if err != nil {
			panic(err) // the size is right
		}
		store := &webhooktest.Store{}
		s, err := webhook.New(webhook.Config{Store: store, Client: webhook.NewClient(webhook.ClientConfig{}), Keeper: keeper, Now: w.Now})
		if err != nil {
			panic(err) // nothing is missing
		}
		ctx := context.Background()
		add := func(t tenant.ID, name string, types ...string) webhook.Endpoint {
			e, _, err := s.Add(ctx, t, webhook.Wish{Name: name, URL: "https://crm.example/hook?name=" + name, Types: types}, w.users[Owner].ID.String())
			if err != nil {
				panic(err) // it is in memory
			}
			return e
		}
		own, failing, foreign := add(w.Tenant.ID, "CRM", "message.delivered"), add(w.Tenant.ID, ""), add(w.Other.ID, "ERP")
		failing.State, failing.FailingSince, failing.OffAt = webhook.Failing, w.Now().Add(-80*time.Hour), w.Now()
		_ = store.ChangeWebhook(ctx, failing)
		for i, state := range []webhook.CallState{webhook.Told, webhook.GivenUp, webhook.Void, webhook.Due} {
			at := w.Now().Add(-time.Duration(i) * time.Hour)
			c := webhook.Call{Tenant: w.Tenant.ID, Endpoint: own.ID, ID: id.New[webhook.CallKind](at), Type: "message.delivered", Origin: webhook.OfEvent,
				Message: id.New[message.Kind](at), At: at, State: state, Attempts: 2, TriedAt: at, Code: 204, Took: 80 * time.Millisecond}
			if state != webhook.Told {
				c.Code, c.Failure = 0, webhook.TooSlow
			}
			if state == webhook.Due {
				c.DueAt = at.Add(5 * time.Hour)
			}
			_ = store.AddCalls(ctx, []webhook.Call{c})
		}
		w.hookService = &hooks{s, own.ID, failing.ID, foreign.ID}
	})
	return w.hookService
}
