package view

import (
	"strconv"
	"strings"
	"testing"

	"natter/app/jid"
	"natter/app/state"
)

// An @ offers who is in the room: those first who have spoken last, never ourselves, and of those who
// look alike one; however many there are, few are offered. Elsewhere there is nobody to offer.
func TestComplete_People(t *testing.T) {
	b := sit(t)
	all := []state.Occupant{{Nick: "ada", ID: "a1"}, {Nick: "Grace", ID: "g1"}, {Nick: "Greta", ID: "g2", Role: state.Moderator},
		{Nick: "Emmy von Graph", ID: "e1"}, {Nick: "\u200b", ID: "u1"}, {Nick: "Grace\u200b", ID: "x1"}}
	for i := range 10_000 {
		all = append(all, state.Occupant{Nick: "visitor " + strconv.Itoa(i), ID: strconv.Itoa(i)})
	}
	b.play(state.RoomWanted{Room: lounge}, state.RoomDescribed{Room: lounge, Info: state.RoomInfo{OccupantIDs: true}},
		state.RoomEntered{Room: lounge, Nick: "ada", Self: "a1", Occupants: all},
		state.MessageAdded{Conv: lounge + "/", Message: state.Message{ID: "1", Author: lounge + "/\x01e1", Nick: "Emmy von Graph", Body: "good day", At: noon}},
		state.MessageAdded{Conv: lounge + "/", Message: state.Message{ID: "2", Author: lounge + "/\x01was", Nick: "Greta", Body: "this was another Greta", At: noon}})
	b.happened(Signal{Do: "open", Conv: lounge + "/"})
	offered := func(typed string) (names []string) {
		b.happened(Signal{Do: doComplete, Text: typed})
		for _, c := range b.completing.found {
			names = append(names, c.name)
		}
		return names
	}
	if got := strings.Join(offered("@gr"), "|"); got != "Emmy von Graph|Greta|Grace" {
		t.Errorf("offered %s", got)
	}
	b.says(t, `aria-label="People"`)
	if b.news != "3 people" {
		t.Errorf("screen readers hear %q", b.news)
	}
	b.happened(Signal{Do: doCompleteMove, Number: -1})
	b.happened(Signal{Do: doCompleteTake})
	if b.settling.Insert != "@Grace " || !b.settling.Over || b.picks != "" {
		t.Errorf("%+v, kept %q", b.settling, b.picks)
	}
	if got := offered("@"); len(got) != mostCompletions {
		t.Errorf("offered %q", got)
	}
	if got := offered("@ada"); len(got) > 0 {
		t.Errorf("offered %q", got)
	}
	b.play(state.MessageAdded{Conv: state.Direct.With(jid.JID(grace)), Message: state.Message{ID: "1", Author: grace, Body: "hi", At: noon}})
	b.happened(Signal{Do: "open", Conv: grace})
	if got := offered("@"); len(got) > 0 {
		t.Errorf("offered %q", got)
	}
}

// A slash offers the commands that the open conversation has and that it would carry out; one that is
// written to its end is left to Enter.
func TestComplete_Slash(t *testing.T) {
	b := in(t, state.Occupant{Role: state.Participant}, state.Occupant{Nick: "Grace"})
	offered := func(typed string) string {
		b.happened(Signal{Do: doComplete, Text: typed})
		var names []string
		for _, c := range b.completing.found {
			if c.help == "" {
				t.Errorf("%s has no help", c.name)
			}
			names = append(names, c.name)
		}
		return strings.Join(names, " ")
	}
	if got := offered("/"); got != "/me /nick /invite /join /leave" {
		t.Errorf("offered %s", got)
	}
	b.says(t, `aria-label="Commands"`)
	b.says(t, "Leave this room")
	if b.news != "5 commands" {
		t.Errorf("screen readers hear %q", b.news)
	}
	if got := offered("/n"); got != "/nick" {
		t.Errorf("offered %s", got)
	}
	b.happened(Signal{Do: doCompleteTake})
	if b.settling.Insert != "/nick " || !b.settling.Over {
		t.Errorf("%+v", b.settling)
	}
	for _, typed := range []string{"/nick", "/topic", "/x"} {
		if got := offered(typed); got != "" {
			t.Errorf("for %s %s is offered", typed, got)
		}
	}
	b.play(state.OccupantChanged{Room: lounge, Occupant: state.Occupant{Nick: "ada", Role: state.Moderator}})
	if got := offered("/"); !strings.Contains(got, "/kick") || strings.Contains(got, "/ban") {
		t.Errorf("a moderator who is no admin is offered %s", got)
	}
	b.play(state.OccupantChanged{Room: lounge, Occupant: state.Occupant{Nick: "ada", Role: state.Moderator, Affiliation: state.Admin}})
	if got := offered("/"); got != "/me /topic /nick /invite /kick /ban /join /leave" {
		t.Errorf("offered %s", got)
	}
	b.receive(grace, "hello")
	b.sig("open", grace, "")
	if got := offered("/"); got != "/me /join" {
		t.Errorf("offered %s", got)
	}
}
