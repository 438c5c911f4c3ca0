package insight

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stafette/internal/i18n"
	"stafette/internal/tenant"
)

// Team has to do where an account could be entered with a password alone by who manages
// it, and where somebody was invited and did not come. Of the zero tenant it is the staff.
type Team struct {
	Store interface {
		Users(ctx context.Context, t tenant.ID) ([]tenant.User, error)
		// Awaited lists the addresses of the tenant's invitations that nobody accepted,
		// made before an instant, with when each ends.
		Awaited(ctx context.Context, t tenant.ID, before time.Time) ([]Awaited, error)
	}
}

// Awaited is somebody who was invited and has not come.
type Awaited struct {
	ID     string
	Email  string
	At     time.Time
	EndsAt time.Time
}

// awaitedFor is how long an invitation may lie before it is worth a word.
const awaitedFor = 3 * 24 * time.Hour

// Todos implements TodoSource.
func (s Team) Todos(ctx context.Context, t tenant.ID, now time.Time) ([]Todo, error) {
	users, err := s.Store.Users(ctx, t)
	if err != nil {
		return nil, err
	}
	manages, needs, link := tenant.Owner, tenant.UsersManage, "/people"
	if t.IsZero() {
		manages, needs, link = tenant.Operator, tenant.PlatformStaff, "/platform/people"
	}
	var list []Todo
	for _, u := range users {
		if u.Role == manages && !u.Guarded && u.DisabledAt.IsZero() {
			list = append(list, Todo{Key: "unguarded/" + u.ID.String(), Kind: "unguarded", Mark: "deferred", Optional: true, Needs: needs,
				Args: i18n.Args{"person": named(u)}, Link: link + "?state=password"})
		}
	}
	waiting, err := s.Store.Awaited(ctx, t, now.Add(-awaitedFor))
	for _, w := range waiting {
		one := Todo{Key: "invitation/" + w.ID, Kind: "invitation", Mark: "queued", Optional: true, Needs: needs, Since: w.At,
			Args: i18n.Args{"email": w.Email, "until": w.EndsAt}, Link: link + "?state=invited"}
		if !now.Before(w.EndsAt) {
			one.Key, one.Kind, one.Mark = one.Key+"/over", "invitation_over", "expired"
		}
		list = append(list, one)
	}
	return list, err
}

func named(u tenant.User) string {
	if u.Name != "" {
		return u.Name
	}
	return u.Email
}

// Keys has to do where an API key lies unused, ends soon, or has sent nearly all it may
// send today.
type Keys struct {
	Store interface {
		Keys(ctx context.Context, t tenant.ID) ([]tenant.Key, error)
		KeyUsage(ctx context.Context, t tenant.ID, day time.Time) (map[string]int64, error)
	}
}

const (
	// keyUnusedFor is how long a key may lie unused: what nobody needs can only be lost.
	keyUnusedFor = 90 * 24 * time.Hour
	// keyEnding is how long before its end a program's key is worth a word.
	keyEnding = 14 * 24 * time.Hour
)

// Todos implements TodoSource.
func (s Keys) Todos(ctx context.Context, t tenant.ID, now time.Time) ([]Todo, error) {
	keys, err := s.Store.Keys(ctx, t)
	if err != nil {
		return nil, err
	}
	keys = slices.DeleteFunc(keys, func(k tenant.Key) bool {
		return !k.RevokedAt.IsZero() || !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
	})
	used := map[string]int64{}
	if slices.ContainsFunc(keys, func(k tenant.Key) bool { return k.DailyCap > 0 }) {
		if used, err = s.Store.KeyUsage(ctx, t, now.UTC().Truncate(24*time.Hour)); err != nil {
			return nil, err
		}
	}
	var list []Todo
	add := func(k tenant.Key, kind, key, mark string, args i18n.Args) {
		args["key"] = k.Name
		list = append(list, Todo{Key: key + "/" + k.ID.String(), Kind: kind, Mark: mark, Args: args, Link: "/keys?state=valid", Optional: true, Needs: tenant.KeysManage})
	}
	unused := 0
	for _, k := range keys {
		last := k.LastUsedAt
		if last.IsZero() {
			last = k.CreatedAt
		}
		if now.Sub(last) >= keyUnusedFor {
			unused++
		}
		if !k.ExpiresAt.IsZero() && k.ExpiresAt.Sub(now) < keyEnding {
			add(k, "key_ending", "key_ending", "deferred", i18n.Args{"until": k.ExpiresAt})
		}
		if n := used[k.ID.String()]; k.DailyCap > 0 && float64(n) >= quotaWarning*float64(k.DailyCap) {
			add(k, "key_cap", "key_cap/"+now.UTC().Format(time.DateOnly), "deferred", i18n.Args{"used": min(n, k.DailyCap), "cap": k.DailyCap})
		}
	}
	if unused > 0 {
		list = append(list, Todo{Key: fmt.Sprintf("keys_unused/%d", unused), Kind: "keys_unused", Mark: "held", Args: i18n.Args{"n": unused}, Link: "/keys?state=valid&sort=used",
			Optional: true, Needs: tenant.KeysManage})
	}
	return list, nil
}

// Certificate has to do for operators when the certificate of the doors is about to end.
type Certificate struct {
	// End is when that is.
	End func() time.Time
}

// certificateEnding is when a certificate should have been replaced: who renews by
// themselves do so a month before.
const certificateEnding = 21 * 24 * time.Hour

// Todos implements TodoSource.
func (c Certificate) Todos(_ context.Context, _ tenant.ID, now time.Time) ([]Todo, error) {
	end := c.End()
	if end.Sub(now) >= certificateEnding {
		return nil, nil
	}
	one := Todo{Key: "certificate/" + end.Format(time.DateOnly), Kind: "certificate", Mark: "deferred", Args: i18n.Args{"until": end}, Link: "/help", Needs: tenant.PlatformSystem}
	if !now.Before(end) {
		one.Kind, one.Mark = "certificate_over", "bounced"
	}
	return []Todo{one}, nil
}

// CertificateFolders has to do for operators while several nodes make certificates of
// tenants' own hosts, each in a folder of its own.
type CertificateFolders struct {
	// Others are the names of the other nodes where that is so; none: all is well.
	Others func(ctx context.Context) ([]string, error)
}

// Todos implements TodoSource.
func (c CertificateFolders) Todos(ctx context.Context, _ tenant.ID, _ time.Time) ([]Todo, error) {
	others, err := c.Others(ctx)
	if err != nil || len(others) == 0 {
		return nil, err
	}
	return []Todo{{Key: "certificate_folders", Kind: "certificate_folders", Mark: "deferred", Args: i18n.Args{"nodes": strings.Join(others, ", ")}, Link: "/help", Needs: tenant.PlatformSystem}}, nil
}

// LockedAccounts has to do for operators while accounts are locked.
type LockedAccounts struct {
	// Store counts locked tenants and tells the name of the one created last.
	Store interface {
		Locked(ctx context.Context) (n int, last string, err error)
	}
}

// Todos implements TodoSource.
func (l LockedAccounts) Todos(ctx context.Context, _ tenant.ID, _ time.Time) ([]Todo, error) {
	n, last, err := l.Store.Locked(ctx)
	if err != nil || n == 0 {
		return nil, err
	}
	return []Todo{{Key: fmt.Sprintf("locked/%d", n), Kind: "accounts_locked", Mark: "held", Optional: true, Args: i18n.Args{"n": n, "name": last}, Link: "/platform/tenants?state=locked", Needs: tenant.PlatformTenants}}, nil
}

// Allowed are the things to do that whoever can may do.
func Allowed(list []Todo, can func(tenant.Permission) bool) []Todo {
	return slices.DeleteFunc(slices.Clone(list), func(d Todo) bool { return d.Needs != "" && !can(d.Needs) })
}
