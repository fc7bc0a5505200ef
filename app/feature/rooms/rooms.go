// Package rooms enters rooms and stays in them (XEP-0045): it joins, keeps the occupants and the subject, and
// leaves. Package chat sends and receives the messages.
//
// Stanzas of a room count only while we are in it: before that, and after we have left, they change nothing. So a message
// that a server delivers late, before we are in again, is taken from the archive of the room, or from what the room
// sends of before we came. A room sends the presences of all occupants before our own one; all become part of the state
// together with ours.
package rooms

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// Namespaces of XEP-0045.
const (
	NS     = "http://jabber.org/protocol/muc"
	NSUser = "http://jabber.org/protocol/muc#user"
)

const (
	// patience is how long a room may take to let us in, and then to send the messages from before.
	patience = 30 * time.Second
	// mostCome bounds the occupants that are noted before our own presence comes.
	mostCome = 50_000
	// mostHistory is how many old messages are requested from a room without an archive.
	mostHistory = "50"
	// longestSubject, longestNick and longestID are how many bytes of these are kept.
	longestSubject, longestNick, longestID = 4096, 1023, 256
)

// pauses are the waits before a room is entered again that has closed or does not answer, if the reason may be gone
// later.
var pauses = []time.Duration{30 * time.Second, 2 * time.Minute, 10 * time.Minute}

// New returns the feature.
func New() *feature.Feature {
	r := &rooms{visits: map[jid.JID]*visit{}, left: map[jid.JID]bool{}, stop: func() {}}
	return &feature.Feature{
		Name:  "rooms (XEP-0045), hats (XEP-0317), self-ping (XEP-0410)",
		Disco: []string{NS},
		Messages: map[framing.Name]feature.Handler{
			{Space: framing.NSClient, Local: "message"}: r.message,
			{Space: framing.NSClient, Local: "subject"}: r.subject,
			{Space: framing.NSClient, Local: "error"}:   r.bounced,
		},
		Presences: map[framing.Name]feature.Handler{
			{Space: framing.NSClient, Local: "presence"}: r.presence,
			{Space: framing.NSClient, Local: "error"}:    r.refused,
		},
		Start: func(c feature.Client) {
			r.forget()
			r.returnToAll(c)
			r.watch(c)
		},
		Resumed: func(c feature.Client, _ bool) {
			r.pingAll(c)
			r.returnToAll(c)
			r.watch(c)
		},
		Observe: func(c feature.Client, ev state.Event) {
			switch ev := ev.(type) {
			case state.RoomBookmarked:
				r.returnTo(c, ev.Room)
			case state.RoomLeft:
				r.leave(c, ev.Room)
			case state.RoomDoubted:
				if v := r.visits[ev.Room]; v != nil {
					r.arrives(c, ev.Room, v)
				}
			case state.RoomMade:
				r.describe(c, ev.Room, func(error) {})
			}
		},
		Do: r.do,
	}
}

// rooms has the visits to rooms in this stream.
type rooms struct {
	visits map[jid.JID]*visit
	// left are the rooms that we have left and not entered again. Stanzas that come from there belong to the
	// earlier visit, also the answer to our leaving.
	left map[jid.JID]bool
	stop func() // stops the timer of watch
}

// visit is one attempt to enter a room, and the time in it.
type visit struct {
	nick  string
	came  []state.Occupant // the occupants that were seen before our own presence
	first bool             // the person has just joined, so a problem is shown for them to answer
	tries int              // how often it was entered again since the room let us in
	stop  func()           // stops the timer
	heard time.Time        // when a stanza came from the room last
	// pinged is true while the answer to a ping is awaited.
	pinged bool
	asking bool // the room is asked what it is, because its configuration has changed
	stale  bool // it has changed again since it was asked
	// former are, by nick, the occupants who have left a room without occupant-ids during the visit.
	former map[string]state.Occupant
}

func (r *rooms) forget() {
	for room, v := range r.visits {
		v.stop()
		delete(r.visits, room)
	}
	clear(r.left)
}

// visit begins a visit, and ends an earlier one to the same room.
func (r *rooms) visit(room jid.JID, nick string) *visit {
	v := &visit{nick: nick, stop: func() {}}
	if old := r.visits[room]; old != nil {
		old.stop()
		v.tries = old.tries
	}
	r.visits[room] = v
	return v
}

// returnToAll enters all rooms that the person wants to be in, without waiting for answers. An earlier page may be in
// them: to enter again does no harm, and brings the occupants.
func (r *rooms) returnToAll(c feature.Client) {
	for room := range c.State().Rooms {
		switch {
		case room.Kept || room.Group != nil:
			r.returnTo(c, room.JID)
		case r.visits[room.JID] == nil:
			c.Emit(state.RoomLeft{Room: room.JID}) // nobody answers its problem any more
		}
	}
}

func (r *rooms) returnTo(c feature.Client, j jid.JID) {
	room := c.State().Room(j)
	if room == nil || r.visits[j] != nil {
		return
	}
	c.Emit(state.RoomWanted{Room: j})
	v := r.visit(j, room.Nick)
	r.describe(c, j, func(error) {})
	r.enter(c, j, v)
}

func (r *rooms) do(c feature.Client, in state.Intent) bool {
	switch in := in.(type) {
	case state.JoinRoom:
		in.Room = in.Room.Bare()
		feature.Emit(c, state.Shown(in, c.State()))
		if room := c.State().Room(in.Room); room != nil && !room.In() {
			r.join(c, room, in)
		}
	case state.MakeGroup:
		feature.Emit(c, state.Shown(in, c.State()))
		if room := c.State().Room(in.Room); room != nil && room.Group != nil && !room.In() {
			r.join(c, room, state.JoinRoom{Room: room.JID, Create: true, Seen: true})
		}
	case state.ReadNick:
		if room := c.State().Room(in.Room); room.In() && room.Registers {
			r.reserved(c, room.JID, func() {})
		}
	case state.LeaveRoom:
		c.Emit(state.RoomLeft(in))
	case state.SetNotify:
		c.Emit(state.NotifyChanged(in))
	default:
		return false
	}
	return true
}

// join enters a room that the person wants to join. First it asks the room what it is: whether it exists, and who
// sees our address.
func (r *rooms) join(c feature.Client, room *state.Room, in state.JoinRoom) {
	if _, err := jid.Parse(string(room.JID) + "/" + room.Nick); err != nil || len(room.Nick) > longestNick {
		c.Emit(state.RoomClosed{Room: room.JID, Problem: &state.Problem{
			Kind: "bad-nick", Text: "Nobody can be called that in a room.", Advice: "Choose another nickname.", Field: "nick"}})
		return
	}
	v := r.visit(room.JID, room.Nick)
	v.first = true
	r.describe(c, room.JID, func(err error) {
		now := c.State().Room(room.JID)
		if r.visits[room.JID] != v || now == nil {
			return
		}
		var refused *framing.StanzaError
		switch errors.As(err, &refused); {
		case in.Create && refused != nil && refused.Condition == "item-not-found":
		case refused != nil && refused.Condition == "item-not-found":
			r.close(c, room.JID, &state.Problem{Kind: "no-room", Text: "There is no room at this address.", Advice: "Check the address, or create the room."}, "")
			return
		case refused != nil && refused.Condition != "forbidden" && refused.Condition != "not-allowed":
			problem, moved := explain(refused, "", nil)
			r.close(c, room.JID, problem, moved)
			return
		case now.ShowsAddresses && !now.Kept && !in.Seen:
			r.close(c, room.JID, &state.Problem{Kind: "shows-addresses", Text: "Everybody in this room sees your address.", Advice: "Join anyway?"}, "")
			return
		}
		if in.Nick != "" || now.Kept || !now.Registers {
			r.enter(c, room.JID, v)
			return
		}
		r.reserved(c, room.JID, func() {
			now := c.State().Room(room.JID)
			if r.visits[room.JID] != v || now == nil {
				return
			}
			if now.Reserved != "" {
				v.nick = now.Reserved
				c.Emit(state.RoomWanted{Room: room.JID, Nick: v.nick})
			}
			r.enter(c, room.JID, v)
		})
	})
}

// enter sends our presence to the room, which lets us in or answers with an error (XEP-0045 §7.2).
func (r *rooms) enter(c feature.Client, j jid.JID, v *visit) {
	room := c.State().Room(j)
	history := framing.New(NS, "history")
	switch last := lastOf(c, j); {
	case room.Archive:
		history.Set("maxstanzas", "0")
	case last != nil:
		history.Set("since", last.At.UTC().Format("2006-01-02T15:04:05Z"))
	default:
		history.Set("maxstanzas", mostHistory)
	}
	x := framing.New(NS, "x").Add(history)
	if room.Password != "" {
		x.Add(framing.New(NS, "password").AddText(room.Password))
	}
	st := framing.New(framing.NSClient, "presence").Set("to", string(j.WithResource(v.nick))).Set("id", c.NewID())
	c.Decorate(st)
	_ = c.Send(st.Add(x)) // without a connection the next stream enters the room
	delete(r.left, j)
	v.came = nil
	v.stop()
	v.stop = c.After(patience, func() {
		if now := c.State().Room(j); now != nil && !now.In() {
			r.failed(c, j, &state.Problem{Kind: "silent", Text: "The room does not answer.", Advice: "Try again later."}, "", true)
		}
	})
}

// lastOf returns the newest message that the room has, nil if it is not among the last hundred.
func lastOf(c feature.Client, room jid.JID) *state.Message {
	if chat := c.State().Chat(state.Groupchat.With(room)); chat != nil {
		for _, m := range slices.Backward(chat.Timeline.Newest(100)) {
			if m.Delivery != state.Queued && m.Delivery != state.Failed {
				return m
			}
		}
	}
	return nil
}

// leave tells a room that we leave it, or give up entering it.
func (r *rooms) leave(c feature.Client, room jid.JID) {
	if v := r.visits[room]; v != nil {
		v.stop()
		delete(r.visits, room)
		r.left[room] = true
		_ = c.Send(framing.New(framing.NSClient, "presence").Set("type", "unavailable").
			Set("to", string(room.WithResource(v.nick))).Set("id", c.NewID()))
	}
}

// close notes that we are not in a room.
func (r *rooms) close(c feature.Client, room jid.JID, problem *state.Problem, moved jid.JID) {
	if v := r.visits[room]; v != nil {
		v.stop()
		v.came = nil
	}
	c.Emit(state.RoomClosed{Room: room, Problem: problem, Moved: moved})
}

// failed closes a room, and enters it again after a pause if passes is true.
func (r *rooms) failed(c feature.Client, room jid.JID, problem *state.Problem, moved jid.JID, passes bool) {
	r.close(c, room, problem, moved)
	v, now := r.visits[room], c.State().Room(room)
	if v == nil || now == nil || !now.Kept || !passes {
		return
	}
	pause := pauses[min(v.tries, len(pauses)-1)]
	v.tries++
	v.stop = c.After(pause, func() {
		if now := c.State().Room(room); now != nil && !now.In() && c.State().Connection.Phase == state.Online {
			c.Emit(state.RoomWanted{Room: room})
			r.describe(c, room, func(error) {})
			r.enter(c, room, v)
		}
	})
}

// presence handles an occupant who comes, changes or leaves.
func (r *rooms) presence(c feature.Client, st *feature.Stanza) {
	room, v := c.State().Room(st.From), r.visits[st.From.Bare()]
	nick := st.From.Resource()
	if room == nil || v == nil || r.left[room.JID] || nick == "" || len(nick) > longestNick || room.Step == state.Outside {
		return
	}
	x := st.Only(NSUser, "x")
	codes := statuses(x)
	v.heard = c.Now()
	if st.Type == "unavailable" {
		v.leaves(room, nick)
		r.gone(c, room, nick, x, codes)
		return
	}
	if st.Type != "" {
		return
	}
	o := occupant(st, room, x)
	if !room.In() {
		self := slices.Contains(codes, "110") || nick == v.nick
		if self {
			o.ID = identity(st) // our own client sends none, so the room has added it
		} else if len(v.came) >= mostCome {
			return
		}
		if v.came = append(v.came, o); self {
			r.entered(c, room, v, o, codes)
		}
		return
	}
	old, _ := room.Occupants.Get(nick)
	if o.Tenure = v.tenure(c, room, &o, old); old == nil || *old != o {
		c.Emit(state.OccupantChanged{Room: room.JID, Occupant: o})
	}
}

// tenure returns the Tenure of an occupant, zero in a room with occupant-ids. old is the occupant with that nick
// before, nil if nobody had it.
func (v *visit) tenure(c feature.Client, room *state.Room, o, old *state.Occupant) state.Tenure {
	if room.OccupantIDs || o.Nick == v.nick {
		return state.Tenure{}
	}
	if old != nil {
		return old.Tenure
	}
	former, again := v.former[o.Nick]
	if again && o.JID != "" && o.JID == former.JID {
		return former.Tenure
	}
	return state.Tenure{Since: c.State().Begins(room.JID, c.Now(), former.Since), Again: again}
}

// leaves notes in former who had a nick until now.
func (v *visit) leaves(room *state.Room, nick string) {
	o, there := room.Occupants.Get(nick)
	if !there || room.OccupantIDs {
		return
	}
	if v.former == nil || len(v.former) >= mostCome {
		v.former = map[string]state.Occupant{}
	}
	v.former[o.Nick] = *o
}

// entered notes that we are in the room.
func (r *rooms) entered(c feature.Client, room *state.Room, v *visit, self state.Occupant, codes []string) {
	v.nick, v.tries, v.first = self.Nick, 0, false
	came := v.came
	v.came, v.former = nil, nil
	for i := range came {
		came[i].Tenure = v.tenure(c, room, &came[i], nil)
	}
	c.Emit(state.RoomEntered{Room: room.JID, Nick: self.Nick, Self: self.ID, Occupants: came, Made: slices.Contains(codes, "201")})
	r.arrives(c, room.JID, v)
}

// arrives waits for the messages from before, but not for ever: some rooms have no subject, and some archives do not
// answer.
func (r *rooms) arrives(c feature.Client, room jid.JID, v *visit) {
	v.stop()
	v.stop = c.After(patience, func() { inside(c, room) })
}

// gone handles an occupant who leaves or changes their nick, or that we do, or that the room has removed us.
func (r *rooms) gone(c feature.Client, room *state.Room, nick string, x *framing.Element, codes []string) {
	if !room.In() {
		return
	}
	renamed := ""
	if slices.Contains(codes, "303") {
		renamed = x.Only(NSUser, "item").Attr("nick")
	}
	switch {
	case !room.Me(nick):
		c.Emit(state.OccupantLeft{Room: room.JID, Nick: strings.Clone(nick)})
	case renamed != "" && len(renamed) <= longestNick:
		c.Emit(state.NickChanged{Room: room.JID, Nick: strings.Clone(renamed)})
		c.Emit(state.OccupantLeft{Room: room.JID, Nick: strings.Clone(nick)})
		r.visits[room.JID].nick = strings.Clone(renamed)
	default:
		problem, moved := parted(x, codes)
		r.failed(c, room.JID, problem, moved, problem.Kind == "shut-down" || problem.Kind == "lost")
	}
}

// refused handles the error for our presence: the room does not let us in.
func (r *rooms) refused(c feature.Client, st *feature.Stanza) {
	room, v := c.State().Room(st.From), r.visits[st.From.Bare()]
	if room == nil || v == nil || r.left[room.JID] || room.Step != state.Entering {
		return
	}
	refused := framing.ReadStanzaError(st.Element)
	to := st.Only(framing.NSClient, "error").Child(framing.NSStanzaError, "gone").Text()
	problem, moved := explain(refused, to, room)
	r.failed(c, room.JID, problem, moved, refused.Type == "wait" && problem.Kind != "full")
}

// message notes that a stanza has come from a room.
func (r *rooms) message(c feature.Client, st *feature.Stanza) {
	if v := r.visits[st.From.Bare()]; v != nil && st.Source == feature.Live {
		v.heard = c.Now()
		switch {
		case !st.From.IsBare() || !slices.ContainsFunc(statuses(st.Only(NSUser, "x")), changed):
		case v.asking:
			v.stale = true
		default:
			r.describeAgain(c, st.From, v)
		}
	}
}

// subject handles the subject of a room. After we have entered, it comes after the messages from before
// (XEP-0045 §7.2.15).
func (r *rooms) subject(c feature.Client, st *feature.Stanza) {
	room := c.State().Room(st.Conv.JID())
	if st.Conv.Kind() != state.Groupchat || !room.In() || st.Source != feature.Live || st.Child(framing.NSClient, "body") != nil {
		return
	}
	if s := short(st.Only(framing.NSClient, "subject").Text(), longestSubject); s != room.Subject {
		c.Emit(state.SubjectChanged{Room: room.JID, Subject: s})
	}
	if !room.Archive {
		inside(c, room.JID)
	}
}

// inside notes that the messages of a room from before we came have arrived.
func inside(c feature.Client, room jid.JID) {
	if now := c.State().Room(room); now != nil && now.Step == state.Arriving {
		c.Emit(state.RoomInside{Room: room})
	}
}

// occupant reads an Occupant from a presence.
func occupant(st *feature.Stanza, room *state.Room, x *framing.Element) state.Occupant {
	item := x.Only(NSUser, "item")
	o := state.Occupant{
		Nick: strings.Clone(st.From.Resource()),
		JID:  jid.JID(strings.Clone(string(jid.JID(item.Attr("jid")).Bare()))),
		Role: roles[item.Attr("role")], Affiliation: affiliations[item.Attr("affiliation")],
		Show: state.Available,
	}
	switch show := state.Show(st.Only(framing.NSClient, "show").Text()); show {
	case state.ChatShow, state.Away, state.XA, state.DND:
		o.Show = state.Show(strings.Clone(string(show)))
	}
	if room.OccupantIDs {
		o.ID = identity(st)
	}
	if room.Hats {
		o.Hats = hats(st)
	}
	return o
}

var roles = map[string]state.Role{"visitor": state.Visitor, "participant": state.Participant, "moderator": state.Moderator}

var affiliations = map[string]state.Affiliation{
	"outcast": state.Outcast, "member": state.Member, "admin": state.Admin, "owner": state.Owner,
}

// statuses returns the status codes of a presence (XEP-0045 §15.6).
func statuses(x *framing.Element) (codes []string) {
	for _, el := range x.Elements() {
		if el.Is(NSUser, "status") {
			codes = append(codes, el.Attr("code"))
		}
	}
	return codes
}

// short returns a copy of the first bytes of a text, most at most.
func short(text string, most int) string {
	if len(text) > most {
		for !utf8.RuneStart(text[most]) {
			most--
		}
		text = text[:most]
	}
	return strings.Clone(text)
}
