package retractions_test

import (
	"testing"
	"time"

	"natter/app/feature"
	"natter/app/feature/archive"
	"natter/app/feature/carbons"
	"natter/app/feature/chat"
	"natter/app/feature/corrections"
	"natter/app/feature/featuretest"
	"natter/app/feature/retractions"
	"natter/app/feature/rooms"
	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

func TestStories(t *testing.T) {
	featuretest.Run(t, archive.New, carbons.New, rooms.New, chat.New, corrections.New, retractions.New)
}

// offline is a client without a connection.
type offline struct {
	feature.Client
	s    *state.State
	sent []*framing.Element
}

func (c *offline) State() *state.State            { return c.s }
func (c *offline) Emit(ev state.Event)            { c.s = c.s.With(ev) }
func (c *offline) Now() time.Time                 { return featuretest.Noon }
func (c *offline) NewID() string                  { return "id" }
func (c *offline) Decorate(*framing.Element)      {}
func (c *offline) Send(st *framing.Element) error { c.sent = append(c.sent, st); return nil }

// A fact that was sent without a connection, or while one was being lost, leaves when there is one again.
func TestLeavesLate(t *testing.T) {
	now, of := featuretest.Noon, state.Target{Conv: "grace@localhost", Author: "ada@localhost", ID: "m1"}
	for _, phase := range []state.Phase{state.Waiting, state.Online} {
		c := &offline{s: state.New().With(state.SessionStarted{Me: "ada@localhost/tab"}).
			With(state.ConnectionChanged{Connection: state.Connection{Phase: phase}})}
		f := retractions.New()
		f.Do(c, state.Retract{Of: of, At: now})
		if late := c.sent[0].Child("urn:xmpp:delay", "delay") != nil; late != (phase == state.Waiting) {
			t.Errorf("%v: it leaves as %s", phase, c.sent[0])
		}
		f.Lost(c, c.sent[0], nil)
		f.Lost(c, c.sent[0], feature.ErrUnknown)
		f.Lost(c, c.sent[0], stream.ErrStale)
		if len(c.sent) != 2 || c.sent[1].Child("urn:xmpp:delay", "delay") == nil || !f.Retry(c, c.sent[1]) {
			t.Errorf("%v: then it leaves as %v", phase, c.sent[1:])
		}
	}
}
