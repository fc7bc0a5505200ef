package view

import (
	"fmt"
	"testing"
	"time"

	"natter/app/jid"
	"natter/app/state"
)

// BenchmarkItems is what the list costs with a thousand conversations, when something
// about one of them has changed and when nothing has.
func BenchmarkItems(b *testing.B) {
	k := state.Kept{Me: ada + "/natter"}
	for i := range 1000 {
		p := jid.JID(fmt.Sprintf("contact%d@example.org", i))
		k.Contacts = append(k.Contacts, state.KeptContact{Contact: state.Contact{JID: p, Name: fmt.Sprint("Contact ", i), InRoster: true}})
		k.Chats = append(k.Chats, state.KeptChat{Chat: state.Chat{Peer: p}, High: 1, Messages: []state.Message{
			{Key: state.Key{Time: noon.UnixMicro() + int64(i), Seq: 1}, Author: p, Body: "some words", At: noon}}})
	}
	s := state.Restore(k)
	changed := s.With(state.ChatRead{Peer: "contact1@example.org"})
	d := &desk{s: s, now: time.Now, drafts: map[jid.JID]string{}}
	b.Run("changed", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			d.s = []*state.State{s, changed}[i%2]
			d.items()
		}
	})
	b.Run("unchanged", func(b *testing.B) {
		for b.Loop() {
			d.items()
		}
	})
}
