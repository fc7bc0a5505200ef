// Package storetest is the contract of a store.Store. It is run natively on the one in
// memory and in a real browser on IndexedDB (wasm/e2e/storetest).
package storetest

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
)

// Open opens a Store for an account. It is called several times, also while another one is open.
type Open func(context.Context, jid.JID) (store.Store, error)

const (
	ada   = "ada@localhost"
	grace = "grace@localhost"
	edith = "edith@localhost"
)

// Test runs the contract. It leaves nothing behind.
func Test(t *testing.T, open Open) {
	for _, tc := range []struct {
		name string
		f    func(*testing.T, Open)
	}{
		{"empty", empty},
		{"everything comes back", everything},
		{"rows replace rows", replace},
		{"rows are removed", remove},
		{"pages", pages},
		{"names that look alike", alike},
		{"after", after}, {"ends", ends}, {"nth", nth},
		{"find", find},
		{"search", search},
		{"search goes through all in slices", inSlices},
		{"search folds as state does", folding},
		{"outbox", outbox},
		{"window", window},
		{"forget", forget},
		{"facts come with their messages", facts},
		{"search knows what has changed a message", corrected},
		{"many rows", many},
		{"row is not shared", unshared},
		{"sec 54 accounts are apart", accounts},
		{"sec 52 delete leaves nothing", deletion},
		{"P16 one leads", leading},
		{"close", closing},
		{"a context that has ended", ended},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Cleanup(func() { wipe(t, open) })
			tc.f(t, open)
		})
	}
}

func wipe(t *testing.T, open Open) {
	ctx := context.Background() // the context of the test has ended
	for _, account := range []jid.JID{ada, grace} {
		s, err := open(ctx, account)
		if err == nil {
			err = s.Delete(ctx)
		}
		if err != nil {
			t.Errorf("delete %s: %v", account, err)
		}
	}
}

// Rows returns rows with these values.
func Rows(values ...state.Value) (rows []state.Row) {
	for _, v := range values {
		rows = append(rows, state.Row{Value: v})
	}
	return rows
}

// Messages returns rows with these messages.
func Messages(all ...state.MessageRow) (rows []state.Row) {
	for i := range all {
		rows = append(rows, state.Row{Value: &all[i]})
	}
	return rows
}

// Of returns the values of one type, for example *state.Contact.
func Of[V state.Value](rows []state.Row) (values []V) {
	for _, r := range rows {
		if v, ok := r.Value.(V); ok {
			values = append(values, v)
		}
	}
	return values
}

func must(t *testing.T, open Open, account jid.JID) store.Store {
	t.Helper()
	s, err := open(context.Background(), account)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func commit(t *testing.T, s store.Store, b store.Batch) {
	t.Helper()
	if err := s.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, s store.Store, w store.Window) *store.Snapshot {
	t.Helper()
	sn, err := s.Load(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return sn
}

// said returns a message of a conversation with a time in seconds.
func said(conv state.ConvID, second, seq int64) state.MessageRow {
	return state.MessageRow{
		Conv: conv, At: second * 1e6, Message: state.Message{
			Key: state.Key{Time: second * 1e6, Seq: seq},
			ID:  fmt.Sprint("id", second, seq), Author: conv.JID(), Body: fmt.Sprint(second, ".", seq),
		},
	}
}

// queued returns a message of ours that has not left.
func queued(conv state.ConvID, second int64) state.MessageRow {
	m := said(conv, second, 0)
	m.Author, m.Mine, m.Delivery, m.Out = ada, true, "queued", m.Time
	return m
}

func bodies(messages []state.MessageRow) string {
	var all []string
	for _, m := range messages {
		all = append(all, m.Body)
	}
	return strings.Join(all, " ")
}

func expect(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s\n got %+v\nwant %+v", what, got, want)
	}
}
