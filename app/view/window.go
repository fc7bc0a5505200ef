package view

import "natter/app/state"

const (
	// most is how many messages the page ever holds, however long the history.
	most = 140
	// fresh is how many it begins with.
	fresh = 70
	// stride is how far the window moves when the person comes near its edge.
	stride = 50
)

// window is the part of a conversation that is on the page. It begins at from and
// holds up to most messages; when a new message would not fit any more, the oldest
// leave, many at once, so that most messages change nothing but their own row.
type window struct {
	from   state.Key
	unread state.Key // the first message that had not been read, to divide there
	atEnd  bool      // the person sees the newest message
}

func newWindow(c *state.Chat) window {
	w := window{atEnd: true}
	if c.Unread > 0 {
		w.unread = firstUnread(c)
		w.atEnd = false
	}
	if c.Timeline.Len() == 0 {
		w.atEnd = true
		return w
	}
	w.from = c.Timeline.Newest(fresh)[0].Key
	if w.unread != (state.Key{}) && w.unread.Before(w.from) {
		w.from = w.unread
		if above := c.Timeline.Before(w.unread, 20); len(above) > 0 {
			w.from = above[0].Key
		}
	}
	return w
}

// firstUnread returns the key of the first message that has not been read.
func firstUnread(c *state.Chat) state.Key {
	if c.ReadTo != (state.Key{}) {
		for _, m := range c.Timeline.From(c.ReadTo, most) {
			if c.ReadTo.Before(m.Key) && !m.Mine {
				return m.Key
			}
		}
	}
	if newest := c.Timeline.Newest(c.Unread); c.Unread > 0 && len(newest) > 0 {
		return newest[0].Key
	}
	return state.Key{}
}

// rows returns the messages on the page, and whether the newest is among them.
func (w *window) rows(c *state.Chat) (rows []*state.Message, end bool) {
	rows = c.Timeline.From(w.from, most+1)
	if len(rows) <= most {
		return rows, true
	}
	if w.atEnd {
		rows = c.Timeline.Newest(fresh)
		w.from = rows[0].Key
		return rows, true
	}
	return rows[:most], false
}

// older moves the window towards the beginning and reports whether it could.
func (w *window) older(c *state.Chat) bool {
	page := c.Timeline.Before(w.from, stride)
	if len(page) == 0 {
		return false
	}
	w.from, w.atEnd = page[0].Key, false
	return true
}

// newer moves the window towards the end and reports whether it could.
func (w *window) newer(c *state.Chat) bool {
	rows := c.Timeline.From(w.from, most+1)
	if len(rows) <= most {
		return false
	}
	w.from = rows[stride].Key
	return true
}

func (w *window) showEnd(c *state.Chat) {
	w.atEnd = true
	if newest := c.Timeline.Newest(fresh); len(newest) > 0 && w.from.Before(newest[0].Key) {
		if rows := c.Timeline.From(w.from, most+1); len(rows) > most {
			w.from = newest[0].Key
		}
	}
}

// edge is told when the person scrolls near an end of what is on the page.
func (d *desk) edge(which string, atEnd bool) {
	c := d.s.Chat(d.open)
	if c == nil {
		return
	}
	_, end := d.window.rows(c)
	was := d.window.atEnd
	d.window.atEnd = atEnd && end
	switch {
	case which == "top" && d.window.older(c):
		d.rev++
	case which == "top" && !c.Whole() && !c.Archive.Loading && c.Archive.Failed == "":
		d.model.Do(state.LoadOlder{Peer: d.open})
	case which == "bottom" && d.window.newer(c):
		d.rev++
	}
	if was != d.window.atEnd {
		d.rev++
	}
	d.read()
}
