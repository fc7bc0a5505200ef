package state

import (
	"fmt"
	"strings"
	"testing"
)

// The tables of XEP-0045 §5.1.1 and §5.2.1 say which roles and affiliations an occupant may give.
func TestMay(t *testing.T) {
	const lounge = "lounge@rooms.example"
	roles := []Role{NoRole, Visitor, Participant, Moderator}
	affiliations := []Affiliation{NoAffiliation, Outcast, Member, Admin, Owner}
	names := map[bool]string{true: "x", false: "-"}
	for _, tc := range []struct {
		me, other Occupant
		want      string // role none, visitor, participant, moderator; affiliation none, outcast, member, admin, owner
	}{
		{Occupant{Role: Participant}, Occupant{Role: Participant}, "---- -----"},
		{Occupant{Role: Participant, Affiliation: Member}, Occupant{Role: Visitor}, "---- -----"},
		{Occupant{Role: Moderator}, Occupant{Role: Visitor}, "x-x- -----"},
		{Occupant{Role: Moderator}, Occupant{Role: Participant}, "xx-- -----"},
		{Occupant{Role: Moderator}, Occupant{Role: Participant, Affiliation: Member}, "---- -----"},
		{Occupant{Role: Moderator}, Occupant{Role: Moderator, Affiliation: Admin}, "---- -----"},
		{Occupant{Role: Moderator, Affiliation: Admin}, Occupant{Role: Participant}, "xx-x -xx--"},
		{Occupant{Role: Moderator, Affiliation: Admin}, Occupant{Role: Moderator, Affiliation: Member}, "xxx- xx---"},
		{Occupant{Role: Moderator, Affiliation: Admin}, Occupant{Role: Moderator, Affiliation: Admin}, "---- -----"},
		{Occupant{Role: Moderator, Affiliation: Admin}, Occupant{Role: Moderator, Affiliation: Owner}, "---- -----"},
		{Occupant{Role: Moderator, Affiliation: Owner}, Occupant{Role: Participant}, "xx-x -xxxx"},
		{Occupant{Role: Moderator, Affiliation: Owner}, Occupant{Role: Moderator, Affiliation: Admin}, "x--- xxx-x"},
		{Occupant{Role: Moderator, Affiliation: Owner}, Occupant{Role: Moderator, Affiliation: Owner}, "---- x-xx-"},
	} {
		tc.me.Nick, tc.me.JID, tc.other.Nick, tc.other.JID = "ada", "ada@example.org", "bob", "bob@example.org"
		s := New().With(RoomWanted{Room: lounge}).With(RoomEntered{Room: lounge, Nick: "ada", Occupants: []Occupant{tc.me, tc.other}})
		r := s.Room(lounge)
		may := func(o *Occupant) string {
			var got strings.Builder
			for _, role := range roles {
				got.WriteString(names[r.MayGive(o, role)])
			}
			got.WriteByte(' ')
			for _, a := range affiliations {
				got.WriteString(names[r.MayMake(o, a)])
			}
			return got.String()
		}
		if got := may(&tc.other); got != tc.want {
			t.Errorf("%+v to %+v: %s, want %s", tc.me, tc.other, got, tc.want)
		}
		if got := may(&tc.me); got != "---- -----" {
			t.Errorf("%+v to themselves: %s", tc.me, got)
		}
		tc.other.JID = ""
		if got := may(&tc.other); !strings.HasSuffix(got, " -----") {
			t.Errorf("%+v to somebody without an address: %s", tc.me, got)
		}
		if got := fmt.Sprint(s.With(RoomClosed{Room: lounge}).Room(lounge).MayGive(&tc.other, NoRole)); got != "false" {
			t.Error("from outside")
		}
	}
}
