package chat_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"natter/app/feature/chat"
	"natter/app/state"
)

// A message waits for its room while others say so much that memory holds only the end of it.
func TestSendsWhatWaitsBehindAHole(t *testing.T) {
	const lounge = "lounge@rooms.example"
	conv := state.Groupchat.With(lounge)
	f := chat.New()
	c := &shaky{s: state.New().With(state.SessionStarted{Me: ada + "/tab"}), now: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)}
	c.phase(state.Online)
	c.Emit(state.RoomWanted{Room: lounge})
	c.Emit(state.ChatStarted{Conv: conv})
	f.Do(c, state.SendMessage{Conv: conv, Body: "waits", ID: "waits"})
	for i := range 600 {
		c.Emit(state.MessageAdded{Conv: conv, Message: state.Message{
			ID: fmt.Sprint(i), ArchiveID: fmt.Sprint("archive", i), Author: lounge + "/grace", Body: "hello", At: c.now.Add(time.Duration(i) * time.Second),
		}})
	}
	c.Emit(state.Released{Conv: conv, Upto: math.MaxUint64})
	if timeline := c.s.Chat(conv).Timeline; !timeline.Holes() || timeline.Len() > 100 || len(c.sent) != 0 {
		t.Fatalf("%d messages in memory, holes: %v, sent: %v", timeline.Len(), timeline.Holes(), c.sent)
	}
	c.Emit(state.RoomEntered{Room: lounge, Nick: "ada"})
	c.Emit(state.RoomInside{Room: lounge})
	f.Observe(c, state.RoomInside{Room: lounge})
	if len(c.sent) != 1 || c.sent[0].Attr("id") != "waits" {
		t.Errorf("sent: %v", c.sent)
	}
}
