package storetest

import (
	"testing"

	"natter/app/jid"
	"natter/app/store"
)

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
		Author: ada, Mine: true, Subject: "Über", Notice: true, Body: "Zeile\n\"<&>\u2028 ☃ 👩‍💻", At: 1_700_000_000_000_000, Delivery: "failed", Problem: "why", Bounced: true, Late: true, Asks: true,
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
			Asked: true, AsksUs: true, AskText: "please", Presences: map[string]store.Presence{"phone": {Show: "dnd", Priority: 5}, "": {Show: "away"}},
			Edit: "rename", EditName: "Amazing", Ask: true, Answer: "accept", Refused: "could not be renamed.",
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
	if found, err := s.Find(t.Context(), grace, []store.Wanted{{Archive: "x"}, {Author: ada, ID: "1"}}); len(found) > 0 || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
	commit(t, s, store.Batch{RemovedContacts: []jid.JID{grace}, Contacts: []store.Contact{{JID: grace, Name: "again"}}})
	expect(t, "removed and written", load(t, s, store.Window{}).Contacts, []store.Contact{{JID: grace, Name: "again"}})
}

func forget(t *testing.T, open Open) {
	s := must(t, open, ada)
	failed := queued(grace, 1)
	failed.Delivery, failed.Out = "failed", 0
	moved := queued(grace, 2) // the archive has it, but not there
	moved.Delivery, moved.Out, moved.Late = "server", 0, true
	moved.Seq = 1
	b := store.Batch{Messages: []store.Message{
		said(grace, 1, 1), failed, queued(grace, 2), moved, said(grace, 3, 0), said(grace, 3, 1), said(edith, 1, 0)}}
	for i := range int64(500) {
		b.Messages = append(b.Messages, said(grace, 2, i+2))
	}
	last := failed
	last.Key = store.Key{Time: 2e6, Seq: 502}
	b.Messages = append(b.Messages, last)
	commit(t, s, b)
	commit(t, s, store.Batch{Forget: []store.Forget{{Peer: grace, Before: store.Key{Time: 3e6, Seq: 1}}, {Peer: edith}}})
	want := append([]store.Message{}, failed, queued(grace, 2), moved, last, said(grace, 3, 1))
	for peer, want := range map[jid.JID][]store.Message{grace: want, edith: {said(edith, 1, 0)}} {
		page, err := s.Messages(t.Context(), peer, store.Key{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, peer.String(), page, want)
	}
	found, err := s.Find(t.Context(), grace, []store.Wanted{{Author: ada, ID: failed.ID}})
	if err != nil || len(found) != 1 {
		t.Errorf("found %v, %v", found, err)
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
