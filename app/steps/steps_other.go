//go:build !js

package steps

import "sync/atomic"

var taken atomic.Int64

// Add counts n steps. In a page it is nothing at all.
func Add(n int) { taken.Add(int64(n)) }

// Of returns how many steps f takes. What other goroutines do meanwhile counts too.
func Of(f func()) int {
	before := taken.Load()
	f()
	return int(taken.Load() - before)
}
