package state

import "natter/app/jid"

// ReadOriginal asks for the XML of a message. The stanza as it came is not kept: the archive has it. What
// comes of this is State.Original; with the zero ReadOriginal the person wants to see none any more.
type ReadOriginal struct {
	Conv      ConvID  `json:"conv"`
	Author    jid.JID `json:"author,omitempty"` // Message.Author, and so on
	ID        string  `json:"id,omitempty"`
	ArchiveID string  `json:"archive,omitempty"`
}

// Original is the XML of a message, and how asking for it goes. It does not change.
type Original struct {
	ReadOriginal
	Loading bool   `json:"loading,omitempty"`
	XML     string `json:"xml,omitempty"`
	Cut     bool   `json:"cut,omitempty"`     // there is more
	Problem string `json:"problem,omitempty"` // one sentence if there is none
}

// MostOriginal is how much of the XML of a message is shown, in bytes.
const MostOriginal = 64 << 10

// OriginalRead: this is how asking for the XML of a message goes.
type OriginalRead struct{ Original *Original }

func (ev OriginalRead) apply(s *State) { s.Original = ev.Original }

// original is an Original as a row.
type original struct{ Original }

func (*original) Where() (table, key string) { return "original", "" }
func (*original) drop(s *State)              { s.Original = nil }

func (o *original) put(s *State) {
	read := o.Original
	s.Original = &read
}

func changedOriginal(d *difference, put, drop func(Value)) {
	switch is := d.after.Original; {
	case is == d.before.Original:
	case is == nil:
		drop(&original{})
	default:
		put(&original{*is})
	}
}
