package view

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

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
	unread map[state.ConvID]int // what is unread of each conversation, none of them 0
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
	if n.last = s; old.SameChats(s) && old.Account() == s.Account() {
		return
	}
	known := old.Account() == s.Account()
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
				n.chat(s, c, known)
			}
		}
	} else {
		for c := range s.Chats {
			n.chat(s, c, known)
		}
	}
	if n.total != was || !known {
		n.teller.Count(string(s.Account()), n.total)
	}
}

// chat looks at one conversation. What was there when the account became known is no news.
func (n *notices) chat(s *state.State, c *state.Chat, known bool) {
	was := n.unread[c.Conv]
	n.total += c.Unread - was
	switch {
	case c.Unread == 0 && was == 0:
	case c.Unread == was:
		// What was told may have been corrected or taken back since.
		last := c.Timeline.Last()
		if t, ok := n.told[c.Conv]; ok && last != nil && last.Key == t.key && lineOf(s, last) != t.line && n.model.Unseen() {
			n.notify(s, c)
		}
	case c.Unread == 0:
		delete(n.unread, c.Conv)
		delete(n.told, c.Conv)
		n.teller.Unnotify(string(s.Account()), string(c.Conv))
	default:
		n.unread[c.Conv] = c.Unread
		if c.Unread > was && known && n.model.Unseen() && concerns(s, c, c.Unread-was) {
			n.notify(s, c)
		}
	}
}

// mostNamed is among how many new messages of a room one is looked for that names us.
const mostNamed = 100

// concerns reports whether the last messages of a conversation are for the person: in a room only
// those that name them.
func concerns(s *state.State, c *state.Chat, last int) bool {
	if c.Conv.Kind() != state.Groupchat {
		return true
	}
	r := s.Room(c.Conv.JID())
	return r != nil && slices.ContainsFunc(c.Timeline.Newest(min(last, mostNamed)), func(m *state.Message) bool {
		_, body := m.Said()
		return !m.Mine && names(body[:min(len(body), lineRead)], r.Nick)
	})
}

// names reports whether a text has a nick as a word, in whatever case.
func names(text, nick string) bool {
	text, nick = strings.ToLower(text), strings.ToLower(nick)
	if nick == "" {
		return false
	}
	part := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || r == '_' }
	for at := 0; ; {
		i := strings.Index(text[at:], nick)
		if i < 0 {
			return false
		}
		from := at + i
		at = from + len(nick)
		before, _ := utf8.DecodeLastRuneInString(text[:from])
		after, _ := utf8.DecodeRuneInString(text[at:])
		if !part(before) && !part(after) {
			return true
		}
	}
}

func (n *notices) notify(s *state.State, c *state.Chat) {
	chosen, last := n.teller.Notices(), c.Timeline.Last()
	if chosen != "on" && chosen != "text" || last == nil {
		return
	}
	words := "New message"
	if c.Unread > 1 {
		words = strconv.Itoa(c.Unread) + " new messages"
	}
	if chosen == "text" && !last.Mine {
		words = lineOf(s, last)
		n.told[c.Conv] = told{last.Key, words}
	}
	n.teller.Notify(string(s.Account()), string(c.Conv), plain(s.Name(c.Conv.JID())), words)
}

// lineOf is what a notification says of a message.
func lineOf(s *state.State, m *state.Message) string {
	return text.String(reading(s, m).line(lineShown))
}
