package view

import (
	"slices"
	"strconv"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/text"
)

// Teller is what the browser does to tell somebody who does not look at the page.
type Teller interface {
	// Count shows how many messages of an account have not been read, in the title of the
	// page and on the icon of the app.
	Count(account string, n int)
	// Notices is what the person wants to be told of while no page of Natter can be seen:
	// "" for nothing, "on" for from whom there is something, "text" for what it is as well. It
	// is "none" where the browser cannot tell them, and "refused" where it may not.
	Notices() string
	// Notify tells them, in place of what they were told of this conversation before.
	Notify(account, conv, title, text string)
	// Unnotify takes back what they were told of a conversation.
	Unnotify(account, conv string)
}

// Crowd is a Model that knows of the other pages of its account. *client.Client is one.
type Crowd interface {
	Model
	// Unseen reports whether no page of the account can be seen, and this is the one that
	// speaks for them. Only what Watch calls may ask.
	Unseen() bool
}

// Notices keeps the count of what has not been read up to date, and tells of what comes
// while nobody looks. It does not wait for a page to be drawn: one that cannot be seen is
// drawn late.
func Notices(model Crowd, t Teller) (stop func()) {
	n := &notices{model: model, teller: t, unread: map[state.ConvID]int{}, last: state.New(), told: map[state.ConvID]told{}}
	return model.Watch(n.look)
}

type notices struct {
	model  Crowd
	teller Teller
	last   *state.State
	unread map[state.ConvID]int // how many are counted of each conversation, none of them 0
	total  int
	told   map[state.ConvID]told // what was told last of each, with text
}

// told is a message, and what was told of it.
type told struct {
	key  state.Key
	line string
}

func (n *notices) look() {
	old, s := n.last, n.model.State()
	known := old.Account() == s.Account()
	var rooms []jid.JID // in which the person may want to be told of other messages now
	if known {
		rooms = s.RoomsSince(old)
	}
	if n.last = s; known && old.SameChats(s) && len(rooms) == 0 {
		return
	}
	if !known {
		for conv := range n.unread {
			n.teller.Unnotify(string(old.Account()), string(conv))
		}
		clear(n.unread)
		clear(n.told)
		n.total = 0
	}
	was := n.total
	if known {
		for _, conv := range s.ChatsSince(old) {
			if c := s.Chat(conv); c != nil {
				n.chat(old, s, c)
			}
		}
		for _, room := range rooms {
			if c := s.Chat(state.Groupchat.With(room)); c != nil {
				n.chat(old, s, c)
			}
		}
	} else {
		for c := range s.Chats {
			n.chat(old, s, c)
		}
	}
	if n.total != was || !known {
		n.teller.Count(string(s.Account()), n.total)
	}
}

// chat looks at one conversation. What was there when the account became known is no news, and what is
// counted from now on, but has come before, neither.
func (n *notices) chat(old, s *state.State, c *state.Chat) {
	was, now := n.unread[c.Conv], s.Counted(c)
	n.total += now - was
	switch {
	case now == 0 && was == 0:
	case now == was:
		// What was told may have been corrected or taken back since.
		last := newest(s, c)
		if t, ok := n.told[c.Conv]; ok && last != nil && last.Key == t.key && lineOf(s, last) != t.line && n.model.Unseen() {
			n.notify(s, c)
		}
	case now == 0:
		delete(n.unread, c.Conv)
		delete(n.told, c.Conv)
		n.teller.Unnotify(string(s.Account()), string(c.Conv))
	default:
		n.unread[c.Conv] = now
		before := old.Chat(c.Conv)
		came := before == nil || before.Unread < c.Unread
		if now > was && came && old.Account() == s.Account() && n.model.Unseen() {
			n.notify(s, c)
		}
	}
}

// mostNamed is among how many new messages of a room the last one is looked for that names us.
const mostNamed = 100

// newest returns the last message of a conversation that the person is told of.
func newest(s *state.State, c *state.Chat) *state.Message {
	if r := s.Room(c.Conv.JID()); c.Conv.Kind() == state.Groupchat && r != nil && r.Tells() == state.NotifyNamed {
		for _, m := range slices.Backward(c.Timeline.Newest(mostNamed)) {
			if m.Named {
				return m
			}
		}
	}
	return c.Timeline.Last()
}

func (n *notices) notify(s *state.State, c *state.Chat) {
	chosen, last := n.teller.Notices(), newest(s, c)
	if chosen != "on" && chosen != "text" || last == nil {
		return
	}
	words := "New message"
	if count := s.Counted(c); count > 1 {
		words = strconv.Itoa(count) + " new messages"
	}
	if chosen == "text" && !last.Mine {
		words = lineOf(s, last)
		n.told[c.Conv] = told{last.Key, words}
	}
	n.teller.Notify(string(s.Account()), string(c.Conv), plain(s.Title(c.Conv)), words)
}

// lineOf is what a notification says of a message.
func lineOf(s *state.State, m *state.Message) string {
	return text.String(reading(s, m).line(lineShown))
}
