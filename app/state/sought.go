package state

// Sought is the place that the person looks for in an archive, and how far that is. A Sought never changes.
type Sought struct {
	Seek
	Loading bool   `json:"loading,omitempty"` // pages are still read
	Key     Key    `json:"key"`               // the place, zero if it is not known
	Problem string `json:"problem,omitempty"` // one sentence if it was not found
}

// SoughtChanged: the person looks for this place, or for none if it is nil.
type SoughtChanged struct{ Sought *Sought }

func (ev SoughtChanged) apply(s *State) { s.Sought = ev.Sought }

// seeking is State.Sought as a row.
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

// Holds returns the gap in which a time is (µs since 1970), nil if it is in none.
func (s *State) Holds(id ConvID, at int64) *Gap {
	for _, g := range s.Gaps(id) {
		if !g.Open && (g.After.At.IsZero() || g.After.At.UnixMicro() <= at) && (g.Before.At.IsZero() || at < g.Before.At.UnixMicro()) {
			return &g
		}
	}
	return nil
}
