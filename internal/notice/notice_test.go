package notice_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/ingest/ingesttest"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/notice/noticetest"
	"stafette/internal/seal"
	"stafette/internal/tenant"
	"stafette/internal/tenant/tenanttest"

	"github.com/jhillyerd/enmime/v2"
)

var start = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// world is a sender over a real entrance; what it accepted lies in mails.
type world struct {
	*testing.T
	keeper   *seal.Keeper
	tenants  *tenanttest.Store
	mails    *ingesttest.Store
	notices  *noticetest.Store
	sender   *notice.Sender
	platform tenant.ID
	log      bytes.Buffer

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

func newWorld(t *testing.T, change func(*notice.Config)) *world {
	t.Helper()
	w := &world{T: t, now: start, tenants: &tenanttest.Store{}, mails: &ingesttest.Store{}, platform: id.New[tenant.Kind](start)}
	w.notices = &noticetest.Store{Senders: map[string]tenant.ID{"stafette.example": w.platform}}
	var err error
	w.keeper, err = seal.New(bytes.Repeat([]byte{7}, seal.KeySize))
	w.must(err)
	w.must(w.tenants.Found(t.Context(), tenant.Founding{
		Tenant:  tenant.Tenant{ID: w.platform, Name: "Stafette", State: tenant.Active},
		Domains: []tenant.Domain{{ID: id.New[tenant.DomainKind](start), Tenant: w.platform, Name: "stafette.example", State: tenant.Trusted}},
	}))
	catalog, err := i18n.Load()
	w.must(err)
	c := notice.Config{
		Store: w.notices, Keeper: w.keeper, Catalog: catalog, Now: w.Now, PublicURL: "https://post.stafette.example",
		Acceptor: ingest.New(ingest.Config{Store: w.mails, Tenants: w.tenants, Keeper: w.keeper, Now: w.Now}),
		From:     message.Mailbox{Name: "Stafette", Address: message.Address{Local: "konto", Domain: "post.stafette.example"}},
		Log:      slog.New(slog.NewTextHandler(&w.log, nil)),
	}
	if change != nil {
		change(&c)
	}
	w.sender, err = notice.NewSender(c)
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func invitation() notice.Letter {
	return notice.Letter{
		Tenant: tenant.ID{1}, To: message.Address{Local: "eva", Domain: "kunde.example"}, Lang: i18n.German, Formal: true,
		Kind: "invite", Link: "/invitation/geheim", Key: "invite/1",
		Args: map[string]string{"inviter": "Jan <b>Petersen</b>", "account": "Hafenkontor\r\nBcc: x@evil.example", "role": "Büro", "until": "29. November"},
	}
}

// mail opens the only mail accepted so far.
func (w *world) mail() (*enmime.Envelope, ingest.Acceptance) {
	w.Helper()
	list := w.mails.Accepted()
	if len(list) != 1 {
		w.Fatalf("%d mails accepted; log: %s", len(list), w.log.String())
	}
	raw, err := w.keeper.OpenBody(list[0].Sealed, list[0].Message.Salt)
	w.must(err)
	env, err := enmime.ReadEnvelope(bytes.NewReader(raw))
	w.must(err)
	return env, list[0]
}

func TestLetterArrivesInTwoForms(t *testing.T) {
	w := newWorld(t, nil)
	w.must(w.sender.Send(t.Context(), invitation()))
	_, err := w.sender.Turn(t.Context())
	w.must(err)
	env, a := w.mail()
	if a.Message.Stream != tenant.System || a.Message.Door != notice.Door || a.Message.Tenant != w.platform {
		t.Errorf("sent as %+v", a.Message)
	}
	if len(a.Deliveries) != 1 || a.Deliveries[0].Recipient.String() != "eva@kunde.example" {
		t.Errorf("to %+v", a.Deliveries)
	}
	if s := env.GetHeader("Subject"); s != "Jan <b>Petersen</b> lädt Sie in das Konto „Hafenkontor Bcc: x@evil.example“ ein" {
		t.Errorf("subject %q", s)
	}
	if env.GetHeader("Auto-Submitted") != "auto-generated" || env.GetHeader("Bcc") != "" {
		t.Errorf("header %v", env.GetHeaderKeys())
	}
	const link = "https://post.stafette.example/invitation/geheim"
	for _, want := range []string{link, "Ihre Rolle: Büro", "Einladung annehmen", "Jan <b>Petersen</b>"} {
		if !strings.Contains(env.Text, want) {
			t.Errorf("text lacks %q:\n%s", want, env.Text)
		}
	}
	for _, want := range []string{`href="` + link + `"`, "Jan &lt;b&gt;Petersen&lt;/b&gt;", `lang="de"`} {
		if !strings.Contains(env.HTML, want) {
			t.Errorf("HTML lacks %q:\n%s", want, env.HTML)
		}
	}
}

func TestLanguageToneAndForeignLinks(t *testing.T) {
	w := newWorld(t, nil)
	l := invitation()
	l.Formal = false
	l.Args["account"] = "Gewinn: http://evil.example/x www.evil.example"
	w.must(w.sender.Send(t.Context(), l))
	_, err := w.sender.Turn(t.Context())
	w.must(err)
	env, _ := w.mail()
	if !strings.Contains(env.Text, "Deine Rolle") || strings.Contains(env.HTML, "http://evil") || strings.Contains(env.Text, "www.evil") {
		t.Errorf("text:\n%s", env.Text)
	}
}

func TestOneKeyIsOneLetter(t *testing.T) {
	w := newWorld(t, nil)
	for range 3 {
		w.must(w.sender.Send(t.Context(), invitation()))
		_, err := w.sender.Turn(t.Context())
		w.must(err)
		w.pass(30 * time.Hour) // longer than the entrance remembers its keys
	}
	w.mail()
}

func TestLetterWaitsForTheEntrance(t *testing.T) {
	w := newWorld(t, nil)
	w.mails.Fail = func(string) error { return errors.New("database is down") }
	w.must(w.sender.Send(t.Context(), invitation()))
	for range 2 {
		n, err := w.sender.Turn(t.Context())
		w.must(err)
		if n != 1 {
			t.Errorf("%d letters dealt with", n)
		}
		w.pass(time.Minute)
	}
	w.mails.Fail = nil
	_, err := w.sender.Turn(t.Context())
	w.must(err)
	w.mail()
	if strings.Contains(w.log.String(), "geheim") || strings.Contains(w.log.String(), "eva@") {
		t.Errorf("the log tells the letter: %s", w.log.String())
	}
}

func TestLetterIsGivenUpAtLast(t *testing.T) {
	w := newWorld(t, func(c *notice.Config) { c.From.Domain = "elsewhere.example" })
	w.must(w.sender.Send(t.Context(), invitation()))
	for range 7 {
		_, err := w.sender.Turn(t.Context())
		w.must(err)
		w.pass(24 * time.Hour)
	}
	if n := w.notices.Waiting(); n != 0 || len(w.mails.Accepted()) != 0 {
		t.Errorf("%d letters wait for ever", n)
	}
}

func TestWhatIsRefused(t *testing.T) {
	off := newWorld(t, func(c *notice.Config) { c.From = message.Mailbox{} })
	if err := off.sender.Send(t.Context(), invitation()); !fault.IsKind(err, fault.Unavailable) || off.sender.On() {
		t.Errorf("without an address: %v", err)
	}
	w := newWorld(t, nil)
	for name, change := range map[string]func(*notice.Letter){
		"no key":       func(l *notice.Letter) { l.Key = "" },
		"long key":     func(l *notice.Letter) { l.Key = strings.Repeat("k", 151) },
		"broken key":   func(l *notice.Letter) { l.Key = "a\nb" },
		"nobody":       func(l *notice.Letter) { l.To = message.Address{} },
		"unknown kind": func(l *notice.Letter) { l.Kind = "no such" },
	} {
		l := invitation()
		change(&l)
		if err := w.sender.Send(t.Context(), l); !fault.IsKind(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRunSendsAtOnceAndWhatOthersLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		ctx, stop := context.WithCancel(t.Context())
		var work sync.WaitGroup
		work.Go(func() { w.sender.Run(ctx) })
		w.must(w.sender.Send(ctx, invitation()))
		synctest.Wait()
		w.mail()
		other := invitation()
		other.Key = "invite/2"
		d, err := w.sender.Seal(other)
		w.must(err)
		w.must(w.notices.PutNotice(ctx, d))
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if n := len(w.mails.Accepted()); n != 2 {
			t.Errorf("%d mails", n)
		}
		stop()
		work.Wait()
	})
}
