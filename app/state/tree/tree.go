// Package tree is an ordered map that never changes. A new map shares with the old one what is the same in both, so the
// old one can still be read.
//
// It is an AVL tree whose path from the root is copied by each change. All maps with keys of one
// kind and pointers for values are one piece of code, a sixth of what the general ones of
// github.com/benbjohnson/immutable weigh in a page.
package tree

// Map is an ordered map. The zero value is not usable.
type Map[K, V any] struct {
	compare func(a, b K) int
	root    *node[K, V]
	n       int
}

type node[K, V any] struct {
	key         K
	value       V
	left, right *node[K, V]
	height      int
}

// New returns an empty map whose keys are ordered by compare.
func New[K, V any](compare func(a, b K) int) *Map[K, V] { return &Map[K, V]{compare: compare} }

// Of returns a map of many values at once, which are in the order of their keys, each with another.
func Of[K, V any](compare func(a, b K) int, values []V, key func(V) K) *Map[K, V] {
	nodes := make([]*node[K, V], len(values))
	for i, v := range values {
		nodes[i] = &node[K, V]{key: key(v), value: v}
	}
	return &Map[K, V]{compare, joined(nodes), len(nodes)}
}

// Only returns the map with the values for which keep returns true. Its cost is in proportion to all values, so it is
// cheaper than many calls of Delete.
func (m *Map[K, V]) Only(keep func(K, V) bool) *Map[K, V] {
	var nodes []*node[K, V]
	for it := m.Iterator(); !it.Done(); {
		if k, v, _ := it.Next(); keep(k, v) {
			nodes = append(nodes, &node[K, V]{key: k, value: v})
		}
	}
	return &Map[K, V]{m.compare, joined(nodes), len(nodes)}
}

// joined returns the root of a tree of new nodes, which are in order.
func joined[K, V any](nodes []*node[K, V]) *node[K, V] {
	if len(nodes) == 0 {
		return nil
	}
	middle := len(nodes) / 2
	n := nodes[middle]
	n.left, n.right = joined(nodes[:middle]), joined(nodes[middle+1:])
	n.measure()
	return n
}

// Len returns how many keys there are.
func (m *Map[K, V]) Len() int { return m.n }

// Get returns the value of a key, and whether there is one.
func (m *Map[K, V]) Get(key K) (value V, ok bool) {
	for n := m.root; n != nil; {
		c := m.compare(key, n.key)
		if c == 0 {
			return n.value, true
		}
		if c < 0 {
			n = n.left
		} else {
			n = n.right
		}
	}
	return value, false
}

// Set returns the map with another value for a key, which may be new.
func (m *Map[K, V]) Set(key K, value V) *Map[K, V] {
	next := *m
	next.root = next.set(m.root, key, value)
	return &next
}

func (m *Map[K, V]) set(n *node[K, V], key K, value V) *node[K, V] {
	if n == nil {
		m.n++
		return &node[K, V]{key: key, value: value, height: 1}
	}
	copied := *n
	switch c := m.compare(key, n.key); {
	case c == 0:
		copied.value = value
		return &copied
	case c < 0:
		copied.left = m.set(n.left, key, value)
	default:
		copied.right = m.set(n.right, key, value)
	}
	return copied.balance()
}

// Delete returns the map without a key.
func (m *Map[K, V]) Delete(key K) *Map[K, V] {
	if _, ok := m.Get(key); !ok {
		return m
	}
	next := *m
	next.n--
	next.root = next.delete(m.root, key)
	return &next
}

// delete takes out a key that is there.
func (m *Map[K, V]) delete(n *node[K, V], key K) *node[K, V] {
	copied := *n
	switch c := m.compare(key, n.key); {
	case c < 0:
		copied.left = m.delete(n.left, key)
	case c > 0:
		copied.right = m.delete(n.right, key)
	case n.left == nil:
		return n.right
	case n.right == nil:
		return n.left
	default:
		first := n.right
		for first.left != nil {
			first = first.left
		}
		copied.key, copied.value = first.key, first.value
		copied.right = m.delete(n.right, first.key)
	}
	return copied.balance()
}

func (n *node[K, V]) tall() int {
	if n == nil {
		return 0
	}
	return n.height
}

func (n *node[K, V]) measure() { n.height = 1 + max(n.left.tall(), n.right.tall()) }

// balance returns what stands in the place of n, which is a copy already, when one side of
// it has become two taller than the other.
func (n *node[K, V]) balance() *node[K, V] {
	switch d := n.left.tall() - n.right.tall(); {
	case d > 1:
		if l := n.left; l.left.tall() < l.right.tall() {
			copied := *l
			n.left = copied.turnLeft()
		}
		return n.turnRight()
	case d < -1:
		if r := n.right; r.right.tall() < r.left.tall() {
			copied := *r
			n.right = copied.turnRight()
		}
		return n.turnLeft()
	}
	n.measure()
	return n
}

// turnRight puts a copy of the left child in the place of n, which is a copy already.
func (n *node[K, V]) turnRight() *node[K, V] {
	up := *n.left
	n.left, up.right = up.right, n
	n.measure()
	up.measure()
	return &up
}

func (n *node[K, V]) turnLeft() *node[K, V] {
	up := *n.right
	n.right, up.left = up.left, n
	n.measure()
	up.measure()
	return &up
}

// Iterator goes through a map. It stands at a key, or is done.
type Iterator[K, V any] struct {
	m    *Map[K, V]
	path []*node[K, V] // from the root to where it stands; empty when it is done
}

// Iterator returns one that stands at the first key.
func (m *Map[K, V]) Iterator() *Iterator[K, V] {
	it := &Iterator[K, V]{m: m, path: make([]*node[K, V], 0, m.root.tall())}
	it.First()
	return it
}

// Done reports whether the iterator has gone past an end, or there is nothing.
func (it *Iterator[K, V]) Done() bool { return len(it.path) == 0 }

// First goes to the first key.
func (it *Iterator[K, V]) First() {
	it.path = it.path[:0]
	it.down(it.m.root, false)
}

// Last goes to the last key.
func (it *Iterator[K, V]) Last() {
	it.path = it.path[:0]
	it.down(it.m.root, true)
}

// Seek goes to the first key that is not before this one.
func (it *Iterator[K, V]) Seek(key K) {
	it.path = it.path[:0]
	found := 0
	for n := it.m.root; n != nil; {
		it.path = append(it.path, n)
		c := it.m.compare(key, n.key)
		if c <= 0 {
			found = len(it.path)
		}
		if c == 0 {
			break
		}
		if c < 0 {
			n = n.left
		} else {
			n = n.right
		}
	}
	it.path = it.path[:found]
}

// Next returns where the iterator stands and goes on; ok is false if it was done.
func (it *Iterator[K, V]) Next() (key K, value V, ok bool) { return it.move(false) }

// Prev returns where the iterator stands and goes back; ok is false if it was done.
func (it *Iterator[K, V]) Prev() (key K, value V, ok bool) { return it.move(true) }

func (it *Iterator[K, V]) move(back bool) (key K, value V, ok bool) {
	if len(it.path) == 0 {
		return key, value, false
	}
	at := it.path[len(it.path)-1]
	if beyond := at.side(!back); beyond != nil {
		it.down(beyond, back)
	} else {
		for last := at; ; {
			it.path = it.path[:len(it.path)-1]
			if len(it.path) == 0 {
				break
			}
			parent := it.path[len(it.path)-1]
			if parent.side(back) == last {
				break
			}
			last = parent
		}
	}
	return at.key, at.value, true
}

// down goes to the first key from n on, or the last.
func (it *Iterator[K, V]) down(n *node[K, V], last bool) {
	for ; n != nil; n = n.side(last) {
		it.path = append(it.path, n)
	}
}

func (n *node[K, V]) side(right bool) *node[K, V] {
	if right {
		return n.right
	}
	return n.left
}

// Diff calls yield, in the order of the keys, for each key whose value differs between two
// maps of one order; the value is zero in the map that lacks the key. Diff costs what differs:
// subtrees that the two maps share are not entered. So a map need not remember what has been
// changed, and since when.
func Diff[K any, V comparable](before, after *Map[K, V], yield func(key K, was, is V)) {
	if before == after {
		return
	}
	compare, old, now := after.compare, walk[K, V](nil), make(walk[K, V], 0, 2*after.root.tall()+1)
	if before != nil && before.root != nil {
		old = make(walk[K, V], 0, 2*before.root.tall()+1)
		old.push(before.root, false)
	}
	now.push(after.root, false)
	var none V
	for len(old)+len(now) > 0 {
		a, b := old.top(), now.top()
		switch {
		case a.n == b.n && a.alone == b.alone:
			old.pop()
			now.pop()
		case b.n == nil || a.n != nil && a.alone && compare(a.n.key, b.least()) < 0:
			if !a.alone {
				old.open()
				break
			}
			yield(a.n.key, a.n.value, none)
			old.pop()
		case a.n == nil || b.alone && compare(b.n.key, a.least()) < 0:
			if !b.alone {
				now.open()
				break
			}
			yield(b.n.key, none, b.n.value)
			now.pop()
		case a.alone && b.alone:
			if a.n.value != b.n.value {
				yield(b.n.key, a.n.value, b.n.value)
			}
			old.pop()
			now.pop()
		case b.alone || !a.alone && a.n.height > b.n.height:
			old.open()
		case a.alone || b.n.height > a.n.height:
			now.open()
		default:
			old.open()
			now.open()
		}
	}
}

// walk has the nodes of a map that are still to be visited; the next one is the last.
type walk[K, V any] []ahead[K, V]

// ahead is a node with all that is below it, or alone.
type ahead[K, V any] struct {
	n     *node[K, V]
	alone bool
}

func (w *walk[K, V]) push(n *node[K, V], alone bool) {
	if n != nil {
		*w = append(*w, ahead[K, V]{n, alone})
	}
}

func (w walk[K, V]) top() (a ahead[K, V]) {
	if len(w) > 0 {
		a = w[len(w)-1]
	}
	return a
}

func (w *walk[K, V]) pop() { *w = (*w)[:len(*w)-1] }

// open puts in the place of a node what is below it and the node alone.
func (w *walk[K, V]) open() {
	n := w.top().n
	w.pop()
	w.push(n.right, false)
	w.push(n, true)
	w.push(n.left, false)
}

// least is the first key of it.
func (a ahead[K, V]) least() K {
	n := a.n
	for !a.alone && n.left != nil {
		n = n.left
	}
	return n.key
}
