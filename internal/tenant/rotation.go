package tenant

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/fault"
)

// Rotate makes new keys for a domain. They wait until a check finds their records
// published; then they sign and the old ones do not, whose records must stay for a
// week more. Conflict "rotation_running" while keys wait.
func (r *Registry) Rotate(ctx context.Context, t ID, d DomainID, actor string) (DomainSetup, error) {
	domain, err := r.c.Store.Domain(ctx, t, d)
	if err != nil {
		return DomainSetup{}, err
	}
	if err := r.rotate(ctx, domain, actor); err != nil {
		return DomainSetup{}, err
	}
	return r.Setup(ctx, t, d)
}

func (r *Registry) rotate(ctx context.Context, d Domain, actor string) error {
	keys, err := r.c.Store.DKIMKeys(ctx, d.Tenant, d.Name)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(keys, DKIMKey.Waiting) {
		return fault.New(fault.Conflict, "rotation_running", "New keys of this domain wait for their records already.")
	}
	now := r.now()
	fresh, err := NewDKIMKeys(r.c.Keeper, r.c.MakeKey, d, generation(keys)+1, now)
	if err != nil {
		return err
	}
	var names []string
	for i := range fresh {
		fresh[i].Active = false
		names = append(names, fresh[i].RecordName())
	}
	return r.c.Store.ChangeKeys(ctx, KeyChange{
		Tenant: d.Tenant, Domain: d.ID, At: now, Add: fresh, Fact: r.fact(d.ID, now, RotationStarted, actor, names),
	})
}

// CancelRotation gives keys up that wait. Conflict "rotation_not_running" if none do.
func (r *Registry) CancelRotation(ctx context.Context, t ID, d DomainID, actor string) (DomainSetup, error) {
	domain, err := r.c.Store.Domain(ctx, t, d)
	if err != nil {
		return DomainSetup{}, err
	}
	keys, err := r.c.Store.DKIMKeys(ctx, t, domain.Name)
	if err != nil {
		return DomainSetup{}, err
	}
	waiting := idsOf(keys, DKIMKey.Waiting)
	if len(waiting) == 0 {
		return DomainSetup{}, fault.New(fault.Conflict, "rotation_not_running", "No new keys of this domain wait for their records.")
	}
	now := r.now()
	err = r.c.Store.ChangeKeys(ctx, KeyChange{
		Tenant: t, Domain: d, At: now, Remove: waiting, Fact: r.fact(d, now, RotationCancelled, actor, nil),
	})
	if err != nil {
		return DomainSetup{}, err
	}
	return r.Setup(ctx, t, d)
}

// turn lets waiting keys sign whose records were all found, and forgets keys that have
// been retired for long enough.
func (r *Registry) turn(ctx context.Context, d Domain, keys []DKIMKey, actor string) error {
	now := r.now()
	if waiting := idsOf(keys, DKIMKey.Waiting); len(waiting) > 0 && published(d.Findings) {
		return r.c.Store.ChangeKeys(ctx, KeyChange{
			Tenant: d.Tenant, Domain: d.ID, At: now, Activate: waiting,
			Retire: idsOf(keys, func(k DKIMKey) bool { return k.Active }),
			Fact:   r.fact(d.ID, now, KeysSwitched, actor, recordNames(keys, DKIMKey.Waiting)),
		})
	}
	old := func(k DKIMKey) bool { return !k.RetiredAt.IsZero() && now.Sub(k.RetiredAt) >= linger }
	if gone := idsOf(keys, old); len(gone) > 0 {
		return r.c.Store.ChangeKeys(ctx, KeyChange{
			Tenant: d.Tenant, Domain: d.ID, At: now, Remove: gone, Fact: r.fact(d.ID, now, KeysRemoved, system, recordNames(keys, old)),
		})
	}
	return nil
}

// published reports whether the records of the next keys are all there.
func published(found []Finding) bool {
	any := false
	for _, f := range found {
		if f.Purpose == ForNextDKIM {
			if f.State != Found {
				return false
			}
			any = true
		}
	}
	return any
}

// due begins a rotation of keys that have signed for long enough.
func (r *Registry) due(ctx context.Context, d Domain, now time.Time) error {
	if r.c.RotateEvery <= 0 || !d.Usable() {
		return nil
	}
	keys, err := r.c.Store.DKIMKeys(ctx, d.Tenant, d.Name)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if !k.Active || now.Sub(k.CreatedAt) < r.c.RotateEvery {
			return nil // one is young, waits, or has just been retired
		}
	}
	return r.rotate(ctx, d, system)
}

// generation is the highest number in the selectors "stf<number><letter>".
func generation(keys []DKIMKey) int {
	highest := 0
	for _, k := range keys {
		digits := strings.TrimRight(strings.TrimPrefix(k.Selector, "stf"), "re")
		if n, err := strconv.Atoi(digits); err == nil {
			highest = max(highest, n)
		}
	}
	return highest
}

func idsOf(keys []DKIMKey, which func(DKIMKey) bool) []DKIMKeyID {
	var list []DKIMKeyID
	for _, k := range keys {
		if which(k) {
			list = append(list, k.ID)
		}
	}
	return list
}

func recordNames(keys []DKIMKey, which func(DKIMKey) bool) []string {
	var list []string
	for _, k := range keys {
		if which(k) {
			list = append(list, k.RecordName())
		}
	}
	return list
}
