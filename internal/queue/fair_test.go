package queue_test

import (
	"testing"
	"time"

	"stafette/internal/id"
	"stafette/internal/queue"
	"stafette/internal/tenant"

	"pgregory.net/rapid"
)

func tenants(n int) []tenant.ID {
	list := make([]tenant.ID, n)
	for i := range list {
		list[i] = id.Lowest[tenant.Kind](time.Unix(int64(1000+i), 0))
	}
	return list
}

func TestFairServesTheSmallTenantWithinOneRound(t *testing.T) {
	ids := tenants(2)
	var f queue.Fair[int]
	for i := range 100_000 {
		f.Push(ids[0], 2, i)
	}
	f.Push(ids[1], 2, -1)
	for turn := range 2 {
		if v, _ := f.Pop(); v == -1 {
			return
		} else if turn == 1 {
			t.Fatalf("second turn gave %d of the large tenant", v)
		}
	}
}

// TestFairProperties checks against any history of pushes and pops: nothing is
// lost or made up, a tenant's items of a class keep their order, a more urgent
// item never waits, and between two turns of a tenant every other waiting tenant
// of the class has had exactly one.
func TestFairProperties(t *testing.T) {
	type item struct{ tenant, urgency, n int }
	ids := tenants(4)
	rapid.Check(t, func(t *rapid.T) {
		var f queue.Fair[item]
		waiting := map[[2]int][]item{} // tenant, urgency → in order
		passed := map[[3]int]int{}     // urgency, who waits, who was served → since the waiter's last turn
		n := 0
		pop := func() {
			got, ok := f.Pop()
			if !ok {
				return
			}
			line := waiting[[2]int{got.tenant, got.urgency}]
			if len(line) == 0 || line[0] != got {
				t.Fatalf("popped %+v, first of its line is %+v", got, line)
			}
			for key, others := range waiting {
				if len(others) > 0 && key[1] < got.urgency {
					t.Fatalf("popped %+v while %+v waits", got, others[0])
				}
				if len(others) > 0 && key[1] == got.urgency && key[0] != got.tenant {
					k := [3]int{got.urgency, key[0], got.tenant}
					if passed[k]++; passed[k] > 1 {
						t.Fatalf("tenant %d was served twice while tenant %d waited", got.tenant, key[0])
					}
				}
			}
			for other := range ids {
				delete(passed, [3]int{got.urgency, got.tenant, other})
			}
			waiting[[2]int{got.tenant, got.urgency}] = line[1:]
			n--
		}
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			if rapid.IntRange(0, 2).Draw(t, "what") == 0 {
				pop()
				continue
			}
			v := item{rapid.IntRange(0, len(ids)-1).Draw(t, "tenant"), rapid.IntRange(0, 2).Draw(t, "urgency"), 0}
			key := [2]int{v.tenant, v.urgency}
			v.n = len(waiting[key]) + 1000*n
			waiting[key] = append(waiting[key], v)
			f.Push(ids[v.tenant], v.urgency, v)
			n++
		}
		if f.Len() != n {
			t.Fatalf("Len %d, want %d", f.Len(), n)
		}
		for f.Len() > 0 {
			pop()
		}
		if n != 0 {
			t.Fatalf("%d items lost", n)
		}
	})
}

func TestFairDrainAndBounds(t *testing.T) {
	var f queue.Fair[string]
	if _, ok := f.Pop(); ok {
		t.Error("an empty line gave something")
	}
	id := tenants(1)[0]
	f.Push(id, 99, "least")
	f.Push(id, -1, "most")
	if got := f.Drain(); len(got) != 2 || got[0] != "most" || got[1] != "least" || f.Len() != 0 {
		t.Errorf("drained %v, %d left", got, f.Len())
	}
}

func BenchmarkFair(b *testing.B) {
	ids := tenants(100)
	var f queue.Fair[int]
	for i := range 100_000 {
		f.Push(ids[i%len(ids)], i%3, i)
	}
	i := 0
	for b.Loop() {
		v, _ := f.Pop()
		f.Push(ids[v%len(ids)], v%3, v)
		i++
	}
}

// TestFairTellsPlaces holds Behind and Position to what Pop then does.
func TestFairTellsPlaces(t *testing.T) {
	type item struct{ tenant, urgency, n int }
	ids := tenants(4)
	rapid.Check(t, func(t *rapid.T) {
		var f queue.Fair[item]
		var all []item
		push := func(n int) {
			v := item{rapid.IntRange(0, 3).Draw(t, "tenant"), rapid.IntRange(0, 2).Draw(t, "urgency"), n}
			f.Push(ids[v.tenant], v.urgency, v)
			all = append(all, v)
		}
		for n := range rapid.IntRange(1, 30).Draw(t, "items") {
			push(n)
			if rapid.IntRange(0, 3).Draw(t, "pop") == 0 {
				class, ok := f.Urgency()
				if v, popped := f.Pop(); ok != popped || v.urgency != class {
					t.Fatalf("popped %+v, announced class %d %t", v, class, ok)
				}
			}
		}
		last := all[len(all)-1]
		more := item{last.tenant, last.urgency, 1000}
		behind := f.Behind(ids[more.tenant], more.urgency)
		f.Push(ids[more.tenant], more.urgency, more)
		places := map[item]int{}
		for _, v := range append(all, more) {
			if n, ok := f.Position(func(w item) bool { return w == v }); ok {
				places[v] = n
			}
		}
		if len(places) != f.Len() || places[more] != behind {
			t.Fatalf("%d of %d places told, the last is %d and was announced as %d", len(places), f.Len(), places[more], behind)
		}
		for i := 0; f.Len() > 0; i++ {
			if v, _ := f.Pop(); places[v] != i {
				t.Fatalf("%+v was popped as number %d, told as %d", v, i, places[v])
			}
		}
	})
}
