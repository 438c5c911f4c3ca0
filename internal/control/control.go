// Package control is the operator's door: HTTP and JSON over a Unix socket in the data
// directory, for the command line on the same machine. Who may open the file may use
// it; nothing of it is reachable over the network.
//
// It is a door (floor 4). It asks the rooms of the running process what only they know:
// lanes, what mail waits for, orders as this node knows them. It changes nothing about
// mail (package queue does, over the database) and shows no content of any.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"stafette/internal/delivery"
	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/tenant"
	"stafette/internal/trace"
)

// SocketName is the socket's file in the data directory.
const SocketName = "control.sock"

// Engine is what is asked of the delivery engine; *delivery.Engine is one.
type Engine interface {
	Lanes() []egress.LaneState
	Explain(ctx context.Context, q delivery.Question) egress.Explanation
}

// Config of a Server. Fields without a default are needed.
type Config struct {
	Engine Engine
	// Find returns a delivery that waits; NotFound if none does.
	Find func(ctx context.Context, d message.DeliveryID) (queue.Listed, error)
	// Orders are those this node knows to be in force.
	Orders func() []queue.Order
	// Nodes lists the processes on the database.
	Nodes func(ctx context.Context) ([]queue.Node, error)
	// Reload reads the files anew that can be read while the process runs.
	Reload func() error
	// Trace lets people watch what is said with receiving servers.
	Trace *trace.Tracer
	// Ages tells how long mail has waited.
	Ages  func(ctx context.Context) (queue.Ages, error)
	Level *slog.LevelVar // of the log
	Log   *slog.Logger   // nil: discard
}

// Handler answers on the socket; Listen opens one.
func Handler(c Config) http.Handler {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	handle := func(pattern string, serve func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { answer(w, r, serve, c.Log) })
	}
	handle("GET /lanes", func(*http.Request) (any, error) { return c.Engine.Lanes(), nil })
	handle("GET /explain", c.explain)
	handle("GET /orders", func(*http.Request) (any, error) { return c.Orders(), nil })
	handle("GET /nodes", func(r *http.Request) (any, error) { return c.Nodes(r.Context()) })
	handle("GET /ages", func(r *http.Request) (any, error) { return c.Ages(r.Context()) })
	mux.HandleFunc("GET /trace", c.watch)
	handle("POST /reload", func(*http.Request) (any, error) { return struct{}{}, c.Reload() })
	handle("POST /log-level", func(r *http.Request) (any, error) {
		if err := c.Level.UnmarshalText([]byte(r.FormValue("level"))); err != nil {
			return nil, fault.Field("level", "level_unknown", "The levels are debug, info, warn and error.")
		}
		c.Log.Warn("log level changed", "level", c.Level.Level().String())
		return struct{}{}, nil
	})
	return mux
}

// explain says what a domain's mail, or one delivery, waits for.
func (c Config) explain(r *http.Request) (any, error) {
	q := delivery.Question{Domain: r.FormValue("domain"), Stream: tenant.Stream(r.FormValue("stream"))}
	var err error
	if text := r.FormValue("tenant"); text != "" {
		if q.Tenant, err = id.Parse[tenant.Kind](text); err != nil {
			return nil, fault.Field("tenant", "id_malformed", "The value is not a tenant's identifier.")
		}
	}
	var waits *queue.Listed
	if text := r.FormValue("delivery"); text != "" {
		if q.Delivery, err = id.Parse[message.DeliveryKind](text); err != nil {
			return nil, fault.Field("delivery", "id_malformed", "The value is not a delivery's identifier.")
		}
		l, err := c.Find(r.Context(), q.Delivery)
		if err != nil {
			return nil, err
		}
		waits, q.Domain, q.Tenant, q.Stream = &l, l.Recipient.Domain, l.Tenant, l.Stream
	}
	if q.Domain == "" {
		return nil, fault.Field("domain", "domain_missing", "Name a domain or a delivery.")
	}
	x := c.Engine.Explain(r.Context(), q)
	if waits != nil {
		x.Delay(waits.DueAt, waits.Reason)
	}
	return x, nil
}

// refusal is an error on the socket.
type refusal struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func answer(w http.ResponseWriter, r *http.Request, serve func(r *http.Request) (any, error), log *slog.Logger) {
	body, err := serve(r)
	status := http.StatusOK
	if err != nil {
		status, body = refusalOf(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Debug("control answer not sent", "path", r.URL.Path, "err", err)
	}
}

func refusalOf(err error) (status int, body refusal) {
	if f := fault.As(err); f != nil {
		return http.StatusUnprocessableEntity, refusal{f.Code, f.Detail}
	}
	return http.StatusInternalServerError, refusal{"internal", err.Error()}
}

// ErrInUse means that another process answers on the socket.
var ErrInUse = errors.New("another process answers on the control socket")

// Listen opens the socket for this user only. One that a process which died left
// behind is taken over.
func Listen(ctx context.Context, path string) (net.Listener, error) {
	var d net.Dialer
	if c, err := d.DialContext(ctx, "unix", path); err == nil {
		return nil, errors.Join(ErrInUse, c.Close())
	}
	if i, err := os.Lstat(path); err == nil && i.Mode()&fs.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("open control socket: %w", err)
		}
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("open control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("open control socket: %w", err), l.Close())
	}
	return l, nil
}

// Client asks a running process. It is safe for concurrent use.
type Client struct{ http *http.Client }

// NewClient makes a Client for the socket at path; it connects when asked.
func NewClient(path string) *Client {
	return &Client{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			d := net.Dialer{Timeout: 5 * time.Second}
			return d.DialContext(ctx, "unix", path)
		},
	}}}
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// Ask sends a request ("GET", "/lanes") with parameters and reads the answer into v,
// unless that is nil. An error wraps syscall.ENOENT or ECONNREFUSED if no process runs.
func (c *Client) Ask(ctx context.Context, method, path string, params url.Values, v any) error {
	resp, err := c.request(ctx, method, path, params)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it was read to its end, or nobody cares
	body := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer))
	if v == nil {
		return nil
	}
	if err := body.Decode(v); err != nil {
		return fmt.Errorf("read its answer: %w", err)
	}
	return nil
}

// request sends a request and returns an answer that is no refusal.
func (c *Client) request(ctx context.Context, method, path string, params url.Values) (*http.Response, error) {
	target := "http://control" + path
	if len(params) > 0 {
		target += "?" + params.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the running process: %w", err)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask the running process: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }() // nobody cares
	var no refusal
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&no); err != nil {
		return nil, fmt.Errorf("ask the running process: status %d", resp.StatusCode)
	}
	return nil, fmt.Errorf("%s: %s", no.Code, no.Detail)
}
