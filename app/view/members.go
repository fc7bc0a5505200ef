package view

import (
	"cmp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/state"
)

// members are those who are in the open room, in order, and those of them who match what is looked
// for. From one state to the next only the rows of those who have changed are moved.
type members struct {
	room   *state.Room
	all    []member
	wanted string
	found  []member // of all, nil if it is to be looked for
	first  int      // the first row in sight
	menu   string   // the nick whose menu is open, "" if none is
}

// member is a row.
type member struct {
	*state.Occupant
	low string // the nick in lower case
}

func memberOf(o *state.Occupant) member { return member{o, strings.ToLower(plain(o.Nick))} }

// order puts those first who may do most, then goes by name.
func (m member) order(o member) int {
	return cmp.Or(-cmp.Compare(m.Role, o.Role), cmp.Compare(m.low, o.low), cmp.Compare(m.Nick, o.Nick))
}

// of returns those in a room who match what is looked for, in order.
func (m *members) of(r *state.Room) []member {
	if m.room == nil || m.room.JID != r.JID {
		*m = members{}
	}
	if !m.follow(r) {
		m.all, m.found = make([]member, 0, r.Occupants.Len()), nil
		for o := range r.All {
			m.all = append(m.all, memberOf(o))
		}
		sort.Slice(m.all, func(i, j int) bool { return m.all[i].order(m.all[j]) < 0 })
	}
	m.room = r
	if m.wanted == "" {
		return m.all
	}
	if m.found == nil {
		m.found = []member{}
		for _, row := range m.all {
			if strings.Contains(row.low, m.wanted) {
				m.found = append(m.found, row)
			}
		}
	}
	return m.found
}

// follow moves the rows of those who have changed, and reports whether it could.
func (m *members) follow(r *state.Room) bool {
	if m.room == nil {
		return false
	}
	if m.room == r || m.room.Occupants == r.Occupants {
		return true
	}
	type change struct{ was, is *state.Occupant }
	var changes []change
	r.OccupantsSince(m.room, func(was, is *state.Occupant) { changes = append(changes, change{was, is}) })
	if len(changes) > fewChanges {
		return false
	}
	for _, c := range changes {
		if c.was != nil {
			if at, there := slices.BinarySearchFunc(m.all, memberOf(c.was), member.order); there {
				m.all = slices.Delete(m.all, at, at+1)
			}
		}
		if c.is != nil {
			at, _ := slices.BinarySearchFunc(m.all, memberOf(c.is), member.order)
			m.all = slices.Insert(m.all, at, memberOf(c.is))
		}
	}
	m.found = nil
	return true
}

// look looks for members by what was typed.
func (m *members) look(typed string) {
	m.wanted, m.found, m.first = strings.ToLower(strings.TrimSpace(typed)), nil, 0
}

// membersInSight is how many rows are on the page, more than any screen shows.
const membersInSight = 50

// members draws who is in a room.
func (p *details) members(r *state.Room) app.UI {
	d := p.Desk
	rows := d.members.of(r)
	first := min(max(0, d.members.first-10), max(0, len(rows)-membersInSight))
	end := min(len(rows), first+membersInSight)
	var body []app.UI
	space := func(n int) {
		if n > 0 {
			body = append(body, app.Div().Class("spacer").Aria("hidden", "true").DataSet("rows", strconv.Itoa(n)))
		}
	}
	space(first)
	for i := first; i < end; i++ {
		body = append(body, d.memberRow(r, rows[i], i, len(rows)))
	}
	space(len(rows) - end)
	if len(rows) == 0 {
		return app.Div().Class("details-part members").Body(p.memberSearch(r), app.P().Class("details-hint").Attr("role", "status").Text("Nobody here is called that."))
	}
	return app.Div().Class("details-part members").Body(
		p.memberSearch(r),
		app.Div().Class("members-list").Attr("role", "list").Aria("label", "Members").TabIndex(0).DataSet("window", string(doMemberRows)).Body(body...),
		d.memberMenu(r))
}

func (p *details) memberSearch(r *state.Room) app.UI {
	return app.Label().Class("search members-search").Body(icon("search"),
		app.Input().Type("search").ID("member").Placeholder(people(r)).Aria("label", "Search members").
			DataSet("input", string(doMember)).AutoComplete(false).Attr("spellcheck", "false"))
}

func (d *desk) memberRow(r *state.Room, m member, index, count int) app.UI {
	name := memberName(m.Nick)
	what := memberWords(m.Occupant)
	if r.Me(m.Nick) {
		what = strings.TrimSuffix("You, "+what, ", ")
	}
	identity := identityOf(r.Author(d.s.Account(), m.Nick, m.ID, true))
	return app.Div().Class("member").Attr("role", "listitem").
		Attr("aria-posinset", strconv.Itoa(index+1)).Attr("aria-setsize", strconv.Itoa(count)).Body(
		avatar(identity, name, "avatar-s", dot(m.Show)),
		app.Span().Class("member-name").Body(app.Elem("bdi").Text(name)),
		app.Span().Class("member-what").Text(what),
		app.Span().Class("sr").Text(", "+presenceWords(m.Show)),
		d.memberMore(r, m.Occupant))
}

// memberWords says what somebody is in a room, "" if they are as most are.
func memberWords(o *state.Occupant) string {
	var words []string
	if o.Hats != "" {
		words = append(words, plain(o.Hats))
	}
	switch o.Affiliation {
	case state.Owner:
		words = append(words, "owner")
	case state.Admin:
		words = append(words, "admin")
	case state.Member:
		words = append(words, "member")
	}
	switch {
	case o.Role == state.Visitor:
		words = append(words, "only listens")
	case o.Role == state.Moderator && o.Affiliation < state.Admin:
		words = append(words, "moderator")
	}
	return strings.Join(words, ", ")
}
