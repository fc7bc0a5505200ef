package stream

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"natter/app/jid"
	"natter/framing"
)

// request is an IQ that waits for its answer.
type request struct {
	id      string
	to      jid.JID // "" asks our own account
	done    func(reply *framing.Element, err error)
	number  int // in the order of asking
	written bool
	timer   timer
}

// ask queues a request. After a final failure nobody will answer it.
func (l *loop) ask(en entry) {
	r := en.request
	if l.phase == stopped {
		l.emit(Replied{Err: ErrDisconnected, Done: r.done})
		return
	}
	l.asked++
	r.number = l.asked
	l.requests[r.id] = r
	l.enqueue(en)
	if l.phase == online {
		l.await(r)
	}
}

// await starts the deadline of a request.
func (l *loop) await(r *request) {
	r.timer.set(l, l.config.RequestTimeout, func(late time.Duration) {
		if late > asleep {
			l.await(r) // the answer had no chance to arrive
			return
		}
		l.forget(r)
		l.emit(Replied{Err: context.DeadlineExceeded, Done: r.done})
	})
}

// forget gives a request up. If it has not been written it never will be.
func (l *loop) forget(r *request) {
	if l.requests[r.id] != r {
		return
	}
	delete(l.requests, r.id)
	r.timer.clear()
	for i := l.sent; i < len(l.queue); i++ {
		if l.queue[i].request == r {
			l.queue = slices.Delete(l.queue, i, i+1)
			return
		}
	}
}

// reply settles a request.
func (l *loop) reply(r *request, reply *framing.Element, err error) {
	if l.requests[r.id] != r {
		return
	}
	delete(l.requests, r.id)
	r.timer.clear()
	l.emit(Replied{Reply: reply, Err: err, Done: r.done})
}

// pending returns the requests in the order they were made.
func (l *loop) pending() []*request {
	return slices.SortedFunc(maps.Values(l.requests), func(a, b *request) int {
		return cmp.Compare(a.number, b.number)
	})
}

// replied matches an IQ of type result or error with what was asked. The id alone
// is not enough, because others may learn or guess it: only who was asked can
// answer (CVE-2013-6483, CVE-2014-0364).
func (l *loop) replied(iq *framing.Element) (Replied, bool) {
	id, from, typ := iq.Attr("id"), jid.JID(iq.Attr("from")), iq.Attr("type")
	if id == "" || typ != "result" && typ != "error" {
		return Replied{}, false
	}
	if id == l.question.ping && l.answers(from, jid.JID(l.me.Domain())) {
		l.confirm(uint32(l.question.upto))
		l.settled()
		l.askSoon()
		return Replied{}, false
	}
	r := l.requests[id]
	if r == nil || !l.answers(from, r.to) {
		return Replied{}, false
	}
	delete(l.requests, id)
	r.timer.clear()
	if typ == "error" {
		return Replied{Reply: iq, Err: framing.ReadStanzaError(iq), Done: r.done}, true
	}
	return Replied{Reply: iq, Done: r.done}, true
}

// answers reports whether from may answer what to was asked. Our own account and
// server speak for each other, with or without an address (RFC 6120 §8.1.2.1).
// Nobody else can send in their name. Addresses we wrote may come back normalised.
func (l *loop) answers(from, to jid.JID) bool {
	if from == to || l.own(from) && l.own(to) {
		return true
	}
	a, err := jid.Parse(string(from))
	if err != nil {
		return false
	}
	b, err := jid.Parse(string(to))
	return err == nil && (a == b || l.own(a) && l.own(b))
}

func (l *loop) own(j jid.JID) bool {
	return j == "" || j == l.me || j == l.me.Bare() || string(j) == l.me.Domain()
}
