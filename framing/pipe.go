package framing

import (
	"context"
	"fmt"
	"sync"
)

// Pipe returns the two ends of a connection in memory, for tests and for peers in
// the same process. It has no limits: what is written is kept until it is read.
// Closing either end closes both, after what was written before.
func Pipe() (client, server Socket) {
	up, down := newPipeQueue(), newPipeQueue()
	return &pipeEnd{in: down, out: up}, &pipeEnd{in: up, out: down}
}

type pipeEnd struct{ in, out *pipeQueue }

func (p *pipeEnd) Read(ctx context.Context) (string, error) { return p.in.read(ctx) }

func (p *pipeEnd) Write(ctx context.Context, message string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return p.out.write(message)
}

func (p *pipeEnd) Buffered() int { return 0 }

func (p *pipeEnd) Close(code int, reason string) error {
	if !ValidCloseCode(code) {
		return fmt.Errorf("close code %d is not ours to send", code)
	}
	p.out.close(code, reason)
	p.in.close(code, reason)
	return nil
}

type pipeQueue struct {
	mu       sync.Mutex
	messages []string
	end      *CloseError
	changed  chan struct{} // closed and replaced at every change
}

func newPipeQueue() *pipeQueue { return &pipeQueue{changed: make(chan struct{})} }

func (q *pipeQueue) read(ctx context.Context) (string, error) {
	for {
		q.mu.Lock()
		changed := q.changed
		switch {
		case len(q.messages) > 0:
			m := q.messages[0]
			q.messages = q.messages[1:]
			q.mu.Unlock()
			return m, nil
		case q.end != nil:
			q.mu.Unlock()
			return "", q.end
		}
		q.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func (q *pipeQueue) write(message string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil {
		return q.end
	}
	q.messages = append(q.messages, message)
	q.wake()
	return nil
}

func (q *pipeQueue) close(code int, reason string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end == nil {
		q.end = &CloseError{Code: code, Reason: reason}
		q.wake()
	}
}

func (q *pipeQueue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}
