package trial

import (
	"slices"

	"natter/app/jid"
	"natter/framing"
)

// moderation takes a message of somebody back on behalf of the room (XEP-0425).
func moderation(s *Server, r *room, iq, q *framing.Element) (*framing.Element, string) {
	return nil, s.moderate(r, jid.JID(iq.Attr("from")), q.Attr("id"),
		q.Child(nsRetract, "retract"), q.Child(nsModerate, "reason"))
}

// oldModeration is the same in the words of version 0.2 of it.
func oldModeration(s *Server, r *room, iq, q *framing.Element) (*framing.Element, string) {
	do := q.Child(nsModerateOld, "moderate")
	return nil, s.moderate(r, jid.JID(iq.Attr("from")), q.Attr("id"),
		do.Child(nsRetractOld, "retract"), do.Child(nsModerateOld, "reason"))
}

// moderate tells all in the room that a message is taken back, and leaves a tombstone
// in its place. It returns the condition to refuse that with.
func (s *Server) moderate(r *room, from jid.JID, id string, retract, reason *framing.Element) string {
	o := r.clients[from]
	all := r.archive.entries
	i := slices.IndexFunc(all, func(e entry) bool { return e.id == id })
	switch {
	case o == nil || o.role < moderator:
		return "forbidden"
	case retract == nil || id == "" || len(reason.Text()) > s.lim.Note:
		return "bad-request"
	case i < 0 || all[i].m.Attr("from") == r.jid.String():
		return "item-not-found"
	}
	because := func(space string) *framing.Element {
		if reason == nil {
			return nil
		}
		return framing.New(space, "reason").AddText(reason.Text())
	}
	by := framing.New(nsModerate, "moderated").Set("by", r.address(o).String()).Add(s.occupantID(r, o.person))
	s.bury(&all[i], framing.New(nsRetract, "retracted").Set("stamp", stamp(s.o.Now())).Add(by, because(nsRetract)))

	m := framing.New(framing.NSClient, "message").Set("type", "groupchat").Set("id", s.o.NewID()).Set("from", r.jid.String()).Add(
		framing.New(nsRetract, "retract").Set("id", id).Add(by, because(nsRetract)),
		framing.New(nsFasten, "apply-to").Set("id", id).Add(
			framing.New(nsModerateOld, "moderated").Set("by", r.address(o).String()).Add(
				framing.New(nsRetractOld, "retract"), because(nsModerateOld))))
	s.tellAll(r, with(m, s.record(&r.archive, r.jid, m, from)))
	return ""
}

// bury puts a tombstone in the place of what a message said (XEP-0425 §4).
func (s *Server) bury(e *entry, tombstone *framing.Element) {
	left := &framing.Element{Name: e.m.Name, Attrs: e.m.Attrs}
	left.Add(e.m.Child(nsOccupant, "occupant-id"), e.m.Child(nsStanzaID, "stanza-id"), tombstone)
	s.stored -= e.size
	e.m, e.size = left, len(left.String())
	s.stored += e.size
}
