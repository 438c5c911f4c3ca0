package approval_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stafette/internal/approval"
	"stafette/internal/approval/approvaltest"
	"stafette/internal/audience"
	"stafette/internal/audience/audiencetest"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/seal"
	"stafette/internal/tenant"
)

// world is a Service with everything around it in memory.
type world struct {
	*testing.T
	service *approval.Service
	gate    *approval.Gate
	store   *approvaltest.Store
	groups  *audience.Groups
	book    *audience.Contacts
	kept    *audiencetest.Groups
	config  approval.Config
	tenant  tenant.ID
	told    []approval.Told
	related string // address of who has to do with the tenant

	mu  sync.Mutex
	now time.Time
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, store: &approvaltest.Store{}, now: time.Date(2026, 11, 18, 10, 0, 0, 0, time.UTC)}
	w.tenant = id.New[tenant.Kind](w.now)
	people := &audiencetest.Contacts{}
	w.kept = &audiencetest.Groups{People: people}
	w.groups, w.book = audience.NewGroups(w.kept, people, w.Now), audience.NewContacts(people, w.Now)
	w.config = approval.Config{
		Store: w.store, Groups: w.kept, Keeper: keeper, Calendar: approval.DefaultCalendar(time.UTC), Now: w.Now,
		Rules: approval.Rules{Growth: 10, FourEyes: 30},
		Related: func(_ context.Context, email string, _ tenant.ID) (bool, error) {
			return email == w.related, nil
		},
		Tell:    func(_ context.Context, told approval.Told) error { w.told = append(w.told, told); return nil },
		Decided: func(t tenant.ID) { w.gate.Forget(t) },
	}
	if w.service, err = approval.New(w.config); err != nil {
		t.Fatal(err)
	}
	w.gate = approval.NewGate(w.service, 0)
	return w
}

func address(text string) message.Address {
	local, domain, _ := strings.Cut(text, "@")
	return message.Address{Local: local, Domain: domain}
}

// group makes a group of n people named after it.
func (w *world) group(name string, n int) audience.Group {
	w.Helper()
	g, err := w.groups.Create(w.Context(), w.tenant, audience.Group{Name: name, Kind: audience.Static}, "usr_1")
	if err != nil {
		w.Fatal(err)
	}
	w.add(g, name, n, audience.OriginOffice)
	return g
}

func (w *world) add(g audience.Group, name string, n int, o audience.Origin) {
	w.Helper()
	var list []audience.ContactID
	for i := range n {
		c, err := w.book.Create(w.Context(), w.tenant, audience.Contact{Addresses: []message.Address{address(name + string(rune('a'+i%26)) + strings.Repeat("x", i/26) + "@kunde.example")}}, o, "usr_1")
		if err != nil {
			w.Fatal(err)
		}
		list = append(list, c.ID)
	}
	if _, err := w.groups.Add(w.Context(), w.tenant, g.ID, list, o, "usr_1"); err != nil {
		w.Fatal(err)
	}
}

func good() approval.Submission {
	return approval.Submission{Read: true, Contact: approval.Contact{Name: "J. Petersen", Email: "j@hafen.example"}, Sources: []approval.Source{{
		Kind: approval.DoubleOptIn, FormURL: "https://hafen.example/anmelden", Description: "Sie melden sich an und bestätigen per E-Mail.",
	}}}
}

func (w *world) submit(g audience.Group) approval.Case {
	w.Helper()
	c, err := w.service.Submit(w.Context(), w.tenant, g.ID, good(), "usr_1")
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func reviewer(n string) approval.Reviewer {
	return approval.Reviewer{Actor: "usr_" + n, Email: n + "@platform.example"}
}

func (w *world) decide(c approval.Case, d approval.Decision, who string) (approval.Case, error) {
	return w.service.Decide(w.Context(), approval.Verdict{Case: c.ID, Decision: d, Reason: "Begründung, die das Konto liest."}, reviewer(who))
}

func (w *world) must(c approval.Case, err error) approval.Case {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func refused(t *testing.T, what string, err error, kind fault.Kind, code string) {
	t.Helper()
	if f := fault.As(err); f == nil || f.Kind != kind || f.Code != code {
		t.Errorf("%s: %v, want %s %s", what, err, kind, code)
	}
}

func TestFromSubmissionToApproval(t *testing.T) {
	w := newWorld(t)
	g := w.group("neubau", 5)
	c := w.submit(g)
	if c.State != approval.InReview || !c.Due.Equal(w.now.Add(24*time.Hour)) {
		t.Fatalf("submitted: %s, due %s", c.State, c.Due)
	}
	w.pass(2 * time.Hour)
	c = w.must(w.decide(c, approval.DecideQuestion, "a"))
	if c.State != approval.Question || c.Left != 6*time.Hour || c.Last == "" {
		t.Fatalf("question: %+v", c)
	}
	w.pass(72 * time.Hour) // Saturday: the clock rests
	pdf, err := approval.NewFile(id.New[approval.FileKind](w.Now()), `C:\karte.pdf`, []byte("%PDF-1.7 …"))
	if err != nil || pdf.Name != "karte.pdf" {
		t.Fatalf("%+v, %v", pdf, err)
	}
	c = w.must(w.service.Answer(w.Context(), w.tenant, g.ID, "Hier ist die Rückseite.", []approval.File{pdf}, "usr_1"))
	if want := time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC); c.State != approval.InReview || !c.Due.Equal(want) {
		t.Fatalf("answered: due %s, want %s", c.Due, want)
	}
	w.pass(time.Minute)
	c = w.must(w.decide(c, approval.DecideApprove, "a"))
	if c.State != approval.Approved || w.store.Freed() == 0 {
		t.Fatalf("%+v", c)
	}
	log, err := w.service.Log(w.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	var acts []approval.Act
	for _, e := range log {
		acts = append(acts, e.Act)
	}
	if !slices.Equal(acts, []approval.Act{approval.Submit, approval.AskAct, approval.Answer, approval.Approve}) || log[2].Files[0] != pdf.ID || log[1].Text == "" {
		t.Errorf("log %+v", log)
	}
	file, err := w.service.File(w.Context(), c, pdf.ID)
	if err != nil || !bytes.Equal(file.Body, pdf.Body) || file.Type != "application/pdf" {
		t.Errorf("evidence %+v, %v", file, err)
	}
	if len(w.told) != 4 || w.told[1].Group.Name != "neubau" {
		t.Errorf("told %+v", w.told)
	}
}

func TestNobodyDecidesWhatIsNotTheirs(t *testing.T) {
	w := newWorld(t)
	small, large := w.submit(w.group("klein", 5)), w.submit(w.group("gross", 40))
	w.related = "own@platform.example"
	_, err := w.decide(small, approval.DecideApprove, "own")
	refused(t, "an own tenant", err, fault.Forbidden, approval.CodeOwn)
	refused(t, "locking it", w.service.Impartial(w.Context(), w.tenant, reviewer("own")), fault.Forbidden, approval.CodeOwn)
	if _, err := w.service.Claim(w.Context(), small.ID, reviewer("a")); err != nil {
		t.Fatal(err)
	}
	_, err = w.decide(small, approval.DecideReject, "b")
	refused(t, "another's case", err, fault.Conflict, approval.CodeClaimed)
	w.must(w.service.Release(w.Context(), small.ID, reviewer("a")))
	small = w.must(w.decide(small, approval.DecideReject, "b"))

	small = w.must(w.service.Submit(w.Context(), w.tenant, small.Group, good(), "usr_1"))
	_, err = w.decide(small, approval.DecideApprove, "b")
	refused(t, "who rejected it before", err, fault.Forbidden, approval.CodeSecond)
	w.must(w.decide(small, approval.DecideApprove, "a"))

	large = w.must(w.decide(large, approval.DecideApprove, "a"))
	if large.State != approval.InReview || large.FirstBy != "usr_a" {
		t.Fatalf("one of two approved: %+v", large)
	}
	_, err = w.decide(large, approval.DecideApprove, "a")
	refused(t, "the same eyes", err, fault.Forbidden, approval.CodeSecond)
	key := reviewer("key")
	key.Program = true
	_, err = w.service.Decide(w.Context(), approval.Verdict{Case: large.ID, Decision: approval.DecideApprove, Reason: "Alles in Ordnung."}, key)
	refused(t, "a key as second", err, fault.Forbidden, approval.CodeSecond)
	if large = w.must(w.decide(large, approval.DecideApprove, "b")); large.State != approval.Approved {
		t.Errorf("two approved: %s", large.State)
	}
}

// TestApprovalIsOfWhatWasSeen: T42, a list that changes between looking and deciding, and
// after it.
func TestApprovalIsOfWhatWasSeen(t *testing.T) {
	w := newWorld(t)
	g := w.group("liste", 20)
	c := w.submit(g)
	seen := c.Content.Hash()
	w.add(g, "neu", 1, audience.OriginOffice)
	v := approval.Verdict{Case: c.ID, Decision: approval.DecideApprove, Reason: "Alles in Ordnung.", Seen: seen}
	_, err := w.service.Decide(w.Context(), v, reviewer("a"))
	refused(t, "changed since it was looked at", err, fault.Conflict, approval.CodeChanged)
	v.Seen = [32]byte{}
	w.must(w.service.Decide(w.Context(), v, reviewer("a")))

	for _, step := range []struct {
		n     int
		o     audience.Origin
		state approval.State
	}{{2, audience.OriginOffice, approval.Approved}, {1, audience.OriginOffice, approval.Required}} {
		w.add(g, strings.Repeat("m", step.n), step.n, step.o)
		w.pass(10 * time.Second)
		now, _, err := w.service.Case(w.Context(), w.tenant, g.ID)
		if err != nil || now.State != step.state {
			t.Errorf("%d more of 21: %s, %v", step.n, now.State, err)
		}
	}
	other := w.group("herkunft", 20)
	w.must(w.decide(w.submit(other), approval.DecideApprove, "a"))
	w.add(other, "api", 1, audience.OriginAPI)
	known, err := w.service.OfGroups(w.Context(), w.tenant, []audience.GroupID{other.ID, g.ID})
	if err != nil || known[other.ID].State != audience.ApprovalRequired {
		t.Errorf("another origin, in the list: %+v, %v", known, err)
	}
	if c, _, err = w.service.Case(w.Context(), w.tenant, other.ID); err != nil || c.State != approval.Required || c.Change.Origin != "api" {
		t.Errorf("another origin: %s %+v, %v", c.State, c.Change, err)
	}
}

// TestEveryWayHoldsTheRules walks at random and checks what must be true of every state.
func TestEveryWayHoldsTheRules(t *testing.T) {
	w := newWorld(t)
	g := w.group("weg", 5)
	random := rand.New(rand.NewPCG(1, 2))
	c := approval.Case{State: approval.Required}
	approvedOnce := false
	for range 600 {
		before := c.State
		next := c
		var err error
		switch n := random.IntN(6); n {
		case 0:
			next, err = w.service.Submit(t.Context(), w.tenant, g.ID, good(), "usr_1")
		case 1:
			next, err = w.service.Answer(t.Context(), w.tenant, g.ID, "Antwort", nil, "usr_1")
		case 2, 3, 4:
			next, err = w.decide(c, approval.Decisions()[n-2], string(rune('a'+random.IntN(3))))
		case 5:
			w.pass(time.Duration(random.IntN(int(40 * time.Hour))))
		}
		if err != nil {
			if fault.As(err) == nil {
				t.Fatal(err)
			}
			continue
		}
		c = next
		approvedOnce = approvedOnce || c.State == approval.Approved
		switch {
		case c.State == approval.Approved && before != approval.InReview && before != approval.Approved:
			t.Fatalf("approved from %s", before)
		case c.State == approval.InReview && c.Due.IsZero(), c.State == approval.Question && (!c.Due.IsZero() || c.Left < 0):
			t.Fatalf("clock of %+v", c)
		case c.State == approval.Rejected && c.RejectedBy == "":
			t.Fatal("rejected by nobody")
		}
		rulings, err := w.gate.Judge(t.Context(), w.tenant, []approval.Mail{{Stream: tenant.Newsletter, Recipients: []message.Address{address("wega@kunde.example")}}})
		if err != nil || (rulings[0].Err == nil) != (c.State == approval.Approved) {
			t.Fatalf("%s: the gate says %v, %v", c.State, rulings, err)
		}
	}
	if !approvedOnce {
		t.Error("the walk never came to an approval")
	}
}

func TestStates(t *testing.T) {
	for _, s := range approval.States() {
		for _, a := range approval.Acts() {
			next, ok := s.After(a)
			if !next.Valid() || !ok && next != s {
				t.Errorf("%s after %s: %s, %v", a, s, next, ok)
			}
			if next == approval.Approved && s != approval.Approved && (a != approval.Approve || s != approval.InReview) {
				t.Errorf("%s leads from %s to an approval", a, s)
			}
		}
	}
}

func TestGate(t *testing.T) {
	w := newWorld(t)
	yes, no := w.group("ja", 3), w.group("nein", 3)
	w.must(w.decide(w.submit(yes), approval.DecideApprove, "a"))
	w.must(w.decide(w.submit(no), approval.DecideReject, "a"))
	mail := func(s tenant.Stream, g audience.GroupID, to ...string) approval.Mail {
		m := approval.Mail{Stream: s, Group: g}
		for _, one := range to {
			m.Recipients = append(m.Recipients, address(one))
		}
		return m
	}
	for name, v := range map[string]struct {
		mail approval.Mail
		code string
		free int
	}{
		"approved member":       {mail(tenant.Newsletter, audience.GroupID{}, "jaa@kunde.example"), "", 0},
		"rejected member":       {mail(tenant.Newsletter, audience.GroupID{}, "jaa@kunde.example", "neina@kunde.example"), approval.CodeNotApproved, 0},
		"stranger":              {mail(tenant.Newsletter, audience.GroupID{}, "x@fremd.example", "jaa@kunde.example"), "", 1},
		"approved group":        {mail(tenant.Reminder, yes.ID, "jaa@kunde.example"), "", 0},
		"not of the group":      {mail(tenant.Transactional, yes.ID, "x@fremd.example"), approval.CodeNotMember, 0},
		"rejected group":        {mail(tenant.Transactional, no.ID, "neina@kunde.example"), approval.CodeNotApproved, 0},
		"another's group":       {mail(tenant.Newsletter, id.New[audience.GroupKind](w.Now()), "jaa@kunde.example"), approval.CodeNotApproved, 0},
		"other streams are not": {mail(tenant.Transactional, audience.GroupID{}, "neina@kunde.example"), "", 0},
	} {
		rulings, err := w.gate.Judge(t.Context(), w.tenant, []approval.Mail{v.mail})
		if err != nil {
			t.Fatal(err)
		}
		code := ""
		if f := fault.As(rulings[0].Err); f != nil {
			code = f.Code
		}
		if code != v.code || code == "" && rulings[0].Free != v.free {
			t.Errorf("%s: %v", name, rulings[0])
		}
	}
	accepted := w.Now()
	w.pass(time.Minute)
	held := func(g audience.GroupID, to string) string {
		reason, err := w.gate.Held(t.Context(), w.tenant, tenant.Newsletter, g, address(to), accepted)
		if err != nil {
			t.Fatal(err)
		}
		return reason
	}
	if held(yes.ID, "jaa@kunde.example") != "" || held(audience.GroupID{}, "jaa@kunde.example") != "" {
		t.Error("held though approved")
	}
	w.add(yes, "zuviel", 3, audience.OriginAPI) // taken back while the mail waits
	w.pass(time.Minute)
	if held(yes.ID, "jaa@kunde.example") != approval.ReasonHeld || held(audience.GroupID{}, "jaa@kunde.example") != approval.ReasonHeld {
		t.Error("sent though the approval was taken back")
	}
}

// Two nodes see half of a pattern each, by bodies alone: no two subjects are alike.
func TestWatch(t *testing.T) {
	w := newWorld(t)
	g := w.group("serie", 60)
	node := func() *approval.Watch {
		return approval.NewWatch(approval.WatchConfig{Service: w.service, Gate: w.gate, Most: 40, Hold: true,
			Hash: func(t tenant.ID, a message.Address) audience.Hash { return audience.HashOf([]byte("key"), t, a) }})
	}
	nodes := []*approval.Watch{node(), node()}
	fold := func() (alarms []approval.Alarm) {
		t.Helper()
		for range 2 { // one node learns of what the other found at its next turn
			for _, n := range nodes {
				if err := n.Fold(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		alarms, err := w.store.PatternAlarms(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return alarms
	}
	page, err := w.kept.SampleMembers(t.Context(), w.tenant, g.ID, 60, 1)
	if err != nil {
		t.Fatal(err)
	}
	see := func(i int) bool {
		body := approval.Body{Text: "Guten Tag Frau " + strings.Repeat("X", i%7+1) + ",\n" + offer}
		return nodes[i%2].Saw(w.tenant, tenant.Transactional, strings.Repeat("y", i+1), body, []message.Address{page[i].Main(), address("niemand@kunde.example")})
	}
	for i := range 36 {
		again := see(i)
		if see(i) || again {
			t.Fatal("a mail waits before there is an alarm")
		}
	}
	if alarms := fold(); len(alarms) != 0 {
		t.Fatalf("alarm after 36 members: %+v", alarms)
	}
	for i := 36; i < 60; i++ {
		see(i)
	}
	alarms := fold()
	if len(alarms) == 0 || alarms[0].Group != g.ID || alarms[0].Members <= 40 || alarms[0].Members > 60 {
		t.Fatalf("alarms %+v", alarms)
	}
	if !see(0) || !see(1) {
		t.Error("mail that looks alike does not wait on each node")
	}
	other := func() bool {
		return nodes[0].Saw(w.tenant, tenant.Transactional, "Ihre Rechnung", approval.Body{Text: invoice}, []message.Address{page[0].Main()})
	}
	if other() || nodes[0].Saw(w.tenant, tenant.Newsletter, "y", approval.Body{Text: offer}, []message.Address{page[0].Main()}) {
		t.Error("other mail waits")
	}
	// The way back: the group is approved, and nothing waits any more.
	c := w.submit(g)
	w.must(w.decide(c, approval.DecideApprove, "a"))
	w.must(w.decide(c, approval.DecideApprove, "b"))
	if alarms := fold(); len(alarms) != 0 || see(0) {
		t.Errorf("after the approval %+v", alarms)
	}
}

// A tenant without groups is not looked at.
func TestWatchAloof(t *testing.T) {
	w := newWorld(t)
	watch := approval.NewWatch(approval.WatchConfig{Service: w.service, Gate: w.gate, Most: 1, Hash: func(tenant.ID, message.Address) audience.Hash { return audience.Hash{} }})
	for i := range 9 {
		watch.Saw(w.tenant, tenant.Transactional, "Angebot", approval.Body{Text: offer}, []message.Address{address(strings.Repeat("z", i+1) + "@kunde.example")})
	}
	if err := watch.Fold(t.Context()); err != nil {
		t.Fatal(err)
	}
	if alarms, _ := w.store.PatternAlarms(t.Context()); len(alarms) != 0 {
		t.Errorf("alarms %+v", alarms)
	}
}

func TestSubmissionCheck(t *testing.T) {
	four := approval.Source{Kind: approval.ExistingCustomer, Description: "Käufer der letzten Jahre", Confirmed: approval.ExistingCustomer.Conditions(),
		Answers: map[string]string{"sale": "2025", "similar": "Wohnungen", "objections": "geprüft", "notice": "im Kaufvertrag"}}
	for name, v := range map[string]struct {
		change func(*approval.Submission)
		field  string
	}{
		"good":             {func(*approval.Submission) {}, ""},
		"not read":         {func(s *approval.Submission) { s.Read = false }, "read"},
		"no source":        {func(s *approval.Submission) { s.Sources = nil }, "sources"},
		"home page":        {func(s *approval.Submission) { s.Sources[0].FormURL = "https://hafen.example/" }, "sources/0/form_url"},
		"home by name":     {func(s *approval.Submission) { s.Sources[0].FormURL = "hafen.example/index.php" }, "sources/0/form_url"},
		"no form":          {func(s *approval.Submission) { s.Sources[0].FormURL = "" }, "sources/0/form_url"},
		"number":           {func(s *approval.Submission) { s.Sources[0].FormURL = "http://127.0.0.1/anmelden" }, "sources/0/form_url"},
		"script":           {func(s *approval.Submission) { s.Sources[0].FormURL = "javascript:alert(1)" }, "sources/0/form_url"},
		"short":            {func(s *approval.Submission) { s.Sources[0].Description = "ja" }, "sources/0/description"},
		"four":             {func(s *approval.Submission) { s.Sources[0] = four }, ""},
		"three of four":    {func(s *approval.Submission) { s.Sources[0] = four; s.Sources[0].Confirmed = four.Confirmed[1:] }, "sources/0/confirmed/sale"},
		"no address":       {func(s *approval.Submission) { s.Contact.Email = "nein" }, "contact/email"},
		"line end in name": {func(s *approval.Submission) { s.Contact.Name = "J\r\nBcc: x" }, "contact/name"},
	} {
		s := good()
		v.change(&s)
		err := s.Check()
		if f := fault.As(err); v.field == "" && err != nil || v.field != "" && (f == nil || f.Field != v.field) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEvidence(t *testing.T) {
	for name, v := range map[string]struct{ file, body, want string }{
		"png":        {"a.png", "\x89PNG\r\n\x1a\n....", "image/png"},
		"csv":        {"liste.csv", "a;b\n", "text/csv"},
		"html":       {"a.png", "<html><script>alert(1)</script>", ""},
		"svg":        {"a.svg", `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>`, ""},
		"executable": {"a.pdf", "MZ\x90\x00\x03\x00", ""},
		"empty":      {"a.pdf", "", ""},
	} {
		f, err := approval.NewFile(approval.FileID{1}, v.file, []byte(v.body))
		if f.Type != v.want || (err == nil) != (v.want != "") {
			t.Errorf("%s: %q, %v", name, f.Type, err)
		}
	}
	if f, _ := approval.NewFile(approval.FileID{1}, "../../etc/pass\r\nwd\u202e.txt", []byte("x")); f.Name != "passwd.txt" {
		t.Errorf("name %q", f.Name)
	}
}

func TestPages(t *testing.T) {
	const field = `<form><input type="email" name="m">`
	pages := map[string]string{
		"/gut":    field + `<label><input type="checkbox"> Ja, ich möchte Angebote von Hafenkontor per E-Mail.</label>`,
		"/haken":  field + `<input type="checkbox" checked> Ich möchte den Newsletter`,
		"/stumm":  field,
		"/leer":   `<p>Willkommen</p><script>document.write('<input type="email">')</script>`,
		"/kreuz":  "",
		"/heim":   "",
		"/privat": "",
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/kreuz":
			http.Redirect(w, r, "/gut", http.StatusFound)
		case "/heim":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/kreis":
			http.Redirect(w, r, "/kreis?x=1", http.StatusFound)
		case "/privat":
			w.WriteHeader(http.StatusUnauthorized)
		default:
			text, ok := pages[r.URL.Path]
			if !ok {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte(text))
		}
	}))
	defer server.Close()
	look := &approval.Pages{Client: server.Client()}
	look.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	look.Client.Transport = named{server.URL, look.Client.Transport}
	for path, want := range map[string]string{
		"/gut": approval.FormFound, "/haken": approval.FormTicked, "/stumm": approval.FormSilent, "/leer": approval.FormMissing,
		"/kreuz": approval.FormFound, "/heim": approval.FormMissing, "/privat": approval.FormForbidden, "/weg": approval.FormGone, "/kreis": approval.FormGone,
	} {
		if f := look.Look(t.Context(), "http://hafen.example"+path); f.Code != want {
			t.Errorf("%s: %+v, want %s", path, f, want)
		}
	}
}

// named leads every host to one server, as a name server would.
type named struct {
	url  string
	next http.RoundTripper
}

func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	to := r.Clone(r.Context())
	to.URL.Host = strings.TrimPrefix(n.url, "http://")
	return n.next.RoundTrip(to)
}

func FuzzFormURL(f *testing.F) {
	for _, s := range []string{"hafen.example/anmelden", "https://a.example/?x=1", "http://[::1]/a", "//a.example/x", "a.example:99999/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, refused := approval.FormURL(text)
		if refused != nil {
			return
		}
		if again, refused := approval.FormURL(got); refused != nil || again != got {
			t.Errorf("%q is %q, then %q (%v)", text, got, again, refused)
		}
		if strings.ContainsAny(got, "\r\n\x00") {
			t.Errorf("%q has a line end", got)
		}
	})
}
