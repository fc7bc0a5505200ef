package chaos

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Way is a direction.
type Way int

// Up is towards the server, Down towards the client.
const (
	Up Way = iota
	Down
)

// Fault is what befalls one connection. The zero value is a good connection.
type Fault struct {
	// Break is what happens before the byte At of the direction Way is carried, and
	// Break is not "". Bytes before it have been carried.
	Break Break
	Way   Way
	At    int64

	Delay time.Duration // of everything, each way
	Stall time.Duration // once, at half of At
	Rate  int           // bytes a second, each way; 0 is no limit
	Piece int           // at most so many bytes in one write; 0 is no limit
}

// Break is how a connection ends.
type Break string

const (
	Cut      Break = "cut"       // both sides are told, with a reset
	HalfOpen Break = "half-open" // the client is told; the server is not, and what it sends is swallowed
	Hole     Break = "hole"      // nobody is told, everything is swallowed
)

// Proxy is a network between clients and one server: it carries TCP, and fails.
type Proxy struct {
	target string
	listen net.Listener
	all    sync.WaitGroup

	mu     sync.Mutex
	random *rand.Rand
	plan   func(n int, random *rand.Rand) Fault
	down   bool
	ended  bool
	conns  map[*conn]bool
	made   int
	drops  int
	change chan struct{} // closed and replaced when something is swallowed or drops
	eaten  int64
}

// NewProxy returns a proxy to an address, host:port, that has no faults yet. It has to
// be closed.
func NewProxy(target string, seed uint64) (*Proxy, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	p := &Proxy{
		target: target, listen: l, random: rand.New(rand.NewPCG(seed, 2)),
		conns: map[*conn]bool{}, change: make(chan struct{}),
	}
	p.all.Go(p.accept)
	return p, nil
}

// Address is where clients connect to.
func (p *Proxy) Address() string { return p.listen.Addr().String() }

// Plan decides the faults of connections to come; n counts them. nil is none. It is
// called by one goroutine at a time and must not call the Proxy.
func (p *Proxy) Plan(plan func(n int, random *rand.Rand) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan = plan
}

// Drops returns how many connections the proxy has broken.
func (p *Proxy) Drops() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.drops
}

// Swallowed returns how many bytes went into holes, and a channel that is closed when
// this, or Drops, is no longer true.
func (p *Proxy) Swallowed() (int64, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.eaten, p.change
}

// Break breaks all connections now, and reports how many there were.
func (p *Proxy) Break(how Break) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for c := range p.conns {
		if p.breakLocked(c, how) {
			n++
		}
	}
	return n
}

// Hang ends all connections for both sides, as when the client's process is gone. These
// are no drops.
func (p *Proxy) Hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.end()
	}
}

// Down refuses new connections, or takes them again, and cuts those there are.
func (p *Proxy) Down(down bool) {
	p.mu.Lock()
	p.down = down
	p.mu.Unlock()
	if down {
		p.Break(Cut)
	}
}

// Close ends everything and returns when it has ended.
func (p *Proxy) Close() {
	_ = p.listen.Close()
	p.mu.Lock()
	p.ended = true
	for c := range p.conns {
		c.end()
	}
	p.mu.Unlock()
	p.all.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		if p.down || p.ended {
			p.mu.Unlock()
			reset(client)
			continue
		}
		c := &conn{proxy: p, client: client, over: make(chan struct{})}
		if p.plan != nil {
			c.fault = p.plan(p.made, p.random)
		}
		p.made++
		p.conns[c] = true
		p.mu.Unlock()
		p.all.Go(c.carry)
	}
}

// breakLocked is called with the mutex. It reports whether this broke anything.
func (p *Proxy) breakLocked(c *conn, how Break) bool {
	if c.broken != "" {
		return false
	}
	c.broken = how
	p.drops++
	p.tell()
	switch how {
	case Cut:
		c.end()
	case HalfOpen:
		reset(c.client)
	}
	return true
}

func (p *Proxy) tell() {
	close(p.change)
	p.change = make(chan struct{})
}

// conn is one connection. What is below fault is guarded by the proxy's mutex.
type conn struct {
	proxy  *Proxy
	client net.Conn
	over   chan struct{} // closed at the end
	fault  Fault

	server net.Conn
	broken Break
	ended  bool
}

// end is called with the mutex.
func (c *conn) end() {
	if c.ended {
		return
	}
	c.ended = true
	close(c.over)
	reset(c.client)
	if c.server != nil {
		reset(c.server)
	}
}

// reset ends a connection the hard way: what was on its way is lost too.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

func (c *conn) carry() {
	p := c.proxy
	server, err := net.Dial("tcp4", p.target)
	p.mu.Lock()
	if err != nil || c.ended {
		c.end()
		delete(p.conns, c)
		p.mu.Unlock()
		if err == nil {
			reset(server)
		}
		return
	}
	c.server = server
	p.mu.Unlock()

	var both sync.WaitGroup
	both.Go(func() { c.copy(Up, server, c.client) })
	both.Go(func() { c.copy(Down, c.client, server) })
	both.Wait()
	p.mu.Lock()
	c.end()
	delete(p.conns, c)
	p.mu.Unlock()
}

// copy carries one direction until it ends. One that ends ends the other, unless the
// server is not to know.
func (c *conn) copy(way Way, to, from net.Conn) {
	f := c.fault
	buffer := make([]byte, 16<<10)
	var done int64
	stalled := f.Stall == 0
	for {
		n, err := from.Read(buffer)
		if n > 0 && !c.pass(way, to, buffer[:n], f, &done, &stalled) {
			err = net.ErrClosed
		}
		if err == nil {
			continue
		}
		c.proxy.mu.Lock()
		if way == Down || c.broken == "" {
			c.end()
		}
		c.proxy.mu.Unlock()
		return
	}
}

// pass carries some bytes and reports whether there is a connection after it.
func (c *conn) pass(way Way, to net.Conn, b []byte, f Fault, done *int64, stalled *bool) bool {
	if f.Delay > 0 && !c.wait(f.Delay) {
		return false
	}
	for len(b) > 0 {
		piece := b
		if f.Piece > 0 {
			piece = piece[:min(len(piece), f.Piece)]
		}
		if f.Break != "" && way == f.Way {
			left := f.At - *done
			if !*stalled && left <= f.At/2 {
				*stalled = true
				if !c.wait(f.Stall) {
					return false
				}
			}
			if left <= 0 {
				c.proxy.mu.Lock()
				c.proxy.breakLocked(c, f.Break)
				c.proxy.mu.Unlock()
			} else {
				piece = piece[:min(int64(len(piece)), left)]
			}
		}
		if f.Rate > 0 && !c.wait(time.Duration(len(piece))*time.Second/time.Duration(f.Rate)) {
			return false
		}
		c.proxy.mu.Lock()
		broken := c.broken
		if broken != "" {
			c.proxy.eaten += int64(len(b))
			c.proxy.tell()
		}
		c.proxy.mu.Unlock()
		switch broken {
		case Cut:
			return false
		case HalfOpen, Hole:
			return true
		}
		n, err := to.Write(piece)
		*done += int64(n)
		if err != nil {
			return false
		}
		b = b[n:]
	}
	return true
}

// wait lets time pass and reports whether the connection is still there after it.
func (c *conn) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.over:
		return false
	}
}
