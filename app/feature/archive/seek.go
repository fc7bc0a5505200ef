package archive

import (
	"time"

	"natter/app/feature"
	"natter/app/state"
)

// seek reads the part of an archive around a place. In a room the id of a message is the archive's own, so
// two pages are enough: the one before it, and the one after that. In a conversation of two the id is
// the author's, and no archive can be asked by it (XEP-0313 §4.1): pages are read backward until the
// message has come. read is "" at first, later the gap that was read last: Gap.After.ID with a space at
// its end, because the id may be "".
func (a *archive) seek(c feature.Client, in state.Seek, read string) {
	if a.seeking != in {
		return // the person looks for something else
	}
	s := c.State()
	tell := func(sought state.Sought) {
		sought.Seek = in
		c.Emit(state.SoughtChanged{Sought: &sought})
	}
	m, gap := s.About(in.Of), s.Holds(in.Conv, in.At)
	if in.Of.ID != "" {
		gap = newest(s, in.Conv)
	}
	part := state.NewFill(s, in.Conv, "", 0).Part
	switch {
	case m != nil:
		tell(state.Sought{Key: m.Key})
		return
	case in.Of.ID == "" && (gap == nil || read != ""):
		tell(state.Sought{Key: state.Key{Time: in.At}})
		return
	case gap == nil, read == gap.After.ID+" ", read != "" && part.With == "":
		tell(state.Sought{Problem: "The message could not be found. It may be too old, or deleted from the archive."})
		return
	case s.Connection.Phase != state.Online:
		tell(state.Sought{Problem: "You are offline. It can be looked up when you are online."})
		return
	}
	if a.reading[part.Archive] || s.Coverage(part).Fill.Loading {
		c.After(time.Second, func() { a.seek(c, in, read) })
		return
	}
	r := &reading{a: a, c: c, counts: func() bool { return true }}
	switch {
	case in.Of.ID != "" && in.Conv.Kind() == state.Groupchat:
		r.plan = state.NewAround(s, in.Conv, state.Gap{}, in.Of.ID, time.Time{})
	case in.Of.ID != "":
		r.plan = state.NewFill(s, in.Conv, gap.After.ID, mostPages)
		r.until = func() bool { return a.seeking != in || c.State().About(in.Of) != nil }
	default:
		r.plan = state.NewAround(s, in.Conv, *gap, "", time.UnixMicro(in.At))
	}
	r.over = func(err error) {
		switch {
		case a.seeking != in:
		case err != nil:
			tell(state.Sought{Problem: "It could not be looked up. " + reason(err)})
		default:
			a.seek(c, in, gap.After.ID+" ")
		}
	}
	r.next()
}

// newest returns the last gap of a conversation that can be filled, nil if there is none.
func newest(s *state.State, conv state.ConvID) *state.Gap {
	gaps := s.Gaps(conv)
	for i := len(gaps) - 1; i >= 0; i-- {
		if !gaps[i].Open {
			return &gaps[i]
		}
	}
	return nil
}
