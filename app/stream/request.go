package stream

import (
	"context"
	"maps"
	"slices"
	"sort"
	"time"

	"natter/app/jid"
	"natter/framing"
)

// request is an IQ of ours without an answer yet.
type request struct {
	id      string
	to      jid.JID // "" is our own account
	done    func(reply *framing.Element, err error)
	number  int // its place in the order of requests
	written bool
	timer   timer
}

// addRequest queues a request. After a final failure it ends at once.
func (l *loop) addRequest(en entry) {
	r := en.request
	if l.phase == stopped {
		l.emit(Replied{Err: ErrDisconnected, Done: r.done})
		return
	}
	l.requestCount++
	r.number = l.requestCount
	l.requests[r.id] = r
	l.enqueue(en)
	if l.phase == online {
		l.startDeadline(r)
	}
}

// startDeadline starts the deadline of a request.
func (l *loop) startDeadline(r *request) {
	r.timer.set(l, l.config.RequestTimeout, func(late time.Duration) {
		if late > asleepAfter {
			l.startDeadline(r) // the machine slept, so the answer could not arrive
			return
		}
		l.dropRequest(r)
		l.emit(Replied{Err: context.DeadlineExceeded, Done: r.done})
	})
}

// dropRequest forgets a request, and removes it from the queue if it has not been written.
func (l *loop) dropRequest(r *request) {
	if l.requests[r.id] != r {
		return
	}
	delete(l.requests, r.id)
	r.timer.clear()
	for i := l.sent; i < len(l.queue); i++ {
		if l.queue[i].request == r {
			l.queue = slices.Delete(l.queue, i, i+1)
			l.reordered()
			return
		}
	}
}

// finishRequest ends a request with its answer or error.
func (l *loop) finishRequest(r *request, reply *framing.Element, err error) {
	if l.requests[r.id] != r {
		return
	}
	delete(l.requests, r.id)
	r.timer.clear()
	l.emit(Replied{Reply: reply, Err: err, Done: r.done})
}

// pendingRequests returns the requests without an answer, in the order in which they were made.
func (l *loop) pendingRequests() []*request {
	all := slices.Collect(maps.Values(l.requests))
	sort.Slice(all, func(i, j int) bool { return all[i].number < all[j].number })
	return all
}

// matchReply finds the request for an IQ of type result or error. The id alone is not
// enough, because others may learn or guess it: the sender must be the one who was asked
// (CVE-2013-6483, CVE-2014-0364).
func (l *loop) matchReply(iq *framing.Element) (Replied, bool) {
	id, from, typ := iq.Attr("id"), jid.JID(iq.Attr("from")), iq.Attr("type")
	if !isAnswer(iq) {
		return Replied{}, false
	}
	r := l.requests[id]
	if r == nil || !l.mayAnswer(from, r.to) {
		return Replied{}, false
	}
	delete(l.requests, id)
	r.timer.clear()
	if typ == "error" {
		return Replied{Reply: iq, Err: framing.ReadStanzaError(iq), Done: r.done}, true
	}
	return Replied{Reply: iq, Done: r.done}, true
}

// isAnswer reports whether a stanza answers a request.
func isAnswer(st *framing.Element) bool {
	typ := st.Attr("type")
	return st.Name.Local == "iq" && st.Attr("id") != "" && (typ == "result" || typ == "error")
}

// isPong reports whether an IQ answers the ping of the open question, and ends the question then. Only a
// stream without Stream Management needs pings.
func (l *loop) isPong(iq *framing.Element) bool {
	if !isAnswer(iq) || iq.Attr("id") != l.question.ping || !l.mayAnswer(jid.JID(iq.Attr("from")), jid.JID(l.me.Domain())) {
		return false
	}
	l.confirm(uint32(l.question.upto))
	l.questionAnswered()
	l.askSoon()
	return true
}

// mayAnswer reports whether from may answer a request to to. Our own account and server may
// answer for each other, with or without an address (RFC 6120 §8.1.2.1); nobody else can
// send in their name. An address may come back in normalised form.
func (l *loop) mayAnswer(from, to jid.JID) bool {
	if from == to || l.isOwn(from) && l.isOwn(to) {
		return true
	}
	a, err := jid.Parse(string(from))
	if err != nil {
		return false
	}
	b, err := jid.Parse(string(to))
	return err == nil && (a == b || l.isOwn(a) && l.isOwn(b))
}

func (l *loop) isOwn(j jid.JID) bool {
	return j == "" || j == l.me || j == l.me.Bare() || string(j) == l.me.Domain()
}
