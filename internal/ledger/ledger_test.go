package ledger_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"stafette/internal/id"
	"stafette/internal/ledger"
)

// TestSums does things to an account in any order: what is left is never negative, is the
// sum of all entries and charges, and what was used is never given back.
func TestSums(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 8))
		now := time.Date(2026, 1, 20, 8, 0, 0, 0, time.UTC)
		var a ledger.Account
		var list []ledger.Entry
		var sum, credit, used int64
		note := func(l ...ledger.Entry) {
			for _, e := range l {
				list, sum = append(list, e), sum+e.Amount
			}
		}
		note(a.Adopt(ledger.Plan{ID: id.New[ledger.PlanKind](now), Included: r.Int64N(50), Overage: ledger.Hold}, now)...)
		for range 60 {
			now = now.Add(time.Duration(r.IntN(100)) * time.Hour)
			note(a.Roll(now)...)
			switch r.IntN(5) {
			case 0, 1:
				n := r.Int64N(20)
				before := a.Left()
				c, ok := a.Take(n)
				if ok != (n <= before) || ok && c.Included+c.Credit != n {
					t.Fatalf("seed %d: took %+v, %v of %d with %d left", seed, c, ok, n, before)
				}
				if r.IntN(4) == 0 {
					a.PutBack(c)
					break
				}
				sum -= c.Included + c.Credit
				used += c.Credit
			case 2:
				e := ledger.Entry{ID: id.New[ledger.EntryKind](now), Type: []ledger.EntryType{ledger.Grant, ledger.Goodwill}[r.IntN(2)], Amount: 1 + r.Int64N(30)}
				a.Give(e)
				note(e)
				credit += e.Amount
			case 3:
				of := list[r.IntN(max(len(list), 1)):]
				if len(of) == 0 {
					break
				}
				if e, ok := a.Unused(list, of[0].ID); ok {
					a.GiveBack(e)
					note(ledger.Entry{ID: id.New[ledger.EntryKind](now), Type: ledger.Refund, Amount: -e.Amount, Of: e.ID})
					if e.Type == ledger.Grant {
						credit -= e.Amount
					}
					if _, again := a.Unused(list, e.ID); again {
						t.Fatalf("seed %d: given back twice", seed)
					}
				}
			case 4:
				if p := a.Percent(); p < 0 || p > 100 || a.Level() > p {
					t.Fatalf("seed %d: %d percent, level %d", seed, p, a.Level())
				}
			}
			if sum != a.Left() || a.Left() < 0 || a.Credit != credit-used || a.Credit < 0 {
				t.Fatalf("seed %d: entries come to %d, left %d; credit %d of %d, %d used", seed, sum, a.Left(), a.Credit, credit, used)
			}
		}
	}
}

// TestUnused: credit is used in the order in which it came.
func TestUnused(t *testing.T) {
	now := time.Date(2026, 1, 20, 8, 0, 0, 0, time.UTC)
	a := ledger.Account{}
	list := a.Adopt(ledger.Plan{ID: id.New[ledger.PlanKind](now), Overage: ledger.Hold}, now)
	for range 3 {
		now = now.Add(time.Second)
		e := ledger.Entry{ID: id.New[ledger.EntryKind](now), Type: ledger.Grant, Amount: 10}
		a.Give(e)
		list = append(list, e)
	}
	for _, c := range []struct {
		take int64
		want [3]bool
	}{{0, [3]bool{true, true, true}}, {1, [3]bool{false, true, true}}, {9, [3]bool{false, true, true}}, {1, [3]bool{false, false, true}}, {10, [3]bool{}}} {
		a.Take(c.take)
		for i, e := range list {
			if _, ok := a.Unused(list, e.ID); ok != c.want[i] {
				t.Errorf("with %d left, lot %d: %v", a.Left(), i, ok)
			}
		}
	}
}

func TestForecast(t *testing.T) {
	a := ledger.Account{Month: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), Included: 300, Used: 200, Spent: 200}
	n, out := a.Forecast(a.Month.AddDate(0, 0, 10))
	if want := a.Month.AddDate(0, 0, 15); n != 600 || !out.Equal(want) {
		t.Errorf("forecast %d until %v, want 600 until %v", n, out, want)
	}
	if n, _ := a.Forecast(a.Month.Add(time.Hour)); n != 0 {
		t.Errorf("of the first hour: %d", n)
	}
}
