package state

import "natter/app/jid"

// latest remembers which rows of a table were changed last, so that whoever keeps up with
// it need not look at all of them.
type latest struct {
	last    *touch
	dropped uint64 // what was changed at this revision or before is not remembered
}

type touch struct {
	key    jid.JID
	rev    uint64
	length int // of the list that ends here
	before *touch
}

// mostLatest is how many changes are remembered.
const mostLatest = 512

func (l latest) with(key jid.JID, rev uint64) latest {
	length := 1
	if l.last != nil {
		if length = l.last.length + 1; length > mostLatest {
			return latest{&touch{key, rev, 1, nil}, l.last.rev}
		}
	}
	l.last = &touch{key, rev, length, l.last}
	return l
}

// since returns the keys of all rows that were changed after a revision, each once. ok is
// false if that is not known any more.
func (l latest) since(rev uint64) (keys []jid.JID, ok bool) {
	if rev < l.dropped {
		return nil, false
	}
	var seen map[jid.JID]bool
	for t := l.last; t != nil && t.rev > rev; t = t.before {
		if len(keys) == 1 && seen == nil {
			seen = map[jid.JID]bool{keys[0]: true}
		}
		if !seen[t.key] {
			keys = append(keys, t.key)
			if seen != nil {
				seen[t.key] = true
			}
		}
	}
	return keys, true
}

// ContactsSince returns the addresses of the contacts that are new, different or gone since
// a revision of this state's past. It costs what has changed. ok is false if it was too
// much: then all have to be looked at.
func (s *State) ContactsSince(rev uint64) (changed []jid.JID, ok bool) {
	return s.lastContacts.since(rev)
}

// ChatsSince is ContactsSince for the conversations.
func (s *State) ChatsSince(rev uint64) (changed []jid.JID, ok bool) { return s.lastChats.since(rev) }

// allNew forgets what was changed: all may be different.
func (s *State) allNew() {
	s.lastContacts, s.lastChats = latest{dropped: s.Rev}, latest{dropped: s.Rev}
}
