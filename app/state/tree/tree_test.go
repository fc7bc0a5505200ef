package tree

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// check fails unless a map has exactly what want has, is a search tree and is balanced.
func check(t *testing.T, m *Map[int, int], want map[int]int) {
	t.Helper()
	keys := slices.Sorted(maps.Keys(want))
	var there []int
	for it := m.Iterator(); !it.Done(); {
		k, v, ok := it.Next()
		if !ok || want[k] != v {
			t.Fatalf("%d is %d, %v", k, v, ok)
		}
		there = append(there, k)
	}
	if !slices.Equal(there, keys) || m.Len() != len(keys) {
		t.Fatalf("%d: %v, want %v", m.Len(), there, keys)
	}
	back := m.Iterator()
	back.Last()
	for i := len(keys) - 1; i >= 0; i-- {
		if k, _, ok := back.Prev(); !ok || k != keys[i] {
			t.Fatalf("backwards %d, want %d", k, keys[i])
		}
	}
	if _, _, ok := back.Prev(); ok || !back.Done() {
		t.Fatal("it goes on before the first")
	}
	var balanced func(n *node[int, int]) int
	balanced = func(n *node[int, int]) int {
		if n == nil {
			return 0
		}
		l, r := balanced(n.left), balanced(n.right)
		if l-r > 1 || r-l > 1 || n.height != 1+max(l, r) {
			t.Fatalf("%d has %d and %d below it and says %d", n.key, l, r, n.height)
		}
		return n.height
	}
	balanced(m.root)
}

func TestMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	m, want := New[int, int](cmp.Compare[int]), map[int]int{}
	check(t, m, want)
	for i := range 3000 {
		key := random.IntN(200)
		before, had := m, maps.Clone(want)
		if i%300 < 180 {
			m, want[key] = m.Set(key, i), i
		} else {
			m = m.Delete(key)
			delete(want, key)
		}
		check(t, m, want)
		check(t, before, had) // the old one is as it was
		if v, ok := m.Get(key); v != want[key] || ok != (i%300 < 180) {
			t.Fatalf("%d is %d, %v", key, v, ok)
		}
		from, it := random.IntN(220)-10, m.Iterator()
		it.Seek(from)
		next, isLast := 1000, true
		for k := range want {
			if k >= from {
				next, isLast = min(next, k), false
			}
		}
		if it.Done() != isLast {
			t.Fatalf("seeking %d it is done: %v", from, it.Done())
		}
		if k, _, ok := it.Next(); ok && k != next {
			t.Fatalf("seeking %d there is %d, want %d", from, k, next)
		}
	}
}

func TestMap_Only(t *testing.T) {
	m, want := New[int, int](cmp.Compare[int]), map[int]int{}
	for i := range 100 {
		m, want[i] = m.Set(i, 2*i), 2*i
	}
	odd := maps.Clone(want)
	maps.DeleteFunc(odd, func(k, _ int) bool { return k%2 == 0 })
	check(t, m.Only(func(k, v int) bool { return v == 2*k && k%2 == 1 }), odd)
	check(t, m.Only(func(int, int) bool { return false }), nil)
	check(t, m, want) // the old one is as it was
}

// Keys that are added in order, as those of messages are, cost no more than other keys.
func TestMap_Ascending(t *testing.T) {
	m := New[int, int](cmp.Compare[int])
	for i := range 1 << 14 {
		m = m.Set(i, i)
	}
	if m.root.height > 15 {
		t.Errorf("%d levels for %d keys", m.root.height, m.Len())
	}
}

// differing is what Diff says.
func differing(before, after *Map[int, int]) map[int][2]int {
	all := map[int][2]int{}
	last := -1
	Diff(before, after, func(k, was, is int) {
		if k <= last {
			panic("out of order")
		}
		last, all[k] = k, [2]int{was, is}
	})
	return all
}

func TestDiff(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	m := New[int, int](cmp.Compare[int])
	past := []*Map[int, int]{m}
	for i := range 5000 {
		if key := random.IntN(300); i%500 < 300 {
			m = m.Set(key, i+1)
		} else {
			m = m.Delete(key)
		}
		past = append(past, m)
		before := past[random.IntN(len(past))]
		if random.IntN(50) == 0 {
			before = nil
		}
		want := map[int][2]int{}
		for key := range 300 {
			was, is := 0, 0
			if before != nil {
				was, _ = before.Get(key)
			}
			if is, _ = m.Get(key); was != is {
				want[key] = [2]int{was, is}
			}
		}
		if got := differing(before, m); !maps.Equal(got, want) {
			t.Fatalf("step %d: %v, want %v", i, got, want)
		}
	}
}

// The cost of Diff is in proportion to the differences, not to the size of the maps.
func TestDiff_CostsWhatDiffers(t *testing.T) {
	steps := 0
	compare := func(a, b int) int { steps++; return cmp.Compare(a, b) }
	random := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{1000, 100_000} {
		m := New[int, int](compare)
		for i := range n {
			m = m.Set(2*i, 1)
		}
		for _, changed := range []int{1, 30} {
			after := m
			for range changed {
				switch key := random.IntN(n); random.IntN(3) {
				case 0:
					after = after.Set(2*key, 2)
				case 1:
					after = after.Set(2*key+1, 2)
				default:
					after = after.Delete(2 * key)
				}
			}
			after = after.Set(2*n, 1) // as messages are
			steps = 0
			found := len(differing(m, after))
			if most := 60 * (changed + 1); steps > most || found < changed/2 {
				t.Errorf("%d of %d differ: %d were found with %d comparisons, want at most %d", changed, n, found, steps, most)
			}
		}
	}
}

func TestOf(t *testing.T) {
	for n := range 70 {
		want, values := map[int]int{}, []int{}
		for i := range n {
			want[2*i], values = 2*i, append(values, 2*i)
		}
		m := Of(cmp.Compare[int], values, func(v int) int { return v })
		check(t, m, want)
		want[33] = 33
		check(t, m.Set(33, 33), want)
	}
}
