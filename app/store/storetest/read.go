package storetest

import (
	"fmt"
	"testing"

	"natter/app/state"
	"natter/app/store"
)

// all is what conversations writes of grace's, in order.
const all = "1.-10 1.-2 1.7 2.5 3.0 3.1"

// conversations returns a store with messages of two conversations, written in no order.
func conversations(t *testing.T, open Open) store.Store {
	s := must(t, open, ada)
	commit(t, s, store.Batch{Rows: Messages(
		said(grace, 3, 1), said(grace, 1, -2), said(grace, 1, -10), said(edith, 1, 0), said(grace, 2, 5), said(grace, 3, 0),
		said(grace, 1, 7), said(edith, 9, 9))})
	return s
}

func pages(t *testing.T, open Open) {
	s := conversations(t, open)
	for _, tc := range []struct {
		before state.Key
		n      int
		want   string
	}{
		{state.Key{}, 100, all},
		{state.Key{}, 6, all},
		{state.Key{}, 2, "3.0 3.1"},
		{state.Key{}, 1, "3.1"},
		{state.Key{}, 0, ""},
		{state.Key{Time: 3e6}, 2, "1.7 2.5"},
		{state.Key{Time: 3e6, Seq: 1}, 100, "1.-10 1.-2 1.7 2.5 3.0"},
		{state.Key{Time: 1e6, Seq: -2}, 5, "1.-10"},
		{state.Key{Time: 1e6, Seq: -10}, 5, ""},
		{state.Key{Time: 1 << 60}, 1, "3.1"},
	} {
		page, err := s.Messages(t.Context(), grace, tc.before, tc.n)
		if err != nil || bodies(page) != tc.want {
			t.Errorf("%d before %v: %q, want %q (%v)", tc.n, tc.before, bodies(page), tc.want, err)
		}
	}
}

func after(t *testing.T, open Open) {
	s := conversations(t, open)
	for _, tc := range []struct {
		after state.Key
		n     int
		want  string
	}{
		{state.Key{}, 100, all},
		{state.Key{}, 2, "1.-10 1.-2"},
		{state.Key{}, 0, ""},
		{state.Key{Time: 1e6, Seq: -10}, 2, "1.-2 1.7"},
		{state.Key{Time: 1e6, Seq: 8}, 100, "2.5 3.0 3.1"},
		{state.Key{Time: 3e6}, 5, "3.1"},
		{state.Key{Time: 3e6, Seq: 1}, 5, ""},
		{state.Key{Time: 1 << 60}, 1, ""},
	} {
		page, err := s.After(t.Context(), grace, tc.after, tc.n)
		if err != nil || bodies(page) != tc.want {
			t.Errorf("%d after %v: %q, want %q (%v)", tc.n, tc.after, bodies(page), tc.want, err)
		}
	}
	for _, tc := range []struct {
		after, before state.Key
		want          int
	}{
		{state.Key{}, state.Key{Time: 1 << 60}, 6},
		{state.Key{Time: 1e6, Seq: -10}, state.Key{Time: 3e6, Seq: 1}, 4},
		{state.Key{Time: 1e6, Seq: -9}, state.Key{Time: 1e6, Seq: 8}, 2},
		{state.Key{Time: 3e6}, state.Key{Time: 3e6, Seq: 1}, 0},
		{state.Key{Time: 3e6}, state.Key{Time: 3e6}, 0},
		{state.Key{Time: 3e6}, state.Key{Time: 1e6}, 0},
	} {
		if n, err := s.Count(t.Context(), grace, tc.after, tc.before); err != nil || n != tc.want {
			t.Errorf("%d between %v and %v, want %d (%v)", n, tc.after, tc.before, tc.want, err)
		}
	}
}

func ends(t *testing.T, open Open) {
	s := must(t, open, ada)
	commit(t, s, store.Batch{Rows: Messages(
		said(grace, 3, 1), said(grace, 1, -2), said(edith, 9, 0), said(grace, 1, 7), said(grace, 3, 0), said(edith, 2, 0))})
	for _, tc := range []struct {
		convs []state.ConvID
		n     int
		want  string
	}{
		{nil, 5, "[]"},
		{[]state.ConvID{grace}, 0, "[]"},
		{[]state.ConvID{edith, "nobody@localhost", grace}, 3, "[2.0 9.0  1.7 3.0 3.1]"},
		{[]state.ConvID{grace, edith}, 500, "[1.-2 1.7 3.0 3.1 2.0 9.0]"},
	} {
		pages, err := s.Ends(t.Context(), tc.convs, tc.n)
		var got []string
		for _, page := range pages {
			got = append(got, bodies(page))
		}
		if err != nil || len(pages) != len(tc.convs) || fmt.Sprint(got) != tc.want {
			t.Errorf("the last %d of %v are %v, want %v (%v)", tc.n, tc.convs, got, tc.want, err)
		}
	}
}

func nth(t *testing.T, open Open) {
	s := must(t, open, ada)
	commit(t, s, store.Batch{Rows: Messages(
		said(grace, 3, 1), said(grace, 1, -2), said(edith, 9, 0), said(grace, 1, 7), said(grace, 3, 0))})
	for n, want := range map[int]string{-1: "none", 0: "none", 1: "3.1", 2: "3.0", 3: "1.7", 4: "1.-2", 5: "none", 500: "none"} {
		m, err := s.Nth(t.Context(), grace, n)
		got := "none"
		if m != nil {
			got = m.Body
		}
		if err != nil || got != want {
			t.Errorf("%d from the end is %s, want %s (%v)", n, got, want, err)
		}
	}
}

func alike(t *testing.T, open Open) {
	s := must(t, open, ada)
	convs := []state.ConvID{"a@b", "a@b.c", "a@B", "a", "a@b\x00", "a@b\uffff", "ä@b", "room@muc/é", "👩‍💻@b"}
	for i, conv := range convs {
		commit(t, s, store.Batch{Rows: append(Messages(said(conv, int64(i+1), 0)), Rows(&state.ChatRow{Chat: state.Chat{Conv: conv}})...)})
	}
	for i, conv := range convs {
		page, err := s.Messages(t.Context(), conv, state.Key{}, 10)
		if err != nil || len(page) != 1 || page[0].Conv != conv || page[0].Body != fmt.Sprint(i+1, ".", 0) {
			t.Errorf("%q has %+v (%v)", conv, page, err)
		}
	}
	if n := len(load(t, s, store.Window{}).Rows); n != len(convs) {
		t.Errorf("%d conversations, want %d", n, len(convs))
	}
}

func find(t *testing.T, open Open) {
	s := must(t, open, ada)
	message := func(second int64, id, archive string) state.MessageRow {
		m := said(grace, second, 0)
		m.ID, m.ArchiveID = id, archive
		return m
	}
	elsewhere := message(9, "id", "arch")
	elsewhere.Conv = edith
	commit(t, s, store.Batch{Rows: Messages(
		message(1, "id", "a1"), message(2, "id", "a2"), message(3, "", ""), message(4, "other", "arch"), elsewhere)})
	for _, tc := range []struct {
		name   string
		wanted []store.Wanted
		want   string
	}{
		{"nothing", nil, ""},
		{"neither", []store.Wanted{{}}, ""},
		{"by archive", []store.Wanted{{Archive: "a1"}}, "1.0"},
		{"by id the newest", []store.Wanted{{Author: grace, ID: "id"}}, "2.0"},
		{"by both", []store.Wanted{{Archive: "a1", Author: grace, ID: "id"}}, "1.0 2.0"},
		{"several, one twice", []store.Wanted{{Archive: "arch"}, {Archive: "a2"}, {Author: grace, ID: "id"}}, "2.0 4.0"},
		{"an id of somebody else", []store.Wanted{{Author: edith, ID: "id"}}, ""},
		{"no such", []store.Wanted{{Archive: "no", Author: grace, ID: "no"}}, ""},
	} {
		found, err := s.Find(t.Context(), grace, tc.wanted)
		if err != nil || bodies(found) != tc.want {
			t.Errorf("%s: %q, want %q (%v)", tc.name, bodies(found), tc.want, err)
		}
	}
}

func outbox(t *testing.T, open Open) {
	s := must(t, open, ada)
	commit(t, s, store.Batch{Strict: true, Rows: Messages(
		queued(grace, 5), queued(edith, 3), said(grace, 4, 0), queued(edith, 7), queued(grace, 1))})
	if got := bodies(load(t, s, store.Window{}).Outbox()); got != "1.0 3.0 5.0 7.0" {
		t.Errorf("outbox %q", got)
	}
	sent := queued(edith, 3)
	sent.Delivery, sent.Out = "server", 0
	commit(t, s, store.Batch{Rows: Messages(sent)})
	if got := bodies(load(t, s, store.Window{}).Outbox()); got != "1.0 5.0 7.0" {
		t.Errorf("outbox %q after one has arrived", got)
	}
}

func window(t *testing.T, open Open) {
	s := must(t, open, ada)
	var all []state.MessageRow
	var chats []state.Row
	for i := range int64(6) {
		conv := state.ConvID(fmt.Sprint("peer", i, "@localhost"))
		for second := range int64(5) {
			all = append(all, said(conv, 100*i+second, 0))
		}
		chats = append(chats, state.Row{Value: &state.ChatRow{Chat: state.Chat{Conv: conv}, Last: &all[len(all)-1]}})
	}
	chats = append(chats, state.Row{Value: &state.ChatRow{Chat: state.Chat{Conv: grace}}}) // without a message
	all = append(all, queued("peer0@localhost", 2))
	commit(t, s, store.Batch{Rows: append(Messages(all...), chats...)})
	for _, tc := range []struct {
		w    store.Window
		want map[state.ConvID]string
	}{
		{store.Window{}, map[state.ConvID]string{"peer0@localhost": "2.0 3.0 4.0 more"}},
		{store.Window{Open: "peer2@localhost", Messages: 2}, map[state.ConvID]string{
			"peer0@localhost": "2.0 3.0 4.0 more", "peer2@localhost": "203.0 204.0 more"}},
		{store.Window{Open: "peer5@localhost", Chats: 2, Messages: 6}, map[state.ConvID]string{
			"peer0@localhost": "2.0 3.0 4.0 more",
			"peer5@localhost": "500.0 501.0 502.0 503.0 504.0",
			"peer4@localhost": "400.0 401.0 402.0 403.0 404.0",
			"peer3@localhost": "300.0 301.0 302.0 303.0 304.0"}},
		{store.Window{Open: "peer0@localhost", Messages: 4}, map[state.ConvID]string{"peer0@localhost": "1.0 2.0 3.0 4.0 more"}},
		{store.Window{Open: "stranger@localhost", Messages: 4}, map[state.ConvID]string{"peer0@localhost": "2.0 3.0 4.0 more"}},
		{store.Window{Open: grace, Messages: 4}, map[state.ConvID]string{grace: "", "peer0@localhost": "2.0 3.0 4.0 more"}},
	} {
		sn := load(t, s, tc.w)
		got := map[state.ConvID]string{}
		for conv, page := range sn.Ends {
			got[conv] = bodies(page.Messages)
			if page.Earlier {
				got[conv] += " more"
			}
		}
		expect(t, fmt.Sprintf("%+v", tc.w), got, tc.want)
		if len(sn.Rows) != 7 {
			t.Errorf("%d conversations", len(sn.Rows))
		}
	}
}
