//go:build js && wasm

package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall/js"
	"testing"
	"time"

	"natter/app/state"
	"natter/app/store"
	contract "natter/app/store/storetest"
	"natter/wasm/browser"
)

const (
	ada   = "ada@localhost"
	grace = "grace@localhost"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "part" {
		os.Exit(play(os.Args[2]))
	}
	os.Exit(m.Run())
}

func TestContract(t *testing.T) { contract.Test(t, browser.OpenStore) }

// await waits for a promise.
func await(t *testing.T, promise js.Value) (js.Value, error) {
	t.Helper()
	type outcome struct {
		v   js.Value
		err error
	}
	done := make(chan outcome, 1)
	kept := js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- outcome{v: append(args, js.Undefined())[0]}
		return nil
	})
	broken := js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- outcome{err: js.Error{Value: args[0]}}
		return nil
	})
	defer kept.Release()
	defer broken.Release()
	promise.Call("then", kept, broken)
	select {
	case o := <-done:
		return o.v, o.err
	case <-t.Context().Done():
		t.Fatal("the test is over")
		return js.Undefined(), nil
	}
}

// outside asks the native half for something.
func outside(t *testing.T, path string) {
	t.Helper()
	response, err := await(t, js.Global().Call("fetch", path, map[string]any{"method": "POST"}))
	if err != nil || !response.Get("ok").Bool() {
		t.Fatalf("%s: %v", path, err)
	}
}

func open(t *testing.T) store.Store {
	t.Helper()
	s, err := browser.OpenStore(t.Context(), ada)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// fresh is an empty store that leaves nothing behind.
func fresh(t *testing.T) store.Store {
	t.Helper()
	t.Cleanup(func() {
		// t.Context has ended here.
		if err := browser.DeleteStore(ctx, ada); err != nil {
			t.Error(err)
		}
	})
	return open(t)
}

func kept(t *testing.T, s store.Store) int {
	t.Helper()
	page, err := s.Messages(t.Context(), grace, state.Key{}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return len(page)
}

func message(i int, size int) state.MessageRow {
	return state.MessageRow{Conv: grace, At: int64(i+1) * 1e6, Message: state.Message{
		Key: state.Key{Time: int64(i+1) * 1e6, Seq: int64(i + 1)},
		ID:  fmt.Sprint(i), Author: grace, ArchiveID: fmt.Sprint("archive-", i), Body: noise(size),
	}}
}

// noise is text that cannot be compressed.
func noise(size int) string {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(' ' + rand.IntN(94))
	}
	return string(b)
}

func batch(from, n, size int) *store.Batch {
	b := &store.Batch{}
	for i := range n {
		b.Rows = append(b.Rows, state.Row{Value: new(message(from+i, size))})
	}
	return b
}

func write(t *testing.T, s store.Store, b *store.Batch) {
	t.Helper()
	if err := s.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// later makes this page a newer build until undo is called.
func later(step string) (undo func()) {
	steps := js.Global().Get("natterStore").Get("steps")
	steps.Call("push", js.Global().Get("natterTest").Get("laterSteps").Get(step))
	return func() { steps.Call("pop") }
}

func TestSec57_NewerSchema(t *testing.T) {
	s := fresh(t)
	write(t, s, batch(0, 3, 10))
	s.Close()
	undo := later("more")
	newer, err := browser.OpenStore(t.Context(), ada)
	undo()
	if err != nil {
		t.Fatal(err)
	}
	newer.Close()
	if _, err := browser.OpenStore(t.Context(), ada); !errors.Is(err, store.ErrNewer) {
		t.Errorf("an old build opens what a newer one has written: %v", err)
	}
	defer later("more")()
	if n := kept(t, open(t)); n != 3 {
		t.Errorf("of 3 messages the newer build finds %d after the older was here", n)
	}
}

func TestSec57_UpgradeByAnotherTab(t *testing.T) {
	s := fresh(t)
	write(t, s, batch(0, 3, 10))
	defer later("more")()
	if n := kept(t, open(t)); n != 3 {
		t.Errorf("%d of 3 messages survived the upgrade", n)
	}
	<-s.Gone()
	if err := s.Commit(t.Context(), batch(3, 1, 10)); !errors.Is(err, store.ErrClosed) {
		t.Errorf("the old tab still writes: %v", err)
	}
}

func TestSec57_Blocked(t *testing.T) {
	fresh(t).Close()
	stubborn, err := await(t, js.Global().Get("natterTest").Call("opened", store.Name(ada)))
	if err != nil {
		t.Fatal(err)
	}
	defer later("more")()
	if _, err := browser.OpenStore(t.Context(), ada); !errors.Is(err, store.ErrBlocked) {
		t.Errorf("got %v", err)
	}
	stubborn.Call("close")
	write(t, open(t), batch(0, 1, 10))
}

func TestSec57_AbortedUpgrade(t *testing.T) {
	s := fresh(t)
	write(t, s, batch(0, 3, 10))
	undo := later("broken")
	if _, err := browser.OpenStore(t.Context(), ada); err == nil {
		t.Error("a broken step went unnoticed")
	}
	undo()
	if n := kept(t, open(t)); n != 3 {
		t.Errorf("%d of 3 messages survived", n)
	}
}

// TestSec56_Quota is run in a page of its own, with little room from the start:
// Chromium remembers for a while how much there was.
func TestSec56_Quota(t *testing.T) {
	s := fresh(t)
	write(t, s, batch(0, 50, 1000))
	full := batch(50, 600, 10_000)
	full.Stream = &store.Stream{ID: "sm", H: 650}
	if err := s.Commit(t.Context(), full); !errors.Is(err, store.ErrQuota) {
		t.Fatalf("got %v", err)
	}
	if n := kept(t, s); n != 50 {
		t.Errorf("%d messages instead of 50 after a commit that failed", n)
	}
	sn, err := s.Load(t.Context(), store.Window{})
	if err != nil || sn.Stream != nil {
		t.Errorf("the count was kept without the rows: %+v, %v", sn.Stream, err)
	}
	if err := s.Commit(t.Context(), &store.Batch{Rows: contract.Rows(&state.Floor{Conv: grace, Before: message(40, 0).Message.Key})}); err != nil {
		t.Errorf("nothing can be removed to make room: %v", err)
	}
	outside(t, "/quota")
	write(t, s, full)
	if n := kept(t, s); n != 610 {
		t.Errorf("%d of 610 messages with room again", n)
	}
}

// The database is lost under a running session; all that is in memory goes into a new
// one.
func TestSec55_Loss(t *testing.T) {
	t.Run("deleted by another tab", func(t *testing.T) {
		loss(t, func() {
			if err := browser.DeleteStore(t.Context(), ada); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("cleared by the browser", func(t *testing.T) {
		loss(t, func() { outside(t, "/clear") })
	})
}

func loss(t *testing.T, lose func()) {
	s := fresh(t)
	now := state.New().With(state.SessionStarted{Me: ada + "/tab"}).
		With(state.MessageAdded{Conv: grace, Message: state.Message{
			ID: "1", Author: ada, Mine: true, Body: "unsent", At: time.Unix(1_700_000_000, 0), Delivery: state.Queued}})
	write(t, s, store.Changes(nil, now))
	lose()
	<-s.Gone()
	if err := s.Commit(t.Context(), batch(0, 1, 1)); !errors.Is(err, store.ErrClosed) {
		t.Errorf("a commit into nothing: %v", err)
	}
	again := open(t)
	if n := kept(t, again); n > 0 {
		t.Fatalf("%d messages after the loss", n)
	}
	write(t, again, store.Changes(nil, now))
	sn, err := again.Load(t.Context(), store.Window{})
	if err != nil || len(sn.Outbox()) != 1 || sn.Outbox()[0].Body != "unsent" {
		t.Errorf("the outbox after a loss: %+v, %v", sn, err)
	}
}

func TestSec53_NothingCanBeKept(t *testing.T) {
	for _, how := range []string{"missing", "forbidden", "closed"} {
		t.Run(how, func(t *testing.T) {
			back := js.Global().Get("natterTest").Call(how)
			defer back.Invoke()
			if _, err := browser.OpenStore(t.Context(), ada); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		})
	}
	write(t, fresh(t), batch(0, 1, 1)) // this page is no such
}

// A row that IndexedDB refuses undoes those before it. Rows of ours have their keys, so
// one of somebody else is made up.
func TestAllOrNothing(t *testing.T) {
	s := fresh(t)
	db, err := await(t, js.Global().Get("natterStore").Call("open", store.Name(ada), js.Null()))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Call("close")
	_, err = await(t, db.Call("commit", `{"strict": false, "forget": [], "remove": {}, "put": {
		"drafts": [{"peer": "grace@localhost", "text": "x"}], "settings": [{"no": "key"}]}}`))
	if err == nil || !strings.Contains(err.Error(), "key") {
		t.Errorf("a row without its key: %v", err)
	}
	sn, err := s.Load(t.Context(), store.Window{})
	if err != nil || len(sn.Rows) > 0 {
		t.Errorf("half of a batch was kept: %+v, %v", sn, err)
	}
}

func TestPersist(t *testing.T) {
	if !browser.Persist(t.Context()) || !browser.Persisted(t.Context()) {
		t.Error("the browser was told to grant it and does not")
	}
	if used, quota := browser.Capacity(t.Context()); quota == 0 || used > quota {
		t.Errorf("used %d of %d", used, quota)
	}
}

func bench(b *testing.B) store.Store {
	s, err := browser.OpenStore(b.Context(), ada)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Delete(ctx); err != nil {
			b.Error(err)
		}
	})
	return s
}

func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 50, 200, 500} {
		for _, strict := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d strict %v", n, strict), func(b *testing.B) {
				s := bench(b)
				i := 0
				longest := js.Global().Get("natterTest").Call("gaps")
				for b.Loop() {
					rows := batch(i, n, 60)
					rows.Strict = strict
					rows.Stream = &store.Stream{ID: "sm", H: uint32(i)}
					i += n
					if err := s.Commit(b.Context(), rows); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(longest.Invoke().Float(), "ms-gap")
			})
		}
	}
}

func BenchmarkMessages50Of10000(b *testing.B) {
	s := bench(b)
	for i := range 20 {
		if err := s.Commit(b.Context(), batch(i*500, 500, 60)); err != nil {
			b.Fatal(err)
		}
	}
	i := 0
	for b.Loop() {
		i = (i + 50) % 9000
		page, err := s.Messages(b.Context(), grace, state.Key{Time: int64(i+1000) * 1e6}, 50)
		if err != nil || len(page) != 50 {
			b.Fatal(len(page), err)
		}
	}
}

func BenchmarkFind50Of10000(b *testing.B) {
	s := bench(b)
	for i := range 20 {
		if err := s.Commit(b.Context(), batch(i*500, 500, 60)); err != nil {
			b.Fatal(err)
		}
	}
	var wanted []store.Wanted
	for i := range 50 {
		wanted = append(wanted, store.Wanted{Archive: fmt.Sprint("archive-", i*100), Author: grace, ID: fmt.Sprint(i * 100)})
	}
	for b.Loop() {
		if found, err := s.Find(b.Context(), grace, wanted); err != nil || len(found) != 50 {
			b.Fatal(len(found), err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{60, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := bench(b)
			rows := &store.Batch{Rows: contract.Rows(&state.Account{Self: state.Self{Me: ada}}, &state.ChatRow{Chat: state.Chat{Conv: grace}})}
			for i := range n {
				conv := state.ConvID(fmt.Sprint("peer", i, "@localhost"))
				m := message(i, 60)
				m.Conv = conv
				rows.Rows = append(rows.Rows, contract.Rows(
					&state.Contact{JID: conv.JID(), Name: "Somebody", InRoster: true, Subscription: "both"},
					&state.ChatRow{Chat: state.Chat{Conv: conv}, Last: &m}, &m)...)
			}
			rows.Rows = append(rows.Rows, batch(0, 100, 60).Rows...)
			if err := s.Commit(b.Context(), rows); err != nil {
				b.Fatal(err)
			}
			longest := js.Global().Get("natterTest").Call("gaps")
			for b.Loop() {
				sn, err := s.Load(b.Context(), store.Window{Open: grace, Chats: 5, Messages: 60})
				if err != nil || len(sn.Rows) != 2*n+2 {
					b.Fatal(err)
				}
				state.New().With(sn.Event())
			}
			b.ReportMetric(longest.Invoke().Float(), "ms-gap")
		})
	}
}
