package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stafette/internal/control"
	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/message"
	"stafette/internal/queue"
)

func (c Config) controlSocket() string { return filepath.Join(c.DataDir, control.SocketName) }

// serveControl answers the command line until ctx ends. Mail goes on without it.
func (p *platform) serveControl(ctx context.Context) {
	l, err := control.Listen(ctx, p.config.controlSocket())
	if err != nil {
		p.log.Warn("no control socket: 'stafette lanes' will not work", "err", err)
		return
	}
	level := p.level
	if level == nil {
		level = &slog.LevelVar{}
	}
	server := newHTTPServer(control.Handler(control.Config{
		Engine: p.engine, Find: p.findWaiting, Orders: p.orders.Now, Nodes: p.store.Nodes, Reload: p.reload, Level: level, Log: p.log,
		Trace: p.trace, Ages: p.ages.Ages,
	}), p.log)
	done := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer done()
	if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
		p.log.Warn("control socket closed", "err", err)
	}
}

// findWaiting finds a delivery in the queue.
func (b *base) findWaiting(ctx context.Context, d message.DeliveryID) (queue.Listed, error) {
	list, err := b.store.List(ctx, queue.Selection{Platform: true, Delivery: d, Limit: 1})
	switch {
	case err != nil:
		return queue.Listed{}, err
	case len(list) == 0:
		return queue.Listed{}, fault.New(fault.NotFound, "delivery_not_found", "The delivery does not wait: it is over, or there is none of this name.")
	}
	return list[0], nil
}

// ask asks the process that runs on the configured data directory.
func (con *console) ask(ctx context.Context, method, path string, params url.Values, v any) error {
	c, err := con.load()
	if err != nil {
		return err
	}
	return control.NewClient(c.controlSocket()).Ask(ctx, method, path, params, v)
}

type lanesCmd struct {
	Sort   string `enum:"site,depth,connections,rest" default:"site" help:"site, depth, connections or rest."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Run shows the lanes of the running process.
func (c lanesCmd) Run(ctx context.Context, con *console) error {
	var list []egress.LaneState
	if err := con.ask(ctx, http.MethodGet, "/lanes", nil, &list); err != nil {
		return err
	}
	slices.SortStableFunc(list, func(a, b egress.LaneState) int {
		switch c.Sort {
		case "depth":
			return cmp.Compare(b.Depth, a.Depth)
		case "connections":
			return cmp.Compare(b.Connections, a.Connections)
		case "rest":
			return b.RestsUntil.Compare(a.RestsUntil)
		}
		return 0
	})
	if c.Output == "json" {
		return json.NewEncoder(con.stdout).Encode(list)
	}
	t := tabwriter.NewWriter(con.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "SITE\tSOURCE\tDEPTH\tCONNECTIONS\tRESTS UNTIL\tNEXT AT\tLAST REPLY")
	for _, l := range list {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d/%d\t%s\t%s\t%s\n", l.Site, l.Source, l.Depth, l.Connections, l.Limit, clock(l.RestsUntil), clock(l.NextAt), l.LastReply)
	}
	return t.Flush()
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

type controlCmd struct {
	Nodes  controlNodesCmd  `cmd:"" help:"List the processes on the database."`
	Orders controlOrdersCmd `cmd:"" help:"List the orders this process knows to be in force."`
	Level  controlLevelCmd  `cmd:"" help:"Change how much is logged, until the next start."`
	Reload controlReloadCmd `cmd:"" help:"Read the shaping file anew."`
}

type controlNodesCmd struct{}

// Run lists nodes.
func (controlNodesCmd) Run(ctx context.Context, con *console) error {
	var list []queue.Node
	if err := con.ask(ctx, http.MethodGet, "/nodes", nil, &list); err != nil {
		return err
	}
	for _, n := range list {
		fmt.Fprintf(con.stdout, "%s epoch %d alive %t\n", n.Name, n.Epoch, n.Alive)
	}
	return nil
}

type controlOrdersCmd struct{}

// Run lists orders.
func (controlOrdersCmd) Run(ctx context.Context, con *console) error {
	var list []json.RawMessage
	if err := con.ask(ctx, http.MethodGet, "/orders", nil, &list); err != nil {
		return err
	}
	for _, o := range list {
		fmt.Fprintln(con.stdout, string(o))
	}
	return nil
}

type controlLevelCmd struct {
	Level string `arg:"" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
}

// Run changes the log level.
func (c controlLevelCmd) Run(ctx context.Context, con *console) error {
	return con.ask(ctx, http.MethodPost, "/log-level", url.Values{"level": {c.Level}}, nil)
}

type controlReloadCmd struct{}

// Run reads the shaping file anew.
func (controlReloadCmd) Run(ctx context.Context, con *console) error {
	return con.ask(ctx, http.MethodPost, "/reload", nil, nil)
}

// watchControl counts lanes and orders for machines that watch. Neither is told apart
// by name: sites are as many as the world has.
func (p *platform) watchControl() {
	gauge := func(subsystem, name, help string, value func() float64) {
		p.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "stafette", Subsystem: subsystem, Name: name, Help: help}, value))
	}
	gauge("delivery", "lanes", "Lanes this node knows.", func() float64 { return float64(len(p.engine.Lanes())) })
	gauge("delivery", "lanes_resting", "Lanes that rest after failures or are suspended by a rule.", func() float64 {
		n := 0
		for _, l := range p.engine.Lanes() {
			if !l.RestsUntil.IsZero() {
				n++
			}
		}
		return float64(n)
	})
	for _, c := range []queue.Command{queue.Suspend, queue.Reroute} {
		gauge("queue", "orders_"+string(c), "Orders in force, by command.", func() float64 {
			n := 0
			for _, o := range p.orders.Now() {
				if o.Command == c {
					n++
				}
			}
			return float64(n)
		})
	}
}
