//go:build js && wasm

package browser

import (
	"strconv"
	"strings"
	"syscall/js"
	"time"

	"natter/app/stream"
)

// Lives is who wants to know how the page is.
type Lives interface {
	Wake(stream.Wake)
	Hide(hidden bool)
	Leave() // the page goes for good; whatever is to be said is said before it returns
}

// WatchPage tells l when the page is seen or hidden, comes back from sleep or from
// the browser's cache, and when the network returns.
func WatchPage(l Lives) {
	document := global.Get("document")
	hidden := func() bool { return document.Get("visibilityState").String() == "hidden" }
	l.Hide(hidden())
	listen(document, "visibilitychange", func(js.Value) {
		l.Hide(hidden())
		if !hidden() {
			l.Wake(stream.Visible)
		}
	})
	listen(document, "resume", func(js.Value) { l.Wake(stream.Awake) })
	listen(global, "pageshow", func(ev js.Value) {
		if ev.Get("persisted").Bool() {
			l.Wake(stream.Awake)
		}
	})
	listen(global, "pagehide", func(ev js.Value) {
		// A page that goes into the browser's cache may come back, and its stream
		// with it.
		if !ev.Get("persisted").Bool() {
			l.Leave()
		}
	})
	listen(global, "online", func(js.Value) { l.Wake(stream.NetworkBack) })
	listen(global, "offline", func(js.Value) { l.Wake(stream.NetworkGone) })
}

// Offline reports whether the browser says that there is no network. What it does not say
// means nothing.
func Offline() bool {
	online := global.Get("navigator").Get("onLine")
	return online.Type() == js.TypeBoolean && !online.Bool()
}

// Unsent lets the page ask, before it goes, how many messages have not left yet: web/boot.js
// warns of what is kept nowhere else.
func Unsent(count func() int) {
	global.Get("natter").Set("unsent", js.FuncOf(func(js.Value, []js.Value) any { return count() }))
}

// CrashLog implements client.CrashLog: web/boot.js keeps what is noted here if the program dies.
type CrashLog struct{ handling js.Value }

// OpenCrashLog returns the page's crash log.
func OpenCrashLog() CrashLog { return CrashLog{global.Get("natter").Get("handling")} }

// Begin and End note a number in an array: as a property with a name it would take longer.
func (l CrashLog) Begin(hash uint64) { l.handling.SetIndex(0, hash) }
func (l CrashLog) End()              { l.handling.SetIndex(0, 0) }

// Poison implements client.CrashLog.
func (CrashLog) Poison() (hashes []uint64) {
	for _, s := range strings.Fields(TabStorage.Load(PoisonKey)) {
		if n, err := strconv.ParseUint(s, 10, 64); err == nil {
			hashes = append(hashes, n)
		}
	}
	return hashes
}

// task is the browser's task that the program runs in, of which it can only see the end: a
// message that it has sent itself arrives in a later one. That costs 0.03 ms; a timer, for
// want of ports, costs 4, and a second in a hidden tab.
var task struct {
	ask   func()        // for that message
	began time.Time     // when it was noticed
	end   chan struct{} // closed when it is over, nil if none has been noticed
}

// breath is for how long the program may hold up the page.
const breath = 8 * time.Millisecond

// Yield lets the page handle what waits (input, drawing) before the caller goes on.
func Yield() { <-notice() }

// Breathe does what Yield does if it is time for it. Whatever does something over and over
// calls it in between: in one task the browser may tell of hundreds of messages.
func Breathe() {
	if end := notice(); time.Since(task.began) > breath {
		<-end
	}
}

// notice returns what is closed when this task is over.
func notice() <-chan struct{} {
	if task.ask == nil {
		over := js.FuncOf(func(js.Value, []js.Value) any {
			if task.end != nil {
				close(task.end)
				task.end = nil
			}
			return nil
		})
		task.ask = func() { global.Call("setTimeout", over) }
		if ports, err := try(func() js.Value { return global.Get("MessageChannel").New() }); err == nil {
			port := ports.Get("port2")
			ports.Get("port1").Set("onmessage", over)
			task.ask = func() { port.Call("postMessage", js.Null()) }
		}
		// A page that goes away gets no more messages, and has things to write down.
		global.Call("addEventListener", "pagehide", over)
	}
	if task.end == nil {
		task.end, task.began = make(chan struct{}), time.Now()
		task.ask()
	}
	return task.end
}

// frameless is how long a change waits to be drawn in a tab that draws no frames.
const frameless = 250 * time.Millisecond

// OnFrame returns a function that asks for f to be called in the next frame, which paints
// what f changes. Asking again before then asks for nothing more. In a hidden tab there are
// no frames; f is then called by a timer, so that the title and the count go on.
func OnFrame(f func()) (ask func()) {
	asked := false
	var timer *time.Timer
	run := func() {
		if asked {
			asked = false
			timer.Stop()
			f()
		}
	}
	frame := js.FuncOf(func(js.Value, []js.Value) any {
		run()
		return nil
	})
	return func() {
		if asked {
			return
		}
		asked = true
		timer = time.AfterFunc(frameless, run)
		global.Call("requestAnimationFrame", frame)
	}
}

// Storage keeps small things that are no secrets. Where a browser has none (some
// private modes) nothing is kept and nothing fails.
type Storage struct{ name string }

// PageStorage is shared by all tabs and outlives them; TabStorage belongs to one tab
// and survives its reloads.
var (
	PageStorage = Storage{"localStorage"}
	TabStorage  = Storage{"sessionStorage"}
)

// Load returns what was saved under key, "" if nothing was.
func (s Storage) Load(key string) string {
	v, err := try(func() js.Value { return global.Get(s.name).Call("getItem", key) })
	if err != nil || v.IsNull() {
		return ""
	}
	return v.String()
}

// Save keeps value under key.
func (s Storage) Save(key, value string) {
	try(func() js.Value { return global.Get(s.name).Call("setItem", key, value) })
}

// Remove forgets what was saved under key.
func (s Storage) Remove(key string) {
	try(func() js.Value { return global.Get(s.name).Call("removeItem", key) })
}

// Build returns the number of the build that this page is of, 0 if it has none.
func Build() int64 {
	n, _ := strconv.ParseInt(global.Get("document").Get("documentElement").Get("dataset").Get("build").String(), 10, 64)
	return n
}

// Log writes to the console.
func Log(text string) { global.Get("console").Call("error", text) }
