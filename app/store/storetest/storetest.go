// Package storetest is the contract of a store.Store. It is run natively on the one in
// memory and in a real browser on IndexedDB (wasm/e2e/storetest).
package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
)

// Open opens the store of an account; again and again, also while it is open.
type Open func(context.Context, jid.JID) (store.Store, error)

const (
	ada   jid.JID = "ada@localhost"
	grace jid.JID = "grace@localhost"
	edith jid.JID = "edith@localhost"
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
		{"nth", nth},
		{"find", find},
		{"search", search},
		{"search goes through all in slices", inSlices},
		{"search folds as state does", folding},
		{"outbox", outbox},
		{"window", window},
		{"forget", forget},
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
	ctx := context.Background() // that of the test has ended
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

// said is a message of a peer, at a second.
func said(peer jid.JID, second, seq int64) store.Message {
	return store.Message{
		Peer: peer, Key: store.Key{Time: second * 1e6, Seq: seq}, At: second * 1e6,
		ID: fmt.Sprint("id", second, seq), Author: peer, Body: fmt.Sprint(second, ".", seq),
	}
}

// queued is a message of ours that has not left.
func queued(peer jid.JID, second int64) store.Message {
	m := said(peer, second, 0)
	m.Author, m.Mine, m.Delivery, m.Out = ada, true, "queued", m.Time
	return m
}

func bodies(messages []store.Message) string {
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

func leading(t *testing.T, open Open) {
	lead := func() store.Store {
		t.Helper()
		s := must(t, open, ada)
		if err := s.Lead(t.Context()); err != nil {
			t.Fatal(err)
		}
		commit(t, s, store.Batch{Messages: []store.Message{said(grace, 1, 0)}})
		return s
	}
	first := lead()
	second := lead()
	err := first.Commit(t.Context(), &store.Batch{Messages: []store.Message{said(grace, 2, 0)}})
	if !errors.Is(err, store.ErrTaken) || !errors.Is(err, store.ErrClosed) {
		t.Errorf("the first still writes: %v", err)
	}
	commit(t, second, store.Batch{Messages: []store.Message{said(grace, 3, 0)}})
	page, err := first.Messages(t.Context(), grace, store.Key{}, 10)
	if err != nil {
		t.Error("the first reads no more: ", err)
	}
	expect(t, "written", bodies(page), "1.0 3.0")
	if sn := load(t, first, store.Window{}); sn.Account != nil || sn.Stream != nil {
		t.Errorf("loaded %+v", sn)
	}
	if err := first.Lead(t.Context()); err != nil {
		t.Fatal(err)
	}
	commit(t, first, store.Batch{Messages: []store.Message{said(grace, 4, 0)}})
	if err := second.Commit(t.Context(), &store.Batch{Drafts: []store.Draft{{Peer: grace, Text: "late"}}}); !errors.Is(err, store.ErrTaken) {
		t.Errorf("the second still writes: %v", err)
	}
}

func empty(t *testing.T, open Open) {
	s := must(t, open, ada)
	commit(t, s, store.Batch{})
	sn := load(t, s, store.Window{Open: grace, Chats: 10, Messages: 10})
	if sn.Account != nil || sn.Stream != nil ||
		len(sn.Contacts)+len(sn.Chats)+len(sn.Newest)+len(sn.Outbox)+len(sn.Coverage)+len(sn.Drafts)+len(sn.Settings) > 0 {
		t.Errorf("something was loaded: %+v", sn)
	}
	if page, err := s.Messages(t.Context(), grace, store.Key{}, 10); err != nil || len(page) > 0 {
		t.Errorf("messages %v, %v", page, err)
	}
	if a, err := s.Avatar(t.Context(), "none"); err != nil || a != nil {
		t.Errorf("avatar %v, %v", a, err)
	}
}

// full is a batch with a row in each table and a value in each field.
func full() store.Batch {
	m := store.Message{
		Peer: grace, Key: store.Key{Time: 1_700_000_000_000_001, Seq: -3}, ID: "1", Archive: "x",
		Author: ada, Mine: true, Body: "Zeile\n\"<&>\u2028 ☃ 👩‍💻", At: 1_700_000_000_000_000, Delivery: "failed", Problem: "why", Bounced: true, Late: true, Asks: true,
	}
	return store.Batch{
		Account: &store.Account{
			Me: ada + "/tab", Presence: store.Presence{Show: "away", Status: "tea", Priority: -1},
			Roster: true, Version: "v7", CaughtUp: true, Discreet: true,
		},
		Stream: &store.Stream{
			ID: "sm", JID: ada + "/tab", H: 1<<32 - 1, Acked: 7, Unacked: []string{"<a/>", "<b>&amp;</b>"}, Sent: 1,
			Max: 300_000_000, Lost: 1_700_000_000_000_000, Since: []int64{1_700_000_000_000_001, 2}, Features: "<f/>", Server: "wss://a.example", MaxBytes: 10_000, Idle: 120_000_000,
		},
		Contacts: []store.Contact{{
			JID: grace, Name: "Grace", Groups: []string{"navy", "a b"}, InRoster: true, Subscription: "both",
			Asked: true, AsksUs: true, AskText: "please", Presences: map[string]store.Presence{"phone": {Show: "dnd", Priority: 5}},
		}},
		Chats: []store.Chat{{
			Peer: grace, Resource: "phone", Unread: 3, Read: store.Key{Time: 5, Seq: -1}, Seen: store.Key{Time: 3, Seq: -2},
			Low: -9, High: 12, Seam: store.Key{Time: 4, Seq: 2}, Last: &m,
		}},
		Messages: []store.Message{m},
		Coverage: []store.Coverage{{Archive: ada, Cut: "cut", CutTime: 8, CutGone: true, Settled: "settled", SettledTime: 9, Ranges: []store.Range{
			{From: "a", To: "b", FromTime: 1, ToTime: 2, Start: true}, {From: "c", To: "d", FromTime: 3, ToTime: 4}}}},
		Drafts:   []store.Draft{{Peer: edith, Text: "half a sen"}},
		Avatars:  []store.Avatar{{ID: "hash", Type: "image/png", Bytes: []byte{0, 255, 137, 80}}},
		Settings: map[string]string{"enter": "sends", "__proto__": "a name like any other"},
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
		expect(t, "account", sn.Account, b.Account)
		expect(t, "stream", sn.Stream, b.Stream)
		expect(t, "contacts", sn.Contacts, b.Contacts)
		expect(t, "chats", sn.Chats, b.Chats)
		expect(t, "newest", sn.Newest, map[jid.JID]store.Page{grace: {Messages: b.Messages}})
		expect(t, "coverage", sn.Coverage, b.Coverage)
		expect(t, "drafts", sn.Drafts, b.Drafts)
		expect(t, "settings", sn.Settings, b.Settings)
		avatar, err := s.Avatar(t.Context(), "hash")
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "avatar", *avatar, b.Avatars[0])
	}
	look(other)
	first.Close()
	other.Close()
	look(must(t, open, ada))
}

func replace(t *testing.T, open Open) {
	s := must(t, open, ada)
	commit(t, s, full())
	again := said(grace, 1_700_000_000, 0)
	again.Key = full().Messages[0].Key
	commit(t, s, store.Batch{
		Account:  &store.Account{Me: ada + "/new"},
		Contacts: []store.Contact{{JID: grace}},
		Messages: []store.Message{again},
		Coverage: []store.Coverage{{Archive: ada, Ranges: []store.Range{{From: "a", To: "d"}}}, {Archive: ada, With: grace}},
		Settings: map[string]string{"enter": "breaks"},
	})
	sn := load(t, s, store.Window{Open: grace, Messages: 10})
	expect(t, "account", *sn.Account, store.Account{Me: ada + "/new"})
	expect(t, "contacts", sn.Contacts, []store.Contact{{JID: grace}})
	expect(t, "messages", sn.Newest[grace].Messages, []store.Message{again})
	if len(sn.Coverage) != 2 || len(sn.Coverage[0].Ranges) != 1 || sn.Coverage[1].With != grace {
		t.Errorf("coverage %+v", sn.Coverage)
	}
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
	commit(t, s, store.Batch{
		RemovedContacts: []jid.JID{grace, "nobody@localhost"},
		RemovedMessages: []store.Place{{Peer: grace, Key: full().Messages[0].Key}, {Peer: edith, Key: store.Key{Time: 1}}},
		Drafts:          []store.Draft{{Peer: edith}},
		Avatars:         []store.Avatar{{ID: "hash"}},
		Settings:        map[string]string{"enter": "", "__proto__": ""},
	})
	sn := load(t, s, store.Window{Open: grace, Messages: 10})
	if n := len(sn.Contacts) + len(sn.Newest[grace].Messages) + len(sn.Drafts) + len(sn.Settings); n > 0 {
		t.Errorf("%d rows are still there: %+v", n, sn)
	}
	if a, err := s.Avatar(t.Context(), "hash"); a != nil || err != nil {
		t.Errorf("avatar %v, %v", a, err)
	}
	commit(t, s, store.Batch{RemovedContacts: []jid.JID{grace}, Contacts: []store.Contact{{JID: grace, Name: "again"}}})
	expect(t, "removed and written", load(t, s, store.Window{}).Contacts, []store.Contact{{JID: grace, Name: "again"}})
}

func pages(t *testing.T, open Open) {
	s := must(t, open, ada)
	commit(t, s, store.Batch{Messages: []store.Message{
		said(grace, 3, 1), said(grace, 1, -2), said(grace, 1, -10), said(edith, 1, 0), said(grace, 2, 5), said(grace, 3, 0),
		said(grace, 1, 7), said(edith, 9, 9),
	}})
	const all = "1.-10 1.-2 1.7 2.5 3.0 3.1"
	for _, tc := range []struct {
		before store.Key
		n      int
		want   string
	}{
		{store.Key{}, 100, all},
		{store.Key{}, 6, all},
		{store.Key{}, 2, "3.0 3.1"},
		{store.Key{}, 1, "3.1"},
		{store.Key{}, 0, ""},
		{store.Key{Time: 3e6}, 2, "1.7 2.5"},
		{store.Key{Time: 3e6, Seq: 1}, 100, "1.-10 1.-2 1.7 2.5 3.0"},
		{store.Key{Time: 1e6, Seq: -2}, 5, "1.-10"},
		{store.Key{Time: 1e6, Seq: -10}, 5, ""},
		{store.Key{Time: 1 << 60}, 1, "3.1"},
	} {
		page, err := s.Messages(t.Context(), grace, tc.before, tc.n)
		if err != nil || bodies(page) != tc.want {
			t.Errorf("%d before %v: %q, want %q (%v)", tc.n, tc.before, bodies(page), tc.want, err)
		}
	}
}

func nth(t *testing.T, open Open) {
	s := must(t, open, ada)
	commit(t, s, store.Batch{Messages: []store.Message{
		said(grace, 3, 1), said(grace, 1, -2), said(edith, 9, 0), said(grace, 1, 7), said(grace, 3, 0)}})
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
	peers := []jid.JID{"a@b", "a@b.c", "a@B", "a", "a@b\x00", "a@b\uffff", "ä@b", "room@muc/é", "👩‍💻@b"}
	for i, peer := range peers {
		commit(t, s, store.Batch{Messages: []store.Message{said(peer, int64(i+1), 0)}, Chats: []store.Chat{{Peer: peer}}})
	}
	for i, peer := range peers {
		page, err := s.Messages(t.Context(), peer, store.Key{}, 10)
		if err != nil || len(page) != 1 || page[0].Peer != peer || page[0].Body != fmt.Sprint(i+1, ".", 0) {
			t.Errorf("%q has %+v (%v)", peer, page, err)
		}
	}
	if n := len(load(t, s, store.Window{}).Chats); n != len(peers) {
		t.Errorf("%d conversations, want %d", n, len(peers))
	}
}

func find(t *testing.T, open Open) {
	s := must(t, open, ada)
	message := func(second int64, id, archive string) store.Message {
		m := said(grace, second, 0)
		m.ID, m.Archive = id, archive
		return m
	}
	elsewhere := message(9, "id", "arch")
	elsewhere.Peer = edith
	commit(t, s, store.Batch{Messages: []store.Message{
		message(1, "id", "a1"), message(2, "id", "a2"), message(3, "", ""), message(4, "other", "arch"), elsewhere,
	}})
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

func search(t *testing.T, open Open) {
	s := must(t, open, ada)
	saying := func(peer jid.JID, second, seq int64, body string) store.Message {
		m := said(peer, second, seq)
		m.Body = body
		return m
	}
	waits := queued(edith, 5)
	waits.Body = "A MOTH of ours"
	commit(t, s, store.Batch{Messages: []store.Message{
		saying(grace, 1, 0, "a moth, the first"), saying(edith, 2, 0, "Im Café gab es keine"), saying(grace, 3, 1, "Moth two"),
		saying(grace, 3, 0, "moth one of that second"), saying(edith, 3, 0, "no m.th"), waits, saying(grace, 6, 0, "butterflies"),
	}})
	for _, tc := range []struct{ typed, want string }{
		{"moth", "A MOTH of ours|Moth two|moth one of that second|a moth, the first"},
		{"first moth", "a moth, the first"},
		{"CAFE", "Im Café gab es keine"},
		{"m.th", "no m.th"},
		{"\\", ""},
		{"", ""},
	} {
		found, next, err := s.Search(t.Context(), state.Words(tc.typed), 0, 100)
		var got []string
		for _, m := range found {
			got = append(got, m.Body)
		}
		if strings.Join(got, "|") != tc.want || next != 0 || err != nil {
			t.Errorf("%q: %q, want %q; next %d, %v", tc.typed, got, tc.want, next, err)
		}
	}
	found, _, err := s.Search(t.Context(), state.Words("ours"), 0, 100)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	expect(t, "the row", found[0], waits)
	none, next, err := must(t, open, grace).Search(t.Context(), state.Words("moth"), 0, 100)
	if len(none) > 0 || next != 0 || err != nil {
		t.Errorf("grace finds what is ada's: %v, %d, %v", none, next, err)
	}
}

func inSlices(t *testing.T, open Open) {
	s := must(t, open, ada)
	var b store.Batch
	for i := range int64(60) {
		m := said([]jid.JID{grace, edith}[i%2], i/4+1, i) // four in each second
		m.Body = fmt.Sprint("number ", i)
		b.Messages = append(b.Messages, m)
	}
	commit(t, s, b)
	for _, n := range []int{1, 5, 7, 59, 60, 61} {
		var got []string
		asked := 0
		for before, more := int64(0), true; more; asked++ {
			found, next, err := s.Search(t.Context(), []string{"number"}, before, n)
			if err != nil || asked > 60 {
				t.Fatal(asked, err)
			}
			for _, m := range found {
				got = append(got, m.Body)
			}
			before, more = next, next != 0
		}
		var want []string
		for i := range 60 {
			want = append(want, fmt.Sprint("number ", 59-i))
		}
		expect(t, fmt.Sprint("in slices of ", n), got, want)
		if most := 60/max(n, 4) + 2; asked > most {
			t.Errorf("asked %d times for slices of %d", asked, n)
		}
	}
}

// A text finds itself in whatever case it is looked for, and what state takes for the
// same is the same for the store.
func folding(t *testing.T, open Open) {
	s := must(t, open, ada)
	texts := []string{
		"Crème brûlée", "CAFE\u0301", "Straße STRAẞE", "Łódź Øre Đakovo Æther Œuvre þing ðe Ħal", "İstanbul ISPARTA ılık",
		"Ὀδυσσεύς ΟΔΥΣΣΕΎΣ σας ΣΑΣ", "Ёлка Йод", "شُكْراً شـكرا", "שָׁלוֹם", "한국어 각", "がぎ パ", "☺\ufe0f 👩‍💻", "Ǆ ǅ ǆ Ǳ", "ﬁ ﬃ Å K",
		"नमस्ते की", "ไทย น้ำ", "Ⅷ ⓐ Ⓐ", "Ꭰ ꭰ Ა ა", "𐐀 𐐨 𝒜", "tab\tnew\nline\u00a0space\u2028x",
	}
	var b store.Batch
	for i, text := range texts {
		m := said(grace, int64(i+1), 0)
		m.Body = text
		b.Messages = append(b.Messages, m)
	}
	commit(t, s, b)
	for _, text := range texts {
		for _, typed := range []string{text, strings.ToUpper(text), strings.ToLower(text)} {
			words := state.Words(typed)
			found, _, err := s.Search(t.Context(), words, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			var want []store.Message
			for i := len(texts) - 1; i >= 0; i-- {
				if state.Has(texts[i], words) {
					want = append(want, b.Messages[i])
				}
			}
			if len(want) == 0 {
				t.Errorf("%q is not in %q", typed, text)
			}
			expect(t, fmt.Sprintf("%q", typed), found, want)
		}
	}
}

func outbox(t *testing.T, open Open) {
	s := must(t, open, ada)
	commit(t, s, store.Batch{Strict: true, Messages: []store.Message{
		queued(grace, 5), queued(edith, 3), said(grace, 4, 0), queued(edith, 7), queued(grace, 1)}})
	if got := bodies(load(t, s, store.Window{}).Outbox); got != "1.0 3.0 5.0 7.0" {
		t.Errorf("outbox %q", got)
	}
	sent := queued(edith, 3)
	sent.Delivery, sent.Out = "server", 0
	commit(t, s, store.Batch{Messages: []store.Message{sent}})
	if got := bodies(load(t, s, store.Window{}).Outbox); got != "1.0 5.0 7.0" {
		t.Errorf("outbox %q after one has arrived", got)
	}
}

func window(t *testing.T, open Open) {
	s := must(t, open, ada)
	b := store.Batch{}
	for i := range int64(6) {
		peer := jid.JID(fmt.Sprint("peer", i, "@localhost"))
		for second := range int64(5) {
			b.Messages = append(b.Messages, said(peer, 100*i+second, 0))
		}
		b.Chats = append(b.Chats, store.Chat{Peer: peer, Last: &b.Messages[len(b.Messages)-1]})
	}
	b.Chats = append(b.Chats, store.Chat{Peer: grace}) // without a message
	b.Messages = append(b.Messages, queued("peer0@localhost", 2))
	commit(t, s, b)
	for _, tc := range []struct {
		w    store.Window
		want map[jid.JID]string
	}{
		{store.Window{}, map[jid.JID]string{"peer0@localhost": "2.0 3.0 4.0 more"}},
		{store.Window{Open: "peer2@localhost", Messages: 2}, map[jid.JID]string{
			"peer0@localhost": "2.0 3.0 4.0 more", "peer2@localhost": "203.0 204.0 more"}},
		{store.Window{Open: "peer5@localhost", Chats: 2, Messages: 6}, map[jid.JID]string{
			"peer0@localhost": "2.0 3.0 4.0 more",
			"peer5@localhost": "500.0 501.0 502.0 503.0 504.0",
			"peer4@localhost": "400.0 401.0 402.0 403.0 404.0",
			"peer3@localhost": "300.0 301.0 302.0 303.0 304.0"}},
		{store.Window{Open: "peer0@localhost", Messages: 4}, map[jid.JID]string{"peer0@localhost": "1.0 2.0 3.0 4.0 more"}},
		{store.Window{Open: "stranger@localhost", Messages: 4}, map[jid.JID]string{"peer0@localhost": "2.0 3.0 4.0 more"}},
		{store.Window{Open: grace, Messages: 4}, map[jid.JID]string{grace: "", "peer0@localhost": "2.0 3.0 4.0 more"}},
	} {
		sn := load(t, s, tc.w)
		got := map[jid.JID]string{}
		for peer, page := range sn.Newest {
			got[peer] = bodies(page.Messages)
			if page.Earlier {
				got[peer] += " more"
			}
		}
		expect(t, fmt.Sprintf("%+v", tc.w), got, tc.want)
		if len(sn.Chats) != 7 {
			t.Errorf("%d conversations", len(sn.Chats))
		}
	}
}

func forget(t *testing.T, open Open) {
	s := must(t, open, ada)
	commit(t, s, store.Batch{Messages: []store.Message{
		said(grace, 1, 0), queued(grace, 2), said(grace, 3, 0), said(grace, 3, 1), said(edith, 1, 0)}})
	commit(t, s, store.Batch{Forget: []store.Forget{{Peer: grace, Before: store.Key{Time: 3e6, Seq: 1}}, {Peer: edith}}})
	for peer, want := range map[jid.JID]string{grace: "2.0 3.1", edith: "1.0"} {
		page, err := s.Messages(t.Context(), peer, store.Key{}, 10)
		if err != nil || bodies(page) != want {
			t.Errorf("%s has %q, want %q (%v)", peer, bodies(page), want, err)
		}
	}
}

func many(t *testing.T, open Open) {
	s := must(t, open, ada)
	var b store.Batch
	for i := range int64(1700) {
		b.Messages = append(b.Messages, said(grace, i+1, 0))
	}
	commit(t, s, b)
	page, err := s.Messages(t.Context(), grace, store.Key{}, 5000)
	if err != nil || len(page) != len(b.Messages) {
		t.Fatalf("%d messages, %v", len(page), err)
	}
	expect(t, "the last", page[1699], b.Messages[1699])
}

func unshared(t *testing.T, open Open) {
	s := must(t, open, ada)
	b := full()
	commit(t, s, b)
	b.Messages[0].Body, b.Contacts[0].Groups[0], b.Account.Me = "changed", "changed", "changed"
	sn := load(t, s, store.Window{Open: grace, Messages: 1})
	expect(t, "message", sn.Newest[grace].Messages[0].Body, full().Messages[0].Body)
	expect(t, "groups", sn.Contacts[0].Groups, full().Contacts[0].Groups)
	expect(t, "account", sn.Account.Me, full().Account.Me)
}

func accounts(t *testing.T, open Open) {
	one, two := must(t, open, ada+"/tab"), must(t, open, grace)
	commit(t, one, full())
	sn := load(t, two, store.Window{Open: grace, Chats: 9, Messages: 9})
	if sn.Account != nil || len(sn.Contacts)+len(sn.Chats)+len(sn.Newest)+len(sn.Drafts)+len(sn.Settings) > 0 {
		t.Errorf("grace finds what is ada's: %+v", sn)
	}
	found, err := two.Find(t.Context(), grace, []store.Wanted{{Archive: "x"}, {Author: ada, ID: "1"}})
	if err != nil || len(found) > 0 {
		t.Errorf("grace finds %v, %v", found, err)
	}
	if err := two.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The resource is no part of whose account it is.
	expect(t, "ada's", load(t, must(t, open, ada), store.Window{}).Contacts, full().Contacts)
}

func deletion(t *testing.T, open Open) {
	s, other := must(t, open, ada), must(t, open, ada)
	commit(t, s, full())
	if err := s.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-other.Gone()
	for name, gone := range map[string]store.Store{"the store": s, "the other tab's": other} {
		if _, err := gone.Load(t.Context(), store.Window{}); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s loads: %v", name, err)
		}
		if err := gone.Commit(t.Context(), new(full())); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s commits: %v", name, err)
		}
	}
	empty(t, open)
}

func closing(t *testing.T, open Open) {
	s := must(t, open, ada)
	commit(t, s, full())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	for name, f := range map[string]func() error{
		"load":     func() error { _, err := s.Load(t.Context(), store.Window{}); return err },
		"messages": func() error { _, err := s.Messages(t.Context(), grace, store.Key{}, 1); return err },
		"find":     func() error { _, err := s.Find(t.Context(), grace, []store.Wanted{{Archive: "x"}}); return err },
		"nth":      func() error { _, err := s.Nth(t.Context(), grace, 1); return err },
		"search":   func() error { _, _, err := s.Search(t.Context(), []string{"x"}, 0, 1); return err },
		"avatar":   func() error { _, err := s.Avatar(t.Context(), "hash"); return err },
		"commit":   func() error { return s.Commit(t.Context(), new(full())) },
	} {
		if err := f(); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	select {
	case <-s.Gone():
		t.Error("nobody took it away")
	default:
	}
}

func ended(t *testing.T, open Open) {
	s := must(t, open, ada)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Commit(ctx, new(full())); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v", err)
	}
	if _, err := s.Load(ctx, store.Window{}); !errors.Is(err, context.Canceled) {
		t.Errorf("load: %v", err)
	}
	if _, err := open(ctx, ada); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
	if sn := load(t, s, store.Window{}); len(sn.Contacts) > 0 {
		t.Error("a commit nobody waited for from its beginning was made")
	}
}
