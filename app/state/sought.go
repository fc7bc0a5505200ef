package state

// Sought is a place of a conversation that the person goes to, and how looking for it in an archive
// goes. It does not change.
type Sought struct {
	Seek
	Loading bool   `json:"loading,omitempty"`
	Key     Key    `json:"key"`               // where it is, zero if that is not known
	Problem string `json:"problem,omitempty"` // one sentence if it was not found
}

// SoughtChanged: this is how looking for a place goes.
type SoughtChanged struct{ Sought *Sought }

func (ev SoughtChanged) apply(s *State) { s.Sought = ev.Sought }

// seeking is what is Sought as a row.
type seeking struct{ Sought }

func (*seeking) Where() (table, key string) { return "sought", "" }
func (*seeking) drop(s *State)              { s.Sought = nil }

func (l *seeking) put(s *State) {
	read := l.Sought
	s.Sought = &read
}

func changedSought(d *difference, put, drop func(Value)) {
	switch is := d.after.Sought; {
	case is == d.before.Sought:
	case is == nil:
		drop(&seeking{})
	default:
		put(&seeking{*is})
	}
}

// Holds returns the gap in which a time is, in µs since 1970, nil if what was said around then is
// here.
func (s *State) Holds(id ConvID, at int64) *Gap {
	for _, g := range s.Gaps(id) {
		if !g.Open && (g.After.At.IsZero() || g.After.At.UnixMicro() <= at) && (g.Before.At.IsZero() || at < g.Before.At.UnixMicro()) {
			return &g
		}
	}
	return nil
}
