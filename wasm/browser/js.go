//go:build js && wasm

package browser

import (
	"context"
	"errors"
	"syscall/js"
	"time"

	"natter/app/store"
)

var global = js.Global()

// try calls f and returns the exception it throws as an error. That is so of what is called:
// what throws when it is only looked at (Get) ends the program, and web/trusted.js takes
// that away.
func try(f func() js.Value) (v js.Value, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case js.Error:
			err = p
		case *js.ValueError:
			err = p // nothing is there to be called
		default:
			panic(p)
		}
	}()
	return f(), nil
}

// ask calls a method that returns a promise, and waits for that as await does.
func ask(ctx context.Context, v js.Value, method string, args ...any) (js.Value, error) {
	promise, err := try(func() js.Value { return v.Call(method, args...) })
	if err != nil {
		return promise, err
	}
	return await(ctx, promise)
}

// patience is for how many seconds IndexedDB may be silent. It may be so for ever, when another
// tab is in its way or a disk hangs, and nothing would then go on that waits for it.
const patience = 10

// answer is await for what waits for IndexedDB: after a while it fails with store.ErrSilent. A
// page that was asleep has not waited, so it counts seconds, of which a sleep is one.
func answer(ctx context.Context, promise js.Value) (js.Value, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	left := patience
	var second *time.Timer
	second = time.AfterFunc(time.Second, func() {
		if left--; left == 0 {
			cancel(store.ErrSilent)
			return
		}
		second.Reset(time.Second)
	})
	defer second.Stop()
	got, err := await(ctx, promise)
	if err != nil && context.Cause(ctx) == store.ErrSilent {
		err = store.ErrSilent
	}
	return got, err
}

// await waits for a promise. When ctx ends first, its error is returned and the
// promise goes on unobserved.
func await(ctx context.Context, promise js.Value) (js.Value, error) {
	type outcome struct {
		v   js.Value
		err error
	}
	done := make(chan outcome, 1)
	var kept, broken js.Func
	release := func() {
		kept.Release()
		broken.Release()
	}
	kept = js.FuncOf(func(_ js.Value, args []js.Value) any {
		release()
		done <- outcome{v: args[0]}
		return nil
	})
	broken = js.FuncOf(func(_ js.Value, args []js.Value) any {
		release()
		done <- outcome{err: reason(args[0])}
		return nil
	})
	promise.Call("then", kept, broken)
	select {
	case o := <-done:
		return o.v, o.err
	case <-ctx.Done():
		return js.Undefined(), ctx.Err()
	}
}

func reason(v js.Value) error {
	if v.InstanceOf(global.Get("Error")) {
		return js.Error{Value: v}
	}
	return errors.New(v.String())
}

func bytesToJS(b []byte) js.Value {
	a := global.Get("Uint8Array").New(len(b))
	js.CopyBytesToJS(a, b)
	return a
}

func bytesToGo(buffer js.Value) []byte {
	a := global.Get("Uint8Array").New(buffer)
	b := make([]byte, a.Length())
	js.CopyBytesToGo(b, a)
	return b
}

// listen adds an event listener that stays for the life of the page.
func listen(target js.Value, event string, f func(js.Value)) {
	target.Call("addEventListener", event, js.FuncOf(func(_ js.Value, args []js.Value) any {
		f(args[0])
		return nil
	}))
}
