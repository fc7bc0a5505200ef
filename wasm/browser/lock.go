//go:build js && wasm

package browser

import "syscall/js"

// TakeLock makes this tab the only one that holds name, taking it from the tab that
// did. lost is called when another tab does the same. Where the browser has no Web
// Locks nobody is asked.
func TakeLock(name string, lost func()) {
	locks := global.Get("navigator").Get("locks")
	if !locks.Truthy() {
		return
	}
	forever := global.Get("Promise").New(js.FuncOf(func(js.Value, []js.Value) any { return nil }))
	held := js.FuncOf(func(js.Value, []js.Value) any { return forever })
	taken := js.FuncOf(func(js.Value, []js.Value) any {
		lost()
		return nil
	})
	locks.Call("request", name, map[string]any{"steal": true}, held).Call("catch", taken)
}
