//go:build js && wasm

package browser

import (
	"sync"
	"syscall/js"

	"natter/app/client"
)

// Meet connects the tabs of this origin that use the same name (doc/tabs.md). A BroadcastChannel carries their
// messages, and the tab that holds the Web Lock of that name leads. hear is called on one goroutine. Meet returns nil if
// the browser does not have both, for example over plain http.
func Meet(name string, hear func(message string)) client.Link {
	locks := global.Get("navigator").Get("locks")
	channel, err := try(func() js.Value { return global.Get("BroadcastChannel").New(name) })
	if !locks.Truthy() || err != nil {
		return nil
	}
	t := &tabs{name: name, locks: locks, channel: channel, ready: make(chan struct{}, 1)}
	t.heard = js.FuncOf(func(_ js.Value, args []js.Value) any {
		if data := args[0].Get("data"); data.Type() == js.TypeString {
			message := data.String()
			t.post(func() { hear(message) })
		}
		return nil
	})
	t.channel.Set("onmessage", t.heard)
	go t.run()
	return t
}

type tabs struct {
	name    string
	locks   js.Value
	channel js.Value
	heard   js.Func

	mu     sync.Mutex
	todo   []func() // the calls that run must make, in order; a callback of the browser must not wait
	ready  chan struct{}
	bid    *bid // the last request for the lock
	closed bool
}

// bid is one request for the lock.
type bid struct {
	abort js.Value // its abort method ends the wait for the lock
	free  js.Value // a function that releases the lock, undefined while the lock is not held
	over  bool     // the request was given up, or the lock was released or taken away
}

func (t *tabs) run() {
	for range t.ready {
		t.mu.Lock()
		todo, closed := t.todo, t.closed
		t.todo = nil
		t.mu.Unlock()
		if closed {
			return
		}
		for _, f := range todo {
			f()
		}
	}
}

func (t *tabs) post(f func()) {
	t.mu.Lock()
	t.todo = append(t.todo, f)
	t.mu.Unlock()
	t.wake()
}

func (t *tabs) wake() {
	select {
	case t.ready <- struct{}{}:
	default:
	}
}

// Send implements client.Link.
func (t *tabs) Send(message string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		_, _ = try(func() js.Value { return t.channel.Call("postMessage", message) }) // if it fails, the message is lost
	}
}

// Lead implements client.Link. The browser holds the lock for this tab until the promise that hold returns is resolved,
// or the tab is gone.
func (t *tabs) Lead(when client.When, won func(bool), lost func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.abandon()
	b := &bid{abort: global.Get("AbortController").New()}
	t.bid = b
	options := map[string]any{}
	switch when {
	case client.IfNone:
		options["ifAvailable"] = true
	case client.InTurn:
		options["signal"] = b.abort.Get("signal")
	case client.Now:
		options["steal"] = true
	}
	hold := js.FuncOf(func(_ js.Value, args []js.Value) any {
		t.mu.Lock()
		defer t.mu.Unlock()
		if args[0].IsNull() {
			if !b.over {
				t.todo = append(t.todo, func() { won(false) })
				t.wake()
			}
			return nil
		}
		if b.over {
			return nil // this releases the lock at once
		}
		t.todo = append(t.todo, func() { won(true) })
		t.wake()
		keep := js.FuncOf(func(_ js.Value, args []js.Value) any {
			b.free = args[0]
			return nil
		})
		defer keep.Release() // the constructor of the promise has called it before New returns
		return global.Get("Promise").New(keep)
	})
	var ended, broken js.Func
	release := func() {
		hold.Release()
		ended.Release()
		broken.Release()
	}
	ended = js.FuncOf(func(js.Value, []js.Value) any {
		release()
		return nil
	})
	// A browser that gives a lock to no tab stores nothing that tabs could share either. Then each tab leads.
	alone := func() { t.todo = append(t.todo, func() { won(true) }) }
	broken = js.FuncOf(func(_ js.Value, args []js.Value) any {
		release()
		t.mu.Lock()
		defer t.mu.Unlock()
		switch {
		case b.over:
			return nil
		case !b.free.Truthy() && args[0].Get("name").String() != "AbortError":
			alone()
		default:
			b.over = true
			t.todo = append(t.todo, lost)
		}
		t.wake()
		return nil
	})
	asked, err := try(func() js.Value { return t.locks.Call("request", t.name, options, hold) })
	if err != nil {
		release()
		alone()
		t.wake()
		return
	}
	asked.Call("then", ended, broken)
}

// abandon releases the lock, or ends the wait for it. The caller holds mu.
func (t *tabs) abandon() {
	b := t.bid
	if b == nil || b.over {
		return
	}
	b.over = true
	if b.free.Truthy() {
		b.free.Invoke()
		return
	}
	b.abort.Call("abort")
}

// Close implements client.Link.
func (t *tabs) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.abandon()
	t.closed = true
	t.channel.Set("onmessage", js.Null())
	t.channel.Call("close")
	t.heard.Release()
	t.wake()
}
