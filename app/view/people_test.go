package view

import (
	"strings"
	"testing"

	"natter/app/state"
)

// The lists of a room are those that the person may see; in them is added and taken out what they may give.
// The dialog stays, and says what was not done, with all as it was.
func TestPeople(t *testing.T) {
	for _, tc := range []struct {
		me   state.Occupant
		want string
	}{
		{state.Occupant{Role: state.Participant}, ""},
		{state.Occupant{Role: state.Participant, Affiliation: state.Member}, "Members"},
		{state.Occupant{Role: state.Moderator, Affiliation: state.Admin}, "Members Banned"},
		{state.Occupant{Role: state.Moderator, Affiliation: state.Owner}, "Members Admins Owners Banned"},
	} {
		b := in(t, tc.me)
		b.play(state.RoomDescribed{Room: lounge, Info: state.RoomInfo{MembersOnly: true, ShowsAddresses: true}})
		b.sig("people", lounge, "")
		var shown []string
		for _, l := range lists {
			if b.dialog.kind == "people" && strings.Contains(b.html(), ">"+l.name+"</button>") {
				shown = append(shown, l.name)
			}
		}
		if got := strings.Join(shown, " "); got != tc.want {
			t.Errorf("%+v sees %q", tc.me, got)
		}
	}

	b := in(t, state.Occupant{Role: state.Moderator, Affiliation: state.Admin})
	b.sig("people", lounge, "")
	b.sig("read-people", lounge, "3")
	b.wants(t, "ReadPeople{Room:lounge@rooms.example Of:2}", "ReadPeople{Room:lounge@rooms.example Of:1}")
	b.says(t, "Asking the room…")
	b.play(state.PeopleRead{Room: lounge, People: &state.People{Of: state.Outcast, Persons: []state.Person{{JID: alan, Reason: "No\u202emoths"}, {JID: grace}}}})
	b.says(t, "Nomoths")
	b.sig("add-person", lounge, "nobody")
	b.says(t, "Enter an address.")
	b.happened(Signal{Do: doAddPerson, JID: lounge, Text: "hedy@example.org", Also: " spam "})
	b.sig("take-person", grace, "") // waits for the other
	b.wants(t, "ChangeAffiliation{Room:lounge@rooms.example Who:hedy@example.org Affiliation:1 Reason:spam}")
	b.play(notDone(state.NewAffiliation))
	b.says(t, "It was not done. Nobody may.")
	b.sig("take-person", grace, "")
	b.wants(t, "ChangeAffiliation{Room:lounge@rooms.example Who:grace@example.org Affiliation:0 Reason:}")
	b.play(state.AffiliationGiven{Room: lounge, Who: grace}, state.RoomAnswered{Room: lounge, To: state.NewAffiliation})
	if got := strings.Join(dataJIDs(b.html(), doTakePerson), " "); got != alan || b.dialog.kind != "people" || b.dialog.wish != "" {
		t.Errorf("there is %q, with %+v", got, b.dialog)
	}
	b.play(state.AffiliationGiven{Room: lounge, Who: grace, Affiliation: state.Outcast})
	if got := strings.Join(dataJIDs(b.html(), doTakePerson), " "); got != alan+" "+grace {
		t.Errorf("there is %q", got)
	}
	b.play(state.PeopleRead{Room: lounge, People: &state.People{Of: state.Outcast, Problem: &state.Problem{Text: "It does not tell.", Advice: "So it is."}}})
	b.says(t, "It does not tell. So it is.")
}
