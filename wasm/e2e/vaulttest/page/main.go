//go:build js && wasm

// Command page gives the vault to its test: window.vault has save, load, notes,
// mark, remove and forget, which return promises. An error is its text, with the kind in front.
package main

import (
	"context"
	"errors"
	"strings"
	"syscall/js"

	"natter/wasm/browser"
)

func main() {
	var v browser.Vault
	ctx := context.Background()
	js.Global().Set("vault", map[string]any{
		"save": promise(func(args []string) (string, error) {
			return "", v.Save(ctx, args[0], []byte(args[1]), []byte(args[2]), args[3])
		}),
		"load": promise(func(args []string) (string, error) {
			secret, err := v.Load(ctx, args[0], []byte(args[1]))
			return string(secret), err
		}),
		"notes": promise(func([]string) (string, error) {
			notes, err := v.Notes(ctx)
			return strings.Join(notes, ", "), err
		}),
		"mark":   promise(func(args []string) (string, error) { return "", v.Mark(ctx, args[0], args[1]) }),
		"forget": promise(func(args []string) (string, error) { return "", v.Forget(ctx, args[0]) }),
		"remove": promise(func(args []string) (string, error) {
			return "", v.Delete(ctx, args[0])
		}),
	})
	select {}
}

// promise makes f, which waits, a function for the page.
func promise(f func(args []string) (string, error)) js.Func {
	return js.FuncOf(func(_ js.Value, values []js.Value) any {
		var args []string
		for _, v := range values {
			args = append(args, v.String())
		}
		var settle js.Func
		settle = js.FuncOf(func(_ js.Value, outcome []js.Value) any {
			settle.Release()
			go func() {
				result, err := f(args)
				if err != nil {
					outcome[1].Invoke(kind(err) + err.Error())
					return
				}
				outcome[0].Invoke(result)
			}()
			return nil
		})
		return js.Global().Get("Promise").New(settle)
	})
}

func kind(err error) string {
	switch {
	case errors.Is(err, browser.ErrNoSecret):
		return "none: "
	case errors.Is(err, browser.ErrSealed):
		return "sealed: "
	case errors.Is(err, browser.ErrNoVault):
		return "no vault: "
	}
	return "other: "
}
