package view

import (
	"regexp"
	"strings"
	"testing"

	"natter/app/jid"
	"natter/app/state"
)

// in is a desk with the lounge open, in which the person is as given.
func in(t *testing.T, me state.Occupant, others ...state.Occupant) *bench {
	b := sit(t)
	me.Nick = "ada"
	b.play(state.RoomWanted{Room: lounge}, state.RoomEntered{Room: lounge, Nick: "ada", Occupants: append(others, me)}, state.RoomInside{Room: lounge})
	b.happened(Signal{Do: "open", Conv: lounge + "/"})
	b.sig("details", "", "")
	b.did = nil
	return b
}

func notDone(to state.Wish) state.Event {
	return state.RoomAnswered{Room: lounge, To: to, Problem: &state.Problem{Text: "It was not done.", Advice: "Nobody may."}}
}

// say sends a text from the lounge.
func (b *bench) say(text string) {
	b.settling = Settling{}
	b.happened(Signal{Do: doSend, Conv: lounge + "/", Text: text})
}

func (b *bench) saysNot(t *testing.T, what string) {
	t.Helper()
	if strings.Contains(b.html(), what) {
		t.Errorf("the page has %s", what)
	}
}

// Only who may is offered to change the subject. The dialog waits for the room, and says why it was not
// done.
func TestSubject(t *testing.T) {
	b := in(t, state.Occupant{Role: state.Participant})
	b.saysNot(t, "Change subject")
	b.say("/topic Cake")
	b.says(t, "Only moderators may change the subject")
	b.wants(t)
	b.play(state.RoomDescribed{Room: lounge, Info: state.RoomInfo{OpenSubject: true}})
	b.says(t, "Change subject")
	b.say("/topic Cake")
	b.wants(t, "ChangeSubject{Room:lounge@rooms.example Subject:Cake ID:}")
	b.play(notDone(state.NewSubject))
	b.says(t, "It was not done.")
	b.sig("heeded", lounge, "")
	b.saysNot(t, "It was not done.")

	b.play(state.SubjectChanged{Room: lounge, Subject: "Tea"})
	b.sig("subject", lounge, "")
	b.says(t, `value="Tea"`)
	b.sig("set-subject", lounge, " Milk ")
	b.sig("set-subject", lounge, " Milk ") // the second time it waits already
	b.wants(t, "ChangeSubject{Room:lounge@rooms.example Subject:Milk ID:}")
	b.says(t, "Waiting for the room…")
	b.play(notDone(state.NewNick)) // is about something else
	b.says(t, "Waiting for the room…")
	b.play(notDone(state.NewSubject))
	if b.dialog.fault != "It was not done. Nobody may." || b.dialog.wish != "" {
		t.Errorf("%+v", b.dialog)
	}
	b.sig("set-subject", lounge, "Milk")
	b.play(state.RoomAnswered{Room: lounge, To: state.NewSubject})
	b.wants(t, "ChangeSubject{Room:lounge@rooms.example Subject:Milk ID:}")
	if b.dialog.kind != "" {
		t.Errorf("%+v", b.dialog)
	}
	b.say("/topic")
	if b.dialog.kind != "subject" {
		t.Errorf("%+v", b.dialog)
	}
	b.sig("set-subject", lounge, "Tea") // as it is
	b.wants(t)
	if b.dialog.kind != "" {
		t.Errorf("%+v", b.dialog)
	}
}

func TestNick(t *testing.T) {
	b := in(t, state.Occupant{Role: state.Visitor})
	b.says(t, "Change nickname")
	b.say("/nick countess")
	b.wants(t, "ChangeNick{Room:lounge@rooms.example Nick:countess}")
	b.say("/nick")
	b.says(t, `value="ada"`)
	b.sig("set-nick", lounge, " ")
	if b.dialog.fault == "" {
		t.Error("nobody is called nothing")
	}
	b.sig("set-nick", lounge, "grace")
	b.wants(t, "ChangeNick{Room:lounge@rooms.example Nick:grace}")
	b.play(notDone(state.NewNick))
	if b.dialog.fault != "It was not done. Nobody may." {
		t.Errorf("%+v", b.dialog)
	}
	b.says(t, `value="ada"`) // the old one stays
	b.sig("set-nick", lounge, "hopper")
	b.play(state.NickChanged{Room: lounge, Nick: "hopper"}, state.RoomAnswered{Room: lounge, To: state.NewNick})
	if b.dialog.kind != "" {
		t.Errorf("%+v", b.dialog)
	}
}

// Where a room keeps nicks one is registered and given up, and is proposed first where another one is taken.
func TestRegister(t *testing.T) {
	b := in(t, state.Occupant{Role: state.Participant})
	b.saysNot(t, "Register a nickname")
	b.play(state.RoomDescribed{Room: lounge, Info: state.RoomInfo{Registers: true}})
	b.says(t, "Register a nickname")
	b.sig("register", lounge, "")
	b.saysNot(t, "Give it up")
	b.sig("set-register", lounge, " ")
	b.says(t, "Enter a nickname.")
	b.sig("set-register", lounge, " countess ")
	b.wants(t, "ReadNick{Room:lounge@rooms.example}", "RegisterNick{Room:lounge@rooms.example Nick:countess}")
	b.play(notDone(state.Registration))
	b.says(t, "It was not done. Nobody may.")
	b.sig("set-register", lounge, "countess")
	b.play(state.NickReserved{Room: lounge, Nick: "countess"}, state.RoomAnswered{Room: lounge, To: state.Registration})
	b.did = nil
	if b.dialog.kind != "" {
		t.Errorf("%+v", b.dialog)
	}
	b.sig("register", lounge, "")
	b.says(t, "Give it up")
	b.sig("unregister", lounge, "")
	b.wants(t, "ReadNick{Room:lounge@rooms.example}", "RegisterNick{Room:lounge@rooms.example Nick:}")
	b.play(state.RoomAnswered{Room: lounge, To: state.Registration}, closed("nick-taken", "nick"))
	b.sig("answer-room", lounge, "")
	b.says(t, `value="countess"`)
	b.play(state.NickReserved{Room: lounge})
	b.says(t, `value="ada2"`)
}

// The commands of rooms are none elsewhere, and say what is missing where the person is not in the room.
func TestInside_Commands(t *testing.T) {
	b := in(t, state.Occupant{Role: state.Moderator})
	b.receive(grace, "hello")
	b.sig("open", grace, "")
	b.did = nil
	b.sig("send", grace, "/topic Cake")
	b.says(t, "There is no command")
	b.wants(t)
	b.happened(Signal{Do: "open", Conv: lounge + "/"})
	b.play(closed("kicked", ""))
	b.did = nil
	b.say("/nick countess")
	b.says(t, "You are not in this room now.")
	b.wants(t)
	b.sig("nick", jid.JID("nowhere@rooms.example"), "")
	if b.dialog.kind != "" {
		t.Errorf("%+v", b.dialog)
	}
}

// Contacts are invited by choosing them, anybody by address; who is in the room already is not offered.
func TestInvite(t *testing.T) {
	b := in(t, state.Occupant{Role: state.Participant}, state.Occupant{Nick: "g", JID: grace})
	b.play(state.RosterLoaded{Items: []state.RosterItem{{JID: grace, Subscription: "both"}, {JID: alan, Name: "Alan", Subscription: "both"}}})
	b.sig("invite", lounge, "")
	shown := func() string { return strings.Join(dataJIDs(b.html(), doGuest), " ") }
	if got := shown(); got != alan {
		t.Errorf("offered %q", got)
	}
	b.sig("set-guests", lounge, "al")
	if b.dialog.fault == "" {
		t.Error("nobody is chosen")
	}
	b.sig("guest-text", "", "hedy@example.org")
	if got := shown(); got != "hedy@example.org" {
		t.Errorf("offered %q", got)
	}
	b.sig("guest", "hedy@example.org", "")
	b.sig("guest-text", "", "AL")
	b.sig("guest", alan, "")
	if got := shown(); got != "hedy@example.org "+alan {
		t.Errorf("offered %q", got)
	}
	b.says(t, "Send 2 invitations")
	b.sig("guest", "hedy@example.org", "")
	b.says(t, "Send invitation")
	b.happened(Signal{Do: doSetGuests, JID: lounge, Also: " tea "})
	b.wants(t, "Invite{Room:lounge@rooms.example Who:[alan@example.org] Reason:tea ID:}")
	b.play(state.RoomAnswered{Room: lounge, To: state.NewMember})
	if b.dialog.kind != "" {
		t.Errorf("%+v", b.dialog)
	}
	b.say("/invite alan")
	b.say("/invite hedy@example.org for tea")
	b.wants(t, "Invite{Room:lounge@rooms.example Who:[alan@example.org] Reason: ID:}", "Invite{Room:lounge@rooms.example Who:[hedy@example.org] Reason:for tea ID:}")
	b.say("/invite nobody at all")
	b.says(t, "Say whom")
	b.play(state.RoomDescribed{Room: lounge, Info: state.RoomInfo{MembersOnly: true}})
	b.say("/invite hedy@example.org")
	b.says(t, "You may not invite anybody")
	b.saysNot(t, ">Invite<")
	b.wants(t)
}

// dataJIDs are the addresses of what is drawn for a command.
func dataJIDs(html string, do Command) (all []string) {
	for _, element := range regexp.MustCompile(`<[^>]*data-do="`+string(do)+`"[^>]*>`).FindAllString(html, -1) {
		if m := regexp.MustCompile(`data-jid="([^"]*)"`).FindStringSubmatch(element); m != nil {
			all = append(all, m[1])
		}
	}
	return all
}

// The menu of a member has what one may do to them, and nothing else; each is asked for with a reason, waits
// for the room, and says why it was not done.
func TestMemberMenu(t *testing.T) {
	bob := state.Occupant{Nick: `bob "x"`, JID: "bob@example.org", Role: state.Participant}
	for _, tc := range []struct {
		me, other state.Occupant
		want      string
	}{
		{state.Occupant{Role: state.Participant}, bob, "Profile"},
		{state.Occupant{Role: state.Participant}, state.Occupant{Nick: bob.Nick}, ""},
		{state.Occupant{Role: state.Moderator}, bob, "Profile|Take voice away|Kick"},
		{state.Occupant{Role: state.Moderator}, state.Occupant{Nick: bob.Nick, Role: state.Visitor}, "Give voice|Kick"},
		{state.Occupant{Role: state.Moderator, Affiliation: state.Admin}, bob, "Profile|Take voice away|Make moderator|Make member|Kick|Ban"},
		{state.Occupant{Role: state.Moderator, Affiliation: state.Owner}, state.Occupant{Nick: bob.Nick, JID: bob.JID, Role: state.Moderator, Affiliation: state.Member},
			"Profile|Take voice away|Make participant|Take membership away|Make admin|Make owner|Kick|Ban"},
	} {
		b := in(t, tc.me, tc.other)
		more := strings.Contains(b.html(), `data-do="member-menu"`)
		b.sig("member-menu", "", bob.Nick)
		var items []string
		for _, m := range regexp.MustCompile(`(?s)role="menuitem".*?</svg>\s*(.*?)\s*</button>`).FindAllStringSubmatch(b.html(), -1) {
			items = append(items, regexp.MustCompile(`\s*\n\s*`).ReplaceAllString(m[1], ""))
		}
		if want := strings.TrimSuffix(`<span>Write to<bdi>bob &#34;x&#34;</bdi>alone</span>|`+tc.want, "|"); strings.Join(items, "|") != want || !more {
			t.Errorf("%+v to %+v: %q, want %q", tc.me, tc.other, items, want)
		}
	}

	b := in(t, state.Occupant{Role: state.Moderator, Affiliation: state.Owner}, bob)
	if n := strings.Count(b.html(), `data-do="member-menu"`); n != 1 {
		t.Errorf("%d of two rows have a menu", n)
	}
	b.happened(Signal{Do: doProfile, Conv: "bob@example.org"})
	if b.open != "bob@example.org" || !b.details {
		t.Errorf("open is %q", b.open)
	}
	b.happened(Signal{Do: doOpen, Conv: lounge + "/"})
	b.sig("details", "", "")
	b.did = nil
	b.sig("member-menu", "", bob.Nick)
	b.sig("menu-closed", "", bob.Nick)
	b.saysNot(t, `role="menuitem"`)
	b.sig("deed", lounge+`/bob "x"`, "kick")
	b.says(t, "Kick: bob")
	b.sig("set-deed", lounge, " rude ")
	b.wants(t, `ChangeRole{Room:lounge@rooms.example Nick:bob "x" Role:0 Reason:rude}`)
	b.play(notDone(state.NewRole))
	b.says(t, "It was not done. Nobody may.")
	b.sig("set-deed", lounge, "")
	b.play(state.OccupantLeft{Room: lounge, Nick: bob.Nick}, state.RoomAnswered{Room: lounge, To: state.NewRole})
	if b.dialog.kind != "" {
		t.Errorf("%+v", b.dialog)
	}
	b.did = nil
	b.sig("deed", lounge+`/bob "x"`, "ban") // who has left
	b.sig("deed", lounge+"/ada", "ban")     // oneself
	if b.dialog.kind != "" {
		t.Errorf("%+v", b.dialog)
	}
	b.play(state.OccupantChanged{Room: lounge, Occupant: bob})
	b.sig("deed", lounge+`/bob "x"`, "ban")
	b.play(state.OccupantLeft{Room: lounge, Nick: bob.Nick})
	b.sig("set-deed", lounge, "")
	b.wants(t)
	b.says(t, "no longer possible")
}

func TestKick(t *testing.T) {
	b := in(t, state.Occupant{Role: state.Moderator, Affiliation: state.Admin},
		state.Occupant{Nick: "bob", JID: "bob@example.org", Role: state.Participant}, state.Occupant{Nick: "bob the builder", Role: state.Participant},
		state.Occupant{Nick: "boss", JID: "boss@example.org", Role: state.Moderator, Affiliation: state.Owner})
	b.say("/kick bob the builder of walls")
	b.say("/kick @bob ")
	b.say("/ban bob")
	b.wants(t, "ChangeRole{Room:lounge@rooms.example Nick:bob the builder Role:0 Reason:of walls}",
		"ChangeRole{Room:lounge@rooms.example Nick:bob Role:0 Reason:}",
		"ChangeAffiliation{Room:lounge@rooms.example Who:bob@example.org Affiliation:1 Reason:}")
	for text, want := range map[string]string{"/kick": "Say whom", "/ban boss": "You may not do that", "/kick bo": "Nobody in this room"} {
		b.say(text)
		b.says(t, want)
	}
	b.wants(t)
}

// The settings of a room are those of its form: each kind of field is drawn, what is wrong is said beside it,
// and what is right is sent. A form that is too long says so.
func TestConfigure(t *testing.T) {
	b := in(t, state.Occupant{Role: state.Moderator, Affiliation: state.Admin})
	b.saysNot(t, "Room settings")
	b = in(t, state.Occupant{Role: state.Moderator, Affiliation: state.Owner})
	b.says(t, "Room settings")
	b.sig("configure", lounge, "")
	b.wants(t, "ReadRoomForm{Room:lounge@rooms.example}")
	b.says(t, "Waiting for the room…")
	b.play(notDone(state.NewForm))
	b.says(t, "It was not done. Nobody may.")
	options := []state.Option{{Value: "a", Label: "All"}, {Value: "m"}}
	b.play(state.RoomFormRead{Room: lounge, Form: &state.Form{More: 800, Fields: []state.Field{
		{Var: "FORM_TYPE", Type: "hidden", Values: []string{"x"}},
		{Type: "fixed", Values: []string{"About it"}},
		{Var: "name", Type: "text-single", Label: "Name", Required: true, Values: []string{"Tea"}},
		{Var: "closed", Type: "boolean", Label: "Closed", Values: []string{"true"}},
		{Var: "who", Type: "list-single", Values: []string{"m"}, Options: options},
		{Var: "whom", Type: "list-multi", Values: []string{"a"}, Options: options},
		{Var: "about", Type: "text-multi", Values: []string{"one", "two"}},
		{Var: "owners", Type: "jid-multi"},
	}}})
	if b.settling.Focus != "f2" {
		t.Errorf("the focus is on %q", b.settling.Focus)
	}
	for _, want := range []string{"About it", `value="Tea"`, "800 more settings", `name="f3"`, "<select", "<fieldset", `value="one`} {
		b.says(t, want)
	}
	b.sig("set-configuration", lounge, `[["f2"," "],["f4","king"],["f7","not an address"]]`)
	b.wants(t)
	for _, want := range []string{"This is needed.", "Choose one of these.", "not an address is no address"} {
		b.says(t, want)
	}
	b.sig("set-configuration", lounge, `[["f2"," Milk "],["f4","a"],["f5","a"],["f5","m"],["f6","one\r\n\r\nthree"],["f7","ada@example.org\nbob@example.org"]]`)
	b.wants(t, "ConfigureRoom{Room:lounge@rooms.example Fields:[{Var:name Values:[Milk]} {Var:closed Values:[0]} {Var:who Values:[a]} {Var:whom Values:[a m]} {Var:about Values:[one  three]} {Var:owners Values:[ada@example.org bob@example.org]}]}")
	b.saysNot(t, "This is needed.")
	b.play(state.RoomFormRead{Room: lounge}, state.RoomAnswered{Room: lounge, To: state.NewConfiguration})
	if b.dialog.kind != "" {
		t.Errorf("%+v", b.dialog)
	}
}

// Who closes the details goes on where they were opened.
func TestDetails_Closed(t *testing.T) {
	b := in(t, state.Occupant{Role: state.Participant})
	b.happened(Signal{Do: doKey, Text: "escape", Also: "details"})
	if b.details || b.settling.Focus != "chat-who" {
		t.Errorf("%v, the focus is on %q", b.details, b.settling.Focus)
	}
	b.sig("details", "", "")
	b.settling = Settling{}
	b.happened(Signal{Do: doKey, Text: "escape"}) // in the composer
	if b.details || b.settling.Focus != "" {
		t.Errorf("%v, the focus is on %q", b.details, b.settling.Focus)
	}
	b.sig("details", "", "")
	b.sig("leave", "", "")
	if b.details || b.settling.Focus != "chat-who" {
		t.Errorf("%v, the focus is on %q", b.details, b.settling.Focus)
	}
}

func TestDestroy(t *testing.T) {
	b := in(t, state.Occupant{Role: state.Moderator, Affiliation: state.Owner})
	b.sig("destroy", lounge, "")
	b.sig("set-destroy", lounge, " cold ")
	b.wants(t, "DestroyRoom{Room:lounge@rooms.example Reason:cold}")
	b.play(notDone(state.Destruction))
	b.says(t, "It was not done. Nobody may.")
	b.sig("set-destroy", lounge, "")
	b.play(state.RoomLeft{Room: lounge})
	if b.dialog.kind != "" || b.open != "" {
		t.Errorf("%+v, %s", b.dialog, b.open)
	}
}

// What changes in a room alone is drawn, and a presence that changes nothing to be seen draws nothing.
func TestRoomIsDrawnAnew(t *testing.T) {
	b := in(t, state.Occupant{Role: state.Participant})
	seen := func() string { return (&Root{desk: b.desk}).stage(0).(*chat).Room }
	for name, ev := range map[string]state.Event{
		"a subject": state.SubjectChanged{Room: lounge, Subject: "Cake"},
		"somebody":  state.OccupantChanged{Room: lounge, Occupant: state.Occupant{Nick: "grace"}},
		"a refusal": notDone(state.NewNick),
		"a kick":    closed("kicked", ""),
	} {
		b := in(t, state.Occupant{Role: state.Participant})
		before := (&Root{desk: b.desk}).stage(0).(*chat).Room
		if b.play(ev); (&Root{desk: b.desk}).stage(0).(*chat).Room == before {
			t.Errorf("%s is not drawn", name)
		}
	}
	b.play(state.RoomClosed{Room: lounge, Problem: &state.Problem{Text: "Only members may enter.", Advice: "Asking…"}})
	asking := seen()
	if b.play(state.RoomClosed{Room: lounge, Problem: &state.Problem{Text: "Only members may enter.", Advice: "It takes no requests."}}); seen() == asking {
		t.Error("what becomes of a request is not drawn")
	}
	b = in(t, state.Occupant{Role: state.Participant})
	before := seen()
	if b.play(state.OccupantChanged{Room: lounge, Occupant: state.Occupant{Nick: "ada", Role: state.Participant, Show: state.Away}}); seen() != before {
		t.Error("a presence is drawn")
	}
}

// What others ask of a room is decided one at a time; who can only listen asks to speak, once.
func TestAppeals(t *testing.T) {
	b := in(t, state.Occupant{Role: state.Moderator}, state.Occupant{Nick: "bob", Role: state.Visitor})
	b.saysNot(t, "Approve")
	b.play(state.Appealed{Room: lounge, Appeal: state.Appeal{Type: state.VoiceAppeal, Nick: "bob", JID: "bob@example.org"}},
		state.Appealed{Room: lounge, Appeal: state.Appeal{Type: state.MemberAppeal, Nick: "al x"}})
	for _, want := range []string{" asks to speak here.", "bob@example.org", "1 more after this."} {
		b.says(t, want)
	}
	b.sig("approve", lounge, state.VoiceAppeal+" bob")
	b.play(state.OccupantChanged{Room: lounge, Occupant: state.Occupant{Nick: "bob", Role: state.Participant}}) // that is an answer too
	b.says(t, " asks to become a member.")
	b.saysNot(t, "more after this")
	b.sig("deny", lounge, state.MemberAppeal+" al x")
	b.wants(t, "AnswerAppeal{Room:lounge@rooms.example Type:"+state.VoiceAppeal+" Nick:bob Allow:true}",
		"AnswerAppeal{Room:lounge@rooms.example Type:"+state.MemberAppeal+" Nick:al x Allow:false}")
	b.play(state.AppealAnswered{Room: lounge, Type: state.MemberAppeal, Nick: "al x"})
	b.saysNot(t, "Approve")

	b = in(t, state.Occupant{Role: state.Visitor})
	b.says(t, "You can only listen in this room.")
	b.sig("ask-voice", lounge, "")
	b.wants(t, "AskVoice{Room:lounge@rooms.example}")
	before := (&Root{desk: b.desk}).stage(0).(*chat).Room
	b.play(state.VoiceAsked{Room: lounge})
	b.says(t, "You have asked to speak here.")
	b.saysNot(t, "Ask to speak")
	if (&Root{desk: b.desk}).stage(0).(*chat).Room == before {
		t.Error("it is not drawn")
	}
	b.play(notDone(state.Voice))
	b.says(t, "Ask to speak")
	b.play(state.VoiceAsked{Room: lounge}, state.OccupantChanged{Room: lounge, Occupant: state.Occupant{Nick: "ada", Role: state.Participant}})
	b.saysNot(t, "You have asked")
	b.play(state.OccupantChanged{Room: lounge, Occupant: state.Occupant{Nick: "ada", Role: state.Visitor}})
	b.says(t, "Ask to speak")
}
