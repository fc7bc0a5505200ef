package view

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"time"

	"natter/app/jid"
	"natter/app/state"
)

// item is a row of the list: what its place there depends on, and no more. The rest is looked
// up for those rows that are drawn.
type item struct {
	conv state.ConvID
	name string
	low  string // the name in lower case
	chat bool   // there is a conversation
	last int64  // when something was said in it
}

// contact is the person whom a conversation is with, nil if they are none or it is with others.
func contact(s *state.State, conv state.ConvID) *state.Contact {
	if conv.Kind() != state.Direct {
		return nil
	}
	return s.Contact(conv.JID())
}

// itemOf is the row of somebody. ok is false if they have none. What is of after ahead was
// dated by a wrong clock: it does not keep a conversation above all others until then.
func itemOf(s *state.State, conv state.ConvID, ahead time.Time) (it item, ok bool) {
	chat := s.Chat(conv)
	if chat == nil && !contact(s, conv).Listed() || conv.Kind() != state.Direct && s.Room(conv.JID()) == nil {
		return item{}, false
	}
	it = item{conv: conv, name: s.Title(conv), chat: chat != nil}
	it.low = strings.ToLower(it.name)
	if chat != nil {
		if last := chat.Timeline.Last(); last != nil && last.At.After(ahead) {
			it.last = before(chat, ahead)
		} else if last != nil {
			it.last = last.At.UnixMicro()
		}
	}
	return it, true
}

// before is when something was said last in a conversation before a time, 0 if that is long ago.
func before(c *state.Chat, ahead time.Time) int64 {
	for _, m := range slices.Backward(c.Timeline.Newest(fresh)) {
		if !m.At.After(ahead) {
			return m.At.UnixMicro()
		}
	}
	return 0
}

// order puts conversations first, the latest first, then the contacts there is no
// conversation with, by name.
func (it *item) order(o *item) int {
	switch {
	case it.chat != o.chat && it.chat:
		return -1
	case it.chat != o.chat:
		return 1
	case it.chat:
		return cmp.Or(-cmp.Compare(it.last, o.last), cmp.Compare(it.conv, o.conv))
	}
	return cmp.Or(cmp.Compare(it.low, o.low), cmp.Compare(it.conv, o.conv))
}

func (it *item) jid() jid.JID { return it.conv.JID() }

// matches reports whether the row has what was typed, in lower case.
func (it *item) matches(wanted string) bool {
	return strings.Contains(it.low, wanted) || strings.Contains(strings.ToLower(string(it.jid())+" "+it.jid().Shown()), wanted)
}

// wrong is how far ahead of now a date is that no clock has told that is about right.
const wrong = 30 * time.Minute

// listed is the list of a state in order, and those of it who match a filter. From one state
// to the next only the rows of those who have changed are moved: what one message or one
// presence costs does not depend on how many people there are.
type listed struct {
	s      *state.State
	ahead  time.Time // see itemOf
	all    []item
	wanted string
	found  []item // of all, nil if it is to be looked for
}

// items are the rows that match what was typed, in order. They are good until the next call.
func (d *desk) items(typed string) []item {
	l := &d.listed
	if l.s != d.s {
		ahead := d.s.Now(d.now()).Add(wrong)
		if ahead.Sub(l.ahead).Abs() > wrong/2 {
			l.s, l.ahead = nil, ahead // another time, or another clock
		}
		if !l.follow(d.s) {
			l.collect(d.s)
		}
		l.s = d.s
	}
	wanted := strings.ToLower(strings.TrimSpace(typed))
	if wanted == "" {
		return l.all
	}
	if l.found == nil || l.wanted != wanted {
		l.wanted, l.found = wanted, []item{}
		for i := range l.all {
			if l.all[i].matches(wanted) {
				l.found = append(l.found, l.all[i])
			}
		}
	}
	return l.found
}

func (l *listed) collect(s *state.State) {
	l.all, l.found = nil, nil
	for c := range s.Chats {
		if it, ok := itemOf(s, c.Conv, l.ahead); ok {
			l.all = append(l.all, it)
		}
	}
	for c := range s.Contacts {
		if it, ok := itemOf(s, state.Direct.With(c.JID), l.ahead); ok && !it.chat {
			l.all = append(l.all, it)
		}
	}
	sort.Slice(l.all, func(i, j int) bool { return l.all[i].order(&l.all[j]) < 0 })
}

// fewChanges is how many rows are moved one by one before it is cheaper to begin anew.
const fewChanges = 50

// follow moves the rows of those who have changed since the state the list is of. It reports
// whether it could.
func (l *listed) follow(s *state.State) bool {
	if l.s == nil || s.Rev < l.s.Rev {
		return false
	}
	convs, contacts := s.ChatsSince(l.s), s.ContactsSince(l.s)
	if len(convs)+len(contacts) > fewChanges {
		return false
	}
	for _, j := range contacts {
		convs = append(convs, state.Direct.With(j))
	}
	for _, j := range s.RoomsSince(l.s) {
		convs = append(append(convs, state.Groupchat.With(j)), s.Privates(j)...)
	}
	for _, conv := range convs {
		was, had := itemOf(l.s, conv, l.ahead)
		now, has := itemOf(s, conv, l.ahead)
		if was == now {
			continue
		}
		if at, there := l.find(&was); had && there {
			l.all = slices.Delete(l.all, at, at+1)
		}
		if at, there := l.find(&now); has && !there {
			l.all = slices.Insert(l.all, at, now)
		}
		l.found = nil
	}
	return true
}

// find returns where a row stands or would stand, and whether it is there.
func (l *listed) find(it *item) (at int, there bool) {
	at = sort.Search(len(l.all), func(i int) bool { return l.all[i].order(it) >= 0 })
	return at, at < len(l.all) && l.all[at] == *it
}
