package stream

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"natter/app/connect"
	"natter/framing"
)

const (
	nsSM    = "urn:xmpp:sm:3"
	nsDelay = "urn:xmpp:delay"
	nsHints = "urn:xmpp:hints"
)

// entry is a stanza of ours the server has not confirmed.
type entry struct {
	st      *framing.Element
	since   time.Time // when we were given it
	size    int
	number  uint64   // in the order of queuing
	request *request // nil for what Send queued
	held    bool     // not to be written before Release
}

// mark is a stanza of the server that has not been handled, or has one before it that
// has not.
type mark struct {
	counted bool // Stream Management was on when it came
	handled bool
}

// management is what Stream Management has settled. The server's count of our
// stanzas starts when we send <enable/>, ours of its stanzas when we receive
// <enabled/> (XEP-0198 §4).
type management struct {
	enabling bool // <enable/> was sent and not answered
	counting bool // <enabled/> has come
	id       string
	max      time.Duration // how long the server keeps the stream, 0 if it did not say
	location string        // where the server would like it to be resumed, "" for anywhere
}

// manage turns Stream Management on for a new stream, if the server has it. It is
// the first thing sent, so everything after it is counted.
func (l *loop) manage(sess *connect.Session) {
	switch {
	case sess.SM != nil:
		l.enabled(sess.SM)
	case l.features.Child(nsSM, "sm") != nil:
		l.sm.enabling = true
		l.control = append(l.control, framing.New(nsSM, "enable").Set("resume", "true"))
		l.doubt() // it has to be answered like any question
	}
}

// managed handles an element of Stream Management.
func (l *loop) managed(e *framing.Element) {
	switch e.Name.Local {
	case "enabled":
		if l.sm.enabling {
			l.settled()
			l.enabled(e)
			l.askSoon()
		}
	case "failed":
		if l.sm.enabling {
			l.settled()
			l.sm = management{}
			l.askSoon()
		}
	case "r":
		l.answer()
	case "a":
		h, err := strconv.ParseUint(e.Attr("h"), 10, 32)
		if err != nil || !l.sm.counting {
			return
		}
		if !l.confirm(uint32(h) - l.acked) {
			l.tooHigh(uint32(h))
			return
		}
		if l.resumed && !l.answered {
			l.emit(Redelivered{})
		}
		l.answered = true
		l.settled()
		l.askSoon()
	}
}

// enabled reads <enabled/>.
func (l *loop) enabled(e *framing.Element) {
	l.sm = management{counting: true, location: e.Attr("location")}
	if r := e.Attr("resume"); r == "true" || r == "1" {
		l.sm.id = e.Attr("id")
	}
	if n, err := strconv.ParseUint(e.Attr("max"), 10, 31); err == nil {
		l.sm.max = time.Duration(n) * time.Second
	}
	l.h = 0
}

// answer tells the server how many of its stanzas have been handled.
func (l *loop) answer() {
	if l.sm.counting || l.sm.enabling {
		l.control = append(l.control, l.ack())
	}
	l.owed = len(l.inbound) > 0
}

func (l *loop) ack() *framing.Element {
	return framing.New(nsSM, "a").Set("h", strconv.FormatUint(uint64(l.h), 10))
}

// handled: the owner has dealt with one more.
func (l *loop) handled() {
	i := slices.IndexFunc(l.inbound, func(m *mark) bool { return !m.handled })
	if i < 0 {
		return
	}
	l.inbound[i].handled = true
	l.advance()
}

// advance counts what is handled with nothing unhandled before it: h says that all
// stanzas up to this one are done with.
func (l *loop) advance() {
	for len(l.inbound) > 0 && l.inbound[0].handled {
		if l.inbound[0].counted {
			l.h++
		}
		l.inbound[0] = nil
		l.inbound = l.inbound[1:]
	}
	if len(l.inbound) > 0 {
		return
	}
	if l.owed && l.phase == online {
		l.answer()
	}
	l.unblocked()
}

// Fleeting reports whether nobody misses a stanza of ours when the page dies before it
// has left: all but messages, and of these the ones that no server stores (XEP-0334), such
// as chat states.
func Fleeting(st *framing.Element) bool {
	return st.Name.Local != "message" || st.Child(nsHints, "no-store") != nil
}

// spare is how many stanzas may leave that no Snapshot of before knows of. A stream that
// is taken up from that Snapshot lets the server confirm so many more than it knows: all
// that it knows of came before them.
const spare = 64

// enqueue takes a stanza of ours.
func (l *loop) enqueue(en entry) {
	l.queue = append(l.queue, l.hold(en))
}

// hold numbers an entry and holds it back if it has to be written down first.
func (l *loop) hold(en entry) entry {
	l.number++
	en.number, en.held = l.number, l.config.Hold && !Fleeting(en.st)
	return en
}

// release frees the entries up to a number: the owner has written them down.
func (l *loop) release(upto uint64) {
	l.recorded = max(l.recorded, upto)
	for i := range l.queue[l.sent:] {
		if en := &l.queue[l.sent+i]; en.number <= upto {
			en.held = false
		}
	}
}

// waits reports whether an entry may not be written yet.
func (l *loop) waits(en *entry) bool {
	return l.phase != closing && l.config.Hold && (en.held || en.number > l.recorded+spare)
}

// confirm takes the next n stanzas as the server's. It reports false, and does
// nothing, if so many have not been sent.
func (l *loop) confirm(n uint32) bool {
	if uint64(n) > uint64(l.sent) {
		return false
	}
	if n == 0 {
		return true
	}
	var acked []*framing.Element
	for i := range l.queue[:n] {
		acked = append(acked, l.queue[i].st)
		l.queue[i] = entry{}
	}
	l.queue = l.queue[n:]
	l.sent -= int(n)
	l.acked += n
	l.unasked = min(l.unasked, l.sent)
	l.emit(Acknowledged{Stanzas: acked})
	return true
}

// tooHigh ends a stream on which the server confirms what it was never sent
// (XEP-0198 §6). Nothing such a count says can be relied on.
func (l *loop) tooHigh(h uint32) {
	sent := strconv.FormatUint(uint64(l.acked+uint32(l.sent)), 10)
	l.fail(&framing.StreamError{
		Condition: framing.UndefinedCondition,
		App: framing.New(nsSM, "handled-count-too-high").
			Set("h", strconv.FormatUint(uint64(h), 10)).Set("send-count", sent),
	}, ErrMiscounted)
}

// catchUp takes what the server says to have handled of a lost session. After a restore
// that may be a few stanzas more than we know of, see spare.
func (l *loop) catchUp(h uint32) bool {
	n := h - l.acked
	if more := int64(n) - int64(l.sent); more > 0 && more <= int64(l.unknown) {
		n = uint32(l.sent)
		defer func() { l.acked = h }()
	}
	l.unknown = 0
	return l.confirm(n)
}

// goOn goes on where the lost socket left off: what the server has not handled
// is sent again, unchanged and before anything new (XEP-0198 §5). It does the same, and
// the first count that it answers with comes after that.
func (l *loop) goOn(h uint32) (ok bool) {
	if !l.catchUp(h) {
		l.tooHigh(h)
		return false
	}
	l.sent = 0
	l.settled()
	l.probe()
	return true
}

// startOver forgets the old stream. It returns what was written to it and never
// confirmed; what was not written yet stays in the queue.
func (l *loop) startOver() (lost []*framing.Element) {
	written := l.queue[:l.sent]
	rest := l.queue[l.sent:]
	l.queue, l.sent, l.acked, l.unknown = nil, 0, 0, 0
	for _, en := range written {
		if en.st.Name.Local != "iq" {
			lost = append(lost, en.st)
		}
		if en.st.Name.Local == "message" {
			l.unsettled = true
		}
	}
	for _, r := range l.pending() {
		if r.written {
			l.reply(r, nil, ErrDisconnected)
		}
	}
	for _, en := range rest {
		if en.request == nil && en.st.Name.Local == "iq" {
			continue // an answer nobody waits for any more
		}
		l.queue = append(l.queue, en)
	}
	for _, m := range l.inbound {
		m.counted = false
	}
	l.sm, l.h = management{}, 0
	l.settled()
	return lost
}

// lose hands back what startOver has returned.
func (l *loop) lose(lost []*framing.Element) {
	if len(lost) > 0 {
		l.losses++
		l.emit(Unsent{Stanzas: lost, Loss: l.losses})
	}
}

// settle sends again what the owner wants sent again of what was lost, before
// everything that waited for that. If more has been lost since, it still waits.
func (l *loop) settle(loss int, again []entry) {
	for i := range again {
		again[i] = l.hold(again[i])
	}
	l.queue = slices.Insert(l.queue, l.sent, again...)
	if loss == l.losses {
		l.unsettled = false
	}
}

// ready returns the stanza that is to be written next, if any may be, as the queue has
// it and as it leaves, and moves it to the front of those that wait. Messages wait
// while the fate of older ones is open.
func (l *loop) ready() (queued, leaves *framing.Element, ok bool) {
	i := l.sent
	if l.unsettled && l.phase != closing {
		for i < len(l.queue) && l.queue[i].st.Name.Local == "message" {
			i++
		}
	}
	for i < len(l.queue) && l.late(i) > Stale {
		l.unqueue(i, ErrStale)
	}
	if i == len(l.queue) || l.waits(&l.queue[i]) {
		return nil, nil, false
	}
	en := l.queue[i]
	copy(l.queue[l.sent+1:i+1], l.queue[l.sent:i])
	l.queue[l.sent] = en
	if l.late(l.sent) <= time.Minute {
		return en.st, en.st, true
	}
	// Only what leaves says how late it is. In the queue a delay means that whoever wrote
	// the message knew it would be.
	late := *en.st
	late.Children = slices.Clone(late.Children)
	late.Add(framing.New(nsDelay, "delay").Set("stamp", en.since.UTC().Format("2006-01-02T15:04:05.000Z")))
	return en.st, &late, true
}

// late returns how old a message is that somebody wrote in the belief that it leaves at
// once, and 0 for all else.
func (l *loop) late(i int) time.Duration {
	en := l.queue[i]
	if en.st.Name.Local != "message" || en.st.Child(framing.NSClient, "body") == nil || en.st.Child(nsDelay, "delay") != nil {
		return 0
	}
	return passed(l.now(), en.since)
}

// unqueue takes an entry out of the queue; for err it can never be sent.
func (l *loop) unqueue(i int, err error) {
	en := l.queue[i]
	l.queue = slices.Delete(l.queue, i, i+1)
	if l.question.upto > i {
		l.question.upto--
	}
	switch {
	case en.request != nil:
		l.reply(en.request, nil, err)
	case en.st.Name.Local != "iq":
		l.emit(Unsent{Stanzas: []*framing.Element{en.st}, Err: err})
	}
}

// shrink takes out what this server does not take, though the last one might have.
func (l *loop) shrink(limit int) {
	for i := len(l.queue) - 1; i >= 0; i-- {
		if size := l.queue[i].size; size > limit {
			l.unqueue(i, &TooLargeError{Size: size, Max: limit})
		}
	}
}

// quarantine finds the stanza that makes the server end one connection after the
// other. Prosody does that to those above 256 KiB, and closes the WebSocket over frames
// of twice as much; a client that sends them again each time never comes to anything
// else. A stanza that was waiting to be confirmed at two such ends in a row is given up:
// the first such one, or, where the server names the size as the reason, the largest.
func (l *loop) quarantine(cause error) {
	var ended *framing.StreamError
	var closed *framing.CloseError
	size := errors.As(cause, &closed) && closed.Code == tooBig
	if !size && !(errors.As(cause, &ended) && ended.Condition == framing.PolicyViolation) {
		l.suspects = nil
		return
	}
	found := -1
	suspects := map[string]bool{}
	for i, en := range l.queue[:l.sent] {
		id := en.st.Attr("id")
		if l.suspects[id] && (found < 0 || size && en.size > l.queue[found].size) {
			found = i
		}
		suspects[id] = id != ""
	}
	l.suspects = suspects
	if found < 0 {
		return
	}
	en := l.queue[found]
	delete(suspects, en.st.Attr("id"))
	if size {
		cause = &TooLargeError{Size: en.size, Max: en.size - 1}
	}
	l.sent--
	l.unqueue(found, cause)
	l.lose(l.startOver()) // resumed without it, the counts would be wrong
}

// snapshot copies what resuming takes.
func (l *loop) snapshot(handled int) *Snapshot {
	sn := &Snapshot{
		ID: l.sm.id, JID: l.me, At: l.sm.location, H: l.h, Acked: l.acked, Sent: l.sent, Upto: l.number,
		Features: l.features, MaxBytes: int(l.s.limit.Load()), Idle: l.idle, Max: l.sm.max, Lost: l.lost.Round(0),
	}
	for _, m := range l.inbound {
		if !m.handled {
			if handled == 0 {
				break
			}
			handled--
		}
		if m.counted {
			sn.H++
		}
	}
	for _, en := range l.queue {
		sn.Unacked, sn.Since = append(sn.Unacked, en.st), append(sn.Since, en.since.Round(0))
	}
	return sn
}

// restore takes up what snapshot has copied. Nobody waits for answers any more.
func (l *loop) restore(sn *Snapshot) {
	l.sm = management{counting: sn.ID != "", id: sn.ID, max: sn.Max, location: sn.At}
	l.me, l.h, l.acked, l.features, l.idle = sn.JID, sn.H, sn.Acked, sn.Features, sn.Idle
	if sn.MaxBytes > 0 {
		l.s.limit.Store(int64(sn.MaxBytes))
	}
	if l.lost = sn.Lost; l.lost.IsZero() {
		l.lost = l.now()
	}
	for i, st := range sn.Unacked {
		en := entry{st: st, since: l.now(), size: len(st.Append(nil))}
		if i < len(sn.Since) {
			en.since = sn.Since[i]
		}
		l.number++
		en.number = l.number
		l.queue = append(l.queue, en)
	}
	l.recorded = l.number
	l.sent, l.unknown = min(sn.Sent, len(l.queue)), spare
}
