// Package demo is a small world to show Stafette in: a name server, mailbox
// providers that answer as the real ones do, a page to read the mailboxes, and three
// sample businesses with mail to send.
//
// It stands above all rooms and is imported by the demo command and tests alone.
// Mail is read, too: by a person at the mailbox page, and by those who fetch pictures and
// follow links by themselves (Gmail's proxy, Apple's prefetch, a gateway).
//
// It starts no platform: the command does, gives it the world's name server and
// port, and lets Seed send the first mail through the ordinary entrance. Everything
// listens on loopback and nothing is dialled but the world's own name server and, where
// mail is read, addresses of this machine.
package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// Options of a World. The zero value is useful.
type Options struct {
	// Mailbox is where the mailbox page listens, a loopback host:port; "" takes a
	// free port on 127.0.0.1.
	Mailbox string
	// Strangers are our source addresses that the T-Online of this world does not
	// know: it refuses them at the greeting.
	Strangers []netip.Addr
	// Admitted are our source addresses that the estate agents' own servers know from the
	// start. One of them refuses mail from all others, one takes its XML files out.
	Admitted []netip.Addr
	// PerMinute is how many recipients the GMX of this world takes in a minute
	// from one address; 0 is 20.
	PerMinute int
	// Greylist is how long the greylister lets a stranger wait; 0 is 5 s.
	Greylist time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log takes what goes wrong; nil discards it.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Mailbox == "" {
		o.Mailbox = "127.0.0.1:0"
	}
	if o.PerMinute == 0 {
		o.PerMinute = 20
	}
	if o.Greylist == 0 {
		o.Greylist = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// World is a running demo world. Its methods are safe for concurrent use.
type World struct {
	zone  *zone
	post  *postOffice
	page  *page
	boxes *boxes

	close func() error
}

// Start brings the world up; ctx bounds only the start. Close ends it.
func Start(ctx context.Context, o Options) (*World, error) {
	o = o.withDefaults()
	at, err := netip.ParseAddrPort(o.Mailbox)
	if err != nil || !at.Addr().IsLoopback() {
		return nil, fmt.Errorf("start demo world: mailbox page must listen on a loopback address, not %q", o.Mailbox)
	}
	w := &World{boxes: newBoxes(maxMails, maxBytes)}
	var closers []func() error
	w.close = sync.OnceValue(func() error {
		var errs []error
		for _, c := range closers {
			errs = append(errs, c())
		}
		return errors.Join(errs...)
	})
	if w.zone, err = startZone(ctx); err != nil {
		return nil, fmt.Errorf("start demo world: %w", err)
	}
	closers = append(closers, w.zone.close)
	if w.post, err = openPostOffice(ctx, w.boxes, o); err != nil {
		return nil, fmt.Errorf("start demo world: %w", errors.Join(err, w.close()))
	}
	closers = append(closers, w.post.close)
	if w.page, err = openPage(ctx, w.boxes, w.zone, w.post.providers, w.post.readers, o); err != nil {
		return nil, fmt.Errorf("start demo world: %w", errors.Join(err, w.close()))
	}
	closers = append(closers, w.page.close)
	for _, p := range w.post.providers {
		w.zone.set(p.domain, "MX 10 "+p.host+".")
		w.zone.set(p.host, "A "+p.addr.String())
	}
	w.zone.set(typoDomain, "MX 0 .")
	w.zone.set(returnDomain, "MX 10 "+returnHost+".", `TXT "v=spf1 ip4:127.0.0.0/8 -all"`)
	w.zone.set(returnHost, "A "+returnAddr().String())
	for _, b := range append(Businesses(), office()) {
		// Their people read mail at Posteo.
		w.zone.set(b.Domain, "A 127.0.0.1", "MX 10 mx02.posteo.example.", `TXT "v=spf1 ip4:127.0.0.0/8 -all"`)
		w.zone.set("_dmarc."+b.Domain, `TXT "v=DMARC1; p=reject"`)
	}
	return w, nil
}

// Resolver is the address of the world's name server, host:port.
func (w *World) Resolver() string { return w.zone.addr }

// MXPort is the port all mail servers of this world listen on.
func (w *World) MXPort() int { return w.post.port }

// ReturnDomain is the platform's domain for return mail in this world.
func (w *World) ReturnDomain() string { return returnDomain }

// ReturnDoor is where the platform must take return mail, host:port.
func (w *World) ReturnDoor() string { return w.post.back.door }

// MailboxURL is where a person reads the mailboxes.
func (w *World) MailboxURL() string { return w.page.url }

// Publish adds a TXT record, such as a DKIM key, to the world's names.
func (w *World) Publish(name, value string) { w.zone.add(name, value) }

// Close ends the world. Further calls return what the first one did.
func (w *World) Close() error { return w.close() }
