package delivery_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/delivery"
	"stafette/internal/dns"
	"stafette/internal/egress"
	"stafette/internal/event"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/queue"
	"stafette/internal/queue/queuetest"
	"stafette/internal/smtp"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// server is a receiving server of the fake network. Nil functions are a friendly
// server's.
type server struct {
	dial    func(o smtp.Options) error
	answer  func(m smtp.Mail) (smtp.Reply, error)
	takes   time.Duration // for one transaction
	slow    time.Duration // for one connection
	perConn int           // transactions before it closes the session; 0: no limit
	shows   []*x509.Certificate
	plain   bool // no STARTTLS
	dsn     bool
}

// transaction is one mail that came to a server.
type transaction struct {
	addr, source, to, data string
	conn                   int
	plain                  bool
	at                     time.Time
}

// network is the fake internet: servers by address, names and MX records.
type network struct {
	mu      sync.Mutex
	servers map[string]*server
	mx      map[string][]dns.MX
	mxErr   map[string]error
	addrs   map[string][]netip.Addr
	dials   []smtp.Options
	got     []transaction
	open    map[string]int // sessions by address
	wasted  int            // mails announced over a good session that was then closed
	broken  []string       // breaches of the client's contract
}

func newNetwork() *network {
	return &network{servers: map[string]*server{}, mx: map[string][]dns.MX{}, mxErr: map[string]error{},
		addrs: map[string][]netip.Addr{}, open: map[string]int{}}
}

// host gives a name its addresses.
func (n *network) host(name string, addrs ...string) {
	for _, a := range addrs {
		n.addrs[name] = append(n.addrs[name], netip.MustParseAddr(a))
	}
}

// site makes a domain with one host per server, in order of preference, at
// 10.<k>.0.1 and so on.
func (n *network) site(domain string, servers ...*server) {
	for i, s := range servers {
		if i == 0 {
			n.mx[domain] = nil
		}
		name, addr := fmt.Sprintf("mx%d.%s", i+1, domain), fmt.Sprintf("10.%d.0.%d", len(n.mx), i+1)
		n.host(name, addr)
		n.servers[addr+":25"] = s
		n.mx[domain] = append(n.mx[domain], dns.MX{Host: name, Preference: uint16(10 * (i + 1))})
	}
}

func (n *network) MX(_ context.Context, domain string) ([]dns.MX, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.mxErr[domain]; err != nil {
		return nil, err
	}
	if n.mx[domain] == nil {
		return nil, dns.ErrNoDomain
	}
	return n.mx[domain], nil
}

func (n *network) Addrs(_ context.Context, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.addrs[host] == nil {
		return nil, dns.ErrNoHost
	}
	return n.addrs[host], nil
}

func (n *network) TXT(context.Context, string) ([]string, error) { return nil, dns.ErrNoDomain }

func (n *network) dial(_ context.Context, o smtp.Options) (delivery.Session, error) {
	n.mu.Lock()
	s := n.servers[o.Address]
	n.mu.Unlock()
	if s != nil {
		time.Sleep(s.slow)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dials = append(n.dials, o)
	if s == nil {
		return nil, &smtp.Error{Stage: smtp.StageConnect, Err: errors.New("no such server")}
	}
	if s.dial != nil {
		if err := s.dial(o); err != nil {
			return nil, err
		}
	}
	if err := s.handshake(o); err != nil {
		return nil, err
	}
	n.open[o.Address]++
	return &session{net: n, server: s, o: o, number: len(n.dials), usable: true}, nil
}

// handshake does what package smtp does at STARTTLS.
func (s *server) handshake(o smtp.Options) error {
	switch {
	case o.TLS != smtp.TLSRequired:
		return nil
	case s.plain:
		return &smtp.Error{Stage: smtp.StageSTARTTLS, Err: smtp.ErrNoTLS}
	case o.TLSConfig.VerifyConnection == nil:
		return nil
	}
	if err := o.TLSConfig.VerifyConnection(s.state()); err != nil {
		return &smtp.Error{Stage: smtp.StageSTARTTLS, Err: err}
	}
	return nil
}

func (s *server) state() tls.ConnectionState {
	return tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, PeerCertificates: s.shows}
}

func (n *network) received() []transaction {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]transaction(nil), n.got...)
}

func (n *network) dialled() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.dials)
}

// session is a fake smtp.Conn that checks how it is used.
type session struct {
	net    *network
	server *server
	o      smtp.Options
	number int
	count  int
	usable bool
	next   string // recipient announced
}

func (s *session) Usable() bool { return s.usable }

func (s *session) TLSState() *tls.ConnectionState {
	if s.o.TLS == smtp.TLSNone || s.server.plain {
		return nil
	}
	state := s.server.state()
	return &state
}

func (s *session) OffersDSN() bool { return s.server.dsn }

func (s *session) Close() error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.net.open[s.o.Address]--
	if s.usable && s.next != "" {
		s.net.wasted++
	}
	s.usable = false
	return nil
}

func (s *session) Deliver(ctx context.Context, m smtp.Mail, next *smtp.Mail) (smtp.Reply, error) {
	s.net.mu.Lock()
	if s.next != "" && s.next != m.To {
		s.net.broken = append(s.net.broken, fmt.Sprintf("announced %s, delivered %s", s.next, m.To))
	}
	if !s.usable {
		s.net.broken = append(s.net.broken, "delivered over a session of no use")
	}
	announced := s.next == m.To
	s.next = ""
	if next != nil {
		s.next = next.To
	}
	s.net.mu.Unlock()
	if !announced {
		s.tell(smtp.SpeakerClient, m.To, false)
	}
	if next != nil {
		s.tell(smtp.SpeakerClient, next.To, true)
	}
	if err := s.work(ctx); err != nil {
		return smtp.Reply{}, err
	}
	reply, err := s.answer(m)
	s.tell(smtp.SpeakerServer, fmt.Sprint(reply.Lines, err), false)
	return reply, err
}

// tell tells the listener what package smtp would in more words.
func (s *session) tell(from smtp.Speaker, text string, next bool) {
	if l := s.o.Listener; l != nil && l.Listens() {
		l.Hear(smtp.Line{From: from, Text: []byte(text), Next: next})
	}
}

// work takes the server's time, or ends with ctx.
func (s *session) work(ctx context.Context) error {
	t := time.NewTimer(s.server.takes)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		s.usable = false
		return &smtp.Error{Stage: smtp.StageData, Err: ctx.Err()}
	}
	if s.count++; s.server.perConn > 0 && s.count > s.server.perConn {
		s.usable = false
		return &smtp.Error{Stage: smtp.StageMail, Reply: &smtp.Reply{Code: 421, Enhanced: "4.3.0", Lines: []string{"closing"}}}
	}
	return nil
}

func (s *session) answer(m smtp.Mail) (smtp.Reply, error) {
	reply, err := smtp.Reply{Code: 250, Enhanced: "2.0.0", Lines: []string{"taken"}}, error(nil)
	if s.server.answer != nil {
		reply, err = s.server.answer(m)
	}
	var se *smtp.Error
	if errors.As(err, &se) && (se.Reply == nil || se.Reply.Code == 421) {
		s.usable = false
	}
	if err == nil || se != nil && se.Uncertain {
		s.net.mu.Lock()
		s.net.got = append(s.net.got, transaction{addr: s.o.Address, source: s.o.EHLO, to: m.To,
			data: string(bytes.Join(m.Parts, nil)), conn: s.number, plain: s.TLSState() == nil, at: time.Now()})
		s.net.mu.Unlock()
	}
	return reply, err
}

// refuse makes an answer that refuses at a stage.
func refuse(stage smtp.Stage, code int, enhanced, text string) *smtp.Error {
	return &smtp.Error{Stage: stage, Reply: &smtp.Reply{Code: code, Enhanced: enhanced, Lines: []string{text}}}
}

// judge is a small stand-in for the table of package bounce, which is used as it
// is where no reply came.
type judge struct{ *bounce.Table }

func (judge) Judge(in bounce.Input) bounce.Judgement {
	j := bounce.Judgement{Permanent: in.Code >= 500}
	switch {
	case in.Code == 421 && in.Stage == "greeting":
		j.Class, j.Scope = "rate_limited", bounce.ScopeSite
	case in.Code == 421:
		j.Class, j.Scope = "connection_lost", bounce.ScopeSession
	case in.Enhanced == "5.7.1" || in.Enhanced == "4.7.1":
		j.Class, j.Scope = "ip_blocked", bounce.ScopeSource
	case strings.HasPrefix(in.Enhanced[1:], ".7.28"):
		j.Class, j.Scope = "rate_limited", bounce.ScopeSite
	case strings.HasPrefix(in.Enhanced[1:], ".1."), strings.HasPrefix(in.Enhanced[1:], ".2."):
		j.Class, j.Scope = "user_unknown", bounce.ScopeRecipient
	default:
		j.Class, j.Scope = "policy", bounce.ScopeMessage
	}
	return j
}

// bodies are kept by message. Mail comes while sessions read.
type bodies struct {
	mu  sync.Mutex
	all map[message.ID][]byte
}

func (b *bodies) put(m message.ID, body string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all[m] = []byte(body)
}

func (b *bodies) drop(m message.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.all, m)
}

func (b *bodies) Body(_ context.Context, h spool.Handle) ([]byte, error) {
	b.mu.Lock()
	body, ok := b.all[h.Message]
	b.mu.Unlock()
	switch {
	case !ok:
		return nil, spool.ErrGone
	case string(body) == "corrupt":
		return nil, spool.ErrCorrupt
	case string(body) == "unreadable":
		return nil, errors.New("input/output error")
	}
	return body, nil
}

// world is an engine with everything around it faked. It lives in a synctest
// bubble, so its time runs as fast as it can.
type world struct {
	t       *testing.T
	net     *network
	store   *queuetest.Store
	bodies  *bodies
	runner  *queue.Runner
	engine  *delivery.Engine
	cfg     delivery.Config
	plan    egress.Plan
	limits  egress.Limits
	shaping string // the operator's file
	fleet   *egress.Fleet
	queue   queue.Config
	stopped chan error
	stop    context.CancelFunc
}

// newWorld makes a world that start begins; until then its parts may be changed.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, net: newNetwork(), store: queuetest.New(time.Now), bodies: &bodies{all: map[message.ID][]byte{}}}
	w.plan = egress.EqualPlan(egress.Source{EHLO: "out.stafette.example"})
	routes, err := egress.NewRoutes(nil)
	if err != nil {
		t.Fatal(err)
	}
	table, err := bounce.Load()
	if err != nil {
		t.Fatal(err)
	}
	w.queue = queue.Config{Store: w.store, Node: "test", Now: time.Now}
	w.cfg = delivery.Config{
		Bodies: w.bodies, Resolver: w.net, Judge: judge{table}, Dial: w.net.dial, Routes: routes,
		Guard: egress.NewGuard(egress.Rules{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}),
		Sign: func(_ context.Context, e queue.Entry, _ []byte) ([]byte, error) {
			return []byte("DKIM-Signature: d=" + e.SignDomain + "\r\n"), nil
		},
		Now: time.Now,
	}
	return w
}

// newFleet makes a fleet whose time is the test's.
func newFleet(t testing.TB, p egress.Plan, l egress.Limits, shaping string) *egress.Fleet {
	t.Helper()
	file, err := egress.ParseShaping([]byte(shaping))
	if err != nil {
		t.Fatal(err)
	}
	s, err := egress.NewShaping(l, file)
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := egress.NewFleet(egress.FleetConfig{Plan: p, Shaping: s, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return fleet
}

// start runs the engine until the test ends or stop is called.
func (w *world) start() {
	w.t.Helper()
	w.runner = queue.NewRunner(w.queue)
	if err := w.runner.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.cfg.Queue = w.runner
	w.fleet = newFleet(w.t, w.plan, w.limits, w.shaping)
	w.cfg.Fleet = w.fleet
	engine, err := delivery.New(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.engine = engine
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	w.stopped = make(chan error, 1)
	go func() { w.stopped <- engine.Run(ctx) }()
}

// end stops the engine in order and checks what must hold of every run.
func (w *world) end() {
	w.t.Helper()
	w.stop()
	if err := <-w.stopped; err != nil {
		w.t.Errorf("Run: %v", err)
	}
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	for _, b := range w.net.broken {
		w.t.Errorf("session misused: %s", b)
	}
	for addr, n := range w.net.open {
		if n != 0 {
			w.t.Errorf("%d sessions to %s left open", n, addr)
		}
	}
	if n := w.runner.InMemory(); n != 0 {
		w.t.Errorf("%d deliveries left in memory", n)
	}
}

const mailText = "Subject: Hallo\r\n\r\nHallo\r\n"

// mail makes a new entry with a body of its own.
func (w *world) mail(to string) queue.Entry {
	local, domain, _ := strings.Cut(to, "@")
	now := time.Now()
	name := message.NewID(now)
	w.bodies.put(name, mailText)
	return queue.Entry{
		Tenant: tenantA, Delivery: message.Delivery(name, 1), Stream: tenant.Transactional, Sender: "info@muster.example",
		Recipient: message.Address{Local: local, Domain: domain}, SignDomain: "muster.example",
		Body: spool.Handle{Tenant: tenantA, Message: name}, Size: 26,
		AcceptedAt: now, DueAt: now, ExpiresAt: now.Add(5 * 24 * time.Hour),
	}
}

// submit accepts entries as ingest does and lets the engine work until it waits
// for time to pass.
func (w *world) submit(entries ...queue.Entry) {
	w.t.Helper()
	for _, e := range entries {
		epoch := w.runner.Reserve(e.Tenant, e.Stream.Urgency(), 1)
		w.store.Add(epoch, e)
		if epoch != 0 {
			w.runner.Offer([]queue.Entry{e})
		}
	}
	synctest.Wait()
}

// attempt returns the n-th event of a delivery, counted from 1, with its attempt.
func (w *world) attempt(e queue.Entry, n int) (event.Event, event.Attempt) {
	w.t.Helper()
	row := w.store.Row(e.Delivery)
	if len(row.Events) < n {
		w.t.Fatalf("%s has %d events, want %d (state %s)", e.Recipient.Local, len(row.Events), n, row.State)
	}
	ev := row.Events[n-1]
	if ev.Attempt == nil {
		return ev, event.Attempt{}
	}
	return ev, *ev.Attempt
}

func (w *world) wantState(e queue.Entry, want event.State) {
	w.t.Helper()
	if row := w.store.Row(e.Delivery); row.State != want {
		w.t.Errorf("%s is %s, want %s; events %+v", e.Recipient.Local, row.State, want, row.Events)
	}
}

// newTenant returns a tenant's ID whose order among others follows n.
func newTenant(n byte) tenant.ID {
	t := id.Lowest[tenant.Kind](time.Unix(1000, 0))
	t[15] = n
	return t
}

var (
	tenantA = newTenant(1)
	tenantB = newTenant(2)
)
