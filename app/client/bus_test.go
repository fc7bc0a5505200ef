//go:build linux

package client_test

import (
	"slices"
	"sync"

	"natter/app/client"
)

// bus connects the pages of a device, as a BroadcastChannel and a Web Lock do.
type bus struct {
	mu     sync.Mutex
	ends   []*end
	holder *end
	queue  []*end // those that wait for the lock
	deaf   *end   // the end of a suspended page: none of its functions is called
	// copies returns how often a message arrives; nil for once.
	copies func(message string) int
}

// end is the client.Link of one page.
type end struct {
	bus    *bus
	page   *page
	hear   func(string)
	won    func(bool)
	lost   func()
	todo   []func()
	ready  chan struct{}
	closed bool
}

func (b *bus) meet(pg *page, hear func(string)) client.Link {
	e := &end{bus: b, page: pg, hear: hear, ready: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ends = append(b.ends, e)
	go e.run()
	return e
}

// run calls the functions of the page, in order.
func (e *end) run() {
	for range e.ready {
		e.bus.mu.Lock()
		var todo []func()
		if e.bus.deaf != e {
			todo, e.todo = e.todo, nil
		}
		closed := e.closed
		e.bus.mu.Unlock()
		if closed {
			return
		}
		for _, f := range todo {
			f()
		}
	}
}

// post lets run call f. The caller holds mu.
func (e *end) post(f func()) {
	e.todo = append(e.todo, f)
	e.wake()
}

func (e *end) wake() {
	select {
	case e.ready <- struct{}{}:
	default:
	}
}

func (e *end) Send(message string) {
	b := e.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.closed {
		return
	}
	for _, other := range b.ends {
		if other == e {
			continue
		}
		copies := 1
		if b.copies != nil {
			copies = b.copies(message)
		}
		for range copies {
			other.post(func() { other.hear(message) })
		}
	}
}

func (e *end) Lead(when client.When, won func(bool), lost func()) {
	b := e.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.closed {
		return
	}
	b.abandon(e)
	e.won, e.lost = won, lost
	switch {
	case when == client.Now && b.holder != nil:
		robbed := b.holder.lost
		b.holder.post(robbed)
		b.holder = nil
		b.queue = slices.Insert(b.queue, 0, e)
	case when == client.IfNone && b.holder != nil:
		e.post(func() { won(false) })
		return
	default:
		b.queue = append(b.queue, e)
	}
	b.next()
}

// abandon takes the lock, or the request for it, from e.
func (b *bus) abandon(e *end) {
	b.queue = slices.DeleteFunc(b.queue, func(o *end) bool { return o == e })
	if b.holder == e {
		b.holder = nil
		b.next()
	}
}

func (b *bus) next() {
	if b.holder != nil || len(b.queue) == 0 {
		return
	}
	b.holder, b.queue = b.queue[0], b.queue[1:]
	won := b.holder.won
	b.holder.post(func() { won(true) })
}

func (e *end) Close() {
	b := e.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	b.close(e)
}

func (b *bus) close(e *end) {
	if e.closed {
		return
	}
	e.closed = true
	e.wake()
	b.ends = slices.DeleteFunc(b.ends, func(o *end) bool { return o == e })
	b.abandon(e)
}

// gone closes the ends of a page that has died.
func (b *bus) gone(pg *page) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range slices.Clone(b.ends) {
		if e.page == pg {
			b.close(e)
		}
	}
}

// leader returns the page that holds the lock, nil if there is none.
func (b *bus) leader() *page {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.holder == nil {
		return nil
	}
	return b.holder.page
}

// suspend stops the page that leads, until resume is called.
func (b *bus) suspend() (resume func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.holder
	b.deaf = e
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.deaf = nil
		e.wake()
	}
}
