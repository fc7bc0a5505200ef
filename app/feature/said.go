package feature

import (
	"errors"
	"slices"

	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

// Said remembers the last facts that the person has sent about messages, because the stanza of each may
// come back as an error (RFC 6120 §8.3). If it does, or cannot leave, the fact is undone, and the message
// gets a fact of the kind state.Refused.
type Said struct{ all []said }

type said struct {
	id   string // of the stanza
	of   state.Target
	what state.Refusal
	// back undoes what a Refused does not undo, nil if there is nothing. It reports whether the person
	// can try the fact again; if not, they have changed their mind since then.
	back func() bool
}

// remembered is how many facts Said remembers.
const remembered = 50

// Send sends a stanza that says a fact about the message of. If the stanza cannot leave or comes back,
// the message gets the Refusal what, whose Stanza and Why are set then. back undoes the fact (see said).
func (s *Said) Send(c Client, st *framing.Element, of state.Target, what state.Refusal, back func() bool) {
	what.Stanza = st.Attr("id")
	if s.all = append(s.all, said{what.Stanza, of, what, back}); len(s.all) > remembered {
		s.all = slices.Delete(s.all, 0, 1)
	}
	if err := c.Send(st); err != nil {
		s.undo(c, st.Attr("id"), of.Conv, Unsent(err), true)
	}
}

// Bounced handles a message of type error. Only the addressee of the fact can send it back, and not
// another occupant of the same room.
func (s *Said) Bounced(c Client, st *Stanza) {
	if !st.By.Mine && st.Source == Live {
		s.undo(c, st.ID, st.Conv, Bounced(st), true)
	}
}

// Lost returns a Feature.Lost for stanzas with this payload. A fact is sent however old it is. If nobody
// knows whether it has arrived, it is not undone, but the message still says so.
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
		o.what.Stanza = "" // a Refused with it would undo the fact
	}
	f := o.what.Fact(c.State().Account(), c.Now())
	if back && o.back != nil && !o.back() {
		f.Text = ""
	}
	c.Emit(state.Filed{Target: o.of, Fact: f})
}
