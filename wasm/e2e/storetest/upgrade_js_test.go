//go:build js && wasm

package storetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"syscall/js"
	"testing"

	"natter/app/state"
	"natter/app/store"
	contract "natter/app/store/storetest"
	"natter/wasm/browser"
)

// old is what a database of the build before rows held, with a row of each kind and a value in
// each field: testdata/before-rows.json is what that build has written here. The account ada
// has 460 messages in two conversations, of which three wait to be sent and two have failed, two
// drafts, a setting and contacts with something pending.
func old(t *testing.T) (name, text string) {
	t.Helper()
	response, err := await(t, js.Global().Call("fetch", "/testdata/before-rows.json"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := await(t, response.Call("text"))
	if err != nil {
		t.Fatal(err)
	}
	name = store.Name(ada)
	if _, err := await(t, js.Global().Get("natterTest").Call("fill", name, body)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := browser.DeleteStore(ctx, ada); err != nil {
			t.Error(err)
		}
	})
	return name, body.String()
}

// What an older build has kept is there, and not a field of it is lost when this build writes it
// again.
func TestSec57_ADatabaseOfBeforeRows(t *testing.T) {
	name, text := old(t)
	s := open(t)
	sn, err := s.Load(t.Context(), store.Window{Open: grace, Chats: 10, Messages: 50})
	if err != nil {
		t.Fatal(err)
	}
	if got := said(sn.Outbox()); got != "this waits|written without a connection|this waits too" {
		t.Errorf("the outbox is %s", got)
	}
	if sn.Stream == nil || sn.Stream.H != 1234 || len(sn.Stream.Unacked) != 2 || sn.Settings["server"] != "wss://chat.example/ws" {
		t.Errorf("the stream is %+v, the settings are %v", sn.Stream, sn.Settings)
	}
	now := state.New().With(sn.Event())
	chat := now.Chat(grace)
	if now.Me != ada+"/tab" || !now.Discreet || now.Unsaved() != 3 || now.Refusals() != 1 || chat.Unread != 2 ||
		chat.Draft != "half a sen" || now.Chat("new@localhost").Draft != "how do I" || !chat.Earlier() || chat.Timeline.Len() != 50 {
		t.Errorf("the state is %+v, the conversation %+v", now, chat)
	}
	for id, delivery := range map[string]state.Delivery{"bounced": state.Failed, "failed": state.Failed, "queued": state.Queued, "got": state.Delivered} {
		if m := chat.Timeline.ByID(ada, id); m == nil || m.Delivery != delivery {
			t.Errorf("%s is %+v", id, m)
		}
	}
	for chat := now.Chat(grace); chat.Earlier(); chat = now.Chat(grace) { // slice by slice, as somebody scrolls back
		page, err := s.Messages(t.Context(), grace, chat.Timeline.First().Key, 100)
		if err != nil {
			t.Fatal(err)
		}
		now = now.With(state.HistoryRead{Conv: grace, Messages: state.States(page), Earlier: len(page) == 100})
	}
	found, _, err := s.Search(t.Context(), state.Words("zeile"), 0, 1000)
	if err != nil || len(found) != 1 || found[0].Subject != "Über" {
		t.Errorf("found %+v, %v", found, err)
	}

	// Written again, into nothing, it is the same to the letter.
	s.Close()
	if err := browser.DeleteStore(t.Context(), ada); err != nil {
		t.Fatal(err)
	}
	again := open(t)
	b := store.Changes(nil, now)
	b.Rows = slices.DeleteFunc(b.Rows, func(r state.Row) bool { _, floor := r.Value.(*state.Floor); return floor })
	b.Stream, b.Settings = sn.Stream, sn.Settings
	write(t, again, b)
	written, err := await(t, js.Global().Get("natterTest").Call("dump", name))
	if err != nil {
		t.Fatal(err)
	}
	got, want := tables(t, written.String()), tables(t, text)
	for _, row := range want["session"] {
		if value := row["value"].(map[string]any); row["name"] == "stream" {
			delete(value, "sent") // this build has no need of it
		}
	}
	for _, row := range want["coverage"] { // read once more, for what that build did not understand
		row["generation"] = float64(1)
		delete(row, "settled")
		delete(row, "settledTime")
	}
	for _, table := range slices.Sorted(maps.Keys(want)) {
		if len(got[table]) != len(want[table]) {
			t.Errorf("%s: %d rows, want %d", table, len(got[table]), len(want[table]))
			continue
		}
		for i := range want[table] {
			if !reflect.DeepEqual(got[table][i], want[table][i]) {
				t.Errorf("%s:\n got %v\nwant %v", table, got[table][i], want[table][i])
			}
		}
	}
}

// What this build changes in such a database is changed there, and nothing else.
func TestADatabaseOfBeforeRowsGoesOn(t *testing.T) {
	name, text := old(t)
	s := open(t)
	sn, err := s.Load(t.Context(), store.Window{Open: grace, Chats: 10, Messages: 50})
	if err != nil {
		t.Fatal(err)
	}
	was := state.New().With(sn.Event())
	all, err := s.Messages(t.Context(), grace, state.Key{}, 500)
	if err != nil {
		t.Fatal(err)
	}
	old := all[slices.IndexFunc(all, func(m state.MessageRow) bool { return m.Mine && m.ID != "" && m.Delivery == "server" })]
	if was.Chat(grace).Timeline.ByID(ada, old.ID) != nil {
		t.Fatalf("%s is in memory", old.ID)
	}
	now := was.
		With(state.Filed{Target: state.Target{Conv: grace, Author: ada, ID: old.ID}, Fact: state.Fact{Kind: state.Receipt, By: grace}}).
		With(state.Filed{Target: state.Target{Conv: grace, Author: ada, ID: "queued"}, Fact: state.Fact{Kind: state.Acked, By: ada}}).
		With(state.Filed{Target: state.Target{Conv: grace, Author: ada, ID: "of long ago"}, Fact: state.Fact{Kind: state.Receipt, By: grace}}).
		With(state.MessageRemoved{Conv: grace, ID: "failed"}).
		With(state.DraftChanged{Conv: "new@localhost"}).
		With(state.ContactRemoved{JID: "edith@localhost"})
	write(t, s, store.Changes(was, now))
	written, err := await(t, js.Global().Get("natterTest").Call("dump", name))
	if err != nil {
		t.Fatal(err)
	}
	got, want := tables(t, written.String()), tables(t, text)
	for table, gone := range map[string]int{"messages": 1, "drafts": 1, "contacts": 1, "chats": 0, "coverage": 0, "settings": 0, "session": 0} {
		if len(got[table]) != len(want[table])-gone {
			t.Errorf("%s: %d rows of %d, want %d to go", table, len(got[table]), len(want[table]), gone)
		}
	}
	read, err := s.Find(t.Context(), grace, []store.Wanted{{Author: ada, ID: old.ID}})
	if err != nil || len(read) != 1 {
		t.Fatalf("%+v, %v", read, err)
	}
	if m := now.With(state.HistoryRead{Conv: grace, Messages: state.States(read)}).Chat(grace).Timeline.ByID(ada, old.ID); m.Delivery != state.Delivered {
		t.Errorf("it is read as %+v", m)
	}
	if len(got["facts"]) != 1 {
		t.Errorf("there are the facts %v", got["facts"])
	}
	if sn, err = s.Load(t.Context(), store.Window{}); err != nil || said(sn.Outbox()) != "written without a connection|this waits too" {
		t.Errorf("the outbox is %v, %v", sn, err)
	}
	if contacts := contract.Of[*state.Contact](sn.Rows); len(contacts) != 4 {
		t.Errorf("%d contacts", len(contacts))
	}
}

func said(rows []state.MessageRow) string {
	var all []string
	for _, m := range rows {
		all = append(all, m.Body)
	}
	return strings.Join(all, "|")
}

// tables are the rows of a dump, by the names of their tables.
func tables(t *testing.T, dump string) map[string][]map[string]any {
	t.Helper()
	var all struct {
		Version int
		Tables  map[string][]map[string]any
	}
	if err := json.Unmarshal([]byte(dump), &all); err != nil {
		t.Fatal(fmt.Errorf("%w: %.100s", err, dump))
	}
	return all.Tables
}
