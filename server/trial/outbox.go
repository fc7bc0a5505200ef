package trial

import (
	"sync"

	"natter/framing"
)

// outbox is what waits to be written. It has its own lock, for the writer does
// not take the server's.
type outbox struct {
	mu       sync.Mutex
	elements []*framing.Element
	ending   *ending
	ended    bool // guarded by the server's mutex: nothing more is accepted or handled
	most     int
	wake     chan struct{}
}

type ending struct {
	reason *framing.StreamError // nil when the stream is over already
}

func (o *outbox) add(e *framing.Element) bool {
	if o.ended {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.elements) >= o.most {
		return false
	}
	o.elements = append(o.elements, e)
	o.ring()
	return true
}

func (o *outbox) end(reason *framing.StreamError) {
	if o.ended {
		return
	}
	o.ended = true
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ending = &ending{reason}
	o.ring()
}

func (o *outbox) take() ([]*framing.Element, *ending) {
	o.mu.Lock()
	defer o.mu.Unlock()
	elements := o.elements
	o.elements = nil
	return elements, o.ending
}

func (o *outbox) ring() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}
