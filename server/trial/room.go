package trial

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"time"

	"natter/app/jid"
	"natter/framing"
)

// room is a room of the conference service (XEP-0045).
type room struct {
	jid     jid.JID // bare
	creator jid.JID // bare, "" for a room that came with the server
	settings
	affiliations map[jid.JID]affiliation // by bare address, none left out
	occupants    map[string]*occupant    // by nick
	clients      map[jid.JID]*occupant   // by the full address of each client
	nicks        map[string]jid.JID      // whom they are reserved for, in the room or not
	requests     map[string]jid.JID      // who asks to become a member, by nick
	invited      map[jid.JID]jid.JID     // by whom, until they have answered
	subject      *framing.Element        // its latest change, nil if there was none
	card         *framing.Element        // its vCard, nil if none was set
	archive      archive
	locked       bool // its owner has not said yet how it shall be
}

// settings are what the owners of a room choose.
type settings struct {
	name          string
	description   string
	password      string
	protected     bool // it needs the password
	persistent    bool // it stays when everybody has left
	public        bool // it is in the list of rooms
	membersOnly   bool
	moderated     bool // newcomers have no voice
	nonAnonymous  bool // all see everybody's address, not only moderators
	archived      bool
	openSubject   bool   // who may write may change the subject
	openInvites   bool   // members may invite into a room for members only
	whispers      string // who may write to one occupant: anyone, participants, moderators or none
	mostOccupants int
}

// newRoom makes a room that is configured as rooms are until somebody wants
// something else.
func (s *Server) newRoom(address, first jid.JID) *room {
	r := &room{
		jid:          address,
		settings:     settings{public: true, archived: true, whispers: "anyone", mostOccupants: s.lim.Occupants},
		affiliations: map[jid.JID]affiliation{first.Bare(): owner},
		occupants:    make(map[string]*occupant),
		clients:      make(map[jid.JID]*occupant),
		nicks:        make(map[string]jid.JID),
		requests:     make(map[string]jid.JID),
		invited:      make(map[jid.JID]jid.JID),
	}
	s.rooms[address] = r
	return r
}

// create makes the room of a person who goes in where there is none. It returns the
// condition to refuse that with instead.
func (s *Server) create(address, creator jid.JID) (*room, string) {
	if s.find(creator) == nil || address.Local() == "" {
		return nil, "not-allowed"
	}
	made := 0
	for _, r := range s.rooms {
		if r.creator == creator.Bare() {
			made++
		}
	}
	if made >= s.lim.Made || len(s.rooms) >= s.lim.Rooms {
		return nil, "resource-constraint"
	}
	r := s.newRoom(address, creator)
	r.creator, r.locked = creator.Bare(), true
	return r, ""
}

// close forgets a room nobody is in.
func (s *Server) close(r *room) {
	delete(s.rooms, r.jid)
	for _, e := range r.archive.entries {
		s.stored -= e.size
	}
}

// title is how a room is called.
func (r *room) title() string {
	if r.name != "" {
		return r.name
	}
	return r.jid.Local()
}

// facts are the details of a room that everybody may know (XEP-0045 §6.4).
func (r *room) facts() *framing.Element {
	f := form("result", nsRoomInfo,
		field("muc#roominfo_description", "text-single", r.description),
		field("muc#roominfo_occupants", "text-single", strconv.Itoa(len(r.occupants))),
		field("muc#roomconfig_roomname", "text-single", r.name),
		flag("muc#roomconfig_changesubject", r.openSubject),
		flag("muc#roomconfig_allowinvites", !r.membersOnly || r.openInvites),
	)
	if hashes := r.pictureHashes(); len(hashes) > 0 {
		pictures := framing.New(nsForm, "field").Set("var", "muc#roominfo_avatarhash").Set("type", "text-multi")
		for _, hash := range hashes {
			pictures.Add(framing.New(nsForm, "value").AddText(hash))
		}
		f.Add(pictures)
	}
	return f
}

// occupantID is the name of a person in this room that stays when the nick changes,
// and tells nobody who it is (XEP-0421 §4.1).
func (s *Server) occupantID(r *room, person jid.JID) *framing.Element {
	h := hmac.New(sha256.New, s.secret)
	h.Write([]byte("occupant\x00" + r.jid.String() + "\x00" + person.Bare().String()))
	return framing.New(nsOccupant, "occupant-id").Set("id", base64.RawURLEncoding.EncodeToString(h.Sum(nil)))
}

// theRooms are the namespaces in which the room alone speaks in a room, not an occupant.
var theRooms = []string{nsMUC, nsUser, nsHats, nsOccupant}

// reflected is what others see of a stanza of an occupant: without what only the room
// may say (XEP-0045 §17, XEP-0317 §6), and with who said it.
func (s *Server) reflected(r *room, o *occupant, st *framing.Element) *framing.Element {
	seen := &framing.Element{Name: st.Name}
	for _, a := range st.Attrs {
		if a.Name.Local != "to" || a.Name.Space != "" {
			seen.Attrs = append(seen.Attrs, a)
		}
	}
	for _, n := range st.Children {
		if n.Element == nil || !slices.Contains(theRooms, n.Element.Name.Space) {
			seen.Children = append(seen.Children, n)
		}
	}
	return seen.Set("from", r.address(o).String()).Add(s.occupantID(r, o.person))
}

func (r *room) address(o *occupant) jid.JID { return r.jid.WithResource(o.nick) }

// roomMessage handles a message to a room or an occupant and returns the condition to
// refuse it with, "" if it was taken.
func (s *Server) roomMessage(r *room, m *framing.Element, to jid.JID) string {
	o := r.clients[jid.JID(m.Attr("from"))]
	switch k := kind(m); {
	case k == "groupchat" && !to.IsBare():
		return "bad-request" // XEP-0045 §7.5
	case k != "groupchat" && to.IsBare():
		return s.mediate(r, o, m)
	case o == nil:
		return "not-acceptable" // XEP-0045 §7.4
	case k != "groupchat":
		return s.whisper(r, o, m, to)
	case o.role < participant:
		return "forbidden"
	}
	if subject := m.Child(framing.NSClient, "subject"); subject != nil &&
		m.Child(framing.NSClient, "body") == nil && m.Child(framing.NSClient, "thread") == nil {
		return s.changeSubject(r, o, m, subject)
	}
	s.say(r, o, m)
	return ""
}

// changeSubject handles a message that is nothing but a subject (XEP-0045 §8.1).
func (s *Server) changeSubject(r *room, o *occupant, m, subject *framing.Element) string {
	switch {
	case o.role < moderator && !r.openSubject:
		return "forbidden"
	case len(subject.Text()) > s.lim.Note:
		return "not-acceptable"
	}
	changed := framing.New(framing.NSClient, "message").Set("type", "groupchat").
		Set("id", m.Attr("id")).Set("from", m.Attr("from")).Add(subject)
	r.subject = ownMemory(with(s.say(r, o, changed), s.delayed(r, s.o.Now())).String())
	return ""
}

// say brings a message of an occupant to all of them, keeps it, and returns it as
// they see it.
func (s *Server) say(r *room, o *occupant, m *framing.Element) *framing.Element {
	seen := s.reflected(r, o, m)
	id := s.stanzaID(r.jid)
	if r.archived && says(m) {
		id = s.record(&r.archive, r.jid, seen, jid.JID(m.Attr("from")))
	}
	seen = with(seen, id)
	s.tellAll(r, seen)
	return seen
}

// tellAll sends a message of the room, or of somebody in it, to all of them.
func (s *Server) tellAll(r *room, m *framing.Element) {
	from := jid.JID(m.Attr("from"))
	for client := range r.clients {
		s.post(addressed(m, from, client))
	}
	s.fanout += len(r.clients) - 1
}

// delayed says that a room had a message at that time.
func (s *Server) delayed(r *room, at time.Time) *framing.Element {
	return framing.New(nsDelay, "delay").Set("from", r.jid.String()).Set("stamp", stamp(at))
}

// readable returns the condition that keeps somebody from the room's archive, ""
// if they could come in (XEP-0313 §6.1.2).
func (r *room) readable(by jid.JID) string {
	switch {
	case r.locked || !r.archived:
		return "item-not-found"
	case r.clients[by] != nil:
		return ""
	case r.entry(by) != "", r.protected && r.affiliation(by) < member:
		return "forbidden"
	}
	return ""
}

// roomHistory answers a query of the room's archive.
func roomHistory(s *Server, r *room, iq, q *framing.Element) (*framing.Element, string) {
	from := jid.JID(iq.Attr("from"))
	if condition := r.readable(from); condition != "" {
		return nil, condition
	}
	o, a := r.clients[from], r.affiliation(from)
	trusted := o != nil && r.trusts(o) || a >= admin || r.nonAnonymous && a >= member
	if !trusted && asksWith(q) {
		return nil, "forbidden" // it would tell who is who, XEP-0313 §4.1.1
	}
	return s.pages(&r.archive, iq, q, r.jid, func(e entry) *framing.Element {
		if !trusted {
			return e.m
		}
		return with(e.m, framing.New(nsUser, "x").Add(framing.New(nsUser, "item").
			Set("affiliation", r.affiliation(e.with).String()).Set("jid", e.with.String())))
	})
}

// roomMetadata says from where to where the room's archive reaches.
func roomMetadata(_ *Server, r *room, iq, _ *framing.Element) (*framing.Element, string) {
	if condition := r.readable(jid.JID(iq.Attr("from"))); condition != "" {
		return nil, condition
	}
	return r.archive.metadata(), ""
}

func asksWith(q *framing.Element) bool {
	for _, f := range q.Child(nsForm, "x").Elements() {
		if f.Attr("var") == "with" {
			return true
		}
	}
	return false
}

// recent sends a client that has come in what was said lately, as much as it wants
// (XEP-0045 §7.2.13), and then the subject.
func (s *Server) recent(r *room, client jid.JID, wanted *framing.Element) {
	all := r.archive.entries
	since := time.Time{}
	if n, err := strconv.Atoi(wanted.Attr("seconds")); err == nil {
		since = s.o.Now().Add(-time.Duration(n) * time.Second)
	}
	if at, err := time.Parse(time.RFC3339, wanted.Attr("since")); err == nil && at.After(since) {
		since = at
	}
	most := s.lim.Page
	if n, err := strconv.Atoi(wanted.Attr("maxstanzas")); err == nil {
		most = min(most, n)
	}
	chars := -1
	if n, err := strconv.Atoi(wanted.Attr("maxchars")); err == nil {
		chars = n
	}
	first := len(all)
	for n := 0; first > 0 && n < most; first-- {
		e := all[first-1]
		if e.at.Before(since) || chars >= 0 && chars < e.size {
			break
		}
		if chars >= 0 {
			chars -= e.size
		}
		n++
	}
	for _, e := range all[first:] {
		if e.m.Child(framing.NSClient, "subject") == nil {
			s.post(addressed(with(e.m, s.delayed(r, e.at)), jid.JID(e.m.Attr("from")), client))
		}
	}
	subject := r.subject
	if subject == nil {
		subject = framing.New(framing.NSClient, "message").Set("type", "groupchat").
			Set("from", r.jid.String()).Add(framing.New(framing.NSClient, "subject"))
	}
	s.post(addressed(subject, jid.JID(subject.Attr("from")), client))
}
