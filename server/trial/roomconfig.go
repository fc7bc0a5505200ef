package trial

import (
	"slices"
	"strconv"
	"time"

	"natter/app/jid"
	"natter/framing"
)

// option is something of a room that its owners choose in a form (XEP-0045 §10.2).
// One that is yes or no has a flag, the others have get and set.
type option struct {
	name, kind, label string
	choices           []string
	flag              func(*settings) *bool
	get               func(*settings) string
	set               func(c *settings, value string) (ok bool)
}

var options = []option{
	{name: "roomname", kind: "text-single", label: "Name",
		get: func(c *settings) string { return c.name },
		set: func(c *settings, v string) bool { c.name = v; return true }},
	{name: "roomdesc", kind: "text-single", label: "Description",
		get: func(c *settings) string { return c.description },
		set: func(c *settings, v string) bool { c.description = v; return true }},
	{name: "persistentroom", label: "Stays when everybody has left", flag: func(c *settings) *bool { return &c.persistent }},
	{name: "publicroom", label: "Is in the list of rooms", flag: func(c *settings) *bool { return &c.public }},
	{name: "membersonly", label: "For members only", flag: func(c *settings) *bool { return &c.membersOnly }},
	{name: "allowinvites", label: "Members may invite", flag: func(c *settings) *bool { return &c.openInvites }},
	{name: "moderatedroom", label: "Newcomers have no voice", flag: func(c *settings) *bool { return &c.moderated }},
	{name: "changesubject", label: "All who have voice may change the subject", flag: func(c *settings) *bool { return &c.openSubject }},
	{name: "enablearchiving", label: "Keeps what is said", flag: func(c *settings) *bool { return &c.archived }},
	{name: "whois", kind: "list-single", label: "Who sees addresses", choices: []string{"moderators", "anyone"},
		get: func(c *settings) string {
			if c.nonAnonymous {
				return "anyone"
			}
			return "moderators"
		},
		set: func(c *settings, v string) bool { c.nonAnonymous = v == "anyone"; return true }},
	{name: "allowpm", kind: "list-single", label: "Who may write to one occupant", choices: []string{"anyone", "participants", "moderators", "none"},
		get: func(c *settings) string { return c.whispers },
		set: func(c *settings, v string) bool { c.whispers = v; return true }},
	{name: "maxusers", kind: "text-single", label: "Most occupants",
		get: func(c *settings) string { return strconv.Itoa(c.mostOccupants) },
		set: func(c *settings, v string) (ok bool) {
			n, err := strconv.Atoi(v)
			c.mostOccupants = n
			return err == nil && n > 0
		}},
	{name: "passwordprotectedroom", label: "Needs a password", flag: func(c *settings) *bool { return &c.protected }},
	{name: "roomsecret", kind: "text-private", label: "Password",
		get: func(c *settings) string { return c.password },
		set: func(c *settings, v string) bool { c.password = v; return true }},
}

const configPrefix = "muc#roomconfig_"

// configForm is the form with the settings as they are.
func (r *room) configForm() *framing.Element {
	f := form("form", nsRoomConfig)
	for _, o := range options {
		var shown *framing.Element
		switch name := configPrefix + o.name; {
		case o.flag != nil:
			shown = flag(name, *o.flag(&r.settings))
		case o.choices != nil:
			shown = choice(name, o.get(&r.settings), o.choices...)
		default:
			shown = field(name, o.kind, o.get(&r.settings))
		}
		f.Add(shown.Set("label", o.label))
	}
	return f
}

// configured returns the settings with what a form changes, and whether all of it can
// be. Fields it does not have stay as they are; those nobody offered are not read.
func (c settings) configured(fields map[string][]string, lim Limits) (settings, bool) {
	for _, o := range options {
		values, ok := fields[configPrefix+o.name]
		if !ok {
			continue
		}
		if len(values) != 1 || len(values[0]) > lim.Note || o.choices != nil && !slices.Contains(o.choices, values[0]) {
			return c, false
		}
		if o.flag != nil {
			*o.flag(&c), ok = boolean(values[0])
		} else {
			ok = o.set(&c, values[0])
		}
		if !ok {
			return c, false
		}
	}
	return c, c.mostOccupants <= lim.Occupants && (c.password != "" || !c.protected)
}

// ownerQuery shows the form, takes it back, or destroys the room (XEP-0045 §10).
func ownerQuery(s *Server, r *room, iq, q *framing.Element) (*framing.Element, string) {
	form, end := q.Child(nsForm, "x"), q.Child(nsOwner, "destroy")
	switch {
	case r.affiliation(jid.JID(iq.Attr("from"))) < owner:
		return nil, "forbidden"
	case iq.Attr("type") == "get":
		return framing.New(nsOwner, "query").Add(r.configForm()), ""
	case end != nil:
		return nil, s.destroy(r, end)
	case form.Attr("type") == "cancel" && r.locked:
		return nil, s.destroy(r, framing.New(nsOwner, "destroy")) // XEP-0045 §10.1.3
	case form.Attr("type") == "cancel":
		return nil, ""
	case form.Attr("type") != "submit":
		return nil, "bad-request"
	}
	c, ok := r.configured(readForm(form), s.lim)
	if !ok {
		return nil, "not-acceptable"
	}
	s.configure(r, c)
	return nil, ""
}

// configure makes the settings true, tells all what is different (XEP-0045 §10.2.1),
// and puts those out who may not be in the room any more.
func (s *Server) configure(r *room, c settings) {
	old, locked := r.settings, r.locked
	r.settings, r.locked = c, false
	if locked || old == c {
		return
	}
	codes := []string{"104"}
	if old.nonAnonymous != c.nonAnonymous {
		codes = append(codes, map[bool]string{true: "172", false: "173"}[c.nonAnonymous])
	}
	if old.archived != c.archived {
		codes = append(codes, map[bool]string{true: "170", false: "171"}[c.archived])
	}
	s.tellChanged(r, codes...)
	for _, o := range r.occupants {
		if r.membersOnly && r.affiliation(o.person) < member {
			s.putOut(r, o, change{codes: []string{"322"}})
		}
	}
}

// tellChanged tells all that the room is another one, by these status codes.
func (s *Server) tellChanged(r *room, codes ...string) {
	x := framing.New(nsUser, "x")
	for _, code := range codes {
		x.Add(framing.New(nsUser, "status").Set("code", code))
	}
	s.tellAll(r, framing.New(framing.NSClient, "message").Set("type", "groupchat").
		Set("id", s.o.NewID()).Set("from", r.jid.String()).Add(x))
}

// grave is what is left of a room that has moved.
type grave struct {
	to jid.JID // where
	at time.Time
}

// destroy puts everybody out, each hears of itself alone, and forgets the room
// (XEP-0045 §10.9). Who comes later is told where it has moved.
func (s *Server) destroy(r *room, end *framing.Element) string {
	to := jid.JID("")
	if address := end.Attr("jid"); address != "" {
		var err error
		if to, err = jid.Parse(address); err != nil {
			return "jid-malformed"
		}
	}
	reason := end.Child(nsOwner, "reason").Text()
	if len(reason) > s.lim.Note {
		return "not-acceptable"
	}
	told := framing.New(nsUser, "destroy").Set("jid", to.String())
	if reason != "" {
		told.Add(framing.New(nsUser, "reason").AddText(reason))
	}
	for client, o := range r.clients {
		nobody := occupant{nick: o.nick, person: o.person, clients: o.clients}
		p := with(s.reflected(r, o, unavailable), framing.New(nsUser, "x").Add(
			r.item(&nobody, change{}, false), told, framing.New(nsUser, "status").Set("code", "110")))
		s.post(addressed(p, r.address(o), client))
		s.forget(r, client)
	}
	s.close(r)
	if to != "" {
		if len(s.graves) >= s.lim.Rooms {
			clear(s.graves)
		}
		s.graves[r.jid] = grave{to, s.o.Now()}
	}
	return ""
}
