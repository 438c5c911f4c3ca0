package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"stafette/internal/public/tracked"
	"stafette/internal/public/turnstile"
)

type serveCmd struct{}

// Run serves until it is told to stop, then lets transactions in flight finish.
func (serveCmd) Run(ctx context.Context, con *console) error {
	c, err := con.load()
	if err != nil {
		return err
	}
	log := con.logger(c.Log)
	p, err := openPlatform(ctx, c, log)
	if err != nil {
		return err
	}
	p.level = &con.level
	err = p.run(ctx, func() {})
	return errors.Join(err, p.close())
}

// doorGrace is how long requests under way may take at a stop.
const doorGrace = 10 * time.Second

// headTimeout is how long the head of a request may take, idleTimeout how long a
// connection may wait for the next one.
const (
	headTimeout = 10 * time.Second
	idleTimeout = 2 * time.Minute
)

// run serves until ctx ends; opened is called when mail can come in. Something fatal
// ends it at once, without the order of a stop: nothing can be written down any more,
// and each further moment would send mail whose delivery will be forgotten.
func (p *platform) run(ctx context.Context, opened func()) error {
	over := make(chan error, 1)
	go func() { over <- p.serve(ctx, opened) }()
	select {
	case err := <-p.fatal:
		return err
	case err := <-over:
		return err
	}
}

// serve opens the doors, delivers, and returns when ctx ends or a room fails. The
// order of the end is: doors shut, deliveries finished, verdicts durable.
func (p *platform) serve(ctx context.Context, opened func()) error {
	if err := p.audience.Start(ctx); err != nil {
		return err
	}
	if err := p.runner.Start(ctx); err != nil {
		return err
	}
	open, err := p.listen(ctx)
	if err != nil {
		return errors.Join(err, p.runner.Run(ended(ctx)))
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)

	engineCtx, stopEngine := context.WithCancel(context.WithoutCancel(ctx))
	defer stopEngine()
	engine := make(chan error, 1)
	go func() {
		err := p.engine.Run(engineCtx)
		if err != nil {
			fail(err)
		}
		engine <- err
	}()
	house := make(chan struct{})
	// Until the last delivery is done: what others suppress meanwhile holds for it too.
	go p.audience.Run(engineCtx)
	go func() {
		defer close(house)
		var work sync.WaitGroup
		work.Go(func() { p.keepHouse(ctx) })
		work.Go(func() { p.reporter.Run(ctx) })
		work.Go(func() { p.notices.Run(ctx) })
		work.Go(func() { p.accounts.Run(ctx) })
		work.Go(func() { p.returns.run(ctx) })
		work.Go(func() { p.lists.Run(ctx) })
		work.Go(func() { p.intake.Run(ctx) })
		work.Go(func() { p.privacy.Run(ctx) })
		work.Go(func() { p.published.Run(ctx) })
		work.Go(func() { p.announcer.Run(ctx) })
		work.Go(func() { p.webhooks.Run(ctx) })
		work.Go(func() { p.tellActivities(ctx) })
		work.Wait()
	}()
	// The keeper saves the last counts: it ends after the engine.
	keepCtx, stopKeeper := context.WithCancel(context.WithoutCancel(ctx))
	defer stopKeeper()
	keeper := make(chan struct{})
	go func() {
		defer close(keeper)
		p.steward.Run(keepCtx)
	}()
	go p.reshape(ctx)
	control := make(chan struct{})
	go func() { defer close(control); p.serveControl(ctx) }()

	opened()
	err = p.serveDoors(ctx, open)
	stopEngine()
	engineErr := <-engine
	stopKeeper()
	<-keeper
	fail(nil) // a door that failed ends the house too
	<-house
	<-control
	p.lastCount(ctx)
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = errors.Join(err, cause)
	}
	return errors.Join(err, engineErr)
}

// lastCount keeps what the last sessions came to. What takes longer is lost: a few
// counts of a statistic.
func (p *platform) lastCount(ctx context.Context) {
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := p.policies.Flush(stop); err != nil {
		p.log.Warn("sessions not counted", "err", err)
	}
}

// ended returns a context that is over, to run an orderly end at once.
func ended(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	cancel()
	return ctx
}

// doors are the listeners of one process; nil where switched off.
type doors struct {
	http, ops, submission, submissionTLS, returns net.Listener
}

func (p *platform) listen(ctx context.Context) (d doors, err error) {
	var lc net.ListenConfig
	for _, want := range []struct {
		name, address string
		into          *net.Listener
	}{
		{"http", p.config.HTTP.Listen, &d.http},
		{"ops", p.config.Ops.Listen, &d.ops},
		{"submission", p.config.Submission.Listen, &d.submission},
		{"submission (TLS)", p.config.Submission.ListenTLS, &d.submissionTLS},
		{"return mail", p.config.ReturnMail.Listen, &d.returns},
	} {
		if want.address == "" {
			continue
		}
		if *want.into, err = lc.Listen(ctx, "tcp", want.address); err != nil {
			d.close()
			return d, fmt.Errorf("open %s door: %w", want.name, err)
		}
		p.log.Info("door is open", "door", want.name, "address", (*want.into).Addr().String())
	}
	return d, nil
}

func (d doors) close() {
	for _, l := range []net.Listener{d.http, d.ops, d.submission, d.submissionTLS, d.returns} {
		if l != nil {
			_ = l.Close() // nobody has come in yet
		}
	}
}

// serveDoors serves until ctx ends or a door fails, then shuts all of them.
func (p *platform) serveDoors(ctx context.Context, d doors) error {
	group, ctx := errgroup.WithContext(ctx)
	public := newHTTPServer(p.handler, p.log)
	public.RegisterOnShutdown(func() { // live pages would hold the door open
		p.hub.Close()
		p.tracking.hub.Close()
		close(p.stopping)
	})
	hits := p.turnstile(ctx, d.http)
	ops := newHTTPServer(opsHandler(p.metrics, []readiness{{"storage", p.store.Ready}}), p.log)
	if d.http != nil {
		group.Go(func() error { //nolint:contextcheck // a handshake has its own context
			if p.config.HTTP.TLS {
				public.TLSConfig = p.webTLS()
				return served("http", public.ServeTLS(d.http, "", ""))
			}
			return served("http", public.Serve(hits))
		})
	}
	if d.ops != nil {
		group.Go(func() error { return served("ops", ops.Serve(d.ops)) })
	}
	if d.submission != nil {
		group.Go(func() error { return p.submission.ServeSTARTTLS(d.submission) })
	}
	if d.submissionTLS != nil {
		group.Go(func() error { return p.submission.ServeTLS(d.submissionTLS) })
	}
	if d.returns != nil {
		group.Go(func() error { return p.returns.door.Serve(d.returns) })
	}
	group.Go(func() error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), doorGrace)
		defer cancel()
		return errors.Join(shut(public.Shutdown(stop), public.Close), shutHits(stop, hits), p.submission.Shutdown(stop), p.returns.door.Shutdown(stop), ops.Shutdown(stop))
	})
	return group.Wait()
}

// turnstile serves hits before they come to the server of everything else; nil where the
// door is closed, or speaks TLS, whose requests only that server sees.
func (p *platform) turnstile(ctx context.Context, l net.Listener) *turnstile.Turnstile {
	if l == nil || p.config.HTTP.TLS {
		return nil
	}
	return turnstile.New(context.WithoutCancel(ctx), l, turnstile.Config{
		Serves:  func(host, path string) bool { return tracked.Serves(path) && !p.isPreview(host) },
		Handler: p.handler, First: headTimeout, Idle: idleTimeout, Now: time.Now, Log: p.log,
	})
}

// shutHits lets the turnstile end; nil has ended.
func shutHits(ctx context.Context, t *turnstile.Turnstile) error {
	if t == nil {
		return nil
	}
	return t.Shutdown(ctx)
}

// served translates the orderly end of a server to no error.
func served(door string, err error) error {
	if err == nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", door, err)
}

// shut ends by force what would not end by itself within the grace.
func shut(err error, force func() error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return force()
	}
	return err
}

// newHTTPServer bounds how long a client may take over its request (T41). Live
// pages write for longer, so there is no limit on the answer.
func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headTimeout,
		ReadTimeout:       5 * time.Minute,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
