package view

import (
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/jid"
	"natter/app/state"
)

// deed is something that the person may do to somebody in a room.
type deed struct {
	name, icon string
	item       string // in the menu of a member
	means      string // what it means for them, in the dialog
	grave      bool
	// Either a role or an affiliation is given to them.
	affiliates  bool
	role        state.Role
	affiliation state.Affiliation
}

var deeds = []deed{
	{name: "voice", icon: "chat", item: "Give voice", means: "They can write in this room.", role: state.Participant},
	{name: "mute", icon: "close", item: "Take voice away", means: "They can only listen.", role: state.Visitor},
	{name: "moderator", icon: "check", item: "Make moderator", means: "They can kick others and give them voice, for as long as they are in the room.", role: state.Moderator},
	{name: "participant", icon: "close", item: "Make participant", means: "They are no longer a moderator.", role: state.Participant},
	{name: "member", icon: "check", item: "Make member", means: "They stay a member when they leave the room.", affiliates: true, affiliation: state.Member},
	{name: "nobody", icon: "close", item: "Take membership away", means: "If only members may enter the room, they have to leave it.", affiliates: true, affiliation: state.NoAffiliation},
	{name: "admin", icon: "check", item: "Make admin", means: "They can ban others, and say who is a member.", affiliates: true, affiliation: state.Admin},
	{name: "owner", icon: "check", item: "Make owner", means: "They can change everything about this room, also who else is its owner.", grave: true, affiliates: true, affiliation: state.Owner},
	{name: "kick", icon: "leave", item: "Kick", means: "They leave the room, and can come back.", grave: true, role: state.NoRole},
	{name: "ban", icon: "remove", item: "Ban", means: "They leave the room, and cannot come back.", grave: true, affiliates: true, affiliation: state.Outcast},
}

// may reports whether the person may do it to somebody in a room.
func (f *deed) may(r *state.Room, o *state.Occupant) bool {
	switch {
	case f.affiliates && !r.MayMake(o, f.affiliation):
		return false
	case f.name == "nobody":
		return o.Affiliation == state.Member
	case f.affiliates:
		return true
	case f.name == "voice":
		return o.Role == state.Visitor && r.MayGive(o, f.role)
	case f.name == "participant":
		return o.Role == state.Moderator && r.MayGive(o, f.role)
	}
	return r.MayGive(o, f.role)
}

// to is the intent of doing it to somebody in a room, and what the room answers to.
func (f *deed) to(room jid.JID, o *state.Occupant, reason string) (state.Wish, state.Intent) {
	if f.affiliates {
		return state.NewAffiliation, state.ChangeAffiliation{Room: room, Who: o.JID, Affiliation: f.affiliation, Reason: reason}
	}
	return state.NewRole, state.ChangeRole{Room: room, Nick: o.Nick, Role: f.role, Reason: reason}
}

// deedsOf are those that the person may do to somebody in a room.
func deedsOf(r *state.Room, o *state.Occupant) (may []*deed) {
	for i := range deeds {
		if deeds[i].may(r, o) {
			may = append(may, &deeds[i])
		}
	}
	return may
}

func deedNamed(name string) *deed {
	for i := range deeds {
		if deeds[i].name == name {
			return &deeds[i]
		}
	}
	return nil
}

// memberName is how an occupant is called, safe to show.
func memberName(nick string) string {
	if name := plain(nick); name != "" {
		return name
	}
	return "Somebody"
}

// memberMore is the button that opens the menu of a member, who is not the person.
func (d *desk) memberMore(r *state.Room, o *state.Occupant) app.UI {
	if r.Me(o.Nick) {
		return app.Span()
	}
	return iconButton("more", "More about "+memberName(o.Nick), doMemberMenu).Class("member-more").ID("member:"+o.Nick).
		DataSet("text", o.Nick).Aria("haspopup", "menu")
}

// memberMenu is the menu of a member, if one is open.
func (d *desk) memberMenu(r *state.Room) app.UI {
	o, there := r.Occupants.Get(d.members.menu)
	if d.members.menu == "" || !there || r.Me(o.Nick) {
		return app.Div().Class("no-menu").Attr("hidden", "true")
	}
	return &deedMenu{Rev: d.rev, Desk: d, Room: r, Occupant: o}
}

// deedMenu is the menu of a member.
type deedMenu struct {
	app.Compo

	Rev      uint64
	Desk     *desk
	Room     *state.Room
	Occupant *state.Occupant
}

// CompoID implements app.DismountEnforcer: the page opens each menu once.
func (m *deedMenu) CompoID() string { return m.Occupant.Nick }

// Render implements app.Composer.
func (m *deedMenu) Render() app.UI {
	o := m.Occupant
	item := func(name string, text app.UI, do Command, conv state.ConvID) app.UI {
		return app.Button().Type("button").Class("menu-item").Attr("role", "menuitem").TabIndex(-1).
			DataSet("do", string(do)).DataSet("conv", string(conv)).Body(icon(name), text)
	}
	alone := app.Span().Body(app.Text("Write to "), app.Elem("bdi").Text(memberName(o.Nick)), app.Text(" alone"))
	items := []app.UI{item("chat", alone, doOpen, state.Private.With(m.Room.JID.WithResource(o.Nick)))}
	if o.JID != "" {
		items = append(items, item("person", app.Text("Profile"), doProfile, state.Direct.With(o.JID)))
	}
	for _, f := range deedsOf(m.Room, m.Occupant) {
		items = append(items, app.Button().Type("button").Class("menu-item").Attr("role", "menuitem").TabIndex(-1).
			DataSet("do", string(doDeed)).DataSet("text", f.name).DataSet("jid", string(m.Room.JID.WithResource(m.Occupant.Nick))).
			Body(icon(f.icon), app.Text(f.item)))
	}
	return app.Div().Class("menu actions").Attr("role", "menu").Attr("popover", "manual").Aria("label", memberName(m.Occupant.Nick)).
		DataSet("at", m.Occupant.Nick).DataSet("by", "member:"+m.Occupant.Nick).Body(items...)
}

// askDeed asks whether to do something to somebody in a room, and why.
func (d *desk) askDeed(sig Signal) {
	d.members.menu = ""
	d.rev++
	f, r := deedNamed(sig.Text), d.s.Room(sig.JID)
	if f == nil || r == nil {
		return
	}
	if o, there := r.Occupants.Get(sig.JID.Resource()); there && f.may(r, o) {
		d.ask(dialog{kind: string(doDeed), peer: r.JID, text: f.name, nick: o.Nick})
		d.settling.Focus = "why"
	}
}

// deed is the dialog that does something to somebody in a room.
func (m *modal) deed() app.UI {
	d := m.Desk
	f := deedNamed(d.dialog.text)
	class := "button-primary"
	if f.grave {
		class = "button-danger-solid"
	}
	return m.answerable(doSetDeed, f.item, class,
		app.P().Class("dialog-lead").Text(f.means), whyField())
}

// setDeed does it.
func (d *desk) setDeed(sig Signal) {
	f, r := deedNamed(d.dialog.text), d.s.Room(sig.JID)
	if f == nil || r == nil {
		return
	}
	o, there := r.Occupants.Get(d.dialog.nick)
	if !there || !f.may(r, o) {
		d.dialog.fault = "This is no longer possible: they have left, or other rights than before."
		d.rev++
		return
	}
	d.want(f.to(r.JID, o, strings.TrimSpace(sig.Text)))
}

// doTo is a command that does something to somebody who is in the room: their nick, also behind an @,
// and why.
func doTo(name string) func(*desk, *state.Room, string) string {
	return func(d *desk, r *state.Room, words string) string {
		f := deedNamed(name)
		o, why := occupantIn(r, words)
		if o == nil {
			o, why = occupantIn(r, strings.TrimPrefix(words, "@"))
		}
		switch {
		case words == "":
			return "Say whom: /" + name + " and their nickname."
		case o == nil:
			return "Nobody in this room is called that."
		case !f.may(r, o):
			return "You may not do that to them."
		}
		_, in := f.to(r.JID, o, why)
		d.model.Do(in)
		return ""
	}
}

// occupantIn finds whose nick a text begins with, the longest of several, and what comes after it.
func occupantIn(r *state.Room, words string) (found *state.Occupant, after string) {
	for o := range r.All {
		if rest, ok := strings.CutPrefix(words, o.Nick); ok && (rest == "" || rest[0] == ' ') && (found == nil || len(o.Nick) > len(found.Nick)) {
			found, after = o, strings.TrimSpace(rest)
		}
	}
	return found, after
}

// mayKick reports whether there are people whom the person may kick.
func mayKick(r *state.Room) bool {
	me := r.Myself()
	return me != nil && me.Role == state.Moderator
}

// mayBan reports whether there are people whom the person may ban.
func mayBan(r *state.Room) bool {
	me := r.Myself()
	return me != nil && me.Affiliation >= state.Admin
}

// profile opens the conversation with somebody, with who they are beside it.
func (d *desk) profile(sig Signal) {
	d.show(sig.Conv)
	d.details = d.open == sig.Conv
	d.settling.Focus = ""
	d.rev++
}
