package chat_test

import (
	"testing"
	"time"

	"natter/app/feature"
	"natter/app/feature/chat"
	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

const (
	ada   = "ada@localhost"
	grace = "grace@localhost"
)

// shaky is a client whose connection comes and goes at a word.
type shaky struct {
	feature.Client
	s     *state.State
	now   time.Time
	sent  []*framing.Element
	again []stream.Again
}

func (c *shaky) State() *state.State            { return c.s }
func (c *shaky) Emit(ev state.Event)            { c.s = c.s.With(ev) }
func (c *shaky) Now() time.Time                 { return c.now }
func (c *shaky) NewID() string                  { return "id" }
func (c *shaky) Decorate(*framing.Element)      {}
func (c *shaky) Send(st *framing.Element) error { c.sent = append(c.sent, st); return nil }
func (c *shaky) Settle(again []stream.Again)    { c.again = again }
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
			c.Emit(state.CaughtUp{})
			f.Observe(c, state.CaughtUp{})
			if !tc.asks {
				if len(c.again) != 1 || message().Delivery != state.Queued {
					t.Fatalf("%d leave again, it is %v", len(c.again), message().Delivery)
				}
				if since := c.again[0].Since; !since.Equal(message().At) {
					t.Errorf("as of %s", since)
				}
				// The stream asks of what has no delay, should it be old before it leaves.
				delay := c.again[0].Stanza.Child("urn:xmpp:delay", "delay")
				if tc.phase == state.Online && delay != nil || tc.phase != state.Online && delay.Attr("stamp") != "2026-01-02T12:00:00.000Z" {
					t.Errorf("as of %v", delay)
				}
				return
			}
			if len(c.again) != 0 || message().Delivery != state.Failed || message().Problem == "" {
				t.Fatalf("%d leave again, it is %+v", len(c.again), message())
			}
			asked := *c
			f.Do(c, state.RetryMessage{Conv: grace, ID: "id"})
			if len(c.sent) != 2 || !message().Late || message().Delivery != state.Queued || c.sent[1].Child("urn:xmpp:delay", "delay") == nil {
				t.Errorf("Send now: %v, %+v", c.sent, message())
			}
			*c = asked
			f.Do(c, state.DeleteMessage{Conv: grace, ID: "id"})
			f.Observe(c, state.CaughtUp{})
			if message() != nil || len(c.sent) != 1 || len(c.again) != 0 {
				t.Errorf("Delete: %v, %+v", c.sent, message())
			}
		})
	}
}
