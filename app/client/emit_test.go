package client

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
)

// logged returns a loop with these features, and the lines that it logs.
func logged(features ...*feature.Feature) (*loop, *[]string) {
	var lines []string
	l := newLoop(New(Config{Features: func() []*feature.Feature { return features }, Log: func(format string, args ...any) {
		lines = append(lines, fmt.Sprintf(format, args...))
	}}))
	return l, &lines
}

// All features observe an event before those that a feature emits while it observes that event.
func TestEmit_InOrder(t *testing.T) {
	var seen []string
	record := func(name string) func(feature.Client, state.Event) {
		return func(_ feature.Client, ev state.Event) { seen = append(seen, fmt.Sprintf("%s %T", name, ev)) }
	}
	first := &feature.Feature{Observe: func(c feature.Client, ev state.Event) {
		record("first")(c, ev)
		if _, ok := ev.(state.CaughtUp); ok {
			c.Emit(state.DiscretionChanged{On: true})
			if !c.State().Discreet {
				t.Error("what is emitted is not in the state yet")
			}
			panic("the others observe it all the same")
		}
	}}
	l, lines := logged(first, &feature.Feature{Observe: record("second")})
	l.Emit(state.CaughtUp{})
	l.Emit(state.StorageChanged{})
	want := []string{
		"first state.CaughtUp", "second state.CaughtUp", "first state.DiscretionChanged", "second state.DiscretionChanged",
		"first state.StorageChanged", "second state.StorageChanged",
	}
	if !slices.Equal(seen, want) {
		t.Errorf("got  %q\nwant %q", seen, want)
	}
	if len(*lines) != 1 || !strings.Contains((*lines)[0], "panicked") {
		t.Errorf("logged %q", *lines)
	}
}

func TestIntent_ThatNoFeatureKnows(t *testing.T) {
	l, lines := logged(&feature.Feature{Do: func(_ feature.Client, in state.Intent) bool { return state.Is(in, state.Fleeting) }})
	l.do(state.Typing{Conv: "grace@localhost"})
	l.do(state.Reconnect{}) // the client carries this out itself
	if len(*lines) > 0 {
		t.Errorf("logged %q", *lines)
	}
	l.do(state.SetDiscreet{On: true})
	if len(*lines) != 1 || !strings.Contains((*lines)[0], "state.SetDiscreet") {
		t.Errorf("logged %q", *lines)
	}
}

// silent is a Link to no other tab.
type silent struct{ Link }

func (silent) Send(string) {}

// A mirror shows at once what the person wants, and no feature runs for it.
func TestPromise16_AMirrorRunsNoFeature(t *testing.T) {
	const grace = "grace@localhost"
	l, lines := logged(&feature.Feature{
		Do:      func(feature.Client, state.Intent) bool { t.Error("a feature carries it out"); return true },
		Observe: func(_ feature.Client, ev state.Event) { t.Errorf("a feature observes %T", ev) },
	})
	l.state = l.state.With(state.SessionStarted{Me: "ada@localhost/tab"}).
		With(state.SubscriptionAsked{From: "hedy@localhost"}).
		With(state.ContactChanged{Item: state.RosterItem{JID: "edith@localhost", Name: "Edith"}}).
		With(state.DraftChanged{Conv: grace, Text: "half a"})
	l.link = silent{}
	for _, in := range []state.Intent{
		state.SendMessage{Conv: grace, Body: "hello\x00"}, state.SendMessage{Conv: grace, Body: " \x01 "},
		state.KeepDraft{Conv: "edith@localhost", Text: "Dear"}, state.StartChat{Conv: "hedy@localhost"},
		state.AddContact{JID: grace, Name: "Grace"}, state.RenameContact{JID: grace, Name: "G."}, state.RenameContact{JID: "stranger@localhost", Name: "S."},
		state.RemoveContact{JID: "edith@localhost"}, state.AcceptContact{JID: "hedy@localhost"}, state.DeclineContacts{},
	} {
		l.do(in)
	}
	chat := l.state.Chat(grace)
	if m := chat.Timeline.Last(); chat.Timeline.Len() != 1 || m.Body != "hello" || m.Delivery != state.Queued || m.ID == "" || chat.Draft != "" {
		t.Errorf("the conversation is %+v, the message %+v", chat, m)
	}
	if l.state.Chat("edith@localhost").Draft != "Dear" || l.state.Chat("hedy@localhost") == nil {
		t.Error("no draft, or no conversation")
	}
	for j, want := range map[string]state.Pending{
		grace: {Edit: state.Add, Name: "G.", Ask: true}, "edith@localhost": {Edit: state.Remove}, "hedy@localhost": {Answer: state.Accept, Ask: true},
	} {
		if c := l.state.Contact(jid.JID(j)); c == nil || c.Pending != want {
			t.Errorf("%s is %+v, want %+v", j, c, want)
		}
	}
	if l.state.Contact("stranger@localhost") != nil {
		t.Error("who is not in the roster has a name there")
	}
	if len(*lines) > 0 {
		t.Errorf("logged %q", *lines)
	}
}
