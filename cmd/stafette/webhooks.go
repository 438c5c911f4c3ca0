package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"stafette/internal/blitz"
	"stafette/internal/egress"
	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/tenant"
	"stafette/internal/webhook"
)

// newWebhooks makes the room that tells programs of tenants.
func (p *platform) newWebhooks() (*webhook.Service, error) {
	c := p.config
	port := uint16(c.Outbound.HTTPSPort)
	client := webhook.ClientConfig{Resolver: p.resolver, Port: port, Dial: p.guard.Web(port).Dialer(egress.Source{}, false)}
	if c.Egress.LoopbackOnly {
		// Nothing leaves this machine, so what listens on it may be called on any port.
		client.Loopback, client.Dial = true, p.guard.Dialer(egress.Source{}, true)
	}
	return webhook.New(webhook.Config{
		Store: p.store, Client: webhook.NewClient(client), Keeper: p.keeper, GaveUp: p.tellWebhook, Now: p.store.Now, Log: p.log,
		Types: blitz.Types(), Describers: map[webhook.Origin]webhook.Describer{blitz.OfActivity: blitz.Describer{Reader: p.store}},
	})
}

// tellWebhook writes to the owners of a tenant whose endpoint was turned off, once.
func (p *platform) tellWebhook(ctx context.Context, e webhook.Endpoint) error {
	if !p.notices.On() {
		return nil
	}
	t, err := p.store.Tenant(ctx, e.Tenant)
	if err != nil {
		return err
	}
	owners, err := p.store.Owners(ctx, e.Tenant)
	if err != nil {
		return err
	}
	host := p.webhookHost(e)
	var errs []error
	for _, u := range owners {
		to, err := message.ParseAddress(u.Email)
		if err == nil {
			err = p.notices.Send(ctx, webhookLetter(t, u, to, e, host))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("write to %s: %w", u.ID, err))
		}
	}
	return errors.Join(errs...)
}

// webhookHost is as much of an address as may stand in a mail: the rest may be a secret.
func (p *platform) webhookHost(e webhook.Endpoint) string {
	target, err := p.webhooks.Target(e)
	if err != nil {
		return ""
	}
	u, err := url.Parse(target.URL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func webhookLetter(t tenant.Tenant, u tenant.User, to message.Address, e webhook.Endpoint, host string) notice.Letter {
	lang := i18n.Lang(u.Locale)
	if !lang.Valid() {
		lang = i18n.Lang(t.Locale)
	}
	name := e.Name
	if name == "" {
		name = host
	}
	return notice.Letter{
		Tenant: t.ID, To: to, Lang: lang, Formal: t.OfficeTone != tenant.Du, Kind: "webhook_failing",
		Args: map[string]string{"name": name, "host": host}, Link: "/webhooks/" + e.ID.String(),
		Key: fmt.Sprintf("webhook/%s/%d/%s", e.ID, e.OffAt.UnixMilli(), u.ID),
	}
}

// deadWebhooks has to do where an endpoint was turned off because it did not answer.
type deadWebhooks struct{ store webhook.Store }

// Todos implements insight.TodoSource.
func (d deadWebhooks) Todos(ctx context.Context, t tenant.ID, _ time.Time) ([]insight.Todo, error) {
	list, err := d.store.Webhooks(ctx, t)
	if err != nil {
		return nil, err
	}
	var todos []insight.Todo
	for _, e := range list {
		if e.State != webhook.Failing {
			continue
		}
		name := e.Name
		if name == "" {
			name = e.ID.String()
		}
		todos = append(todos, insight.Todo{
			Key: fmt.Sprintf("webhook/%s/%d", e.ID, e.OffAt.UnixMilli()), Kind: "webhook_failing", Args: i18n.Args{"name": name, "since": e.FailingSince},
			Mark: "bounced", Link: "/webhooks/" + e.ID.String(), Since: e.OffAt, Optional: true, Needs: tenant.KeysManage,
		})
	}
	return todos, nil
}
