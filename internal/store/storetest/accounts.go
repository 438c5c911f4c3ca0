package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stafette/internal/account"
	"stafette/internal/audit"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/tenant"
)

func accountTests() map[string]func(*testing.T, *World) {
	return map[string]func(*testing.T, *World){
		"Invitations":                 invitations,
		"LastOwner":                   lastOwnerStays,
		"ChangesEndSessions":          changesEndSessions,
		"LockEndsSessions":            lockEndsSessions,
		"Factors":                     secondFactors,
		"Ceremonies":                  ceremonies,
		"Devices":                     devices,
		"Visits":                      visits,
		"Tries":                       triesLast,
		"Allotted":                    allotted,
		"ThingsToDo":                  thingsToDo,
		"FindTenants":                 findTenants,
		"Audit":                       auditChain,
		"AuditGoesWithTheTransaction": auditGoesWithTheTransaction,
	}
}

// member adds a user of w.A.
func (w *World) member(name string, role tenant.Role) tenant.User {
	w.t.Helper()
	now := w.Clock.Now()
	u := tenant.User{ID: id.New[tenant.UserKind](now), Tenant: w.A, Email: name + "@a.example", Name: name, PasswordHash: "$x", Role: role, CreatedAt: now}
	if err := w.Store.Found(context.Background(), tenant.Founding{Users: []tenant.User{u}}); err != nil {
		w.t.Fatal(err)
	}
	return u
}

// session opens one of the user's and returns its hash.
func (w *World) session(u tenant.User, n byte) [32]byte {
	w.t.Helper()
	now := w.Clock.Now()
	s := tenant.Session{Hash: [32]byte{n}, User: u.ID, Tenant: u.Tenant, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(time.Hour)}
	if err := w.Store.OpenSession(context.Background(), s); err != nil {
		w.t.Fatal(err)
	}
	return s.Hash
}

// open counts the user's sessions.
func (w *World) open(u tenant.User) int {
	w.t.Helper()
	list, err := w.Store.Sessions(context.Background(), u.Tenant, u.ID, w.Clock.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return len(list)
}

func (w *World) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// letters counts the letters that are due.
func (w *World) letters() int {
	w.t.Helper()
	list, err := w.Store.ClaimNotices(context.Background(), notice.Claim{Now: w.Clock.Now(), Lease: time.Hour, Limit: 100})
	w.must(err)
	return len(list)
}

func (w *World) letter(key string) []notice.Due {
	return []notice.Due{{Tenant: w.A, Key: key, At: w.Clock.Now(), Sealed: []byte("x")}}
}

func invitations(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	i := account.Invitation{ID: id.New[account.InvitationKind](now), Tenant: w.A, Hash: [32]byte{1}, Email: "eva@a.example", Name: "Eva", Role: tenant.Office,
		InvitedBy: id.New[tenant.UserKind](now), CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
	w.must(w.Store.PutInvitation(ctx, i, w.letter("1")))
	again := i
	again.ID, again.Hash = id.New[account.InvitationKind](now), [32]byte{9}
	refused(t, w.Store.PutInvitation(ctx, again, nil), fault.Conflict, "invitation_exists")
	i.Hash, i.ExpiresAt = [32]byte{2}, now.Add(2*time.Hour)
	w.must(w.Store.PutInvitation(ctx, i, w.letter("2")))
	equal(t, "letters", w.letters(), 2)
	_, err := w.Store.InvitationByHash(ctx, [32]byte{1})
	refused(t, err, fault.NotFound, "invitation_not_found")
	have, err := w.Store.InvitationByHash(ctx, i.Hash)
	same(t, "invitation", have, i, err)
	list, err := w.Store.Invitations(ctx, w.B)
	same(t, "of another tenant", list, nil, err)
	refused(t, w.Store.RemoveInvitation(ctx, w.B, i.ID), fault.NotFound, "invitation_not_found")

	u := tenant.User{ID: id.New[tenant.UserKind](now), Tenant: w.A, Email: i.Email, Name: "Eva", Role: i.Role, CreatedAt: now}
	w.must(w.Store.AcceptInvitation(ctx, i, u))
	refused(t, w.Store.AcceptInvitation(ctx, i, u), fault.NotFound, "invitation_not_found")
	refused(t, w.Store.PutInvitation(ctx, again, nil), fault.Conflict, "email_taken")
	users, err := w.Store.Users(ctx, w.A)
	same(t, "users", users, []tenant.User{u}, err)
}

func lastOwnerStays(t *testing.T, w *World) {
	ctx, at := context.Background(), w.Clock.Now()
	first, second := w.member("first", tenant.Owner), w.member("second", tenant.Owner)
	w.must(w.Store.ChangeUser(ctx, w.A, second.ID, account.UserChange{Role: tenant.Office, At: at}))
	yes := true
	for name, err := range map[string]error{
		"role":    w.Store.ChangeUser(ctx, w.A, first.ID, account.UserChange{Role: tenant.Office, At: at}),
		"disable": w.Store.ChangeUser(ctx, w.A, first.ID, account.UserChange{Disable: &yes, At: at}),
		"remove":  w.Store.RemoveUser(ctx, w.A, first.ID, at),
	} {
		t.Run(name, func(t *testing.T) { refused(t, err, fault.Conflict, "last_owner") })
	}
	have, err := w.Store.User(ctx, w.A, first.ID)
	same(t, "the last one", have, first, err)
	refused(t, w.Store.RemoveUser(ctx, w.B, second.ID, at), fault.NotFound, "user_not_found")
	w.must(w.Store.RemoveUser(ctx, w.A, second.ID, at))
}

// T19: nothing that was opened before survives.
func changesEndSessions(t *testing.T, w *World) {
	ctx, at := context.Background(), w.Clock.Now()
	w.member("owner", tenant.Owner)
	u, other := w.member("eva", tenant.Developer), w.member("jan", tenant.Developer)
	k := key(at, w.A, "of eva")
	k.CreatedBy, k.ExpiresAt, k.DailyCap = u.ID.String(), at.Add(time.Hour), 7
	w.must(w.Store.IssueKey(ctx, k, nil))
	have, err := w.Store.KeyByHash(ctx, k.Hash)
	same(t, "key", have, k, err)
	yes, no := true, false
	for n, change := range []func() error{
		func() error {
			return w.Store.ChangeUser(ctx, w.A, u.ID, account.UserChange{Role: tenant.Office, At: at})
		},
		func() error { return w.Store.NewPassword(ctx, w.A, u.ID, "$y", w.letter("p")) },
		func() error { return w.Store.ChangeUser(ctx, w.A, u.ID, account.UserChange{Disable: &yes, At: at}) },
		func() error { return w.Store.ChangeUser(ctx, w.A, u.ID, account.UserChange{Disable: &no, At: at}) },
		func() error { return w.Store.RemoveUser(ctx, w.A, u.ID, at) },
	} {
		w.session(u, byte(10+n))
		kept := w.session(other, byte(20+n))
		w.must(change())
		if n := w.open(u); n != 0 {
			t.Errorf("%d sessions are still open", n)
		}
		w.must(w.Store.CloseSession(ctx, kept))
	}
	have, err = w.Store.KeyByHash(ctx, k.Hash)
	if err != nil || !have.RevokedAt.Equal(at) {
		t.Errorf("key of somebody disabled: %+v, %v", have, err)
	}
	equal(t, "letters", w.letters(), 1)

	first, second := w.session(other, 1), w.session(other, 2)
	w.must(w.Store.CloseSessions(ctx, w.B, other.ID, [][32]byte{first}, false))
	equal(t, "of another tenant", w.open(other), 2)
	w.must(w.Store.CloseSessions(ctx, w.A, other.ID, [][32]byte{second}, true))
	list, err := w.Store.Sessions(ctx, w.A, other.ID, at)
	if err != nil || len(list) != 1 || list[0].Hash != second {
		t.Errorf("kept %+v, %v", list, err)
	}
}

func lockEndsSessions(t *testing.T, w *World) {
	ctx := context.Background()
	u := w.member("eva", tenant.Owner)
	w.session(u, 1)
	w.must(w.Store.LockTenant(ctx, w.B, tenant.Locked, "abuse", nil))
	equal(t, "of another tenant", w.open(u), 1)
	w.must(w.Store.LockTenant(ctx, w.A, tenant.Locked, "abuse", w.letter("l")))
	equal(t, "open", w.open(u), 0)
	w.session(u, 2)
	w.must(w.Store.LockTenant(ctx, w.A, tenant.Active, "", nil))
	equal(t, "open", w.open(u), 1)
	equal(t, "letters", w.letters(), 1)
}

func secondFactors(t *testing.T, w *World) {
	ctx, at := context.Background(), w.Clock.Now()
	u := w.member("eva", tenant.Owner)
	keep := w.session(u, 1)
	w.session(u, 2)
	code := [32]byte{7}
	w.must(w.Store.SetTOTP(ctx, w.A, u.ID, []byte("sealed"), 100, [][32]byte{code, {8}}, keep, w.letter("f")))
	equal(t, "sessions", w.open(u), 1)
	guarded := func() bool {
		have, err := w.Store.User(ctx, w.A, u.ID)
		w.must(err)
		return have.Guarded
	}
	equal(t, "guarded", guarded(), true)
	refused(t, w.Store.UseTOTP(ctx, w.A, u.ID, 100), fault.Conflict, "code_used")
	w.must(w.Store.UseTOTP(ctx, w.A, u.ID, 101))
	refused(t, w.Store.UseCode(ctx, w.B, u.ID, code, at), fault.NotFound, "code_not_found")
	w.must(w.Store.UseCode(ctx, w.A, u.ID, code, at))
	refused(t, w.Store.UseCode(ctx, w.A, u.ID, code, at), fault.NotFound, "code_not_found")

	p := account.Passkey{ID: []byte{1, 2}, Tenant: w.A, User: u.ID, Name: "Telefon", Credential: []byte(`{"id":"AQI="}`), CreatedAt: at}
	w.must(w.Store.AddPasskey(ctx, p, nil, keep, nil))
	refused(t, w.Store.AddPasskey(ctx, p, nil, keep, nil), fault.Conflict, "passkey_exists")
	w.must(w.Store.SetTOTP(ctx, w.A, u.ID, nil, 0, nil, keep, nil))
	equal(t, "guarded by the passkey", guarded(), true)
	p.UsedAt, p.Credential = at, []byte(`{"id":"AQI=","n":1}`)
	w.must(w.Store.UsePasskey(ctx, p))
	have, err := w.Store.PasskeyByID(ctx, p.ID)
	same(t, "passkey", have, p, err)
	f, err := w.Store.Factors(ctx, w.A, u.ID)
	same(t, "factors", f, account.Factors{Passkeys: []account.Passkey{p}, Codes: 1}, err)
	refused(t, w.Store.RemovePasskey(ctx, w.B, u.ID, p.ID, keep, nil), fault.NotFound, "passkey_not_found")
	w.must(w.Store.RemovePasskey(ctx, w.A, u.ID, p.ID, keep, nil))
	equal(t, "guarded by nothing", guarded(), false)

	w.must(w.Store.SetSubject(ctx, w.A, u.ID, "issuer eva"))
	other := w.member("jan", tenant.Office)
	refused(t, w.Store.SetSubject(ctx, w.A, other.ID, "issuer eva"), fault.Conflict, "subject_taken")
	found, err := w.Store.UserBySubject(ctx, "issuer eva")
	same(t, "by subject", found.ID, u.ID, err)
}

func ceremonies(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	u := w.member("eva", tenant.Owner)
	c := account.Ceremony{Hash: [32]byte{1}, Kind: "reset", Tenant: w.A, User: u.ID, Sealed: []byte("x"), ExpiresAt: now.Add(time.Hour)}
	w.must(w.Store.PutCeremony(ctx, c))
	have, err := w.Store.Ceremony(ctx, "reset", c.Hash, now)
	same(t, "ceremony", have, c, err)
	_, err = w.Store.TakeCeremony(ctx, "other", c.Hash, now)
	refused(t, err, fault.NotFound, "ceremony_not_found")
	_, err = w.Store.TakeCeremony(ctx, "reset", c.Hash, c.ExpiresAt)
	refused(t, err, fault.NotFound, "ceremony_not_found")
	have, err = w.Store.TakeCeremony(ctx, "reset", c.Hash, now)
	same(t, "taken", have, c, err)
	_, err = w.Store.TakeCeremony(ctx, "reset", c.Hash, now)
	refused(t, err, fault.NotFound, "ceremony_not_found")
	w.must(w.Store.PutCeremony(ctx, c))
	w.must(w.Store.NewPassword(ctx, w.A, u.ID, "$y", nil))
	_, err = w.Store.Ceremony(ctx, "reset", c.Hash, now)
	refused(t, err, fault.NotFound, "ceremony_not_found")
}

func devices(t *testing.T, w *World) {
	ctx := context.Background()
	u := w.member("eva", tenant.Owner)
	for i, c := range []struct {
		hash  byte
		fresh bool
	}{{1, false}, {1, false}, {2, true}, {2, false}, {1, false}} {
		fresh, err := w.Store.NoteDevice(ctx, w.A, u.ID, [32]byte{c.hash}, w.Clock.Now(), w.letter(string(rune('a'+i))))
		same(t, "fresh", fresh, c.fresh, err)
	}
	equal(t, "letters", w.letters(), 1)
}

func visits(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	u := w.member("eva", tenant.Owner)
	hash := w.session(u, 1)
	v := tenant.Visit{Tenant: w.B, Reason: "Anruf", Since: now, Until: now.Add(time.Minute)}
	w.must(w.Store.SetVisit(ctx, hash, v, w.letter("v")))
	s, err := w.Store.Session(ctx, hash, now)
	same(t, "visit", s.Visit, v, err)
	visited, err := w.Store.Tenant(ctx, w.B)
	same(t, "told to the tenant", visited.VisitedUntil, v.Until, err)
	w.must(w.Store.SetVisit(ctx, hash, tenant.Visit{}, nil))
	s, err = w.Store.Session(ctx, hash, now)
	same(t, "ended", s.Visit, tenant.Visit{}, err)
	visited, err = w.Store.Tenant(ctx, w.B)
	same(t, "told to the tenant", visited.VisitedUntil, time.Time{}, err)
	w.must(w.Store.ProveSession(ctx, hash, now.Add(time.Second)))
	s, err = w.Store.Session(ctx, hash, now)
	same(t, "proven", s.ProvedAt, now.Add(time.Second), err)
	refused(t, w.Store.SetVisit(ctx, [32]byte{9}, v, nil), fault.NotFound, "session_not_found")
}

func triesLast(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	a, b := [32]byte{1}, [32]byte{2}
	w.must(w.Store.KeepTries(ctx, []tenant.Try{{Name: a, Clear: now.Add(time.Hour)}, {Name: b, Clear: now.Add(time.Minute)}}))
	w.must(w.Store.KeepTries(ctx, []tenant.Try{{Name: a, Clear: now.Add(time.Second)}}))
	have, err := w.Store.Tries(ctx, [][32]byte{a, b, {3}}, now.Add(time.Minute))
	same(t, "tries", have, []tenant.Try{{Name: a, Clear: now.Add(time.Hour)}}, err)
	w.must(w.Store.ForgetTries(ctx, [][32]byte{a}))
	have, err = w.Store.Tries(ctx, [][32]byte{a}, now)
	same(t, "forgotten", have, nil, err)
}

func findTenants(t *testing.T, w *World) {
	ctx, now := context.Background(), w.Clock.Now()
	w.must(w.Store.AddDomain(ctx, tenant.Domain{ID: id.New[tenant.DomainKind](now), Tenant: w.B, Name: "blumen.example", State: tenant.Pending, CreatedAt: now}, nil))
	for text, want := range map[string]int{"": 2, "B": 1, "lumen": 1, "%": 0, "_": 0, "zzz": 0} {
		list, err := w.Store.FindTenants(ctx, text, 10)
		if err != nil || len(list) != want {
			t.Errorf("%q finds %d, %v", text, len(list), err)
		}
	}
	have, err := w.Store.Tenant(ctx, w.B)
	w.must(err)
	have.Name, have.Locale, have.OfficeTone, have.DailyQuota, have.TimeZone = "Blumen", "en", tenant.Du, 9, "Europe/Vienna"
	said, err := w.Store.Profile(ctx, w.B)
	same(t, "before anything was said", said, tenant.Profile{}, err)
	says := tenant.Profile{Stream: tenant.Reminder, From: message.Mailbox{Name: "Blumen", Address: Address("gruss@b.example")}, Contact: "030 123", Imprint: "Blumen GmbH\nBerlin"}
	w.must(w.Store.SaveTenant(ctx, have, tenant.Profile{Contact: "first"}))
	w.must(w.Store.SaveTenant(ctx, have, says))
	said, err = w.Store.Profile(ctx, w.B)
	same(t, "profile", said, says, err)
	said, err = w.Store.Profile(ctx, w.A)
	same(t, "another's profile", said, tenant.Profile{}, err)
	again, err := w.Store.Tenant(ctx, w.B)
	same(t, "saved", again, have, err)
}

func auditChain(t *testing.T, w *World) {
	ctx := context.Background()
	for i, action := range []string{"keys.create", "keys.revoke", "users.invite"} {
		w.Clock.Advance(time.Second)
		w.must(w.Store.PutAudit(ctx, audit.Act{Tenant: w.A, Actor: "usr_1", Door: "office", Action: action, Target: string(rune('a' + i))}))
	}
	w.must(w.Store.PutAudit(ctx, audit.Act{Tenant: w.B, Actor: "usr_2", Action: "keys.create"}))
	list, err := w.Store.Audit(ctx, w.A, audit.Filter{Limit: 2})
	if err != nil || len(list) != 2 || list[0].Seq != 3 || list[1].Seq != 2 || list[1].Hash != list[0].Prev {
		t.Errorf("listed %+v, %v", list, err)
	}
	after := list[0].At.Add(time.Millisecond) // by the clock of the database
	for want, f := range map[int]audit.Filter{0: {From: after}, 1: {Action: "keys.revoke", Before: 3, OldestFirst: true}, 2: {After: 1, OldestFirst: true}, 3: {To: after, Actor: "usr_1"}} {
		list, err := w.Store.Audit(ctx, w.A, f)
		if err != nil || len(list) != want {
			t.Errorf("%+v finds %d, %v", f, len(list), err)
		}
	}
	head, err := audit.Verify(ctx, w.Store, w.A)
	if err != nil || head.Seq != 3 {
		t.Errorf("verified %+v, %v", head, err)
	}
	if head, err := audit.Verify(ctx, w.Store, tenant.ID{}); err != nil || head.Seq != 0 {
		t.Errorf("an empty chain: %+v, %v", head, err)
	}
}

// auditGoesWithTheTransaction: what is undone leaves no entry, what is done leaves one.
func auditGoesWithTheTransaction(t *testing.T, w *World) {
	ctx := audit.With(context.Background(), audit.Act{Tenant: w.A, Actor: "usr_1", Action: "keys.create"})
	k := key(w.Clock.Now(), w.A, "k")
	w.must(w.Store.AddKey(ctx, k))
	w.must(w.Store.RevokeKey(ctx, w.A, k.ID, w.Clock.Now())) // of the same act
	failing := audit.With(context.Background(), audit.Act{Tenant: w.A, Actor: "usr_1", Action: "keys.revoke"})
	refused(t, w.Store.RevokeKey(failing, w.B, k.ID, w.Clock.Now()), fault.NotFound, "key_not_found")
	list, err := w.Store.Audit(context.Background(), w.A, audit.Filter{})
	if err != nil || len(list) != 1 || list[0].Action != "keys.create" {
		t.Errorf("entries %+v, %v", list, err)
	}
	w.must(w.Store.RevokeKey(failing, w.A, k.ID, w.Clock.Now()))
	if head, err := audit.Verify(context.Background(), w.Store, w.A); errors.Is(err, audit.ErrBroken) || head.Seq != 2 {
		t.Errorf("after a failure: %+v, %v", head, err)
	}
}

// recorded does something as an act of the first tenant's and demands its entry.
func (w *World) recorded(action string, do func(context.Context) error) {
	w.t.Helper()
	w.must(do(audit.With(context.Background(), audit.Act{Tenant: w.A, Actor: "usr_1", Action: action})))
	list, err := w.Store.Audit(context.Background(), w.A, audit.Filter{Action: action})
	if err != nil || len(list) != 1 {
		w.t.Errorf("%s: entries %+v, %v", action, list, err)
	}
}

// What the office's things to do are made of.
func thingsToDo(t *testing.T, w *World) {
	ctx := context.Background()
	now := w.Clock.Now()
	w.must(w.Store.PutInvitation(ctx, account.Invitation{
		ID: id.New[account.InvitationKind](now), Tenant: w.A, Hash: [32]byte{9}, Email: "neu@a.example", Role: tenant.Office, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}, nil))
	list, err := w.Store.Awaited(ctx, w.A, now)
	same(t, "just invited", len(list), 0, err)
	list, err = w.Store.Awaited(ctx, w.A, now.Add(time.Millisecond))
	if err != nil || len(list) != 1 || list[0].Email != "neu@a.example" || !list[0].EndsAt.Equal(now.Add(time.Hour)) {
		t.Errorf("awaited %+v, %v", list, err)
	}
	w.must(w.Store.LockTenant(ctx, w.B, tenant.Locked, "x", nil))
	n, last, err := w.Store.Locked(ctx)
	of, readErr := w.Store.Tenant(ctx, w.B)
	w.must(readErr)
	same(t, "locked", n, 1, err)
	same(t, "the last one locked", last, of.Name, nil)
}

// Nodes share a cap by what each takes of it in advance.
func allotted(t *testing.T, w *World) {
	ctx := context.Background()
	day := w.Clock.Now().Truncate(24 * time.Hour)
	a, b := w.Draft(w.A, "x@example.net", "y@example.net"), w.Draft(w.A, "z@example.net")
	b.Message.Actor = "key_2"
	w.Accept(a, b, w.Draft(w.B, "x@example.net"))
	sum := int64(2) // accepted before anybody asked
	for _, want := range []int64{1, 1, 5} {
		got, err := w.Store.Allot(ctx, w.A, "key_1", day, 100, want)
		same(t, "allotted", got, max(want, (100-sum)/16), err)
		sum += got
	}
	used, err := w.Store.KeyUsage(ctx, w.A, day)
	same(t, "usage", used, map[string]int64{"key_1": sum}, err)
	got, err := w.Store.Allot(ctx, w.A, "key_1", day, 100, 101-sum)
	same(t, "more than is left", got, 0, err)
	w.must(w.Store.Disallot(ctx, w.A, "key_1", day, 1))
	got, err = w.Store.Allot(ctx, w.A, "key_1", day, 100, 101-sum)
	same(t, "all that is left", got, 101-sum, err)
	got, err = w.Store.Allot(ctx, w.A, "key_1", day.Add(24*time.Hour), 100, 100)
	same(t, "tomorrow", got, 100, err)
	used, err = w.Store.KeyUsage(ctx, w.A, day)
	same(t, "yesterday is forgotten", used, map[string]int64{}, err)
	used, err = w.Store.KeyUsage(ctx, w.B, day)
	same(t, "another tenant", used, map[string]int64{}, err)
	var group sync.WaitGroup
	var all atomic.Int64
	for range 20 {
		group.Go(func() {
			got, err := w.Store.Allot(ctx, w.B, "key_3", day, 50, 7)
			if err != nil {
				t.Error(err)
			}
			all.Add(got)
		})
	}
	group.Wait()
	same(t, "at the same moment", all.Load(), 49, nil)
}
