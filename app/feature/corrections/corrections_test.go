package corrections_test

import (
	"testing"
	"time"

	"natter/app/feature"
	"natter/app/feature/archive"
	"natter/app/feature/carbons"
	"natter/app/feature/chat"
	"natter/app/feature/corrections"
	"natter/app/feature/featuretest"
	"natter/app/feature/receipts"
	"natter/app/feature/rooms"
	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

func TestStories(t *testing.T) {
	featuretest.Run(t, archive.New, carbons.New, rooms.New, chat.New, receipts.New, corrections.New)
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
		f := corrections.New()
		f.Do(c, state.Correct{Of: of, Body: "words", ID: "c1", At: now})
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

// narrow is a client whose server takes no long messages.
type narrow struct{ offline }

func (c *narrow) Send(*framing.Element) error { return &stream.TooLargeError{} }

// A fact that cannot leave is undone at once, and the message says why.
func TestCannotLeave(t *testing.T) {
	of := state.Target{Conv: "grace@localhost", Author: "ada@localhost", ID: "m1"}
	c := &narrow{offline{s: state.New().With(state.SessionStarted{Me: "ada@localhost/tab"}).
		With(state.MessageAdded{Conv: of.Conv, Message: state.Message{ID: "m1", Author: of.Author, Mine: true, Body: "first", At: featuretest.Noon, Delivery: state.OnServer}})}}
	corrections.New().Do(c, state.Correct{Of: of, Body: "long", ID: "c1", At: featuretest.Noon})
	m := c.s.About(of)
	if r, ok := m.Refusal(); !ok || m.Words() != "first" || r.Text != "long" || r.Why != "It is too long for this server. Try to send it in parts." {
		t.Errorf("it says %q, %+v", m.Words(), r)
	}
}
