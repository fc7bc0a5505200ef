package view

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"natter/app/jid"
	"natter/app/state"
)

const lounge = "lounge@rooms.example"

// says fails if the page does not say something.
func (b *bench) says(t *testing.T, want string) {
	t.Helper()
	if !strings.Contains(b.html(), want) {
		t.Errorf("the page does not have %s", want)
	}
}

func entered() state.Event {
	return state.RoomEntered{Room: lounge, Nick: "ada", Self: "a1", Occupants: []state.Occupant{{Nick: "ada", ID: "a1"}, {Nick: "grace", ID: "g1"}}}
}

func closed(kind, field string) state.Event {
	return state.RoomClosed{Room: lounge, Problem: &state.Problem{Kind: kind, Text: "It is so.", Advice: "Do that.", Field: field}}
}

// A room is joined by its address, what stands in the way is said in the dialog, and we are in the
// room as soon as it lets us in.
func TestJoinRoom(t *testing.T) {
	b := sit(t)
	b.sig("join-room", "", "")
	b.wants(t, "BrowseRooms{}")
	for typed, fault := range map[string]string{"": "Enter the address", "rooms.example": "the address of a server", "a b@c": "no address"} {
		if b.sig("join", "", typed); !strings.Contains(b.dialog.fault, fault) {
			t.Errorf("%q: %q", typed, b.dialog.fault)
		}
	}
	b.wants(t)
	b.sig("join", "", "xmpp:Lounge@rooms.example?join")
	b.wants(t, "JoinRoom{Room:lounge@rooms.example Nick: Password: Create:false Seen:false}")
	b.play(state.RoomWanted{Room: lounge})
	b.says(t, "Joining…")
	b.play(closed("password", "password"))
	b.says(t, "It is so. Do that.")
	b.happened(Signal{Do: "join", Text: lounge, Also: "tea"})
	b.play(state.RoomWanted{Room: lounge}, closed("nick-taken", "nick"))
	b.says(t, `value="ada2"`)
	b.happened(Signal{Do: "join", Text: lounge, Also: "ada2"})
	b.wants(t, "JoinRoom{Room:lounge@rooms.example Nick: Password:tea Create:false Seen:false}",
		"JoinRoom{Room:lounge@rooms.example Nick:ada2 Password: Create:false Seen:false}")
	b.play(closed("no-room", ""))
	b.sig("create-room", lounge, "")
	b.play(closed("shows-addresses", ""))
	b.sig("join-seen", lounge, "")
	b.wants(t, "JoinRoom{Room:lounge@rooms.example Nick: Password: Create:true Seen:true}",
		"JoinRoom{Room:lounge@rooms.example Nick: Password: Create:false Seen:true}")
	b.play(entered())
	if b.dialog.kind != "" || b.open != lounge+"/" {
		t.Errorf("dialog %q, open %q", b.dialog.kind, b.open)
	}
	b.says(t, "2 people")

	t.Run("who joins anyway is not asked again", func(t *testing.T) {
		b := sit(t)
		b.sig("join-room", "", "")
		b.sig("join", "", lounge)
		b.play(state.RoomWanted{Room: lounge}, closed("shows-addresses", ""))
		b.did = nil
		b.sig("join-seen", lounge, "")
		b.sig("join", "", lounge) // the button is where the other one was
		b.wants(t, "JoinRoom{Room:lounge@rooms.example Nick: Password: Create:false Seen:true}",
			"JoinRoom{Room:lounge@rooms.example Nick: Password: Create:false Seen:true}")
	})

	t.Run("who gives up does not want it any more", func(t *testing.T) {
		b := sit(t)
		b.sig("join-room", "", "")
		b.did = nil
		b.sig("join", "", lounge)
		b.play(state.RoomWanted{Room: lounge}, closed("banned", ""))
		b.sig("close", "", "")
		b.wants(t, "JoinRoom{Room:lounge@rooms.example Nick: Password: Create:false Seen:false}", "LeaveRoom{Room:lounge@rooms.example}")
	})
}

// A room is in the list for as long as the person wants to be in it, with who has spoken last; and
// says why we are not in it.
func TestRoom(t *testing.T) {
	b := sit(t)
	b.play(state.RoomWanted{Room: lounge}, state.RoomDescribed{Room: lounge, Info: state.RoomInfo{Name: "The Lounge"}}, entered(),
		state.MessageAdded{Conv: lounge + "/", Message: state.Message{ID: "m1", Author: lounge + "/\x01g1", Nick: "grace", Body: "good day", At: noon}})
	if items := b.items(""); items[0].name != "The Lounge" {
		t.Errorf("%+v", items)
	}
	for _, want := range []string{"The Lounge", ", Room. ", "good day"} {
		b.says(t, want)
	}
	b.happened(Signal{Do: "open", Conv: lounge + "/"})
	b.says(t, `aria-label="grace, `)
	b.play(state.RoomClosed{Room: lounge, Problem: &state.Problem{Kind: "gone", Text: "This room has moved."}, Moved: "salon@rooms.example"})
	b.says(t, "Join salon@rooms.example")
	b.did = nil
	b.sig("rejoin", "salon@rooms.example", "")
	b.sig("leave-room", lounge, "")
	b.wants(t, "JoinRoom{Room:salon@rooms.example Nick: Password: Create:false Seen:false}", "LeaveRoom{Room:lounge@rooms.example}")
	b.play(state.RoomLeft{Room: lounge})
	for _, it := range b.items("") {
		if it.conv == lounge+"/" {
			t.Error("it is still in the list")
		}
	}
}

// The members of a room are in order, those found who are looked for, and however many there are,
// few rows are on the page. One who comes or goes moves one row.
func TestMembers(t *testing.T) {
	b := sit(t)
	all := []state.Occupant{{Nick: "ada", Role: state.Participant}, {Nick: "Zoe", Role: state.Moderator, Affiliation: state.Owner}, {Nick: "bob", Role: state.Visitor}}
	for i := range 10_000 {
		all = append(all, state.Occupant{Nick: "guest " + strconv.Itoa(i), Role: state.Participant, Show: state.Away})
	}
	b.play(state.RoomWanted{Room: lounge}, state.RoomEntered{Room: lounge, Nick: "ada", Occupants: all})
	b.happened(Signal{Do: "open", Conv: lounge + "/"})
	b.sig("details", "", "")
	shown := func() (names []string) {
		for _, m := range regexp.MustCompile(`member-name">\s*<bdi>\s*([^<]*?)\s*</bdi>`).FindAllStringSubmatch(strings.ReplaceAll(b.html(), "\n", ""), -1) {
			names = append(names, m[1])
		}
		return names
	}
	if names := shown(); len(names) != membersInSight || names[0] != "Zoe" || names[1] != "ada" {
		t.Errorf("%d rows: %q", len(names), names)
	}
	b.says(t, `aria-label="Members"`)
	b.says(t, "10003 people")
	b.happened(Signal{Do: "member-rows", Number: 10_000})
	if names := shown(); len(names) != membersInSight || names[len(names)-1] != "bob" {
		t.Errorf("at the end: %q", names)
	}
	b.sig("member", "", " Guest 7777 ")
	if names := shown(); len(names) != 1 || names[0] != "guest 7777" {
		t.Errorf("found: %q", names)
	}
	b.sig("member", "", "nobody")
	b.says(t, "Nobody here is called that.")
	b.sig("member", "", "")
	b.play(state.OccupantChanged{Room: lounge, Occupant: state.Occupant{Nick: "Amy", Role: state.Moderator}}, state.OccupantLeft{Room: lounge, Nick: "Zoe"},
		state.OccupantChanged{Room: lounge, Occupant: state.Occupant{Nick: "bob", Role: state.Moderator}})
	if names := shown(); names[0] != "Amy" || names[1] != "bob" || names[2] != "ada" {
		t.Errorf("after some changes: %q", names[:3])
	}
	if want := len(all); len(b.members.all) != want {
		t.Errorf("there are %d, want %d", len(b.members.all), want)
	}
	var none []string
	for o := range b.state.Room(lounge).All {
		if _, there := slices.BinarySearchFunc(b.members.all, memberOf(o), member.order); !there {
			none = append(none, o.Nick)
		}
	}
	if len(none) > 0 {
		t.Errorf("without a row: %q", none)
	}
}

// The rooms of the server stand below the field, those that have what was typed, and a name is that
// of a room there.
func TestListedRooms(t *testing.T) {
	b := sit(t)
	b.sig("join-room", "", "")
	b.wants(t, "BrowseRooms{}")
	b.play(state.DirectoryRead{Directory: &state.Directory{Loading: true}})
	b.says(t, "Looking for rooms…")
	b.play(state.DirectoryRead{Directory: &state.Directory{Problem: "There is none."}})
	b.says(t, "There is none.")
	list := &state.Directory{Service: "rooms.example"}
	for i := range 500 {
		list.Rooms = append(list.Rooms, state.Listed{JID: jid.JID("r" + strconv.Itoa(i) + "@rooms.example"), Name: "Room " + strconv.Itoa(i)})
	}
	b.play(state.DirectoryRead{Directory: list})
	if n := strings.Count(b.html(), "listed-item"); n != listedInSight {
		t.Errorf("%d rows", n)
	}
	b.sig("join-text", "", "room 499")
	if n := strings.Count(b.html(), "listed-item"); n != 1 {
		t.Errorf("%d found", n)
	}
	b.sig("rejoin", "r499@rooms.example", "")
	b.sig("join", "", "lounge")
	b.wants(t, "JoinRoom{Room:r499@rooms.example Nick: Password: Create:false Seen:false}",
		"JoinRoom{Room:lounge@rooms.example Nick: Password: Create:false Seen:false}")
	b.sig("join-text", "", "nothing")
	b.says(t, "No room of this server is called that.")
}

// Invitations by people one knows wait in the list; those by strangers stand apart, do not count, and
// hear nothing.
func TestInvitations(t *testing.T) {
	b := sit(t)
	b.play(state.Invited{Invitation: state.Invitation{Room: lounge, From: "mallory@elsewhere.example", Reason: "cheap tea", Mediated: true}})
	b.says(t, "From people you do not know")
	if strings.Contains(b.html(), "badge") {
		t.Error("a stranger is counted")
	}
	b.play(state.Invited{Invitation: state.Invitation{Room: "club@rooms.example", From: grace, Password: "tea", At: 7}})
	b.says(t, "Grace invites you to a room.")
	b.sig("invitations", "", "")
	for _, want := range []string{`aria-label="Join club@rooms.example"`, "cheap tea", "Decline all 1"} {
		b.says(t, want)
	}
	b.sig("decline-room", "club@rooms.example", "")
	b.sig("decline-strangers", "", "")
	b.sig("accept-room", "club@rooms.example", "")
	b.wants(t, "DeclineInvitations{Rooms:[club@rooms.example]}", "DeclineInvitations{Rooms:[lounge@rooms.example]}", "BrowseRooms{}",
		"JoinRoom{Room:club@rooms.example Nick: Password:tea Create:false Seen:false}")
	b.play(state.RoomWanted{Room: "club@rooms.example"}, state.RoomEntered{Room: "club@rooms.example", Nick: "ada"})
	if b.open != "club@rooms.example/" || b.state.Invitation("club@rooms.example") != nil {
		t.Errorf("open %q, invited %+v", b.open, b.state.Invitation("club@rooms.example"))
	}
}

// However many strangers invite, few of their invitations are on the page, below that of whoever is known;
// all go at once.
func TestInvitations_Spam(t *testing.T) {
	b := sit(t)
	b.play(state.Invited{Invitation: state.Invitation{Room: "club@rooms.example", From: grace, At: 1}})
	for i := range 150 {
		b.play(state.Invited{Invitation: state.Invitation{Room: jid.JID("spam" + strconv.Itoa(i) + "@rooms.example"), From: "mallory@elsewhere.example", Reason: strings.Repeat("cheap ", 5000), Mediated: true, At: int64(2 + i)}})
	}
	b.says(t, "Grace invites you to a room.")
	b.sig("invitations", "", "")
	html := b.html()
	if n := strings.Count(html, `class="invitation"`); n != 1+invitationsInSight || len(html) > 100_000 {
		t.Errorf("%d invitations, %d bytes", n, len(html))
	}
	if strings.Index(html, "Join club@") > strings.Index(html, "Join spam149@") {
		t.Error("strangers stand first")
	}
	b.sig("decline-strangers", "", "")
	if len(b.did) != 1 || strings.Count(b.did[0], "spam") != 150 || strings.Contains(b.did[0], "club") {
		t.Errorf("wanted %q", b.did)
	}
}

// Somebody with a nick that looks like another's is drawn as somebody else: under another colour, with the
// author's name once more, also right after what the other has said. Who has changed their nick keeps theirs.
func TestLookAlikes(t *testing.T) {
	b := sit(t)
	say := func(id, nick, body string) state.Event {
		author := lounge + "/" + jid.JID(nick)
		if id != "" {
			author = lounge + "/\x01" + jid.JID(id)
		}
		return state.MessageAdded{Conv: lounge + "/", Message: state.Message{ID: body, Author: author, Nick: nick, Body: body, At: noon}}
	}
	b.play(state.RoomWanted{Room: lounge}, state.RoomEntered{Room: lounge, Nick: "ada"},
		say("g1", "Grace", "one"), say("x1", "Gr\u0430ce", "two"), say("x2", "Grace\u200b", "three"), say("g1", "Hopper", "four"), // with occupant-ids
		say("", "Emmy", "five"), say("", "Emmy\u2060", "six"), say("", "Emmy", "seven")) // and without
	b.happened(Signal{Do: "open", Conv: lounge + "/"})
	drawn := regexp.MustCompile(`(?s)msg-author (tinted hue-\d+)"[^>]*>\s*<bdi>\s*([^<]*?)\s*</bdi>`).FindAllStringSubmatch(b.html(), -1)
	if len(drawn) != 7 {
		t.Fatalf("drawn are the names %q", drawn)
	}
	hue := func(i int) string { return drawn[i][1] }
	if hue(0) == hue(1) || hue(0) == hue(2) || hue(1) == hue(2) || hue(4) == hue(5) {
		t.Errorf("who looks alike has one colour: %q", drawn)
	}
	if hue(0) != hue(3) || hue(4) != hue(6) {
		t.Errorf("whoever is the same has two: %q", drawn)
	}
	if name := drawn[2][2]; name != "Grace" {
		t.Errorf("what cannot be seen stays in %q", name)
	}
}

// A room notifies of what the person has chosen; nothing else is counted, though it can be seen that
// there is something, and what was there before a choice is no news.
func TestNotices_Room(t *testing.T) {
	b := sit(t)
	n := &notices{model: &crowd{b, true}, teller: b, unread: map[state.ConvID]int{}, last: state.New(), told: map[state.ConvID]told{}}
	b.notices = "text"
	b.play(state.RoomWanted{Room: lounge}, entered())
	i := 0
	says := func(body string, want ...string) {
		t.Helper()
		i++
		b.play(state.MessageAdded{Conv: lounge + "/", Message: state.Message{ID: strconv.Itoa(i), Author: lounge + "/\x01g1", Nick: "grace",
			Body: body, At: noon, Named: strings.Contains(body, "Ada")}})
		if n.look(); !slices.Equal(b.heard, want) {
			t.Errorf("%s: %q, want %q", body, b.heard, want)
		}
		b.heard = nil
	}
	n.look()
	b.heard = nil
	const me = string(ada)
	says("good day")
	b.says(t, `aria-label="Unread"`)
	says("good day, Ada", me+"|lounge@rooms.example/|lounge|good day, Ada", me+" 1")
	b.says(t, " for you, 2 unread")
	says("and to you")
	b.did = nil
	b.happened(Signal{Do: "open", Conv: lounge + "/"})
	b.sig("details", "", "")
	b.says(t, `aria-label="Notify me of"`)
	b.sig("notify", "", "always")
	b.wants(t, "SetNotify{Room:lounge@rooms.example Notify:always}")
	b.play(state.NotifyChanged{Room: lounge, Notify: state.NotifyAll})
	if n.look(); !slices.Equal(b.heard, []string{me + " 3"}) {
		t.Errorf("all count: %q", b.heard)
	}
	b.heard = nil
	says("all", me+"|lounge@rooms.example/|lounge|all", me+" 4")
	b.play(state.NotifyChanged{Room: lounge, Notify: state.NotifyNone})
	if n.look(); !slices.Equal(b.heard, []string{"none from lounge@rooms.example/", me + " 0"}) {
		t.Errorf("none count: %q", b.heard)
	}
	b.heard = nil
	says("Ada, nothing")
	b.says(t, "row-muted")
	b.says(t, `<mark class="nick">`)
}

// Who writes in a room is named in its head and in the list, if they are few.
func TestRoom_Writers(t *testing.T) {
	b := sit(t)
	b.play(state.RoomWanted{Room: lounge}, entered())
	b.happened(Signal{Do: "open", Conv: lounge + "/"})
	for _, tc := range []struct{ nick, want string }{
		{"grace", "grace is typing"}, {"Emmy\u202e", "grace and Emmy are typing"}, {"Alan", "grace, Emmy and Alan are typing"}, {"Hedy", "Several people are typing"},
	} {
		b.play(state.TypingChanged{Conv: lounge + "/", Nick: tc.nick, Typing: true})
		b.says(t, tc.want)
		b.says(t, tc.want+"…")
	}
	b.play(state.WritersGone{Room: lounge})
	if strings.Contains(b.html(), "typing") {
		t.Error("nobody writes")
	}
}

// What the room calls somebody stands before what they may do there, and turns no text around.
func TestMemberWords_Hats(t *testing.T) {
	if got := memberWords(&state.Occupant{Nick: "grace", Hats: "Presen\u202eter, Host", Affiliation: state.Owner}); got != "Presenter, Host, owner" {
		t.Errorf("%q", got)
	}
}

// Whom a room keeps out because only members may enter may ask to become one, once, in the dialog and above the
// messages, and may still join.
func TestAskMembership(t *testing.T) {
	b := sit(t)
	b.play(state.RoomWanted{Room: lounge}, closed(state.MembersOnly, ""))
	b.sig("answer-room", lounge, "")
	b.says(t, "Ask to become a member")
	b.sig("ask-membership", lounge, "")
	b.wants(t, "BrowseRooms{}", "AskMembership{Room:lounge@rooms.example}")
	b.play(closed("asked", ""))
	b.saysNot(t, "Ask to become a member")
	b.says(t, "It is so. Do that.")

	b = in(t, state.Occupant{})
	b.play(closed(state.MembersOnly, ""))
	b.says(t, "Ask to become a member")
	b.says(t, "Join again")
	b.play(closed("asked", ""))
	b.saysNot(t, "Ask to become a member")
	b.says(t, "Join again")
}
