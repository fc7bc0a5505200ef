package state

import "natter/app/jid"

// ReadOriginal requests the XML of a message from the archive, because this device does not keep it. The result is
// State.Original. The zero ReadOriginal ends this.
type ReadOriginal struct {
	Conv      ConvID  `json:"conv"`
	Author    jid.JID `json:"author,omitempty"` // Author, ID and ArchiveID of the Message
	ID        string  `json:"id,omitempty"`
	ArchiveID string  `json:"archive,omitempty"`
}

// Original is the XML of a message, and how far its request is. An Original never changes.
type Original struct {
	ReadOriginal
	Loading bool   `json:"loading,omitempty"`
	XML     string `json:"xml,omitempty"`
	Cut     bool   `json:"cut,omitempty"`     // XML is only the beginning, see MostOriginal
	Problem string `json:"problem,omitempty"` // one sentence if it was not found
}

// MostOriginal is how much of the XML of a message is shown, in bytes.
const MostOriginal = 64 << 10

// OriginalRead: the person wants to see the XML of this message, or of none if it is nil.
type OriginalRead struct{ Original *Original }

func (ev OriginalRead) apply(s *State) { s.Original = ev.Original }

// original is State.Original as a row.
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
