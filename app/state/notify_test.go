package state

import "testing"

// A nick is found as a whole word, in upper or lower case, even if lower case has another length.
func TestNames(t *testing.T) {
	for _, tc := range []struct {
		text, nick, want string
	}{
		{"Ada, come here", "ada", "Ada"}, {"hi @ada", "ada", "ada"}, {"adage", "ada", ""}, {"Granada", "ada", ""},
		{"granada ADA", "ada", "ADA"}, {"", "ada", ""}, {"anything", "", ""}, {"any thing", " ", ""}, {"هل أنت هنا يا محمد؟", "محمد", "محمد"},
		{"ada_lovelace", "ada", ""}, {"İİ \xff ada!", "Ada", "ada"}, {"hello İda", "İda", "İda"}, {"Ada L. is", "ada l.", "Ada L."},
	} {
		from, to, ok := Names(tc.text, tc.nick)
		if got := tc.text[from:to]; got != tc.want || ok != (tc.want != "") {
			t.Errorf("%q has %q: %q", tc.text, tc.nick, got)
		}
	}
}

// Unread messages that name the person are counted, live and from an archive, until they are read. Which messages
// of a room count depends on what the person has chosen, else on the kind of the room.
func TestCounted(t *testing.T) {
	const lounge = "lounge@rooms.localhost"
	conv := Groupchat.With(lounge)
	message := func(id string, named bool) Message {
		return Message{ID: id, ArchiveID: "a" + id, Author: lounge + "/\x01g", Nick: "grace", Body: id, At: noon, Named: named}
	}
	s := signedIn().With(RoomWanted{Room: lounge}).With(RoomEntered{Room: lounge, Nick: "ada", Self: "a"})
	counted := func(unread, named int, all ...Notify) {
		t.Helper()
		if c := s.Chat(conv); c.Unread != unread || c.Named != named {
			t.Errorf("%d unread, %d name us; want %d, %d", c.Unread, c.Named, unread, named)
		}
		for _, chosen := range all {
			want := map[Notify]int{"": named, NotifyNamed: named, NotifyAll: unread, NotifyNone: 0}[chosen]
			if got := s.With(NotifyChanged{lounge, chosen}).Counted(s.Chat(conv)); got != want {
				t.Errorf("%q counts %d, want %d", chosen, got, want)
			}
		}
	}
	for _, m := range []Message{message("1", false), message("2", true), message("3", false)} {
		s = s.With(MessageAdded{Conv: conv, Message: m})
	}
	counted(3, 1, "", NotifyAll, NotifyNamed, NotifyNone)
	private := s.With(RoomDescribed{Room: lounge, Info: RoomInfo{MembersOnly: true}})
	if got := private.Counted(s.Chat(conv)); got != 3 {
		t.Errorf("a private group counts %d", got)
	}
	s = s.With(ArchivePage{Conv: conv, Messages: []Message{message("4", true), message("5", false)}, Unread: true})
	counted(5, 2)
	read := func(id string) {
		s = s.With(Filed{Target: Target{Conv: conv, Author: lounge + "/\x01g", ID: id}, Fact: Fact{Kind: ReadMark, By: ada}})
	}
	read("2")
	counted(3, 1)
	if kept := restored(t, s, 10); kept.Chat(conv).Named != 1 || !kept.Chat(conv).Timeline.Get(s.Chat(conv).Timeline.ByID(lounge+"/\x01g", "4").Key).Named {
		t.Error("it is not kept")
	}
	s = s.With(ChatRead{conv})
	counted(0, 0)
	s = s.With(MessageAdded{Conv: conv, Message: message("6", true)})
	counted(1, 1)
	s = s.With(MessageAdded{Conv: conv, Message: mine("7", "here", 0)})
	counted(0, 0)
}
