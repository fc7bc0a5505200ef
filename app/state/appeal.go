package state

import "natter/app/jid"

// Appeal is what somebody asks of a room, which the person is to decide.
type Appeal struct {
	Type   string   `json:"type"` // VoiceAppeal or MemberAppeal
	Nick   string   `json:"nick"`
	JID    jid.JID  `json:"jid,omitempty"`    // the real one, bare, "" if the room does not tell
	Fields []Filled `json:"fields,omitempty"` // of the form that the answer repeats
}

// Types of the forms of an Appeal.
const (
	VoiceAppeal  = "http://jabber.org/protocol/muc#request"  // to speak (XEP-0045 §8.6)
	MemberAppeal = "http://jabber.org/protocol/muc#register" // to become a member (XEP-0045 §9.9)
)

// Appeals are the open requests of a room, the oldest first. An Appeals never changes.
type Appeals struct {
	N   int      `json:"n"` // counts the changes, so that two Appeals of a room differ
	All []Appeal `json:"all,omitempty"`
}

// mostAppeals is how many open requests of a room are kept; more are ignored.
const mostAppeals = 20

// OpenAppeals returns the open requests of the room.
func (r *Room) OpenAppeals() []Appeal {
	if r == nil || r.Appeals == nil {
		return nil
	}
	return r.Appeals.All
}

// answered removes the request of somebody.
func (r *Room) answered(typ, nick string) {
	var left []Appeal
	for _, a := range r.OpenAppeals() {
		if a.Type != typ || a.Nick != nick {
			left = append(left, a)
		}
	}
	if len(left) < len(r.OpenAppeals()) {
		r.Appeals = &Appeals{r.Appeals.N + 1, left}
	}
}

// Appealed: a room asks the person to decide about a request.
type Appealed struct {
	Room   jid.JID
	Appeal Appeal
}

func (ev Appealed) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) {
		r.answered(ev.Appeal.Type, ev.Appeal.Nick)
		if all := r.OpenAppeals(); r.In() && len(all) < mostAppeals {
			next := &Appeals{N: 1, All: append(all[:len(all):len(all)], ev.Appeal)}
			if r.Appeals != nil {
				next.N += r.Appeals.N
			}
			r.Appeals = next
		}
	})
}

// AppealAnswered: the person has decided about a request.
type AppealAnswered struct {
	Room       jid.JID
	Type, Nick string
}

func (ev AppealAnswered) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) { r.answered(ev.Type, ev.Nick) })
}

// VoiceAsked: the person has asked to speak in a room.
type VoiceAsked struct{ Room jid.JID }

func (ev VoiceAsked) apply(s *State) {
	s.changeRoom(ev.Room, func(r *Room) { r.VoiceAsked = true })
}
