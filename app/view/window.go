package view

import (
	"slices"

	"natter/app/state"
)

const (
	// most is how many messages the page ever holds, however long the history.
	most = 140
	// fresh is how many it begins with.
	fresh = 40
	// stride is how far the window moves when the person comes near its edge.
	stride = 50
	// margin is how many messages above what is in sight stay on the page.
	margin = 20
	// many new messages at once replace what is on the page: to add them to it would be
	// longer work, and what was there is out of sight.
	many = 30
)

// window is the part of a conversation that is on the page. It begins at from and
// holds up to most messages; when a new message would not fit any more, the oldest
// leave, many at once, so that most messages change nothing but their own row.
type window struct {
	from   state.Key
	unread state.Key // the first message that had not been read, to divide there
	found  state.Key // the message that was looked for
	drawn  state.Key // the newest message when it was drawn last
	atEnd  bool      // the person sees the newest message
	short  bool      // it holds only as many as are soon drawn, until the person comes near its edge
}

// most returns how many messages the window holds.
func (w *window) most() int {
	if w.short {
		return above + fresh
	}
	return most
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
	var first state.Key
	left := c.Unread
	for _, m := range slices.Backward(c.Timeline.Newest(c.Timeline.Len())) {
		if left == 0 {
			break
		}
		if !m.Mine {
			first = m.Key
			left--
		}
	}
	return first
}

// mostUnread is how many unread messages are looked through for the first of them, where it is not
// known where reading stopped.
const mostUnread = 1000

// unreadAbove reports whether the first unread message is on the disk and not in memory.
func unreadAbove(c *state.Chat) bool {
	if c.Unread == 0 || !c.Timeline.Holes() {
		return false
	}
	if c.ReadTo != (state.Key{}) {
		return !c.Timeline.After(c.ReadTo)
	}
	newest, theirs := c.Timeline.Newest(mostUnread), 0
	for _, m := range newest {
		if !m.Mine {
			theirs++
		}
	}
	return theirs <= c.Unread && len(newest) < mostUnread && c.Timeline.Tail() != state.Lowest
}

// seek is a place that the open conversation is to be shown at, while it is being read
// from the disk.
type seek struct {
	on  bool
	key state.Key // a message; the zero Key for the first that was not read
	day bool      // it is a time: the first message from then on is meant
}

// above is how much of what comes before a message that was looked for is shown.
const above = 25

// seekTo shows the open conversation at a message, or at the first one that was not
// read, as soon as that is in memory.
func (d *desk) seekTo(c *state.Chat, key state.Key) { d.seekPlace(c, seek{on: true, key: key}) }

// seekDay shows it at the first message from a time on, in µs since 1970.
func (d *desk) seekDay(c *state.Chat, at int64) {
	d.seekPlace(c, seek{on: true, key: state.Key{Time: at}, day: true})
}

func (d *desk) seekPlace(c *state.Chat, to seek) {
	key := to.key
	d.seek = to
	d.jump(window{}, "")
	if !d.sought(c) {
		d.lookAt(state.Look{Conv: c.Conv, At: key, Unread: key == (state.Key{})})
	}
}

// lookAt says where the person looks, if that is somewhere else than before.
func (d *desk) lookAt(at state.Look) {
	if at != d.looked {
		d.looked = at
		d.model.Do(at)
	}
}

// looks says where the window is.
func (d *desk) looks() {
	if d.open == "" || d.seek.on {
		return
	}
	at := state.Look{Conv: d.open}
	if !d.window.atEnd {
		at.At = d.window.from
	}
	d.lookAt(at)
}

// sought reports whether the place is there, and then shows it.
func (d *desk) sought(c *state.Chat) bool {
	key := d.seek.key
	unread := key == (state.Key{})
	switch {
	case d.s.Storage != nil || unread && !unreadAbove(c):
		d.begin(c)
	case unread || !c.Timeline.After(key) || len(c.Timeline.Before(key, above)) < above && c.Timeline.Begins(key) != state.Lowest:
		return false
	case len(c.Timeline.From(key, 1)) == 0 || !d.seek.day && c.Timeline.Get(key) == nil:
		d.jump(newWindow(c), "end")
	default:
		key = c.Timeline.From(key, 1)[0].Key
		w := window{from: key, found: key, short: true}
		if before := c.Timeline.Before(key, above); len(before) > 0 {
			w.from = before[0].Key
		}
		d.unfoldTo(c.Timeline.Get(key))
		d.jump(w, "found")
		d.settling.Focus = "found"
	}
	d.seek = seek{}
	d.rev++
	return true
}

// rows returns the messages on the page, and whether the newest is among them.
func (w *window) rows(c *state.Chat) (rows []*state.Message, end bool) {
	last := c.Timeline.Last()
	if last == nil {
		return nil, true
	}
	rows = c.Timeline.From(w.from, w.most()+1)
	end = len(rows) > 0 && len(rows) <= w.most() && rows[len(rows)-1] == last
	burst := w.atEnd && w.drawn != (state.Key{}) && len(rows) > fresh && w.drawn.Before(rows[len(rows)-many].Key)
	if end && !burst {
		return rows, true
	}
	if w.atEnd || len(rows) == 0 {
		rows = c.Timeline.Newest(fresh)
		w.from = rows[0].Key
		return rows, true
	}
	return rows[:min(w.most(), len(rows))], false
}

// older moves the window towards the beginning, as far as it can without what is in
// sight leaving it, and reports whether it could.
func (w *window) older(c *state.Chat, sight string) bool {
	page := c.Timeline.Before(w.from, stride)
	if len(page) == 0 {
		return false
	}
	was := w.from
	w.from, w.atEnd, w.short = page[0].Key, false, false
	w.keep(c, sight)
	return w.from.Before(was)
}

// newer moves the window towards the end and reports whether it could.
func (w *window) newer(c *state.Chat, sight string) bool {
	was, held := w.from, w.most()
	w.short = false
	rows := c.Timeline.From(w.from, most+1)
	switch {
	case len(rows) <= held:
		return false
	case held < most:
		return true
	}
	w.from = rows[stride].Key
	if k, ok := sightKey(c, sight); ok {
		if above := append(c.Timeline.Before(k, margin), c.Timeline.Get(k)); above[0].Key.Before(w.from) {
			w.from = above[0].Key
		}
	}
	return was.Before(w.from)
}

// keep moves the window if too little of it comes after what is in sight: what comes
// before has pushed it down, or out, as it does when a gap above it is filled. As much
// as there was stays on the page: the browser takes a page that shrinks for scrolling.
func (w *window) keep(c *state.Chat, sight string) {
	k, ok := sightKey(c, sight)
	if !ok {
		return
	}
	below := len(c.Timeline.From(k, w.most()/2))
	if above := c.Timeline.Before(k, w.most()-below); len(above) > 0 && w.from.Before(above[0].Key) {
		w.from = above[0].Key
	}
}

// sightKey returns the key of the first message in sight, if it is one of c's.
func sightKey(c *state.Chat, sight string) (state.Key, bool) {
	k, ok := parseKey(sight)
	return k, ok && c.Timeline.Get(k) != nil
}

// screensMore is how many screens of a long message are shown at a time once somebody
// wants more of it than the first.
const screensMore = 10

// unfolded returns how many screens of a message are shown.
func (d *desk) unfolded(m *state.Message) int { return 1 + screensMore*d.unfold[m.Key] }

func (d *desk) more(k state.Key, times int) {
	if d.unfold == nil {
		d.unfold = map[state.Key]int{}
	}
	d.unfold[k] += times
}

// unfoldTo shows as much of a message as it takes to see the first of the words that it
// was found by, if that is not too much.
func (d *desk) unfoldTo(m *state.Message) {
	_, body := m.Said()
	spans := state.Spans(body, d.search.words)
	for n := range 3 {
		if len(spans) > 0 && spans[0][1] <= screens(body, 1+n*screensMore) {
			d.more(m.Key, n-d.unfold[m.Key])
			return
		}
	}
}

// showMore shows more of a message, where it is: what was read stays in its place.
func (d *desk) showMore(key string) {
	k, ok := parseKey(key)
	c := d.s.Chat(d.open)
	if !ok || c == nil || c.Timeline.Get(k) == nil {
		return
	}
	d.more(k, 1)
	d.settling.Scroll, d.settling.Focus = "put", "log"
	d.rev++
}

// jump shows another place, wherever the person was.
func (d *desk) jump(w window, scroll string) { d.window, d.sight, d.settling.Scroll = w, "", scroll }

// begin shows a conversation where reading stopped.
func (d *desk) begin(c *state.Chat) {
	d.jump(newWindow(c), "end")
	if d.window.unread != (state.Key{}) {
		d.settling.Scroll = "new"
	}
}

// toEnd shows the newest message.
func (d *desk) toEnd(c *state.Chat) {
	d.window.showEnd(c)
	d.jump(d.window, "end")
}

func (w *window) showEnd(c *state.Chat) {
	w.atEnd, w.short = true, false
	if newest := c.Timeline.Newest(fresh); len(newest) > 0 && w.from.Before(newest[0].Key) {
		if rows := c.Timeline.From(w.from, most+1); len(rows) > most || len(rows) == 0 || rows[len(rows)-1] != c.Timeline.Last() {
			w.from = newest[0].Key
		}
	}
}

// edge is told when the person scrolls near an end of what is on the page.
func (d *desk) edge(which string, atEnd bool) {
	c := d.s.Chat(d.open)
	if c == nil || d.seek.on {
		return
	}
	_, end := d.window.rows(c)
	was := d.window.atEnd
	d.window.atEnd = atEnd && end
	switch {
	case which == "top" && d.window.older(c, d.sight):
		d.rev++
	case which == "top":
		d.older(d.open)
	case which == "bottom" && d.window.newer(c, d.sight):
		d.settling.Scroll = "stay"
		d.rev++
	}
	if was != d.window.atEnd {
		d.rev++
	}
	d.read()
}

// older asks for what comes before the oldest message, unless that is under way or has
// failed: then the person decides.
func (d *desk) older(conv state.ConvID) {
	c, gap := d.s.Chat(conv), d.s.Older(conv)
	switch {
	case !c.Timeline.Above(d.window.from):
		d.model.Do(state.Look{Conv: conv, At: d.window.from})
	case gap != nil && !gap.Fill.Loading && gap.Fill.Failed == "":
		d.model.Do(state.LoadOlder{Conv: conv})
	}
}
