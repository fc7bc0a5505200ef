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

// entry is a stanza of ours that the server has not confirmed.
type entry struct {
	st      *framing.Element
	since   time.Time // when it was queued
	size    int
	number  uint64   // in the order of queuing
	request *request // nil for what Send queued
	held    bool     // not to be written before Release
}

// mark stands for a received stanza, until it and all before it are handled.
type mark struct {
	counted bool // Stream Management was on when it came
	handled bool
}

// smState is the state of Stream Management. The server counts our stanzas from <enable/>
// on; we count its stanzas from <enabled/> on (XEP-0198 §4).
type smState struct {
	enabling bool // <enable/> was sent and not answered
	counting bool // <enabled/> has come
	id       string
	max      time.Duration // how long the server keeps a lost stream, 0 if unknown
	location string        // where the server prefers a resume, "" for anywhere
}

// enableSM turns on Stream Management for a new stream, if the server has it. It comes
// before all stanzas, so all are counted.
func (l *loop) enableSM(sess *connect.Session) {
	switch {
	case sess.SM != nil:
		l.receivedEnabled(sess.SM)
	case l.features.Child(nsSM, "sm") != nil:
		l.sm.enabling = true
		l.control = append(l.control, framing.New(nsSM, "enable").Set("resume", "true"))
		l.startAnswerTimer() // <enable/> needs an answer, like <r/>
	}
}

// receivedSM handles a received element of Stream Management.
func (l *loop) receivedSM(e *framing.Element) {
	switch e.Name.Local {
	case "enabled":
		if l.sm.enabling {
			l.questionAnswered()
			l.receivedEnabled(e)
			l.askSoon()
		}
	case "failed":
		if l.sm.enabling {
			l.questionAnswered()
			l.sm = smState{}
			l.askSoon()
		}
	case "r":
		l.sendAck()
	case "a":
		h, err := strconv.ParseUint(e.Attr("h"), 10, 32)
		if err != nil || !l.sm.counting {
			return
		}
		if !l.confirm(uint32(h) - l.acked) {
			l.countTooHigh(uint32(h))
			return
		}
		if l.resumed && !l.answered {
			l.emit(Redelivered{})
		}
		l.answered = true
		l.questionAnswered()
		l.askSoon()
	}
}

// enabled reads <enabled/>.
func (l *loop) receivedEnabled(e *framing.Element) {
	l.sm = smState{counting: true, location: e.Attr("location")}
	if r := e.Attr("resume"); r == "true" || r == "1" {
		l.sm.id = e.Attr("id")
	}
	if n, err := strconv.ParseUint(e.Attr("max"), 10, 31); err == nil {
		l.sm.max = time.Duration(n) * time.Second
	}
	l.h = 0
}

// sendAck acknowledges the stanzas handled so far, and once more when all are.
func (l *loop) sendAck() {
	if l.sm.counting || l.sm.enabling {
		l.control = append(l.control, l.ack())
	}
	l.ackOwed = len(l.inbound) > 0
}

func (l *loop) ack() *framing.Element {
	return framing.New(nsSM, "a").Set("h", strconv.FormatUint(uint64(l.h), 10))
}

// handled marks the oldest unhandled stanza as handled.
func (l *loop) handled() {
	i := slices.IndexFunc(l.inbound, func(m *mark) bool { return !m.handled })
	if i < 0 {
		return
	}
	l.inbound[i].handled = true
	l.advance()
}

// advance counts the handled stanzas up to the first unhandled one: h confirms all stanzas
// up to a point.
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
	if l.ackOwed && l.phase == online {
		l.sendAck()
	}
	l.connectIfReady()
}

// Fleeting reports whether a stanza of ours may be lost if the page dies before it has
// left: every stanza that is no message, and messages that no server stores (XEP-0334),
// such as chat states.
func Fleeting(st *framing.Element) bool {
	return st.Name.Local != "message" || st.Child(nsHints, "no-store") != nil
}

// maxUnrecorded is how many stanzas may leave that are in no stored Snapshot. After a
// restore the server may confirm up to this many more stanzas than the Snapshot has; they
// came after all that it has.
const maxUnrecorded = 64

// enqueue adds a stanza of ours to the queue.
func (l *loop) enqueue(en entry) {
	l.queue = append(l.queue, l.numbered(en))
}

// numbered gives an entry its number, and holds it if it has to be stored first.
func (l *loop) numbered(en entry) entry {
	l.number++
	en.number, en.held = l.number, l.config.Hold && !Fleeting(en.st)
	return en
}

// release allows the entries up to a number to be written: the owner has stored them.
func (l *loop) release(upto uint64) {
	l.recorded = max(l.recorded, upto)
	for i := range l.queue[l.sent:] {
		if en := &l.queue[l.sent+i]; en.number <= upto {
			en.held = false
		}
	}
}

// isHeld reports whether an entry must wait until the owner has stored it.
func (l *loop) isHeld(en *entry) bool {
	return l.phase != closing && l.config.Hold && (en.held || en.number > l.recorded+maxUnrecorded)
}

// confirm removes the first n stanzas from the queue, because the server has them. It
// returns false and changes nothing if fewer have been sent.
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

// countTooHigh ends a stream on which the server confirms more than was sent (XEP-0198
// §6), since its count cannot be trusted.
func (l *loop) countTooHigh(h uint32) {
	sent := strconv.FormatUint(uint64(l.acked+uint32(l.sent)), 10)
	l.fail(&framing.StreamError{
		Condition: framing.UndefinedCondition,
		App: framing.New(nsSM, "handled-count-too-high").
			Set("h", strconv.FormatUint(uint64(h), 10)).Set("send-count", sent),
	}, ErrMiscounted)
}

// confirmUpTo confirms the stanzas of a lost session by the server's count. After a
// restore the count may include stanzas that we do not know, see maxUnrecorded.
func (l *loop) confirmUpTo(h uint32) bool {
	n := h - l.acked
	if more := int64(n) - int64(l.sent); more > 0 && more <= int64(l.unrecorded) {
		n = uint32(l.sent)
		defer func() { l.acked = h }()
	}
	l.unrecorded = 0
	return l.confirm(n)
}

// afterResume confirms what the server has handled and sends the rest of the queue again,
// unchanged and before anything new (XEP-0198 §5). The server does the same with its
// stanzas; its first <a/> comes after them.
func (l *loop) afterResume(h uint32) (ok bool) {
	if !l.confirmUpTo(h) {
		l.countTooHigh(h)
		return false
	}
	l.sent = 0
	l.questionAnswered()
	l.probe()
	return true
}

// startNewStream forgets the old stream. It returns the stanzas that were written to it
// and not confirmed. Stanzas that were not written stay in the queue.
func (l *loop) startNewStream() (lost []*framing.Element) {
	written := l.queue[:l.sent]
	rest := l.queue[l.sent:]
	l.queue, l.sent, l.acked, l.unrecorded = nil, 0, 0, 0
	for _, en := range written {
		if en.st.Name.Local != "iq" {
			lost = append(lost, en.st)
		}
		if en.st.Name.Local == "message" {
			l.unsettled = true
		}
	}
	for _, r := range l.pendingRequests() {
		if r.written {
			l.finishRequest(r, nil, ErrDisconnected)
		}
	}
	for _, en := range rest {
		if en.request == nil && en.st.Name.Local == "iq" {
			continue // an answer that nobody waits for
		}
		l.queue = append(l.queue, en)
	}
	for _, m := range l.inbound {
		m.counted = false
	}
	l.sm, l.h = smState{}, 0
	l.questionAnswered()
	return lost
}

// emitUnsent reports the stanzas that startNewStream has returned.
func (l *loop) emitUnsent(lost []*framing.Element) {
	if len(lost) > 0 {
		l.losses++
		l.emit(Unsent{Stanzas: lost, Loss: l.losses})
	}
}

// settle queues the stanzas to retry before everything that waited for this decision. If
// there has been another loss since, the wait goes on.
func (l *loop) settle(loss int, again []entry) {
	for i := range again {
		again[i] = l.numbered(again[i])
	}
	l.queue = slices.Insert(l.queue, l.sent, again...)
	if loss == l.losses {
		l.unsettled = false
	}
}

// ready returns the next stanza to write, if any: as it is in the queue, and as it leaves.
// It moves the stanza to the front of the unsent ones. Messages wait until Settle has
// decided about older ones.
func (l *loop) ready() (queued, leaves *framing.Element, ok bool) {
	i := l.sent
	if l.unsettled && l.phase != closing {
		for i < len(l.queue) && l.queue[i].st.Name.Local == "message" {
			i++
		}
	}
	for i < len(l.queue) && l.lateness(i) > Stale {
		l.unqueue(i, ErrStale)
	}
	if i == len(l.queue) || l.isHeld(&l.queue[i]) {
		return nil, nil, false
	}
	en := l.queue[i]
	copy(l.queue[l.sent+1:i+1], l.queue[l.sent:i])
	l.queue[l.sent] = en
	if l.lateness(l.sent) <= time.Minute {
		return en.st, en.st, true
	}
	// Only the stanza that leaves gets a delay. In the queue a delay means that the message
	// was written offline.
	late := *en.st
	late.Children = slices.Clone(late.Children)
	late.Add(framing.New(nsDelay, "delay").Set("stamp", en.since.UTC().Format("2006-01-02T15:04:05.000Z")))
	return en.st, &late, true
}

// lateness returns the age of a message that was written online, and 0 for other stanzas.
func (l *loop) lateness(i int) time.Duration {
	en := l.queue[i]
	if en.st.Name.Local != "message" || en.st.Child(framing.NSClient, "body") == nil || en.st.Child(nsDelay, "delay") != nil {
		return 0
	}
	return elapsed(l.now(), en.since)
}

// unqueue removes an entry from the queue, because it can never be sent; err is the
// reason.
func (l *loop) unqueue(i int, err error) {
	en := l.queue[i]
	l.queue = slices.Delete(l.queue, i, i+1)
	if l.question.upto > i {
		l.question.upto--
	}
	switch {
	case en.request != nil:
		l.finishRequest(en.request, nil, err)
	case en.st.Name.Local != "iq":
		l.emit(Unsent{Stanzas: []*framing.Element{en.st}, Err: err})
	}
}

// dropTooLarge removes the stanzas that are too large for the server of this session.
func (l *loop) dropTooLarge(limit int) {
	for i := len(l.queue) - 1; i >= 0; i-- {
		if size := l.queue[i].size; size > limit {
			l.unqueue(i, &TooLargeError{Size: size, Max: limit})
		}
	}
}

// quarantine removes a stanza that makes the server end each connection. Prosody ends the
// stream after stanzas above 256 KiB, and closes the WebSocket after frames of twice that
// size; a client that retries them each time can do nothing else. A stanza that was
// unconfirmed at two such ends in a row is removed: the first of them or, if the server
// names the size as the reason, the largest.
func (l *loop) quarantine(cause error) {
	var ended *framing.StreamError
	var closed *framing.CloseError
	size := errors.As(cause, &closed) && closed.Code == tooBigCode
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
	l.emitUnsent(l.startNewStream()) // a resume without it would have wrong counts
}

// snapshot copies what is needed to resume.
func (l *loop) snapshot(handled int) *Snapshot {
	sn := &Snapshot{
		ID: l.sm.id, JID: l.me, At: l.sm.location, H: l.h, Acked: l.acked, Sent: l.sent, Upto: l.number,
		Features: l.features, MaxBytes: int(l.s.limit.Load()), Idle: l.idle, Max: l.sm.max, Lost: l.lostAt.Round(0),
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

// restore sets the state from a snapshot. Nobody waits for the answers to its IQs.
func (l *loop) restore(sn *Snapshot) {
	l.sm = smState{counting: sn.ID != "", id: sn.ID, max: sn.Max, location: sn.At}
	l.me, l.h, l.acked, l.features, l.idle = sn.JID, sn.H, sn.Acked, sn.Features, sn.Idle
	if sn.MaxBytes > 0 {
		l.s.limit.Store(int64(sn.MaxBytes))
	}
	if l.lostAt = sn.Lost; l.lostAt.IsZero() {
		l.lostAt = l.now()
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
	l.sent, l.unrecorded = min(sn.Sent, len(l.queue)), maxUnrecorded
}
