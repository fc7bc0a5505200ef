//go:build linux

package client_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"natter/app/client"
	"natter/app/state"
	"natter/app/store"
	"natter/app/store/storetest"
)

// chatter returns a device with a conversation of n messages, which are on the disk and in the archive.
func chatter(t *testing.T, n int) (d *device, ada *page, grace *person, all []string) {
	p := trialPlace(t)
	d, ada = p.remembering(t)
	grace = p.person(t).here()
	for i := range n {
		all = append(all, fmt.Sprint("message ", i))
		grace.says(ada.person, all[i])
		if i%100 == 19 || i == n-1 {
			ada.hears(grace, all[i])
			// A prune needs a message that is in a later second than the one before it.
			second := time.Now().Unix()
			eventually(t, "the next second", func() bool { return time.Now().Unix() > second })
		}
	}
	ada.Do(state.ReadChat{Conv: grace.conv()})
	ada.until("read", func(s *state.State) bool { return s.Chat(grace.conv()).Unread == 0 })
	eventually(t, "it is on the disk", func() bool { return len(d.rows(grace)) == n })
	d.unread(0)
	return d, ada, grace, all
}

// rows returns the messages of a conversation that are on the disk.
func (d *device) rows(with *person) []state.MessageRow {
	d.t.Helper()
	s, err := d.Memory.Open(d.t.Context(), d.account)
	if err != nil {
		d.t.Fatal(err)
	}
	defer s.Close()
	rows, err := s.Messages(d.t.Context(), with.conv(), state.Key{}, 100_000)
	if err != nil {
		d.t.Fatal(err)
	}
	return rows
}

func (d *device) said(with *person) (bodies []string) {
	d.t.Helper()
	for _, m := range d.rows(with) {
		bodies = append(bodies, m.Body)
	}
	return bodies
}

// tail fails unless got is the end of all, with at least so many messages.
func tail(t *testing.T, what string, got, all []string, least int) {
	t.Helper()
	if len(got) < least || len(got) > len(all) || !slices.Equal(got, all[len(all)-len(got):]) {
		t.Errorf("%s: %d messages, of %d: %q", what, len(got), len(all), got)
	}
}

// A full device prunes old messages, shows a problem while it is full, and keeps new messages. The pruned
// messages come back from the archive without a hole.
func TestSec56_OldMessagesArePruned(t *testing.T) {
	aside(t)
	d, ada, grace, all := chatter(t, 620)
	d.Capacity(620)
	told := make(chan state.Problem, 100)
	var last *state.Problem
	defer ada.Watch(func() {
		if p := ada.State().Storage; p != nil && p != last {
			last = p
			told <- *p
		}
	})()
	all = append(all, "one too many")
	grace.says(ada.person, "one too many")
	ada.hears(grace, "one too many")
	if p := <-told; p.Kind != "storage-full" {
		t.Errorf("told %+v", p)
	}
	ada.until("it works again", func(s *state.State) bool { return s.Storage == nil })
	on := d.said(grace)
	if tail(t, "on the disk", on, all, 500); len(on) > 605 {
		t.Errorf("%d are still on the disk", len(on))
	}
	tail(t, "in memory", ada.bodies(grace.account), all, 50)
	all = append(all, "an answer")
	ada.says(grace, "an answer")
	ada.sees(grace.account, "an answer", state.OnServer)
	eventually(t, "it is on the disk", func() bool { return slices.Contains(d.said(grace), "an answer") })

	t.Log("with capacity again, and after a reload, the rest comes from the archive")
	d.Capacity(0)
	ada = ada.reload().back()
	if ada.State().Whole(grace.conv()) {
		t.Error("it claims to have all of the conversation")
	}
	ada.scrollBack(grace.account)
	ada.wants(grace.account, all...)
	eventually(t, "all of it is on the disk", func() bool { return len(d.rows(grace)) == len(all) })
	tail(t, "on the disk", d.said(grace), all, len(all))
	ada = ada.reload().back()
	ada.scrollBack(grace.account)
	ada.wants(grace.account, all...)
}

// If somebody scrolls back on a full device, the old messages are pruned again, and can be read once more.
func TestSec56_OldMessagesArePrunedTwice(t *testing.T) {
	aside(t)
	d, ada, grace, all := chatter(t, 620)
	d.Capacity(620)
	all = append(all, "one too many")
	grace.says(ada.person, "one too many")
	ada.hears(grace, "one too many")
	eventually(t, "it prunes", func() bool { return slices.Contains(d.said(grace), "one too many") })
	for range 2 {
		for full := false; !full; {
			n := ada.State().Chat(grace.conv()).Timeline.Len()
			ada.Do(state.LoadOlder{Conv: grace.conv()})
			full = ada.until("a page, or that the disk is full", func(s *state.State) bool {
				return s.Storage != nil || s.Chat(grace.conv()).Timeline.Len() != n
			}).Storage != nil
			eventually(t, "it is on the disk, or the disk is full", func() bool {
				s := ada.State()
				full = s.Storage != nil
				return full || len(d.rows(grace)) >= s.Chat(grace.conv()).Timeline.Len()
			})
		}
		ada.until("it works again", func(s *state.State) bool { return s.Storage == nil })
		tail(t, "on the disk", d.said(grace), all, 500)
	}
	d.Capacity(0)
	ada.scrollBack(grace.account)
	ada.wants(grace.account, all...)
	ada = ada.reload().back()
	ada.scrollBack(grace.account)
	ada.wants(grace.account, all...)
}

// Messages that were not sent or not read are never pruned.
func TestSec56_WhatStays(t *testing.T) {
	aside(t)
	d, ada, grace, _ := chatter(t, 400)
	d.network.cut()
	ada.until("the loss", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
	ada.says(grace, "unsent")
	ada.onDisk("unsent")
	ada.die()
	s, err := d.Memory.Open(t.Context(), d.account)
	if err != nil {
		t.Fatal(err)
	}
	chat := storetest.Of[*state.ChatRow](d.kept().Rows)[0]
	last := chat.Last.Time
	var unread []state.MessageRow
	for i := range int64(300) {
		unread = append(unread, state.MessageRow{Conv: grace.conv(), At: last + i + 1, Message: state.Message{
			Key: state.Key{Time: last + i + 1, Seq: i}, ID: fmt.Sprint("unread", i), ArchiveID: fmt.Sprint("x", i),
			Author: grace.account, Body: fmt.Sprint("unread ", i),
		}})
	}
	chat.Unread, chat.Last = 300, &unread[299]
	if err := s.Commit(t.Context(), &store.Batch{Rows: append(storetest.Messages(unread...), state.Row{Value: chat})}); err != nil {
		t.Fatal(err)
	}
	before := len(d.rows(grace))
	d.Capacity(before)
	ada = d.page()
	ada.Do(state.Return{Account: d.account})
	ada.until("no network", func(s *state.State) bool { return s.Connection.Phase == state.Waiting })
	ada.says(grace, "one too many")
	ada.until("told", func(s *state.State) bool { return s.Storage != nil })
	ada.until("it works again", func(s *state.State) bool { return s.Storage == nil })
	rows := d.rows(grace)
	count := map[string]int{}
	for _, m := range rows {
		switch {
		case m.Body == "unsent" || m.Body == "one too many":
			count["outbox"]++
		case strings.HasPrefix(m.Body, "unread "):
			count["unread"]++
		}
	}
	if len(rows) >= before || count["outbox"] != 2 || count["unread"] != 300 {
		t.Errorf("of %d rows %d are left: %v", before, len(rows), count)
	}
}

// A message that was refused is not in the archive. A prune leaves it, and it has its old place between the
// messages that come back from the archive.
func TestSec56_WhatFailedStays(t *testing.T) {
	aside(t)
	d, ada, grace, all := chatter(t, 400)
	ada.die()
	s, err := d.Memory.Open(t.Context(), d.account)
	if err != nil {
		t.Fatal(err)
	}
	chat, rows := storetest.Of[*state.ChatRow](d.kept().Rows)[0], d.rows(grace)
	var failed []state.MessageRow
	for _, at := range []int{119, 19} { // the message after each of these is in the next second
		body := fmt.Sprint("refused after ", at)
		failed = append(failed, state.MessageRow{Conv: grace.conv(), At: rows[at].Time, Delivery: "failed", Message: state.Message{
			Key: state.Key{Time: rows[at].Time, Seq: rows[at].Seq + 1}, ID: body, Author: d.account, Mine: true, Body: body, Problem: "It was refused.",
		}})
		all = slices.Insert(all, at+1, body)
	}
	if err := s.Commit(t.Context(), &store.Batch{Rows: append(storetest.Messages(failed...), state.Row{Value: chat})}); err != nil {
		t.Fatal(err)
	}
	d.Capacity(402)
	d.network.mend()
	ada = d.page().back()
	all = append(all, "one too many")
	grace.says(ada.person, "one too many")
	ada.hears(grace, "one too many")
	eventually(t, "it prunes", func() bool { return slices.Contains(d.said(grace), "one too many") })
	alone := func() {
		t.Helper()
		on := d.said(grace)
		if len(on) > 320 || !slices.Equal(on[:2], []string{failed[1].Body, failed[0].Body}) {
			t.Errorf("%d on the disk, first %q", len(on), on[:2])
			return
		}
		tail(t, "on the disk", on[2:], all, 200)
	}
	alone()

	t.Log("what is missing around it is not hidden")
	d.Capacity(0)
	ada = ada.reload().back()
	for ada.State().Chat(grace.conv()).Earlier() {
		n := ada.State().Chat(grace.conv()).Timeline.Len()
		ada.Do(state.LoadOlder{Conv: grace.conv()})
		ada.until("more", func(s *state.State) bool { c := s.Chat(grace.conv()); return !c.Earlier() || c.Timeline.Len() > n })
	}
	if got := ada.bodies(grace.account); !slices.Equal(got, d.said(grace)) {
		t.Errorf("in memory %q", got)
	}
	there := ada.State().Chat(grace.conv()).Timeline.From(state.Key(failed[0].Key), 2)[1]
	if gap := ada.State().Older(grace.conv()); gap == nil || gap.After.ID != "" || gap.Before.ID != there.ArchiveID {
		t.Errorf("the gap is %+v, and there is %+v", gap, there)
	}
	ada.scrollBack(grace.account)
	ada.wants(grace.account, all...)
	eventually(t, "all of it is on the disk", func() bool { return slices.Equal(d.said(grace), all) })

	t.Log("it is sent at last: the archive has it, but in another place")
	ada.Do(state.RetryMessage{Conv: grace.conv(), ID: failed[1].ID})
	grace.hears(ada.person, failed[1].Body)
	ada.until("on the server", func(s *state.State) bool {
		return s.Chat(grace.conv()).Timeline.Get(state.Key(failed[1].Key)).Delivery > state.Queued
	})
	eventually(t, "on the disk too", func() bool { return d.rows(grace)[20].Delivery != "failed" && d.rows(grace)[20].Out == 0 })
	ada.die()
	defer client.Huge(350, 250, time.Millisecond)()
	d.network.mend()
	ada = d.page().back()
	eventually(t, "it is cut", func() bool { return len(d.rows(grace)) < 350 })
	alone()
	ada.scrollBack(grace.account)
	ada.wants(grace.account, all...)
	ada = ada.reload().back()
	ada.scrollBack(grace.account)
	ada.wants(grace.account, all...)
}

// A conversation with more than hugeChat messages is pruned some time after the start.
func TestAHugeConversationIsCut(t *testing.T) {
	aside(t)
	d, ada, grace, all := chatter(t, 300)
	ada.die()
	defer client.Huge(250, 100, time.Millisecond)()
	d.network.mend()
	ada = d.page().back()
	eventually(t, "it is cut", func() bool { return len(d.rows(grace)) <= 200 })
	tail(t, "on the disk", d.said(grace), all, 100)
	if ada.State().Storage != nil {
		t.Error("there is nothing to worry about")
	}
	ada.scrollBack(grace.account)
	ada.wants(grace.account, all...)
}

// If the database is deleted while the page runs, the state is written to a new one. The messages that were
// only on the disk come from the archive again.
func TestTheTablesAreTakenAway(t *testing.T) {
	aside(t)
	d, ada, grace, all := chatter(t, 150)
	ada = ada.reload().back()
	tail(t, "in memory", ada.bodies(grace.account), all, 50)
	ada.Do(state.KeepDraft{Conv: grace.conv(), Text: "half a sen"})
	ada.until("the draft", func(s *state.State) bool { return s.Chat(grace.conv()).Draft != "" })
	take := func() {
		t.Helper()
		other, err := d.Memory.Open(t.Context(), d.account)
		if err == nil {
			err = other.Delete(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	take()
	eventually(t, "it is on the disk again", func() bool { return !d.kept().Empty() })
	ada.until("all is well", func(s *state.State) bool { return s.Storage == nil })
	sn := d.kept()
	if len(storetest.Of[*state.Draft](sn.Rows)) != 1 || sn.Stream == nil || len(storetest.Of[*state.Contact](sn.Rows)) != len(slices.Collect(ada.State().Contacts)) || sn.Settings["server"] == "" {
		t.Errorf("kept %+v", sn)
	}
	tail(t, "on the disk", d.said(grace), all, 50)
	all = append(all, "after that")
	grace.says(ada.person, "after that")
	ada.hears(grace, "after that")
	ada = ada.reload().back()
	ada.scrollBack(grace.account)
	ada.wants(grace.account, all...)

	t.Run("not if nothing signs in here any more", func(t *testing.T) {
		d.mu.Lock()
		d.credential = nil
		d.mu.Unlock()
		take()
		s := ada.until("told", func(s *state.State) bool { return s.Storage != nil })
		if s.Storage.Kind != "storage-closed" {
			t.Errorf("told %+v", s.Storage)
		}
		grace.says(ada.person, "in memory only")
		ada.hears(grace, "in memory only")
		if sn := d.kept(); !sn.Empty() {
			t.Errorf("kept %+v", sn)
		}
	})
}
