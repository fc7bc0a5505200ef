// Package chat sends and receives messages between two people (RFC 6121 §5), in rooms
// (XEP-0045 §7.4) and with one occupant of a room (§7.5).
//
// A message is in the state, as queued, before it is given to the stream. It is marked as on
// the server only when the server has confirmed it. If a connection is lost before that, the
// archive is read first, and only messages that it does not have are retried, with the same
// id and their original time.
//
// In a room a message is on the server when the room has sent it back to us. If it does not come back, the archive of
// the room is read, and the message is sent once more if it is not there (see reflections). A message that is written
// while we are not in the room waits until we are, and until the messages from before have arrived.
package chat

import (
	"strings"

	"natter/app/feature"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

const (
	nsOriginID = "urn:xmpp:sid:0"
	nsRoomUser = "http://jabber.org/protocol/muc#user"
	nsStyling  = "urn:xmpp:styling:0"
)

// longSubject is the length in bytes above which a subject is shown as part of the body.
const longSubject = 500

// New returns the feature.
func New() *feature.Feature {
	r := &reflections{waits: map[string]func(){}, again: map[string]string{}}
	return &feature.Feature{
		Name:  "chat (RFC 6121, XEP-0045), message styling (XEP-0393)",
		Disco: []string{nsStyling},
		Messages: map[framing.Name]feature.Handler{
			{Space: framing.NSClient, Local: "message"}: r.receive,
			{Space: framing.NSClient, Local: "error"}:   r.refused,
		},
		Start: func(feature.Client) { r.forget() },
		Acknowledged: func(c feature.Client, st *framing.Element) {
			if st.Attr("type") == "groupchat" {
				r.await(c, st)
				return
			}
			markDelivery(c, st, state.Acked, "")
		},
		Observe: func(c feature.Client, ev state.Event) {
			switch ev := ev.(type) {
			case state.RoomEntered:
				r.revisit(c, ev.Room)
			case state.RoomInside:
				r.sendWaiting(c, state.Groupchat.With(ev.Room))
				for _, conv := range c.State().Privates(ev.Room) {
					r.sendWaiting(c, conv)
				}
			}
		},
		Lost:  onLost,
		Retry: needsResend,
		Do:    r.do,
	}
}

func (r *reflections) receive(c feature.Client, st *feature.Stanza) {
	room := st.Conv.Kind() == state.Groupchat
	if room && st.Type != "groupchat" {
		return
	}
	if st.From.IsBare() && st.Only(nsRoomUser, "x").Child(nsRoomUser, "invite") != nil {
		return // the text that a room adds to an invitation is no message
	}
	body, ok := feature.Text(st.Element, "body")
	subject, _ := feature.Text(st.Element, "subject")
	notice := ""
	if body == "" && ok {
		notice = unreadable(st.Element, st.By.Mine)
	}
	if !ok || body == "" && (subject == "" || room) && notice == "" {
		return
	}
	switch {
	case len(subject) <= longSubject:
	case notice == "":
		subject, body = "", state.Both(subject, body)
	default:
		subject = strings.ToValidUTF8(subject[:longSubject], "") + "…"
	}
	m := state.Message{
		ID:        st.ID,
		ArchiveID: st.ArchiveID,
		Author:    jid.JID(strings.Clone(string(st.By.JID))),
		Tenure:    tenure(st.By),
		Mine:      st.By.Mine,
		Nick:      nick(st.By),
		Subject:   subject,
		Body:      body,
		Unstyled:  st.Child(nsStyling, "unstyled") != nil,
		At:        st.At,
	}
	if notice != "" {
		m.Body, m.Notice = notice, true
	}
	if m.Mine {
		m.Delivery = state.OnServer
	}
	m.Named = room && !m.Mine && named(c, st, body)
	conv := state.ConvID(strings.Clone(string(st.Conv)))
	if room && m.Mine {
		m.ID = r.back(c, conv, &m)
	}
	if st.Page != nil {
		st.Page.Add(conv, m)
		return
	}
	ev := state.MessageAdded{Conv: conv, Message: m, Carbon: st.Source != feature.Live || st.Earlier}
	if !ev.Carbon && !m.Mine && st.Type == "chat" && st.Conv.Kind() == state.Direct {
		ev.Resource = strings.Clone(st.From.Resource()) // a live message sets where answers go (RFC 6121 §5.1)
	}
	c.Emit(ev)
	if room && m.Mine {
		say(c, conv, m.ID, state.Acked, "")
	}
}

// tenure returns Message.Tenure: it differs for two authors who had the same nick, one after the other.
func tenure(by state.Author) int64 {
	if by.Again {
		return by.Since
	}
	return 0
}

// longestNick is how much of a nick is kept with a message, in bytes.
const longestNick = 256

// nick returns the nick of an author in a room, as it is kept with a message.
func nick(by state.Author) string {
	if by.Mine {
		return ""
	}
	return strings.ToValidUTF8(strings.Clone(by.Nick[:min(len(by.Nick), longestNick)]), "")
}

func (r *reflections) do(c feature.Client, in state.Intent) bool {
	switch in := in.(type) {
	case state.StartChat, state.ReadChat, state.KeepDraft, state.KeepAim, state.DeleteMessage, state.LetBe:
		feature.Emit(c, state.Shown(in, c.State()))
	case state.SendMessage:
		write(c, in)
	case state.RetryMessage:
		r.retry(c, in)
	default:
		return false
	}
	return true
}

// write sends a message, unless there is one with this id: a leader that has died may have sent it before it could
// confirm the request.
func write(c feature.Client, in state.SendMessage) {
	if in.Text() == "" {
		return
	}
	if in.ID == "" {
		in.ID = c.NewID()
	}
	if in.At.IsZero() {
		in.At = c.State().Now(c.Now())
	}
	before := ours(c, in.Conv, in.ID)
	feature.Emit(c, state.Shown(in, c.State()))
	if before != nil {
		return
	}
	if waits(c, in.Conv) {
		return
	}
	m := ours(c, in.Conv, in.ID)
	st := stanza(c, in.Conv, m)
	if m.Late {
		feature.Delayed(st, m.At) // there is no connection
	}
	send(c, st)
}

func stanza(c feature.Client, conv state.ConvID, m *state.Message) *framing.Element {
	to, typ := conv.JID(), "chat"
	if conv.Kind() == state.Groupchat {
		typ = "groupchat"
	} else if chat := c.State().Chat(conv); chat != nil && conv.Kind() == state.Direct {
		to = to.WithResource(chat.Resource)
	}
	st := framing.New(framing.NSClient, "message").
		Set("type", typ).Set("to", to.String()).Set("id", m.ID).
		Add(framing.New(framing.NSClient, "body").AddText(m.Body),
			framing.New(nsOriginID, "origin-id").Set("id", m.ID))
	if conv.Kind() == state.Private {
		st.Add(framing.New(nsRoomUser, "x")) // XEP-0045 §7.5
	}
	c.Decorate(st)
	return st
}

func send(c feature.Client, st *framing.Element) {
	if err := c.Send(st); err != nil {
		markDelivery(c, st, state.GaveUp, feature.Unsent(err))
	}
}

// retry sends a failed message again with the same id, so that a copy can be recognised if
// the first one has arrived.
func (r *reflections) retry(c feature.Client, in state.RetryMessage) {
	events := state.Shown(in, c.State())
	if len(events) == 0 {
		return
	}
	feature.Emit(c, events)
	delete(r.again, in.ID)
	if waits(c, in.Conv) {
		return
	}
	m := ours(c, in.Conv, in.ID)
	send(c, feature.Delayed(stanza(c, in.Conv, m), m.At))
}

// markDelivery emits a fact about the delivery of a message of ours.
func markDelivery(c feature.Client, st *framing.Element, how state.FactKind, problem string) {
	if st.Is(framing.NSClient, "message") && st.Child(nsOriginID, "origin-id") != nil { // a message that only says a fact has none
		say(c, convOf(st), st.Attr("id"), how, problem)
	}
}

func say(c feature.Client, conv state.ConvID, id string, how state.FactKind, problem string) {
	me := c.State().Account()
	c.Emit(state.Filed{
		Target: state.Target{Conv: conv, Author: me, ID: id},
		Fact:   state.Fact{Kind: how, By: me, At: c.Now().UnixMicro(), Text: problem},
	})
}

// convOf returns the conversation of a message that we send.
func convOf(st *framing.Element) state.ConvID {
	switch to := jid.JID(st.Attr("to")); {
	case st.Attr("type") == "groupchat":
		return state.Groupchat.With(to)
	case st.Child(nsRoomUser, "x") != nil:
		return state.Private.With(to)
	default:
		return state.Direct.With(to)
	}
}

func onLost(c feature.Client, st *framing.Element, err error) {
	if m := ours(c, convOf(st), st.Attr("id")); err != nil && (m == nil || m.Delivery == state.Queued) {
		markDelivery(c, st, state.GaveUp, feature.Unsent(err))
	}
}

// ours returns a message of ours, nil if there is none.
func ours(c feature.Client, conv state.ConvID, id string) *state.Message {
	chat := c.State().Chat(conv)
	if chat == nil {
		return nil
	}
	return chat.Timeline.ByID(c.State().Account(), id)
}

// needsResend reports whether a message has to be sent again, and adds its delay.
func needsResend(c feature.Client, st *framing.Element) bool {
	m := ours(c, convOf(st), st.Attr("id"))
	switch {
	case m == nil || m.Delivery != state.Queued:
		return false // the archive has it
	case waits(c, convOf(st)):
		return false // the room will have it when we are in it again
	case m.Late:
		feature.Delayed(st, m.At)
	case c.Now().Sub(m.At) > stream.Stale:
		markDelivery(c, st, state.GaveUp, feature.Stale)
		return false
	}
	return true
}
