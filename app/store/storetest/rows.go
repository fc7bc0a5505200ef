package storetest

import (
	"slices"
	"strings"
	"testing"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
)

func empty(t *testing.T, open Open) {
	s := must(t, open, ada)
	commit(t, s, store.Batch{})
	sn := load(t, s, store.Window{Open: grace, Chats: 10, Messages: 10})
	if !sn.Empty() || sn.Stream != nil || len(sn.Rows)+len(sn.Ends)+len(sn.Outbox())+len(sn.Settings) > 0 {
		t.Errorf("something was loaded: %+v", sn)
	}
	if page, err := s.Messages(t.Context(), grace, state.Key{}, 10); err != nil || len(page) > 0 {
		t.Errorf("messages %v, %v", page, err)
	}
}

// full returns a batch with a row in each table and a value in each field.
func full() store.Batch {
	m := bent()
	coverage := &state.CoverageRow{
		Coverage: state.Coverage{Part: state.Part{Archive: ada}}, Open: 7, Cut: "cut", CutTime: 8, CutGone: true, Settled: "settled", SettledTime: 9,
		Ranges: []state.RangeRow{{From: "a", To: "b", FromTime: 1, ToTime: 2, Start: true}, {From: "c", To: "d", FromTime: 3, ToTime: 4, FromGone: true, ToGone: true}},
	}
	return store.Batch{
		Rows: Rows(
			&state.Account{Self: state.Self{
				Me: ada + "/tab", OwnPresence: state.Presence{Show: "away", Status: "tea", Priority: -1}, RosterLoaded: true, CaughtUp: true, Discreet: true,
			}},
			&state.Contact{
				JID: grace, Name: "Grace", Groups: []string{"navy", "a b"}, InRoster: true, Subscription: "both",
				Asked: true, AsksUs: true, AskText: "please", Presences: map[string]state.Presence{"phone": {Show: "dnd", Priority: 5}, "": {Show: "away"}},
				Pending: state.Pending{Edit: "rename", Name: "Amazing", Ask: true, Answer: "accept"}, Refused: "could not be renamed.",
			},
			&m,
			&state.Draft{Conv: edith, Text: "half a sen"},
			fact("1", edith),
			fact("1", "nobody@localhost"),
			&state.ChatRow{Chat: state.Chat{
				Conv: grace, With: "g1", Resource: "phone", Unread: 3, Named: 2, ReadTo: state.Key{Time: 5, Seq: -1}, SeenTo: state.Key{Time: 3, Seq: -2}, Seam: state.Key{Time: 4, Seq: 2},
			}, Low: -9, High: 12, Last: &m},
			coverage,
			&state.Outgoing{ID: "1", N: 1 << 50, Since: 1_700_000_000_000_001, XML: "<b>\"&amp;\u2028 ☃</b>"},
			&state.Room{
				JID: "lounge@rooms.localhost", Nick: "ada ☃", Password: "tea", Self: "a1", Kept: true, Saved: true, Left: true, Label: "Tea", Subject: "Engines",
				Notify: state.NotifyNone, Synced: state.NotifyAll,
				RoomInfo: state.RoomInfo{Name: "The Lounge", Archive: true, OccupantIDs: true, StanzaIDs: true, StableIDs: true, ShowsAddresses: true, MembersOnly: true},
			},
			&state.Invitation{Room: "club@rooms.localhost", From: grace, Reason: "why", Password: "tea", At: 1_700_000_000_000_000, Mediated: true},
		),
		Stream: &store.Stream{
			ID: "sm", JID: ada + "/tab", H: 1<<32 - 1, Acked: 7, Order: [][2]uint64{{1, 1}, {3, 1 << 50}}, Unsent: 2,
			Max: 300_000_000, Lost: 1_700_000_000_000_000, Features: "<f/>", Server: "wss://a.example", MaxBytes: 10_000, Idle: 120_000_000,
		},
		Settings: map[string]string{"enter": "sends", "__proto__": "a name like any other"},
	}
}

// fact is one with a value in each field.
func fact(id string, by jid.JID) *state.Filed {
	return &state.Filed{
		Target: state.Target{Conv: edith, Author: ada, ID: id}, Fact: state.Fact{Kind: state.Bounced, By: by, At: 1_700_000_000_000_000, Text: "why"},
	}
}

// bent is a message with a value in each field.
func bent() state.MessageRow {
	return state.MessageRow{
		Conv: grace, At: 1_700_000_000_000_000, Delivery: "failed", Message: state.Message{
			Key: state.Key{Time: 1_700_000_000_000_001, Seq: -3}, ID: "1", ArchiveID: "x",
			Author: ada, Mine: true, Subject: "Über", Notice: true, Body: "Zeile\n\"<&>\u2028 ☃ 👩‍💻", Problem: "why", Bounced: true, Late: true, Asks: true,
			Facts: &state.Facts{{Kind: "later", By: grace, At: 7, Text: "a newer build"}},
		},
	}
}

func everything(t *testing.T, open Open) {
	b := full()
	first := must(t, open, ada)
	for _, strict := range []bool{false, true} {
		b.Strict = strict
		commit(t, first, b)
	}
	other := must(t, open, ada)
	look := func(s store.Store) {
		t.Helper()
		sn := load(t, s, store.Window{Open: grace, Messages: 10})
		var kept []state.Row // all but the messages
		for _, r := range b.Rows {
			if table, _ := r.Where(); table != "messages" {
				kept = append(kept, r)
			}
		}
		byTable := func(a, b state.Row) int {
			was, _ := a.Where()
			is, _ := b.Where()
			return strings.Compare(was, is)
		}
		slices.SortStableFunc(kept, byTable)
		slices.SortStableFunc(sn.Rows, byTable)
		expect(t, "rows", sn.Rows, kept)
		expect(t, "stream", sn.Stream, b.Stream)
		expect(t, "ends", sn.Ends, map[state.ConvID]store.Page{grace: {Messages: []state.MessageRow{bent()}}})
		expect(t, "settings", sn.Settings, b.Settings)
	}
	look(other)
	first.Close()
	other.Close()
	look(must(t, open, ada))
}

func replace(t *testing.T, open Open) {
	s := must(t, open, ada)
	commit(t, s, full())
	again, otherwise := said(grace, 1_700_000_000, 0), fact("1", edith)
	otherwise.Text = "otherwise"
	again.Message.Key = bent().Message.Key
	coverage := func(with jid.JID) *state.CoverageRow {
		return &state.CoverageRow{Coverage: state.Coverage{Part: state.Part{Archive: ada, With: with}}, Ranges: []state.RangeRow{{From: "a", To: "d"}}}
	}
	commit(t, s, store.Batch{
		Rows:     Rows(&state.Account{Self: state.Self{Me: ada + "/new"}}, &state.Contact{JID: grace}, &again, otherwise, coverage(""), coverage(grace)),
		Settings: map[string]string{"enter": "breaks"},
	})
	sn := load(t, s, store.Window{Open: grace, Messages: 10})
	expect(t, "account", Of[*state.Account](sn.Rows), []*state.Account{{Self: state.Self{Me: ada + "/new"}}})
	expect(t, "contacts", Of[*state.Contact](sn.Rows), []*state.Contact{{JID: grace}})
	expect(t, "messages", sn.Ends[grace].Messages, []state.MessageRow{again})
	expect(t, "coverage", Of[*state.CoverageRow](sn.Rows), []*state.CoverageRow{coverage(""), coverage(grace)})
	expect(t, "facts", Of[*state.Filed](sn.Rows), []*state.Filed{otherwise, fact("1", "nobody@localhost")})
	expect(t, "setting", sn.Settings["enter"], "breaks")
	expect(t, "stream", sn.Stream, full().Stream)
	found, err := s.Find(t.Context(), grace, []store.Wanted{{Archive: "x"}, {Author: ada, ID: "1"}})
	if err != nil || len(found) > 0 {
		t.Errorf("ids of the row before still lead somewhere: %v, %v", found, err)
	}
}

func remove(t *testing.T, open Open) {
	s := must(t, open, ada)
	commit(t, s, full())
	var gone []state.Row
	for _, v := range []state.Value{
		&state.Contact{JID: grace}, &state.Contact{JID: "nobody@localhost"}, &state.Draft{Conv: edith},
		&state.Outgoing{ID: "1"}, &state.Room{JID: "lounge@rooms.localhost"}, &state.Invitation{Room: "club@rooms.localhost"}, fact("1", edith), fact("2", edith),
		&state.MessageRow{Conv: grace, Message: state.Message{Key: bent().Message.Key}},
		&state.MessageRow{Conv: edith, Message: state.Message{Key: state.Key{Time: 1}}},
	} {
		gone = append(gone, state.Row{Value: v, Gone: true})
	}
	commit(t, s, store.Batch{Rows: gone, Settings: map[string]string{"enter": "", "__proto__": ""}})
	sn := load(t, s, store.Window{Open: grace, Messages: 10})
	if n := len(sn.Rows) - 4 + len(sn.Ends[grace].Messages) + len(sn.Settings); n > 0 { // the account, the conversation, the coverage and a fact
		t.Errorf("%d rows are still there: %+v", n, sn)
	}
	if found, err := s.Find(t.Context(), grace, []store.Wanted{{Archive: "x"}, {Author: ada, ID: "1"}}); len(found) > 0 || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
	commit(t, s, store.Batch{Rows: append(gone[:1:1], Rows(&state.Contact{JID: grace, Name: "again"})...)})
	expect(t, "removed and written", Of[*state.Contact](load(t, s, store.Window{}).Rows), []*state.Contact{{JID: grace, Name: "again"}})
}

func forget(t *testing.T, open Open) {
	s := must(t, open, ada)
	failed := queued(grace, 1)
	failed.Delivery, failed.Out = "failed", 0
	moved := queued(grace, 2) // the archive has it, but not there
	moved.Delivery, moved.Out, moved.Late = "server", 0, true
	moved.Seq = 1
	all := []state.MessageRow{said(grace, 1, 1), failed, queued(grace, 2), moved, said(grace, 3, 0), said(grace, 3, 1), said(edith, 1, 0)}
	for i := range int64(500) {
		all = append(all, said(grace, 2, i+2))
	}
	last := failed
	last.Message.Key = state.Key{Time: 2e6, Seq: 502}
	commit(t, s, store.Batch{Rows: Messages(append(all, last)...)})
	commit(t, s, store.Batch{Rows: Rows(&state.Floor{Conv: grace, Before: state.Key{Time: 3e6, Seq: 1}}, &state.Floor{Conv: edith})})
	want := append([]state.MessageRow{}, failed, queued(grace, 2), moved, last, said(grace, 3, 1))
	for conv, want := range map[state.ConvID][]state.MessageRow{grace: want, edith: {said(edith, 1, 0)}} {
		page, err := s.Messages(t.Context(), conv, state.Key{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, string(conv), page, want)
	}
	found, err := s.Find(t.Context(), grace, []store.Wanted{{Author: ada, ID: failed.ID}})
	if err != nil || len(found) != 1 {
		t.Errorf("found %v, %v", found, err)
	}
}

func many(t *testing.T, open Open) {
	s := must(t, open, ada)
	var all []state.MessageRow
	for i := range int64(1700) {
		all = append(all, said(grace, i+1, 0))
	}
	commit(t, s, store.Batch{Rows: Messages(all...)})
	page, err := s.Messages(t.Context(), grace, state.Key{}, 5000)
	if err != nil || len(page) != len(all) {
		t.Fatalf("%d messages, %v", len(page), err)
	}
	expect(t, "the last", page[1699], all[1699])
}

func unshared(t *testing.T, open Open) {
	s := must(t, open, ada)
	b := full()
	commit(t, s, b)
	Of[*state.MessageRow](b.Rows)[0].Body, Of[*state.Contact](b.Rows)[0].Groups[0], Of[*state.Account](b.Rows)[0].Me = "changed", "changed", "changed"
	sn := load(t, s, store.Window{Open: grace, Messages: 1})
	expect(t, "message", sn.Ends[grace].Messages[0].Body, bent().Body)
	expect(t, "groups", Of[*state.Contact](sn.Rows)[0].Groups, Of[*state.Contact](full().Rows)[0].Groups)
	expect(t, "account", string(Of[*state.Account](sn.Rows)[0].Me), ada+"/tab")
}

// A fact about a message that the store has is put into the row of the message. Other facts wait in a table.
func facts(t *testing.T, open Open) {
	s := must(t, open, ada)
	old, newest, other := said(edith, 1, 0), said(edith, 2, 0), said(grace, 1, 0)
	old.ID, newest.ID = "twice", "twice"
	other.Author = edith
	commit(t, s, store.Batch{Rows: Messages(old, newest, other)})
	about := func(author jid.JID, id string, by jid.JID, at int64) *state.Filed {
		f := fact(id, by)
		f.Author, f.At = author, at
		return f
	}
	early := about(edith, "of later", edith, 1)
	commit(t, s, store.Batch{Rows: Rows(early, about(ada, "twice", edith, 1), about(edith, other.ID, edith, 1), about(edith, "twice", grace, 1))})
	for at := range int64(6) {
		commit(t, s, store.Batch{Rows: Rows(about(edith, "twice", edith, at))})
	}
	commit(t, s, store.Batch{Rows: []state.Row{{Value: about(edith, "twice", edith, 5), Gone: true}, {Value: about(ada, "twice", edith, 1), Gone: true}}})
	newest.Waiting = state.Facts{about(edith, "", grace, 1).Fact}
	for at := range int64(4) { // the last four by each author are kept
		newest.Waiting = append(newest.Waiting, about(edith, "", edith, at+2).Fact)
	}
	look := func() {
		t.Helper()
		page, err := s.Messages(t.Context(), edith, state.Key{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "messages", page, []state.MessageRow{old, newest})
		found, err := s.Find(t.Context(), edith, []store.Wanted{{Author: edith, ID: "twice"}})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "found", found, []state.MessageRow{newest})
		rest, err := s.Messages(t.Context(), grace, state.Key{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "of another conversation", rest, []state.MessageRow{other})
		expect(t, "waiting", Of[*state.Filed](load(t, s, store.Window{}).Rows), []*state.Filed{about(edith, other.ID, edith, 1), early})
	}
	look()
	s.Close()
	s = must(t, open, ada)
	look()
	newest.Waiting = nil // it was in memory, and is written again
	commit(t, s, store.Batch{Rows: Messages(newest)})
	look()
}
