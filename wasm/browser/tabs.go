//go:build js && wasm

package browser

import (
	"sync"
	"syscall/js"

	"natter/app/client"
)

// Meet joins the tabs of this origin that use the same name: they hear each other by
// BroadcastChannel, and a Web Lock of that name says which one leads. hear is called on
// one goroutine. It returns nil where the browser lacks either, as on plain http.
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
	todo   []func() // calls to make, in order; a callback of the browser must not wait
	ready  chan struct{}
	bid    *bid // the last one
	closed bool
}

// bid is one request for the lock.
type bid struct {
	abort js.Value // gives up waiting for it
	free  js.Value // gives it back, undefined while it is not held
	over  bool
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
		_, _ = try(func() js.Value { return t.channel.Call("postMessage", message) }) // then nobody hears it
	}
}

// Lead implements client.Link. The lock is held for as long as the promise that its
// callback returns is open: until it is given back, or the tab is gone.
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
			return nil // given back at once
		}
		t.todo = append(t.todo, func() { won(true) })
		t.wake()
		keep := js.FuncOf(func(_ js.Value, args []js.Value) any {
			b.free = args[0]
			return nil
		})
		defer keep.Release() // a promise calls it before New returns
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
	// A browser that gives no lock to anybody keeps nothing either that tabs could share:
	// then each of them leads.
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

// abandon takes back what was asked for, or is held. It is called with mu.
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
