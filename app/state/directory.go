package state

import "natter/app/jid"

// Directory is a list of the rooms of the server. A Directory never changes.
type Directory struct {
	Service jid.JID  `json:"service,omitempty"` // where new rooms are created, "" if unknown
	Rooms   []Listed `json:"rooms,omitempty"`   // in the order of the server
	Loading bool     `json:"loading,omitempty"`
	Problem string   `json:"problem,omitempty"` // one sentence if there is no list
}

// Listed is a room that can be entered.
type Listed struct {
	JID  jid.JID `json:"jid"`
	Name string  `json:"name,omitempty"` // as the server says it
}

// MostListed bounds the rooms in a Directory.
const MostListed = 2000

// DirectoryRead: the list of the rooms of the server has changed, or is being loaded.
type DirectoryRead struct{ Directory *Directory }

func (ev DirectoryRead) apply(s *State) { s.Directory = ev.Directory }

// listing is the Directory as a row.
type listing struct{ Directory }

func (*listing) Where() (table, key string) { return "directory", "" }
func (*listing) drop(s *State)              { s.Directory = nil }

func (l *listing) put(s *State) {
	read := l.Directory
	s.Directory = &read
}

func changedDirectory(d *difference, put, _ func(Value)) {
	if is := d.after.Directory; is != nil && is != d.before.Directory {
		put(&listing{*is})
	}
}
