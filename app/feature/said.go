package feature

import (
	"errors"
	"slices"

	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

// Said remembers what the person said last about messages, for as long as an error may come back for
// it (RFC 6120 §8.3). What does not get through is put back, and the message says so.
type Said struct{ all []said }

type said struct {
	id   string // of the stanza
	of   state.Target
	what state.Refusal
	// back puts things as they were, where the refusal does not, and reports whether they still are
	// as the person wanted them: if not, there is nothing to try again.
	back func() bool
}

// remembered is how many of them.
const remembered = 50

// Send sends a stanza that says something about a message of a conversation. It is a Refusal, whose
// Stanza and Why are still to come, if it cannot leave or is sent back.
func (s *Said) Send(c Client, st *framing.Element, of state.Target, what state.Refusal, back func() bool) {
	what.Stanza = st.Attr("id")
	if s.all = append(s.all, said{what.Stanza, of, what, back}); len(s.all) > remembered {
		s.all = slices.Delete(s.all, 0, 1)
	}
	if err := c.Send(st); err != nil {
		s.undo(c, st.Attr("id"), of.Conv, Unsent(err), true)
	}
}

// Bounced handles an error for a message. Only whom it went to sends it back: not another one in the
// same room.
func (s *Said) Bounced(c Client, st *Stanza) {
	if !st.By.Mine && st.Source == Live {
		s.undo(c, st.ID, st.Conv, Bounced(st), true)
	}
}

// Lost is Feature.Lost for stanzas with this payload. One that was not sent for long is worth as much
// as ever. Where nobody knows whether it has arrived, things stay as the person wants them.
func (s *Said) Lost(space, local string) func(Client, *framing.Element, error) {
	return func(c Client, st *framing.Element, err error) {
		switch {
		case err == nil || st.Child(space, local) == nil:
		case errors.Is(err, stream.ErrStale):
			_ = c.Send(Delayed(st, c.Now()))
		default:
			if at := s.find(st.Attr("id")); at >= 0 {
				s.undo(c, s.all[at].id, s.all[at].of.Conv, Unsent(err), !errors.Is(err, ErrUnknown))
			}
		}
	}
}

func (s *Said) find(id string) int {
	return slices.IndexFunc(s.all, func(o said) bool { return o.id == id })
}

func (s *Said) undo(c Client, id string, conv state.ConvID, why string, back bool) {
	at := s.find(id)
	if at < 0 || s.all[at].of.Conv != conv {
		return
	}
	o := s.all[at]
	s.all = slices.Delete(s.all, at, at+1)
	if o.what.Why = why; !back {
		o.what.Stanza = "" // by which it would be known as refused
	}
	f := o.what.Fact(c.State().Account(), c.Now())
	if back && o.back != nil && !o.back() {
		f.Text = ""
	}
	c.Emit(state.Filed{Target: o.of, Fact: f})
}
