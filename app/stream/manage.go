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
	st      *framing.Element // nil after a restore if it was not stored: it only counts
	doc     string           // the same as it leaves
	since   time.Time        // when it was queued
	number  uint64           // in the order of queuing
	moved   uint64           // loop.reorders when its position in the queue changed last
	kept    bool             // it is not Fleeting, so it is not written before Commit
	request *request         // nil for what Send queued
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

// receivedEnabled handles <enabled/>: from now on both sides count.
func (l *loop) receivedEnabled(e *framing.Element) {
	l.sm = smState{counting: true, location: e.Attr("location")}
	if r := e.Attr("resume"); r == "true" || r == "1" {
		l.sm.id = e.Attr("id")
	}
	if n, err := strconv.ParseUint(e.Attr("max"), 10, 31); err == nil {
		l.sm.max = time.Duration(n) * time.Second
	}
	l.uncounted = l.received
}

// sendAck acknowledges the stanzas committed so far, and once more when all are.
func (l *loop) sendAck() {
	if l.sm.counting || l.sm.enabling {
		l.control = append(l.control, l.ack())
	}
	l.ackOwed = l.behind() > 0
}

func (l *loop) ack() *framing.Element {
	return framing.New(nsSM, "a").Set("h", strconv.FormatUint(uint64(l.h(l.committed)), 10))
}

// h is the count of the server's stanzas up to a number (XEP-0198 §4).
func (l *loop) h(n uint64) uint32 { return count(l.sm.counting, n, l.uncounted) }

func count(counting bool, n, uncounted uint64) uint32 {
	if !counting || int64(n-uncounted) < 0 {
		return 0
	}
	return uint32(n - uncounted)
}

// commit notes that the owner has stored a Snapshot.
func (l *loop) commit(sn *Snapshot) {
	l.recorded, l.current = max(l.recorded, sn.number), max(l.current, sn.reordered)
	l.committed = max(l.committed, min(sn.received, l.received))
	if l.behind() > 0 {
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

// maxUnrecorded is how many stanzas may leave that are in no committed Snapshot. After a
// restore the server may confirm up to this many more stanzas than the Snapshot has; they
// came after all that it has.
const maxUnrecorded = 64

// enqueue adds a stanza of ours to the queue.
func (l *loop) enqueue(en entry) {
	l.queue = append(l.queue, en)
	if l.order != nil {
		l.order = extend(l.order, en.number)
	}
}

// extend adds a number to the order of a queue.
func extend(order []Run, n uint64) []Run {
	if last := len(order) - 1; last >= 0 && order[last].To+1 == n {
		order[last].To = n
		return order
	}
	return append(order, Run{n, n})
}

// reordered notes that the unsent part of the queue has changed other than at its end. A message there may
// leave only after the owner has stored its new position.
func (l *loop) reordered() {
	l.order = nil
	l.reorders++
	wait := false
	for i := range l.queue[l.sent:] {
		en := &l.queue[l.sent+i]
		en.moved = l.reorders
		wait = wait || en.kept
	}
	if wait && l.config.Hold {
		l.emit(Reordered{})
	}
}

// isHeld reports whether an entry must wait until the owner has stored it.
func (l *loop) isHeld(en *entry) bool {
	switch {
	case l.phase == closing || !l.config.Hold:
		return false
	case en.kept:
		return en.number > l.recorded || en.moved > l.current
	}
	return en.number > l.recorded+maxUnrecorded
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
		if st := l.queue[i].st; st != nil {
			acked = append(acked, st)
		}
		l.queue[i] = entry{}
	}
	l.queue = l.queue[n:]
	for left := uint64(n); left > 0 && l.order != nil; {
		first := &l.order[0]
		if here := first.To - first.From + 1; here > left {
			first.From += left
			break
		} else if left -= here; true {
			l.order = l.order[1:]
		}
	}
	l.sent -= int(n)
	l.acked += n
	l.unasked = min(l.unasked, l.sent)
	if len(acked) > 0 {
		l.emit(Acknowledged{Stanzas: acked})
	}
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

// confirmedBy returns how many stanzas of the queue a count of the server confirms after a lost
// session. After a restore the count may include stanzas that we do not know, see maxUnrecorded.
func (l *loop) confirmedBy(h uint32) uint32 {
	n := h - l.acked
	if more := int64(n) - int64(l.sent); more > 0 && more <= int64(l.unrecorded) {
		return uint32(l.sent)
	}
	return n
}

// confirmUpTo confirms the stanzas of a lost session by the server's count.
func (l *loop) confirmUpTo(h uint32) bool {
	n := l.confirmedBy(h)
	l.unrecorded = 0
	if !l.confirm(n) {
		return false
	}
	l.acked = h
	return true
}

// afterResume confirms what the server has handled and sends the rest of the queue again,
// unchanged and before anything new (XEP-0198 §5). The server does the same with its
// stanzas; its first <a/> comes after them.
func (l *loop) afterResume(h uint32) (ok bool) {
	restored := l.unrecorded > 0
	if !l.confirmUpTo(h) {
		l.countTooHigh(h)
		return false
	}
	l.sent = 0
	if restored {
		l.queue = slices.DeleteFunc(l.queue, func(en entry) bool { return en.st == nil })
		l.reordered() // the stanzas that were not stored are no longer in the queue
	}
	l.questionAnswered()
	l.probe()
	return true
}

// startNewStream forgets the old stream. It returns the stanzas that were written to it
// and not confirmed. Stanzas that were not written stay in the queue, but for messages to rooms,
// which it returns too: a new stream is in no room (XEP-0045 §7.4).
func (l *loop) startNewStream() (lost []*framing.Element) {
	written := l.queue[:l.sent]
	rest := l.queue[l.sent:]
	l.queue, l.sent, l.acked, l.unrecorded = nil, 0, 0, 0
	for _, en := range written {
		if en.st == nil {
			continue
		}
		if en.st.Name.Local != "iq" {
			lost = append(lost, en.st)
		}
		if en.st.Name.Local == "message" {
			l.undecided = true
		}
	}
	for _, r := range l.pendingRequests() {
		if r.written {
			l.finishRequest(r, nil, ErrDisconnected)
		}
	}
	for _, en := range rest {
		switch {
		case en.request == nil && en.st.Name.Local == "iq": // an answer that nobody waits for
		case en.st.Attr("type") == "groupchat":
			lost, l.undecided = append(lost, en.st), true
		default:
			l.queue = append(l.queue, en)
		}
	}
	l.reordered()
	l.sm = smState{}
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

// decide queues the stanzas to retry before everything that waited for this decision. If
// there has been another loss since, the wait goes on.
func (l *loop) decide(loss int, again []entry) {
	l.queue = slices.Insert(l.queue, l.sent, again...)
	l.reordered()
	if loss == l.losses {
		l.undecided = false
	}
}

// ready returns the next stanza to write, if any: as it is in the queue, and as it leaves.
// It moves the stanza to the front of the unsent ones. Messages wait until Decide has
// decided about older ones.
func (l *loop) ready() (queued *framing.Element, leaves string, ok bool) {
	i := l.sent
	if l.undecided && l.phase != closing {
		for i < len(l.queue) && l.queue[i].st.Name.Local == "message" {
			i++
		}
	}
	for i < len(l.queue) && l.lateness(i) > Stale {
		l.unqueue(i, ErrStale)
	}
	if i == len(l.queue) || l.isHeld(&l.queue[i]) {
		return nil, "", false
	}
	en := l.queue[i]
	if i > l.sent {
		copy(l.queue[l.sent+1:i+1], l.queue[l.sent:i])
		l.queue[l.sent] = en
		l.reordered()
	}
	if l.lateness(l.sent) <= time.Minute {
		return en.st, en.doc, true
	}
	// Only the stanza that leaves gets a delay. In the queue a delay means that the message
	// was written offline.
	late := *en.st
	late.Children = slices.Clone(late.Children)
	late.Add(framing.New(nsDelay, "delay").Set("stamp", en.since.UTC().Format("2006-01-02T15:04:05.000Z")))
	return en.st, late.String(), true
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
	l.reordered()
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

// dropTooLarge removes the stanzas that are larger than limit, in bytes.
func (l *loop) dropTooLarge(limit int) {
	for i := len(l.queue) - 1; i >= 0; i-- {
		if size := len(l.queue[i].doc); size > limit {
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
		if l.suspects[id] && (found < 0 || size && len(en.doc) > len(l.queue[found].doc)) {
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
		cause = &TooLargeError{Size: len(en.doc), Max: len(en.doc) - 1}
	}
	l.sent--
	l.unqueue(found, cause)
	l.emitUnsent(l.startNewStream()) // a resume without it would have wrong counts
}

// committed is what Stream.Snapshot returns, and what it counts with.
type committed struct {
	Snapshot
	counting  bool
	uncounted uint64
	restored  bool // and no session since then
}

func (c *committed) h(n uint64) uint32 { return count(c.counting, n, c.uncounted) }

// publish prepares what Stream.Snapshot returns, so that the owner need not wait for the loop. The loop
// calls it before it delivers the events of a step.
func (l *loop) publish() {
	if l.order == nil {
		l.order = []Run{}
		for _, en := range l.queue {
			l.order = extend(l.order, en.number)
		}
	}
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.s.now = committed{
		Snapshot: Snapshot{
			ID: l.sm.id, JID: l.me, At: l.sm.location, Acked: l.acked, Order: append(l.s.now.Order[:0], l.order...),
			Features: l.featuresXML, MaxBytes: int(l.s.limit.Load()), Idle: l.idle, Max: l.sm.max, Lost: l.lostAt.Round(0),
			number: l.number, reordered: l.reorders,
		},
		counting: l.sm.counting, uncounted: l.uncounted, restored: l.unrecorded > 0,
	}
	if l.unrecorded > 0 {
		l.s.now.Unsent = len(l.queue) - l.sent
	}
}

// restore sets the state of the loop from a Snapshot. Answers to IQs of the earlier page are Received
// events, because no request waits for them.
func (l *loop) restore(sn *Snapshot) {
	l.sm = smState{counting: sn.ID != "", id: sn.ID, max: sn.Max, location: sn.At}
	l.me, l.uncounted, l.acked, l.idle = sn.JID, -uint64(sn.H), sn.Acked, sn.Idle
	if features, err := framing.Parse(sn.Features, framing.DefaultLimits); err == nil {
		l.features, l.featuresXML = features, sn.Features
	}
	if sn.MaxBytes > 0 {
		l.s.limit.Store(int64(sn.MaxBytes))
	}
	if l.lostAt = sn.Lost; l.lostAt.IsZero() {
		l.lostAt = l.now()
	}
	stored := map[uint64]Queued{}
	order := []Run{}
	for _, q := range sn.Queue {
		stored[q.N] = q
		if sn.ID == "" {
			order = append(order, Run{q.N, q.N})
		}
	}
	if sn.ID != "" {
		order = sn.Order
	}
	for _, run := range order {
		for n := run.From; n <= run.To; n++ {
			q := stored[n]
			l.enqueue(entry{st: q.Stanza, doc: q.XML, since: q.Since, number: n, kept: true})
			l.number = max(l.number, n)
		}
	}
	l.s.number, l.recorded = l.number, l.number
	l.sent, l.unrecorded = len(l.queue), maxUnrecorded
	if sn.ID != "" {
		l.sent -= min(sn.Unsent, l.sent)
	}
}
