package chat_test

import (
	"testing"
	"time"

	"natter/app/feature"
	"natter/app/feature/chat"
	"natter/app/state"
	"natter/framing"
)

const (
	ada   = "ada@localhost"
	grace = "grace@localhost"
)

// shaky is a client whose connection comes and goes at a word.
type shaky struct {
	feature.Client
	s    *state.State
	now  time.Time
	sent []*framing.Element
}

func (c *shaky) State() *state.State            { return c.s }
func (c *shaky) Emit(ev state.Event)            { c.s = c.s.With(ev) }
func (c *shaky) Now() time.Time                 { return c.now }
func (c *shaky) NewID() string                  { return "id" }
func (c *shaky) Decorate(*framing.Element)      {}
func (c *shaky) Send(st *framing.Element) error { c.sent = append(c.sent, st); return nil }
func (c *shaky) phase(p state.Phase) {
	c.Emit(state.ConnectionChanged{Connection: state.Connection{Phase: p}})
}

// A message that was written without a connection leaves whenever there is one, with
// the time it was written at. One that was written while all seemed well leaves by
// itself within the hour; after that the person is asked.
func TestNothingOldGoesOutWithoutAsking(t *testing.T) {
	for _, tc := range []struct {
		name   string
		phase  state.Phase // when it is written
		age    time.Duration
		reload bool // the stanza is made again from what is kept of the message
		asks   bool
	}{
		{"offline, a day", state.Waiting, 24 * time.Hour, false, false},
		{"offline, a day, with a reload", state.Waiting, 24 * time.Hour, true, false},
		{"stopped, a week", state.Stopped, 7 * 24 * time.Hour, false, false},
		{"seemingly online, within the hour", state.Online, 59 * time.Minute, false, false},
		{"seemingly online, within the hour, with a reload", state.Online, 59 * time.Minute, true, false},
		{"seemingly online, more than an hour", state.Online, 61 * time.Minute, false, true},
		{"seemingly online, more than an hour, with a reload", state.Online, 61 * time.Minute, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := chat.New()
			c := &shaky{s: state.New().With(state.SessionStarted{Me: ada + "/tab"}), now: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)}
			message := func() *state.Message { return c.s.Chat(grace).Timeline.ByID(ada, "id") }
			c.phase(tc.phase)
			f.Do(c, state.SendMessage{Conv: grace, Body: "still true?"})
			c.now = c.now.Add(tc.age)
			c.phase(state.Online)
			st := *c.sent[0]
			if tc.reload {
				st.Children = st.Children[:2] // body and origin-id
			}
			f.Lost(c, &st, nil)
			again := f.Retry(c, &st)
			if !tc.asks {
				if !again || message().Delivery != state.Queued {
					t.Fatalf("it leaves again: %v, it is %v", again, message().Delivery)
				}
				// The stream asks of what has no delay, should it be old before it leaves.
				delay := st.Child("urn:xmpp:delay", "delay")
				if tc.phase == state.Online && delay != nil || tc.phase != state.Online && delay.Attr("stamp") != "2026-01-02T12:00:00.000Z" {
					t.Errorf("as of %v", delay)
				}
				return
			}
			if again || message().Delivery != state.Failed || message().Problem == "" {
				t.Fatalf("it leaves again: %v, it is %+v", again, message())
			}
			asked := *c
			f.Do(c, state.RetryMessage{Conv: grace, ID: "id"})
			if len(c.sent) != 2 || !message().Late || message().Delivery != state.Queued || c.sent[1].Child("urn:xmpp:delay", "delay") == nil {
				t.Errorf("Send now: %v, %+v", c.sent, message())
			}
			*c = asked
			f.Do(c, state.DeleteMessage{Conv: grace, ID: "id"})
			if message() != nil || len(c.sent) != 1 || f.Retry(c, &st) {
				t.Errorf("Delete: %v, %+v", c.sent, message())
			}
		})
	}
}
