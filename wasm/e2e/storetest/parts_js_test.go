//go:build js && wasm

package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall/js"

	"natter/app/state"
	"natter/app/store"
	"natter/wasm/browser"
)

var ctx = context.Background()

// play is what the page does in a native test. What it prints is the answer.
func play(part string) int {
	parts := map[string]func() error{"write": writing, "count": counting, "fill": filling, "migrate": migrating}
	if err := parts[part](); err != nil {
		fmt.Println(part+":", err)
		return 1
	}
	return 0
}

// writing commits a message and its count again and again, and says after each
// commit, and not before, that it is kept. It ends with the browser.
func writing() error {
	s, err := browser.OpenStore(ctx, ada)
	if err != nil {
		return err
	}
	sn, err := s.Load(ctx, store.Window{})
	if err != nil {
		return err
	}
	h := 0
	if sn.Stream != nil {
		h = int(sn.Stream.H)
	}
	for {
		b := batch(h, 3, 100)
		h += len(b.Rows)
		b.Stream = &store.Stream{ID: "sm", H: uint32(h)}
		if err := s.Commit(ctx, b); err != nil {
			return err
		}
		js.Global().Call("fetch", fmt.Sprint("/progress?n=", h), map[string]any{"method": "POST"})
	}
}

// counting says how many messages there are and that they are as they should be.
func counting() error {
	s, err := browser.OpenStore(ctx, ada)
	if errors.Is(err, store.ErrNewer) {
		fmt.Println("newer")
		return nil
	}
	if err != nil {
		return err
	}
	sn, err := s.Load(ctx, store.Window{})
	if err != nil {
		return err
	}
	page, err := s.Messages(ctx, grace, state.Key{}, 1<<20)
	if err != nil {
		return err
	}
	if sn.Stream == nil || int(sn.Stream.H) != len(page) {
		return fmt.Errorf("%d messages, and the count is %+v", len(page), sn.Stream)
	}
	if i := slices.IndexFunc(page, func(m state.MessageRow) bool { return len(m.Body) != 100 }); i >= 0 {
		return fmt.Errorf("message %d is %+v", i, page[i])
	}
	for i, m := range page {
		if m.ID != fmt.Sprint(i) {
			return fmt.Errorf("message %s stands where %d should be", m.ID, i)
		}
	}
	fmt.Println(len(page))
	return nil
}

// filling makes a database whose migration takes a while.
func filling() error {
	s, err := browser.OpenStore(ctx, ada)
	if err != nil {
		return err
	}
	b := batch(0, 2000, 100)
	b.Stream = &store.Stream{ID: "sm", H: 2000}
	return s.Commit(ctx, b)
}

// migrating opens the database as a newer build.
func migrating() error {
	defer later("slow")()
	s, err := browser.OpenStore(ctx, ada)
	if err != nil {
		return err
	}
	defer s.Close()
	page, err := s.Messages(ctx, grace, state.Key{}, 1<<20)
	if err == nil {
		fmt.Println(len(page))
	}
	return err
}
