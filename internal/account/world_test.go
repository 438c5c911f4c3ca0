package account_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"stafette/internal/account"
	"stafette/internal/audit"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/seal"
	"stafette/internal/store"
	"stafette/internal/tenant"
)

var start = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

const (
	password = "ein ganz langes Wort"
	home     = "192.0.2.7:4711"
	firefox  = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
)

// entrance keeps the letters that were handed over.
type entrance struct {
	mu    sync.Mutex
	mails []*message.Draft
}

func (e *entrance) Accept(_ context.Context, _ ingest.Principal, s ingest.Submission) (ingest.Receipt, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mails = append(e.mails, s.Draft)
	return ingest.Receipt{}, nil
}

func (e *entrance) AcceptAll(context.Context, ingest.Principal, []ingest.Submission) []ingest.Result {
	return nil
}

// world is a Service over a real store, with a tenant of one owner.
type world struct {
	*testing.T
	store    *store.Store
	accounts *account.Service
	notices  *notice.Sender
	entrance *entrance
	tenant   tenant.ID
	owner    tenant.User
	log      *bytes.Buffer

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

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) refused(err error, kind fault.Kind, code string) {
	w.Helper()
	if e := fault.As(err); e == nil || e.Kind != kind || e.Code != code {
		w.Errorf("error %v, want %s %s", err, kind, code)
	}
}

var knownHash = sync.OnceValue(func() string { return tenant.HashPassword(password) })

func newWorld(t *testing.T, change ...func(*account.Config)) *world {
	t.Helper()
	w := &world{T: t, now: start, tenant: id.New[tenant.Kind](start), entrance: &entrance{}, log: &bytes.Buffer{}}
	keeper, err := seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	w.must(err)
	w.store, err = store.Open(t.Context(), store.Config{DataDir: t.TempDir(), Now: w.Now})
	w.must(err)
	t.Cleanup(func() { w.must(w.store.Close()) })
	w.owner = w.user("eva", tenant.Owner)
	domain := id.New[tenant.DomainKind](start)
	w.must(w.store.Found(t.Context(), tenant.Founding{
		Tenant:  tenant.Tenant{ID: w.tenant, Name: "Muster", State: tenant.Active, Locale: "de", OfficeTone: tenant.Sie, CreatedAt: start},
		Users:   []tenant.User{w.owner},
		Domains: []tenant.Domain{{ID: domain, Tenant: w.tenant, Name: "stafette.example", State: tenant.Trusted, CreatedAt: start}},
	}))
	catalog, err := i18n.Load()
	w.must(err)
	w.notices, err = notice.NewSender(notice.Config{
		Store: w.store, Acceptor: w.entrance, Keeper: keeper, Catalog: catalog, PublicURL: "https://post.example", Now: w.Now,
		From: message.Mailbox{Address: message.Address{Local: "konto", Domain: "stafette.example"}},
	})
	w.must(err)
	c := account.Config{
		Store: w.store, Keeper: keeper, Notices: w.notices, Catalog: catalog, PublicURL: "https://post.example", Now: w.Now,
		Accounts: tenant.NewAccounts(tenant.AccountsConfig{Store: w.store, Tries: w.store, Now: w.Now}),
		Founder:  tenant.NewFounder(tenant.FounderConfig{Store: w.store, Keeper: keeper, Now: w.Now}),
		Log:      slog.New(slog.NewTextHandler(w.log, nil)),
	}
	for _, f := range change {
		f(&c)
	}
	w.accounts, err = account.New(c)
	w.must(err)
	return w
}

func (w *world) user(name string, r tenant.Role) tenant.User {
	return tenant.User{
		ID: id.New[tenant.UserKind](start), Tenant: w.tenant, Email: name + "@muster.example", Name: name,
		PasswordHash: knownHash(), Role: r, CreatedAt: start,
	}
}

// joins adds a person.
func (w *world) joins(u tenant.User) tenant.User {
	w.Helper()
	w.must(w.store.Found(w.Context(), tenant.Founding{Users: []tenant.User{u}}))
	return u
}

// signIn signs somebody in and returns who that is, and the token.
func (w *world) signIn(u tenant.User) (string, tenant.Identity) {
	w.Helper()
	token, who, err := w.accounts.SignIn(w.Context(), u.Email, password, firefox, home)
	w.must(err)
	return token, who
}

// settle lets the work behind answers be done: what is left to Run, and the letters.
func (w *world) settle() {
	w.Helper()
	ctx, stop := context.WithCancel(w.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.accounts.Run(ctx) }()
	w.accounts.Flush()
	stop()
	<-done
	_, err := w.notices.Turn(w.Context())
	w.must(err)
}

// letters returns the subjects of what was mailed so far, and forgets them.
func (w *world) letters() []string {
	w.Helper()
	w.settle()
	w.entrance.mu.Lock()
	defer w.entrance.mu.Unlock()
	var list []string
	for _, d := range w.entrance.mails {
		list = append(list, d.To[0].Local+": "+d.Subject)
	}
	w.entrance.mails = nil
	return list
}

// link returns the token in the last letter's link.
func (w *world) link(path string) string {
	w.Helper()
	w.settle()
	w.entrance.mu.Lock()
	defer w.entrance.mu.Unlock()
	if len(w.entrance.mails) == 0 {
		w.Fatalf("no letter; log: %s", w.log)
	}
	text := w.entrance.mails[len(w.entrance.mails)-1].Text
	_, rest, ok := strings.Cut(text, "https://post.example"+path)
	if !ok {
		w.Fatalf("no link to %s in %s", path, text)
	}
	token, _, _ := strings.Cut(rest, "\n")
	return token
}

// acts are the tenant's record so far, which must hold.
func (w *world) acts(t tenant.ID) string {
	w.Helper()
	_, err := audit.Verify(w.Context(), w.store, t)
	w.must(err)
	list, err := w.store.AuditChain(w.Context(), t, 0, 100)
	w.must(err)
	var names []string
	for _, e := range list {
		names = append(names, e.Action)
	}
	return strings.Join(names, " ")
}

// by is a context as the office makes it for an act.
func (w *world) by(who tenant.Identity, action string) context.Context {
	return audit.With(w.Context(), audit.Act{Tenant: who.Tenant.ID, Actor: who.User.ID.String(), Door: "office", Action: action})
}
